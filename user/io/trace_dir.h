/* SPDX-License-Identifier: BSD-2-Clause */
/* The directory that recordings are made in on somebody's request. */
#ifndef TIERD_IO_TRACE_DIR_H
#define TIERD_IO_TRACE_DIR_H

#include <stdint.h>

/*
 * Makes the directory if it is missing and sees to it that nobody else can write there, as
 * private_dir_open() does, and adds up what it holds. Returns 0 or negative errno.
 */
int trace_dir_prepare(const char *path, uint64_t *ret_bytes);

#endif
