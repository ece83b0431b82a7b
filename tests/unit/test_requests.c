/* SPDX-License-Identifier: BSD-2-Clause */
/* Request logs: a small one worked out by hand, its variants, every error, and the Azure traces. */
#include "file_tree.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>

#include "app/requests.h"
#include "base/units.h"
#include "io/csv_table.h"

#define FILE_NAME "log.csv"
#define HEADER "TIMESTAMP,ContextTokens,GeneratedTokens\n"
/*
 * Arrivals 0 s, 0.9 s and 2.1 s after the first. In flight for 0.3 -> 1, 1.02 -> 2 and 3 -> 3
 * seconds, with 110, 84 and 100 tokens. By second: 194, 84, 100, 100, 100, 0, ...
 */
#define SMALL                                         \
	HEADER "2023-11-16 10:00:00.5000000,100,10\n" \
	       "2023-11-16 10:00:01.4000000,50,34\n"  \
	       "2023-11-16 10:00:02.6000000,0,100\n"
#define EPSILON 1e-12

static const double SMALL_HELD[] = {194, 84, 100, 100, 100, 0};

static struct file_tree tree;
static struct requests_options options;
static struct requests_series series;
static char error[CSV_ERROR_LEN];

static int setup(void **state)
{
	(void)state;
	file_tree_create(&tree);
	options = REQUESTS_DEFAULTS;
	series = (struct requests_series){0};
	error[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	requests_free(&series);
	file_tree_remove(&tree);
	return 0;
}

static int load(const char *text)
{
	requests_free(&series);
	file_tree_write(&tree, FILE_NAME, text);
	return requests_load(file_tree_path(&tree, FILE_NAME), &options, &series, error,
			     sizeof(error));
}

static void load_ok(const char *text)
{
	if (load(text) != 0)
		fail_msg("%s", error);
}

/* The series against sums worked out by hand; after them there is nothing. */
static void assert_held(const double *held, size_t count, double highest)
{
	for (size_t i = 0; i < series.count; i++) {
		double expected = options.low + (options.high - options.low) *
							(i < count ? held[i] : 0) / highest;

		if (fabs(series.others[i] - expected) > EPSILON)
			fail_msg("second %zu: %f, not %f", i, series.others[i], expected);
	}
}

static void test_small_log(void **state)
{
	(void)state;
	load_ok(SMALL);
	assert_int_equal(series.count, 3540);
	assert_held(SMALL_HELD, ARRAY_SIZE(SMALL_HELD), 194);
	assert_true(series.others[0] == 0.85);
	assert_true(fabs(series.others[1] - (0.30 + 0.55 * 84 / 194)) < EPSILON);
	assert_true(series.others[5] == 0.30 && series.others[3539] == 0.30);
}

static void test_low_and_high(void **state)
{
	(void)state;
	options.low = 0.1;
	options.high = 0.5;
	load_ok(SMALL);
	assert_held(SMALL_HELD, ARRAY_SIZE(SMALL_HELD), 194);
	assert_true(fabs(series.others[0] - 0.5) < EPSILON && series.others[5] == 0.1);
}

static void test_time_per_token(void **state)
{
	static const double HELD[] = {110, 0, 100, 0};

	(void)state;
	options.ns_per_token = 10 * NS_PER_MS; /* 0.1, 0.34 and exactly 1 s: one second each */
	load_ok(HEADER "2023-11-16 10:00:00.5,100,10\n2023-11-16 10:00:02.6,0,100\n");
	assert_held(HELD, ARRAY_SIZE(HELD), 110);
	options.ns_per_token++; /* 1.0000001 s are two */
	load_ok(HEADER "2023-11-16 10:00:00.5,100,10\n2023-11-16 10:00:02.6,0,100\n");
	assert_true(series.others[3] > 0.5);
	options.ns_per_token = 0; /* at least one second */
	load_ok(HEADER "2023-11-16 10:00:00.5,100,10\n2023-11-16 10:00:02.6,0,100\n");
	assert_held(HELD, ARRAY_SIZE(HELD), 110);
}

static void test_duration(void **state)
{
	(void)state;
	options.duration_s = 2;
	load_ok(SMALL);
	assert_int_equal(series.count, 2);
	assert_held(SMALL_HELD, 2, 194);
	/* The highest of what is left is what counts. */
	load_ok(HEADER "2023-11-16 10:00:00,10,0\n2023-11-16 10:00:03,100,0\n");
	assert_true(fabs(series.others[0] - 0.85) < EPSILON);
	options.duration_s = 10000;
	load_ok(SMALL);
	assert_int_equal(series.count, 10000);
	assert_held(SMALL_HELD, ARRAY_SIZE(SMALL_HELD), 194);
	options.duration_s = 0;
	load_ok(HEADER "2023-11-16 10:00:00,10,0\n2023-11-16 12:00:00,10,100\n");
	assert_int_equal(series.count, 2 * 3600 + 3);
	assert_true(fabs(series.others[7202] - 0.85) < EPSILON);
}

static void test_forms_of_time(void **state)
{
	static const char *const TEXTS[] = {
		"2023-11-16 10:00:00.5,1,1\n2023-11-16 10:00:02.5,1,1\n",
		"2023-11-16T10:00:00.500000Z,1,1\n2023-11-16T10:00:02.500000001Z,1,1\n",
		"2023-11-16 10:00:00+00:00,1,1\n2023-11-16 11:00:02.9+01:00,1,1\n",
		"2023-11-16 10:00:00,1,1\n2023-11-16 08:30:02-01:30,1,1\n",
		"2024-02-28 23:59:59,1,1\n2024-02-29 00:00:01,1,1\n",
		"2023-12-31 23:59:59.9999999,1,1\n2024-01-01 00:00:02.1,1,1\n",
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		snprintf(text, sizeof(text), "%s%s", HEADER, TEXTS[i]);
		load_ok(text);
		for (uint32_t s = 0; s < 6; s++)
			assert_true((series.others[s] > 0.5) == (s == 0 || s == 2));
	}
}

static void test_other_columns_are_left_alone(void **state)
{
	(void)state;
	load_ok("Images,GeneratedTokens,TIMESTAMP,ContextTokens\n"
		"x,10,2023-11-16 10:00:00,90\n,0,2023-11-16 10:00:01,50\n");
	assert_true(fabs(series.others[0] - 0.85) < EPSILON);
	assert_true(fabs(series.others[1] - 0.575) < EPSILON);
}

static void test_no_tokens_at_all(void **state)
{
	(void)state;
	load_ok(HEADER "2023-11-16 10:00:00,0,0\n");
	assert_true(series.others[0] == 0.30);
}

static void test_errors(void **state)
{
	static const char *const REFUSALS[][2] = {
		{"", "log.csv: empty"},
		{HEADER, "log.csv:2: nothing follows the header line"},
		{"TIMESTAMP,ContextTokens\n", "log.csv:1: there is no column GeneratedTokens"},
		{"TIMESTAMP,GeneratedTokens\n", "log.csv:1: there is no column ContextTokens"},
		{"ContextTokens,GeneratedTokens\n", "log.csv:1: there is no column TIMESTAMP"},
		{HEADER "2023-11-16 10:00:00,1\n", "log.csv:2: 2 fields; the header line has 3"},
		{HEADER "2023-11-16 10:00:00,-1,1\n",
		 "log.csv:2: ContextTokens: \"-1\" is not a number of tokens"},
		{HEADER "2023-11-16 10:00:00,1,1.5\n",
		 "log.csv:2: GeneratedTokens: \"1.5\" is not a number of tokens"},
		{HEADER "2023-11-16 10:00:00,1,1000000001\n",
		 "log.csv:2: GeneratedTokens: \"1000000001\" is not a number of tokens"},
		{HEADER "2023-11-16 10:00:00,1,1\n2023-11-16 09:59:59.9,1,1\n",
		 "log.csv:3: TIMESTAMP: \"2023-11-16 09:59:59.9\" is before the row before"},
		{HEADER "2023-01-01 00:00:00,1,1\n2024-01-02 00:00:00,1,1\n",
		 "log.csv:3: this request ends over 366 days after the first came"},
		{HEADER "2023-01-01 00:00:00,1,1000000000\n",
		 "log.csv:2: this request ends over 366 days after the first came"},
	};
	const char *path = file_tree_path(&tree, "");
	size_t len = strlen(path);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(REFUSALS); i++) {
		bool is_long = i == ARRAY_SIZE(REFUSALS) - 1;

		options.ns_per_token = is_long ? 32 * NS_PER_MS : 30 * NS_PER_MS;
		assert_int_equal(load(REFUSALS[i][0]), -EINVAL);
		assert_string_equal(error + len, REFUSALS[i][1]);
	}
	assert_int_equal(requests_load("/nowhere/x", &options, &series, error, sizeof(error)),
			 -ENOENT);
}

static void test_times_that_are_none(void **state)
{
	static const char *const TIMES[] = {
		"10:00:00",
		"2023-11-16",
		"2023-11-16 10:00",
		"2023-02-30 10:00:00",
		"2023-13-01 10:00:00",
		"2023-11-16 25:00:00",
		"2023-11-16 10:00:00.",
		"2023-11-16 10:00:00.1234567890",
		"2023-11-16 10:00:00x",
		"2023-11-16 10:00:00+1",
		"2023-11-16 10:00:00+aa:bb",
		"1969-12-31 23:59:59",
		"1970-01-01 00:00:00+00:01",
		"2600-01-01 00:00:00",
		"",
		"1700000000",
	};
	size_t len = strlen(file_tree_path(&tree, ""));
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(TIMES); i++) {
		snprintf(text, sizeof(text), "%s%s,1,1\n", HEADER, TIMES[i]);
		if (load(text) != -EINVAL)
			fail_msg("taken: %s", TIMES[i]);
		snprintf(text, sizeof(text),
			 "log.csv:2: TIMESTAMP: \"%s\" is not a time like 2023-11-16 18:17:03.97",
			 TIMES[i]);
		assert_string_equal(error + len, text);
	}
}

/* Sums of tokens by second, their highest, and the mean use: worked out by another program. */
static void test_azure_traces(void **state)
{
	static const struct {
		const char *path;
		double highest;
		double mean;
		struct {
			uint32_t second;
			double held;
		} at[8];
	} TRACES[] = {
		{"tests/replay/azure/azure-llm-2023-code.csv",
		 171241,
		 0.324742216,
		 {{0, 23018},
		  {1, 9015},
		  {100, 0},
		  {863, 171241},
		  {2000, 0},
		  {3000, 0},
		  {3452, 2240},
		  {3453, 0}}},
		{"tests/replay/azure/azure-llm-2023-conv.csv",
		 99373,
		 0.587658961,
		 {{0, 418},
		  {1, 418},
		  {100, 38651},
		  {286, 99373},
		  {2000, 49252},
		  {3000, 48951},
		  {3514, 1464},
		  {3515, 0}}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(TRACES); i++) {
		double sum = 0;

		if (requests_load(TRACES[i].path, &options, &series, error, sizeof(error)) < 0)
			fail_msg("%s", error);
		assert_int_equal(series.count, 3540);
		for (size_t j = 0; j < ARRAY_SIZE(TRACES[i].at); j++)
			assert_true(fabs(series.others[TRACES[i].at[j].second] -
					 (0.30 + 0.55 * TRACES[i].at[j].held / TRACES[i].highest)) <
				    EPSILON);
		for (uint32_t s = 0; s < series.count; s++)
			sum += series.others[s];
		assert_true(fabs(sum / series.count - TRACES[i].mean) < 1e-9);
		requests_free(&series);
	}
}

int main(void)
{
#define WITH_TREE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_TREE(test_small_log),           WITH_TREE(test_low_and_high),
		WITH_TREE(test_time_per_token),      WITH_TREE(test_duration),
		WITH_TREE(test_forms_of_time),       WITH_TREE(test_other_columns_are_left_alone),
		WITH_TREE(test_no_tokens_at_all),    WITH_TREE(test_errors),
		WITH_TREE(test_times_that_are_none), WITH_TREE(test_azure_traces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
