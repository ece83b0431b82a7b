/* SPDX-License-Identifier: BSD-2-Clause */
/* How the tiers do, in decisions and in the status: nothing where nothing was told, all where it
 * was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "app/format.h"
#include "base/units.h"

enum {
	TEXT_LEN = 32 * 1024,
};

static const struct ladder LADDER = {
	.count = 3, .tiers = {{.name = "off"}, {.name = "small"}, {.name = "large"}}};
static const struct status_agent AGENT = {.run_dir = "/run/tierd"};
static const struct decision SLOW = {
	.action = DECISION_SWITCH,
	.reason = REASON_TIER_SLOW,
	.from = 2,
	.to = 1,
	.performance = {.tasks = 40,
			.failed = 4,
			.failed_permyriad = 1000,
			.failure_above_permyriad = 5000,
			.tasks_min = 20,
			.slo_ms = 11000,
			.p95_ms = 16000,
			.target_p95_ms = 9000,
			.is_target_estimated = true},
};
static char text[TEXT_LEN];

static json_t *parse(void)
{
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		fail_msg("%s: %s", error.text, text);
	return root;
}

static json_int_t number(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		fail_msg("no number %s", key);
	return json_integer_value(value);
}

static void test_decision_has_all_that_was_compared(void **state)
{
	json_t *root;
	json_t *performance;

	(void)state;
	assert_true(format_decision_json(&SLOW, &LADDER, text, sizeof(text)) > 0);
	root = parse();
	performance = json_object_get(root, "performance");
	assert_int_equal(number(performance, "tasks"), 40);
	assert_int_equal(number(performance, "tasks_min"), 20);
	assert_int_equal(number(performance, "failed"), 4);
	assert_int_equal(number(performance, "failed_permyriad"), 1000);
	assert_int_equal(number(performance, "failure_above_permyriad"), 5000);
	assert_int_equal(number(performance, "p95_ms"), 16000);
	assert_int_equal(number(performance, "slo_ms"), 11000);
	assert_int_equal(number(performance, "target_p95_ms"), 9000);
	assert_true(json_is_true(json_object_get(performance, "target_estimated")));
	json_decref(root);
}

/* What was recorded before there were tasks gives the same bytes as then. */
static void test_decision_without_tasks_says_nothing_of_them(void **state)
{
	struct decision decision = SLOW;
	json_t *root;

	(void)state;
	decision.performance.tasks = 0;
	assert_true(format_decision_json(&decision, &LADDER, text, sizeof(text)) > 0);
	root = parse();
	assert_null(json_object_get(root, "performance"));
	json_decref(root);
}

static void test_decision_as_text(void **state)
{
	struct decision decision = SLOW;

	(void)state;
	assert_true(format_decision_text(&decision, &LADDER, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "; p95 16000 ms (target 11000 ms), small 9000 ms expected"));
	decision.performance.is_target_estimated = false;
	assert_true(format_decision_text(&decision, &LADDER, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, ", small 9000 ms"));
	assert_null(strstr(text, "expected"));
	decision.reason = REASON_TIER_FAILING;
	assert_true(format_decision_text(&decision, &LADDER, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "; 4 of 40 tasks failed (limit 50%)"));
	decision.reason = REASON_SLOW_UNPRESSED;
	decision.performance.target_p95_ms = 0;
	decision.victim =
		(struct decision_process){.pid = 5, .comm = "llama", .amount = 70 * NS_PER_MS};
	assert_true(format_decision_text(&decision, &LADDER, text, sizeof(text)) > 0);
	assert_non_null(
		strstr(text, "; p95 16000 ms (target 11000 ms); victim llama:5 stalled 70"));
	decision.reason = REASON_CALM;
	assert_true(format_decision_text(&decision, &LADDER, text, sizeof(text)) > 0);
	assert_null(strstr(text, "p95"));
}

static struct engine_status *make_status(void)
{
	struct engine_status *status = calloc(1, sizeof(*status));

	assert_non_null(status);
	status->tasks = (struct status_tasks){1, 2, 3, 4, 5};
	status->tiers[2] = (struct status_tier){
		.hour = {.tasks = 120,
			 .failed = 6,
			 .failed_permyriad = 500,
			 .span_ns = 1800 * NS_PER_S,
			 .tasks_per_h = 240,
			 .tokens = 9000,
			 .tokens_per_s_permille = 31456,
			 .p50_ms = 800,
			 .p95_ms = 2100,
			 .p99_ms = 4000,
			 .first_token_tasks = 7,
			 .first_token_p50_ms = 11,
			 .first_token_p95_ms = 12,
			 .first_token_p99_ms = 13},
		.running = 1,
		.breaker = BREAKER_OPEN,
		.reason = REASON_TIER_FAILING,
		.rest_ns = 250 * NS_PER_S,
	};
	return status;
}

static void test_status_as_json(void **state)
{
	static const struct {
		const char *key;
		json_int_t number;
	} NUMBERS[] = {
		{"running", 1},
		{"tasks", 120},
		{"failed", 6},
		{"failed_permyriad", 500},
		{"span_ns", 1800 * (json_int_t)NS_PER_S},
		{"tasks_per_h", 240},
		{"tokens", 9000},
		{"tokens_per_s_permille", 31456},
		{"p50_ms", 800},
		{"p95_ms", 2100},
		{"p99_ms", 4000},
		{"first_token_tasks", 7},
		{"first_token_p50_ms", 11},
		{"first_token_p95_ms", 12},
		{"first_token_p99_ms", 13},
		{"rest_ns", 250 * (json_int_t)NS_PER_S},
	};
	struct engine_status *status = make_status();
	json_t *root;
	json_t *tiers;
	json_t *tier;

	(void)state;
	assert_true(format_status_json(status, &AGENT, &LADDER, text, sizeof(text)) > 0);
	root = parse();
	assert_int_equal(number(json_object_get(root, "tasks"), "running"), 1);
	assert_int_equal(number(json_object_get(root, "tasks"), "overflowed"), 2);
	assert_int_equal(number(json_object_get(root, "tasks"), "expired"), 3);
	assert_int_equal(number(json_object_get(root, "tasks"), "forgotten"), 4);
	assert_int_equal(number(json_object_get(root, "tasks"), "unknown"), 5);
	tiers = json_object_get(root, "performance");
	assert_int_equal(json_array_size(tiers), 1); /* of the others nothing was told */
	tier = json_array_get(tiers, 0);
	for (size_t i = 0; i < ARRAY_SIZE(NUMBERS); i++)
		assert_int_equal(number(tier, NUMBERS[i].key), NUMBERS[i].number);
	assert_string_equal(json_string_value(json_object_get(tier, "tier")), "large");
	assert_string_equal(json_string_value(json_object_get(tier, "breaker")), "open");
	assert_string_equal(json_string_value(json_object_get(tier, "breaker_reason")),
			    "tier-failing");
	json_decref(root);
	free(status);
}

static void test_status_as_text(void **state)
{
	struct engine_status *status = make_status();

	(void)state;
	assert_true(format_status_text(status, &AGENT, &LADDER, text, sizeof(text)) > 0);
	assert_non_null(strstr(text,
			       "\ntasks of the last hour\n"
			       "large       120 tasks of 30 min, 240 per hour, 5% failed, "
			       "ms p50 800 p95 2100 p99 4000, first token p50 11 p95 12 p99 13, "
			       "31.4 tokens/s, 1 running, RESTS for 250 s: tier-failing\n"
			       "2 tasks were too many to follow, 3 did not end in time\n"));
	status->tiers[2].breaker = BREAKER_HALF_OPEN;
	assert_true(format_status_text(status, &AGENT, &LADDER, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, ", may be tried again after tier-failing\n"));
	memset(&status->tiers, 0, sizeof(status->tiers));
	memset(&status->tasks, 0, sizeof(status->tasks));
	assert_true(format_status_text(status, &AGENT, &LADDER, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, ", 0 tasks running"));
	assert_null(strstr(text, "tasks of the last hour"));
	free(status);
}

/* Seventeen tiers, with the largest numbers there are, fit into a reply. */
static void test_the_largest_status_fits(void **state)
{
	struct engine_status *status = calloc(1, sizeof(*status));
	struct ladder ladder = {.count = LADDER_TIERS_MAX};
	json_t *root;

	(void)state;
	assert_non_null(status);
	memset(&status->tiers, 0x7f, sizeof(status->tiers));
	memset(&status->tasks, 0x7f, sizeof(status->tasks));
	for (int i = 0; i < LADDER_TIERS_MAX; i++) {
		struct status_footprint *footprint = &status->tiers[i].footprint;

		footprint->is_fixed = footprint->is_measured = true;
		footprint->is_drain_measured = footprint->is_load_measured = true;
	}
	for (int i = 0; i < LADDER_TIERS_MAX; i++)
		memset(ladder.tiers[i].name, 'a' + i, EVENT_TIER_NAME_LEN - 1);
	assert_true(format_status_json(status, &AGENT, &ladder, text, sizeof(text)) > 0);
	root = parse();
	assert_int_equal(json_array_size(json_object_get(root, "performance")), LADDER_TIERS_MAX);
	json_decref(root);
	assert_true(format_status_text(status, &AGENT, &ladder, text, sizeof(text)) > 0);
	free(status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decision_has_all_that_was_compared),
		cmocka_unit_test(test_decision_without_tasks_says_nothing_of_them),
		cmocka_unit_test(test_decision_as_text),
		cmocka_unit_test(test_status_as_json),
		cmocka_unit_test(test_status_as_text),
		cmocka_unit_test(test_the_largest_status_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
