/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One event as a record of a trace (include/tierd/trace_format.h), and back.
 *
 * Every event that is valid has exactly one encoding, and decoding takes nothing else of its own
 * version: what was decoded encodes to the same bytes. Bytes are hostile until then.
 */
#ifndef TIERD_BASE_EVENT_CODEC_H
#define TIERD_BASE_EVENT_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "tierd/trace_format.h"

enum {
	EVENT_ENCODED_MAX = 1536, /* of any event but EVENT_CONFIG */
};

/*
 * What a trace keeps of a configuration or state instead of the parsed form. Not NUL-terminated.
 */
struct event_text {
	const char *name; /* of the file that it was, for error messages */
	size_t name_len;
	const char *text;
	size_t len;
};

/* How the version of a trace relates to ours. */
enum event_age {
	EVENT_SAME,
	EVENT_OLDER, /* fields that are missing at the end read as 0 */
	EVENT_NEWER, /* fields that follow at the end are skipped */
};

/* A record without its payload's meaning. */
struct event_record {
	uint32_t kind; /* as stored: enum event_kind, with TRACE_PREAMBLE or not, or another */
	const uint8_t *payload;
	size_t len;
};

/*
 * Writes the record of an event that is not a text (event_is_text()). base_ns is the time of the
 * record before it. at has room for EVENT_ENCODED_MAX bytes. Returns its length.
 */
size_t event_encode(const struct event *event, uint64_t base_ns, uint8_t *at);

/*
 * The same for one that is; of the event, kind and time count. A name over TRACE_NAME_LEN is cut.
 * at has room for size bytes. Returns the length; 0 if the text is over TRACE_CONFIG_MAX or does
 * not fit.
 */
size_t event_encode_text(const struct event *event, const struct event_text *text, uint64_t base_ns,
			 uint8_t *at, size_t size);

/*
 * Takes the next record off data. Returns its length with its header; 0 if data holds no whole
 * record.
 */
size_t event_split(const uint8_t *data, size_t len, struct event_record *ret_record);

/* Time of a record of any kind, also an unknown one. */
uint64_t event_time_of(const struct event_record *record, uint64_t base_ns);

/*
 * Decodes a record that holds an event. Of one that is a text, ret_event->config (and ->state) is
 * NULL, and *ret_text points into the record; else *ret_text is untouched. Returns 0; -ENOENT if
 * the kind is unknown, -EBADMSG if it is damaged. *ret_event is undefined on failure.
 */
int event_decode(const struct event_record *record, uint64_t base_ns, enum event_age age,
		 struct event *ret_event, struct event_text *ret_text);

/* The gap record: count events were dropped at time_ns. As event_encode() and event_decode(). */
size_t event_encode_gap(enum trace_drop cause, uint64_t count, uint64_t time_ns, uint64_t base_ns,
			uint8_t *at);
int event_decode_gap(const struct event_record *record, uint64_t base_ns, enum event_age age,
		     uint64_t *ret_time_ns, uint32_t *ret_cause, uint64_t *ret_count);

#endif
