/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file that comes into being at once or not at all: written under another name beside it, then
 * renamed.
 */
#ifndef TIERD_IO_NEW_FILE_H
#define TIERD_IO_NEW_FILE_H

#include <limits.h>
#include <stdbool.h>

struct new_file {
	char path[PATH_MAX];
	char temporary[PATH_MAX];
	bool is_forced; /* what is at path may be replaced */
};

/*
 * Makes the temporary file, empty, and opens it for writing. Returns the descriptor; -EEXIST if
 * something is at path and must stay (with is_forced only what is neither a file nor a link), or
 * another negative errno.
 */
int new_file_create(const char *path, bool is_forced, struct new_file *ret_file);

/*
 * Puts it in place. Returns 0; or negative errno, and then nothing is left of it: -EEXIST if
 * something came there meanwhile.
 */
int new_file_keep(const struct new_file *file);

/* Removes it. */
void new_file_drop(const struct new_file *file);

#endif
