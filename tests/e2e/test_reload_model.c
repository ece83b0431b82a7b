// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who the model is while the configuration is read again.
 */
#include <linux/sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector.h"
#include "scene.h"

enum {
	OUTPUT_LEN = 4096,
	RELOADS = 20,
};

/* Ten a second are taken. */
#define RELOAD_GAP_NS (120 * NS_PER_MS)

static struct scene scene;
static char trace_path[64];
static char output[OUTPUT_LEN];
static pid_t extra_pid;

static int teardown(void **state)
{
	(void)state;
	if (extra_pid)
		workload_stop(extra_pid);
	extra_pid = 0;
	scene_close(&scene);
	if (trace_path[0])
		unlink(trace_path);
	trace_path[0] = '\0';
	return 0;
}

static void reload(void)
{
	if (agent_tierctl(&scene.agent, "reload", output, sizeof(output)) != 0)
		fail_msg("reload: %s", output);
	test_sleep_ns(RELOAD_GAP_NS);
}

static long count_records(const char *comm, const char *party)
{
	char arguments[512];

	snprintf(arguments, sizeof(arguments),
		 "trace dump %s | jq -c 'select(.kind == \"process\" and .comm == \"%s\" and "
		 ".party == \"%s\")' | wc -l",
		 trace_path, comm, party);
	assert_int_equal(agent_tierctl(&scene.agent, arguments, output, sizeof(output)), 0);
	return strtol(output, NULL, 10);
}

/* Not even for a moment is what the model does taken for others' doing. */
static void model_stays_the_model_while_reloading(void **state)
{
	(void)state;
	char lines[128];

	snprintf(trace_path, sizeof(trace_path), "/tmp/tierd-e2e-reload-%d", getpid());
	snprintf(lines, sizeof(lines),
		 "record = %s\nwindow_calm = 20ms\nwindow = 20ms\nreport_floor = 0", trace_path);
	scene_open_groups(&scene);
	const struct workload spinner = {.run = workload_spin,
					 .comm = "spinner",
					 .cpu = 0,
					 .memory_group = scene.model_group};

	extra_pid = workload_start(&spinner);
	scene_start_agent(&scene, lines, "cpu_wait_above = 100%");
	for (int i = 0; i < RELOADS; i++)
		reload();
	agent_stop(&scene.agent, SIGTERM);
	long ours = count_records("spinner", "model"), others = count_records("spinner", "others");

	print_message("    %ld records of the model, %ld taken for others'\n", ours, others);
	assert_true(ours > RELOADS);
	assert_int_equal(others, 0);
}

/* A process with this very pid, as would come by chance one day. */
static void start_with_pid(pid_t wanted)
{
	struct clone_args arguments = {
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&wanted,
		.set_tid_size = 1,
	};
	long pid = syscall(SYS_clone3, &arguments, sizeof(arguments));

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	assert_int_equal(pid, wanted);
	extra_pid = wanted;
}

/* The one that the manager has named has ended, and two reloads later another has its pid. */
static void another_with_the_pid_of_the_model_is_not_the_model(void **state)
{
	(void)state;
	char hello[64];

	scene_open_groups(&scene);
	agent_start(&scene.agent, "[policy]\nwarmup = 0\n[tier small]\nmemory = 20M\n", NULL);
	snprintf(hello, sizeof(hello), "hello tier=small pid=%d\n", scene.model);
	agent_control(&scene.agent, hello);
	test_sleep_ns(1500 * NS_PER_MS);
	assert_int_equal(agent_status_number(&scene.agent, "system", "model_processes"), 1);
	workload_stop(scene.model);
	reload();
	reload();
	start_with_pid(scene.model);
	reload();
	test_sleep_ns(1500 * NS_PER_MS);
	assert_int_equal(agent_status_number(&scene.agent, "system", "model_processes"), 0);
	agent_stop(&scene.agent, SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(model_stays_the_model_while_reloading, teardown),
		cmocka_unit_test_teardown(another_with_the_pid_of_the_model_is_not_the_model,
					  teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
