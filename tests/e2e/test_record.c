// SPDX-License-Identifier: BSD-2-Clause
/*
 * A real recording, made under real pressure: its replay decides, byte for byte, what was decided
 * live. And recordings on request, and on a disk that is full.
 */
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "collector.h"
#include "scene.h"

enum {
	OUTPUT_LEN = 64 * 1024,
	FILE_MAX = 4 * 1024 * 1024,
};

static struct scene scene;
static char dir[64];
static bool is_mounted;
static char output[OUTPUT_LEN];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/tierd-e2e-record-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *at)
{
	(void)info;
	(void)type;
	(void)at;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	scene_close(&scene);
	if (is_mounted)
		umount2(dir, MNT_DETACH);
	is_mounted = false;
	return nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void open_recorded(const char *policy_lines)
{
	char lines[256];

	snprintf(lines, sizeof(lines), "record = %s/trace\nrecord_dir = %s/asked", dir, dir);
	scene_open(&scene, lines, policy_lines);
}

static void tierctl(const char *format, const char *argument, int expected)
{
	char arguments[256];

	snprintf(arguments, sizeof(arguments), format, argument);
	int status = agent_tierctl(&scene.agent, arguments, output, sizeof(output));

	if (status != expected)
		fail_msg("tierctl %s: status %d: %s", arguments, status, output);
}

static char *read_file(const char *path, size_t *ret_len)
{
	char *bytes = malloc(FILE_MAX);
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	assert_non_null(bytes);
	assert_non_null(file);
	*ret_len = fread(bytes, 1, FILE_MAX, file);
	assert_in_range(*ret_len, 0, FILE_MAX - 1);
	return bytes;
}

/* Compares the replay of the trace with the decisions that were logged while it was recorded. */
static void assert_replays_as_live(void)
{
	char path[128], replay_path[128];
	size_t live_len, replay_len;

	snprintf(path, sizeof(path), "%s/trace", dir);
	snprintf(replay_path, sizeof(replay_path), "%s/replay", dir);
	snprintf(output, sizeof(output), "replay %s >%s", path, replay_path);
	assert_int_equal(agent_tierctl(&scene.agent, output, output, sizeof(output)), 0);
	_cleanup_free_ char *live = read_file(scene.agent.decisions, &live_len);
	_cleanup_free_ char *replay = read_file(replay_path, &replay_len);

	if (live_len != replay_len || memcmp(live, replay, live_len) != 0)
		fail_msg("live:\n%.*s\nreplayed:\n%.*s", (int)live_len, live, (int)replay_len,
			 replay);
	assert_true(live_len > 0);
}

static json_int_t info_number(const char *object, const char *key)
{
	json_error_t error;

	tierctl("trace info --json %s/trace", dir, 0);
	json_t *info = json_loads(output, 0, &error);

	assert_non_null(info);
	const json_t *value = json_object_get(object ? json_object_get(info, object) : info, key);

	assert_true(json_is_integer(value));
	json_int_t number = json_integer_value(value);

	json_decref(info);
	return number;
}

static void answer(const char *state, struct agent_line *line)
{
	char seq[32], text[128];

	line_value(line, "seq", seq, sizeof(seq));
	snprintf(text, sizeof(text), "ack seq=%s state=%s\n", seq, state);
	agent_control(&scene.agent, text);
}

static void need_switch(const char *needle, struct agent_line *line)
{
	agent_need_match(&scene.agent, "switch ", needle, 15 * NS_PER_S, line);
}

static void need_oom_kill(void)
{
	json_int_t count = 0;

	for (int i = 0; i < 300 && count == 0; i++) {
		json_t *status = agent_read_status(&scene.agent);

		count = json_integer_value(
			json_object_get(json_object_get(status, "host"), "oom_victims"));
		json_decref(status);
		test_sleep_ns(100 * NS_PER_MS);
	}
	assert_true(count > 0);
}

/* Every kind of event, and every way to decide: hello, hog, acks, thrash, OOM, pause, reload. */
static void a_replay_decides_what_was_decided_live(void **state)
{
	(void)state;
	struct agent_line line;
	static const char *const all[] = {NULL};
	static const char *const switches[] = {"\"action\":\"switch\"", NULL};

	open_recorded("stabilization = 2s\nstabilization_min = 2s");
	agent_control(&scene.agent, "hello tier=large\n");
	pid_t hog = scene_start_hog(&scene, "hog", 140 * MIB);

	need_switch(" mode=immediate ", &line);
	answer("loading", &line);
	answer("done", &line);
	workload_stop(hog);
	need_switch(" to=large ", &line);
	answer("failed", &line);
	scene_start_thrash(&scene, "thrash", 300 * MIB, 4);
	need_switch("", &line);
	answer("draining", &line);
	assert_int_equal(agent_tierctl(&scene.agent, "pause", output, sizeof(output)), 0);
	test_sleep_ns(NS_PER_S);
	assert_int_equal(agent_tierctl(&scene.agent, "reload", output, sizeof(output)), 0);
	assert_int_equal(agent_tierctl(&scene.agent, "resume", output, sizeof(output)), 0);
	/* Over the limit of the group: the kernel kills. */
	scene_start_hog(&scene, "glutton", 400 * MIB);
	need_oom_kill();
	test_sleep_ns(NS_PER_S);
	agent_stop(&scene.agent, SIGTERM);

	assert_replays_as_live();
	assert_true(agent_count_decisions(&scene.agent, switches) >= 3);
	print_message("    %u decisions, %u switches\n", agent_count_decisions(&scene.agent, all),
		      agent_count_decisions(&scene.agent, switches));
	assert_int_equal(info_number("events", "config"), 2);
	assert_int_equal(info_number("events", "source"), 1);
	assert_true(info_number("events", "process") > 50);
	assert_true(info_number("events", "window") > 20);
	assert_true(info_number("events", "sample") > 10);
	assert_true(info_number("events", "command") >= 7);
	assert_true(info_number("events", "oom") >= 1);
	assert_int_equal(info_number("dropped", "slow"), 0);
}

/* What was recorded before an agent is killed replays, too. */
static void a_killed_agent_leaves_a_trace(void **state)
{
	(void)state;
	struct agent_line line;

	open_recorded("stabilization = 60s");
	scene_start_hog(&scene, "hog", 140 * MIB);
	need_switch(" mode=immediate ", &line);
	test_sleep_ns(5 * NS_PER_S);
	kill(scene.agent.pid, SIGKILL);
	test_sleep_ns(500 * NS_PER_MS);
	snprintf(output, sizeof(output), "replay %s/trace", dir);
	assert_int_equal(agent_tierctl(&scene.agent, output, output, sizeof(output)), 0);
	assert_non_null(strstr(output, "\"action\":\"switch\""));
	assert_non_null(strstr(output, "no end mark"));
}

static void a_recording_on_request_is_where_the_agent_says(void **state)
{
	(void)state;
	struct stat info;
	char path[128];

	open_recorded("stabilization = 60s");
	tierctl("record mine", "", 1);
	assert_non_null(strstr(output, "already recording"));
	tierctl("record --stop", "", 0);
	test_sleep_ns(2500 * NS_PER_MS);
	tierctl("record mine", "", 0);
	snprintf(path, sizeof(path), "%s/asked/mine", dir);
	assert_non_null(strstr(output, path));
	tierctl("status", "", 0);
	assert_non_null(strstr(output, path));
	test_sleep_ns(2 * NS_PER_S);
	tierctl("record --stop", "", 0);
	test_sleep_ns(2500 * NS_PER_MS);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	tierctl("trace info %s", path, 0);
	assert_non_null(strstr(output, "while the agent was running"));
	tierctl("replay %s", path, 0);
	assert_non_null(strstr(output, "\"action\":\"start\""));
	tierctl("record mine", "", 1);
	assert_non_null(strstr(output, "recording of that name"));
	agent_stop(&scene.agent, SIGTERM);
}

/* Makes processes come and go, so that there is something to record, until the disk is full. */
static bool is_recording_failing(uint64_t timeout_ns)
{
	bool is_failing = false;

	for (uint64_t end_ns = test_now_ns() + timeout_ns; !is_failing && test_now_ns() < end_ns;) {
		for (int i = 0; i < 10; i++)
			workload_stop(scene_start_hog(&scene, "brief", 8 * MIB));
		json_t *status = agent_read_status(&scene.agent);
		const json_t *record = json_object_get(status, "recording");

		is_failing = json_is_true(json_object_get(record, "failing")) &&
			     json_integer_value(json_object_get(record, "dropped_disk")) > 0;
		json_decref(status);
	}
	return is_failing;
}

/* The disk is full after a few seconds. The agent goes on, and tells. */
static void a_full_disk_stops_the_recording_only(void **state)
{
	(void)state;
	struct agent_line line;
	size_t len;

	assert_int_equal(mount("tierd-test", dir, "tmpfs", MS_NODEV | MS_NOSUID, "size=16k"), 0);
	is_mounted = true;
	open_recorded("stabilization = 60s");
	assert_true(is_recording_failing(60 * NS_PER_S));
	scene_start_hog(&scene, "hog", 140 * MIB);
	need_switch(" mode=immediate ", &line);
	agent_stop(&scene.agent, SIGTERM);
	_cleanup_free_ char *log = read_file(scene.agent.log, &len);

	log[len] = '\0';
	assert_non_null(strstr(log, "events dropped so far: the disk was full or failed"));
	assert_non_null(strstr(log, "ends incomplete"));
	/* Everything before is there. */
	tierctl("trace info %s/trace", dir, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_replay_decides_what_was_decided_live, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_killed_agent_leaves_a_trace, setup, teardown),
		cmocka_unit_test_setup_teardown(a_recording_on_request_is_where_the_agent_says,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_disk_stops_the_recording_only, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
