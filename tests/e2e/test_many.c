// SPDX-License-Identifier: BSD-2-Clause
/*
 * More processes than the agent keeps a slot for: whoever stalls then is still seen.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "collector.h"
#include "core/attribution.h"
#include "scene.h"

enum {
	MANY = ATTRIBUTION_SLOTS + 300,
	SETTLE_SECONDS = 13, /* a slot is kept for 10 s */
};

static struct scene scene;
static pid_t crowd_pid;

/* A process that does a little each time that the agent looks, so that it has something to say. */
static void live_idly(void)
{
	const struct timespec pause = {.tv_nsec = 200 * NS_PER_MS};

	for (;;)
		nanosleep(&pause, NULL);
}

/* All of them die with their parent, and that one with the test. */
static void crowd_run(int ready_fd)
{
	pid_t parent = getpid();

	for (int i = 0; i < MANY; i++) {
		pid_t pid = fork();

		if (pid < 0)
			_exit(1);
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			prctl(PR_SET_NAME, "crowd");
			if (getppid() != parent) /* it has ended before */
				_exit(0);
			live_idly();
		}
	}
	if (write(ready_fd, "", 1) != 1)
		_exit(1);
	pause();
}

static void crowd_start(void)
{
	int fds[2];
	char byte;

	assert_int_equal(pipe(fds), 0);
	crowd_pid = fork();
	assert_true(crowd_pid >= 0);
	if (crowd_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		crowd_run(fds[1]);
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
}

static int teardown(void **state)
{
	(void)state;
	if (crowd_pid) {
		kill(crowd_pid, SIGKILL);
		waitpid(crowd_pid, NULL, 0);
	}
	crowd_pid = 0;
	scene_close(&scene);
	return 0;
}

/* Stall that the agent says that this process had in the last minute; -1: it does not name it. */
static json_int_t stall_ms(const json_t *status, pid_t pid)
{
	size_t i;
	const json_t *process;

	json_array_foreach(json_object_get(status, "processes"), i, process)
	{
		if (json_integer_value(json_object_get(process, "pid")) == pid)
			return json_integer_value(json_object_get(process, "mem_stall_ms"));
	}
	return -1;
}

static void who_stalls_is_seen_beside_more_processes_than_slots(void **state)
{
	(void)state;
	struct agent_line line;

	crowd_start();
	scene_open(&scene, "report_floor = 0", "stabilization = 60s");
	sleep(SETTLE_SECONDS);
	json_int_t refused = agent_status_number(&scene.agent, "lost", "slot");

	/* Or there would be nothing to see. */
	assert_true(refused >= MANY - ATTRIBUTION_SLOTS);
	pid_t pid = scene_start_thrash(&scene, "thrash", 300 * MIB, 4);

	if (!agent_read_line(&scene.agent, "switch ", 10 * NS_PER_S, &line)) {
		agent_print_log(&scene.agent);
		fail_msg("no switch line");
	}
	print_message("    %s\n", line.text);
	test_sleep_ns(2 * NS_PER_S);
	json_t *status = agent_read_status(&scene.agent);
	json_int_t ms = stall_ms(status, pid);

	json_decref(status);
	print_message("    %lld records refused before; stalled for %lld ms\n", (long long)refused,
		      (long long)ms);
	assert_true(ms > 100);
	agent_stop(&scene.agent, SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(who_stalls_is_seen_beside_more_processes_than_slots,
					  teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
