/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A manager that uses the client library, and the agent's ends of both FIFOs, which the test holds:
 * real FIFOs in a directory that goes away.
 */
#ifndef TIERD_TESTS_CLIENT_RIG_H
#define TIERD_TESTS_CLIENT_RIG_H

#include "file_tree.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "base/units.h"
#include "client/client.h"
#include "client/send.h"

#define RIG_FUNCTION __attribute__((unused)) static

enum {
	RIG_WAIT_MS = 10000,
};

struct client_rig {
	struct file_tree tree;
	char run_dir[PATH_MAX];
	struct tierd_client *client;
	struct tierd_client_event event; /* the last one */
	int control_fd;                  /* the agent's ends; -1 = no agent */
	int manager_fd;
};

RIG_FUNCTION const char *rig_path(const struct client_rig *rig, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "run/%s", name);
	return file_tree_path(&rig->tree, path);
}

RIG_FUNCTION void rig_make_run_dir(const struct client_rig *rig)
{
	assert_int_equal(mkdir(rig->run_dir, 0700), 0);
	file_tree_write(&rig->tree, "run/" PROTOCOL_MANAGER_LOCK, "");
}

RIG_FUNCTION int rig_setup(void **state)
{
	struct client_rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	signal(SIGPIPE, SIG_IGN);
	file_tree_create(&rig->tree);
	(void)snprintf(rig->run_dir, sizeof(rig->run_dir), "%s", file_tree_path(&rig->tree, "run"));
	rig->control_fd = -1;
	rig->manager_fd = -1;
	assert_int_equal(tierd_client_open(rig->run_dir, &rig->client), 0);
	*state = rig;
	return 0;
}

RIG_FUNCTION int rig_teardown(void **state)
{
	struct client_rig *rig = *state;

	tierd_client_close(rig->client);
	if (rig->control_fd >= 0)
		close(rig->control_fd);
	if (rig->manager_fd >= 0)
		close(rig->manager_fd);
	file_tree_remove(&rig->tree);
	free(rig);
	return 0;
}

/* Waits on the descriptor, as a program would, until there is an event or a result other than 0;
 * 0 after timeout_ms. */
RIG_FUNCTION int rig_next_within(struct client_rig *rig, int timeout_ms)
{
	uint64_t end_ns = client_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;

	for (;;) {
		struct pollfd fd = {.fd = tierd_client_get_fd(rig->client), .events = POLLIN};
		int r = tierd_client_next(rig->client, &rig->event);
		uint64_t left_ms = units_minus(end_ns, client_now_ns()) / NS_PER_MS;

		if (r != 0 || left_ms == 0)
			return r;
		assert_true(poll(&fd, 1, (int)left_ms) >= 0);
	}
}

RIG_FUNCTION void rig_need(struct client_rig *rig, enum tierd_client_event_kind kind)
{
	int r = rig_next_within(rig, RIG_WAIT_MS);

	if (r != 1 || rig->event.kind != kind)
		fail_msg("result %d, event %u, not %u", r, rig->event.kind, kind);
}

/* The next event is this line of the agent. */
RIG_FUNCTION void rig_need_line(struct client_rig *rig, const char *text)
{
	rig_need(rig, TIERD_CLIENT_LINE);
	assert_string_equal(rig->event.text, text);
}

RIG_FUNCTION int rig_open_end(const struct client_rig *rig, const char *name)
{
	int fd = open(rig_path(rig, name), O_RDWR | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* FIFOs that are there already are taken over, as the agent does after one that was killed. */
RIG_FUNCTION void rig_start_agent(struct client_rig *rig)
{
	static const char *const NAMES[] = {PROTOCOL_MANAGER_FIFO, PROTOCOL_CONTROL_FIFO};

	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++)
		assert_true(mkfifo(rig_path(rig, NAMES[i]), 0600) == 0 || errno == EEXIST);
	/* O_RDWR so that it does not wait for the reader; a reader sees an end all the same when
	 * this is closed. */
	rig->manager_fd = rig_open_end(rig, PROTOCOL_MANAGER_FIFO);
	rig->control_fd = rig_open_end(rig, PROTOCOL_CONTROL_FIFO);
}

RIG_FUNCTION void rig_kill_agent(struct client_rig *rig)
{
	close(rig->manager_fd);
	close(rig->control_fd);
	rig->manager_fd = -1;
	rig->control_fd = -1;
}

RIG_FUNCTION void rig_stop_agent(struct client_rig *rig)
{
	file_tree_unlink(&rig->tree, "run/" PROTOCOL_MANAGER_FIFO);
	file_tree_unlink(&rig->tree, "run/" PROTOCOL_CONTROL_FIFO);
	rig_kill_agent(rig);
}

RIG_FUNCTION void rig_say_bytes(const struct client_rig *rig, const char *bytes, size_t len)
{
	assert_int_equal(write(rig->manager_fd, bytes, len), len);
}

RIG_FUNCTION void rig_say(const struct client_rig *rig, const char *text)
{
	rig_say_bytes(rig, text, strlen(text));
}

/* What the manager said to the agent. */
RIG_FUNCTION void rig_need_said(const struct client_rig *rig, const char *text)
{
	char said[PROTOCOL_LINE_MAX + 1] = "";
	ssize_t len = read(rig->control_fd, said, sizeof(said) - 1);

	/* Behind a newline, in case that another writer left half a line. */
	assert_true(len > 1);
	assert_int_equal(said[0], '\n');
	assert_string_equal(said + 1, text);
}

#endif
