// SPDX-License-Identifier: BSD-2-Clause
/*
 * Memory stall of a process that thrashes in a small memory cgroup, against the kernel's own
 * account: memory.pressure of a v2 group that holds nothing but that process.
 *
 * Each process is pinned to one CPU: PSI averages over CPUs weighted by their busy time, so it is
 * an exact oracle only for one CPU. On two CPUs the oracle is the union, computed here, of all
 * single intervals (test_mem_stall_union.c).
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "collector.h"
#include "workload.h"

enum {
	TOLERANCE_PERMILLE = 30,
	THRASH_CPU = 0,
	OTHER_CPU = 1,
};

#define LIMIT_BYTES (64 * MIB)
#define FILE_BYTES (160 * MIB)
#define THRASH_NS (3 * NS_PER_S)
#define URGENT_STALL_NS (50 * NS_PER_MS) /* as the collector sets it */

static char file_path[] = "/var/tmp/tierd-test-thrash";

static int setup(void **state)
{
	(void)state;
	workload_make_file(file_path, FILE_BYTES);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	group_remove_all();
	unlink(file_path);
	return 0;
}

static uint64_t group_stall_ns(const char *group)
{
	return group_read_key(group, "memory.pressure", "some", "total") * NS_PER_US;
}

static pid_t thrash_start(const char *memory_group, const char *pressure_group, int threads)
{
	const struct workload thrash = {
		.run = workload_reread,
		.comm = "thrash",
		.threads = threads,
		.cpu = THRASH_CPU,
		.memory_group = memory_group,
		.pressure_group = pressure_group,
		.file = file_path,
		.bytes = FILE_BYTES,
	};

	return workload_start(&thrash);
}

/* Ends the process and compares: the exit record is the whole account. */
static void stop_and_compare(struct collector *collector, pid_t pid, const char *pressure_group)
{
	workload_stop(pid);
	test_sleep_ns(100 * NS_PER_MS);
	collector_look(collector);

	const struct process_record *record = collector_find(collector, pid);

	assert_non_null(record);
	assert_true(record->header.flags & PROCESS_EXITED);
	/* Else there was nothing to measure. */
	assert_true(group_stall_ns(pressure_group) > 100 * NS_PER_MS);
	assert_within_permille(record->mem_stall_ns, group_stall_ns(pressure_group),
			       TOLERANCE_PERMILLE);
}

static void compare_processes(int processes, int threads, bool is_other_cpu_busy)
{
	struct collector *collector = collector_open(0, 0);
	const char *memory_group = group_make(GROUP_MEMORY, "thrash", LIMIT_BYTES);
	const struct workload spin = {.run = workload_spin, .comm = "spin", .cpu = OTHER_CPU};
	pid_t spinner = is_other_cpu_busy ? workload_start(&spin) : 0;
	const char *pressure_groups[2];
	pid_t pids[2];

	for (int i = 0; i < processes; i++) {
		pressure_groups[i] = group_make_pressure(memory_group, i ? "b" : "a");
		pids[i] = thrash_start(memory_group, pressure_groups[i], threads);
	}
	collector_watch(collector, THRASH_NS);
	/* Its own group at its limit, not the host, is what it is short of. */
	assert_int_equal(collector_find(collector, pids[0])->limit_cgroup_id,
			 group_id(memory_group));
	uint64_t own_id = collector_find(collector, pids[0])->cgroup_id;

	assert_true(own_id == group_id(memory_group) || own_id == group_id(pressure_groups[0]));
	for (int i = 0; i < processes; i++)
		stop_and_compare(collector, pids[i], pressure_groups[i]);
	if (spinner)
		workload_stop(spinner);
	assert_int_equal(collector->went_back, 0);
	if (threads > 1) /* stalled nearly all the time: over the urgent limit in every window */
		assert_true(collector->urgent_read > 0);
	collector_close(collector);
}

static void one_thread(void **state)
{
	(void)state;
	compare_processes(1, 1, false);
}

static void four_threads(void **state)
{
	(void)state;
	compare_processes(1, 4, false);
}

static void two_processes(void **state)
{
	(void)state;
	compare_processes(2, 1, false);
}

static void other_cpu_busy(void **state)
{
	(void)state;
	compare_processes(1, 4, true);
}

/*
 * Of threads of which one or another is stalled nearly all the time: what counts is the stall that
 * has come together, not that it has ended. No walk helps.
 */
static void urgent_records_come_while_it_lasts(void **state)
{
	(void)state;
	struct collector *collector = collector_open(0, 0);
	const char *memory_group = group_make(GROUP_MEMORY, "thrash", LIMIT_BYTES);
	pid_t pid = thrash_start(memory_group, NULL, 8);

	collector_watch(collector, NS_PER_S);

	uint64_t first_ns = collector_find(collector, pid)->mem_stall_ns;
	uint64_t urgent_before = collector->urgent_read;

	test_sleep_ns(2 * NS_PER_S);
	assert_true(probes_read_urgent(collector->probes) >= 0);

	uint64_t stall_ns = collector_find(collector, pid)->mem_stall_ns - first_ns;
	uint64_t urgent = collector->urgent_read - urgent_before;

	workload_stop(pid);
	print_message("    %" PRIu64 " urgent records of %" PRIu64 " ms of stall\n", urgent,
		      stall_ns / NS_PER_MS);
	assert_true(urgent > 0);
	assert_in_range(stall_ns / urgent, URGENT_STALL_NS, URGENT_STALL_NS * 6 / 5);
	collector_close(collector);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(four_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(two_processes, setup, teardown),
		cmocka_unit_test_setup_teardown(other_cpu_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(urgent_records_come_while_it_lasts, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
