/* SPDX-License-Identifier: BSD-2-Clause */
/* What the adaptive policy learns from what it sees. */
#include "test_core_adaptive_rig.h"

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

/* Unless it is a row of a file, which stands for more. */
static void test_one_sample_alone_breaks_nothing(void **state)
{
	(void)state;
	observe_for(100, 300);
	observe_sample(600, false);
	observe_sample(300, false);
	assert_true(adaptive.levels[LARGE].spells.is_open);
	assert_int_equal(adaptive.levels[LARGE].spells.lengths.count, 0);
	observe_sample(600, false);
	observe_sample(600, false);
	assert_false(adaptive.levels[LARGE].spells.is_open);
	assert_int_equal(adaptive.levels[LARGE].spells.lengths.count, 1);
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

static void test_after_a_loss_only_what_follows_is_sure(void **state)
{
	(void)state;
	observe_for(100, 300);
	observe_for(20, 600);
	observe_for(100, 300);
	adaptive.levels[LARGE].is_alarmed = true;
	adaptive_note_loss(&adaptive, SECONDS(now_s));
	assert_false(adaptive.levels[LARGE].is_alarmed);
	assert_true(adaptive.levels[LARGE].spells.is_open);
	assert_int_equal(spells_sure_ns(&adaptive.levels[LARGE].spells, SECONDS(now_s + 5)),
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

/* ---- configuration -----------------------------------------------------------------------------
 */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_every_tier_is_learned_at_once, set_up),
		cmocka_unit_test_setup(test_a_spell_opens_with_a_margin, set_up),
		cmocka_unit_test_setup(test_one_sample_alone_breaks_nothing, set_up),
		cmocka_unit_test_setup(test_lowest_refuge_of_a_break_counts, set_up),
		cmocka_unit_test_setup(test_penalty_is_of_what_was_lost, set_up),
		cmocka_unit_test_setup(test_other_pressure_breaks_the_tier_and_larger_ones, set_up),
		cmocka_unit_test_setup(test_after_a_loss_only_what_follows_is_sure, set_up),
		cmocka_unit_test_setup(test_one_observation_a_second_is_due, set_up),
		cmocka_unit_test_setup(test_reconfigure_keeps_what_stays_true, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
