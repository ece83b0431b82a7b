/* SPDX-License-Identifier: BSD-2-Clause */
/* What the adaptive policy advises: when to leave a tier, and which to step up to. */
#include "test_core_adaptive_rig.h"

/* ---- leaving -----------------------------------------------------------------------------------
 */

static void test_forecast_leaves_ahead_of_the_limit(void **state)
{
	struct advice advice;

	(void)state;
	observe_for(60, 300);
	advice = advise(LARGE);
	assert_int_equal(advice.leave_reason, REASON_NONE);
	assert_in_range(advice.forecast_permyriad, 7000, 7100);
	rise(470);
	advice = advise(LARGE);
	assert_int_equal(advice.leave_reason, REASON_FORECAST);
	assert_in_range(advice.forecast_permyriad, 9000, 9400);
	assert_true(advice.leave_target < LARGE && advice.leave_target > TIER_OFF);
}

/* The landing is one that the rise does not reach before it has been loaded. */
static void test_slow_loading_lands_lower(void **state)
{
	(void)state;
	for (int is_slow = 0; is_slow < 2; is_slow++) {
		set_up(NULL);
		config.ladder.tiers[3].load_ns = SECONDS(is_slow ? 90 : 10);
		footprint_init(&footprints, &config);
		adaptive_init(&adaptive, &config);
		observe_for(60, 300);
		rise(470);
		assert_int_equal(advise(LARGE).leave_reason, REASON_FORECAST);
		if (is_slow)
			assert_true(advise(LARGE).leave_target < 3);
		else
			assert_int_equal(advise(LARGE).leave_target, 3);
	}
}

static void test_nothing_is_left_for_off_or_below_min_tier(void **state)
{
	(void)state;
	observe_for(60, 300);
	drift_restart(&drift);
	for (uint64_t others = 300; others < 930; others += 9)
		observe(others);
	assert_int_equal(advise(1).leave_reason, REASON_NONE);
	assert_int_equal(advise(1).forecast_permyriad, 0);
	assert_true(advise(2).forecast_permyriad >= 9000);
	assert_int_equal(advise(2).leave_target, 1);
	config.min_tier = 2;
	assert_int_equal(advise(2).leave_reason, REASON_NONE);
	assert_int_equal(advise(3).leave_target, 2);
}

static void test_false_alarms_cost_trust_and_true_ones_earn_it(void **state)
{
	uint32_t first;
	uint32_t lowest;

	(void)state;
	observe_for(60, 300);
	first = advise(LARGE).trust_permyriad;
	assert_int_equal(first, 7500);
	for (int i = 0; i < 3; i++) {
		rise(480);
		drift_restart(&drift);
		observe_for(150, 300);
	}
	lowest = advise(LARGE).trust_permyriad;
	assert_true(lowest < 7000);
	rise(480);
	assert_true(advise(LARGE).forecast_permyriad >= 9000);
	assert_int_equal(advise(LARGE).leave_reason, REASON_NONE);
	for (int i = 0; i < 8; i++) {
		rise(560);
		drift_restart(&drift);
		observe_for(150, 300);
	}
	assert_true(advise(LARGE).trust_permyriad > lowest);
	rise(480);
	assert_int_equal(advise(LARGE).leave_reason, REASON_FORECAST);
}

static void test_an_alarm_alone_is_no_trust(void **state)
{
	(void)state;
	observe_for(60, 300);
	rise(480);
	assert_true(adaptive.levels[LARGE].is_alarmed);
	drift_restart(&drift);
	observe_for(85, 300);
	assert_true(adaptive.levels[LARGE].is_alarmed);
	observe_for(20, 300);
	assert_false(adaptive.levels[LARGE].is_alarmed);
}

/* 20 s of 65 % every 600 s. The interval needs three breaks to be known. */
static void test_recurrence_is_expected(void **state)
{
	uint32_t expected = 0;

	(void)state;
	for (int period = 0; period < 6; period++) {
		bool did_leave = false;

		for (int s = 0; s < 580; s++) {
			observe(400);
			/* Not long before it is due. */
			if (advise(LARGE).leave_reason != REASON_RECURRENCE)
				continue;
			assert_true(s > 450);
			assert_int_equal(advise(LARGE).leave_target, 2);
			did_leave = true;
		}
		expected += did_leave;
		if (period >= 3)
			assert_true(did_leave);
		observe_for(20, 650);
	}
	assert_true(expected >= 3);
}

/* ---- steps up ----------------------------------------------------------------------------------
 */

static void test_unseen_tier_waits_for_the_whole_stabilization(void **state)
{
	(void)state;
	observe_for(299, 300);
	assert_int_equal(advise(3).up_target, LARGE);
	assert_int_equal(advise(3).up_hold, REASON_STABILIZING);
	observe_for(2, 300);
	assert_int_equal(advise(3).up_hold, REASON_NONE);
	assert_true(advise(3).gain_ms > 0);
}

/* Lasted 1000 s whenever it was tried: no reason to wait for 300. */
static void test_known_calm_is_used_at_the_least_wait(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		observe_for(1000, 300);
		observe_for(50, 600);
	}
	observe_for(28, 300);
	adaptive.levels[LARGE].spells.opened_ns = SECONDS(now_s - 28);
	assert_int_equal(advise(3).up_hold, REASON_NONE);
	assert_in_range(advise(3).expected_calm_ns, SECONDS(700), SECONDS(1100));
}

static void test_short_calm_is_not_used(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		observe_for(60, 300);
		observe_for(60, 600);
	}
	observe_for(35, 300);
	assert_int_equal(advise(3).up_hold, REASON_GAIN_TOO_SMALL);
	assert_true(advise(3).gain_ms <= 0);
}

/* ... but not for ever: after eight stabilizations the tier goes up whatever the sum says. */
static void test_a_wait_for_a_gain_ends(void **state)
{
	(void)state;
	config.ladder.tiers[LARGE].quality_permyriad = config.ladder.tiers[3].quality_permyriad;
	observe_for(2390, 300);
	assert_int_equal(advise(3).up_hold, REASON_GAIN_TOO_SMALL);
	observe_for(12, 300);
	assert_int_equal(advise(3).up_hold, REASON_NONE);
	config.ladder.tiers[LARGE].quality_permyriad--;
	assert_int_equal(advise(3).up_hold, REASON_GAIN_TOO_SMALL);
}

static void test_broken_tier_is_not_gone_up_to(void **state)
{
	(void)state;
	observe_for(400, 470);
	assert_int_equal(advise(3).up_hold, REASON_PEAK_DOES_NOT_FIT);
	assert_int_equal(advise(2).up_target, 3);
	assert_int_equal(advise(2).up_hold, REASON_NONE);
}

static void test_best_of_several_rungs_is_chosen(void **state)
{
	(void)state;
	observe_for(400, 300);
	assert_int_equal(advise(1).up_target, LARGE);
	config.ladder.tiers[LARGE].quality_permyriad =
		config.ladder.tiers[3].quality_permyriad - 1000;
	assert_int_equal(advise(1).up_target, 3);
}

static void test_rising_trend_is_an_obstacle(void **state)
{
	(void)state;
	observe_for(400, 300);
	drift_restart(&drift);
	for (uint64_t i = 0; i < 60; i++)
		observe(300 + 2 * i);
	config.trend_horizon_ns = SECONDS(60);
	assert_int_equal(advise(3).up_hold, REASON_TREND_RISING);
	config.trend_horizon_ns = 0;
	assert_int_equal(advise(3).up_hold, REASON_NONE);
}

static void test_top_has_nothing_above(void **state)
{
	(void)state;
	observe_for(400, 300);
	assert_int_equal(advise(LARGE).up_target, LARGE);
	assert_int_equal(advise(LARGE).leave_reason, REASON_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_forecast_leaves_ahead_of_the_limit, set_up),
		cmocka_unit_test_setup(test_slow_loading_lands_lower, set_up),
		cmocka_unit_test_setup(test_nothing_is_left_for_off_or_below_min_tier, set_up),
		cmocka_unit_test_setup(test_false_alarms_cost_trust_and_true_ones_earn_it, set_up),
		cmocka_unit_test_setup(test_an_alarm_alone_is_no_trust, set_up),
		cmocka_unit_test_setup(test_recurrence_is_expected, set_up),
		cmocka_unit_test_setup(test_unseen_tier_waits_for_the_whole_stabilization, set_up),
		cmocka_unit_test_setup(test_known_calm_is_used_at_the_least_wait, set_up),
		cmocka_unit_test_setup(test_short_calm_is_not_used, set_up),
		cmocka_unit_test_setup(test_a_wait_for_a_gain_ends, set_up),
		cmocka_unit_test_setup(test_broken_tier_is_not_gone_up_to, set_up),
		cmocka_unit_test_setup(test_best_of_several_rungs_is_chosen, set_up),
		cmocka_unit_test_setup(test_rising_trend_is_an_obstacle, set_up),
		cmocka_unit_test_setup(test_top_has_nothing_above, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
