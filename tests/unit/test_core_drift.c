/* SPDX-License-Identifier: BSD-2-Clause */
/* Level, slope and noise of a series, and where a new stretch of it begins. */
#include "test_core_rig.h"

#include "core/drift.h"

enum {
	SEEDS = 40,
	FED_S = 120,
};

static const uint64_t CAPACITY = 100 * GIB;

static struct drift drift;
static uint64_t now_s;
static uint64_t random_state;

static int set_up(void **state)
{
	(void)state;
	memset(&drift, 0, sizeof(drift));
	now_s = 1000;
	return 0;
}

static void feed(uint64_t bytes)
{
	drift_add(&drift, SECONDS(now_s++), bytes, CAPACITY);
}

/* Steps of step bytes from base on, one a second. */
static void feed_line(uint32_t count, uint64_t base, int64_t step)
{
	for (uint32_t i = 0; i < count; i++)
		feed(base + (uint64_t)((int64_t)i * step));
}

/* The sum of twelve uniform values: nearly normal, with this deviation. */
static int64_t noise(uint64_t deviation)
{
	int64_t sum = 0;

	for (int i = 0; i < 12; i++) {
		random_state = random_state * UINT64_C(6364136223846793005) +
			       UINT64_C(1442695040888963407);
		sum += (int64_t)((random_state >> 33) % 10001) - 5000;
	}
	return sum * (int64_t)(deviation / MIB) / 10000 * (int64_t)MIB;
}

static void feed_noise(uint32_t count, uint64_t base, uint64_t deviation)
{
	for (uint32_t i = 0; i < count; i++)
		feed(base + (uint64_t)noise(deviation));
}

static void assert_about(uint64_t bytes, uint64_t wanted, uint64_t tolerance)
{
	if (bytes + tolerance < wanted || bytes > wanted + tolerance)
		fail_msg("%llu is not %llu +- %llu", (unsigned long long)bytes,
			 (unsigned long long)wanted, (unsigned long long)tolerance);
}

/* ---- lines -------------------------------------------------------------------------------------
 */

static void test_empty_series_is_zero(void **state)
{
	(void)state;
	assert_int_equal(drift_ahead_bytes(&drift, SECONDS(60)), 0);
	assert_int_equal(drift_noise_bytes(&drift, CAPACITY), CAPACITY / KIB / 10000 * KIB);
}

static void test_rising_line_goes_on(void **state)
{
	(void)state;
	feed_line(FED_S, 10 * GIB, (int64_t)(64 * MIB));
	assert_about(drift_ahead_bytes(&drift, 0), 10 * GIB + 64 * MIB * (FED_S - 1), MIB);
	assert_about(drift_ahead_bytes(&drift, SECONDS(30)), 10 * GIB + 64 * MIB * (FED_S + 29),
		     2 * MIB);
	assert_about((uint64_t)drift.slope_kib_per_ks, 64 * MIB / KIB * 1000, 64);
}

static void test_falling_line_is_not_counted_on(void **state)
{
	(void)state;
	feed_line(FED_S, 60 * GIB, -(int64_t)(64 * MIB));
	assert_true(drift.slope_kib_per_ks < 0);
	assert_int_equal(drift_ahead_bytes(&drift, SECONDS(30)), drift_ahead_bytes(&drift, 0));
	assert_about(drift_ahead_bytes(&drift, 0), 60 * GIB - 64 * MIB * (FED_S - 1), MIB);
}

static void test_level_line_has_least_noise_and_no_slope(void **state)
{
	(void)state;
	feed_line(FED_S, 33 * GIB, 0);
	assert_int_equal(drift.slope_kib_per_ks, 0);
	assert_int_equal(drift_ahead_bytes(&drift, SECONDS(3600)), 33 * GIB);
	assert_int_equal(drift_noise_bytes(&drift, CAPACITY), CAPACITY / KIB / 10000 * KIB);
}

static void test_few_points_have_no_slope(void **state)
{
	(void)state;
	feed_line(5, 10 * GIB, (int64_t)(64 * MIB));
	assert_int_equal(drift.slope_kib_per_ks, 0);
	feed_line(1, 10 * GIB + 64 * MIB * 5, 0);
	assert_true(drift.slope_kib_per_ks > 0);
}

static void test_only_the_last_points_count(void **state)
{
	(void)state;
	feed_line(200, 10 * GIB, (int64_t)(32 * MIB));
	feed_line(DRIFT_POINTS + 1, 10 * GIB + 32 * MIB * 199, 0);
	assert_int_equal(drift.count, DRIFT_POINTS);
	assert_int_equal(drift.slope_kib_per_ks, 0);
	assert_about(drift_ahead_bytes(&drift, SECONDS(100)), 10 * GIB + 32 * MIB * 199, MIB);
}

/* ---- noise -------------------------------------------------------------------------------------
 */

static void test_white_noise_gives_no_slope(void **state)
{
	uint32_t slopes = 0;
	uint32_t points = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		set_up(NULL);
		random_state = seed * 7919;
		for (int s = 0; s < FED_S; s++, points++) {
			feed_noise(1, 40 * GIB, GIB);
			slopes += s > DRIFT_POINTS && drift.slope_kib_per_ks != 0;
		}
		assert_about(drift_noise_bytes(&drift, CAPACITY), GIB, GIB * 45 / 100);
	}
	/* Three deviations: a few in a thousand, and neighbours go together. */
	assert_true(slopes * 100 < points);
}

static void test_slope_is_seen_through_noise(void **state)
{
	uint64_t wanted = 40 * GIB + 64 * MIB * (DRIFT_POINTS * 2 - 1 + 60);

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		set_up(NULL);
		random_state = seed * 104729;
		for (uint64_t s = 0; s < UINT64_C(2) * DRIFT_POINTS; s++)
			feed(40 * GIB + s * 64 * MIB + (uint64_t)noise(256 * MIB));
		assert_about(drift_ahead_bytes(&drift, SECONDS(60)), wanted, GIB);
		assert_about(drift_noise_bytes(&drift, CAPACITY), 256 * MIB, 128 * MIB);
	}
}

static void test_noise_is_forgotten(void **state)
{
	(void)state;
	random_state = 5;
	feed_noise(FED_S, 40 * GIB, GIB);
	feed_line(300, 40 * GIB, 0);
	assert_true(drift_noise_bytes(&drift, CAPACITY) < 32 * MIB);
}

/* ---- jumps -------------------------------------------------------------------------------------
 */

static void test_jump_is_neither_slope_nor_noise(void **state)
{
	uint64_t noise_before;

	(void)state;
	random_state = 9;
	feed_noise(FED_S, 30 * GIB, 256 * MIB);
	noise_before = drift_noise_bytes(&drift, CAPACITY);
	feed(60 * GIB);
	assert_int_equal(drift.count, 1);
	assert_int_equal(drift.slope_kib_per_ks, 0);
	assert_int_equal(drift_ahead_bytes(&drift, SECONDS(60)), 60 * GIB);
	assert_true(drift_noise_bytes(&drift, CAPACITY) < 3 * noise_before / 2);
	feed_noise(30, 60 * GIB, 256 * MIB);
	assert_int_equal(drift.slope_kib_per_ks, 0);
	assert_about(drift_ahead_bytes(&drift, SECONDS(60)), 60 * GIB, 256 * MIB);
	assert_true(drift_noise_bytes(&drift, CAPACITY) < 3 * noise_before / 2);
}

static void test_small_jump_needs_two_points(void **state)
{
	(void)state;
	feed_line(FED_S, 30 * GIB, 0);
	feed(30 * GIB + 512 * MIB);
	assert_int_equal(drift.count, DRIFT_POINTS);
	feed(30 * GIB + 512 * MIB);
	assert_int_equal(drift.count, 1);
	assert_int_equal(drift_ahead_bytes(&drift, 0), 30 * GIB + 512 * MIB);
}

static void test_outliers_on_both_sides_are_no_stretch(void **state)
{
	(void)state;
	feed_line(FED_S, 30 * GIB, 0);
	feed(30 * GIB + 512 * MIB);
	feed(30 * GIB);
	feed(30 * GIB - 512 * MIB);
	assert_int_equal(drift.count, DRIFT_POINTS);
}

/* Caught once: a jump right after the start was all that was known of the noise, and an immediate
 * step left room for a rise of that size. */
static void test_early_jump_is_not_noise(void **state)
{
	(void)state;
	feed_line(3, 0, 0);
	feed_line(2, 55 * GIB, 0);
	assert_true(drift_noise_bytes(&drift, CAPACITY) < CAPACITY / 100);
}

static void test_restart_forgets_the_stretch_and_keeps_the_noise(void **state)
{
	uint64_t noise_before;

	(void)state;
	random_state = 3;
	feed_noise(FED_S, 30 * GIB, GIB);
	noise_before = drift_noise_bytes(&drift, CAPACITY);
	drift_restart(&drift);
	assert_int_equal(drift.count, 0);
	assert_int_equal(drift_noise_bytes(&drift, CAPACITY), noise_before);
	feed(70 * GIB);
	assert_int_equal(drift_ahead_bytes(&drift, SECONDS(60)), 70 * GIB);
}

/* ---- hostile values ----------------------------------------------------------------------------
 */

static void test_hostile_values_do_not_overflow(void **state)
{
	const uint64_t amounts[] = {0, 1, KIB, GIB, UINT64_C(1) << 54, UINT64_MAX};
	const uint64_t capacities[] = {0, 1, 100 * GIB, UINT64_MAX};
	const uint64_t steps_ns[] = {0, 1, NS_PER_MS, NS_PER_S, UINT64_C(1) << 40};

	(void)state;
	for (uint64_t seed = 1; seed <= UINT64_C(4) * SEEDS; seed++) {
		uint64_t time_ns = 0;

		set_up(NULL);
		random_state = seed;
		for (int i = 0; i < 4 * DRIFT_POINTS; i++) {
			uint64_t amount =
				amounts[(uint64_t)llabs(noise(GIB)) / MIB % ARRAY_SIZE(amounts)];

			time_ns += steps_ns[(seed + (uint64_t)i / 7) % ARRAY_SIZE(steps_ns)];
			drift_add(&drift, time_ns, amount, capacities[seed % 4]);
			drift_ahead_bytes(&drift, UINT64_MAX);
			drift_noise_bytes(&drift, UINT64_MAX);
		}
		drift_add(&drift, UINT64_MAX, UINT64_MAX, capacities[seed % 4]);
		drift_add(&drift, UINT64_MAX, 0, capacities[seed % 4]);
	}
}

/* The steepest line that there is goes on for ever: to what is the most, not round to nothing. */
static void test_steepest_line_saturates(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < DRIFT_POINTS; i++)
		drift_add(&drift, SECONDS(i), i << 48, UINT64_MAX);
	assert_true(drift.slope_kib_per_ks > 0);
	assert_true(drift_ahead_bytes(&drift, SECONDS(1)) > UINT64_C(1) << 53);
	for (int bits = 30; bits < 64; bits++)
		assert_true(drift_ahead_bytes(&drift, UINT64_C(1) << bits) >=
			    drift_ahead_bytes(&drift, UINT64_C(1) << (bits - 1)));
	assert_int_equal(drift_ahead_bytes(&drift, UINT64_MAX), UINT64_MAX);
	drift_add(&drift, UINT64_MAX, 0, UINT64_MAX);
	assert_int_equal(drift.count, 1);
}

static void test_points_of_one_time_have_no_slope(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 20; i++)
		drift_add(&drift, SECONDS(5), 10 * GIB + i * 16 * MIB, CAPACITY);
	assert_int_equal(drift.slope_kib_per_ks, 0);
	assert_about(drift_ahead_bytes(&drift, SECONDS(60)), 10 * GIB + 152 * MIB, 160 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty_series_is_zero, set_up),
		cmocka_unit_test_setup(test_rising_line_goes_on, set_up),
		cmocka_unit_test_setup(test_falling_line_is_not_counted_on, set_up),
		cmocka_unit_test_setup(test_level_line_has_least_noise_and_no_slope, set_up),
		cmocka_unit_test_setup(test_few_points_have_no_slope, set_up),
		cmocka_unit_test_setup(test_only_the_last_points_count, set_up),
		cmocka_unit_test_setup(test_white_noise_gives_no_slope, set_up),
		cmocka_unit_test_setup(test_slope_is_seen_through_noise, set_up),
		cmocka_unit_test_setup(test_noise_is_forgotten, set_up),
		cmocka_unit_test_setup(test_jump_is_neither_slope_nor_noise, set_up),
		cmocka_unit_test_setup(test_early_jump_is_not_noise, set_up),
		cmocka_unit_test_setup(test_small_jump_needs_two_points, set_up),
		cmocka_unit_test_setup(test_outliers_on_both_sides_are_no_stretch, set_up),
		cmocka_unit_test_setup(test_restart_forgets_the_stretch_and_keeps_the_noise,
				       set_up),
		cmocka_unit_test_setup(test_hostile_values_do_not_overflow, set_up),
		cmocka_unit_test_setup(test_steepest_line_saturates, set_up),
		cmocka_unit_test_setup(test_points_of_one_time_have_no_slope, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
