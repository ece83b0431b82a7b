// SPDX-License-Identifier: BSD-2-Clause
#include "collector.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "io/psi.h"

uint64_t test_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void test_sleep_ns(uint64_t duration_ns)
{
	struct timespec rest = {
		.tv_sec = (time_t)(duration_ns / NS_PER_S),
		.tv_nsec = (long)(duration_ns % NS_PER_S),
	};

	while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
		;
}

void test_assert_within(uint64_t a, uint64_t b, uint64_t permille, const char *what,
			const char *file, int line)
{
	uint64_t difference = a > b ? a - b : b - a;

	print_message("    %s: %" PRIu64 " against %" PRIu64 " (%+.2f %%)\n", what, a, b,
		      b ? ((double)a - (double)b) * 100.0 / (double)b : 0.0);
	if (difference > units_scale(b, permille, 1000)) {
		print_error("%s: %" PRIu64 " is not within %" PRIu64 " permille of %" PRIu64 "\n",
			    what, a, permille, b);
		_fail(file, line);
	}
}

static struct process_record *process_slot(struct collector *collector, uint32_t pid,
					   uint64_t start_ns)
{
	for (unsigned int i = collector->process_count; i-- > 0;) {
		struct process_record *record = &collector->processes[i];

		if (record->pid == pid && record->start_ns == start_ns)
			return record;
	}
	assert_true(collector->process_count < COLLECTOR_PROCESSES_MAX);
	return &collector->processes[collector->process_count++];
}

static void process_keep(void *context, const struct process_record *record)
{
	struct collector *collector = context;
	struct process_record *last = process_slot(collector, record->pid, record->start_ns);
	bool is_known = last->pid != 0;

	collector->records_read++;
	collector->urgent_read += (record->header.flags & PROCESS_URGENT) != 0;
	collector->exits_read += (record->header.flags & PROCESS_EXITED) != 0;
	/* The two rings are read one after the other: take them by kernel time. */
	if (is_known && record->header.time_ns < last->header.time_ns)
		return;
	if (is_known && !(record->header.flags & PROCESS_FIRST) &&
	    (record->cpu_time_ns < last->cpu_time_ns || record->cpu_wait_ns < last->cpu_wait_ns ||
	     record->mem_stall_ns < last->mem_stall_ns || record->io_stall_ns < last->io_stall_ns))
		collector->went_back++;
	if (record->background_cpu_time_ns > record->cpu_time_ns ||
	    record->mem_stall_ns > record->header.time_ns ||
	    record->io_stall_ns > record->header.time_ns)
		collector->went_back++;
	*last = *record;
}

static void oom_keep(void *context, const struct oom_record *record)
{
	struct collector *collector = context;

	assert_true(collector->oom_count < COLLECTOR_OOMS_MAX);
	collector->ooms[collector->oom_count++] = (struct collector_oom){
		.record = *record,
		.read_ns = test_now_ns(),
	};
}

static struct collector *collector_make(uint64_t bulk_ring_bytes, uint64_t urgent_ring_bytes,
					uint64_t report_floor_ns, uint64_t bulk_wakeup_bytes)
{
	struct collector *collector = calloc(1, sizeof(*collector));
	uint64_t psi_window_ns;
	char error[256] = "";

	assert_non_null(collector);
	collector->processes = calloc(COLLECTOR_PROCESSES_MAX, sizeof(*collector->processes));
	assert_non_null(collector->processes);

	struct probes_options options = {
		.settings =
			{
				.report_floor_ns = report_floor_ns,
				.urgent_stall_ns = 50 * NS_PER_MS,
				.bulk_wakeup_bytes = bulk_wakeup_bytes,
				.page_bytes = (uint32_t)sysconf(_SC_PAGESIZE),
				.ignore_nice = 10,
				.is_memstall_kept = psi_probe(&psi_window_ns) != -EOPNOTSUPP,
			},
		.bulk_ring_bytes = bulk_ring_bytes ? bulk_ring_bytes : 4 * MIB,
		.urgent_ring_bytes = urgent_ring_bytes ? urgent_ring_bytes : 256 * KIB,
		.on_process = process_keep,
		.on_oom = oom_keep,
		.context = collector,
	};
	int result = probes_open(&options, &collector->probes, error, sizeof(error));

	if (result < 0)
		fail_msg("probes_open: %s: %s", strerror(-result), error);
	return collector;
}

static struct collector *collector_start(uint64_t bulk_ring_bytes, uint64_t urgent_ring_bytes,
					 uint64_t report_floor_ns, uint64_t bulk_wakeup_bytes)
{
	struct collector *collector = collector_make(bulk_ring_bytes, urgent_ring_bytes,
						     report_floor_ns, bulk_wakeup_bytes);

	collector_look(collector); /* gives every thread its base */
	return collector;
}

struct collector *collector_open_blind(void)
{
	return collector_make(0, 0, NS_PER_MS, UINT64_MAX);
}

struct collector *collector_open(uint64_t bulk_ring_bytes, uint64_t urgent_ring_bytes)
{
	return collector_start(bulk_ring_bytes, urgent_ring_bytes, NS_PER_MS, UINT64_MAX);
}

struct collector *collector_open_floor(uint64_t bulk_ring_bytes, uint64_t report_floor_ns)
{
	return collector_start(bulk_ring_bytes, 0, report_floor_ns, UINT64_MAX);
}

struct collector *collector_open_draining(uint64_t bulk_ring_bytes)
{
	return collector_start(bulk_ring_bytes, 0, 0, bulk_ring_bytes / 2);
}

struct collector *collector_open_exact(void)
{
	return collector_start(0, 0, 0, UINT64_MAX);
}

void collector_close(struct collector *collector)
{
	probes_close(collector->probes);
	free(collector->processes);
	free(collector);
}

void collector_look(struct collector *collector)
{
	assert_int_equal(probes_walk(collector->probes), 0);
	assert_true(probes_read_urgent(collector->probes) >= 0);
	assert_true(probes_read_bulk(collector->probes) >= 0);
}

void collector_watch(struct collector *collector, uint64_t duration_ns)
{
	uint64_t end_ns = test_now_ns() + duration_ns;
	uint64_t look_ns = test_now_ns() + 100 * NS_PER_MS;

	for (uint64_t now_ns; (now_ns = test_now_ns()) < end_ns;) {
		struct pollfd poller = {probes_urgent_fd(collector->probes), POLLIN, 0};
		uint64_t until_ns = look_ns < end_ns ? look_ns : end_ns;

		if (now_ns >= look_ns) {
			collector_look(collector);
			look_ns += 100 * NS_PER_MS;
			continue;
		}
		if (poll(&poller, 1, (int)((until_ns - now_ns) / NS_PER_MS) + 1) > 0)
			assert_true(probes_read_urgent(collector->probes) >= 0);
	}
}

const struct process_record *collector_find(const struct collector *collector, pid_t pid)
{
	for (unsigned int i = collector->process_count; i-- > 0;)
		if (collector->processes[i].pid == (uint32_t)pid)
			return &collector->processes[i];
	return NULL;
}
