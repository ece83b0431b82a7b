/* SPDX-License-Identifier: BSD-2-Clause */
/* Victims, culprits, and the most stalled of the last minute. */
#include "test_core_table.h"

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

static void test_model_is_blamed_only_if_nobody_else_took_much(void **state)
{
	(void)state;
	grow(1, PARTY_OTHERS, 0, 10 * MIB, 60 * MIB, 0);
	grow(2, PARTY_MODEL, 0, 0, 200 * MIB, 0);
	find_memory(STALL_HOST, SECONDS(101));
	assert_int_equal(culprit.pid, 1);
	grow(3, PARTY_MODEL, 0, 0, 300 * MIB, 0);
	find_memory(STALL_HOST, SECONDS(101));
	assert_int_equal(culprit.pid, 3);
}

/* A reader of a file that does not fit: it stalls most, and pushes out its own pages. */
static void turn_over(uint32_t pid, uint32_t party, uint64_t bytes, uint64_t growth_bytes,
		      uint64_t stall_ns)
{
	struct event_process event = process(pid, 0);

	event.party = party;
	event.record.anon_bytes = MIB;
	record(SECONDS(100), &event);
	event.record.anon_bytes += growth_bytes;
	event.record.direct_reclaim.pages = bytes / ATTRIBUTION_PAGE_BYTES;
	event.record.mem_stall_ns = stall_ns;
	record(SECONDS(101), &event);
}

static void test_who_turns_over_more_than_the_model_holds_is_to_blame(void **state)
{
	(void)state;
	grow(1, PARTY_MODEL, 0, 100 * MIB, 100 * MIB, MILLIS(10));
	turn_over(2, PARTY_OTHERS, 90 * MIB, 0, MILLIS(500));
	find_memory(STALL_HOST, SECONDS(101));
	assert_int_equal(culprit.pid, 1); /* it may as well be pushed out by what the model holds */
	turn_over(2, PARTY_OTHERS, 200 * MIB, 0, MILLIS(900));
	find_memory(STALL_HOST, SECONDS(101));
	assert_int_equal(culprit.pid, 2);
	assert_int_equal(victim.pid, 1);
	/* The model's own few pages do not change that; somebody else's growth does. */
	grow(1, PARTY_MODEL, 0, 100 * MIB, 102 * MIB, MILLIS(20));
	turn_over(2, PARTY_OTHERS, 210 * MIB, 4096, MILLIS(950));
	find_memory(STALL_HOST, SECONDS(101));
	assert_int_equal(culprit.pid, 2);
	grow(3, PARTY_OTHERS, 0, MIB, 80 * MIB, 0);
	find_memory(STALL_HOST, SECONDS(101));
	assert_int_equal(culprit.pid, 3);
}

static void test_model_that_turns_over_is_no_culprit(void **state)
{
	(void)state;
	grow(1, PARTY_OTHERS, 0, 50 * MIB, 50 * MIB, MILLIS(10));
	turn_over(2, PARTY_MODEL, 200 * MIB, 0, MILLIS(500));
	find_memory(STALL_HOST, SECONDS(101));
	assert_int_equal(culprit.pid, 1);
}

/* Who grows outside the group that is short has nothing to do with it. */
static void test_culprit_of_a_group_is_below_it(void **state)
{
	struct event_process outside = process(1, PROCESS_FIRST);
	struct event_process inside = process(2, PROCESS_FIRST);

	(void)state;
	outside.shared_depth = 2;
	outside.record.start_ns = SECONDS(995);
	outside.record.anon_bytes = 900 * MIB;
	inside.shared_depth = 1;
	inside.record.start_ns = SECONDS(995);
	inside.record.anon_bytes = 30 * MIB;
	record(SECONDS(10), &outside);
	record(SECONDS(10), &inside);
	attribution_set_group(table, 1);
	find_memory(STALL_GROUP, SECONDS(10));
	assert_int_equal(culprit.pid, 2);
	attribution_set_group(table, 2);
	find_memory(STALL_GROUP, SECONDS(10));
	assert_int_equal(culprit.pid, 1);
	outside.shared_depth = EVENT_DEPTH_UNKNOWN; /* unknown now: what was known stays */
	record(SECONDS(10), &outside);
	find_memory(STALL_GROUP, SECONDS(10));
	assert_int_equal(culprit.pid, 1);
	find_memory(STALL_HOST, SECONDS(10));
	assert_int_equal(culprit.pid, 1);
}

/* A hog may be killed before it had time for a record of its own. */
static void test_oom_victim_is_known_by_its_oom_record(void **state)
{
	struct event_oom oom = {
		.record = {.pid = 9, .start_ns = SECONDS(99), .anon_bytes = 500 * MIB},
	};

	(void)state;
	oom.record.header.time_ns = SECONDS(100);
	memcpy(oom.record.comm, "hog", 4);
	grow(1, PARTY_OTHERS, 0, 10 * MIB, 20 * MIB, 0);
	attribution_note_oom(table, SECONDS(101), &oom);
	find_memory(STALL_HOST, SECONDS(101));
	assert_int_equal(culprit.pid, 9);
	assert_int_equal(culprit.amount, 500 * MIB);
	assert_string_equal(culprit.comm, "hog");
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
		TEST(test_culprit_is_who_grows_victim_is_who_stalls),
		TEST(test_hog_that_stalls_most_is_not_its_own_victim),
		TEST(test_model_is_blamed_only_if_nobody_else_took_much),
		TEST(test_who_turns_over_more_than_the_model_holds_is_to_blame),
		TEST(test_model_that_turns_over_is_no_culprit),
		TEST(test_culprit_of_a_group_is_below_it),
		TEST(test_oom_victim_is_known_by_its_oom_record),
		TEST(test_alone_it_is_both),
		TEST(test_equals_are_ordered_by_what_they_hold),
		TEST(test_young_process_gained_all_it_has),
		TEST(test_under_a_limit_only_those_under_it_are_looked_at),
		TEST(test_cpu_culprit_runs_in_the_foreground),
		TEST(test_rank_lists_the_ten_most_stalled_of_the_last_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
