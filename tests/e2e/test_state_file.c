// SPDX-License-Identifier: BSD-2-Clause
/* State files that cannot be used, are not wanted, or cannot be written: the agent lives with it.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "collector.h"
#include "io/state_file.h"
#include "restart.h"

static char text[RESTART_TEXT_LEN];

/* ---- files that cannot be used -----------------------------------------------------------------
 */

static void damaged_file_is_set_aside(void **state)
{
	(void)state;
	struct agent_line line;

	restart_open_scene(NULL);
	restart_step_down();
	agent_stop(&restart_scene.agent, SIGTERM);
	_cleanup_close_ int fd = open(restart_scene.agent.state, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, "#", 1, 200), 1);
	agent_restart(&restart_scene.agent, NULL);
	agent_need_match(&restart_scene.agent, "state ", "wanted=large", RESTART_LINE_NS, &line);
	restart_need_in_log("its checksum is wrong; set aside as state.bad");
	assert_true(restart_file_exists(restart_scene.agent.state, ".bad"));
	restart_need_in_state_file("\"wanted\":\"large\"");
	agent_stop(&restart_scene.agent, SIGTERM);
}

static void of_another_boot_the_tier_is_kept(void **state)
{
	(void)state;
	struct agent_line line;
	char error[128];
	int dir_fd;

	restart_open_scene(NULL);
	restart_step_down();
	agent_stop(&restart_scene.agent, SIGTERM);
	dir_fd = open(restart_scene.agent.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(state_file_read(dir_fd, "state", text, error, sizeof(error)) > 0);
	char *boot_id = strstr(text, "\"boot_id\":\"");

	assert_non_null(boot_id);
	memset(boot_id + strlen("\"boot_id\":\""), 'f', 8);
	assert_int_equal(state_file_write(dir_fd, "state", text, strlen(text), true), 0);
	close(dir_fd);
	agent_restart(&restart_scene.agent, NULL);
	agent_need_match(&restart_scene.agent, "state ", "wanted=medium actual=?", RESTART_LINE_NS,
			 &line);
	restart_need_in_log("of another boot: tier medium");
	agent_stop(&restart_scene.agent, SIGTERM);
}

static void what_is_no_state_file_is_left_alone(void **state)
{
	(void)state;
	struct agent_line line;

	restart_open_scene(NULL);
	agent_stop(&restart_scene.agent, SIGTERM);
	FILE *file = fopen(restart_scene.agent.state, "we");

	assert_non_null(file);
	fputs("precious\n", file);
	fclose(file);
	agent_restart(&restart_scene.agent, NULL);
	agent_need_match(&restart_scene.agent, "state ", "wanted=large", RESTART_LINE_NS, &line);
	restart_need_in_log("it is not a state file of tierd; it is left alone");
	json_t *status = agent_read_status(&restart_scene.agent);

	assert_true(json_is_null(json_object_get(status, "state")));
	json_decref(status);
	agent_stop(&restart_scene.agent, SIGTERM);
	assert_string_equal(restart_read_file(restart_scene.agent.state), "precious\n");
}

static void two_agents_do_not_share_a_file(void **state)
{
	(void)state;
	struct agent_process other = {.manager_fd = -1};
	const char *const extra[] = {"--state-file", restart_scene.agent.state, NULL};
	struct agent_line line;

	restart_open_scene(NULL);
	agent_start(&other, "[policy]\nwarmup = 0\n[tier only]\nmemory = 1M\n", extra);
	agent_need_match(&other, "state ", "wanted=only", RESTART_LINE_NS, &line);
	bool is_said = strstr(restart_read_file(other.log), "another agent does");

	agent_stop(&other, SIGTERM);
	agent_discard(&other);
	assert_true(is_said);
	agent_stop(&restart_scene.agent, SIGTERM);
	restart_need_in_state_file("\"wanted\":\"large\"");
}

/* ---- the process that a manager has named ------------------------------------------------------
 */

static void need_model_processes(json_int_t count)
{
	for (int i = 0;
	     agent_status_number(&restart_scene.agent, "system", "model_processes") != count; i++) {
		if (i == 100)
			fail_msg("the model is not %lld processes", (long long)count);
		test_sleep_ns(100 * NS_PER_MS);
	}
}

/* Of the same pid, but another process: in the file, another start time. */
static void change_start_time(void)
{
	static const char key[] = "\"hello_start_ticks\":";
	char error[128];
	int dir_fd = open(restart_scene.agent.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(state_file_read(dir_fd, "state", text, error, sizeof(error)) > 0);
	char *ticks = strstr(text, key);

	assert_non_null(ticks);
	ticks += strlen(key);
	assert_in_range(*ticks, '1', '9');
	*ticks = *ticks == '1' ? '2' : '1';
	assert_int_equal(state_file_write(dir_fd, "state", text, strlen(text), true), 0);
	close(dir_fd);
}

/* It is not in the model's group; nobody says hello again. */
static void named_process_stays_the_models_while_it_is_the_same(void **state)
{
	(void)state;
	struct agent_line line;
	char hello[64];
	pid_t named;

	restart_open_scene(NULL);
	named = scene_start_hog(&restart_scene, "named", MIB);
	json_int_t before = agent_status_number(&restart_scene.agent, "system", "model_processes");

	snprintf(hello, sizeof(hello), "hello tier=large pid=%d\n", (int)named);
	agent_control(&restart_scene.agent, hello);
	need_model_processes(before + 1);
	agent_kill(&restart_scene.agent);
	agent_restart(&restart_scene.agent, NULL);
	agent_need_match(&restart_scene.agent, "state ", "wanted=large", RESTART_LINE_NS, &line);
	restart_need_in_log("which a manager has named, still is the model's");
	assert_int_equal(agent_status_number(&restart_scene.agent, "system", "model_processes"),
			 before + 1);
	agent_stop(&restart_scene.agent, SIGTERM);
	change_start_time();
	agent_restart(&restart_scene.agent, NULL);
	agent_need_match(&restart_scene.agent, "state ", "wanted=large", RESTART_LINE_NS, &line);
	restart_need_in_log("which a manager has named, is there no more");
	assert_int_equal(agent_status_number(&restart_scene.agent, "system", "model_processes"),
			 before);
	agent_stop(&restart_scene.agent, SIGTERM);
}

/* ---- options and status ------------------------------------------------------------------------
 */

static void state_file_says_where_and_empty_is_nowhere(void **state)
{
	(void)state;
	static const char *const nowhere[] = {"--state-file=", NULL};
	static const char *const dry_run[] = {"--dry-run", NULL};

	restart_open_scene(NULL);
	restart_need_in_state_file("\"wanted\":\"large\"");
	json_t *status = agent_read_status(&restart_scene.agent);
	json_t *kept = json_object_get(status, "state");

	assert_string_equal(json_string_value(json_object_get(kept, "path")),
			    restart_scene.agent.state);
	assert_true(json_integer_value(json_object_get(kept, "saved")) > 0);
	assert_true(json_is_integer(json_object_get(kept, "age_ms")));
	assert_true(json_is_null(json_object_get(kept, "error")));
	json_decref(status);
	assert_int_equal(agent_tierctl(&restart_scene.agent, "status", text, sizeof(text)), 0);
	assert_non_null(strstr(text, "state file  "));
	agent_stop(&restart_scene.agent, SIGTERM);

	assert_int_equal(unlink(restart_scene.agent.state), 0);
	agent_restart(&restart_scene.agent, nowhere);
	test_sleep_ns(2 * NS_PER_S);
	assert_false(restart_file_exists(restart_scene.agent.run_dir, "/kept"));
	agent_stop(&restart_scene.agent, SIGTERM);
	assert_false(restart_file_exists(restart_scene.agent.state, ""));

	agent_restart(&restart_scene.agent, dry_run);
	test_sleep_ns(2 * NS_PER_S);
	agent_stop(&restart_scene.agent, SIGTERM);
	assert_false(restart_file_exists(restart_scene.agent.state, ""));
}

/* The directory is on a disk that is full: the agent says so once, and lives. */
static void full_disk_is_told_and_lived_with(void **state)
{
	(void)state;
	static const char full[] = "/tmp/tierd-e2e-full";
	const char *const extra[] = {"--state-file=/tmp/tierd-e2e-full/state", NULL};
	char command[512];

	snprintf(command, sizeof(command),
		 "mkdir -p %s && mount -t tmpfs -o size=64k,mode=700 tierd-e2e %s && "
		 "{ head -c 1M /dev/zero >%s/fill 2>/dev/null; true; }",
		 full, full, full);
	assert_int_equal(system(command), 0);
	restart_open_scene(extra);
	restart_need_in_log("cannot be written: No space left on device");
	json_t *status = agent_read_status(&restart_scene.agent);
	json_t *kept = json_object_get(status, "state");
	bool is_failing = json_is_string(json_object_get(kept, "error")) &&
			  json_integer_value(json_object_get(kept, "failed")) > 0;

	json_decref(status);
	snprintf(command, sizeof(command), "rm %s/fill", full);
	bool is_freed = system(command) == 0;

	restart_need_in_log("is written again");
	agent_stop(&restart_scene.agent, SIGTERM);
	snprintf(command, sizeof(command),
		 "grep -q wanted %s/state; s=$?; umount %s; rmdir %s; exit $s", full, full, full);
	assert_int_equal(system(command), 0);
	assert_true(is_failing);
	assert_true(is_freed);
}

#define TEST(function) cmocka_unit_test_teardown(function, restart_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(damaged_file_is_set_aside),
		TEST(of_another_boot_the_tier_is_kept),
		TEST(what_is_no_state_file_is_left_alone),
		TEST(two_agents_do_not_share_a_file),
		TEST(named_process_stays_the_models_while_it_is_the_same),
		TEST(state_file_says_where_and_empty_is_nowhere),
		TEST(full_disk_is_told_and_lived_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
