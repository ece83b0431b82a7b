// SPDX-License-Identifier: BSD-2-Clause
#include "guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/swap.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "workload.h"

static const char swap_device[] = "/dev/zram0";

uint64_t guest_vmstat(const char *prefix)
{
	_cleanup_fclose_ FILE *vmstat = fopen("/proc/vmstat", "re");
	char line[128];
	uint64_t sum = 0;

	assert_non_null(vmstat);
	while (fgets(line, sizeof(line), vmstat)) {
		const char *number = strchr(line, ' ');

		if (number && strncmp(line, prefix, strlen(prefix)) == 0)
			sum += strtoull(number, NULL, 10);
	}
	return sum;
}

uint64_t guest_memory_event(const char *group, const char *key)
{
	return group_read_key(group, "memory.events", key, key);
}

uint64_t guest_pressure_ns(const char *group, const char *file)
{
	return group_read_key(group, file, "some", "total") * NS_PER_US;
}

void guest_swap_on(void)
{
	assert_int_equal(swapon(swap_device, 0), 0);
}

void guest_swap_off(void)
{
	assert_int_equal(swapoff(swap_device), 0);
}

uint64_t guest_direct_reclaims(const struct collector *collector)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < collector->process_count; i++)
		sum += collector->processes[i].direct_reclaim.count;
	return sum;
}

uint64_t guest_memcg_reclaims(const struct collector *collector)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < collector->process_count; i++)
		sum += collector->processes[i].memcg_reclaim.count;
	return sum;
}
