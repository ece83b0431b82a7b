/* SPDX-License-Identifier: BSD-2-Clause */
/* A directory that only we write to, for what is kept on disk. */
#ifndef TIERD_IO_PRIVATE_DIR_H
#define TIERD_IO_PRIVATE_DIR_H

/*
 * Makes the directory if it is missing (0700, with those above it), sees to it that nobody else can
 * write there, and opens it. Returns the descriptor; -EPERM if it belongs to somebody else or
 * others may write to it, -ENOTDIR, -EINVAL if path is none, or another negative errno.
 */
int private_dir_open(const char *path);

#endif
