/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has a slot in the process table, and from what on its totals count. */
#include "test_core_table.h"

static void fill(uint64_t now_ns)
{
	for (uint32_t pid = 1; pid <= ATTRIBUTION_SLOTS; pid++) {
		struct event_process event = process(pid, PROCESS_FIRST);

		record(now_ns, &event);
		assert_false(delta.is_slot_lost);
	}
}

static void test_full_table_evicts_the_longest_silent(void **state)
{
	struct event_process first = process(1, 0);
	struct event_process second = process(2, 0);
	struct event_process another = process(9999, PROCESS_FIRST);

	(void)state;
	fill(0);
	record(SECONDS(1), &first); /* so that 2 is silent for longest */
	record(SECONDS(11), &another);
	assert_true(delta.is_slot_lost);
	assert_int_equal(table->used, ATTRIBUTION_SLOTS);
	first.record.mem_stall_ns = 5;
	record(SECONDS(11), &first);
	assert_int_equal(delta.stall_ns, 5);
	second.record.mem_stall_ns = 5;
	record(SECONDS(11), &second);
	assert_int_equal(delta.stall_ns, 0);
	assert_true(delta.is_slot_lost);
}

static void test_evicting_the_long_silent_is_no_loss(void **state)
{
	struct event_process another = process(9999, PROCESS_FIRST);

	(void)state;
	fill(0);
	record(SECONDS(61), &another);
	assert_false(delta.is_slot_lost);
	another.record.header.flags = 0;
	another.record.mem_stall_ns = 7;
	record(SECONDS(61), &another);
	assert_int_equal(delta.stall_ns, 7);
}

static void test_more_active_processes_than_slots_still_count(void **state)
{
	enum { ACTIVE = ATTRIBUTION_SLOTS + 200 };
	uint32_t lost = 0;

	(void)state;
	for (uint64_t round = 0; round < 20; round++) {
		uint64_t stall_ns = 0;

		lost = 0;
		for (uint32_t pid = 1; pid <= ACTIVE; pid++) {
			struct event_process event = process(pid, 0);

			event.record.mem_stall_ns = MILLIS(round);
			record(SECONDS(round), &event);
			stall_ns += delta.stall_ns;
			lost += delta.is_slot_lost;
		}
		assert_int_equal(stall_ns, round ? ATTRIBUTION_SLOTS * MILLIS(1) : 0);
	}
	assert_int_equal(lost, ACTIVE - ATTRIBUTION_SLOTS);
}

/* Everybody was heard of just now: only one who is busy, or stalls, gets a slot, of an idle one. */
static void record_of_full_table(uint64_t now_ns, uint64_t busy_ns)
{
	fill(0);
	for (uint32_t pid = 1; pid <= ATTRIBUTION_SLOTS; pid++) {
		struct event_process event = process(pid, 0);

		/* A quarter are as idle as can be. */
		event.record.cpu_time_ns = pid % 4 ? busy_ns : 0;
		record(now_ns, &event);
	}
}

static bool has_slot(uint32_t pid)
{
	for (int i = 0; i < ATTRIBUTION_SLOTS; i++) {
		if (table->slots[i].last.pid == pid)
			return true;
	}
	return false;
}

/* One that has run for days without being heard of, and is busy since for so much of 2 s. */
static bool gets_slot(uint32_t pid, uint64_t now_ns, uint64_t busy_ns)
{
	struct event_process newcomer = process(pid, 0);

	newcomer.record.header.time_ns = newcomer.record.start_ns + SECONDS(200000);
	newcomer.record.cpu_wait_ns = SECONDS(150000);
	record(now_ns, &newcomer);
	assert_false(has_slot(pid));
	newcomer.record.header.time_ns += SECONDS(2);
	newcomer.record.cpu_wait_ns += busy_ns;
	record(now_ns, &newcomer);
	assert_true(delta.is_slot_lost);
	assert_int_equal(table->used, ATTRIBUTION_SLOTS);
	return has_slot(pid);
}

static void test_the_busiest_stay(void **state)
{
	(void)state;
	record_of_full_table(SECONDS(20), SECONDS(4));
	assert_false(gets_slot(9001, SECONDS(20), 0));
	assert_true(gets_slot(9002, SECONDS(20), MILLIS(10)));
	/* An idle one went. */
	for (uint32_t pid = 1; pid <= ATTRIBUTION_SLOTS; pid++) {
		struct event_process event = process(pid, 0);

		if (pid % 4 == 0)
			continue;
		event.record.cpu_time_ns = SECONDS(4) + 1;
		record(SECONDS(20), &event);
		assert_int_equal(delta.cpu_time_ns, 1);
	}
}

static void test_who_stalls_now_or_begins_busy_gets_a_slot_at_once(void **state)
{
	struct event_process stalled = process(9001, PROCESS_URGENT);
	struct event_process young = process(9002, PROCESS_FIRST);
	struct event_process ended = process(9003, PROCESS_FIRST | PROCESS_EXITED);

	(void)state;
	record_of_full_table(SECONDS(20), SECONDS(4));
	record(SECONDS(20), &stalled);
	assert_true(has_slot(9001));
	young.record.header.time_ns = young.record.start_ns + SECONDS(2);
	young.record.cpu_time_ns = SECONDS(1);
	record(SECONDS(20), &young);
	assert_true(has_slot(9002));
	/* But not for one that has nothing more to say. */
	ended.record.header.time_ns = young.record.header.time_ns;
	ended.record.cpu_time_ns = SECONDS(1);
	record(SECONDS(20), &ended);
	assert_true(delta.is_slot_lost);
	assert_int_equal(delta.cpu_time_ns, SECONDS(1));
	assert_int_equal(table->used, ATTRIBUTION_SLOTS);
}

static void test_nobody_goes_for_one_who_is_as_busy(void **state)
{
	(void)state;
	fill(0);
	for (uint32_t pid = 1; pid <= ATTRIBUTION_SLOTS; pid++) {
		struct event_process event = process(pid, 0);

		event.record.io_stall_ns = SECONDS(4);
		record(SECONDS(20), &event);
	}
	/* A fifth of the time, and not more than twice that. */
	assert_false(gets_slot(9001, SECONDS(20), MILLIS(800)));
	assert_true(gets_slot(9002, SECONDS(20), MILLIS(810)));
}

static void test_nobody_goes_who_takes_memory(void **state)
{
	(void)state;
	fill(0);
	for (uint32_t pid = 1; pid <= ATTRIBUTION_SLOTS; pid++) {
		struct event_process event = process(pid, 0);

		if (pid % 2)
			event.record.memcg_reclaim.pages = 5000;
		else
			event.record.anon_bytes += 20 * MIB;
		record(SECONDS(20), &event);
	}
	assert_false(gets_slot(9001, SECONDS(20), SECONDS(2)));
}

static void test_nobody_goes_who_came_just_now(void **state)
{
	struct event_process stalled = process(9001, PROCESS_URGENT);

	(void)state;
	fill(0);
	record(SECONDS(10), &stalled);
	assert_false(has_slot(9001));
}

/* Two that are refused share an entry by chance: both are seen to be busy in the end. */
static void test_refused_ones_take_turns(void **state)
{
	bool have_slots = false;

	(void)state;
	record_of_full_table(SECONDS(20), SECONDS(4));
	for (uint64_t half = 0; half < 60 && !have_slots; half++) {
		for (uint32_t i = 0; i < 2; i++) {
			struct event_process event = process(9001 + i * ATTRIBUTION_REFUSED, 0);

			event.record.header.time_ns += MILLIS(500) * half;
			event.record.cpu_time_ns = MILLIS(100) * half;
			record(SECONDS(20), &event);
		}
		have_slots = has_slot(9001) && has_slot(9001 + ATTRIBUTION_REFUSED);
	}
	assert_true(have_slots);
}

static void test_refused_newcomer_counts_as_ended(void **state)
{
	struct event_process another = process(9999, PROCESS_FIRST);
	uint64_t stall_ns[PARTY_COUNT][STALL_CLASS_COUNT];

	(void)state;
	fill(0);
	another.record.mem_stall_ns = MILLIS(40);
	another.record.cpu_time_ns = MILLIS(30);
	another.record.limit_cgroup_id = 55;
	record(SECONDS(10), &another);
	assert_true(delta.is_slot_lost);
	assert_int_equal(delta.cpu_time_ns, MILLIS(30));
	assert_int_equal(delta.stall_class, STALL_FOREIGN);
	/* From here on nothing is known to count from. */
	another.record.header.flags = 0;
	another.record.cpu_time_ns = MILLIS(50);
	record(SECONDS(10), &another);
	assert_int_equal(delta.cpu_time_ns, 0);
	attribution_close_window(table, MILLIS(100), stall_ns);
	assert_in_range(stall_ns[PARTY_OTHERS][STALL_FOREIGN], MILLIS(40) - 100, MILLIS(40));
	assert_int_equal(table->used, ATTRIBUTION_SLOTS);
}

static void test_totals_that_start_anew_count_from_zero(void **state)
{
	struct event_process event = process(5, PROCESS_FIRST);

	(void)state;
	event.record.cpu_time_ns = MILLIS(500);
	record(0, &event);
	/* Another thread of it has called exec. */
	event.record.header.time_ns += MILLIS(100);
	event.record.cpu_time_ns = MILLIS(20);
	record(0, &event);
	assert_int_equal(delta.cpu_time_ns, MILLIS(20));
	event.record.header.flags = 0;
	event.record.header.time_ns += MILLIS(100);
	event.record.cpu_time_ns = MILLIS(50);
	record(0, &event);
	assert_int_equal(delta.cpu_time_ns, MILLIS(30));
}

static void test_late_record_of_the_totals_before_is_ignored(void **state)
{
	struct event_process event = process(5, PROCESS_FIRST);
	struct event_process late = process(5, PROCESS_URGENT);

	(void)state;
	record(0, &event);
	event.record.header.time_ns += MILLIS(100);
	event.record.mem_stall_ns = MILLIS(20);
	record(0, &event);
	late.record.header.time_ns += MILLIS(99);
	late.record.mem_stall_ns = MILLIS(500);
	record(0, &late);
	assert_int_equal(delta.stall_ns, 0);
	event.record.header.flags = 0;
	event.record.header.time_ns += MILLIS(100);
	event.record.mem_stall_ns = MILLIS(50);
	record(0, &event);
	assert_int_equal(delta.stall_ns, MILLIS(30));
}

static void test_late_first_record_starts_nothing_anew(void **state)
{
	struct event_process event = process(5, PROCESS_URGENT);
	struct event_process first = process(5, PROCESS_FIRST);

	(void)state;
	event.record.mem_stall_ns = MILLIS(40);
	record(0, &event);
	event.record.mem_stall_ns = MILLIS(50);
	record(0, &event);
	assert_int_equal(delta.stall_ns, MILLIS(10));
	first.record.header.time_ns -= MILLIS(10);
	first.record.mem_stall_ns = MILLIS(30);
	record(0, &first);
	assert_int_equal(delta.stall_ns, 0);
	event.record.mem_stall_ns = MILLIS(60);
	record(0, &event);
	assert_int_equal(delta.stall_ns, MILLIS(10));
}

static void test_oom_without_start_time_is_found_by_pid(void **state)
{
	struct event_process event = process(5, PROCESS_FIRST);
	struct event_oom oom = {.record = {.pid = 5, .anon_bytes = 3 * GB}};
	struct attribution_slot *slot = NULL;

	(void)state;
	record(0, &event);
	attribution_note_oom(table, 0, &oom);
	assert_int_equal(table->used, 1);
	for (int i = 0; i < ATTRIBUTION_SLOTS; i++) {
		if (table->slots[i].is_used)
			slot = &table->slots[i];
	}
	assert_non_null(slot);
	assert_int_equal(slot->last.anon_bytes, 3 * GB);
	oom.record.pid = 6;
	attribution_note_oom(table, 0, &oom);
	assert_int_equal(table->used, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_full_table_evicts_the_longest_silent),
		TEST(test_evicting_the_long_silent_is_no_loss),
		TEST(test_more_active_processes_than_slots_still_count),
		TEST(test_the_busiest_stay),
		TEST(test_who_stalls_now_or_begins_busy_gets_a_slot_at_once),
		TEST(test_nobody_goes_for_one_who_is_as_busy),
		TEST(test_nobody_goes_who_takes_memory),
		TEST(test_nobody_goes_who_came_just_now),
		TEST(test_refused_ones_take_turns),
		TEST(test_refused_newcomer_counts_as_ended),
		TEST(test_totals_that_start_anew_count_from_zero),
		TEST(test_late_record_of_the_totals_before_is_ignored),
		TEST(test_late_first_record_starts_nothing_anew),
		TEST(test_oom_without_start_time_is_found_by_pid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
