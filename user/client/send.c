/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines into control.fifo, and what that needs. */
#include "client/send.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "client/client.h"

uint64_t client_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

int client_wait(int fd, short events, uint64_t deadline_ns, int signal_fd, int output_fd)
{
	struct pollfd fds[] = {
		{.fd = fd, .events = events},
		{.fd = signal_fd, .events = POLLIN},
		{.fd = output_fd}, /* whether it is broken is always said */
	};

	for (;;) {
		uint64_t left_ms = units_minus(deadline_ns, client_now_ns()) / NS_PER_MS;
		int r = poll(fds, ARRAY_SIZE(fds), (int)units_min(left_ms, INT_MAX));

		if ((r < 0 && errno == EINTR) || (r == 0 && left_ms > INT_MAX))
			continue;
		if (r < 0)
			return -errno;
		if (fds[1].revents)
			return -EINTR;
		if (fds[2].revents && !fds[0].revents)
			return -ECANCELED;
		return r == 0 ? -ETIMEDOUT : 0;
	}
}

int client_open_fifo(int dir_fd, const char *name, int flags)
{
	_cleanup_close_ int fd =
		openat(dir_fd, name, flags | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	struct stat status;

	if (fd < 0)
		return errno == ELOOP ? -EPROTO : -errno;
	if (fstat(fd, &status) < 0)
		return -errno;
	return S_ISFIFO(status.st_mode) ? TAKE_FD(fd) : -EPROTO;
}

int client_send_line(int dir_fd, const struct control_line *line, uint64_t deadline_ns,
		     int signal_fd)
{
	char text[PROTOCOL_LINE_MAX + 1] = "\n";
	int len = protocol_format_control_line(line, text + 1, PROTOCOL_LINE_MAX);

	if (len < 0)
		return len;
	len++;
	_cleanup_close_ int fd = client_open_fifo(dir_fd, PROTOCOL_CONTROL_FIFO, O_WRONLY);
	int r = fd < 0 ? fd : 0;

	while (r == 0) {
		ssize_t written = write(fd, text, (size_t)len);

		if (written >= 0)
			return written == len ? 0 : -EPROTO;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = client_wait(fd, POLLOUT, deadline_ns, signal_fd, -1);
	}
	return r == -ETIMEDOUT ? -EAGAIN : r;
}

int tierd_send(const char *run_dir, const struct control_line *line, int timeout_ms)
{
	uint64_t deadline_ns = client_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	_cleanup_close_ int dir_fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir_fd < 0 ? -errno : client_send_line(dir_fd, line, deadline_ns, -1);
}

const char *tierd_explain(int result)
{
	switch (result) {
	case -ENXIO:
	case -ENOENT:
	case -ENOTDIR:
		return "no agent is running there";
	case -EACCES:
	case -EPERM:
		return "no permission (root and the group of the FIFOs have it)";
	case -EBUSY:
		return "there is a reader already";
	case -ETIMEDOUT:
		return "the agent did not answer in time";
	case -EAGAIN:
		return "the agent does not read its control FIFO";
	case -EPIPE:
		return "the agent went away";
	case -EPROTO:
		return "the answer broke off or is none";
	case -EINVAL:
		return "no line of the protocol can say that";
	default:
		return strerror(-result);
	}
}
