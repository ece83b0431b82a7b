/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An agent that is restarted while two tiers may be in memory at once. Small takes 12 GB, medium
 * 25.
 */
#include "test_core_rig_pin.h"

#include "test_core_restart_fixture.h"

enum {
	SMALL = 2,
};

/* From one to the other, because somebody asks; granted. */
static void order(const char *from, const char *to)
{
	const struct manager_line *line;

	start(from);
	rig_pin(rig, to, 0);
	line = rig_find_line(rig, 0, MANAGER_SWITCH);
	assert_non_null(line);
	assert_true(line->is_overlap_allowed);
}

/* What the manager of an order that is given again is told. */
static bool is_granted_again(uint32_t since)
{
	const struct manager_line *line = rig_find_line(rig, since, MANAGER_SWITCH);

	assert_non_null(line);
	return line->is_overlap_allowed;
}

/* It would not be granted now, but it was, and is no emergency: both may be in memory. */
static void test_what_was_granted_stays_granted(void **state)
{
	uint32_t since;

	(void)state;
	order("small", "medium");
	since = rig->line_count;
	rig->others_bytes = 44 * GB;
	restart(SECONDS(1), "small");
	assert_true(is_granted_again(since));
	assert_int_equal(rig_status(rig)->last.worst.use_permyriad, 8100);
	assert_int_equal(rig_preflight(rig, "", GB, 0)->needs[0].model_bytes, 37 * GB);
	rig_ack(rig, ACK_DONE);
	assert_int_equal(rig_status(rig)->last.worst.use_permyriad, 6900);
}

static void test_what_was_not_granted_is_asked_anew(void **state)
{
	uint32_t since;

	(void)state;
	config.overlap = OVERLAP_NEVER;
	start("small");
	rig_pin(rig, "medium", 0);
	since = rig->line_count;
	restart(SECONDS(1), "small");
	assert_false(is_granted_again(since));
	since = rig->line_count;
	keep(false);
	rig->config.overlap = OVERLAP_AUTO;
	start_again(SECONDS(1));
	sample_loaded("small");
	assert_true(is_granted_again(since));
	since = rig->line_count;
	keep(false);
	rig->config.overlap = OVERLAP_NEVER;
	start_again(SECONDS(1));
	sample_loaded("small");
	assert_false(is_granted_again(since));
}

/* Of another pair nothing is known: what is loaded has another name now. */
static void test_of_another_pair_nothing_is_kept(void **state)
{
	uint32_t since;

	(void)state;
	order("small", "medium");
	since = rig->line_count;
	keep(false);
	rig_set_tier(&rig->config, SMALL, "other", 12 * GB);
	start_again(SECONDS(1));
	sample_loaded("other");
	assert_false(is_granted_again(since));
}

/* A drain that has run out meanwhile: alone medium would fit, and the order be called off. */
static uint32_t mode_after_drain(bool is_restarted)
{
	uint32_t since;
	uint32_t mode;

	order("medium", "small");
	since = rig->line_count;
	rig->others_bytes = 56 * GB;
	if (is_restarted) {
		restart(SECONDS(130), "medium");
	} else {
		rig->now_ns += SECONDS(130);
		sample_loaded("medium");
	}
	assert_non_null(rig_find_line(rig, since, MANAGER_SWITCH));
	mode = rig_find_line(rig, since, MANAGER_SWITCH)->mode;
	rig_free(rig);
	rig = NULL;
	return mode;
}

static void test_the_sum_counts_before_the_order_is_repeated(void **state)
{
	(void)state;
	assert_int_equal(mode_after_drain(false), SWITCH_IMMEDIATE);
	assert_int_equal(mode_after_drain(true), SWITCH_IMMEDIATE);
}

static void check_that_nothing_is_learned_of_both(void)
{
	rig->footprint_bytes = 37 * GB;
	rig_run(rig, SECONDS(3), NULL);
	assert_string_equal(rig_actual(rig), "small");
	assert_false(rig_status(rig)->tiers[SMALL].footprint.is_measured);
	rig->footprint_bytes = 13 * GB;
	rig_run(rig, SECONDS(10), NULL);
	assert_int_equal(rig_status(rig)->tiers[SMALL].footprint.bytes, 13 * GB);
}

/* Called off with the first sample, or just before the agent ended. */
static void test_nothing_is_learned_of_both(void **state)
{
	(void)state;
	order("small", "medium");
	restart(SECONDS(130), "small");
	assert_int_equal(rig_count(rig, 0, DECISION_CANCEL, REASON_NONE), 1);
	check_that_nothing_is_learned_of_both();
	rig_free(rig);
	order("small", "medium");
	rig->now_ns += SECONDS(130);
	rig_sample(rig);
	assert_int_equal(rig_count(rig, 0, DECISION_CANCEL, REASON_NONE), 1);
	rig_command(rig, COMMAND_PAUSE, "", 0, ACK_DRAINING);
	restart(SECONDS(1), "small");
	check_that_nothing_is_learned_of_both();
}

int main(void)
{
#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_overlap, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_granted_stays_granted),
		TEST(test_what_was_not_granted_is_asked_anew),
		TEST(test_of_another_pair_nothing_is_kept),
		TEST(test_the_sum_counts_before_the_order_is_repeated),
		TEST(test_nothing_is_learned_of_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
