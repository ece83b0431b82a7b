/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every option that is the adaptive policy's own changes what the engine decides: the same signal
 * under two values of one option, and the direction in which the decision moves. A test fails if
 * its option is ignored.
 */
#include "test_core_adaptive_fixture.h"

/* ---- which policy ------------------------------------------------------------------------------
 */

/* In the band between the levels the plain rule steps down; what stands still is no reason here. */
static void test_policy_decides_what_a_level_means(void **state)
{
	(void)state;
	for (uint32_t policy = 0; policy < POLICY_COUNT; policy++) {
		config.policy = policy;
		start("large");
		rig->others_bytes = 45 * GB;
		rig_run(rig, SECONDS(60), NULL);
		assert_int_equal(switches(REASON_USE_OVER_UPGRADE) > 0, policy == POLICY_THRESHOLD);
		assert_int_equal(switches(REASON_NONE) > 0, policy == POLICY_THRESHOLD);
		stop();
	}
}

static void test_policy_decides_why_a_rise_is_left(void **state)
{
	uint32_t target;

	(void)state;
	left_ahead_s(&target);
	config.policy = POLICY_THRESHOLD;
	start("large");
	rise(300 * GB / 1000, 65);
	assert_int_equal(switches(REASON_FORECAST), 0);
	assert_true(switches(REASON_USE_OVER_UPGRADE) > 0);
}

/* Many rungs at once where it pays, or one after the other. */
static void test_policy_decides_how_far_up(void **state)
{
	static const uint32_t reason[] = {REASON_CALM, REASON_GAIN};
	static const uint32_t target[] = {2, LARGE};

	(void)state;
	for (uint32_t policy = 0; policy < POLICY_COUNT; policy++) {
		config.policy = policy;
		start("tiny");
		rig_run(rig, SECONDS(600), NULL);
		assert_non_null(rig_find(rig, 0, DECISION_SWITCH, reason[policy]));
		assert_int_equal(rig_find(rig, 0, DECISION_SWITCH, reason[policy])->to,
				 target[policy]);
		stop();
	}
}

/* ---- waiting -----------------------------------------------------------------------------------
 */

/* A tier that has not been tried waits for the whole of it. It counts from the start, 15 s ago. */
static void test_stabilization_is_the_first_wait(void **state)
{
	(void)state;
	config.stabilization_ns = SECONDS(250);
	assert_in_range(step_up_s(), 234, 237);
	config.stabilization_ns = SECONDS(400);
	assert_in_range(step_up_s(), 384, 387);
}

/* Where it does not pay, the wait ends with eight of it. */
static void test_stabilization_bounds_the_wait_for_a_gain(void **state)
{
	(void)state;
	config.cost_abort_ns = SECONDS(3600);
	assert_in_range(step_up_s(), 8 * 60 - 16, 8 * 60 - 13);
	config.stabilization_ns = SECONDS(100);
	assert_in_range(step_up_s(), 8 * 100 - 16, 8 * 100 - 13);
}

static void test_stabilization_min_is_the_wait_in_known_calm(void **state)
{
	(void)state;
	config.stabilization_ns = SECONDS(300);
	assert_in_range(step_up_in_known_calm_s(), 29, 35);
	config.stabilization_min_ns = SECONDS(200);
	assert_in_range(step_up_in_known_calm_s(), 199, 205);
	/* The least cannot be more than the whole. */
	config.stabilization_min_ns = SECONDS(3000);
	assert_in_range(step_up_in_known_calm_s(), 299, 305);
}

/* ---- costs: what makes a step up dearer makes it come later ------------------------------------
 */

static void test_cost_drain_delays_a_step_up(void **state)
{
	uint64_t cheap_s;

	(void)state;
	config.cost_drain_ns = 0;
	cheap_s = step_up_s();
	config.cost_drain_ns = SECONDS(40);
	assert_true(step_up_s() > cheap_s + 30);
}

/* A longer drain has to begin earlier. */
static void test_cost_drain_leaves_earlier(void **state)
{
	uint64_t late_s;
	uint32_t target;

	(void)state;
	config.cost_drain_ns = SECONDS(10);
	late_s = left_ahead_s(&target);
	config.cost_drain_ns = SECONDS(25);
	assert_in_range(left_ahead_s(&target), late_s - 16, late_s - 5);
}

/* What the old tier still gives while it drains is not lost. */
static void test_cost_drain_quality_hastens_a_step_up(void **state)
{
	uint64_t worthless_s;

	(void)state;
	config.cost_drain_quality_permyriad = 0;
	worthless_s = step_up_s();
	config.cost_drain_quality_permyriad = PERMYRIAD;
	assert_true(step_up_s() < worthless_s - 20);
}

static void test_cost_abort_delays_a_step_up(void **state)
{
	uint64_t cheap_s;

	(void)state;
	config.cost_abort_ns = 0;
	cheap_s = step_up_s();
	config.cost_abort_ns = SECONDS(60);
	assert_true(step_up_s() > cheap_s + 30);
}

static void test_cost_over_delays_a_step_up(void **state)
{
	uint64_t cheap_s;

	(void)state;
	config.cost_over_permille = 0;
	cheap_s = step_up_s();
	config.cost_over_permille = 60000;
	assert_true(step_up_s() > cheap_s + 30);
}

/* Only where the host has been full. */
static void test_cost_full_delays_a_step_up_after_a_surge(void **state)
{
	uint64_t cheap_s;
	uint64_t unharmed_s;

	(void)state;
	config.cost_full_permille = 0;
	cheap_s = step_up_after_surge_s();
	unharmed_s = step_up_s();
	config.cost_full_permille = 60000;
	assert_true(step_up_after_surge_s() > cheap_s + 15);
	assert_int_equal(step_up_s(), unharmed_s);
}

/* ---- tiers -------------------------------------------------------------------------------------
 */

static void test_tier_load_delays_a_step_up(void **state)
{
	uint64_t quick_s = step_up_s();

	(void)state;
	config.ladder.tiers[LARGE].load_ns = SECONDS(40);
	assert_true(step_up_s() > quick_s + 30);
	config.ladder.tiers[LARGE].load_ns = SECONDS(10);
	/* The way back counts as well. */
	config.ladder.tiers[MEDIUM].load_ns = SECONDS(40);
	assert_true(step_up_s() > quick_s + 30);
}

/* What takes longer to load is overtaken by the rise. */
static void test_tier_load_decides_where_a_rise_is_sat_out(void **state)
{
	uint32_t target;

	(void)state;
	left_ahead_s(&target);
	assert_int_equal(target, MEDIUM);
	config.ladder.tiers[MEDIUM].load_ns = SECONDS(90);
	left_ahead_s(&target);
	assert_int_equal(target, 2);
}

static void set_qualities(uint32_t tiny, uint32_t small, uint32_t medium, uint32_t large)
{
	const uint32_t quality[] = {0, tiny, small, medium, large};

	for (uint32_t tier = 0; tier < ARRAY_SIZE(quality); tier++)
		config.ladder.tiers[tier].quality_permyriad = quality[tier];
}

static void test_tier_quality_decides_whether_a_step_up_pays(void **state)
{
	uint64_t close_s;
	uint64_t far_s;

	(void)state;
	set_qualities(2500, 5000, 9500, 10000);
	close_s = step_up_s();
	set_qualities(2500, 5000, 6000, 10000);
	far_s = step_up_s();
	assert_true(far_s + 100 < close_s);
	set_qualities(2500, 5000, 10000, 9900);
	assert_int_equal(step_up_s(), NEVER);
}

static void test_tier_quality_decides_how_far_up(void **state)
{
	(void)state;
	for (int is_large_best = 0; is_large_best < 2; is_large_best++) {
		set_qualities(1000, 2000, 9000, is_large_best ? 10000 : 8000);
		start("small");
		assert_true(wait_for_step_up_s() < NEVER);
		assert_int_equal(rig_find(rig, 0, DECISION_SWITCH, REASON_GAIN)->to,
				 is_large_best ? LARGE : MEDIUM);
		stop();
	}
}

static void test_qualities_that_nobody_says_are_even_steps(void **state)
{
	uint64_t unsaid_s;

	(void)state;
	set_qualities(0, 0, 0, 0);
	unsaid_s = step_up_s();
	set_qualities(2500, 5000, 7500, 10000);
	assert_int_equal(step_up_s(), unsaid_s);
	/* Said of one, it is said of all. */
	set_qualities(0, 0, 0, 10000);
	assert_true(step_up_s() < unsaid_s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_adaptive, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_policy_decides_what_a_level_means),
		TEST(test_policy_decides_why_a_rise_is_left),
		TEST(test_policy_decides_how_far_up),
		TEST(test_stabilization_is_the_first_wait),
		TEST(test_stabilization_bounds_the_wait_for_a_gain),
		TEST(test_stabilization_min_is_the_wait_in_known_calm),
		TEST(test_cost_drain_delays_a_step_up),
		TEST(test_cost_drain_leaves_earlier),
		TEST(test_cost_drain_quality_hastens_a_step_up),
		TEST(test_cost_abort_delays_a_step_up),
		TEST(test_cost_over_delays_a_step_up),
		TEST(test_cost_full_delays_a_step_up_after_a_surge),
		TEST(test_tier_load_delays_a_step_up),
		TEST(test_tier_load_decides_where_a_rise_is_sat_out),
		TEST(test_tier_quality_decides_whether_a_step_up_pays),
		TEST(test_tier_quality_decides_how_far_up),
		TEST(test_qualities_that_nobody_says_are_even_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
