/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a trace event by event, with what a reader must know besides: gaps, damage, and what is
 * missing. Memory is constant however long the trace is, and nothing is allocated per event.
 *
 * A trace is a stranger's: every length is checked before it is used, nothing is inflated beyond
 * what a block may hold, and what comes before damage is exactly what was written.
 */
#ifndef TIERD_IO_TRACE_READER_H
#define TIERD_IO_TRACE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/event_codec.h"
#include "base/trace_frame.h"

enum trace_item_kind {
	TRACE_ITEM_EVENT,
	TRACE_ITEM_NOTICE,
};

enum trace_notice {
	/* Before the first event. */
	TRACE_NOTICE_NEWER,        /* a newer minor version: unknown records are left out */
	TRACE_NOTICE_STARTED_LATE, /* recording began while the agent ran: its engine was not new */
	TRACE_NOTICE_NO_BEGINNING, /* segments before it are missing: read from a cold start */
	/* In between. */
	TRACE_NOTICE_GAP, /* the recorder dropped events here: count and cause */
	/* At the end; nothing follows the first two. */
	TRACE_NOTICE_TORN,      /* cut off in the middle of a block */
	TRACE_NOTICE_CORRUPT,   /* damaged, or not readable */
	TRACE_NOTICE_NO_END,    /* still written, or its writer died */
	TRACE_NOTICE_CONTINUED, /* the recording goes on in a segment that was not asked for */
	TRACE_NOTICE_TRAILING,  /* something follows the end */
	TRACE_NOTICE_COUNT,
};

/*
 * EVENT: event, and config if it is kept as a text, with event->config NULL. NOTICE: the rest.
 * All of it is valid until the next call.
 */
struct trace_item {
	uint32_t kind; /* enum trace_item_kind */
	struct event *event;
	struct event_text config;
	uint32_t notice;  /* enum trace_notice */
	bool is_damage;   /* the trace is not what was written */
	bool is_not_live; /* from here on a replay may differ from what was decided live */
	uint64_t time_ns; /* of a gap */
	uint32_t cause;   /* enum trace_drop, of a gap */
	uint64_t count;
	const char *text; /* one line for people, with the file's name, without a newline */
};

/* What has been read so far, all segments together. */
struct trace_summary {
	uint32_t segments;
	uint64_t file_bytes;
	uint64_t blocks;
	uint64_t compressed_bytes;
	uint64_t raw_bytes;
	uint64_t events;                           /* as far as they were yielded */
	uint64_t events_of_kind[EVENT_KIND_COUNT]; /* enum event_kind */
	uint64_t unknown_records;                  /* of a newer minor version, left out */
	uint64_t dropped[TRACE_DROP_COUNT];        /* by the recorder */
	uint64_t first_ns;                         /* 0 before the first event */
	uint64_t last_ns;
	bool is_ended; /* the last segment read has its end */
};

struct trace_reader;

enum trace_reader_flag {
	TRACE_READER_ALONE = 1U << 0, /* this segment only, not those before it */
};

/*
 * Opens a trace, with the segments before it unless flags say otherwise. Returns 0; or with one
 * line in error: -EBADMSG (damaged header, no trace, empty), -EPROTONOSUPPORT (another major
 * version), -EINVAL (no regular file), -ENOENT, -ENOMEM, or another negative errno.
 */
int trace_reader_open(const char *path, uint32_t flags, struct trace_reader **ret_reader,
		      char *error, size_t error_size);
void trace_reader_close(struct trace_reader *reader);

/* The next event or notice. Returns 1; 0 at the end. */
int trace_reader_next(struct trace_reader *reader, const struct trace_item **ret_item);

/* Of the first segment that is read. */
const struct trace_metadata *trace_reader_get_metadata(const struct trace_reader *reader);
struct trace_version trace_reader_get_version(const struct trace_reader *reader);

const struct trace_summary *trace_reader_get_summary(const struct trace_reader *reader);

/* For _cleanup_(). */
static inline void trace_reader_cleanup(struct trace_reader **reader)
{
	trace_reader_close(*reader);
}

#endif
