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
	assert_true(window_sum(&window, end, SECONDS(5)) >= UINT64_C(1) << 53);
	assert_true(window_sum(&window, end, SECONDS(5)) <= (UINT64_C(1) << 53) + 1000);
}

static void test_what_is_older_than_the_window_is_left_out(void **state)
{
	(void)state;
	window_add(&window, SECONDS(100), SECONDS(100), 1, UINT64_MAX);
	window_add(&window, SECONDS(30), SECONDS(30), 2, UINT64_MAX);
	window_add(&window, 0, 0, 2, UINT64_MAX);
	window_add(&window, SECONDS(35), SECONDS(45), 20, UINT64_MAX);
	assert_int_equal(window_sum(&window, SECONDS(100), MILLIS(1)), 1);
	assert_int_equal(window_sum(&window, SECONDS(100), SECONDS(60)), 1 + 10);
}

/* The same, kept as single amounts. */
struct plain {
	uint64_t amount[200 * 10];
};

static void plain_add(struct plain *plain, uint64_t begin_ns, uint64_t end_ns, uint64_t amount,
		      uint64_t bucket_max)
{
	uint64_t before = 0;

	for (uint64_t i = 0; i < ARRAY_SIZE(plain->amount); i++) {
		uint64_t to_ns = units_min(end_ns, (i + 1) * WINDOW_BUCKET_NS);
		uint64_t after = before;

		if (begin_ns == end_ns)
			after = end_ns / WINDOW_BUCKET_NS <= i ? amount : 0;
		else if (to_ns > begin_ns)
			after = units_scale(amount, to_ns - begin_ns, end_ns - begin_ns);
		plain->amount[i] = units_min(plain->amount[i] + after - before,
					     units_max(plain->amount[i], bucket_max));
		before = after;
	}
}

static uint64_t plain_sum(const struct plain *plain, uint64_t now_ns, uint64_t length_ns)
{
	uint64_t begin_ns = units_minus(now_ns, units_max(length_ns, WINDOW_BUCKET_NS));
	uint64_t sum = 0;

	for (uint64_t i = begin_ns / WINDOW_BUCKET_NS; i <= now_ns / WINDOW_BUCKET_NS; i++)
		sum += i > begin_ns / WINDOW_BUCKET_NS || now_ns < length_ns
			       ? plain->amount[i]
			       : plain->amount[i] * (WINDOW_BUCKET_NS - now_ns % WINDOW_BUCKET_NS) /
					 WINDOW_BUCKET_NS;
	return sum;
}

static void test_running_totals_are_sums_of_amounts(void **state)
{
	(void)state;
	static struct plain plain;
	uint64_t random = 1;

	for (uint64_t now_ns = SECONDS(3); now_ns < SECONDS(190);) {
		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		uint64_t length_ns = MILLIS((random >> 33) % 3000);
		uint64_t amount = (random >> 20) % WINDOW_BUCKET_NS;
		uint64_t max = random >> 63 ? WINDOW_BUCKET_NS : UINT64_MAX;

		now_ns += MILLIS((random >> 40) % 700);
		window_add(&window, now_ns - length_ns, now_ns, amount, max);
		plain_add(&plain, now_ns - length_ns, now_ns, amount, max);
		for (uint64_t s = 0; s <= 60; s += 6)
			assert_int_equal(window_sum(&window, now_ns + MILLIS(30), SECONDS(s)),
					 plain_sum(&plain, now_ns + MILLIS(30), SECONDS(s)));
	}
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
		cmocka_unit_test_setup(test_what_is_older_than_the_window_is_left_out, clear),
		cmocka_unit_test_setup(test_running_totals_are_sums_of_amounts, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
