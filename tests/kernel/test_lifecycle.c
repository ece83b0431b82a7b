// SPDX-License-Identifier: BSD-2-Clause
/*
 * Births and deaths, what is lost when a ring buffer is too small, and what the verifier makes of
 * the programs.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "collector.h"
#include "verifier_ceilings.h"
#include "workload.h"

enum {
	SHORT_LIVED = 5000,
	BUSY = 64,
	/* To start and to end a process takes up to some ms of CPU time on a slow host. */
	FLOOR_MS = 8,
	BUSY_MS = 20, /* over the floor, even if seen only at a scheduler tick (10 ms) */
};

static int teardown(void **state)
{
	(void)state;
	group_remove_all();
	return 0;
}

static void burn_ns(uint64_t duration_ns)
{
	uint64_t end_ns = test_now_ns() + duration_ns;

	while (test_now_ns() < end_ns)
		;
}

static void child_burn_and_exit(uint64_t duration_ns)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		burn_ns(duration_ns);
		_exit(0);
	}
}

/* Processes and threads that this host has ever started (man 5 proc_stat). */
static uint64_t host_forks(void)
{
	static const char word[] = "\nprocesses ";
	static char text[256 * KIB]; /* a number for each interrupt */
	_cleanup_close_ int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
	ssize_t len = 0, count;

	assert_true(fd >= 0);
	while ((count = read(fd, text + len, sizeof(text) - 1 - (size_t)len)) > 0)
		len += count;
	text[len] = '\0';

	const char *found = strstr(text, word);

	assert_non_null(found);
	return strtoull(found + sizeof(word) - 1, NULL, 10);
}

static void short_lived_processes_leave_nothing(void **state)
{
	(void)state;
	uint64_t host_before = host_forks();
	struct collector *collector = collector_open_floor(16 * MIB, FLOOR_MS * NS_PER_MS);
	struct host_counters before, after;
	uint64_t losses[LOSS_CAUSE_COUNT];

	probes_get_host_counters(collector->probes, &before);
	for (int i = 0; i < SHORT_LIVED; i++) {
		/* Every fifth is long enough to be reported; the others must not be. */
		child_burn_and_exit(i % 5 ? 0 : BUSY_MS * NS_PER_MS);
		if (i % 50 == 0)
			collector_look(collector);
		if (i % 4 == 3)
			while (waitpid(-1, NULL, 0) > 0)
				;
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	collector_look(collector);
	probes_get_host_counters(collector->probes, &after);
	probes_read_missed(collector->probes);
	probes_get_losses(collector->probes, losses);
	/* Other processes of this host come and go, too. */
	uint64_t host = host_forks() - host_before, others = host - SHORT_LIVED;

	print_message("    forks %llu of %" PRIu64 ", exits %llu, exit records %" PRIu64 "\n",
		      after.forks - before.forks, host, after.exits - before.exits,
		      collector->exits_read);
	assert_in_range(after.forks - before.forks, SHORT_LIVED, host);
	assert_in_range(after.exits - before.exits, SHORT_LIVED, host + SHORT_LIVED / 10);
	assert_in_range(collector->exits_read, SHORT_LIVED / 5, SHORT_LIVED / 2 + others);
	assert_int_equal(collector->went_back, 0);
	for (int cause = 0; cause < LOSS_CAUSE_COUNT; cause++)
		assert_int_equal(losses[cause], 0);
	/* Whoever sent a record and is gone has sent its last one. */
	for (unsigned int i = 0; i < collector->process_count; i++) {
		const struct process_record *record = &collector->processes[i];

		if (record->parent_pid == (uint32_t)getpid())
			assert_true(record->header.flags & PROCESS_EXITED);
	}
	collector_close(collector);
}

/* A process that the programs have not seen begin runs another program, and ends. */
static bool is_tracked_after_exec(void)
{
	uint64_t losses[LOSS_CAUSE_COUNT];
	int go[2];
	char nothing;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		close(go[1]);
		(void)!read(go[0], &nothing, 1);
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	close(go[0]);
	struct collector *collector = collector_open_blind();

	close(go[1]);
	assert_int_equal(workload_wait(pid, 5), 0);
	probes_get_losses(collector->probes, losses);
	collector_close(collector);
	return losses[LOSS_UNTRACKED] == 0;
}

static void exec_makes_up_for_an_unseen_fork(void **state)
{
	(void)state;
	bool is_tracked = false;

	/* Others that were there before may end meanwhile. */
	for (int i = 0; i < 10 && !is_tracked; i++)
		is_tracked = is_tracked_after_exec();
	assert_true(is_tracked);
}

/* What was lost is what was sent less what arrived. */
static void losses_equal_what_is_missing(void **state)
{
	(void)state;
	struct collector *collector = collector_open(4096, 0); /* room for a dozen records */
	struct host_counters host;
	uint64_t losses[LOSS_CAUSE_COUNT];

	for (int i = 0; i < BUSY; i++)
		child_burn_and_exit(BUSY_MS * NS_PER_MS);
	while (waitpid(-1, NULL, 0) > 0)
		;
	collector_look(collector);
	probes_get_host_counters(collector->probes, &host);
	probes_read_missed(collector->probes);
	probes_get_losses(collector->probes, losses);
	print_message("    sent %llu, read %" PRIu64 ", lost %" PRIu64 "\n", host.process_records,
		      collector->records_read, losses[LOSS_BULK_RING]);
	assert_true(losses[LOSS_BULK_RING] > 0);
	assert_int_equal(losses[LOSS_BULK_RING], host.process_records + host.urgent_records -
							 collector->records_read -
							 collector->oom_count);
	collector_close(collector);
}

/* A walk over more processes than the ring has room for rests until it has been read. */
static void walk_loses_nothing_to_a_small_ring(void **state)
{
	(void)state;
	enum { PROCESSES = 300, RING_BYTES = 16 * KIB };
	const struct workload wait = {.run = workload_pause, .cpu = WORKLOAD_ANY_CPU};
	struct collector *collector = collector_open_draining(RING_BYTES);
	uint64_t before[LOSS_CAUSE_COUNT], after[LOSS_CAUSE_COUNT];
	pid_t pids[PROCESSES];

	for (int i = 0; i < PROCESSES; i++)
		pids[i] = workload_start(&wait);
	assert_true(probes_read_bulk(collector->probes) >= 0);
	probes_get_losses(collector->probes, before);
	collector_look(collector);
	probes_get_losses(collector->probes, after);
	assert_int_equal(after[LOSS_BULK_RING], before[LOSS_BULK_RING]);
	for (int i = 0; i < PROCESSES; i++)
		assert_non_null(collector_find(collector, pids[i]));
	for (int i = 0; i < PROCESSES; i++)
		workload_stop(pids[i]);
	collector_close(collector);
}

/* At most one bulk record per process and walk, and none for the silent. */
static void one_record_per_process_and_window(void **state)
{
	(void)state;
	struct collector *collector = collector_open(0, 0);
	const struct workload spin = {
		.run = workload_spin, .comm = "spin", .cpu = WORKLOAD_ANY_CPU, .threads = 8};
	const struct workload silent = {.run = workload_pause, .comm = "silent", .cpu = 0};
	pid_t pid = workload_start(&spin), silent_pid = workload_start(&silent);
	uint64_t seen = 0, last_ns = 0;

	test_sleep_ns(200 * NS_PER_MS);
	for (int i = 0; i < 10; i++) {
		collector_look(collector);
		const struct process_record *record = collector_find(collector, pid);

		assert_non_null(record);
		seen += record->header.time_ns != last_ns;
		last_ns = record->header.time_ns;
		test_sleep_ns(100 * NS_PER_MS);
	}
	assert_int_equal(seen, 10);
	const struct process_record *record = collector_find(collector, silent_pid);

	assert_true(!record || record->cpu_time_ns < 20 * NS_PER_MS);
	assert_int_equal(collector->urgent_read, 0);
	workload_stop(pid);
	workload_stop(silent_pid);
	collector_close(collector);
}

/* Caught once: an index that CO-RE could not see read other fields of mm_struct. */
static void anonymous_memory_is_what_the_process_holds(void **state)
{
	(void)state;
	struct collector *collector = collector_open(0, 0);
	const struct workload grow = {
		.run = workload_grow, .comm = "grow", .cpu = WORKLOAD_ANY_CPU, .bytes = 64 * MIB};
	pid_t pid = workload_start(&grow);

	test_sleep_ns(500 * NS_PER_MS);
	collector_look(collector);
	const struct process_record *record = collector_find(collector, pid);

	assert_non_null(record);
	/* The parts that each CPU has not handed in yet are missing. */
	assert_within_permille(
		record->anon_bytes,
		process_status_bytes(pid, "RssAnon") + process_status_bytes(pid, "RssShmem"), 50);
	workload_stop(pid);
	collector_close(collector);
}

static void programs_stay_small_for_the_verifier(void **state)
{
	(void)state;
	struct collector *collector = collector_open(0, 0);

	verifier_check(collector->probes);
	collector_close(collector);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(short_lived_processes_leave_nothing, teardown),
		cmocka_unit_test_teardown(exec_makes_up_for_an_unseen_fork, teardown),
		cmocka_unit_test_teardown(losses_equal_what_is_missing, teardown),
		cmocka_unit_test_teardown(walk_loses_nothing_to_a_small_ring, teardown),
		cmocka_unit_test_teardown(one_record_per_process_and_window, teardown),
		cmocka_unit_test_teardown(anonymous_memory_is_what_the_process_holds, teardown),
		cmocka_unit_test_teardown(programs_stay_small_for_the_verifier, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
