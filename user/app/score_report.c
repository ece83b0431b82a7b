/* SPDX-License-Identifier: BSD-2-Clause */
/* A suite's figures as JSON and as a table. */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/units.h"
#include "score_suite.h"

/* The figures that are numbers, in the order in which they are written. */
static const struct column {
	const char *key;     /* in JSON */
	const char *heading; /* of the table */
	size_t offset;
	bool is_of_one_trace; /* said of single traces only */
} COLUMNS[] = {
	{"J", "J", offsetof(struct score_figures, mean_reward), true},
	{"ratio", "ratio", offsetof(struct score_figures, ratio), false},
	{"gap_closed", "gap", offsetof(struct score_figures, gap_closed), false},
	{"worst_regret", "regret", offsetof(struct score_figures, worst_regret), false},
	{"switches_per_hour", "switch/h", offsetof(struct score_figures, switches_per_hour), false},
	{"aborts_per_hour", "abort/h", offsetof(struct score_figures, aborts_per_hour), false},
	{"broken_ups_per_hour", "broken/h", offsetof(struct score_figures, broken_ups_per_hour),
	 false},
	{"mean_quality", "quality", offsetof(struct score_figures, mean_quality), false},
};

static const struct count_column {
	const char *key;
	const char *heading;
	size_t offset;
} COUNTS[] = {
	{"over90_s", "over", offsetof(struct score_figures, over_s)},
	{"over100_s", "full", offsetof(struct score_figures, full_s)},
	{"avoidable_s", "avoidable", offsetof(struct score_figures, avoidable_s)},
};

static double number_at(const struct score_figures *figures, size_t offset)
{
	double number;

	memcpy(&number, (const char *)figures + offset, sizeof(number));
	return number;
}

static uint64_t count_at(const struct score_figures *figures, size_t offset)
{
	uint64_t number;

	memcpy(&number, (const char *)figures + offset, sizeof(number));
	return number;
}

/* ---- JSON --------------------------------------------------------------------------------------
 */

static json_t *figures_to_json(const struct score_figures *figures, bool is_of_one_trace)
{
	json_t *object = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(COLUMNS); i++) {
		double number = number_at(figures, COLUMNS[i].offset);

		if (COLUMNS[i].is_of_one_trace && !is_of_one_trace)
			continue;
		json_object_set_new(object, COLUMNS[i].key,
				    isfinite(number) ? json_real(number) : json_null());
	}
	for (size_t i = 0; i < ARRAY_SIZE(COUNTS); i++)
		json_object_set_new(object, COUNTS[i].key,
				    json_integer((json_int_t)count_at(figures, COUNTS[i].offset)));
	return object;
}

/* {"policies": {NAME: FIGURES, ...}, "oracle": FIGURES} of a range of traces. */
static json_t *range_to_json(const struct score_suite *suite, size_t first, size_t count,
			     bool is_of_one_trace)
{
	json_t *object = json_object();
	json_t *policies = json_object();

	for (int i = 0; i < SCORE_POLICY_COUNT; i++) {
		struct score_figures figures = score_suite_figures(suite, first, count, i);

		json_object_set_new(i == SCORE_ORACLE ? object : policies, SCORE_POLICY_NAMES[i],
				    figures_to_json(&figures, is_of_one_trace));
	}
	json_object_set_new(object, "policies", policies);
	return object;
}

json_t *score_suite_to_json(const struct score_suite *suite)
{
	json_t *object = range_to_json(suite, 0, suite->count, false);
	json_t *traces = json_array();

	for (size_t i = 0; i < suite->count; i++) {
		json_t *trace = range_to_json(suite, i, 1, true);

		json_object_set_new(trace, "name", json_string(suite->entries[i].name));
		json_array_append_new(traces, trace);
	}
	json_object_set_new(object, "traces", traces);
	return object;
}

/* ---- table -------------------------------------------------------------------------------------
 */

static void print_number(FILE *file, double number)
{
	if (isfinite(number))
		fprintf(file, " %8.3f", number);
	else
		fprintf(file, " %8s", "-");
}

static void print_policy(const struct score_suite *suite, enum score_policy_number policy,
			 FILE *file)
{
	struct score_figures figures = score_suite_figures(suite, 0, suite->count, policy);

	fprintf(file, "%-20s", SCORE_POLICY_NAMES[policy]);
	for (size_t i = 0; i < ARRAY_SIZE(COLUMNS); i++)
		print_number(file, number_at(&figures, COLUMNS[i].offset));
	for (size_t i = 0; i < ARRAY_SIZE(COUNTS); i++)
		fprintf(file, " %9" PRIu64, count_at(&figures, COUNTS[i].offset));
	fputc('\n', file);
}

static void print_traces(const struct score_suite *suite, FILE *file)
{
	fprintf(file, "\n%-28s", "J of each trace");
	for (int i = 0; i < SCORE_POLICY_COUNT; i++)
		fprintf(file, " %s", SCORE_POLICY_NAMES[i]);
	fputc('\n', file);
	for (size_t i = 0; i < suite->count; i++) {
		fprintf(file, "%-28s", suite->entries[i].name);
		for (int j = 0; j < SCORE_POLICY_COUNT; j++) {
			struct score_figures figures = score_suite_figures(suite, i, 1, j);
			int width = (int)strlen(SCORE_POLICY_NAMES[j]);

			fprintf(file, " %*.3f", width, figures.mean_reward);
		}
		fputc('\n', file);
	}
}

void score_suite_print(const struct score_suite *suite, FILE *file)
{
	fprintf(file, "%-20s", "policy");
	for (size_t i = 0; i < ARRAY_SIZE(COLUMNS); i++)
		fprintf(file, " %8s", COLUMNS[i].heading);
	for (size_t i = 0; i < ARRAY_SIZE(COUNTS); i++)
		fprintf(file, " %9s", COUNTS[i].heading);
	fputc('\n', file);
	for (int i = 0; i < SCORE_POLICY_COUNT; i++)
		print_policy(suite, i, file);
	print_traces(suite, file);
}
