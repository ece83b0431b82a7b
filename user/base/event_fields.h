/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fields of every kind of event, as one table: it drives how events are stored in traces, how
 * they are checked when they are read, and how they are shown to people.
 *
 * A new field goes to the end of its list, with a new minor version of the trace format.
 */
#ifndef TIERD_BASE_EVENT_FIELDS_H
#define TIERD_BASE_EVENT_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tierd/event.h"

enum event_field_type {
	FIELD_U32,
	FIELD_U64,
	FIELD_BOOL,
	FIELD_TIME,      /* u64, stored as its difference to the event's time */
	FIELD_TEXT,      /* char[size], NUL-terminated */
	FIELD_COUNTS,    /* list of u64: size of them */
	FIELD_RESOURCES, /* list of struct event_resource: sample.resource_count of them */
};

/* What stands for the numbers of a field, for people. */
enum event_field_words {
	WORDS_NONE,
	WORDS_SOURCE,
	WORDS_PARTY,
	WORDS_RESOURCE,
	WORDS_VERB,
	WORDS_ACK,
	WORDS_LOSS,
};

struct event_field {
	const char *name;
	uint16_t offset; /* in struct event; of a resource's fields, in struct event_resource */
	uint8_t type;    /* enum event_field_type */
	uint8_t words;   /* enum event_field_words */
	uint16_t size;   /* of a text or list */
	uint16_t limit;  /* of a u32: it must be under this; 0 = any value */
};

struct event_layout {
	const char *name;
	const struct event_field *fields;
	uint32_t count;
};

/* Layout of that enum event_kind; NULL for one that is text, and where there is none. */
const struct event_layout *event_layout_of(uint32_t kind);

/* Whether events of that kind are kept as a text: a configuration, the state of an agent. */
bool event_is_text(uint32_t kind);

extern const struct event_layout EVENT_RESOURCE_LAYOUT;

/* "process", "config", ...; "?" where there is none. */
const char *event_kind_name(uint32_t kind);

#endif
