/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The segments of a rotated recording: found from any one of them, back to the first or to the
 * first that is missing, in the same directory.
 */
#ifndef TIERD_IO_TRACE_CHAIN_H
#define TIERD_IO_TRACE_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/trace_segment.h"

enum {
	TRACE_CHAIN_MAX = 4096, /* segments that are looked for */
};

struct trace_chain {
	int dir_fd;
	uint32_t count;
	char (*names)[TRACE_NAME_LEN]; /* oldest first */
	char missing[TRACE_NAME_LEN];  /* the predecessor that was not found; "" = none */
};

#define TRACE_CHAIN_CLOSED ((struct trace_chain){.dir_fd = -1})

/*
 * Finds the segments that end with path: that one alone, or with all before it. Returns 0; or
 * what trace_segment_open() says of path, or another negative errno, with one line in error.
 */
int trace_chain_open(const char *path, bool is_whole, struct trace_chain *ret_chain, char *error,
		     size_t error_size);
void trace_chain_close(struct trace_chain *chain);

/* As trace_segment_open(). */
int trace_chain_open_segment(const struct trace_chain *chain, uint32_t index,
			     struct trace_segment *ret_segment, char *error, size_t error_size);

#endif
