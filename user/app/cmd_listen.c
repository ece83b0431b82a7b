/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tierctl listen: the built-in listener. Prints what the agent tells the manager, with what it
 * means, and never answers. It is the one reader of manager.fifo while it runs (the lock), waits
 * for an agent, and stays when the agent is restarted: then the FIFO's last writer is gone, or its
 * name leads to another one, and everything is opened anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "base/utf8.h"
#include "control_client.h"
#include "io/manager_fifo.h"
#include "listen_explain.h"
#include "tierctl.h"
#include "tierd/protocol.h"

enum {
	CHECK_MS = 500, /* between two looks for the agent, or at the FIFO's name */
	EXPLANATION_LEN = 512,
};

struct listener {
	const char *run_dir;
	int signal_fd;
	int dir_fd;
	int lock_fd;
	int fifo_fd;
	bool has_said_waiting;
	bool is_overlong; /* the rest of an overlong line is thrown away */
	size_t len;
	char line[PROTOCOL_LINE_MAX];
};

static void close_one(int *fd)
{
	cleanup_close(fd);
	*fd = -1;
}

/* Everything that belongs to one run of the agent; half a line is of no use to anybody. */
static void disconnect(struct listener *listener)
{
	close_one(&listener->fifo_fd);
	close_one(&listener->lock_fd);
	close_one(&listener->dir_fd);
	listener->len = 0;
	listener->is_overlong = false;
}

static int try_connect(struct listener *listener)
{
	struct stat status;

	listener->dir_fd = open(listener->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (listener->dir_fd < 0)
		return -errno;
	listener->lock_fd = manager_fifo_lock_reader(listener->dir_fd);
	if (listener->lock_fd < 0)
		return listener->lock_fd;
	listener->fifo_fd = openat(listener->dir_fd, PROTOCOL_MANAGER_FIFO,
				   O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (listener->fifo_fd < 0)
		return -errno;
	if (fstat(listener->fifo_fd, &status) < 0)
		return -errno;
	return S_ISFIFO(status.st_mode) ? 0 : -EPROTO;
}

static int connect_agent(struct listener *listener)
{
	int r = try_connect(listener);

	if (r == 0) {
		fprintf(stderr, "tierctl: listening in %s\n", listener->run_dir);
		listener->has_said_waiting = false;
		return 0;
	}
	disconnect(listener);
	if (r != -ENOENT && r != -ENXIO)
		return r;
	if (!listener->has_said_waiting)
		fprintf(stderr, "tierctl: waiting for an agent in %s\n", listener->run_dir);
	listener->has_said_waiting = true;
	return -EAGAIN;
}

/* Whether the name still leads to the FIFO that is open. */
static bool is_current(const struct listener *listener)
{
	char path[PATH_MAX];
	struct stat named;
	struct stat opened;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", listener->run_dir,
			     PROTOCOL_MANAGER_FIFO) >= sizeof(path))
		return false;
	return lstat(path, &named) == 0 && fstat(listener->fifo_fd, &opened) == 0 &&
	       named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

static void print_line(char *line, size_t len)
{
	char explanation[EXPLANATION_LEN];

	utf8_scrub(line, len);
	printf("%s\n", line);
	if (listen_explain(line, explanation, sizeof(explanation)) > 0)
		printf("  => %s\n", explanation);
	fflush(stdout);
}

static void take_bytes(struct listener *listener, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] == '\n') {
			listener->line[listener->len] = '\0';
			if (!listener->is_overlong)
				print_line(listener->line, listener->len);
			listener->len = 0;
			listener->is_overlong = false;
		} else if (listener->len + 1 < sizeof(listener->line)) {
			listener->line[listener->len++] = bytes[i];
		} else {
			listener->is_overlong = true;
		}
	}
}

/* Reads what is there. 0; -EPIPE when the agent is gone, or another negative errno. */
static int read_lines(struct listener *listener)
{
	char bytes[PROTOCOL_LINE_MAX];
	ssize_t count = read(listener->fifo_fd, bytes, sizeof(bytes));

	if (count < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (count == 0)
		return -EPIPE;
	take_bytes(listener, bytes, (size_t)count);
	return ferror(stdout) ? -EIO : 0;
}

/* One wait and what comes of it. 1 to end, 0 to go on, or a negative errno. */
static int step(struct listener *listener)
{
	struct pollfd fds[] = {
		{.fd = listener->signal_fd, .events = POLLIN},
		{.fd = listener->fifo_fd, .events = POLLIN}, /* ignored while it is -1 */
	};
	int r = poll(fds, ARRAY_SIZE(fds), CHECK_MS);

	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[0].revents)
		return 1;
	if (listener->fifo_fd < 0) {
		r = connect_agent(listener);
		return r == -EAGAIN ? 0 : r;
	}
	r = fds[1].revents ? read_lines(listener) : 0;
	if (r == -EPIPE || (r == 0 && !fds[1].revents && !is_current(listener))) {
		fprintf(stderr, "tierctl: the agent is gone\n");
		disconnect(listener);
		return 0;
	}
	return r;
}

static int listen_until_signal(struct listener *listener)
{
	int r = connect_agent(listener);

	if (r == -EAGAIN)
		r = 0;
	while (r == 0)
		r = step(listener);
	disconnect(listener);
	return r;
}

static int run(const struct tierctl *tierctl)
{
	struct listener listener = {
		.run_dir = tierctl->run_dir, .dir_fd = -1, .lock_fd = -1, .fifo_fd = -1};
	_cleanup_close_ int signal_fd = -1;
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		return tierctl_complain(tierctl, -errno);
	listener.signal_fd = signal_fd;
	int r = listen_until_signal(&listener);
	if (r == -EBUSY) {
		fprintf(stderr, "tierctl: %s: there is a reader already\n", tierctl->run_dir);
		return TIERCTL_NO;
	}
	if (r == -EIO)
		return TIERCTL_NO;
	return r < 0 ? tierctl_complain(tierctl, r) : TIERCTL_OK;
}

const struct tierctl_command TIERCTL_LISTEN = {
	.name = "listen",
	.help = "Print what the agent tells the manager, explained; never answers.",
	.run = run,
};
