// SPDX-License-Identifier: BSD-2-Clause
/*
 * What people and managers tell the agent through control.fifo, what they get back, and that lost
 * records are told and hold a step up.
 */
#include <fcntl.h>
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector.h"
#include "scene.h"

#define OUTPUT_LEN (64 * 1024)

static struct scene scene;
static char output[OUTPUT_LEN];

static int teardown(void **state)
{
	(void)state;
	scene_close(&scene);
	return 0;
}

static void need_line(const char *prefix, struct agent_line *line)
{
	agent_need_match(&scene.agent, prefix, "", 10 * NS_PER_S, line);
}

/* ---- commands ---- */

static void status_names_who_is_under_pressure(void **state)
{
	(void)state;
	const char *wanted, *source;
	json_t *processes, *process;
	size_t index;
	bool is_found = false;

	scene_open(&scene, "", "stabilization = 60s");
	pid_t pid = scene_start_thrash(&scene, "thrash", 300 * MIB, 2);

	test_sleep_ns(3 * NS_PER_S);
	json_t *status = agent_read_status(&scene.agent);

	assert_int_equal(json_unpack(status, "{s:s, s:s, s:o}", "wanted", &wanted, "source",
				     &source, "processes", &processes),
			 0);
	assert_string_equal(source, "bpf");
	assert_true(json_array_size(processes) <= 10);
	json_array_foreach(processes, index, process)
	{
		const char *comm;
		json_int_t process_pid, stall_ms, io_ms, wait_ms;

		assert_int_equal(json_unpack(process, "{s:I, s:s, s:I, s:I, s:I}", "pid",
					     &process_pid, "comm", &comm, "mem_stall_ms", &stall_ms,
					     "io_stall_ms", &io_ms, "cpu_wait_ms", &wait_ms),
				 0);
		if (process_pid != pid)
			continue;
		is_found = true;
		assert_string_equal(comm, "thrash");
		assert_in_range(stall_ms, 300, 60000);
	}
	assert_true(is_found);
	json_decref(status);
	assert_int_equal(agent_tierctl(&scene.agent, "status", output, sizeof(output)), 0);
	assert_non_null(strstr(output, "thrash"));
	agent_stop(&scene.agent, SIGTERM);
}

static void pause_holds_and_resume_goes_on(void **state)
{
	(void)state;
	struct agent_line line;

	scene_open(&scene, "", "stabilization = 60s");
	assert_int_equal(agent_tierctl(&scene.agent, "pause", output, sizeof(output)), 0);
	scene_start_hog(&scene, "hog", 140 * MIB);
	assert_false(agent_read_line(&scene.agent, "switch ", 2 * NS_PER_S, &line));
	assert_int_equal(agent_tierctl(&scene.agent, "resume", output, sizeof(output)), 0);
	need_line("switch ", &line);
	assert_line_value(&line, "to", "medium");
	agent_stop(&scene.agent, SIGTERM);
}

static void bad_reload_changes_nothing_and_a_good_one_does(void **state)
{
	(void)state;
	struct agent_line line;

	scene_open(&scene, "", "stabilization = 60s");
	FILE *config = fopen(scene.agent.config, "ae");

	assert_non_null(config);
	fputs("[policy]\nmargin = 200%\n", config);
	fclose(config);
	assert_int_not_equal(agent_tierctl(&scene.agent, "reload", output, sizeof(output)), 0);
	assert_non_null(strstr(output, "margin"));
	config = fopen(scene.agent.config, "we");
	fprintf(config,
		"[agent]\nsource = bpf\nlog = debug\n[model]\ncgroup = %s\n"
		"[policy]\nmin_tier = large\n[tier small]\nmemory = 20M\n"
		"[tier large]\nmemory = 100M\n",
		scene.model_group);
	fclose(config);
	if (agent_tierctl(&scene.agent, "reload", output, sizeof(output)) != 0)
		fail_msg("reload: %s", output);
	/* min_tier now forbids what it would have done. */
	scene_start_hog(&scene, "hog", 140 * MIB);
	assert_false(agent_read_line(&scene.agent, "switch ", 3 * NS_PER_S, &line));
	agent_stop(&scene.agent, SIGTERM);
}

/* What comes too soon is refused, and said. */
static void reload_is_taken_ten_times_a_second(void **state)
{
	(void)state;
	char command[512];

	scene_open(&scene, "", "stabilization = 60s");
	agent_control(&scene.agent, "reload\nreload\nreload\n");
	test_sleep_ns(500 * NS_PER_MS);
	assert_int_equal(agent_tierctl(&scene.agent, "reload", output, sizeof(output)), 0);
	snprintf(command, sizeof(command), "grep -q 'reload: not more than ten times a second' %s",
		 scene.agent.log);
	assert_int_equal(system(command), 0);
	agent_stop(&scene.agent, SIGTERM);
}

/* Whom the manager named in its hello is not forgotten by a reload that says nothing of it. */
static void reload_remembers_hello_and_refuses_a_bad_group(void **state)
{
	(void)state;
	static const char format[] = "[model]\n%s\n[policy]\nwarmup = 0\n"
				     "[tier small]\nmemory = 20M\n";
	char config[512], hello[64];

	scene_open_groups(&scene);
	snprintf(config, sizeof(config), format, "");
	agent_start(&scene.agent, config, NULL);
	snprintf(hello, sizeof(hello), "hello tier=small pid=%d\n", scene.model);
	agent_control(&scene.agent, hello);
	test_sleep_ns(300 * NS_PER_MS);
	if (agent_tierctl(&scene.agent, "reload", output, sizeof(output)) != 0)
		fail_msg("reload: %s", output);
	test_sleep_ns(1500 * NS_PER_MS);
	assert_int_equal(agent_status_number(&scene.agent, "system", "model_processes"), 1);

	FILE *file = fopen(scene.agent.config, "we");

	fprintf(file, format, "cgroup = ../x");
	fclose(file);
	assert_int_not_equal(agent_tierctl(&scene.agent, "reload", output, sizeof(output)), 0);
	assert_non_null(strstr(output, "cgroup"));
	agent_stop(&scene.agent, SIGTERM);
}

static void decisions_stop_at_their_size(void **state)
{
	(void)state;
	static const char config[] = "[agent]\ndecisions_max = 64K\n[policy]\nwarmup = 0\n"
				     "[tier small]\nmemory = 20M\n";
	struct stat size;

	agent_start(&scene.agent, config, NULL);
	for (int i = 0; i < 50; i++) {
		agent_control(&scene.agent, "pause\nresume\n");
		test_sleep_ns(10 * NS_PER_MS);
	}
	json_int_t dropped = agent_status_number(&scene.agent, "agent", "decisions_dropped");

	assert_int_equal(stat(scene.agent.decisions, &size), 0);
	print_message("    %lld dropped, %lld bytes kept\n", (long long)dropped,
		      (long long)size.st_size);
	assert_true(dropped > 0);
	assert_in_range(size.st_size, 32 * KIB, 64 * KIB);
	agent_stop(&scene.agent, SIGTERM);
}

static void manager_that_acknowledges_is_believed(void **state)
{
	(void)state;
	struct agent_line line;
	char seq[32], text[128];
	const char *actual;

	scene_open(&scene, "", "stabilization = 60s");
	snprintf(text, sizeof(text), "hello tier=large pid=%d\n", scene.model);
	agent_control(&scene.agent, text);
	scene_start_hog(&scene, "hog", 140 * MIB);
	need_line("switch ", &line);
	line_value(&line, "seq", seq, sizeof(seq));
	json_t *status = agent_read_status(&scene.agent);

	assert_int_equal(json_unpack(status, "{s:s}", "actual", &actual), 0);
	assert_string_equal(actual, "large"); /* nobody has said otherwise yet */
	json_decref(status);
	snprintf(text, sizeof(text), "ack seq=%s state=loading\nack seq=%s state=done\n", seq, seq);
	agent_control(&scene.agent, text);
	test_sleep_ns(300 * NS_PER_MS);
	status = agent_read_status(&scene.agent);
	assert_int_equal(json_unpack(status, "{s:s}", "actual", &actual), 0);
	assert_string_equal(actual, "medium");
	json_decref(status);
	agent_stop(&scene.agent, SIGTERM);
}

static void garbage_changes_nothing(void **state)
{
	(void)state;
	char flood[5000];

	scene_open(&scene, "", "stabilization = 60s");
	agent_control(&scene.agent,
		      "frobnicate\nack seq=x state=done\nhello tier=nosuch\n\xff\xfe\n");
	memset(flood, 'x', sizeof(flood));
	flood[sizeof(flood) - 2] = '\n';
	flood[sizeof(flood) - 1] = '\0';
	agent_control(&scene.agent, flood);
	test_sleep_ns(300 * NS_PER_MS);
	assert_int_equal(agent_status_number(&scene.agent, "agent", "bad_lines"), 5);
	agent_stop(&scene.agent, SIGTERM);
}

static void dry_run_decides_and_signals_nothing(void **state)
{
	(void)state;
	static const char *const dry[] = {"--dry-run", NULL};
	static const char *const needles[] = {"\"action\":\"switch\"", "\"medium\"", NULL};
	char config[1024];
	struct agent_line line;

	scene_open_groups(&scene);
	snprintf(config, sizeof(config),
		 "[model]\ncgroup = %s\n[policy]\nwarmup = 500ms\n[tier medium]\nmemory = 60M\n"
		 "[tier large]\nmemory = 100M\n",
		 scene.model_group);
	agent_start(&scene.agent, config, dry);
	test_sleep_ns(1500 * NS_PER_MS);
	scene_start_hog(&scene, "hog", 140 * MIB);
	assert_false(agent_read_line(&scene.agent, "", 3 * NS_PER_S, &line));
	assert_true(agent_count_decisions(&scene.agent, needles) > 0);
	agent_stop(&scene.agent, SIGTERM);
}

/* ---- losses ---- */

static void burst_of_records(void)
{
	for (int i = 0; i < 80; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			uint64_t end_ns = test_now_ns() + 20 * NS_PER_MS;

			while (test_now_ns() < end_ns)
				;
			_exit(0);
		}
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* A ring buffer far too small: what is lost is told, and no step up is made on it. */
static void lost_records_are_told_and_hold_the_step_up(void **state)
{
	(void)state;
	struct agent_line line;

	scene_open(&scene, "ring_bulk = 4K", "stabilization = 4s");
	pid_t hog = scene_start_hog(&scene, "hog", 140 * MIB);

	need_line("switch ", &line);
	agent_need_match(&scene.agent, "state ", " wanted=medium actual=? phase=steady",
			 10 * NS_PER_S, &line);
	workload_stop(hog);
	uint64_t calm_ns = test_now_ns();

	test_sleep_ns(3 * NS_PER_S);
	/* An agent that does not read for a moment loses records for certain. */
	kill(scene.agent.pid, SIGSTOP);
	burst_of_records();
	kill(scene.agent.pid, SIGCONT);
	uint64_t lost_ns = test_now_ns();

	test_sleep_ns(NS_PER_S);
	json_int_t lost = agent_status_number(&scene.agent, "lost", "bulk-ring");

	print_message("    lost %lld bulk records\n", (long long)lost);
	assert_true(lost > 0);
	need_line("switch ", &line);
	assert_line_value(&line, "to", "large");
	/* A whole stabilization after the loss, not after the calm began. */
	assert_true(line.read_ns - lost_ns > 3500 * NS_PER_MS);
	assert_true(line.read_ns - calm_ns > 6500 * NS_PER_MS);
	agent_stop(&scene.agent, SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(status_names_who_is_under_pressure, teardown),
		cmocka_unit_test_teardown(pause_holds_and_resume_goes_on, teardown),
		cmocka_unit_test_teardown(bad_reload_changes_nothing_and_a_good_one_does, teardown),
		cmocka_unit_test_teardown(reload_is_taken_ten_times_a_second, teardown),
		cmocka_unit_test_teardown(reload_remembers_hello_and_refuses_a_bad_group, teardown),
		cmocka_unit_test_teardown(decisions_stop_at_their_size, teardown),
		cmocka_unit_test_teardown(manager_that_acknowledges_is_believed, teardown),
		cmocka_unit_test_teardown(garbage_changes_nothing, teardown),
		cmocka_unit_test_teardown(dry_run_decides_and_signals_nothing, teardown),
		cmocka_unit_test_teardown(lost_records_are_told_and_hold_the_step_up, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
