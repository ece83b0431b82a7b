// SPDX-License-Identifier: BSD-2-Clause
/*
 * How the agent lives with others: readers that come, go and sleep, signals at any time, lower
 * sources, missing privilege. Nothing is left behind and nothing hangs.
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

static int run_and_wait(const char *command)
{
	FILE *stream = popen(command, "re");

	assert_non_null(stream);
	size_t length = fread(output, 1, sizeof(output) - 1, stream);

	output[length] = '\0';
	print_message("    %s", output);
	return WEXITSTATUS(pclose(stream));
}

/* ---- readers ---- */

static void returning_reader_gets_the_state(void **state)
{
	(void)state;
	struct agent_line line;

	scene_open(&scene, "", "stabilization = 60s");
	agent_close_reader(&scene.agent);
	scene_start_hog(&scene, "hog", 140 * MIB);
	test_sleep_ns(2 * NS_PER_S); /* the step down happens unheard */
	agent_open_reader(&scene.agent);
	uint64_t opened_ns = test_now_ns();

	need_line("state ", &line);
	assert_line_value(&line, "wanted", "medium");
	assert_true(line.read_ns - opened_ns < 500 * NS_PER_MS); /* sooner than the heartbeat */
	agent_stop(&scene.agent, SIGTERM);
}

static void reader_that_dies_harms_nobody(void **state)
{
	(void)state;
	struct agent_line line;

	scene_open(&scene, "", "stabilization = 60s");
	for (int i = 0; i < 20; i++) {
		char byte;

		agent_close_reader(&scene.agent);
		agent_open_reader(&scene.agent);
		test_sleep_ns(10 * NS_PER_MS);
		/* dies in the middle of a line */
		if (read(scene.agent.manager_fd, &byte, 1) < 0)
			test_sleep_ns(NS_PER_MS);
	}
	agent_close_reader(&scene.agent);
	test_sleep_ns(50 * NS_PER_MS);
	agent_open_reader(&scene.agent);
	/* The first line is whole: nothing of a torn one is left in the pipe. */
	assert_true(agent_read_line(&scene.agent, "", NS_PER_S, &line));
	assert_int_equal(strncmp(line.text, "state ", 6), 0);
	agent_stop(&scene.agent, SIGTERM);
}

static void full_pipe_does_not_hold_up_the_agent(void **state)
{
	(void)state;
	struct agent_line line;
	json_int_t dropped = 0;

	scene_open(&scene, "", "stabilization = 60s");
	assert_true(fcntl(scene.agent.manager_fd, F_SETPIPE_SZ, 4096) >= 4096);
	/* 4096 bytes are some forty state lines: let the heartbeat be helped by reloads. */
	for (int i = 0; i < 300 && !dropped; i++) {
		agent_control(&scene.agent, "hello tier=large\n");
		if (i % 50 == 49) {
			json_t *status = agent_read_status(&scene.agent);

			json_unpack(status, "{s:{s:I}}", "agent", "lines_dropped_full", &dropped);
			json_decref(status);
		}
	}
	assert_true(dropped > 0);
	scene_start_hog(&scene, "hog", 140 * MIB);
	test_sleep_ns(2 * NS_PER_S);

	/* Reading again brings the present state, not only the old lines. */
	agent_need_match(&scene.agent, "state ", " wanted=medium", 10 * NS_PER_S, &line);
	agent_stop(&scene.agent, SIGTERM);
}

/* ---- signals ---- */

static const char small_config[] = "[policy]\nwarmup = 0\n[tier small]\nmemory = 20M\n";

static void signal_while_it_runs_leaves_nothing(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 12; i++) {
		agent_start(&scene.agent, small_config, NULL);
		test_sleep_ns(i * 17 * NS_PER_MS);
		agent_stop(&scene.agent, i % 2 ? SIGTERM : SIGINT);
		agent_discard(&scene.agent);
	}
}

static void signal_during_the_start_leaves_nothing(void **state)
{
	(void)state;
	for (uint64_t delay_ms = 0; delay_ms < 300; delay_ms += 11) {
		agent_launch(&scene.agent, small_config, NULL);
		test_sleep_ns(delay_ms * NS_PER_MS);
		kill(scene.agent.pid, SIGTERM);

		int status = workload_wait(scene.agent.pid, 5);

		scene.agent.pid = 0;
		/* Before it could take signals it had made nothing that it could leave. */
		assert_true((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
			    (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM));
		assert_false(agent_has_left_files(&scene.agent));
		agent_discard(&scene.agent);
	}
}

/* Nothing can be done about SIGKILL, but the next agent must start all the same. */
static void killed_agent_is_followed_by_another(void **state)
{
	(void)state;
	char path[512], command[1024];

	agent_start(&scene.agent, small_config, NULL);
	workload_stop(scene.agent.pid);
	agent_close_reader(&scene.agent);
	assert_true(agent_has_left_files(&scene.agent));
	/* As it does within a second. */
	snprintf(command, sizeof(command), "install -D -m 600 /dev/null %s/kept/snapshot",
		 scene.agent.run_dir);
	assert_int_equal(run_and_wait(command), 0);
	snprintf(command, sizeof(command),
		 "timeout -s INT 2 %s --config %s --run-dir %s --state-file=",
		 build_path("tierd", path, sizeof(path)), scene.agent.config, scene.agent.run_dir);
	scene.agent.pid = 0;
	assert_int_equal(run_and_wait(command), 124); /* it ran until it was told to end */
	assert_false(agent_has_left_files(&scene.agent));
}

/* A cleaner of temporary files must not cut the agent off, nor let a second one in. */
static void emptied_run_directory_is_filled_again(void **state)
{
	(void)state;
	static const char config[] = "[policy]\nwarmup = 0\n[switch]\nheartbeat = 1s\n"
				     "[tier small]\nmemory = 20M\n";
	char command[1024], path[512];

	agent_start(&scene.agent, config, NULL);
	snprintf(command, sizeof(command), "rm -rf %s/*", scene.agent.run_dir);
	assert_int_equal(system(command), 0);
	test_sleep_ns(2500 * NS_PER_MS);
	if (agent_tierctl(&scene.agent, "status", output, sizeof(output)) != 0)
		fail_msg("status: %s", output);
	snprintf(command, sizeof(command),
		 "timeout 5 %s --config %s --run-dir %s --state-file= 2>&1",
		 build_path("tierd", path, sizeof(path)), scene.agent.config, scene.agent.run_dir);
	assert_int_equal(run_and_wait(command), 1);
	agent_close_reader(&scene.agent);
	agent_open_reader(&scene.agent);
	agent_stop(&scene.agent, SIGTERM);
}

/* A terminal that nobody reads (a hung ssh) must not stop the agent, nor keep it from ending. */
static void stuck_terminal_does_not_hold_up_the_agent(void **state)
{
	(void)state;
	int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_true(terminal >= 0);
	assert_int_equal(grantpt(terminal), 0);
	assert_int_equal(unlockpt(terminal), 0);
	scene.agent.log_path = ptsname(terminal);
	agent_start(&scene.agent, small_config, NULL);
	for (int i = 0; i < 200; i++) { /* ten lines of the log; a terminal holds some 64 KiB */
		agent_control(&scene.agent, "pause\nresume\npause\nresume\npause\nresume\n"
					    "pause\nresume\npause\nresume\n");
		test_sleep_ns(12 * NS_PER_MS);
	}
	assert_int_equal(agent_tierctl(&scene.agent, "status", output, sizeof(output)), 0);
	assert_non_null(strstr(output, "log lines"));
	agent_stop(&scene.agent, SIGTERM);
	close(terminal);
}

/* ---- what cannot be ---- */

static void without_privilege_it_says_so_and_exits_3(void **state)
{
	(void)state;
	char path[512], command[1024], dir[] = "/tmp/tierd-e2e-priv-XXXXXX";

	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command),
		 "cp %s %s/tierd && chmod 755 %s %s/tierd && printf '[tier a]\\nmemory=1M\\n' "
		 ">%s/c &&"
		 " setpriv --reuid 65534 --regid 65534 --clear-groups %s/tierd --config %s/c"
		 " --run-dir %s/run --state-file= 2>&1",
		 build_path("tierd", path, sizeof(path)), dir, dir, dir, dir, dir, dir, dir);
	int status = run_and_wait(command);

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(status, 3);
	assert_non_null(strstr(output, "root"));
}

static void second_agent_on_the_same_directory_refuses(void **state)
{
	(void)state;
	char path[512], command[1024];

	scene_open(&scene, "", "stabilization = 60s");
	snprintf(command, sizeof(command),
		 "timeout 5 %s --config %s --run-dir %s --state-file= 2>&1",
		 build_path("tierd", path, sizeof(path)), scene.agent.config, scene.agent.run_dir);
	assert_int_equal(run_and_wait(command), 1);
	assert_int_equal(agent_tierctl(&scene.agent, "status", output, sizeof(output)), 0);
	agent_stop(&scene.agent, SIGTERM);
}

static void lower_sources_work_and_are_shown(void **state)
{
	(void)state;
	static const char *const sources[] = {"psi", "poll"};

	static const char format[] = "[model]\ncgroup = %s\n[policy]\nwarmup = 500ms\n"
				     "[tier medium]\nmemory = 60M\n[tier large]\nmemory = 100M\n";

	for (unsigned int i = 0; i < ARRAY_SIZE(sources); i++) {
		const char *const extra[] = {"--source", sources[i], NULL};
		const char *source;
		struct agent_line line;
		char config[512];

		scene_open_groups(&scene);
		snprintf(config, sizeof(config), format, scene.model_group);
		agent_start(&scene.agent, config, extra);
		test_sleep_ns(1500 * NS_PER_MS);
		json_t *status = agent_read_status(&scene.agent);

		assert_int_equal(json_unpack(status, "{s:s}", "source", &source), 0);
		assert_string_equal(source, sources[i]);
		json_decref(status);
		scene_start_hog(&scene, "hog", 140 * MIB);
		need_line("switch ", &line);
		assert_line_value(&line, "to", "medium");
		agent_stop(&scene.agent, SIGTERM);
		scene_close(&scene);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(returning_reader_gets_the_state, teardown),
		cmocka_unit_test_teardown(reader_that_dies_harms_nobody, teardown),
		cmocka_unit_test_teardown(full_pipe_does_not_hold_up_the_agent, teardown),
		cmocka_unit_test_teardown(signal_while_it_runs_leaves_nothing, teardown),
		cmocka_unit_test_teardown(signal_during_the_start_leaves_nothing, teardown),
		cmocka_unit_test_teardown(killed_agent_is_followed_by_another, teardown),
		cmocka_unit_test_teardown(emptied_run_directory_is_filled_again, teardown),
		cmocka_unit_test_teardown(stuck_terminal_does_not_hold_up_the_agent, teardown),
		cmocka_unit_test_teardown(without_privilege_it_says_so_and_exits_3, teardown),
		cmocka_unit_test_teardown(second_agent_on_the_same_directory_refuses, teardown),
		cmocka_unit_test_teardown(lower_sources_work_and_are_shown, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
