// SPDX-License-Identifier: BSD-2-Clause
/*
 * The adaptive policy in the real agent: a real leak is left before it reaches the limit, with a
 * drain, and the larger model comes back when the leak has ended.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector.h"
#include "scene.h"

/* Costs and times of a host that is smaller than most, so that the test is short. */
static const char config_format[] = "[agent]\n"
				    "source = bpf\n"
				    "[model]\n"
				    "cgroup = %s\n"
				    "[policy]\n"
				    "policy = adaptive\n"
				    "warmup = 0\n"
				    "stabilization = 6s\n"
				    "stabilization_min = 2s\n"
				    "trend_horizon = 20s\n"
				    "[cost]\n"
				    "drain = 1s\n"
				    "abort = 1s\n"
				    "[switch]\n"
				    "settle = 0\n"
				    "drain_deadline = 1s\n"
				    "heartbeat = 1s\n"
				    "[tier small]\nmemory = 20M\nload = 1s\n"
				    "[tier medium]\nmemory = 60M\nload = 1s\n"
				    "[tier large]\nmemory = 100M\nload = 1s\n";

static struct scene scene;

static int teardown(void **state)
{
	(void)state;
	scene_close(&scene);
	return 0;
}

static pid_t start_leak(void)
{
	const struct workload leak = {
		.run = workload_leak,
		.comm = "leak",
		.cpu = WORKLOAD_ANY_CPU,
		.memory_group = scene.others_group,
		.bytes = 150 * MIB,
		.bytes_per_s = 5 * MIB,
	};

	return workload_start(&leak);
}

/* With 100 of 256 MB ours, others cross the limit at 130 MB: after 26 s. */
static void leak_is_left_before_the_limit(void **state)
{
	(void)state;
	char config[1024];
	char expected[32];
	struct agent_line line;

	scene_open_groups(&scene);
	snprintf(config, sizeof(config), config_format, scene.model_group);
	agent_start(&scene.agent, config, NULL);
	agent_need_match(&scene.agent, "state ", " wanted=large", 5 * NS_PER_S, &line);
	pid_t leak = start_leak();
	uint64_t began_ns = test_now_ns();

	agent_need_match(&scene.agent, "switch ", " from=large ", 40 * NS_PER_S, &line);
	print_message("    left after %.1f s\n", (double)(line.read_ns - began_ns) / NS_PER_S);
	assert_line_value(&line, "mode", "planned");
	assert_line_value(&line, "reason", "forecast");
	snprintf(expected, sizeof(expected), "leak:%d", leak);
	assert_line_value(&line, "culprit", expected);
	/* Not long before, either: a forecast that is always right is of no use. */
	assert_true(line.read_ns - began_ns > 15 * NS_PER_S);

	/* When it ends before the drain does, the step is called off: not here. */
	agent_need_match(&scene.agent, "state ", " wanted=small actual=? phase=steady",
			 20 * NS_PER_S, &line);
	workload_stop(leak);
	uint64_t calm_ns = test_now_ns();

	agent_need_match(&scene.agent, "switch ", " to=large ", 60 * NS_PER_S, &line);
	print_message("    back after %.1f s\n", (double)(line.read_ns - calm_ns) / NS_PER_S);
	assert_line_value(&line, "reason", "gain");
	assert_true(line.read_ns - calm_ns > 1500 * NS_PER_MS);
	agent_stop(&scene.agent, SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(leak_is_left_before_the_limit, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
