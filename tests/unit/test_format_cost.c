// SPDX-License-Identifier: BSD-2-Clause
/* What the agent costs, in a status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above. */
#include <cmocka.h>
#include <jansson.h>

#include "app/format.h"
#include "base/units.h"

enum {
	TEXT_LEN = 64 * 1024,
};

static const struct ladder LADDER = {.count = 1, .tiers = {{.name = "off"}}};

/* 2 ms of 1 s are 0.2 %; 100 switches for 30 us, 20 of them in the switch's own program. */
static const struct status_cost COST = {
	.span_ns = NS_PER_S,
	.user_ns = 500 * NS_PER_US,
	.system_ns = 1500 * NS_PER_US,
	.life_ns = 100 * NS_PER_S,
	.life_cpu_ns = 123 * NS_PER_MS,
	.bpf = {.count = 3,
		.map_bytes = 3 * MIB,
		.programs = {{"idle_one", "compaction", 0, 0},
			     {"at_switch", "sched_switch", 100, 20000},
			     {"walk", "iter/task", 10, 10000}}},
};

static struct engine_status *status;
static char text[TEXT_LEN];

static int setup(void **state)
{
	(void)state;
	status = calloc(1, sizeof(*status));
	assert_non_null(status);
	status->sample.own_rss_bytes = 7 * MIB;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(status);
	return 0;
}

static const char *as_text(const struct status_cost *cost)
{
	const struct status_agent agent = {.run_dir = "/run/x", .cost = cost};

	assert_true(format_status_text(status, &agent, &LADDER, text, sizeof(text)) > 0);
	return text;
}

static json_t *as_json(const struct status_cost *cost)
{
	const struct status_agent agent = {.run_dir = "/run/x", .cost = cost};
	json_error_t error;

	assert_true(format_status_json(status, &agent, &LADDER, text, sizeof(text)) > 0);
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		fail_msg("%s: %s", error.text, text);
	return root;
}

static json_int_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void test_text(void **state)
{
	(void)state;
	assert_non_null(strstr(as_text(&COST),
			       "\ncost        of the agent 0.200 % of a CPU (user 0.050 %, system "
			       "0.150 %) in 1000 ms, since its start 0.123 %; memory 7.0 MiB, maps "
			       "in the kernel 3.0 MiB\n"));
	assert_non_null(strstr(text,
			       "\ncost        of the programs in the kernel 0.003 % of a "
			       "CPU, 100 switches, 300 ns per switch; runs, ns each:\n"
			       "            at_switch                           100      200\n"
			       "            walk                                 10     1000\n"));
	/* It did not run. */
	assert_null(strstr(text, "idle_one"));
}

static void test_json(void **state)
{
	json_t *root = as_json(&COST);
	const json_t *cost = json_object_get(root, "cost");

	(void)state;
	assert_int_equal(number(cost, "span_ns"), NS_PER_S);
	assert_int_equal(number(cost, "user_ns"), 500000);
	assert_int_equal(number(cost, "system_ns"), 1500000);
	assert_int_equal(number(cost, "life_ns"), 100 * NS_PER_S);
	assert_int_equal(number(cost, "life_cpu_ns"), 123 * NS_PER_MS);
	assert_int_equal(number(cost, "rss_bytes"), 7 * MIB);
	assert_int_equal(number(cost, "map_bytes"), 3 * MIB);
	assert_int_equal(number(cost, "bpf_ns"), 30000);
	assert_int_equal(number(cost, "switches"), 100);
	assert_int_equal(number(cost, "bpf_ns_per_switch"), 300);
	assert_true(json_is_null(json_object_get(cost, "problem")));
	const json_t *programs = json_object_get(cost, "programs");

	assert_int_equal(json_array_size(programs), 3);
	const json_t *walk = json_array_get(programs, 2);

	assert_string_equal(json_string_value(json_object_get(walk, "program")), "walk");
	assert_string_equal(json_string_value(json_object_get(walk, "tracepoint")), "iter/task");
	assert_int_equal(number(walk, "runs"), 10);
	assert_int_equal(number(walk, "run_ns"), 10000);
	assert_int_equal(number(walk, "ns_per_run"), 1000);
	assert_int_equal(number(json_array_get(programs, 0), "ns_per_run"), 0);
	json_decref(root);
}

/* What the programs cost is not known; what the agent costs is. */
static void test_problem(void **state)
{
	struct status_cost refused = COST;

	(void)state;
	refused.problem = "Operation not permitted";
	assert_non_null(strstr(as_text(&refused), "\ncost        of the agent 0.200 %"));
	assert_non_null(strstr(text, "\ncost        of the programs in the kernel is not known: "
				     "Operation not permitted\n"));
	assert_null(strstr(text, "at_switch"));
	json_t *root = as_json(&refused);
	const json_t *cost = json_object_get(root, "cost");

	assert_string_equal(json_string_value(json_object_get(cost, "problem")),
			    "Operation not permitted");
	assert_int_equal(number(cost, "user_ns"), 500000);
	assert_null(json_object_get(cost, "programs"));
	assert_null(json_object_get(cost, "bpf_ns"));
	json_decref(root);
}

static void test_nothing_where_nobody_asked(void **state)
{
	json_t *root = as_json(NULL);

	(void)state;
	assert_null(json_object_get(root, "cost"));
	assert_null(strstr(as_text(NULL), "\ncost "));
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_problem),
		cmocka_unit_test(test_nothing_where_nobody_asked),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
