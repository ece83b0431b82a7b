// SPDX-License-Identifier: BSD-2-Clause
/*
 * The real agent in a guest whose memory runs short: the line that a manager reads.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent_process.h"
#include "base/units.h"
#include "guest.h"
#include "workload.h"

#define MODEL_BYTES (40 * MIB)
#define HOG_BYTES (192 * MIB)

static const char config_format[] = "[agent]\n"
				    "source = bpf\n"
				    "log = debug\n"
				    "[model]\n"
				    "cgroup = %s\n"
				    "[policy]\n"
				    "warmup = 0\n"
				    "stabilization = 60s\n"
				    "[switch]\n"
				    "settle = 0\n"
				    "heartbeat = 1s\n"
				    "[tier small]\nmemory = 10M\n"
				    "[tier large]\nmemory = 40M\n";

static struct agent_process agent;

static int teardown(void **state)
{
	(void)state;
	agent_discard(&agent);
	group_remove_all();
	guest_swap_off();
	return 0;
}

static void real_pressure_steps_down(void **state)
{
	(void)state;
	const struct workload model = {
		.run = workload_grow,
		.comm = "model",
		.cpu = WORKLOAD_ANY_CPU,
		.memory_group = group_make(GROUP_MEMORY, "model", 0),
		.bytes = MODEL_BYTES,
	};
	const struct workload hog = {
		.run = workload_grow,
		.comm = "hog",
		.cpu = WORKLOAD_ANY_CPU,
		.bytes = HOG_BYTES,
	};
	uint64_t stalls = guest_vmstat("allocstall_");
	struct agent_line line;
	char config[1024], expected[32];

	guest_swap_on();
	workload_start(&model);
	test_sleep_ns(NS_PER_S);
	snprintf(config, sizeof(config), config_format, model.memory_group);
	agent_start(&agent, config, NULL);
	agent_need_match(&agent, "state ", " wanted=large", 20 * NS_PER_S, &line);
	test_sleep_ns(NS_PER_S);

	pid_t pid = workload_start(&hog);

	agent_need_match(&agent, "switch ", " mode=immediate ", 30 * NS_PER_S, &line);
	print_message("    %s\n", line.text);
	assert_line_value(&line, "from", "large");
	snprintf(expected, sizeof(expected), "hog:%d", pid);
	assert_line_value(&line, "culprit", expected);
	test_sleep_ns(2 * NS_PER_S);
	assert_true(guest_vmstat("allocstall_") > stalls); /* else the pressure was none */
	workload_stop(pid);
	agent_stop(&agent, SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(real_pressure_steps_down, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
