// SPDX-License-Identifier: BSD-2-Clause
/* A person asks a real agent for a tier: what it does, refuses, gives up for the host, and ends. */
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector.h"
#include "scene.h"

enum {
	OUTPUT_LEN = 64 * 1024,
};

static struct scene scene;
static char output[OUTPUT_LEN];
static char trace[64];

static int teardown(void **state)
{
	(void)state;
	scene_close(&scene);
	if (trace[0])
		unlink(trace);
	return 0;
}

static void tierctl(const char *arguments, int expected)
{
	int status = agent_tierctl(&scene.agent, arguments, output, sizeof(output));

	if (status != expected)
		fail_msg("tierctl %s: status %d: %s", arguments, status, output);
}

static void need(const char *prefix, const char *needle, struct agent_line *line)
{
	agent_need_match(&scene.agent, prefix, needle, 15 * NS_PER_S, line);
}

static bool is_decided(const char *action, const char *reason)
{
	char words[2][64];
	const char *const needles[] = {words[0], words[1], NULL};

	snprintf(words[0], sizeof(words[0]), "\"action\":\"%s\"", action);
	snprintf(words[1], sizeof(words[1]), "\"reason\":\"%s\"", reason);
	return agent_count_decisions(&scene.agent, needles) > 0;
}

static void need_decided(const char *action, const char *reason)
{
	for (int i = 0; i < 150 && !is_decided(action, reason); i++)
		test_sleep_ns(100 * NS_PER_MS);
	if (!is_decided(action, reason)) {
		agent_print_log(&scene.agent);
		fail_msg("no %s: %s", action, reason);
	}
}

/* Waits until the agent has seen the scene's group filled so far. */
static void need_group_use(uint64_t bytes)
{
	json_int_t used = 0;

	for (int i = 0; i < 300 && (uint64_t)used < bytes; i++) {
		json_t *status = agent_read_status(&scene.agent);
		json_t *resource;
		size_t index;

		test_sleep_ns(100 * NS_PER_MS);
		json_array_foreach(json_object_get(status, "resources"), index, resource)
		{
			const char *name = json_string_value(json_object_get(resource, "resource"));

			if (name && strcmp(name, "group-memory") == 0)
				used = json_integer_value(json_object_get(resource, "used_bytes"));
		}
		json_decref(status);
	}
	assert_true((uint64_t)used >= bytes);
}

/* Also: it ends by itself, and the recording of all that replays to the same decisions. */
static void pin_steps_down_stays_and_expires(void **state)
{
	char lines[256];
	struct agent_line line;

	(void)state;
	snprintf(trace, sizeof(trace), "/tmp/tierd-e2e-pin-%d", getpid());
	snprintf(lines, sizeof(lines), "record = %s", trace);
	scene_open(&scene, lines, "stabilization = 2s\nstabilization_min = 2s");
	tierctl("pin small --for 12s", 0);
	need("switch ", " to=small", &line);
	assert_line_value(&line, "mode", "planned");
	assert_line_value(&line, "reason", "pinned");
	need("notify ", "somebody", &line);
	need("state ", " wanted=small actual=? phase=steady", &line);
	tierctl("status", 0);
	assert_non_null(strstr(output, "\npin         small, "));
	/* Calm long enough for a step up, which the policy would make. */
	need_decided("hold", "pinned");
	assert_false(is_decided("switch", "calm") || is_decided("switch", "gain"));
	need_decided("state", "pin-expired");
	tierctl("status", 0);
	assert_null(strstr(output, "\npin "));
	need("switch ", " from=small", &line);
	tierctl("unpin", 0);
	agent_stop(&scene.agent, SIGTERM);
	snprintf(lines, sizeof(lines), "replay %s | cmp - %s", trace, scene.agent.decisions);
	tierctl(lines, 0);
}

static void pin_is_refused_with_need_and_have(void **state)
{
	struct agent_line line;

	(void)state;
	scene_open(&scene, "", "stabilization = 60s\nmin_tier = small");
	tierctl("pin small", 0);
	need("state ", " wanted=small actual=? phase=steady", &line);
	scene_start_hog(&scene, "hog", 140 * MIB);
	need_group_use(SCENE_MODEL_BYTES + 138 * MIB);

	tierctl("pin large", 1);
	assert_non_null(strstr(output, "tier large does not fit now: group-memory"));
	assert_non_null(strstr(output, "needs 100.0 MiB, has "));
	tierctl("pin huge", 1);
	assert_non_null(strstr(output, "there is no tier huge"));
	tierctl("pin off", 1);
	assert_non_null(strstr(output, "tier off is below min_tier small"));
	tierctl("status --json", 0);
	assert_non_null(strstr(output, "\"pin\":{\"tier\":\"small\",\"overridden\":false"));
	agent_stop(&scene.agent, SIGTERM);
}

static void emergency_goes_before_a_pin(void **state)
{
	struct agent_line line;

	(void)state;
	scene_open(&scene, "", "stabilization = 3s\nstabilization_min = 3s");
	tierctl("pin large", 0);
	pid_t hog = scene_start_hog(&scene, "hog", 140 * MIB);

	need("switch ", " mode=immediate", &line);
	need("state ", " phase=steady", &line);
	tierctl("status", 0);
	assert_non_null(strstr(output, "\npin         large, until unpin, OVERRIDDEN (use-over-"));
	workload_stop(hog);
	need("switch ", " to=large", &line);
	assert_line_value(&line, "reason", "pinned");
	need("state ", " wanted=large actual=? phase=steady", &line);
	tierctl("status", 0);
	assert_non_null(strstr(output, "\npin         large, until unpin\n"));
	agent_stop(&scene.agent, SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(pin_steps_down_stays_and_expires, teardown),
		cmocka_unit_test_teardown(pin_is_refused_with_need_and_have, teardown),
		cmocka_unit_test_teardown(emergency_goes_before_a_pin, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
