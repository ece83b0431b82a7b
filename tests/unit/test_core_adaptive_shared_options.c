/* SPDX-License-Identifier: BSD-2-Clause */
/* Options of both policies, under the adaptive one: that they still decide. */
#include "test_core_adaptive_fixture.h"

static void test_degrade_above_matters_under_adaptive(void **state)
{
	uint32_t target;
	uint64_t early_s = left_ahead_s(&target);

	(void)state;
	config.degrade_above_permyriad = 9200;
	assert_in_range(left_ahead_s(&target), early_s + 5, early_s + 8);
	for (uint32_t limit = 8400; limit <= 8600; limit += 200) {
		config.degrade_above_permyriad = limit;
		start("large");
		rig->others_bytes = 45 * GB;
		rig_run(rig, SECONDS(10), NULL);
		assert_int_equal(switches(REASON_USE_OVER_DEGRADE) > 0, limit < 8500);
		stop();
	}
}

/* A medium model and others use 55 %. */
static void test_upgrade_below_matters_under_adaptive(void **state)
{
	(void)state;
	config.upgrade_below_permyriad = 5600;
	assert_true(step_up_s() < NEVER);
	config.upgrade_below_permyriad = 5400;
	assert_int_equal(step_up_s(), NEVER);
}

/* With a large one it would be 70 %. */
static void test_margin_matters_under_adaptive(void **state)
{
	(void)state;
	config.margin_permyriad = 1800;
	assert_true(step_up_s() < NEVER);
	config.margin_permyriad = 2200;
	assert_int_equal(step_up_s(), NEVER);
}

/* 20 MB a second; after the wait large would take 76 % and, 600 s later, over 85. */
static void test_trend_horizon_matters_under_adaptive(void **state)
{
	(void)state;
	config.stabilization_ns = SECONDS(300);
	for (uint64_t horizon_s = 0; horizon_s <= 600; horizon_s += 600) {
		config.trend_horizon_ns = SECONDS(horizon_s);
		start("medium");
		rise(20 * GB / 1000, 310);
		assert_int_equal(switches(REASON_GAIN) > 0, horizon_s == 0);
		assert_int_equal(holds(REASON_TREND_RISING) > 0, horizon_s > 0);
		stop();
	}
}

static void test_min_tier_bounds_what_a_forecast_leaves_for(void **state)
{
	uint32_t target;

	(void)state;
	config.ladder.tiers[MEDIUM].load_ns = SECONDS(90);
	left_ahead_s(&target);
	assert_true(target < MEDIUM);
	config.min_tier = MEDIUM;
	left_ahead_s(&target);
	assert_int_equal(target, MEDIUM);
	config.min_tier = LARGE;
	start("large");
	rise(300 * GB / 1000, 65);
	assert_int_equal(switches(REASON_NONE), 0);
}

static void test_min_tier_bounds_an_immediate_step_under_adaptive(void **state)
{
	(void)state;
	for (uint32_t tier = 0; tier < LARGE; tier++) {
		config.min_tier = tier;
		start("large");
		rig->others_bytes = 95 * GB;
		rig_run(rig, SECONDS(2), NULL);
		assert_int_equal(rig_find(rig, 0, DECISION_SWITCH, REASON_USE_OVER_DEGRADE)->to,
				 tier);
		stop();
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_adaptive, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_degrade_above_matters_under_adaptive),
		TEST(test_upgrade_below_matters_under_adaptive),
		TEST(test_margin_matters_under_adaptive),
		TEST(test_trend_horizon_matters_under_adaptive),
		TEST(test_min_tier_bounds_what_a_forecast_leaves_for),
		TEST(test_min_tier_bounds_an_immediate_step_under_adaptive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
