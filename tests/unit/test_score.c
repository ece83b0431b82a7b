/* SPDX-License-Identifier: BSD-2-Clause */
/* The scorer against sums made by hand, and its oracle against every plan that there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/option_table.h"
#include "app/score_policies.h"
#include "app/score_suite.h"
#include "base/units.h"

enum {
	SECONDS_MAX = 2000,
	DRAWS = 120,
};

static double shares[SECONDS_MAX];
static struct score_game game;
static struct score_series series;

static int set_up(void **state)
{
	static struct app_config config;

	(void)state;
	config_set_defaults(&config);
	score_make_game(&config.engine, &game);
	series = (struct score_series){.share = shares, .memory_bytes = UINT64_C(1) << 40};
	score_fit_game(&game, series.memory_bytes);
	return 0;
}

static void hold(size_t seconds, double share)
{
	while (seconds-- > 0)
		shares[series.count++] = share;
}

static void assert_near(double value, double wanted)
{
	if (fabs(value - wanted) > 1e-9)
		fail_msg("%.12f is not %.12f", value, wanted);
}

/* ---- a policy that does what it is told --------------------------------------------------------
 */

static struct score_command script[SECONDS_MAX];
static enum score_phase phases[SECONDS_MAX];
static uint32_t tiers[SECONDS_MAX];

static int script_open(const struct score_game *g, const struct score_series *s, uint32_t first,
		       void **ret_state)
{
	(void)g, (void)s, (void)first;
	*ret_state = NULL;
	return 0;
}

static struct score_command script_step(void *state, size_t second, double share,
					const struct score_world *world)
{
	(void)state, (void)share;
	phases[second] = world->phase;
	tiers[second] = world->tier;
	return script[second];
}

static void script_close(void *state)
{
	(void)state;
}

static const struct score_policy SCRIPTED = {
	.name = "scripted", .open = script_open, .step = script_step, .close = script_close};

static struct score_result play(const struct score_policy *policy)
{
	struct score_result result;

	assert_int_equal(score_play(&game, &series, policy, &result), 0);
	return result;
}

static void forget_script(void)
{
	memset(script, 0, sizeof(script));
}

/* ---- the world ---------------------------------------------------------------------------------
 */

static void test_suite_ladder_is_the_frozen_one(void **state)
{
	const double footprints[] = {0, 0.05, 0.12, 0.25, 0.40};
	const double qualities[] = {0, 0.40, 0.60, 0.80, 1.00};
	const double loads_s[] = {1, 9, 13.2, 21, 30};

	(void)state;
	assert_int_equal(game.tier_count, 5);
	for (uint32_t i = 0; i < 5; i++) {
		assert_near(game.footprint[i], footprints[i]);
		assert_near(game.quality[i], qualities[i]);
		assert_near(game.load_s[i], loads_s[i]);
	}
	assert_near(game.drain_s, 15);
	assert_near(game.drain_quality, 0.5);
	assert_near(game.abort_s, 30);
	assert_near(game.over, 2);
	assert_near(game.full, 20);
	assert_near(game.limit, 0.9);
}

static void test_penalties_begin_above_their_bounds(void **state)
{
	(void)state;
	assert_near(score_penalty(&game, 0.90), 0);
	assert_near(score_penalty(&game, nextafter(0.90, 1)), 2);
	assert_near(score_penalty(&game, 1.00), 2);
	assert_near(score_penalty(&game, nextafter(1.00, 2)), 22);
}

static void test_first_tier_leaves_eighty_percent(void **state)
{
	(void)state;
	assert_int_equal(score_first_tier(&game, 0.0), 4);
	assert_int_equal(score_first_tier(&game, 0.40), 4);
	assert_int_equal(score_first_tier(&game, 0.41), 3);
	assert_int_equal(score_first_tier(&game, 0.56), 2);
	assert_int_equal(score_first_tier(&game, 0.69), 1);
	assert_int_equal(score_first_tier(&game, 0.76), 0);
	assert_int_equal(score_first_tier(&game, 0.99), 0);
}

/* Large for 10 s and the second of the command, half of it for 15 s, 21 s of nothing, medium. */
static void test_planned_switch_drains_and_loads(void **state)
{
	struct score_result result;

	(void)state;
	forget_script();
	hold(100, 0.3);
	script[9] = (struct score_command){SCORE_PLANNED, 3};
	result = play(&SCRIPTED);
	assert_near(result.reward, 10 + 15 * 0.5 + (100 - 10 - 15 - 21) * 0.8);
	assert_int_equal(result.switches, 1);
	assert_int_equal(result.aborts, 0);
	assert_int_equal(phases[9 + 14], SCORE_DRAINING);
	assert_int_equal(phases[9 + 15], SCORE_LOADING);
	assert_int_equal(phases[9 + 35], SCORE_LOADING);
	assert_int_equal(phases[9 + 36], SCORE_SERVING);
	assert_int_equal(tiers[9 + 36], 3);
}

static void test_immediate_switch_costs_thirty_seconds(void **state)
{
	struct score_result result;

	(void)state;
	forget_script();
	hold(100, 0.3);
	script[9] = (struct score_command){SCORE_IMMEDIATE, 3};
	result = play(&SCRIPTED);
	assert_near(result.reward, 10 - 30 + (100 - 10 - 21) * 0.8);
	assert_int_equal(result.aborts, 1);
	assert_int_equal(result.switches, 1);
}

static void test_abort_of_a_drain_goes_to_the_lower_target(void **state)
{
	(void)state;
	for (uint32_t ordered = 1; ordered <= 3; ordered++) {
		forget_script();
		series.count = 0;
		hold(100, 0.3);
		script[9] = (struct score_command){SCORE_PLANNED, 2};
		script[14] = (struct score_command){SCORE_IMMEDIATE, ordered};
		assert_int_equal(play(&SCRIPTED).aborts, 1);
		assert_int_equal(tiers[99], ordered < 2 ? ordered : 2);
	}
}

static void test_commands_that_are_ignored(void **state)
{
	struct score_result result;

	(void)state;
	forget_script();
	hold(100, 0.3);
	script[5] = (struct score_command){SCORE_PLANNED, 4}; /* is there already */
	script[9] = (struct score_command){SCORE_PLANNED, 3};
	script[12] = (struct score_command){SCORE_PLANNED, 1};   /* draining */
	script[30] = (struct score_command){SCORE_IMMEDIATE, 0}; /* loading */
	script[31] = (struct score_command){SCORE_PLANNED, 0};
	result = play(&SCRIPTED);
	assert_int_equal(tiers[99], 3);
	assert_int_equal(result.switches, 1);
	assert_int_equal(result.aborts, 0);
}

/* The new footprint counts from the first second of loading, the old one until then. */
static void test_footprints_count_while_draining_and_loading(void **state)
{
	struct score_result result;

	(void)state;
	forget_script();
	hold(10, 0.3);
	hold(90, 0.55); /* large 0.95, medium 0.80 */
	script[9] = (struct score_command){SCORE_PLANNED, 3};
	result = play(&SCRIPTED);
	assert_int_equal(result.over_s, 15);
	assert_int_equal(result.avoidable_s, 15);
	assert_int_equal(result.full_s, 0);
	series.count = 0;
	hold(10, 0.3);
	hold(90, 0.95);
	result = play(&SCRIPTED);
	assert_int_equal(result.over_s, 90);
	assert_int_equal(result.full_s, 90);
	assert_int_equal(result.avoidable_s, 0);
}

static void test_broken_step_up_is_counted_once(void **state)
{
	(void)state;
	forget_script();
	hold(60, 0.5);
	shares[0] = 0.5;
	script[0] = (struct score_command){SCORE_PLANNED, 4}; /* 15 + 30 s */
	hold(100, 0.55);
	assert_int_equal(play(&SCRIPTED).broken_ups, 1);
	series.count = 0;
	hold(120, 0.5);
	hold(100, 0.55);
	assert_int_equal(play(&SCRIPTED).broken_ups, 0);
}

/* ---- the oracle --------------------------------------------------------------------------------
 */

/* Best reward from second on with the tier serving, by trying everything. */
static double brute(size_t second, uint32_t tier)
{
	double best;

	if (second >= series.count)
		return 0;
	best = game.quality[tier] - score_penalty(&game, shares[second] + game.footprint[tier]) +
	       brute(second + 1, tier);
	for (uint32_t to = 0; to < game.tier_count; to++) {
		for (int is_planned = 0; is_planned < 2 && to != tier; is_planned++) {
			double value = is_planned ? 0 : -game.abort_s * game.quality[tier];
			size_t at = second;

			for (int i = 0; is_planned && i < (int)game.drain_s && at < series.count;
			     i++, at++)
				value += game.drain_quality * game.quality[tier] -
					 score_penalty(&game, shares[at] + game.footprint[tier]);
			for (int i = 0; i < (int)game.load_s[to] && at < series.count; i++, at++)
				value -= score_penalty(&game, shares[at] + game.footprint[to]);
			best = fmax(best, value + brute(at, to));
		}
	}
	return best;
}

static double draw(void)
{
	static uint64_t random_state = 1;

	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double)(random_state >> 40) / (double)(1 << 24);
}

/* Three tiers, times of one to three seconds, costs of the same order. */
static void draw_game(void)
{
	game.is_suite_ladder = false;
	game.tier_count = 3;
	for (uint32_t i = 0; i < 3; i++) {
		game.footprint[i] = 0.25 * i + 0.1 * draw() * i;
		game.quality[i] = 0.5 * i;
		game.load_s[i] = 1 + floor(3 * draw());
	}
	game.drain_s = 1 + floor(3 * draw());
	game.abort_s = 3 * draw();
	game.over = 2 * draw();
	game.full = 5 * draw();
	series.count = 0;
	while (series.count < 12)
		hold(1 + (size_t)(4 * draw()), draw());
	series.count = 12;
}

static void test_oracle_is_the_best_of_all_plans(void **state)
{
	uint64_t switches = 0;

	(void)state;
	for (int i = 0; i < DRAWS; i++) {
		struct score_result result;

		draw_game();
		assert_int_equal(score_play_oracle(&game, &series, &result), 0);
		assert_near(result.reward, brute(0, score_first_tier(&game, shares[0])));
		switches += result.switches;
	}
	assert_true(switches > DRAWS / 4);
}

/* Whatever a policy that acts in the world's steps does. */
static void test_nobody_beats_the_oracle(void **state)
{
	(void)state;
	for (int i = 0; i < DRAWS * 10; i++) {
		struct score_result oracle;

		draw_game();
		forget_script();
		for (size_t second = 0; second < series.count; second++) {
			if (draw() < 0.3)
				script[second] = (struct score_command){
					draw() < 0.5 ? SCORE_PLANNED : SCORE_IMMEDIATE,
					(uint32_t)(3 * draw())};
		}
		assert_int_equal(score_play_oracle(&game, &series, &oracle), 0);
		assert_true(play(&SCRIPTED).reward <= oracle.reward + 1e-9);
		for (int p = 0; p < SCORE_POLICY_COUNT; p++) {
			if (SCORE_POLICIES[p] && p != SCORE_ADAPTIVE && p != SCORE_THRESHOLD_SAFE)
				assert_true(play(SCORE_POLICIES[p]).reward <= oracle.reward + 1e-9);
		}
	}
}

/* ---- baselines ---------------------------------------------------------------------------------
 */

/* 300 calm seconds, a rung, 300 more from the command on, of which 15 + 21 are the switch. */
static void test_threshold_climbs_a_rung_in_300_calm_seconds(void **state)
{
	(void)state;
	hold(1, 0.66);
	hold(400, 0.3);
	assert_int_equal(play(&SCORE_POLICY_THRESHOLD).switches, 1);
	series.count = 0;
	hold(1, 0.66);
	hold(298, 0.3);
	assert_int_equal(play(&SCORE_POLICY_THRESHOLD).switches, 0);
	hold(301, 0.3);
	assert_int_equal(play(&SCORE_POLICY_THRESHOLD).switches, 2);
}

static void test_threshold_steps_down_in_its_bands(void **state)
{
	struct score_result result;

	(void)state;
	hold(10, 0.3);
	hold(30, 0.5 - 1e-9); /* large: just under 0.9 */
	result = play(&SCORE_POLICY_THRESHOLD);
	assert_int_equal(result.switches, 1);
	assert_int_equal(result.aborts, 0);
	series.count = 0;
	hold(10, 0.3);
	hold(30, 0.51);
	assert_int_equal(play(&SCORE_POLICY_THRESHOLD).aborts, 1);
}

/* At 0.60 medium is at 0.85: the plain rule goes up to it blindly. */
static void test_preflight_looks_first(void **state)
{
	(void)state;
	hold(320, 0.60);
	assert_int_equal(play(&SCORE_POLICY_THRESHOLD).switches, 1);
	assert_int_equal(play(&SCORE_POLICY_PREFLIGHT).switches, 0);
	series.count = 0;
	hold(1, 0.60);
	hold(320, 0.54);
	assert_int_equal(play(&SCORE_POLICY_PREFLIGHT).switches, 1);
}

static void test_hpa_goes_where_it_fits(void **state)
{
	struct score_result result;

	(void)state;
	hold(10, 0.3);
	hold(60, 0.8);
	result = play(&SCORE_POLICY_HPA);
	assert_int_equal(result.aborts, 1);
	/* tiny, 0.85: 10 s of large, the abort, 9 s of nothing; large is over 1 for a second. */
	assert_near(result.reward, 10 + (1 - 22) - 30 + (60 - 1 - 9) * 0.4);
	series.count = 0;
	hold(1, 0.51); /* medium; large would be at 0.91 */
	hold(299, 0.3);
	assert_int_equal(play(&SCORE_POLICY_HPA).switches, 0);
	hold(1, 0.3);
	assert_int_equal(play(&SCORE_POLICY_HPA).switches, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_suite_ladder_is_the_frozen_one, set_up),
		cmocka_unit_test_setup(test_penalties_begin_above_their_bounds, set_up),
		cmocka_unit_test_setup(test_first_tier_leaves_eighty_percent, set_up),
		cmocka_unit_test_setup(test_planned_switch_drains_and_loads, set_up),
		cmocka_unit_test_setup(test_immediate_switch_costs_thirty_seconds, set_up),
		cmocka_unit_test_setup(test_abort_of_a_drain_goes_to_the_lower_target, set_up),
		cmocka_unit_test_setup(test_commands_that_are_ignored, set_up),
		cmocka_unit_test_setup(test_footprints_count_while_draining_and_loading, set_up),
		cmocka_unit_test_setup(test_broken_step_up_is_counted_once, set_up),
		cmocka_unit_test_setup(test_oracle_is_the_best_of_all_plans, set_up),
		cmocka_unit_test_setup(test_nobody_beats_the_oracle, set_up),
		cmocka_unit_test_setup(test_threshold_climbs_a_rung_in_300_calm_seconds, set_up),
		cmocka_unit_test_setup(test_threshold_steps_down_in_its_bands, set_up),
		cmocka_unit_test_setup(test_preflight_looks_first, set_up),
		cmocka_unit_test_setup(test_hpa_goes_where_it_fits, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
