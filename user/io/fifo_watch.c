/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inotify on a run directory. The directory's watch does not report opens, so that whoever writes
 * to control.fifo does not wake the agent twice; opens are watched on the one FIFO that matters.
 */
#include "io/fifo_watch.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"

enum {
	READS_MAX = 16, /* per call: the loop comes back for the rest */
	BUFFER_SIZE = 4096,
	PATH_SIZE = sizeof("/proc/self/fd/") + 3 * sizeof(int),
};

static int add_watch(int fd, int target_fd, uint32_t mask)
{
	char path[PATH_SIZE];
	int watch;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", target_fd);
	watch = inotify_add_watch(fd, path, mask);
	return watch < 0 ? -errno : watch;
}

int fifo_watch_open(int dir_fd, struct fifo_watch *ret_watch)
{
	_cleanup_close_ int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int watch;

	if (fd < 0)
		return -errno;
	watch = add_watch(fd, dir_fd,
			  IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR);
	if (watch < 0)
		return watch;
	*ret_watch = (struct fifo_watch){.fd = TAKE_FD(fd), .fifo = -1};
	return 0;
}

void fifo_watch_close(struct fifo_watch *watch)
{
	if (watch->fd >= 0)
		close(watch->fd);
	*watch = FIFO_WATCH_CLOSED;
}

int fifo_watch_set_fifo(struct fifo_watch *watch, int fifo_fd)
{
	int added = add_watch(watch->fd, fifo_fd, IN_OPEN);

	if (added < 0)
		return added;
	/* The same inode gives the same watch again. */
	if (watch->fifo >= 0 && watch->fifo != added)
		inotify_rm_watch(watch->fd, watch->fifo);
	watch->fifo = added;
	return 0;
}

static uint32_t classify(const struct fifo_watch *watch, const struct inotify_event *event,
			 const char *name)
{
	if (event->mask & IN_Q_OVERFLOW)
		return FIFO_WATCH_OPENED | FIFO_WATCH_MOVED;
	if (event->mask & IN_OPEN)
		return event->wd == watch->fifo ? FIFO_WATCH_OPENED : 0;
	return event->len > 0 && strcmp(event->name, name) == 0 ? FIFO_WATCH_MOVED : 0;
}

uint32_t fifo_watch_read(const struct fifo_watch *watch, const char *name)
{
	alignas(struct inotify_event) char buffer[BUFFER_SIZE];
	uint32_t happened = 0;

	for (int i = 0; i < READS_MAX && watch->fd >= 0; i++) {
		ssize_t got = read(watch->fd, buffer, sizeof(buffer));
		const struct inotify_event *event;

		if (got <= 0)
			break;
		for (ssize_t at = 0; at < got; at += (ssize_t)(sizeof(*event) + event->len)) {
			event = (const struct inotify_event *)(buffer + at);
			happened |= classify(watch, event, name);
		}
	}
	return happened;
}
