/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are there to be locked: the agent's in its run directory, and the reader's beside
 * manager.fifo. */
#ifndef TIERD_BASE_LOCK_FILE_H
#define TIERD_BASE_LOCK_FILE_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Takes an exclusive flock on a regular file in a directory, without waiting. flags and mode are
 * those of openat(). Returns a descriptor that holds the lock until it is closed; -EBUSY if
 * somebody else holds it, -EEXIST if it is not a regular file or has several links, or another
 * negative errno.
 */
int lock_file_take(int dir_fd, const char *name, int flags, mode_t mode);

/* Whether name in the directory still leads to the file that is open as fd. */
bool lock_file_is_named(int dir_fd, const char *name, int fd);

#endif
