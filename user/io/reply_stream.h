/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replies that go on: lines to a few FIFOs that askers made in replies/, each until its asker
 * leaves. Nothing waits and nothing grows: a line that finds no room is lost, and the asker is told
 * how many were (`lost N`) as soon as there is room again. A line is written as a whole or not at
 * all, as far as the asker can tell.
 */
#ifndef TIERD_IO_REPLY_STREAM_H
#define TIERD_IO_REPLY_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/loop.h"

enum {
	REPLY_STREAMS_MAX = 4,
	REPLY_STREAM_LINE_MAX = 8192, /* with its newline */
};

enum reply_stream_format {
	REPLY_STREAM_TEXT,
	REPLY_STREAM_JSON,
	REPLY_STREAM_FORMAT_COUNT,
};

struct reply_streams;

/* Returns 0 or a negative errno. */
int reply_streams_create(struct loop *loop, struct reply_streams **ret_streams);

/* Ends every stream with a line `end` where there is room. NULL is allowed. */
void reply_streams_destroy(struct reply_streams *streams);

/*
 * Begins a stream with a line `ok`. Returns 0; -EBUSY if there are REPLY_STREAMS_MAX already; or as
 * reply_send(): then nothing is kept.
 */
int reply_streams_add(struct reply_streams *streams, int replies_fd, const char *name,
		      enum reply_stream_format format);

/* Whether anybody reads lines of that format. */
bool reply_streams_is_read(const struct reply_streams *streams, enum reply_stream_format format);

/* One line with its newline to all who read that format. Longer than REPLY_STREAM_LINE_MAX: lost.
 */
void reply_streams_write(struct reply_streams *streams, enum reply_stream_format format,
			 const char *line, size_t len);

#endif
