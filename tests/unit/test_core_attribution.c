/* SPDX-License-Identifier: BSD-2-Clause */
/* The process table: differences, slots, victims and culprits. */
#include "test_core_rig.h"

#include "core/attribution.h"

static struct attribution *table;
static struct process_delta delta;

static int set_up(void **state)
{
	(void)state;
	table = malloc(sizeof(*table));
	assert_non_null(table);
	attribution_init(table);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(table);
	return 0;
}

static struct event_process process(uint32_t pid, uint32_t flags)
{
	struct event_process event = {.party = PARTY_OTHERS, .record = rig_process(pid, "proc")};

	event.record.header.flags = flags;
	event.record.header.time_ns = SECONDS(1000);
	return event;
}

static void record(uint64_t now_ns, const struct event_process *event)
{
	attribution_record(table, now_ns, event, &delta);
}

static void test_first_record_counts_from_zero(void **state)
{
	struct event_process event = process(5, PROCESS_FIRST);

	(void)state;
	event.record.mem_stall_ns = MILLIS(30);
	event.record.cpu_time_ns = MILLIS(50);
	event.record.background_cpu_time_ns = MILLIS(20);
	record(0, &event);
	assert_int_equal(delta.stall_ns, MILLIS(30));
	assert_int_equal(delta.cpu_time_ns, MILLIS(50));
	assert_int_equal(delta.background_cpu_time_ns, MILLIS(20));
	event.record.header.flags = 0;
	event.record.mem_stall_ns = MILLIS(70);
	record(0, &event);
	assert_int_equal(delta.stall_ns, MILLIS(40));
	assert_int_equal(delta.open_stall_ns, MILLIS(70));
	assert_int_equal(delta.cpu_time_ns, 0);
}

static void test_unknown_process_starts_at_its_record(void **state)
{
	struct event_process event = process(5, 0);

	(void)state;
	event.record.mem_stall_ns = SECONDS(500);
	record(0, &event);
	assert_int_equal(delta.stall_ns, 0);
	event.record.mem_stall_ns += 9;
	record(0, &event);
	assert_int_equal(delta.stall_ns, 9);
}

static void test_late_record_takes_nothing_back(void **state)
{
	struct event_process event = process(5, PROCESS_FIRST);

	(void)state;
	event.record.mem_stall_ns = 100;
	record(0, &event);
	event.record.header.flags = 0;
	event.record.mem_stall_ns = 60;
	record(0, &event);
	assert_int_equal(delta.stall_ns, 0);
	event.record.mem_stall_ns = 110;
	record(0, &event);
	assert_int_equal(delta.stall_ns, 10);
}

static void test_exit_counts_and_frees_the_slot(void **state)
{
	struct event_process event = process(5, PROCESS_FIRST);

	(void)state;
	record(0, &event);
	assert_int_equal(table->used, 1);
	event.record.header.flags = PROCESS_EXITED;
	event.record.mem_stall_ns = 42;
	record(0, &event);
	assert_int_equal(delta.stall_ns, 42);
	assert_int_equal(table->used, 0);
}

static void test_record_after_exit_opens_no_slot(void **state)
{
	struct event_process event = process(5, PROCESS_FIRST | PROCESS_EXITED);

	(void)state;
	record(0, &event);
	event.record.header.flags = PROCESS_URGENT;
	record(0, &event);
	assert_int_equal(table->used, 0);
	assert_int_equal(delta.stall_ns, 0);
}

static void test_reused_pid_is_another_process(void **state)
{
	struct event_process event = process(5, PROCESS_FIRST);

	(void)state;
	event.record.mem_stall_ns = 1000;
	record(0, &event);
	event.record.start_ns = 77;
	event.record.mem_stall_ns = 10;
	record(0, &event);
	assert_int_equal(delta.stall_ns, 10);
	/* The exit of the one before was lost; it keeps no slot. */
	assert_int_equal(table->used, 1);
}

static void test_short_lived_processes_leak_no_slot(void **state)
{
	(void)state;
	for (uint32_t pid = 1; pid <= 5000; pid++) {
		struct event_process event = process(pid, PROCESS_FIRST);

		record(pid, &event);
		event.record.header.flags = PROCESS_EXITED;
		record(pid, &event);
		assert_false(delta.is_slot_lost);
	}
	assert_int_equal(table->used, 0);
}

static void test_full_table_evicts_the_longest_silent(void **state)
{
	(void)state;
	for (uint32_t pid = 1; pid <= ATTRIBUTION_SLOTS; pid++) {
		struct event_process event = process(pid, PROCESS_FIRST);

		record(0, &event);
		assert_false(delta.is_slot_lost);
	}
	struct event_process first = process(1, 0);
	struct event_process second = process(2, 0);
	struct event_process another = process(9999, PROCESS_FIRST);

	record(1, &first); /* so that 2 is silent for longest */
	record(2, &another);
	assert_true(delta.is_slot_lost);
	assert_int_equal(table->used, ATTRIBUTION_SLOTS);
	first.record.mem_stall_ns = 5;
	record(3, &first);
	assert_int_equal(delta.stall_ns, 5);
	second.record.mem_stall_ns = 5;
	record(3, &second);
	assert_int_equal(delta.stall_ns, 0);
	assert_true(delta.is_slot_lost);
}

static void stall(uint32_t pid, uint32_t party, uint64_t stall_ns, uint64_t limit, bool is_ours)
{
	struct event_process event = process(pid, PROCESS_FIRST);

	event.party = party;
	event.is_limit_ours = is_ours;
	event.record.limit_cgroup_id = limit;
	event.record.mem_stall_ns = stall_ns;
	record(0, &event);
}

static void test_stalls_combine_as_independent(void **state)
{
	uint64_t stall_ns[PARTY_COUNT][STALL_CLASS_COUNT];

	(void)state;
	stall(1, PARTY_OTHERS, MILLIS(50), 0, false);
	stall(2, PARTY_OTHERS, MILLIS(50), 0, false);
	stall(3, PARTY_MODEL, MILLIS(20), 0, false);
	stall(4, PARTY_OTHERS, MILLIS(10), 44, true);
	stall(5, PARTY_OTHERS, MILLIS(100), 55, false);
	assert_int_equal(attribution_close_window(table, MILLIS(100), stall_ns), MILLIS(100));
	assert_int_equal(stall_ns[PARTY_OTHERS][STALL_HOST], MILLIS(75));
	assert_in_range(stall_ns[PARTY_MODEL][STALL_HOST], MILLIS(20) - 100, MILLIS(20));
	assert_in_range(stall_ns[PARTY_OTHERS][STALL_GROUP], MILLIS(10) - 100, MILLIS(10) + 100);
	assert_int_equal(stall_ns[PARTY_OTHERS][STALL_FOREIGN], MILLIS(100));
	/* Taken out: the next window starts empty. */
	attribution_close_window(table, MILLIS(100), stall_ns);
	assert_int_equal(stall_ns[PARTY_OTHERS][STALL_HOST], 0);
}

static void test_stall_of_ended_processes_counts_one_after_the_other(void **state)
{
	uint64_t stall_ns[PARTY_COUNT][STALL_CLASS_COUNT];

	(void)state;
	for (uint32_t pid = 1; pid <= 3; pid++) {
		struct event_process event = process(pid, PROCESS_FIRST | PROCESS_EXITED);

		event.record.mem_stall_ns = MILLIS(20);
		record(0, &event);
	}
	attribution_close_window(table, MILLIS(100), stall_ns);
	assert_in_range(stall_ns[PARTY_OTHERS][STALL_HOST], MILLIS(60) - 100, MILLIS(60));
}

static void test_longer_stall_than_the_window_stretches_it(void **state)
{
	uint64_t stall_ns[PARTY_COUNT][STALL_CLASS_COUNT];

	(void)state;
	stall(1, PARTY_OTHERS, MILLIS(300), 0, false);
	assert_int_equal(attribution_close_window(table, MILLIS(100), stall_ns), MILLIS(300));
	assert_int_equal(stall_ns[PARTY_OTHERS][STALL_HOST], MILLIS(300));
}

static void test_kernel_threads_do_not_suffer(void **state)
{
	uint64_t stall_ns[PARTY_COUNT][STALL_CLASS_COUNT];
	struct event_process event = process(1, PROCESS_FIRST | PROCESS_KERNEL_THREAD);

	(void)state;
	event.record.mem_stall_ns = MILLIS(80);
	record(0, &event);
	assert_true(delta.is_kernel_thread);
	attribution_close_window(table, MILLIS(100), stall_ns);
	assert_int_equal(stall_ns[PARTY_OTHERS][STALL_HOST], 0);
}

static void test_between_limits_a_thrash_stays_with_its_limit(void **state)
{
	struct event_process event = process(1, PROCESS_FIRST);

	(void)state;
	event.record.limit_cgroup_id = 55;
	event.record.mem_stall_ns = 10;
	record(0, &event);
	assert_int_equal(delta.stall_class, STALL_FOREIGN);
	event.record.header.flags = 0;
	event.record.limit_cgroup_id = 0;
	event.record.mem_stall_ns = 20;
	event.record.memcg_reclaim.count = 3;
	record(0, &event);
	assert_int_equal(delta.stall_class, STALL_FOREIGN);
	event.record.mem_stall_ns = 30;
	event.record.direct_reclaim.count = 1;
	record(0, &event);
	assert_int_equal(delta.stall_class, STALL_HOST);
}

/* ---- victims and culprits ----------------------------------------------------------------------
 */

static struct decision_process victim;
static struct decision_process culprit;

static void grow(uint32_t pid, uint32_t party, uint32_t flags, uint64_t from, uint64_t to,
		 uint64_t stall_ns)
{
	struct event_process event = process(pid, flags);

	event.party = party;
	event.record.anon_bytes = from;
	record(SECONDS(100), &event);
	event.record.header.flags &= ~(uint32_t)PROCESS_FIRST;
	event.record.anon_bytes = to;
	event.record.mem_stall_ns = stall_ns;
	record(SECONDS(101), &event);
}

static void find_memory(uint32_t stall_class, uint64_t now_ns)
{
	attribution_find_memory(table, now_ns, stall_class, &victim, &culprit);
}

static void test_culprit_is_who_grows_victim_is_who_stalls(void **state)
{
	(void)state;
	grow(1, PARTY_OTHERS, 0, 10 * MIB, 700 * MIB, MILLIS(100));
	grow(2, PARTY_MODEL, 0, 9 * GIB, 9 * GIB, MILLIS(900));
	grow(3, PARTY_OTHERS, 0, MIB, 100 * MIB, MILLIS(200));
	grow(4, PARTY_AGENT, 0, MIB, 9 * GIB, SECONDS(5));
	grow(5, PARTY_OTHERS, PROCESS_KERNEL_THREAD, MIB, 9 * GIB, SECONDS(5));
	find_memory(STALL_HOST, SECONDS(101));
	assert_int_equal(victim.pid, 2);
	assert_int_equal(victim.amount, MILLIS(900));
	assert_int_equal(culprit.pid, 1);
	assert_int_equal(culprit.amount, 690 * MIB);
	assert_string_equal(culprit.comm, "proc");
	/* Long after, nobody stalls. */
	find_memory(STALL_HOST, SECONDS(200));
	assert_int_equal(victim.pid, 0);
}

static void test_hog_that_stalls_most_is_not_its_own_victim(void **state)
{
	(void)state;
	grow(1, PARTY_OTHERS, 0, 10 * MIB, 700 * MIB, MILLIS(900));
	grow(2, PARTY_MODEL, 0, 9 * GIB, 9 * GIB, MILLIS(300));
	find_memory(STALL_HOST, SECONDS(101));
	assert_int_equal(culprit.pid, 1);
	assert_int_equal(victim.pid, 2);
}

static void test_alone_it_is_both(void **state)
{
	(void)state;
	grow(1, PARTY_OTHERS, 0, 10 * MIB, 10 * MIB, MILLIS(900));
	find_memory(STALL_HOST, SECONDS(101));
	assert_int_equal(culprit.pid, 1);
	assert_int_equal(victim.pid, 1);
}

static void test_equals_are_ordered_by_what_they_hold(void **state)
{
	(void)state;
	grow(1, PARTY_OTHERS, 0, 10 * MIB, 20 * MIB, 0);
	grow(2, PARTY_OTHERS, 0, 50 * MIB, 60 * MIB, 0);
	find_memory(STALL_HOST, SECONDS(101));
	assert_int_equal(culprit.pid, 2);
	assert_int_equal(culprit.amount, 10 * MIB);
}

static void test_young_process_gained_all_it_has(void **state)
{
	struct event_process young = process(1, PROCESS_FIRST);
	struct event_process old = process(2, PROCESS_FIRST);

	(void)state;
	young.record.start_ns = SECONDS(995);
	young.record.anon_bytes = 300 * MIB;
	old.record.anon_bytes = 8 * GIB;
	record(SECONDS(10), &young);
	record(SECONDS(10), &old);
	find_memory(STALL_HOST, SECONDS(10));
	assert_int_equal(culprit.pid, 1);
	assert_int_equal(culprit.amount, 300 * MIB);
}

static void test_under_a_limit_only_those_under_it_are_looked_at(void **state)
{
	struct event_process thrasher = process(1, PROCESS_FIRST);
	struct event_process neighbour = process(2, PROCESS_FIRST);

	(void)state;
	grow(3, PARTY_OTHERS, 0, MIB, 9 * GIB, 0);
	thrasher.record.limit_cgroup_id = neighbour.record.limit_cgroup_id = 55;
	thrasher.record.mem_stall_ns = MILLIS(700);
	neighbour.record.memcg_reclaim = (struct reclaim_totals){.count = 1, .pages = 500};
	record(SECONDS(101), &thrasher);
	record(SECONDS(101), &neighbour);
	find_memory(STALL_FOREIGN, SECONDS(101));
	assert_int_equal(victim.pid, 1);
	assert_int_equal(culprit.pid, 2);
	assert_int_equal(culprit.amount, 500 * ATTRIBUTION_PAGE_BYTES);
	/* What a group reclaims of its own leaves the host as it was. */
	find_memory(STALL_HOST, SECONDS(101));
	assert_int_equal(culprit.pid, 3);
}

static void test_cpu_culprit_runs_in_the_foreground(void **state)
{
	struct event_process nice = process(1, PROCESS_FIRST);
	struct event_process busy = process(2, PROCESS_FIRST);
	struct event_process model = process(3, PROCESS_FIRST);

	(void)state;
	nice.record.cpu_time_ns = nice.record.background_cpu_time_ns = SECONDS(9);
	busy.record.cpu_time_ns = SECONDS(2);
	model.party = PARTY_MODEL;
	model.record.cpu_time_ns = SECONDS(3);
	model.record.cpu_wait_ns = SECONDS(4);
	record(SECONDS(100), &nice);
	record(SECONDS(100), &busy);
	record(SECONDS(100), &model);
	attribution_find_cpu(table, SECONDS(101), SECONDS(5), PARTY_MODEL, &victim, &culprit);
	assert_int_equal(victim.pid, 3);
	assert_int_equal(victim.amount, SECONDS(4));
	assert_int_equal(culprit.pid, 2);
	assert_int_equal(culprit.amount, SECONDS(2));
}

static void test_rank_lists_the_ten_most_stalled_of_the_last_minute(void **state)
{
	struct status_process processes[STATUS_PROCESSES_MAX];

	(void)state;
	for (uint32_t pid = 1; pid <= 20; pid++) {
		struct event_process event = process(pid, PROCESS_FIRST);

		event.record.mem_stall_ns = MILLIS(pid);
		event.record.io_stall_ns = MILLIS(1);
		event.record.direct_reclaim.count = 4;
		record(SECONDS(100), &event);
	}
	assert_int_equal(attribution_rank(table, SECONDS(110), processes), 10);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(processes[i].pid, 20 - i);
	assert_int_equal(processes[0].mem_stall_ns, MILLIS(20));
	assert_int_equal(processes[0].io_stall_ns, MILLIS(1));
	assert_int_equal(processes[0].reclaim_count, 4);
	assert_int_equal(attribution_rank(table, SECONDS(170), processes), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_first_record_counts_from_zero),
		TEST(test_unknown_process_starts_at_its_record),
		TEST(test_late_record_takes_nothing_back),
		TEST(test_exit_counts_and_frees_the_slot),
		TEST(test_record_after_exit_opens_no_slot),
		TEST(test_reused_pid_is_another_process),
		TEST(test_short_lived_processes_leak_no_slot),
		TEST(test_full_table_evicts_the_longest_silent),
		TEST(test_stalls_combine_as_independent),
		TEST(test_stall_of_ended_processes_counts_one_after_the_other),
		TEST(test_longer_stall_than_the_window_stretches_it),
		TEST(test_kernel_threads_do_not_suffer),
		TEST(test_between_limits_a_thrash_stays_with_its_limit),
		TEST(test_culprit_is_who_grows_victim_is_who_stalls),
		TEST(test_hog_that_stalls_most_is_not_its_own_victim),
		TEST(test_alone_it_is_both),
		TEST(test_equals_are_ordered_by_what_they_hold),
		TEST(test_young_process_gained_all_it_has),
		TEST(test_under_a_limit_only_those_under_it_are_looked_at),
		TEST(test_cpu_culprit_runs_in_the_foreground),
		TEST(test_rank_lists_the_ten_most_stalled_of_the_last_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
