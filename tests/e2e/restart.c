// SPDX-License-Identifier: BSD-2-Clause
#include "restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "collector.h"

/* Samples may be late by half a minute before they count as missed. */
static const char config_format[] = "[agent]\nsource = psi\n"
				    "[model]\ncgroup = %s\n"
				    "[policy]\npolicy = threshold\nwarmup = 0\n"
				    "trend = 5s\ntrend_horizon = 0\nstabilization = 300s\n"
				    "[switch]\nsettle = 4s\ndrain_deadline = 100s\n"
				    "ack_timeout = 30s\nheartbeat = 1s\n"
				    "[sampling]\nperiod = 10s\n"
				    "[tier small]\nmemory = 20M\n"
				    "[tier medium]\nmemory = 60M\n"
				    "[tier large]\nmemory = 100M\n";

struct scene restart_scene;
static char text[RESTART_TEXT_LEN];

int restart_teardown(void **state)
{
	(void)state;
	scene_close(&restart_scene);
	return 0;
}

void restart_open_scene(const char *const *extra)
{
	struct agent_line line;
	char config[2048];

	scene_open_groups(&restart_scene);
	snprintf(config, sizeof(config), config_format, restart_scene.model_group);
	agent_start(&restart_scene.agent, config, extra);
	agent_need_match(&restart_scene.agent, "state ", "", RESTART_LINE_NS, &line);
	agent_control(&restart_scene.agent, "hello tier=large\n");
	agent_need_match(&restart_scene.agent, "state ", "wanted=large actual=large",
			 RESTART_LINE_NS, &line);
}

/* Others take so much that the next tier down is ordered; returns its number. */
uint64_t restart_press(pid_t *ret_hog)
{
	struct agent_line line;
	char value[64];

	*ret_hog = scene_start_hog(&restart_scene, "hog", 115 * MIB);
	agent_need_match(&restart_scene.agent, "switch ", "to=medium mode=planned", RESTART_LINE_NS,
			 &line);
	return strtoull(line_value(&line, "seq", value, sizeof(value)), NULL, 10);
}

void restart_acknowledge(uint64_t seq, const char *state)
{
	char line[128];

	snprintf(line, sizeof(line), "ack seq=%llu state=%s\n", (unsigned long long)seq, state);
	agent_control(&restart_scene.agent, line);
}

uint64_t restart_number_of(const struct agent_line *line, const char *key)
{
	char value[64];

	return strtoull(line_value(line, key, value, sizeof(value)), NULL, 10);
}

/* Stepped down to medium, which is in place, and nothing presses any more. */
uint64_t restart_step_down(void)
{
	struct agent_line line;
	pid_t hog;
	uint64_t seq = restart_press(&hog);

	restart_acknowledge(seq, "done");
	agent_need_match(&restart_scene.agent, "state ", "actual=medium", RESTART_LINE_NS, &line);
	workload_stop(hog);
	agent_need_match(&restart_scene.agent, "state ", "phase=steady", RESTART_LINE_NS, &line);
	return seq;
}

const char *restart_read_file(const char *path)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	text[length] = '\0';
	return text;
}

void restart_need_in_log(const char *words)
{
	for (int i = 0; !strstr(restart_read_file(restart_scene.agent.log), words); i++) {
		if (i == 500) {
			agent_print_log(&restart_scene.agent);
			fail_msg("the log does not say: %s", words);
		}
		test_sleep_ns(10 * NS_PER_MS);
	}
}

/* Waits until the file on the disk says so, too. */
void restart_need_in_state_file(const char *words)
{
	for (int i = 0; !strstr(restart_read_file(restart_scene.agent.state), words); i++) {
		if (i == 500)
			fail_msg("the state file does not say %s: %s", words, text);
		test_sleep_ns(10 * NS_PER_MS);
	}
}

bool restart_file_exists(const char *path, const char *suffix)
{
	char name[256];

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return access(name, F_OK) == 0;
}
