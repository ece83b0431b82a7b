// SPDX-License-Identifier: BSD-2-Clause
/*
 * A real agent is told of tasks through control.fifo: it leaves a tier that fails or is too slow,
 * says so to people, shows what runs and the figures, and a recording of it all replays the same
 * decisions.
 */
#include <inttypes.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "collector.h"
#include "scene.h"

#define OUTPUT_LEN (64 * 1024)

static struct scene scene;
static char dir[64];
static char output[OUTPUT_LEN];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/tierd-e2e-perf-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	scene_close(&scene);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void need_line(const char *prefix, struct agent_line *line)
{
	agent_need_match(&scene.agent, prefix, "", 10 * NS_PER_S, line);
}

/* As a manager tells of them. */
static void tell_of_tasks(unsigned int count, const char *words)
{
	char line[256];

	for (unsigned int i = 0; i < count; i++) {
		snprintf(line, sizeof(line),
			 "task-begin id=task%%20%u tier=large\ntask-end id=task%%20%u %s\n", i, i,
			 words);
		agent_control(&scene.agent, line);
	}
}

static void answer(const char *state, const char *seq)
{
	char line[64];

	snprintf(line, sizeof(line), "ack seq=%s state=%s\n", seq, state);
	agent_control(&scene.agent, line);
}

static json_int_t number(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		fail_msg("no number %s in the status", key);
	return json_integer_value(value);
}

static void failing_tier_is_left_and_people_are_told(void **state)
{
	(void)state;
	struct agent_line line;
	char seq[32];

	scene_open(&scene, "", "stabilization = 60s\n[performance]\nretry = 2h");
	agent_control(&scene.agent, "hello tier=large\n");
	tell_of_tasks(12, "ms=250 ok=1 tokens=50 ttft_ms=20");
	tell_of_tasks(11, "ms=100 ok=0");
	assert_false(agent_read_line(&scene.agent, "switch ", 2 * NS_PER_S, &line));
	tell_of_tasks(1, "ms=100 ok=0");
	need_line("switch ", &line);
	assert_line_value(&line, "from", "large");
	assert_line_value(&line, "to", "medium");
	assert_line_value(&line, "mode", "planned");
	assert_line_value(&line, "reason", "tier-failing");
	line_value(&line, "seq", seq, sizeof(seq));
	need_line("notify ", &line);
	assert_line_value(&line, "seq", seq);
	assert_line_value(&line, "text",
			  "The%20model%20large%20is%20replaced%20by%20the%20smaller%20medium%20when"
			  "%20the%20requests%20that%20are%20running%20have%20ended:%20too%20many%20"
			  "of%20its%20requests%20fail.");
	answer("loading", seq);
	answer("done", seq);

	json_t *status = agent_read_status(&scene.agent);
	json_t *tiers = json_object_get(status, "performance");
	json_t *tier = json_array_get(tiers, 0);

	assert_int_equal(json_array_size(tiers), 1);
	assert_int_equal(number(tier, "tasks"), 24);
	assert_int_equal(number(tier, "failed_permyriad"), 5000);
	assert_in_range(number(tier, "p99_ms"), 243, 257);
	assert_in_range(number(tier, "first_token_p50_ms"), 20, 20);
	assert_int_equal(number(tier, "tokens_per_s_permille"), 200000);
	assert_string_equal(json_string_value(json_object_get(tier, "breaker")), "open");
	assert_int_equal(number(json_object_get(status, "tasks"), "running"), 0);
	json_decref(status);
	assert_int_equal(agent_tierctl(&scene.agent, "status", output, sizeof(output)), 0);
	assert_non_null(strstr(output, "large       24 tasks of 0 min, "));
	assert_non_null(strstr(output, ", RESTS for 71"));
	agent_stop(&scene.agent, SIGTERM);
}

/* What is wrong with a line is counted, and it changes nothing. */
static void bad_task_lines_change_nothing(void **state)
{
	(void)state;
	struct agent_line line;

	scene_open(&scene, "", "stabilization = 60s");
	tell_of_tasks(30, "ms=100");
	tell_of_tasks(30, "ok=0");
	tell_of_tasks(30, "ms=-1 ok=0");
	for (int i = 0; i < 30; i++)
		agent_control(&scene.agent, "task-end id=a tier=huge ms=1 ok=0\n");
	assert_false(agent_read_line(&scene.agent, "switch ", 2 * NS_PER_S, &line));
	json_t *status = agent_read_status(&scene.agent);

	assert_int_equal(number(json_object_get(status, "agent"), "bad_lines"), 120);
	assert_int_equal(number(json_object_get(status, "tasks"), "running"), 30);
	json_decref(status);
	agent_stop(&scene.agent, SIGTERM);
}

static char *read_file(const char *path, size_t *ret_len)
{
	char *bytes = calloc(1, 4 * MIB);
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	assert_non_null(bytes);
	assert_non_null(file);
	*ret_len = fread(bytes, 1, 4 * MIB - 1, file);
	return bytes;
}

/* Medium is expected to need 60/100 of the time that large does. */
static void slow_tier_is_left_and_the_recording_replays_the_same(void **state)
{
	(void)state;
	struct agent_line line;
	char lines[128], config[2048], path[128];
	size_t live_len, replay_len;
	FILE *file;

	snprintf(lines, sizeof(lines), "record = %s/trace", dir);
	scene_open(&scene, lines, "stabilization = 60s");
	_cleanup_free_ char *before = read_file(scene.agent.config, &live_len);

	tell_of_tasks(20, "ms=900 ok=1");
	assert_false(agent_read_line(&scene.agent, "switch ", NS_PER_S, &line));
	/* The last section is that of large. */
	snprintf(config, sizeof(config), "%s\nslo_ms = 600\n", before);
	file = fopen(scene.agent.config, "we");
	assert_non_null(file);
	fputs(config, file);
	fclose(file);
	assert_int_equal(agent_tierctl(&scene.agent, "reload", output, sizeof(output)), 0);
	tell_of_tasks(1, "ms=900 ok=1");
	need_line("switch ", &line);
	assert_line_value(&line, "to", "medium");
	assert_line_value(&line, "reason", "tier-slow");
	agent_stop(&scene.agent, SIGTERM);

	snprintf(path, sizeof(path), "%s/replay", dir);
	snprintf(output, sizeof(output), "replay %s/trace >%s", dir, path);
	assert_int_equal(agent_tierctl(&scene.agent, output, output, sizeof(output)), 0);
	_cleanup_free_ char *live = read_file(scene.agent.decisions, &live_len);
	_cleanup_free_ char *replay = read_file(path, &replay_len);

	assert_non_null(strstr(live, "\"performance\":{\"tasks\":21,"));
	assert_int_equal(live_len, replay_len);
	assert_memory_equal(live, replay, live_len);
}

/* To people and to programs alike. */
static void need_status(const char *wanted, const char *actual, const char *phase,
			json_int_t running)
{
	char expected[128];
	json_t *status = agent_read_status(&scene.agent);

	assert_string_equal(json_string_value(json_object_get(status, "wanted")), wanted);
	assert_string_equal(json_string_value(json_object_get(status, "actual")), actual);
	assert_string_equal(json_string_value(json_object_get(status, "phase")), phase);
	assert_int_equal(number(json_object_get(status, "tasks"), "running"), running);
	json_decref(status);
	snprintf(expected, sizeof(expected),
		 "tier        wanted %s, actual %s, %s, %d task%s running\n", wanted, actual, phase,
		 (int)running, running == 1 ? "" : "s");
	assert_int_equal(agent_tierctl(&scene.agent, "status", output, sizeof(output)), 0);
	assert_non_null(strstr(output, expected));
}

/* Also when nothing runs, and all through a planned switch that waits for what does. */
static void status_shows_wanted_actual_and_what_runs(void **state)
{
	(void)state;
	struct agent_line line;
	char command[256];
	char seq[32];

	scene_open(&scene, "", "stabilization = 60s");
	snprintf(command, sizeof(command), "sed -i 's/^drain_deadline.*/drain_deadline = 60s/' %s",
		 scene.agent.config);
	assert_int_equal(system(command), 0);
	assert_int_equal(agent_tierctl(&scene.agent, "reload", output, sizeof(output)), 0);
	agent_control(&scene.agent, "hello tier=large\n");
	need_status("large", "large", "steady", 0);
	agent_control(&scene.agent, "task-begin id=a tier=large\ntask-begin id=b\n");
	need_status("large", "large", "steady", 2);
	agent_control(&scene.agent, "pin tier=medium\n");
	need_line("switch ", &line);
	line_value(&line, "seq", seq, sizeof(seq));
	answer("draining", seq);
	need_status("medium", "large", "draining", 2);
	agent_control(&scene.agent, "task-end id=a ms=900 ok=1\n");
	need_status("medium", "large", "draining", 1);
	agent_control(&scene.agent, "task-end id=b ms=900 ok=1\n");
	answer("loading", seq);
	need_status("medium", "large", "loading", 0);
	answer("done", seq);
	agent_control(&scene.agent, "task-begin id=c\n");
	need_status("medium", "medium", "steady", 1);
	agent_stop(&scene.agent, SIGTERM);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(failing_tier_is_left_and_people_are_told),
		TEST(bad_task_lines_change_nothing),
		TEST(status_shows_wanted_actual_and_what_runs),
		TEST(slow_tier_is_left_and_the_recording_replays_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
