// SPDX-License-Identifier: BSD-2-Clause
/*
 * Times against the kernel's own, on one CPU: run-queue wait against schedstat, and memory and I/O
 * stall of a thrashing process against the pressure of its own group. Swapped arguments of
 * sched_switch, or a wrong field of a task, make these wrong by far.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/units.h"
#include "guest.h"
#include "workload.h"

/* A disk of its own; its pages are charged to whoever reads them first. */
#define DISK "/dev/vda"
#define DISK_BYTES (64 * MIB)
#define LIMIT_BYTES (32 * MIB)

enum {
	SPINNERS = 3,
	WAIT_PERMILLE = 50,
	/* PSI also counts what a stall does before and after the reclaim itself, on the CPU, which
	 * is slow under emulation. */
	MEM_STALL_PERMILLE = 100,
};

static struct collector *collector;

static int teardown(void **state)
{
	(void)state;
	group_remove_all();
	if (collector)
		collector_close(collector);
	collector = NULL;
	return 0;
}

static void run_queue_wait_equals_schedstat(void **state)
{
	(void)state;
	const struct workload spin = {.run = workload_spin, .comm = "spin", .cpu = 0};
	pid_t pids[SPINNERS];

	collector = collector_open(0, 0);
	for (int i = 0; i < SPINNERS; i++)
		pids[i] = workload_start(&spin);
	collector_watch(collector, 2 * NS_PER_S);
	for (int i = 0; i < SPINNERS; i++)
		kill(pids[i], SIGSTOP);
	test_sleep_ns(200 * NS_PER_MS);
	collector_look(collector);
	for (int i = 0; i < SPINNERS; i++) {
		const struct process_record *record = collector_find(collector, pids[i]);

		assert_non_null(record);
		assert_true(record->cpu_wait_ns > NS_PER_S / 2);
		assert_within_permille(record->cpu_wait_ns, process_run_delay_ns(pids[i]),
				       WAIT_PERMILLE);
	}
	for (int i = 0; i < SPINNERS; i++)
		workload_stop(pids[i]);
}

static void memory_stall_equals_pressure_of_the_group(void **state)
{
	(void)state;
	const struct workload reread = {
		.run = workload_reread,
		.comm = "reread",
		.cpu = 0,
		.memory_group = group_make(GROUP_MEMORY, "thrash", LIMIT_BYTES),
		.file = DISK,
		.bytes = DISK_BYTES,
	};

	collector = collector_open(0, 0);
	pid_t pid = workload_start(&reread);

	collector_watch(collector, 3 * NS_PER_S);
	kill(pid, SIGSTOP);
	test_sleep_ns(300 * NS_PER_MS);
	uint64_t pressure_ns = guest_pressure_ns(reread.memory_group, "memory.pressure");

	collector_look(collector);
	const struct process_record *record = collector_find(collector, pid);

	assert_non_null(record);
	print_message("    io stall %llu ms, io.pressure %" PRIu64 " ms\n",
		      record->io_stall_ns / NS_PER_MS,
		      guest_pressure_ns(reread.memory_group, "io.pressure") / NS_PER_MS);
	assert_true(pressure_ns > 100 * NS_PER_MS);
	assert_within_permille(record->mem_stall_ns, pressure_ns, MEM_STALL_PERMILLE);
	assert_int_equal(collector->went_back, 0);
	workload_stop(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(run_queue_wait_equals_schedstat, teardown),
		cmocka_unit_test_teardown(memory_stall_equals_pressure_of_the_group, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
