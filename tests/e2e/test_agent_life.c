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
	if (!agent_read_line(&scene.agent, prefix, 10 * NS_PER_S, line)) {
		agent_print_log(&scene.agent);
		fail_msg("no line `%s`", prefix);
	}
}

static json_t *status_read(void)
{
	json_error_t error;

	if (agent_tierctl(&scene.agent, "status --json", output, sizeof(output)) != 0) {
		agent_print_log(&scene.agent);
		fail_msg("status: %s", output);
	}
	json_t *status = json_loads(output, 0, &error);

	if (!status)
		fail_msg("status is no JSON: %s: %s", error.text, output);
	return status;
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
			json_t *status = status_read();

			json_unpack(status, "{s:{s:I}}", "agent", "lines_dropped_full", &dropped);
			json_decref(status);
		}
	}
	assert_true(dropped > 0);
	scene_start_hog(&scene, "hog", 140 * MIB);
	test_sleep_ns(2 * NS_PER_S);

	/* Reading again brings the present state, not only the old lines. */
	do
		need_line("state ", &line);
	while (!strstr(line.text, " wanted=medium"));
	agent_stop(&scene.agent, SIGTERM);
}

/* ---- signals ---- */

static void signal_at_any_time_leaves_nothing(void **state)
{
	(void)state;
	static const char config[] = "[policy]\nwarmup = 0\n[tier small]\nmemory = 20M\n";

	for (int i = 0; i < 25; i++) {
		struct agent_process *agent = &scene.agent;

		if (i % 2) {
			agent_start(agent, config, NULL);
			test_sleep_ns((uint64_t)(i * 7) * NS_PER_MS);
			agent_stop(agent, i % 4 == 1 ? SIGTERM : SIGINT);
		} else {
			/* before it is ready: any moment of the start */
			pid_t pid = fork();

			assert_true(pid >= 0);
			if (pid == 0) {
				agent_start(agent, config, NULL);
				_exit(0); /* takes the agent with it */
			}
			test_sleep_ns((uint64_t)(i * 11) * NS_PER_MS);
			workload_stop(pid);
		}
		agent_discard(agent);
	}
}

static void start_and_term(uint64_t delay_ns)
{
	struct agent_process *agent = &scene.agent;
	char path[512], dir[] = "/tmp/tierd-e2e-term-XXXXXX", run_dir[64];
	struct stat ignored;

	assert_non_null(mkdtemp(dir));
	snprintf(run_dir, sizeof(run_dir), "%s/run", dir);
	agent->pid = fork();
	if (agent->pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, STDERR_FILENO);
		execl(build_path("tierd", path, sizeof(path)), "tierd", "--config", "/dev/null",
		      "--run-dir", run_dir, (char *)NULL);
		_exit(127);
	}
	test_sleep_ns(delay_ns);
	kill(agent->pid, SIGTERM);
	int status = workload_wait(agent->pid, 5);

	agent->pid = 0;
	/* Before it could take signals there is nothing to leave. */
	assert_true((WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2)) ||
		    (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM));
	assert_int_equal(stat(run_dir, &ignored), -1);
	rmdir(dir);
}

static void term_during_the_start_leaves_no_files(void **state)
{
	(void)state;
	for (uint64_t delay_ms = 0; delay_ms < 400; delay_ms += 13)
		start_and_term(delay_ms * NS_PER_MS);
}

/* ---- what cannot be ---- */

static int run_and_wait(const char *command)
{
	FILE *stream = popen(command, "re");

	assert_non_null(stream);
	size_t length = fread(output, 1, sizeof(output) - 1, stream);

	output[length] = '\0';
	print_message("    %s", output);
	return WEXITSTATUS(pclose(stream));
}

static void without_privilege_it_says_so_and_exits_3(void **state)
{
	(void)state;
	char path[512], command[1024], dir[] = "/tmp/tierd-e2e-priv-XXXXXX";

	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command),
		 "cp %s %s/tierd && chmod 755 %s %s/tierd && printf '[tier a]\\nmemory=1M\\n' "
		 ">%s/c &&"
		 " setpriv --reuid 65534 --regid 65534 --clear-groups %s/tierd --config %s/c"
		 " --run-dir %s/run 2>&1",
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
	snprintf(command, sizeof(command), "timeout 5 %s --config %s --run-dir %s 2>&1",
		 build_path("tierd", path, sizeof(path)), scene.agent.config, scene.agent.run_dir);
	assert_int_equal(run_and_wait(command), 1);
	assert_int_equal(agent_tierctl(&scene.agent, "status", output, sizeof(output)), 0);
	agent_stop(&scene.agent, SIGTERM);
}

static void lower_sources_work_and_are_shown(void **state)
{
	(void)state;
	static const char *const sources[] = {"psi", "poll"};

	static const char config[] = "[model]\nexe = model\n[policy]\nwarmup = 500ms\n"
				     "[tier medium]\nmemory = 60M\n[tier large]\nmemory = 100M\n";

	for (unsigned int i = 0; i < ARRAY_SIZE(sources); i++) {
		const char *const extra[] = {"--source", sources[i], NULL};
		const char *source;
		struct agent_line line;

		scene_open_groups(&scene);
		agent_start(&scene.agent, config, extra);
		test_sleep_ns(1500 * NS_PER_MS);
		json_t *status = status_read();

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
		cmocka_unit_test_teardown(signal_at_any_time_leaves_nothing, teardown),
		cmocka_unit_test_teardown(term_during_the_start_leaves_no_files, teardown),
		cmocka_unit_test_teardown(without_privilege_it_says_so_and_exits_3, teardown),
		cmocka_unit_test_teardown(second_agent_on_the_same_directory_refuses, teardown),
		cmocka_unit_test_teardown(lower_sources_work_and_are_shown, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
