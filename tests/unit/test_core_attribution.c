/* SPDX-License-Identifier: BSD-2-Clause */
/* The process table: differences, and how stalls of a window combine. */
#include "test_core_table.h"

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
		TEST(test_stalls_combine_as_independent),
		TEST(test_stall_of_ended_processes_counts_one_after_the_other),
		TEST(test_longer_stall_than_the_window_stretches_it),
		TEST(test_kernel_threads_do_not_suffer),
		TEST(test_between_limits_a_thrash_stays_with_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
