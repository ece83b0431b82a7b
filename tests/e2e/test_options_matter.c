// SPDX-License-Identifier: BSD-2-Clause
/*
 * Options of the agent itself: each is set to two values, and what it promises must differ. (Those
 * of the engine are tested in tests/unit, with invented time.)
 */
#include <errno.h>
#include <grp.h>
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

#include "collector.h"
#include "scene.h"

enum {
	TRIES = 4,
};

#define MEASURE_NS (3 * NS_PER_S)

static struct scene scene;
static pid_t extra_pid;

static int teardown(void **state)
{
	(void)state;
	if (extra_pid)
		workload_stop(extra_pid);
	extra_pid = 0;
	scene_close(&scene);
	return 0;
}

/* How much a counter of the status grows in three seconds, with these lines in [agent]. */
static json_int_t growth(const char *agent_lines, const char *policy_lines, const char *object,
			 const char *key, bool is_thrashing)
{
	scene_open(&scene, agent_lines, policy_lines);
	if (is_thrashing)
		scene_start_thrash(&scene, "thrash", 300 * MIB, 4);
	/* For a few seconds after the start, or after pressure, the agent looks more often. */
	test_sleep_ns((is_thrashing ? 1 : 6) * NS_PER_S);
	json_int_t before = agent_status_number(&scene.agent, object, key);

	test_sleep_ns(MEASURE_NS);
	json_int_t after = agent_status_number(&scene.agent, object, key);

	agent_stop(&scene.agent, SIGTERM);
	scene_close(&scene);
	print_message("    %s: %s.%s grew by %lld\n", agent_lines, object, key,
		      (long long)(after - before));
	return after - before;
}

static void window_calm_is_how_often_threads_are_walked(void **state)
{
	(void)state;
	json_int_t often = growth("window_calm = 100ms", "", "host", "threads_walked", false);
	json_int_t seldom = growth("window_calm = 1s", "", "host", "threads_walked", false);

	assert_true(often > 2 * seldom);
	assert_true(seldom > 0);
}

static void window_is_how_often_threads_are_walked_under_pressure(void **state)
{
	(void)state;
	static const char policy[] = "stall_above = 100%\nstall_urgent = 100%";
	json_int_t often =
		growth("window_calm = 1s\nwindow = 100ms", policy, "host", "threads_walked", true);
	json_int_t seldom =
		growth("window_calm = 1s\nwindow = 900ms", policy, "host", "threads_walked", true);

	assert_true(often > 2 * seldom);
}

static void report_floor_keeps_the_small_from_being_reported(void **state)
{
	(void)state;
	json_int_t all = growth("report_floor = 0", "", "host", "process_records", false);
	json_int_t large = growth("report_floor = 50ms", "", "host", "process_records", false);

	assert_true(all > 2 * large + 10);
}

static void urgent_stall_is_how_soon_a_process_is_reported(void **state)
{
	(void)state;
	bool has_mattered = false;

	/* How much it thrashes is the host's matter, and that of its disk: a few tries. */
	for (int i = 0; i < TRIES && !has_mattered; i++) {
		json_int_t soon = growth("urgent_stall = 2ms", "", "host", "urgent_records", true);
		json_int_t late = growth("urgent_stall = 10s", "", "host", "urgent_records", true);

		has_mattered = soon >= 4 && late * 4 <= soon;
	}
	assert_true(has_mattered);
}

/* While the agent sleeps, a small ring fills up and a large one does not. */
static json_int_t urgent_lost(const char *agent_lines)
{
	scene_open(&scene, agent_lines, "");
	scene_start_thrash(&scene, "thrash", 300 * MIB, 4);
	test_sleep_ns(500 * NS_PER_MS);
	kill(scene.agent.pid, SIGSTOP);
	test_sleep_ns(2 * NS_PER_S);
	kill(scene.agent.pid, SIGCONT);
	test_sleep_ns(NS_PER_S);
	json_int_t lost = agent_status_number(&scene.agent, "lost", "urgent-ring");

	agent_stop(&scene.agent, SIGTERM);
	scene_close(&scene);
	return lost;
}

static void ring_urgent_is_room_for_urgent_records(void **state)
{
	(void)state;
	assert_true(urgent_lost("ring_urgent = 4K\nurgent_stall = 10ms") > 0);
	assert_int_equal(urgent_lost("ring_urgent = 1M\nurgent_stall = 10ms"), 0);
}

static json_int_t others_demand(const char *agent_lines)
{
	const struct workload polite = {
		.run = workload_spin, .comm = "polite", .cpu = 0, .nice = 15};

	scene_open(&scene, agent_lines, "cpu_wait_above = 100%\ncpu_wait_window = 3s");
	extra_pid = workload_start(&polite);
	test_sleep_ns(4 * NS_PER_S);
	json_int_t demand = agent_status_number(&scene.agent, "last", "others_demand_permyriad");

	agent_stop(&scene.agent, SIGTERM);
	teardown(NULL);
	return demand;
}

static void ignore_nice_is_what_does_not_count_as_demand(void **state)
{
	(void)state;
	bool has_mattered = false;

	/* What else the host does counts in both, and changes. */
	for (int i = 0; i < TRIES && !has_mattered; i++) {
		json_int_t counted = others_demand("ignore_nice = 19");
		json_int_t ignored = others_demand("ignore_nice = 10");

		print_message("    demand %lld and %lld permyriad\n", (long long)counted,
			      (long long)ignored);
		has_mattered = counted > ignored + 2500;
	}
	assert_true(has_mattered);
}

static off_t log_size(const char *agent_lines)
{
	struct stat status;

	/* The scene's config says debug; the last word on the command line wins over it. */
	const char *const extra[] = {"--log", agent_lines, NULL};
	static const char config[] = "[policy]\nwarmup = 0\n[tier small]\nmemory = 20M\n";

	agent_start(&scene.agent, config, extra);
	test_sleep_ns(500 * NS_PER_MS);
	agent_stop(&scene.agent, SIGTERM);
	assert_int_equal(stat(scene.agent.log, &status), 0);
	agent_discard(&scene.agent);
	return status.st_size;
}

static void log_is_how_much_is_said(void **state)
{
	(void)state;
	off_t quiet = log_size("quiet"), normal = log_size("normal"), debug = log_size("debug");

	assert_int_equal(quiet, 0);
	assert_true(normal > 0 && debug > normal);
}

static void model_pid_file_names_the_model(void **state)
{
	(void)state;
	char config[1024], pid_file[] = "/tmp/tierd-e2e-pid-XXXXXX";
	int fd = mkstemp(pid_file);

	assert_true(fd >= 0);
	scene_open_groups(&scene);
	dprintf(fd, "%d\n", scene.model);
	close(fd);
	snprintf(config, sizeof(config),
		 "[model]\npid_file = %s\n[policy]\nwarmup = 0\n[tier large]\nmemory = 100M\n",
		 pid_file);
	agent_start(&scene.agent, config, NULL);
	test_sleep_ns(1500 * NS_PER_MS);
	json_int_t processes = agent_status_number(&scene.agent, "system", "model_processes");

	unlink(pid_file);
	assert_int_equal(processes, 1);
	agent_stop(&scene.agent, SIGTERM);
}

/* Here the program is this test. */
static void model_exe_names_the_model(void **state)
{
	(void)state;
	static const char format[] = "[agent]\nsource = poll\n[model]\nexe = %s\n"
				     "[policy]\nwarmup = 0\n[tier large]\nmemory = 100M\n";
	char config[512];

	for (int is_ours = 0; is_ours <= 1; is_ours++) {
		snprintf(config, sizeof(config), format,
			 is_ours ? program_invocation_short_name : "no-such-program");
		agent_start(&scene.agent, config, NULL);
		test_sleep_ns(1500 * NS_PER_MS);
		assert_int_equal(agent_status_number(&scene.agent, "system", "model_processes") > 0,
				 is_ours);
		agent_stop(&scene.agent, SIGTERM);
		agent_discard(&scene.agent);
	}
}

static void assert_owned(const char *name, gid_t group, mode_t mode)
{
	char path[512];
	struct stat info;

	snprintf(path, sizeof(path), "%s/%s", scene.agent.run_dir, name);
	/* The agent makes one after the other, and for itself at first. */
	for (int i = 0; i < 500 && (stat(path, &info) < 0 || (info.st_mode & 07777) != mode); i++)
		test_sleep_ns(10 * NS_PER_MS);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_gid, group);
	assert_int_equal(info.st_mode & 07777, mode);
}

/* Which group every system has, but for root's, is for the system to say. */
static void control_group_is_whose_the_fifos_are(void **state)
{
	(void)state;
	static const char format[] = "[agent]\nsource = poll\ncontrol_group = %s\n"
				     "[tier large]\nmemory = 100M\n";
	const struct group *some = getgrent();
	char config[512], command[1024], path[512];

	while (some && some->gr_gid == 0)
		some = getgrent();
	assert_non_null(some);
	gid_t group = some->gr_gid;

	snprintf(config, sizeof(config), format, some->gr_name);
	endgrent();
	agent_start(&scene.agent, config, NULL);
	assert_owned("control.fifo", group, 0620);
	assert_owned("manager.fifo", group, 0640);
	assert_owned("replies", group, 01730);
	snprintf(
		command, sizeof(command),
		"timeout 5 %s --config %s --run-dir %s/other --state-file= --control-group=no-such "
		"2>&1 | grep -q 'agent.control_group: there is no group no-such$'",
		build_path("tierd", path, sizeof(path)), scene.agent.config, scene.agent.dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "sed -i 's/^control_group.*/control_group =/' %s",
		 scene.agent.config);
	assert_int_equal(system(command), 0);
	assert_int_equal(agent_tierctl(&scene.agent, "reload", command, sizeof(command)), 1);
	assert_non_null(strstr(command, "restart"));
	agent_stop(&scene.agent, SIGTERM);
	agent_restart(&scene.agent, NULL);
	assert_owned("control.fifo", 0, 0600);
	assert_owned("manager.fifo", 0, 0600);
	assert_owned("replies", 0, 0700);
	agent_stop(&scene.agent, SIGTERM);
}

/* What `detect --write` writes is a config that the agent runs with as it is. */
static void detected_config_runs_as_it_is(void **state)
{
	(void)state;
	char path[] = "/tmp/tierd-e2e-detect-XXXXXX", command[1024], tierctl[512], text[32768];
	struct agent_line line;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	snprintf(command, sizeof(command), "%s detect --write %s --force >/dev/null && cat %s",
		 build_path("tierctl", tierctl, sizeof(tierctl)), path, path);
	FILE *stream = popen(command, "re");
	size_t length = fread(text, 1, sizeof(text) - 1, stream);

	text[length] = '\0';
	assert_int_equal(pclose(stream), 0);
	unlink(path);
	agent_start(&scene.agent, text, NULL);
	agent_need_match(&scene.agent, "state ", " wanted=", 5 * NS_PER_S, &line);
	assert_null(strstr(line.text, " wanted=off"));
	agent_stop(&scene.agent, SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(window_calm_is_how_often_threads_are_walked, teardown),
		cmocka_unit_test_teardown(window_is_how_often_threads_are_walked_under_pressure,
					  teardown),
		cmocka_unit_test_teardown(report_floor_keeps_the_small_from_being_reported,
					  teardown),
		cmocka_unit_test_teardown(urgent_stall_is_how_soon_a_process_is_reported, teardown),
		cmocka_unit_test_teardown(ring_urgent_is_room_for_urgent_records, teardown),
		cmocka_unit_test_teardown(ignore_nice_is_what_does_not_count_as_demand, teardown),
		cmocka_unit_test_teardown(log_is_how_much_is_said, teardown),
		cmocka_unit_test_teardown(model_pid_file_names_the_model, teardown),
		cmocka_unit_test_teardown(model_exe_names_the_model, teardown),
		cmocka_unit_test_teardown(control_group_is_whose_the_fifos_are, teardown),
		cmocka_unit_test_teardown(detected_config_runs_as_it_is, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
