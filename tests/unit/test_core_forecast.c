/* SPDX-License-Identifier: BSD-2-Clause */
/* Slope and recent peak. */
#include "test_core_rig.h"

#include "core/forecast.h"

static struct forecast forecast;

static int set_up(void **state)
{
	(void)state;
	forecast_init(&forecast, SECONDS(60), SECONDS(300));
	return 0;
}

/* base + step per second, from second `from` until `to`. */
static int64_t change_bytes(uint64_t now_ns, uint64_t over_ns)
{
	struct forecast_slope slope;

	forecast_get_slope(&forecast, now_ns, &slope);
	return forecast_change_bytes(&slope, over_ns);
}

static void feed(uint64_t from, uint64_t to, uint64_t base, int64_t step)
{
	for (uint64_t s = from; s < to; s++)
		forecast_add(&forecast, SECONDS(s), base + (uint64_t)((int64_t)s * step));
}

static void test_straight_line_goes_on(void **state)
{
	int64_t change;

	(void)state;
	feed(0, 120, 10 * GIB, (int64_t)(64 * MIB));
	change = change_bytes(SECONDS(119), SECONDS(30));
	assert_true(llabs(change - (int64_t)(30 * (64 * MIB))) < (int64_t)MIB);
}

static void test_falling_line_falls(void **state)
{
	int64_t change;

	(void)state;
	feed(0, 120, 10 * GIB, -(int64_t)(16 * MIB));
	change = change_bytes(SECONDS(119), SECONDS(10));
	assert_true(llabs(change + (int64_t)(160 * MIB)) < (int64_t)MIB);
}

static void test_level_is_level(void **state)
{
	(void)state;
	feed(0, 120, 10 * GIB, 0);
	assert_int_equal(change_bytes(SECONDS(119), SECONDS(1000)), 0);
}

static void test_too_little_data_has_no_trend(void **state)
{
	(void)state;
	feed(0, 15, GIB, (int64_t)GIB);
	assert_int_equal(change_bytes(SECONDS(14), SECONDS(60)), 0);
	feed(15, 17, GIB, (int64_t)GIB);
	assert_true(change_bytes(SECONDS(16), SECONDS(60)) > 0);
}

static void test_old_trend_is_forgotten(void **state)
{
	(void)state;
	feed(0, 60, GIB, (int64_t)GIB);
	assert_int_equal(change_bytes(SECONDS(500), SECONDS(60)), 0);
	feed(500, 600, 60 * GIB, 0);
	assert_int_equal(change_bytes(SECONDS(599), SECONDS(60)), 0);
}

static void test_peak_lasts_its_time(void **state)
{
	(void)state;
	forecast_add(&forecast, SECONDS(10), 70 * GIB);
	feed(11, 300, 30 * GIB, 0);
	assert_int_equal(forecast_peak_bytes(&forecast, SECONDS(300)), 70 * GIB);
	feed(300, 320, 30 * GIB, 0);
	assert_int_equal(forecast_peak_bytes(&forecast, SECONDS(320)), 30 * GIB);
	assert_int_equal(forecast_peak_bytes(&forecast, SECONDS(5000)), 0);
}

static void test_new_times_keep_the_peak_and_restart_the_trend(void **state)
{
	(void)state;
	feed(0, 100, GIB, (int64_t)GIB);
	forecast_configure(&forecast, SECONDS(100), SECONDS(60), SECONDS(300));
	assert_true(change_bytes(SECONDS(100), SECONDS(60)) > 0);
	forecast_configure(&forecast, SECONDS(100), SECONDS(120), SECONDS(30));
	assert_int_equal(change_bytes(SECONDS(100), SECONDS(60)), 0);
	assert_int_equal(forecast_peak_bytes(&forecast, SECONDS(100)), 100 * GIB);
	assert_int_equal(forecast_peak_bytes(&forecast, SECONDS(140)), 0);
}

static void test_extreme_values_do_not_overflow(void **state)
{
	(void)state;
	for (uint64_t s = 0; s < 60; s++)
		forecast_add(&forecast, SECONDS(s), s % 2 ? UINT64_MAX : 0);
	(void)change_bytes(SECONDS(59), UINT64_MAX);
	for (uint64_t s = 0; s < 60; s++)
		forecast_add(&forecast, SECONDS(s + 60), s < 30 ? 0 : UINT64_MAX);
	assert_true(change_bytes(SECONDS(119), UINT64_MAX) == INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_straight_line_goes_on, set_up),
		cmocka_unit_test_setup(test_falling_line_falls, set_up),
		cmocka_unit_test_setup(test_level_is_level, set_up),
		cmocka_unit_test_setup(test_too_little_data_has_no_trend, set_up),
		cmocka_unit_test_setup(test_old_trend_is_forgotten, set_up),
		cmocka_unit_test_setup(test_peak_lasts_its_time, set_up),
		cmocka_unit_test_setup(test_new_times_keep_the_peak_and_restart_the_trend, set_up),
		cmocka_unit_test_setup(test_extreme_values_do_not_overflow, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
