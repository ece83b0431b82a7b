// SPDX-License-Identifier: BSD-2-Clause
/*
 * Preflights of a real agent: in a group of 256 MB, of which 204 may be used, with a model that
 * holds 100.
 */
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "collector.h"
#include "scene.h"

enum {
	OUTPUT_LEN = 64 * 1024,
	YES = 0,
	NO = 1,
	USAGE = 2,
	UNAVAILABLE = 3,
	TRIES = 100,
};

static struct scene scene;
static char output[OUTPUT_LEN];
static char trace[128];

static int teardown(void **state)
{
	(void)state;
	scene_close(&scene);
	unlink(trace);
	return 0;
}

static int preflight(const char *arguments)
{
	char command[256];

	snprintf(command, sizeof(command), "preflight %s", arguments);
	return agent_tierctl(&scene.agent, command, output, sizeof(output));
}

/* Of memory in the group, for a process that is there. */
static int preflight_memory(pid_t pid, unsigned int mib, const char *more)
{
	char arguments[128];

	snprintf(arguments, sizeof(arguments), "--memory %uM --pid %d %s", mib, (int)pid, more);
	return preflight(arguments);
}

static void assert_status(int status, int expected)
{
	if (status == expected)
		return;
	agent_print_log(&scene.agent);
	fail_msg("exit status %d, not %d: %s", status, expected, output);
}

static void two_askers_are_not_told_yes_for_the_same_memory(void **state)
{
	(void)state;
	scene_open(&scene, "", "stabilization = 60s");
	pid_t pid = scene_start_hog(&scene, "asker", MIB);

	assert_status(preflight_memory(pid, 60, ""), YES);
	assert_status(preflight_memory(pid, 60, ""), NO);
	assert_non_null(strstr(output, "reserved for earlier questions"));
	assert_status(preflight_memory(pid, 25, "--ask-only"), YES);
	assert_status(preflight_memory(pid, 25, "--ask-only"), YES);
	/* Taken: now it is in use, and not reserved besides. */
	scene_start_hog(&scene, "hog", 60 * MIB);
	for (int i = 0; i < TRIES; i++) {
		assert_status(preflight_memory(pid, 60, "--ask-only --json"), NO);
		if (strstr(output, "\"reason\":\"short\""))
			break;
		test_sleep_ns(100 * NS_PER_MS);
	}
	assert_non_null(strstr(output, "\"reason\":\"short\""));
	assert_status(preflight_memory(pid, 25, "--ask-only"), YES);
	agent_stop(&scene.agent, SIGTERM);
}

static void reservation_is_how_long_it_is_kept(void **state)
{
	(void)state;
	scene_open(&scene, "", "stabilization = 60s\n[preflight]\nreservation = 1s");
	pid_t pid = scene_start_hog(&scene, "asker", MIB);

	assert_status(preflight_memory(pid, 60, ""), YES);
	test_sleep_ns(1100 * NS_PER_MS);
	assert_status(preflight_memory(pid, 60, ""), YES);
	agent_stop(&scene.agent, SIGTERM);
}

static void limits_of_groups_count_for_who_is_in_them(void **state)
{
	(void)state;
	scene_open(&scene, "", "stabilization = 60s");
	pid_t pid = scene_start_hog(&scene, "asker", MIB);

	/* 150 MB are not there in the group, and on the host they are. */
	assert_status(preflight_memory(pid, 150, "--ask-only"), NO);
	assert_non_null(strstr(output, "control group"));
	assert_status(preflight("--memory 150M --ask-only"), YES);
	assert_null(strstr(output, "group"));
	agent_stop(&scene.agent, SIGTERM);
}

static void answer_holds_verdict_numbers_and_reason(void **state)
{
	(void)state;
	const char *reason, *why, *largest, *serving;
	json_t *resources;
	int fits;

	scene_open(&scene, "", "stabilization = 60s");
	assert_status(preflight("large --json"), YES);
	json_t *answer = json_loads(output, 0, NULL);

	assert_non_null(answer);
	assert_int_equal(json_unpack(answer, "{s:b, s:s, s:s, s:s, s:s, s:o}", "fits", &fits,
				     "reason", &reason, "why", &why, "largest", &largest, "serving",
				     &serving, "resources", &resources),
			 0);
	assert_true(fits);
	assert_string_equal(reason, "fits");
	assert_string_equal(largest, "large");
	assert_string_equal(serving, "large");
	assert_non_null(strstr(why, "large fits"));
	assert_int_equal(json_array_size(resources), 2);
	json_decref(answer);
	assert_status(preflight("large"), YES);
	assert_int_equal(strncmp(output, "yes: large fits", 15), 0);
	assert_status(preflight("--memory 100T"), NO);
	assert_int_equal(strncmp(output, "no: ", 4), 0);
	assert_status(preflight("--memory 1M --vram 100T"), NO);
	assert_status(preflight("--memory 1M --cpus 100000"), NO);
	assert_non_null(strstr(output, "cores needed"));
	agent_stop(&scene.agent, SIGTERM);
}

static void what_is_no_question_is_refused(void **state)
{
	(void)state;
	static const char *const BAD[] = {
		"",
		"huge",
		"large --memory 1M",
		"--memory 0",
		"--memory lots",
		"--vram 1G",
		"--memory 1M --cpus many",
		"--memory 1M --pid 0",
		"'/etc'",
	};

	scene_open(&scene, "", "stabilization = 60s");
	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++)
		assert_status(preflight(BAD[i]), USAGE);
	/* Whoever writes into the FIFO himself gets no further; the agent goes on. */
	agent_control(&scene.agent, "preflight reply=nobody\n"
				    "preflight tier=large memory=1 reply=nobody\n"
				    "preflight memory=99999999999999999999 reply=nobody\n"
				    "preflight memory=1\n");
	assert_status(preflight("large"), YES);
	json_t *status = agent_read_status(&scene.agent);
	json_int_t bad_lines = 0;

	assert_int_equal(json_unpack(status, "{s:{s:I}}", "agent", "bad_lines", &bad_lines), 0);
	assert_true(bad_lines >= 4);
	json_decref(status);
	agent_stop(&scene.agent, SIGTERM);
	assert_status(preflight("large"), UNAVAILABLE);
}

/* It answers when everybody wants the CPU; the time that it takes shows in the status. */
static void agent_comes_before_others(void **state)
{
	(void)state;
	json_int_t count = 0;

	scene_open(&scene, "", "stabilization = 60s");
	assert_int_equal(getpriority(PRIO_PROCESS, (id_t)scene.agent.pid), -10);
	assert_status(preflight("large"), YES);
	assert_status(preflight("small"), YES);
	json_t *status = agent_read_status(&scene.agent);

	assert_int_equal(json_unpack(status, "{s:{s:I}}", "agent", "preflights", &count), 0);
	assert_int_equal(count, 2);
	json_decref(status);
	agent_stop(&scene.agent, SIGTERM);
}

static size_t read_decisions(char *buffer, size_t size)
{
	_cleanup_fclose_ FILE *file = fopen(scene.agent.decisions, "re");

	assert_non_null(file);
	size_t len = fread(buffer, 1, size - 1, file);

	buffer[len] = '\0';
	return len;
}

/* Questions are events, and answers are decided: a replay gives the same, byte for byte. */
static void recorded_questions_are_answered_alike_in_a_replay(void **state)
{
	(void)state;
	static char live[OUTPUT_LEN];
	char lines[256], arguments[256];

	snprintf(trace, sizeof(trace), "/tmp/tierd-e2e-preflight-%d.trace", (int)getpid());
	snprintf(lines, sizeof(lines), "record = %s", trace);
	scene_open(&scene, lines, "stabilization = 60s");
	pid_t pid = scene_start_hog(&scene, "asker", MIB);

	assert_status(preflight("large"), YES);
	assert_status(preflight_memory(pid, 60, ""), YES);
	assert_status(preflight_memory(pid, 60, ""), NO);
	assert_status(preflight("--memory 1M --cpus 0.5 --json"), YES);
	agent_stop(&scene.agent, SIGTERM);
	size_t len = read_decisions(live, sizeof(live));

	assert_non_null(strstr(live, "\"reason\":\"reserved\""));
	snprintf(arguments, sizeof(arguments), "replay %s", trace);
	assert_int_equal(agent_tierctl(&scene.agent, arguments, output, sizeof(output)), 0);
	assert_int_equal(strlen(output), len);
	assert_string_equal(output, live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(two_askers_are_not_told_yes_for_the_same_memory,
					  teardown),
		cmocka_unit_test_teardown(reservation_is_how_long_it_is_kept, teardown),
		cmocka_unit_test_teardown(limits_of_groups_count_for_who_is_in_them, teardown),
		cmocka_unit_test_teardown(answer_holds_verdict_numbers_and_reason, teardown),
		cmocka_unit_test_teardown(what_is_no_question_is_refused, teardown),
		cmocka_unit_test_teardown(agent_comes_before_others, teardown),
		cmocka_unit_test_teardown(recorded_questions_are_answered_alike_in_a_replay,
					  teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
