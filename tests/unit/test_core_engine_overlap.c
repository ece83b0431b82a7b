/* SPDX-License-Identifier: BSD-2-Clause */
/* Switches for which both tiers may be in memory at once. Small takes 12 GB, medium 25. */
#include "test_core_engine_fixture.h"

enum {
	MEDIUM = 3,
};

static int set_up_overlap(void **state)
{
	set_up(state);
	config.overlap = OVERLAP_AUTO;
	config.ladder.count = 4;
	return 0;
}

/* Ordered from small to medium, after its calm time. */
static const struct manager_line *step_up(uint64_t others_bytes)
{
	const struct manager_line *line;

	start("small");
	rig->others_bytes = others_bytes;
	rig_run(rig, SECONDS(320), NULL);
	line = rig_find_line(rig, 0, MANAGER_SWITCH);
	assert_non_null(line);
	assert_string_equal(line->to, "medium");
	return line;
}

static uint32_t use_now(void)
{
	return rig_status(rig)->last.worst.use_permyriad;
}

static void test_granted_where_both_fit(void **state)
{
	(void)state;
	assert_true(step_up(42 * GB)->is_overlap_allowed);
	rig_free(rig);
	assert_false(step_up(44 * GB)->is_overlap_allowed);
}

static void test_never_is_never(void **state)
{
	(void)state;
	config.overlap = OVERLAP_NEVER;
	assert_false(step_up(30 * GB)->is_overlap_allowed);
}

/* Until it ends the sum counts, for use and for preflights. */
static void test_sum_counts_until_it_ends(void **state)
{
	(void)state;
	assert_true(step_up(30 * GB)->is_overlap_allowed);
	assert_int_equal(use_now(), 6700);
	assert_int_equal(rig_preflight(rig, "", GB, 0)->needs[0].model_bytes, 37 * GB);
	rig_ack(rig, ACK_LOADING);
	rig_run(rig, SECONDS(1), NULL);
	assert_int_equal(use_now(), 6700);
	assert_int_equal(rig_preflight(rig, "", GB, 0)->needs[0].model_bytes, 37 * GB);
	rig_ack(rig, ACK_DONE);
	assert_int_equal(use_now(), 5500);
	assert_int_equal(rig_preflight(rig, "", GB, 0)->needs[0].model_bytes, 25 * GB);
}

static void test_too_much_for_both_is_an_emergency(void **state)
{
	(void)state;
	step_up(30 * GB);
	rig_ack(rig, ACK_LOADING);
	rig->others_bytes = 54 * GB;
	rig_run(rig, SECONDS(2), NULL);
	assert_int_equal(switches(REASON_USE_OVER_DEGRADE), 1);
	assert_false(rig->lines[rig->line_count - 1].is_overlap_allowed);
}

/* What is reserved is not there for a second tier. */
static void test_reservations_count(void **state)
{
	(void)state;
	config.reservation_ns = SECONDS(600);
	start("small");
	assert_true(rig_preflight(rig, "", 20 * GB, 0)->does_fit);
	rig_run(rig, SECONDS(320), NULL);
	assert_false(rig_find_line(rig, 0, MANAGER_SWITCH)->is_overlap_allowed);
}

/* Both are measured together: that is the footprint of neither, also just after it was called off.
 */
static void test_nothing_is_learned_of_two(void **state)
{
	(void)state;
	step_up(30 * GB);
	rig->footprint_bytes = 37 * GB;
	rig_run(rig, SECONDS(3), NULL);
	assert_false(rig_status(rig)->tiers[2].footprint.is_measured);
	rig->now_ns += SECONDS(120);
	rig_tick(rig);
	assert_int_equal(rig_count(rig, 0, DECISION_CANCEL, REASON_NONE), 1);
	rig_sample(rig);
	assert_false(rig_status(rig)->tiers[2].footprint.is_measured);
	rig->footprint_bytes = 13 * GB;
	rig_run(rig, SECONDS(10), NULL);
	assert_int_equal(rig_status(rig)->tiers[2].footprint.bytes, 13 * GB);
	assert_false(rig_status(rig)->tiers[MEDIUM].footprint.is_measured);
}

/* Nobody is there to use it; and an immediate switch has no room to spare. */
static void test_not_without_a_manager_or_time(void **state)
{
	(void)state;
	start(NULL);
	rig->others_bytes = 56 * GB;
	rig_run(rig, SECONDS(3), NULL);
	assert_false(rig_find_line(rig, 0, MANAGER_SWITCH)->is_overlap_allowed);
	rig_free(rig);
	start("medium");
	rig->others_bytes = 70 * GB;
	rig_run(rig, SECONDS(3), NULL);
	assert_int_equal(rig_find_line(rig, 0, MANAGER_SWITCH)->mode, SWITCH_IMMEDIATE);
	assert_false(rig_find_line(rig, 0, MANAGER_SWITCH)->is_overlap_allowed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_overlap, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_granted_where_both_fit),
		TEST(test_never_is_never),
		TEST(test_sum_counts_until_it_ends),
		TEST(test_too_much_for_both_is_an_emergency),
		TEST(test_reservations_count),
		TEST(test_nothing_is_learned_of_two),
		TEST(test_not_without_a_manager_or_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
