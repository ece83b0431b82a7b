// SPDX-License-Identifier: BSD-2-Clause
/*
 * Footprints that a real agent learns: the model holds 100 MB, as its tier says, and then 60 more,
 * of which the agent was told nothing.
 */
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collector.h"
#include "scene.h"

enum {
	OUTPUT_LEN = 64 * 1024,
	TRIES = 150,
};

static struct scene scene;
static char output[OUTPUT_LEN];

static int teardown(void **state)
{
	(void)state;
	scene_close(&scene);
	return 0;
}

/* A number of tier large, as the status shows it. */
static uint64_t read_large(const char *key)
{
	json_t *status = agent_read_status(&scene.agent);
	const json_t *footprints = json_object_get(status, "footprints");
	const json_t *large = json_array_get(footprints, 2);

	assert_string_equal(json_string_value(json_object_get(large, "tier")), "large");
	const json_t *value = json_object_get(large, key);
	uint64_t number = json_is_boolean(value) ? (uint64_t)json_is_true(value)
						 : (uint64_t)json_integer_value(value);

	json_decref(status);
	return number;
}

static void wait_until_large_is_over(uint64_t bytes)
{
	for (int i = 0; i < TRIES; i++) {
		if (read_large("bytes") > bytes)
			return;
		test_sleep_ns(100 * NS_PER_MS);
	}
	agent_print_log(&scene.agent);
	fail_msg("learned %llu bytes", (unsigned long long)read_large("bytes"));
}

static void outgrow(void)
{
	const struct workload more = {
		.run = workload_grow,
		.comm = "more",
		.cpu = WORKLOAD_ANY_CPU,
		.memory_group = scene.model_group,
		.bytes = 60 * MIB,
	};

	workload_start(&more);
}

static void what_was_measured_counts(void **state)
{
	(void)state;
	char arguments[128];

	scene_open(&scene, "", "stabilization = 60s");
	pid_t asker = scene_start_hog(&scene, "asker", MIB);

	snprintf(arguments, sizeof(arguments), "preflight --memory 70M --pid %d --ask-only",
		 (int)asker);
	/* Which tier is loaded was not said yet: nothing is learned of any. */
	outgrow();
	test_sleep_ns(2 * NS_PER_S);
	assert_int_equal(read_large("measured"), 0);
	agent_control(&scene.agent, "hello tier=large\n");
	wait_until_large_is_over(155 * MIB);
	assert_int_equal(read_large("measured"), 1);
	assert_int_equal(read_large("configured_bytes"), 100 * MIB);
	assert_in_range(read_large("bytes"), 155 * MIB, 200 * MIB);
	assert_in_range(read_large("seen_bytes"), 155 * MIB, 200 * MIB);
	assert_int_equal(agent_tierctl(&scene.agent, arguments, output, sizeof(output)), 1);
	assert_int_equal(agent_tierctl(&scene.agent, "status", output, sizeof(output)), 0);
	assert_non_null(strstr(output, "100.0 MiB configured, 1"));
	agent_stop(&scene.agent, SIGTERM);
}

/* The last tier of the config is large. */
static void fixed_tier_takes_what_it_says(void **state)
{
	(void)state;
	FILE *config;

	scene_open(&scene, "", "stabilization = 60s");
	config = fopen(scene.agent.config, "ae");
	assert_non_null(config);
	fputs("fixed = yes\n", config);
	fclose(config);
	assert_int_equal(agent_tierctl(&scene.agent, "reload", output, sizeof(output)), 0);
	agent_control(&scene.agent, "hello tier=large\n");
	outgrow();
	for (int i = 0; i < TRIES && read_large("seen_bytes") < 155 * MIB; i++)
		test_sleep_ns(100 * NS_PER_MS);
	assert_true(read_large("seen_bytes") > 155 * MIB);
	assert_int_equal(read_large("bytes"), 100 * MIB);
	assert_int_equal(read_large("fixed"), 1);
	agent_stop(&scene.agent, SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_was_measured_counts, teardown),
		cmocka_unit_test_teardown(fixed_tier_takes_what_it_says, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
