/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notices what happens to a FIFO (inotify): somebody opened it, or its name in the directory was
 * deleted, moved or made again. Hints only: what is the case is for the caller to look at.
 */
#ifndef TIERD_IO_FIFO_WATCH_H
#define TIERD_IO_FIFO_WATCH_H

#include <stdint.h>

enum fifo_watch_event {
	FIFO_WATCH_OPENED = 1U << 0,
	FIFO_WATCH_MOVED = 1U << 1, /* the name may lead to something else now */
};

struct fifo_watch {
	int fd; /* readable (EPOLLIN) when there is something to read; -1 = closed */
	int fifo;
};

#define FIFO_WATCH_CLOSED ((struct fifo_watch){.fd = -1, .fifo = -1})

/* Watches the directory. Returns 0 or a negative errno (inotify's limits, mostly). */
int fifo_watch_open(int dir_fd, struct fifo_watch *ret_watch);
void fifo_watch_close(struct fifo_watch *watch);

/* Reports opens of this FIFO from now on, instead of the one before. Returns 0 or a negative
 * errno. */
int fifo_watch_set_fifo(struct fifo_watch *watch, int fifo_fd);

/* Takes all that is queued. Returns what happened to name, as enum fifo_watch_event; everything if
 * the queue overflowed. */
uint32_t fifo_watch_read(const struct fifo_watch *watch, const char *name);

#endif
