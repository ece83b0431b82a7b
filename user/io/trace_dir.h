/* SPDX-License-Identifier: BSD-2-Clause */
/* The directory that recordings are made in on somebody's request. */
#ifndef TIERD_IO_TRACE_DIR_H
#define TIERD_IO_TRACE_DIR_H

#include <stdint.h>

/*
 * Makes the directory if it is missing (0700, with those above it), sees to it that nobody else can
 * write there, and adds up what it holds. Returns 0; -EPERM if it belongs to somebody else or
 * others may write to it, -ENOTDIR, -EINVAL if path is none, or another negative errno.
 */
int trace_dir_prepare(const char *path, uint64_t *ret_bytes);

#endif
