/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of segments: NAME is the one being written, NAME.NNNNNN are those before it, in the order
 * of their numbers.
 */
#ifndef TIERD_IO_TRACE_NAME_H
#define TIERD_IO_TRACE_NAME_H

#include <stddef.h>
#include <stdint.h>

#include "tierd/trace_format.h"

enum {
	TRACE_SUFFIX_LEN = 7, /* of ".NNNNNN" */
	TRACE_NUMBER_MAX = 999999,
};

/* The number in name if it is base's with one; 0 if it is not. */
uint32_t trace_name_number(const char *name, const char *base);

/* Length of name without its number, if it has one. */
size_t trace_name_base_len(const char *name);

/* Makes the name of that number. Returns 0 or -ENAMETOOLONG. */
int trace_name_make(const char *base, size_t base_len, uint32_t number,
		    char ret_name[TRACE_NAME_LEN]);

/*
 * Splits a path into its directory, opened, and the name in it. Returns the descriptor; -EINVAL if
 * there is no name, -ENAMETOOLONG, or what open() says.
 */
int trace_name_open_dir(const char *path, char ret_name[TRACE_NAME_LEN]);

#endif
