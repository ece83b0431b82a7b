/* SPDX-License-Identifier: BSD-2-Clause */
/* When a tier is too slow, and which lower one would be in time. */
#include "test_core_performance_fixture.h"

static void test_without_a_target_nothing_is_slow(void **state)
{
	(void)state;
	end_many(100, true, 3600000);
	assert_int_equal(advise()->reason, REASON_NONE);
}

/* Medium takes 25 of 40 GB: it is taken to need 10 of 16 s. */
static void test_slow_tier_is_left_for_one_that_is_expected_to_be_in_time(void **state)
{
	(void)state;
	config.ladder.tiers[LARGE].slo_ms = 11000;
	end_many(19, true, 16000);
	assert_int_equal(advise()->reason, REASON_NONE);
	end_many(1, true, 16000);
	assert_int_equal(advise()->reason, REASON_TIER_SLOW);
	assert_int_equal(advice.target, MEDIUM);
	assert_int_equal(breaker(LARGE)->state, BREAKER_OPEN);
	assert_true(advice.numbers.is_target_estimated);
	assert_in_range(advice.numbers.p95_ms, 15500, 16500);
	assert_in_range(advice.numbers.target_p95_ms, 9600, 10400);
}

static void test_the_nearest_that_would_be_in_time_is_taken(void **state)
{
	(void)state;
	config.ladder.tiers[LARGE].slo_ms = 6000;
	end_many(20, true, 16000);
	assert_int_equal(advise()->target, SMALL);
}

static void test_a_target_that_is_met_is_no_reason(void **state)
{
	(void)state;
	config.ladder.tiers[LARGE].slo_ms = 1000;
	/* A twentieth may take longer. */
	end_many(97, true, 900);
	end_many(3, true, 60000);
	assert_int_equal(advise()->reason, REASON_NONE);
	end_many(5, true, 60000);
	assert_int_equal(advise()->reason, REASON_TIER_SLOW);
}

/* It stays, does not rest, and says so. */
static void test_slow_where_no_tier_would_be_in_time(void **state)
{
	(void)state;
	config.ladder.tiers[LARGE].slo_ms = 1000;
	end_many(20, true, 16000);
	assert_int_equal(advise()->reason, REASON_TIER_SLOW);
	assert_int_equal(advice.target, LARGE);
	assert_int_equal(advice.resting, 0);
}

static void measure_on(uint32_t tier, uint64_t ms)
{
	for (int i = 0; i < 20; i++)
		end_on(tier, true, ms);
}

static void test_what_was_measured_goes_before_what_is_expected(void **state)
{
	(void)state;
	config.ladder.tiers[LARGE].slo_ms = 11000;
	measure_on(MEDIUM, 15000);
	measure_on(SMALL, 9000);
	end_many(20, true, 16000);
	assert_int_equal(advise()->target, SMALL);
	assert_false(advice.numbers.is_target_estimated);
	assert_in_range(advice.numbers.target_p95_ms, 8700, 9300);
}

static void test_the_other_tiers_own_target_counts(void **state)
{
	(void)state;
	config.ladder.tiers[LARGE].slo_ms = 11000;
	config.ladder.tiers[MEDIUM].slo_ms = 5000;
	end_many(20, true, 16000);
	assert_int_equal(advise()->target, SMALL);
}

/* Of a model in VRAM all is read, too. */
static void test_memory_of_gpus_is_part_of_what_is_read(void **state)
{
	(void)state;
	config.ladder.tiers[LARGE].slo_ms = 6000;
	config.ladder.tiers[LARGE].vram_bytes[1] = 40 * GB;
	end_many(20, true, 16000);
	assert_int_equal(advise()->target, MEDIUM);
}

/* What fails at once is not fast. */
static void test_failed_tasks_have_no_latency(void **state)
{
	(void)state;
	config.ladder.tiers[LARGE].slo_ms = 11000;
	end_many(19, true, 16000);
	end_many(15, false, 1);
	assert_int_equal(advise()->reason, REASON_NONE);
	end_many(1, true, 16000);
	assert_int_equal(advise()->reason, REASON_TIER_SLOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_without_a_target_nothing_is_slow, set_up),
		cmocka_unit_test_setup(
			test_slow_tier_is_left_for_one_that_is_expected_to_be_in_time, set_up),
		cmocka_unit_test_setup(test_the_nearest_that_would_be_in_time_is_taken, set_up),
		cmocka_unit_test_setup(test_a_target_that_is_met_is_no_reason, set_up),
		cmocka_unit_test_setup(test_slow_where_no_tier_would_be_in_time, set_up),
		cmocka_unit_test_setup(test_what_was_measured_goes_before_what_is_expected, set_up),
		cmocka_unit_test_setup(test_the_other_tiers_own_target_counts, set_up),
		cmocka_unit_test_setup(test_memory_of_gpus_is_part_of_what_is_read, set_up),
		cmocka_unit_test_setup(test_failed_tasks_have_no_latency, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
