/* SPDX-License-Identifier: BSD-2-Clause */
/* Sliding sums over time buckets. */
#include "test_core_rig.h"

#include "core/window.h"

static struct window window;

static int clear(void **state)
{
	(void)state;
	memset(&window, 0, sizeof(window));
	return 0;
}

static void test_sum_holds_what_was_added(void **state)
{
	(void)state;
	window_add(&window, SECONDS(10), SECONDS(10), 7, UINT64_MAX);
	window_add(&window, SECONDS(11), SECONDS(11), 5, UINT64_MAX);
	assert_int_equal(window_sum(&window, SECONDS(11), SECONDS(5)), 12);
	assert_int_equal(window_sum(&window, SECONDS(11), MILLIS(500)), 5);
}

static void test_amounts_leave_after_their_time(void **state)
{
	(void)state;
	window_add(&window, SECONDS(10), SECONDS(10), 100, UINT64_MAX);
	assert_int_equal(window_sum(&window, SECONDS(12), SECONDS(2)), 100);
	/* The bucket that the edge cuts counts by its remaining part. */
	assert_int_equal(window_sum(&window, SECONDS(12) + MILLIS(50), SECONDS(2)), 50);
	assert_int_equal(window_sum(&window, SECONDS(12) + MILLIS(100), SECONDS(2)), 0);
	assert_int_equal(window_sum(&window, SECONDS(5000), SECONDS(60)), 0);
}

static void test_spread_loses_nothing(void **state)
{
	(void)state;
	for (uint64_t begin = 0; begin < 40; begin++) {
		clear(NULL);
		window_add(&window, SECONDS(1) + MILLIS(begin * 7), SECONDS(3) + MILLIS(begin * 3),
			   1000003, UINT64_MAX);
		assert_int_equal(window_sum(&window, SECONDS(4), SECONDS(60)), 1000003);
	}
}

static void test_spread_is_even(void **state)
{
	(void)state;
	window_add(&window, SECONDS(1), SECONDS(3), 2000, UINT64_MAX);
	assert_int_equal(window_sum(&window, SECONDS(3), SECONDS(1)), 1000);
}

static void test_bucket_holds_no_more_than_its_length(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		window_add(&window, SECONDS(1), SECONDS(2), SECONDS(1), WINDOW_BUCKET_NS);
	assert_int_equal(window_sum(&window, SECONDS(2), SECONDS(5)), SECONDS(1));
}

static void test_share(void **state)
{
	(void)state;
	window_add(&window, SECONDS(1), SECONDS(2), MILLIS(500), WINDOW_BUCKET_NS);
	assert_int_equal(window_share_permyriad(&window, SECONDS(2), SECONDS(2), 0), 2500);
	assert_int_equal(window_share_permyriad(&window, SECONDS(2), SECONDS(2), MILLIS(100)),
			 3000);
	assert_int_equal(window_share_permyriad(&window, SECONDS(2), SECONDS(2), UINT64_MAX),
			 10000);
	assert_int_equal(window_share_permyriad(&window, SECONDS(2), 0, 0), 0);
}

static void test_only_the_last_minute_of_a_long_span_is_kept(void **state)
{
	(void)state;
	window_add(&window, 0, SECONDS(600), SECONDS(60), UINT64_MAX);
	assert_int_equal(window_sum(&window, SECONDS(600), SECONDS(60)), SECONDS(6));
	assert_int_equal(window_sum(&window, SECONDS(600), UINT64_MAX), SECONDS(6));
}

static void test_late_amounts_go_where_they_belong(void **state)
{
	(void)state;
	window_add(&window, SECONDS(100), SECONDS(100), 1, UINT64_MAX);
	window_add(&window, SECONDS(99), SECONDS(99), 2, UINT64_MAX);
	assert_int_equal(window_sum(&window, SECONDS(100), MILLIS(500)), 1);
	assert_int_equal(window_sum(&window, SECONDS(100), SECONDS(2)), 3);
}

static void test_ends_of_time(void **state)
{
	uint64_t end = UINT64_MAX;

	(void)state;
	window_add(&window, 0, 0, 3, UINT64_MAX);
	assert_int_equal(window_sum(&window, 0, SECONDS(5)), 3);
	window_add(&window, end - SECONDS(1), end, 1000, UINT64_MAX);
	assert_int_equal(window_sum(&window, end, SECONDS(5)), 1000);
	window_add(&window, end, end, UINT64_MAX, UINT64_MAX);
	assert_true(window_sum(&window, end, SECONDS(5)) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_sum_holds_what_was_added, clear),
		cmocka_unit_test_setup(test_amounts_leave_after_their_time, clear),
		cmocka_unit_test_setup(test_spread_loses_nothing, clear),
		cmocka_unit_test_setup(test_spread_is_even, clear),
		cmocka_unit_test_setup(test_bucket_holds_no_more_than_its_length, clear),
		cmocka_unit_test_setup(test_share, clear),
		cmocka_unit_test_setup(test_only_the_last_minute_of_a_long_span_is_kept, clear),
		cmocka_unit_test_setup(test_late_amounts_go_where_they_belong, clear),
		cmocka_unit_test_setup(test_ends_of_time, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
