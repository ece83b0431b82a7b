// SPDX-License-Identifier: BSD-2-Clause
/*
 * Run-queue wait against the kernel's own account (schedstat), for competing spinners.
 */
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "collector.h"
#include "workload.h"

enum {
	SPIN_CPU = 1,
	TOLERANCE_PERMILLE = 50,
};

static int teardown(void **state)
{
	(void)state;
	group_remove_all();
	return 0;
}

/* Stopped, nothing waits any more: the kernel's sums are final and must all have been seen. */
static void compare_with_schedstat(struct collector *collector, const pid_t *pids, int count)
{
	for (int i = 0; i < count; i++)
		kill(pids[i], SIGSTOP);
	test_sleep_ns(200 * NS_PER_MS);
	collector_look(collector);
	for (int i = 0; i < count; i++) {
		const struct process_record *record = collector_find(collector, pids[i]);

		assert_non_null(record);
		assert_within_permille(record->cpu_wait_ns, process_run_delay_ns(pids[i]),
				       TOLERANCE_PERMILLE);
	}
}

static void single_threaded_spinners(void **state)
{
	(void)state;
	struct collector *collector = collector_open(0, 0);
	const struct workload spin = {.run = workload_spin, .comm = "spin", .cpu = SPIN_CPU};
	pid_t pids[] = {workload_start(&spin), workload_start(&spin), workload_start(&spin)};

	collector_watch(collector, 2 * NS_PER_S);
	compare_with_schedstat(collector, pids, 3);
	assert_true(collector_find(collector, pids[0])->cpu_wait_ns > NS_PER_S / 2);
	assert_int_equal(collector->went_back, 0);
	for (int i = 0; i < 3; i++)
		workload_stop(pids[i]);
	collector_close(collector);
}

static void multi_threaded_spinners(void **state)
{
	(void)state;
	struct collector *collector = collector_open(0, 0);
	const struct workload one = {.run = workload_spin, .comm = "one", .cpu = SPIN_CPU};
	const struct workload four = {
		.run = workload_spin, .comm = "four", .cpu = SPIN_CPU, .threads = 4};
	pid_t pids[] = {workload_start(&one), workload_start(&four)};

	collector_watch(collector, 2 * NS_PER_S);
	compare_with_schedstat(collector, pids, 2);
	/* A sum over threads: more than the wall time. */
	assert_true(collector_find(collector, pids[1])->cpu_wait_ns > 4 * NS_PER_S);
	assert_int_equal(collector->went_back, 0);
	workload_stop(pids[0]);
	workload_stop(pids[1]);
	collector_close(collector);
}

/* A thread that never gets to run within the windows is seen waiting all the same. */
static void waiting_thread_shows_before_it_runs(void **state)
{
	(void)state;
	struct collector *collector = collector_open(0, 0);
	const struct workload victim = {.run = workload_spin, .comm = "victim", .cpu = SPIN_CPU};
	const struct workload owner = {.run = workload_spin, .comm = "owner", .cpu = SPIN_CPU};
	pid_t victim_pid = workload_start(&victim);

	collector_watch(collector, 300 * NS_PER_MS);
	kill(victim_pid, SIGSTOP);
	test_sleep_ns(50 * NS_PER_MS);

	/* A real-time spinner owns the CPU for less than a second, so that no fair-server helps. */
	pid_t owner_pid = workload_start(&owner);
	const struct sched_param priority = {.sched_priority = 10};

	assert_int_equal(sched_setscheduler(owner_pid, SCHED_FIFO, &priority), 0);
	test_sleep_ns(20 * NS_PER_MS);
	collector_look(collector);
	uint64_t before_ns = collector_find(collector, victim_pid)->cpu_wait_ns;
	uint64_t delay_before_ns = process_run_delay_ns(victim_pid);

	kill(victim_pid, SIGCONT);
	collector_watch(collector, 400 * NS_PER_MS);
	collector_look(collector);
	uint64_t seen_ns = collector_find(collector, victim_pid)->cpu_wait_ns - before_ns;
	uint64_t ended_ns = process_run_delay_ns(victim_pid) - delay_before_ns;

	workload_stop(owner_pid);
	print_message("    seen %lu ms, ended waits %lu ms\n", seen_ns / NS_PER_MS,
		      ended_ns / NS_PER_MS);
	assert_true(ended_ns < 100 * NS_PER_MS); /* else this test tests nothing */
	assert_true(seen_ns > 300 * NS_PER_MS);

	/* And it is not counted a second time when it ends. */
	compare_with_schedstat(collector, &victim_pid, 1);
	workload_stop(victim_pid);
	collector_close(collector);
}

static void background_work_is_told_apart(void **state)
{
	(void)state;
	struct collector *collector = collector_open(0, 0);
	const struct workload normal = {.run = workload_spin, .cpu = SPIN_CPU, .nice = 10};
	const struct workload background = {.run = workload_spin, .cpu = SPIN_CPU, .nice = 11};
	pid_t normal_pid = workload_start(&normal), background_pid = workload_start(&background);

	collector_watch(collector, NS_PER_S);
	const struct process_record *record = collector_find(collector, normal_pid);

	assert_non_null(record);
	/* until it had set its nice value it was normal, and both are only sampled */
	assert_true(record->background_cpu_time_ns == 0 && record->background_cpu_wait_ns == 0);
	record = collector_find(collector, background_pid);
	assert_non_null(record);
	assert_true(record->background_cpu_time_ns + 20 * NS_PER_MS > record->cpu_time_ns);
	assert_true(record->background_cpu_wait_ns > record->cpu_wait_ns / 2);
	workload_stop(normal_pid);
	workload_stop(background_pid);
	collector_close(collector);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(single_threaded_spinners, teardown),
		cmocka_unit_test_teardown(multi_threaded_spinners, teardown),
		cmocka_unit_test_teardown(waiting_thread_shows_before_it_runs, teardown),
		cmocka_unit_test_teardown(background_work_is_told_apart, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
