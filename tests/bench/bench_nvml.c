// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the agent's reader of GPUs says, and how long it takes to say so:
 *
 *   bench_nvml [READINGS [PERIOD_MS]]
 *
 * Prints one line per GPU (`gpu INDEX TOTAL_BYTES USED_BYTES NAME`), one per process that the
 * driver lists on it (`process INDEX PID BYTES`), and the time of a reading of all of them. The
 * exit status is 1 if there is no GPU, or if a reading failed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/units.h"
#include "io/loop.h"
#include "io/nvml.h"

enum {
	READINGS_DEFAULT = 100,
	READINGS_MAX = 100000,
	PIDS_MAX = 256,
	PERCENT = 100,
	P99 = 99,
};

struct pids {
	uint32_t pid[PIDS_MAX];
	unsigned int count;
};

static bool note_pid(void *context, uint32_t pid)
{
	struct pids *pids = context;

	for (unsigned int i = 0; i < pids->count; i++) {
		if (pids->pid[i] == pid)
			return false;
	}
	if (pids->count < PIDS_MAX)
		pids->pid[pids->count++] = pid;
	return false;
}

static bool is_pid(void *context, uint32_t pid)
{
	return pid == *(const uint32_t *)context;
}

static void print_devices(struct nvml *nvml)
{
	struct event_resource resources[NVML_DEVICES_MAX];
	struct pids pids = {0};
	unsigned int count = nvml_read(nvml, note_pid, &pids, resources, NVML_DEVICES_MAX);

	for (unsigned int i = 0; i < count; i++)
		printf("gpu %" PRIu32 " %" PRIu64 " %" PRIu64 " %s\n", resources[i].index,
		       resources[i].capacity_bytes, resources[i].used_bytes,
		       nvml_get_name(nvml, resources[i].index));
	for (unsigned int p = 0; p < pids.count; p++) {
		count = nvml_read(nvml, is_pid, &pids.pid[p], resources, NVML_DEVICES_MAX);
		for (unsigned int i = 0; i < count; i++) {
			if (resources[i].model_bytes > 0)
				printf("process %" PRIu32 " %" PRIu32 " %" PRIu64 "\n",
				       resources[i].index, pids.pid[p], resources[i].model_bytes);
		}
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a;
	uint64_t right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static void print_times(struct nvml *nvml, unsigned int count, uint64_t period_ms)
{
	static uint64_t took_us[READINGS_MAX];
	struct event_resource resources[NVML_DEVICES_MAX];

	for (unsigned int i = 0; i < count; i++) {
		struct pids pids = {0};
		uint64_t begin_ns = loop_now_ns();

		(void)nvml_read(nvml, note_pid, &pids, resources, NVML_DEVICES_MAX);
		took_us[i] = (loop_now_ns() - begin_ns) / NS_PER_US;
		usleep((useconds_t)period_ms * 1000);
	}
	qsort(took_us, count, sizeof(took_us[0]), compare);
	printf("%u readings, %" PRIu64 " failures: median %" PRIu64 " us, p99 %" PRIu64
	       " us, most %" PRIu64 " us\n",
	       count, nvml_get_failures(nvml), took_us[count / 2],
	       took_us[(uint64_t)count * P99 / PERCENT], took_us[count - 1]);
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : READINGS_DEFAULT;
	uint64_t period_ms = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	uint64_t begin_ns = loop_now_ns();
	struct nvml *nvml;

	if (count == 0 || count > READINGS_MAX || nvml_create(&nvml) < 0)
		return EXIT_FAILURE;
	if (nvml_get_device_count(nvml) == 0) {
		const char *problem = nvml_get_problem(nvml);

		fprintf(stderr, "bench_nvml: no GPU: %s\n", problem ? problem : "none is listed");
		nvml_destroy(nvml);
		return EXIT_FAILURE;
	}
	printf("loaded in %" PRIu64 " ms\n", (loop_now_ns() - begin_ns) / NS_PER_MS);
	print_devices(nvml);
	print_times(nvml, (unsigned int)count, period_ms);
	int status = nvml_get_failures(nvml) > 0 ? EXIT_FAILURE : EXIT_SUCCESS;

	nvml_destroy(nvml);
	return status;
}
