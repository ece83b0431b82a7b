/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records events into a trace. Adding one encodes it into a buffer and nothing else: it makes no
 * system call that could wait, takes no lock, and allocates nothing. A thread of the writer's own
 * compresses full buffers and writes them. When the disk is slower than the events for so long that
 * all buffers are full, or is full or fails, events are dropped: counted by cause, and the trace
 * says so where they are missing.
 *
 * All memory is taken when the writer is opened: TRACE_WRITER_BYTES, and the thread's stack.
 */
#ifndef TIERD_IO_TRACE_WRITER_H
#define TIERD_IO_TRACE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/event_codec.h"
#include "base/trace_frame.h"
#include "base/units.h"

/* With the first event that is this much later than the first in its buffer, the buffer is handed
 * to the thread, however little is in it. */
#define TRACE_FLUSH_NS (2 * NS_PER_S)

enum {
	TRACE_WRITER_BUFFERS = 16,
	TRACE_WRITER_BUFFER_LEN = 128 * 1024,
	/* Buffers, what they are compressed into and by, and the thread's stack. */
	TRACE_WRITER_BYTES = 3 * 1024 * 1024,
	TRACE_SEGMENT_MIN_BYTES = 1024 * 1024, /* of segment_max_bytes */
};

struct trace_writer;
struct trace_file_calls;

struct trace_writer_options {
	const char *path;
	/* Id, segment, times and predecessor are filled in. */
	struct trace_metadata metadata;
	/* No file grows over it; UINT64_MAX = never rotate. What waits in buffers counts at its
	 * largest, so with many of them full a file ends up to 2.5 MB earlier. */
	uint64_t segment_max_bytes;
	uint32_t keep; /* files, with the one that is written; at least 1 */
	/* Nothing that exists is renamed or removed. Otherwise an older trace at path, and those
	 * numbered after it, count as segments before this one and are removed in their turn. */
	bool is_new_only;
	/* Wait for the disk instead of dropping, and hand on full buffers only: for programs that
	 * have nothing else to do. */
	bool is_waiting;
	/*
	 * Called while a segment is begun (of a rotated recording; or also of the first one, where
	 * metadata.flags has TRACE_STARTED_LATE), to add what an engine needs that has read
	 * nothing before, with trace_writer_add_preamble(). NULL = nothing.
	 */
	void (*on_segment)(void *context, struct trace_writer *writer, uint64_t time_ns);
	void *context;
	const struct trace_file_calls *calls; /* for tests; NULL = the system's */
};

/* fed = written + dropped + what is still in buffers. */
struct trace_writer_stats {
	uint64_t fed; /* events that were added */
	uint64_t written;
	uint64_t dropped[TRACE_DROP_COUNT];
	uint64_t bytes; /* of all segments */
	uint32_t segments;
	int error; /* the last failure of the disk, negative errno; -ENOSPC also when only little
		    * is free; 0 while it works */
};

/*
 * Makes the file and starts the thread. options is copied, but for calls. Returns 0; -EEXIST if
 * something is in the way that must stay, -EINVAL if path names no file, or another negative errno.
 */
int trace_writer_open(const struct trace_writer_options *options, struct trace_writer **ret_writer);

/* Adds an event; text is of one that is kept as a text, and NULL otherwise. */
void trace_writer_add(struct trace_writer *writer, const struct event *event,
		      const struct event_text *text);

/* Only from on_segment. */
void trace_writer_add_preamble(struct trace_writer *writer, const struct event *event,
			       const struct event_text *text);

/* Hands what was added so far to the thread. Does not wait. */
void trace_writer_flush(struct trace_writer *writer);

void trace_writer_get_stats(const struct trace_writer *writer,
			    struct trace_writer_stats *ret_stats);

/* Hands everything to the thread and lets it end. Nothing may be added after it. Does not wait. */
void trace_writer_finish(struct trace_writer *writer);

/* Whether the thread has ended: then closing does not wait. */
bool trace_writer_is_finished(const struct trace_writer *writer);

/*
 * Finishes and frees the writer. Waits for the disk at most timeout_ms (negative: as long as it
 * takes). Returns 0 if every event was written; -ETIMEDOUT if the thread still waits for the disk:
 * then its memory is lost; -ENODATA if events were dropped; or the disk's negative errno.
 */
int trace_writer_close(struct trace_writer *writer, int timeout_ms);

#endif
