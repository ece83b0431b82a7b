// SPDX-License-Identifier: BSD-2-Clause
/*
 * Managers of a real agent: one that uses the client library, and the example in shell. Both are
 * told to step down under real pressure, and are believed when they say that they have.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/client.h"
#include "client/send.h"
#include "collector.h"
#include "scene.h"

enum {
	WAIT_MS = 20000,
};

static struct scene scene;
static struct tierd_client *client;
static struct tierd_client_event event;
static pid_t child;

static int teardown(void **state)
{
	(void)state;
	tierd_client_close(client);
	client = NULL;
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	child = 0;
	scene_close(&scene);
	return 0;
}

/* The next event of that kind, and of that verb if it is a line. */
static void need(enum tierd_client_event_kind kind, uint32_t verb)
{
	uint64_t end_ns = client_now_ns() + WAIT_MS * NS_PER_MS;

	for (;;) {
		struct pollfd fd = {.fd = tierd_client_get_fd(client), .events = POLLIN};
		int r = tierd_client_next(client, &event);
		uint64_t left_ms = units_minus(end_ns, client_now_ns()) / NS_PER_MS;

		if (r < 0 || left_ms == 0)
			fail_msg("no event %u: %s", kind, tierd_explain(r));
		if (r == 1 && event.kind == TIERD_CLIENT_BAD_LINE)
			fail_msg("%s: %s", event.text, event.error);
		if (r == 1 && event.kind == kind &&
		    (kind != TIERD_CLIENT_LINE || event.line.verb == verb))
			return;
		if (r == 0)
			poll(&fd, 1, (int)left_ms);
	}
}

static void need_actual(const char *tier)
{
	char said[64] = "";

	for (int i = 0; i < 100 && strcmp(said, tier) != 0; i++) {
		json_t *status = agent_read_status(&scene.agent);
		const char *actual = "";

		assert_int_equal(json_unpack(status, "{s:s}", "actual", &actual), 0);
		snprintf(said, sizeof(said), "%s", actual);
		json_decref(status);
		test_sleep_ns(100 * NS_PER_MS);
	}
	assert_string_equal(said, tier);
}

/* The reader that scene_open() leaves is ours from here on. */
static void open_client(void)
{
	signal(SIGPIPE, SIG_IGN);
	agent_close_reader(&scene.agent);
	assert_int_equal(tierd_client_open(scene.agent.run_dir, &client), 0);
	need(TIERD_CLIENT_CONNECTED, 0);
}

static void manager_with_the_library_steps_down(void **state)
{
	(void)state;
	scene_open(&scene, "", "stabilization = 60s");
	open_client();
	need(TIERD_CLIENT_LINE, MANAGER_STATE);
	assert_string_equal(event.line.to, "large");
	assert_int_equal(event.line.version, PROTOCOL_VERSION);
	assert_int_equal(tierd_client_hello(client, "large", (uint32_t)scene.model), 0);
	need_actual("large");
	scene_start_hog(&scene, "hog", 140 * MIB);
	need(TIERD_CLIENT_LINE, MANAGER_SWITCH);
	assert_string_equal(event.line.from, "large");
	assert_string_equal(event.line.to, "medium");
	assert_string_equal(event.line.culprit_comm, "hog");
	uint64_t seq = event.line.seq;

	need(TIERD_CLIENT_LINE, MANAGER_NOTIFY);
	assert_non_null(strstr(event.line.text, "medium"));
	/* What is for another order, and what comes late or twice, changes nothing. */
	assert_int_equal(tierd_client_ack(client, seq + 1, ACK_DONE), 0);
	assert_int_equal(tierd_client_ack(client, 0, ACK_DONE), 0);
	assert_int_equal(tierd_client_ack(client, seq, ACK_LOADING), 0);
	test_sleep_ns(300 * NS_PER_MS);
	need_actual("large");
	assert_int_equal(tierd_client_ack(client, seq, ACK_DONE), 0);
	need_actual("medium");
	assert_int_equal(tierd_client_ack(client, seq, ACK_DONE), 0);
	assert_int_equal(tierd_client_ack(client, seq, ACK_DRAINING), 0);
	assert_int_equal(tierd_client_ack(client, seq - 1, ACK_FAILED), 0);
	test_sleep_ns(300 * NS_PER_MS);
	need_actual("medium");
	agent_stop(&scene.agent, SIGTERM);
	need(TIERD_CLIENT_DISCONNECTED, 0);
}

static void example_in_shell_steps_down(void **state)
{
	(void)state;
	char loader[256], seen[256], text[128] = "";

	scene_open(&scene, "", "stabilization = 60s");
	agent_close_reader(&scene.agent);
	snprintf(loader, sizeof(loader), "%s/loader", scene.agent.dir);
	snprintf(seen, sizeof(seen), "%s/seen", scene.agent.dir);
	int fd = open(loader, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);

	assert_true(dprintf(fd, "#!/bin/sh\necho \"$*\" >>%s\n", seen) > 0);
	close(fd);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("user/client/example-manager.sh", "example-manager.sh", scene.agent.run_dir,
		      "large", loader, (char *)NULL);
		_exit(127);
	}
	need_actual("large");
	scene_start_hog(&scene, "hog", 140 * MIB);
	need_actual("medium");
	FILE *file = fopen(seen, "re");

	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	/* The host decides which: on a busy one there is stall besides. */
	if (strcmp(text, "medium immediate 0\n") != 0)
		assert_string_equal(text, "medium planned 1000\n");
	/* There is one reader only. */
	assert_int_equal(tierd_client_open(scene.agent.run_dir, &client), 0);
	assert_int_equal(tierd_client_next(client, &event), -EBUSY);
	/* It ends with the agent. */
	agent_stop(&scene.agent, SIGTERM);
	int status = -1;

	for (int i = 0; i < 100 && waitpid(child, &status, WNOHANG) == 0; i++)
		test_sleep_ns(100 * NS_PER_MS);
	child = 0;
	assert_int_equal(status, 0);
	unlink(loader);
	unlink(seen);
}

/* Owner, group and mode of everything in the run directory, as the manual page says. */
static void files_have_their_owners_and_modes(void **state)
{
	static const struct {
		const char *name;
		mode_t mode;
		mode_t mode_alone;
	} FILES[] = {
		{"control.fifo", S_IFIFO | 0620, S_IFIFO | 0600},
		{"manager.fifo", S_IFIFO | 0640, S_IFIFO | 0600},
		{"manager.fifo.lock", S_IFREG | 0640, S_IFREG | 0600},
		{"replies", S_IFDIR | 01730, S_IFDIR | 0700},
	};
	const struct group *group = getgrnam("tierd");

	(void)state;
	scene_open(&scene, "", "stabilization = 60s");
	for (size_t i = 0; i < ARRAY_SIZE(FILES); i++) {
		char path[256];
		struct stat info;

		snprintf(path, sizeof(path), "%s/%s", scene.agent.run_dir, FILES[i].name);
		assert_int_equal(lstat(path, &info), 0);
		assert_int_equal(info.st_uid, 0);
		assert_int_equal(info.st_gid, group ? group->gr_gid : 0);
		assert_int_equal(info.st_mode, group ? FILES[i].mode : FILES[i].mode_alone);
	}
	agent_stop(&scene.agent, SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(manager_with_the_library_steps_down, teardown),
		cmocka_unit_test_teardown(example_in_shell_steps_down, teardown),
		cmocka_unit_test_teardown(files_have_their_owners_and_modes, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
