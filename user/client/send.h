/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the client library share. */
#ifndef TIERD_CLIENT_SEND_H
#define TIERD_CLIENT_SEND_H

#include <stdint.h>

#include "tierd/protocol.h"

uint64_t client_now_ns(void); /* CLOCK_MONOTONIC */

/* Returns a descriptor of a FIFO in a directory, opened with flags, without waiting and without
 * following symlinks; -EPROTO if it is none, or another negative errno. */
int client_open_fifo(int dir_fd, const char *name, int flags);

/*
 * Formats and writes one line into control.fifo by one write, so that lines of several writers
 * never mix; behind a newline, so that half a line that another writer left does not spoil it.
 * Waits until deadline_ns for room, or until signal_fd (-1 = none) is readable. As tierd_send();
 * -EINTR in the last case.
 */
int client_send_line(int dir_fd, const struct control_line *line, uint64_t deadline_ns,
		     int signal_fd);

/*
 * Waits for events on fd. 0; -ETIMEDOUT; -EINTR if signal_fd (-1 = none) became readable;
 * -ECANCELED if nobody reads the pipe output_fd (-1 = none) any more.
 */
int client_wait(int fd, short events, uint64_t deadline_ns, int signal_fd, int output_fd);

#endif
