/* SPDX-License-Identifier: BSD-2-Clause */
/* The calm clock, losses and the lengthened wait. */
#include "test_core_rig.h"

#include "core/stabilizer.h"

#define WAIT SECONDS(300)

static struct stabilizer stabilizer;

static int set_up(void **state)
{
	(void)state;
	stabilizer_init(&stabilizer, 0);
	return 0;
}

static uint64_t calm_at(uint64_t now_ns)
{
	stabilizer_advance(&stabilizer, now_ns, WAIT);
	return stabilizer_calm_ns(&stabilizer, now_ns, WAIT);
}

static uint64_t wait_at(uint64_t now_ns)
{
	stabilizer_advance(&stabilizer, now_ns, WAIT);
	return stabilizer_wait_ns(&stabilizer, WAIT);
}

static void test_calm_counts_from_the_last_pressure(void **state)
{
	(void)state;
	assert_int_equal(calm_at(SECONDS(50)), SECONDS(50));
	stabilizer_restart(&stabilizer, SECONDS(60));
	stabilizer_restart(&stabilizer, SECONDS(40));
	assert_int_equal(calm_at(SECONDS(100)), SECONDS(40));
}

static void test_failed_step_ups_double_the_wait_up_to_eight_times(void **state)
{
	const uint64_t factors[] = {2, 4, 8, 8};
	uint64_t now_ns = SECONDS(1000);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(factors); i++) {
		stabilizer_note_step_up(&stabilizer, now_ns, SECONDS(300));
		now_ns += SECONDS(100);
		stabilizer_note_step_down(&stabilizer, now_ns, WAIT);
		assert_int_equal(wait_at(now_ns), factors[i] * WAIT);
	}
}

static void test_step_up_that_lasted_is_no_failure(void **state)
{
	(void)state;
	stabilizer_note_step_up(&stabilizer, SECONDS(1000), SECONDS(300));
	stabilizer_note_step_down(&stabilizer, SECONDS(1301), WAIT);
	assert_int_equal(wait_at(SECONDS(1301)), WAIT);
	stabilizer_note_step_down(&stabilizer, SECONDS(1302), WAIT);
	assert_int_equal(wait_at(SECONDS(1302)), WAIT);
}

static void test_one_failure_counts_once(void **state)
{
	(void)state;
	stabilizer_note_step_up(&stabilizer, SECONDS(1000), SECONDS(300));
	stabilizer_note_step_down(&stabilizer, SECONDS(1001), WAIT);
	stabilizer_note_step_down(&stabilizer, SECONDS(1002), WAIT);
	assert_int_equal(wait_at(SECONDS(1002)), 2 * WAIT);
}

static void test_wait_decays_by_half_each_quarter_hour(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		stabilizer_note_failed_step_up(&stabilizer, SECONDS(1000));
	assert_int_equal(wait_at(SECONDS(1899)), 8 * WAIT);
	assert_int_equal(wait_at(SECONDS(1900)), 4 * WAIT);
	assert_int_equal(wait_at(SECONDS(2800)), 2 * WAIT);
	assert_int_equal(wait_at(SECONDS(100000)), WAIT);
}

static void test_decisive_loss_restarts_the_clock(void **state)
{
	(void)state;
	stabilizer_note_loss(&stabilizer, LOSS_KIND_DECISIVE, SECONDS(400), WAIT);
	assert_int_equal(calm_at(SECONDS(500)), SECONDS(100));
	assert_int_equal(stabilizer_pressure_calm_ns(&stabilizer, SECONDS(500)), SECONDS(500));
	stabilizer_note_loss(&stabilizer, LOSS_KIND_DECISIVE, SECONDS(500), WAIT);
	assert_int_equal(calm_at(SECONDS(510)), SECONDS(10));
}

static void test_losses_hold_for_eight_stabilizations_in_all(void **state)
{
	uint64_t begin_ns = SECONDS(400);
	uint64_t limit_ns = begin_ns + 8 * WAIT;

	(void)state;
	for (uint64_t now_ns = begin_ns; now_ns < limit_ns; now_ns += SECONDS(10)) {
		stabilizer_note_loss(&stabilizer, LOSS_KIND_DECISIVE, now_ns, WAIT);
		assert_true(calm_at(now_ns + SECONDS(9)) < SECONDS(10));
		assert_false(stabilizer_is_degraded(&stabilizer, now_ns, WAIT));
	}
	stabilizer_note_loss(&stabilizer, LOSS_KIND_DECISIVE, limit_ns, WAIT);
	assert_true(stabilizer_is_degraded(&stabilizer, limit_ns, WAIT));
	assert_true(calm_at(limit_ns) >= WAIT);
	/* A stabilization without loss gives the whole budget back. */
	assert_true(calm_at(limit_ns + WAIT) >= WAIT);
	assert_false(stabilizer_is_degraded(&stabilizer, limit_ns + WAIT, WAIT));
	stabilizer_note_loss(&stabilizer, LOSS_KIND_DECISIVE, limit_ns + 2 * WAIT, WAIT);
	assert_int_equal(calm_at(limit_ns + 2 * WAIT), 0);
}

static void test_lost_detail_restarts_the_clock_once(void **state)
{
	(void)state;
	for (uint64_t s = 400; s < 2000; s += 10)
		stabilizer_note_loss(&stabilizer, LOSS_KIND_ATTRIBUTION, SECONDS(s), WAIT);
	assert_int_equal(calm_at(SECONDS(2000)), SECONDS(1600));
	/* Armed again after a stabilization without loss. */
	(void)calm_at(SECONDS(2300));
	stabilizer_note_loss(&stabilizer, LOSS_KIND_ATTRIBUTION, SECONDS(2400), WAIT);
	assert_int_equal(calm_at(SECONDS(2450)), SECONDS(50));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_calm_counts_from_the_last_pressure, set_up),
		cmocka_unit_test_setup(test_failed_step_ups_double_the_wait_up_to_eight_times,
				       set_up),
		cmocka_unit_test_setup(test_step_up_that_lasted_is_no_failure, set_up),
		cmocka_unit_test_setup(test_one_failure_counts_once, set_up),
		cmocka_unit_test_setup(test_wait_decays_by_half_each_quarter_hour, set_up),
		cmocka_unit_test_setup(test_decisive_loss_restarts_the_clock, set_up),
		cmocka_unit_test_setup(test_losses_hold_for_eight_stabilizations_in_all, set_up),
		cmocka_unit_test_setup(test_lost_detail_restarts_the_clock_once, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
