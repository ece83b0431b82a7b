/* SPDX-License-Identifier: BSD-2-Clause */
/* What the adaptive policy learns and advises, fed without an engine around it. */
#include "test_core_rig.h"

#include "core/adaptive.h"
#include "core/drift.h"

enum {
	LARGE = 4,
};

static struct engine_config config;
static struct adaptive adaptive;
static struct drift drift;
static struct resources resources;
static uint64_t now_s;

static int set_up(void **state)
{
	(void)state;
	config = rig_config();
	config.policy = POLICY_ADAPTIVE;
	config.stabilization_min_ns = SECONDS(30);
	config.cost_drain_ns = SECONDS(15);
	config.cost_drain_quality_permyriad = 5000;
	config.cost_abort_ns = SECONDS(30);
	config.cost_over_permille = 2000;
	config.cost_full_permille = 20000;
	for (uint32_t tier = 1; tier < config.ladder.count; tier++)
		config.ladder.tiers[tier].load_ns = SECONDS(10 * tier);
	ladder_fill_qualities(&config.ladder);
	memset(&drift, 0, sizeof(drift));
	now_s = 0;
	adaptive_init(&adaptive, &config);
	return 0;
}

static struct adaptive_input input_of(uint32_t serving)
{
	return (struct adaptive_input){
		.now_ns = SECONDS(now_s),
		.config = &config,
		.resources = &resources,
		.serving = serving,
		.calm_ns = SECONDS(now_s),
		.wait_ns = config.stabilization_min_ns,
	};
}

/* A second with others at this many tenths of a percent of 100 GB. */
static void observe(uint64_t others_permille)
{
	uint64_t bytes = others_permille * GB / 10;
	struct adaptive_input input;

	now_s++;
	drift_add(&drift, SECONDS(now_s), bytes, 100 * GB);
	resources = (struct resources){.count = 1};
	resources.view[0] = (struct resource_view){
		.kind = RESOURCE_HOST_MEMORY, .capacity_bytes = 100 * GB, .drift = &drift};
	for (int basis = 0; basis < LADDER_BASIS_COUNT; basis++)
		resources.view[0].others_bytes[basis] = bytes;
	input = input_of(LARGE);
	adaptive_observe(&adaptive, &input);
}

static void observe_for(uint64_t seconds, uint64_t others_permille)
{
	for (uint64_t i = 0; i < seconds; i++)
		observe(others_permille);
}

static struct advice advise(uint32_t serving)
{
	struct adaptive_input input = input_of(serving);
	struct advice advice;

	adaptive_advise(&adaptive, &input, &advice);
	return advice;
}

/* Rises from 300 by 3 a second as if to cross, until `until`. */
static void rise(uint64_t until)
{
	drift_restart(&drift);
	for (uint64_t others = 300; others < until; others += 3)
		observe(others);
}

/* ---- spells of every tier ----------------------------------------------------------------------
 */

static void test_every_tier_is_learned_at_once(void **state)
{
	(void)state;
	observe_for(100, 300);
	observe_for(10, 600); /* large and medium would be full to 100 and 85 */
	assert_false(adaptive.levels[LARGE].spells.is_open);
	assert_int_equal(adaptive.levels[LARGE].spells.lengths.count, 1);
	assert_int_equal(adaptive.levels[LARGE].spells.lengths.length_ns[0], SECONDS(100));
	assert_true(adaptive.levels[3].spells.is_open);
	assert_int_equal(adaptive.levels[3].spells.lengths.count, 0);
	assert_int_equal(adaptive.levels[LARGE].refuge[0], 3);
}

/* Opens below degrade_above - margin, breaks at degrade_above: between them nothing changes. */
static void test_a_spell_opens_with_a_margin(void **state)
{
	(void)state;
	observe_for(10, 470);
	assert_false(adaptive.levels[LARGE].spells.is_open);
	observe_for(10, 440);
	assert_true(adaptive.levels[LARGE].spells.is_open);
	observe_for(10, 490);
	assert_true(adaptive.levels[LARGE].spells.is_open);
	observe_for(1, 500);
	assert_false(adaptive.levels[LARGE].spells.is_open);
}

static void test_lowest_refuge_of_a_break_counts(void **state)
{
	(void)state;
	observe_for(100, 300);
	observe(600);
	observe(790);
	observe(600);
	assert_int_equal(adaptive.levels[LARGE].refuge_count, 1);
	assert_int_equal(adaptive.levels[LARGE].refuge[0], 1);
}

static void test_penalty_is_of_what_was_lost(void **state)
{
	(void)state;
	assert_int_equal(adaptive.levels[LARGE].penalty_permyriad, 20000);
	observe_for(100, 300);
	observe_for(60, 650);
	assert_true(adaptive.levels[LARGE].penalty_permyriad > 200000);
	assert_int_equal(adaptive.levels[3].penalty_permyriad, 20000);
	observe_for(100, 550);
	assert_in_range(adaptive.levels[LARGE].penalty_permyriad, 19000, 21000);
}

static void test_other_pressure_breaks_the_tier_and_larger_ones(void **state)
{
	struct adaptive_input input;

	(void)state;
	observe_for(100, 300);
	input = input_of(3);
	adaptive_note_pressure(&adaptive, &input, TIER_OFF);
	assert_true(adaptive.levels[1].spells.is_open);
	adaptive_note_pressure(&adaptive, &input, 3);
	assert_true(adaptive.levels[2].spells.is_open);
	assert_false(adaptive.levels[3].spells.is_open);
	assert_false(adaptive.levels[LARGE].spells.is_open);
	assert_int_equal(adaptive.levels[LARGE].refuge[0], 2);
}

static void test_loss_counts_from_now(void **state)
{
	(void)state;
	observe_for(100, 300);
	observe_for(20, 600);
	observe_for(100, 300);
	adaptive.levels[LARGE].is_alarmed = true;
	adaptive_note_loss(&adaptive, SECONDS(now_s));
	assert_false(adaptive.levels[LARGE].is_alarmed);
	assert_true(adaptive.levels[LARGE].spells.is_open);
	assert_int_equal(spells_age_ns(&adaptive.levels[LARGE].spells, SECONDS(now_s + 5)),
			 SECONDS(5));
	assert_int_equal(adaptive.levels[LARGE].spells.lengths.count, 1);
	observe_for(10, 600);
	assert_int_equal(adaptive.levels[LARGE].spells.intervals.count, 0);
}

static void test_one_observation_a_second_is_due(void **state)
{
	(void)state;
	assert_true(adaptive_is_due(&adaptive, 0));
	observe(300);
	assert_false(adaptive_is_due(&adaptive, SECONDS(1) + MILLIS(500)));
	assert_true(adaptive_is_due(&adaptive, SECONDS(1) + MILLIS(900)));
}

/* ---- costs -------------------------------------------------------------------------------------
 */

static void test_costs_are_what_was_said_until_measured(void **state)
{
	(void)state;
	assert_int_equal(adaptive.costs.drain_ns, SECONDS(15));
	assert_int_equal(adaptive.costs.load_ns[3], SECONDS(30));
	adaptive_note_drain(&adaptive, SECONDS(3));
	assert_int_equal(adaptive.costs.drain_ns, SECONDS(3));
	adaptive_note_drain(&adaptive, SECONDS(5));
	assert_int_equal(adaptive.costs.drain_ns, SECONDS(4));
	adaptive_note_load(&adaptive, 3, SECONDS(100));
	adaptive_note_load(&adaptive, 3, SECONDS(50));
	assert_int_equal(adaptive.costs.load_ns[3], SECONDS(75));
	assert_int_equal(adaptive.costs.load_ns[2], SECONDS(20));
	adaptive_note_load(&adaptive, 2, UINT64_MAX);
	adaptive_note_load(&adaptive, 2, UINT64_MAX);
	assert_int_equal(adaptive.costs.load_ns[2], UINT64_MAX / 2);
}

/* What was learned stays unless it is about another ladder, limit, or drain. */
static void test_reconfigure_keeps_what_stays_true(void **state)
{
	struct engine_config changed = config;

	(void)state;
	observe_for(100, 300);
	observe_for(10, 600);
	changed.stabilization_ns = SECONDS(60);
	changed.margin_permyriad = 100;
	adaptive_reconfigure(&adaptive, &config, &changed);
	assert_int_equal(adaptive.levels[LARGE].spells.lengths.count, 1);
	changed.degrade_above_permyriad = 8500;
	adaptive_reconfigure(&adaptive, &config, &changed);
	assert_int_equal(adaptive.levels[LARGE].spells.lengths.count, 0);
	set_up(NULL);
	observe_for(100, 300);
	observe_for(10, 600);
	changed = config;
	changed.ladder.tiers[2].memory_bytes++;
	adaptive_reconfigure(&adaptive, &config, &changed);
	assert_int_equal(adaptive.levels[LARGE].spells.lengths.count, 0);
}

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

/* The landing is one that the rise does not reach at once. */
static void test_steep_rise_lands_lower(void **state)
{
	(void)state;
	observe_for(60, 300);
	drift_restart(&drift);
	for (uint64_t others = 300; others < 480; others += 2)
		observe(others);
	assert_int_equal(advise(LARGE).leave_target, 3);
	set_up(NULL);
	observe_for(60, 250);
	drift_restart(&drift);
	for (uint64_t others = 250; others < 460; others += 6)
		observe(others);
	assert_int_equal(advise(LARGE).leave_reason, REASON_FORECAST);
	assert_true(advise(LARGE).leave_target < 3);
}

static void test_nothing_is_left_for_off_or_below_min_tier(void **state)
{
	(void)state;
	observe_for(60, 300);
	drift_restart(&drift);
	for (uint64_t others = 300; others < 930; others += 9)
		observe(others);
	assert_int_equal(advise(1).leave_reason, REASON_NONE);
	assert_true(advise(1).forecast_permyriad >= 9000);
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
		cmocka_unit_test_setup(test_every_tier_is_learned_at_once, set_up),
		cmocka_unit_test_setup(test_a_spell_opens_with_a_margin, set_up),
		cmocka_unit_test_setup(test_lowest_refuge_of_a_break_counts, set_up),
		cmocka_unit_test_setup(test_penalty_is_of_what_was_lost, set_up),
		cmocka_unit_test_setup(test_other_pressure_breaks_the_tier_and_larger_ones, set_up),
		cmocka_unit_test_setup(test_loss_counts_from_now, set_up),
		cmocka_unit_test_setup(test_one_observation_a_second_is_due, set_up),
		cmocka_unit_test_setup(test_costs_are_what_was_said_until_measured, set_up),
		cmocka_unit_test_setup(test_reconfigure_keeps_what_stays_true, set_up),
		cmocka_unit_test_setup(test_forecast_leaves_ahead_of_the_limit, set_up),
		cmocka_unit_test_setup(test_steep_rise_lands_lower, set_up),
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
