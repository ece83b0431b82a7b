/* SPDX-License-Identifier: BSD-2-Clause */
/* When a tier fails too much, which one would do better, and how long it rests. */
#include "test_core_performance_fixture.h"

static uint64_t seed = 88172645463325252;

/* ---- failures ----------------------------------------------------------------------------------
 */

static void test_half_of_twenty_failing_is_left(void **state)
{
	(void)state;
	end_many(10, true, 100);
	end_many(9, false, 100);
	assert_int_equal(advise()->reason, REASON_NONE);
	end_many(1, false, 100);
	assert_int_equal(advise()->reason, REASON_TIER_FAILING);
	assert_int_equal(advice.target, MEDIUM);
	assert_int_equal(advice.resting, 1U << LARGE);
	assert_int_equal(advice.numbers.tasks, 20);
	assert_int_equal(advice.numbers.failed_permyriad, 5000);
}

static void test_less_than_half_failing_is_not(void **state)
{
	(void)state;
	for (int i = 0; i < 500; i++) {
		end_many(51, true, 100);
		end_many(49, false, 100);
		assert_int_equal(advise()->reason, REASON_NONE);
	}
}

static void test_failures_are_forgotten_with_the_window(void **state)
{
	(void)state;
	end_many(19, false, 100);
	wait_s(360);
	end_many(19, false, 100);
	assert_int_equal(advise()->reason, REASON_NONE);
}

static void test_options_of_failures_are_used(void **state)
{
	(void)state;
	config.performance_tasks_min = 5;
	config.failure_above_permyriad = 8000;
	end_many(1, true, 100);
	end_many(3, false, 100);
	assert_int_equal(advise()->reason, REASON_NONE);
	end_many(1, false, 100);
	assert_int_equal(advise()->reason, REASON_TIER_FAILING);
}

static void test_a_shorter_window_forgets_sooner(void **state)
{
	(void)state;
	config.performance_window_ns = SECONDS(60);
	end_many(19, false, 100);
	wait_s(72);
	end_many(1, false, 100);
	assert_int_equal(advise()->reason, REASON_NONE);
}

/* Never to off, never under min_tier, and not to a tier that rests itself. */
static void test_where_no_tier_is_better_it_stays(void **state)
{
	(void)state;
	serve(TINY);
	end_many(20, false, 100);
	assert_int_equal(advise()->reason, REASON_TIER_FAILING);
	assert_int_equal(advice.target, TINY);
	serve(SMALL);
	end_many(20, false, 100);
	assert_int_equal(advise()->target, SMALL);
	serve(LARGE);
	config.min_tier = LARGE;
	end_many(20, false, 100);
	assert_int_equal(advise()->target, LARGE);
	config.min_tier = MEDIUM;
	assert_int_equal(advise()->target, MEDIUM);
}

static void test_a_tier_that_does_not_fit_is_passed_over(void **state)
{
	(void)state;
	resources.view[0].kind = RESOURCE_VRAM;
	resources.view[0].capacity_bytes = 10 * GB;
	config.ladder.tiers[MEDIUM].vram_bytes[0] = 12 * GB;
	config.ladder.tiers[SMALL].vram_bytes[0] = 6 * GB;
	end_many(20, false, 100);
	assert_int_equal(advise()->target, SMALL);
}

static void test_what_ends_elsewhere_is_not_held_against_it(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++)
		end_on(MEDIUM, false, 100);
	assert_int_equal(advise()->numbers.tasks, 0);
	assert_int_equal(breaker(MEDIUM)->state, BREAKER_CLOSED);
	performance_begin_task(&performance, &input, "one", MEDIUM);
	performance_end_task(&performance, &input, "one", LARGE, &(struct task_result){0});
	assert_int_equal(advise()->numbers.tasks, 0);
}

static void test_tier_out_of_range_is_the_serving_one(void **state)
{
	(void)state;
	end_on(UINT32_MAX, false, 100);
	performance_begin_task(&performance, &input, "one", UINT32_MAX);
	assert_int_equal(tasks_count_on(&performance.tasks, LARGE), 1);
	assert_int_equal(advise()->numbers.tasks, 1);
}

static void test_loading_and_settling_do_not_count(void **state)
{
	(void)state;
	input.is_settled = false;
	end_many(40, false, 100);
	input.is_settled = true;
	assert_int_equal(advise()->numbers.tasks, 0);
}

static void test_a_tier_that_is_back_is_judged_anew(void **state)
{
	(void)state;
	end_many(19, false, 100);
	serve(MEDIUM);
	serve(LARGE);
	end_many(1, false, 100);
	assert_int_equal(advise()->numbers.tasks, 1);
}

/* ---- resting -----------------------------------------------------------------------------------
 */

static void leave_large(void)
{
	serve(LARGE);
	end_many(20, false, 100);
	assert_int_equal(breaker(LARGE)->state, BREAKER_OPEN);
	serve(MEDIUM);
}

static void test_it_rests_and_is_tried_again(void **state)
{
	(void)state;
	leave_large();
	wait_s(299);
	assert_int_equal(advice.resting, 1U << LARGE);
	wait_s(1);
	assert_int_equal(advice.resting, 0);
	assert_int_equal(breaker(LARGE)->state, BREAKER_HALF_OPEN);
	serve(LARGE);
	end_many(19, true, 100);
	assert_int_equal(breaker(LARGE)->state, BREAKER_HALF_OPEN);
	end_many(1, true, 100);
	assert_int_equal(breaker(LARGE)->state, BREAKER_CLOSED);
}

static void test_each_failed_try_doubles_the_rest(void **state)
{
	static const uint64_t rests_s[] = {300, 600, 1200, 2400, 4800, 4800, 4800};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rests_s); i++) {
		leave_large();
		wait_s(rests_s[i] - 1);
		assert_int_equal(breaker(LARGE)->state, BREAKER_OPEN);
		wait_s(1);
		assert_int_equal(breaker(LARGE)->state, BREAKER_HALF_OPEN);
	}
}

static void test_retry_option_is_used(void **state)
{
	(void)state;
	config.performance_retry_ns = SECONDS(20);
	leave_large();
	wait_s(20);
	assert_int_equal(breaker(LARGE)->state, BREAKER_HALF_OPEN);
}

/* A short good time between two bad ones is no reason to begin from the shortest rest. */
static void test_only_an_hour_of_doing_well_is_forgotten(void **state)
{
	(void)state;
	for (uint64_t well_s = 3599; well_s <= 3600; well_s++) {
		memset(&performance, 0, sizeof(performance));
		leave_large();
		wait_s(300);
		serve(LARGE);
		end_many(20, true, 100);
		wait_s(well_s);
		end_many(20, false, 100);
		assert_true(breaker(LARGE)->until_ns - input.now_ns ==
			    SECONDS(well_s == 3600 ? 300 : 600));
	}
}

/* Where nothing else can be had it serves on, and is judged by what it did after its rest. */
static void test_a_tier_that_serves_while_it_rests_can_recover(void **state)
{
	(void)state;
	serve(TINY);
	end_many(20, false, 100);
	wait_s(300);
	assert_int_equal(advice.reason, REASON_NONE);
	end_many(20, true, 100);
	assert_int_equal(breaker(TINY)->state, BREAKER_CLOSED);
}

/* ---- configuration -----------------------------------------------------------------------------
 */

static void test_another_ladder_forgets_all(void **state)
{
	static const struct performance nothing;
	struct engine_config before = config;

	(void)state;
	leave_large();
	performance_reconfigure(&performance, &before, &config);
	assert_int_equal(breaker(LARGE)->state, BREAKER_OPEN);
	config.ladder.tiers[SMALL].name[0] = 'S';
	performance_reconfigure(&performance, &before, &config);
	assert_memory_equal(&performance, &nothing, sizeof(nothing));
}

static void test_another_window_judges_anew(void **state)
{
	struct engine_config before = config;

	(void)state;
	end_many(19, false, 100);
	config.performance_window_ns = SECONDS(60);
	performance_reconfigure(&performance, &before, &config);
	assert_int_equal(advise()->numbers.tasks, 0);
}

static void test_task_timeout_is_used(void **state)
{
	(void)state;
	performance_begin_task(&performance, &input, "one", LARGE);
	wait_s(3599);
	assert_int_equal(performance.tasks.count, 1);
	wait_s(1);
	assert_int_equal(performance.tasks.count, 0);
	config.task_timeout_ns = SECONDS(10);
	performance_begin_task(&performance, &input, "one", LARGE);
	wait_s(10);
	assert_int_equal(performance.tasks.count, 0);
}

/* ---- properties --------------------------------------------------------------------------------
 */

/* Xorshift (Marsaglia 2003). */
static uint64_t draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static void check_advice(void)
{
	advise();
	assert_true(advice.target <= advice.tier);
	assert_true(advice.target >= units_min(units_max(config.min_tier, 1), advice.tier));
	if (advice.target != advice.tier) {
		assert_int_not_equal(advice.reason, REASON_NONE);
		assert_true(advice.resting & (1U << advice.tier));
		assert_false(advice.resting & (1U << advice.target));
	}
	for (uint32_t tier = 0; tier < LADDER_TIERS_MAX; tier++) {
		if (breaker(tier)->state == BREAKER_OPEN)
			assert_true(breaker(tier)->until_ns <=
				    input.now_ns + BREAKER_FACTOR_MAX * SECONDS(300));
	}
	assert_true(performance.tasks.count <= TASKS_MAX);
	assert_int_equal(breaker(OFF)->state, BREAKER_CLOSED);
}

/* Whatever is told, in any order: advice is possible, and no rest is for ever. */
static void test_any_history_leads_to_advice_that_can_be_taken(void **state)
{
	(void)state;
	config.min_tier = TINY;
	for (uint32_t tier = TINY; tier <= LARGE; tier++)
		config.ladder.tiers[tier].slo_ms = 500 * tier;
	for (int i = 0; i < 30000; i++) {
		struct task_result result = {.is_ok = draw(3) > 0, .duration_ms = draw(4000)};
		char id[8] = {(char)('a' + draw(26)), (char)('a' + draw(26))};

		input.now_ns += draw(50) == 0 ? SECONDS(draw(600)) : MILLIS(draw(900));
		input.is_settled = draw(20) > 0;
		if (draw(200) == 0)
			input.serving = (uint32_t)draw(LARGE + 1);
		if (draw(2))
			performance_begin_task(&performance, &input, id, (uint32_t)draw(7));
		else
			performance_end_task(&performance, &input, id, (uint32_t)draw(7), &result);
		check_advice();
		/* As the policy does. */
		if (draw(4) == 0)
			input.serving = advice.target;
	}
	input.now_ns += BREAKER_FACTOR_MAX * SECONDS(300);
	assert_int_equal(advise()->resting, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_half_of_twenty_failing_is_left, set_up),
		cmocka_unit_test_setup(test_less_than_half_failing_is_not, set_up),
		cmocka_unit_test_setup(test_failures_are_forgotten_with_the_window, set_up),
		cmocka_unit_test_setup(test_options_of_failures_are_used, set_up),
		cmocka_unit_test_setup(test_a_shorter_window_forgets_sooner, set_up),
		cmocka_unit_test_setup(test_where_no_tier_is_better_it_stays, set_up),
		cmocka_unit_test_setup(test_a_tier_that_does_not_fit_is_passed_over, set_up),
		cmocka_unit_test_setup(test_what_ends_elsewhere_is_not_held_against_it, set_up),
		cmocka_unit_test_setup(test_tier_out_of_range_is_the_serving_one, set_up),
		cmocka_unit_test_setup(test_loading_and_settling_do_not_count, set_up),
		cmocka_unit_test_setup(test_a_tier_that_is_back_is_judged_anew, set_up),
		cmocka_unit_test_setup(test_it_rests_and_is_tried_again, set_up),
		cmocka_unit_test_setup(test_each_failed_try_doubles_the_rest, set_up),
		cmocka_unit_test_setup(test_retry_option_is_used, set_up),
		cmocka_unit_test_setup(test_only_an_hour_of_doing_well_is_forgotten, set_up),
		cmocka_unit_test_setup(test_a_tier_that_serves_while_it_rests_can_recover, set_up),
		cmocka_unit_test_setup(test_another_ladder_forgets_all, set_up),
		cmocka_unit_test_setup(test_another_window_judges_anew, set_up),
		cmocka_unit_test_setup(test_task_timeout_is_used, set_up),
		cmocka_unit_test_setup(test_any_history_leads_to_advice_that_can_be_taken, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
