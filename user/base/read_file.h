/* SPDX-License-Identifier: BSD-2-Clause */
/* A small file as a whole. */
#ifndef TIERD_BASE_READ_FILE_H
#define TIERD_BASE_READ_FILE_H

#include <stddef.h>
#include <sys/types.h>

enum {
	READ_FILE_WHY_LEN = 80,
};

/*
 * Reads up to the end of the file, or until size bytes are there: then there may be more. Adds no
 * NUL. Returns how many; or negative errno.
 */
ssize_t read_file_text(int fd, char *buffer, size_t size);

/*
 * The same of a path that somebody has named, without waiting: a FIFO must not hang us, nor
 * /dev/zero fill our memory. -EISDIR, -EINVAL for what is no regular file, -EFBIG where size or
 * more bytes are there, or another negative errno.
 */
ssize_t read_file_regular(const char *path, char *buffer, size_t size);

/*
 * What such an error of a config file of at most max_bytes means to whoever has named it; in
 * buffer, which is returned.
 */
const char *read_file_describe(int error, size_t max_bytes, char buffer[static READ_FILE_WHY_LEN]);

#endif
