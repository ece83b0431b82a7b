/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replies: written once, without waiting, into a FIFO that the asker made in replies/ and has open
 * for reading. The name comes from a stranger, so it must be a plain file name, and what it leads
 * to must be a FIFO with one link that is no symlink.
 */
#ifndef TIERD_IO_REPLY_H
#define TIERD_IO_REPLY_H

#include <stddef.h>

/* Longer replies are not sent: -EMSGSIZE. */
#define REPLY_MAX ((size_t)1024 * 1024)

/* Opens the FIFO for writing without waiting. Returns the descriptor, or as reply_send(). */
int reply_open(int replies_fd, const char *name);

/*
 * Writes all of text. The asker's pipe is enlarged if it is smaller than len. Returns 0; -EINVAL
 * (not a plain file name), -ENOENT (no such file), -ENXIO (nobody has it open for reading), -ELOOP
 * (a symlink), -EPERM (not a FIFO, or several links), -EAGAIN (the pipe had no room for all of it:
 * the asker gets a part, and sees so by the missing last line), -EPIPE (the asker left meanwhile),
 * or another negative errno.
 */
int reply_send(int replies_fd, const char *name, const char *text, size_t len);

#endif
