/* SPDX-License-Identifier: BSD-2-Clause */
/* Quantiles of the histogram against exact ones, over several shapes of data. */
#include "core/latency.h"

#include "test_core_rig.h"

enum {
	VALUES_MAX = 20000,
};

static uint64_t values[VALUES_MAX];
static struct latency latency;
static uint64_t seed;

static int set_up(void **state)
{
	(void)state;
	memset(&latency, 0, sizeof(latency));
	seed = 88172645463325252;
	return 0;
}

/* Xorshift (Marsaglia 2003): the same values on every machine. */
static uint64_t draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static int compare(const void *a, const void *b)
{
	uint64_t first = *(const uint64_t *)a;
	uint64_t second = *(const uint64_t *)b;

	return (first > second) - (first < second);
}

static uint64_t exact_quantile(size_t count, uint32_t permyriad)
{
	size_t rank = (count * permyriad + PERMYRIAD - 1) / PERMYRIAD;

	return values[(rank ? rank : 1) - 1];
}

static void assert_close(uint64_t got, uint64_t exact)
{
	uint64_t apart = got > exact ? got - exact : exact - got;

	if (apart * LATENCY_ERROR_DIVISOR > exact)
		fail_msg("%lu is too far from %lu", (unsigned long)got, (unsigned long)exact);
}

/* All quantiles of what is in values. */
static void check_quantiles(size_t count)
{
	static const uint32_t asked[] = {0, 1, 100, 2500, 5000, 7500, 9500, 9900, 9999, 10000};

	memset(&latency, 0, sizeof(latency));
	for (size_t i = 0; i < count; i++)
		latency_add(&latency, values[i]);
	qsort(values, count, sizeof(values[0]), compare);
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++)
		assert_close(latency_quantile_ms(&latency, asked[i]),
			     exact_quantile(count, asked[i]));
}

static void test_empty_is_zero(void **state)
{
	(void)state;
	assert_int_equal(latency_quantile_ms(&latency, 5000), 0);
}

/* Each value alone: exact below 32 ms, within the stated error up to the largest. */
static void test_every_value_is_within_the_error(void **state)
{
	(void)state;
	for (uint64_t ms = 0; ms <= LATENCY_MAX_MS; ms += 1 + ms / 97) {
		values[0] = ms;
		check_quantiles(1);
		if (ms < 32)
			assert_int_equal(latency_quantile_ms(&latency, 5000), ms);
	}
	values[0] = LATENCY_MAX_MS;
	check_quantiles(1);
}

static void test_what_is_longer_counts_as_the_longest(void **state)
{
	(void)state;
	latency_add(&latency, UINT64_MAX);
	latency_add(&latency, LATENCY_MAX_MS + 1);
	assert_int_equal(latency.total, 2);
	assert_close(latency_quantile_ms(&latency, 5000), LATENCY_MAX_MS);
}

static void test_quantiles_of_a_uniform_spread(void **state)
{
	(void)state;
	for (size_t i = 0; i < VALUES_MAX; i++)
		values[i] = draw(100000);
	check_quantiles(VALUES_MAX);
}

/* Orders of magnitude, as response times are spread. */
static void test_quantiles_of_a_long_tail(void **state)
{
	(void)state;
	for (size_t i = 0; i < VALUES_MAX; i++)
		values[i] = UINT64_C(1) << draw(21);
	for (size_t i = 0; i < VALUES_MAX; i++)
		values[i] += draw(values[i]);
	check_quantiles(VALUES_MAX);
}

static void test_quantiles_of_two_heaps(void **state)
{
	(void)state;
	for (size_t i = 0; i < VALUES_MAX; i++)
		values[i] = i % 20 == 0 ? 60000 + draw(1000) : 200 + draw(20);
	check_quantiles(VALUES_MAX);
}

static void test_quantiles_of_a_few_values(void **state)
{
	(void)state;
	for (size_t count = 1; count <= 40; count++) {
		for (size_t i = 0; i < count; i++)
			values[i] = draw(5000);
		check_quantiles(count);
	}
}

static void test_quantiles_rise(void **state)
{
	uint64_t last_ms = 0;

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		latency_add(&latency, draw(1000000));
	for (uint32_t permyriad = 0; permyriad <= PERMYRIAD; permyriad += 10) {
		uint64_t ms = latency_quantile_ms(&latency, permyriad);

		assert_true(ms >= last_ms);
		last_ms = ms;
	}
}

static void test_merged_is_as_if_added_to_one(void **state)
{
	static struct latency parts[3];
	static struct latency sum;

	(void)state;
	for (size_t i = 0; i < 3000; i++) {
		uint64_t ms = draw(2000000);

		latency_add(&latency, ms);
		latency_add(&parts[i % 3], ms);
	}
	for (int i = 0; i < 3; i++)
		latency_merge(&sum, &parts[i]);
	assert_memory_equal(&sum, &latency, sizeof(sum));
}

static void test_a_full_histogram_stays_as_it_is(void **state)
{
	static struct latency one;

	(void)state;
	latency_add(&latency, 100);
	latency.total = UINT32_MAX;
	latency.count[0] = UINT32_MAX - 1;
	latency_add(&latency, 5000);
	assert_int_equal(latency.total, UINT32_MAX);
	latency_add(&one, 5000);
	latency_merge(&latency, &one);
	assert_int_equal(latency.total, UINT32_MAX);
	assert_close(latency_quantile_ms(&latency, 10000), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty_is_zero, set_up),
		cmocka_unit_test_setup(test_every_value_is_within_the_error, set_up),
		cmocka_unit_test_setup(test_what_is_longer_counts_as_the_longest, set_up),
		cmocka_unit_test_setup(test_quantiles_of_a_uniform_spread, set_up),
		cmocka_unit_test_setup(test_quantiles_of_a_long_tail, set_up),
		cmocka_unit_test_setup(test_quantiles_of_two_heaps, set_up),
		cmocka_unit_test_setup(test_quantiles_of_a_few_values, set_up),
		cmocka_unit_test_setup(test_quantiles_rise, set_up),
		cmocka_unit_test_setup(test_merged_is_as_if_added_to_one, set_up),
		cmocka_unit_test_setup(test_a_full_histogram_stays_as_it_is, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
