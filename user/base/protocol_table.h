/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The grammar of the FIFO protocol as data: every verb of both directions with its keys. Parsing,
 * formatting, the fuzz targets and the check of the manual page all go by it.
 */
#ifndef TIERD_BASE_PROTOCOL_TABLE_H
#define TIERD_BASE_PROTOCOL_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/protocol_value.h"

enum {
	PROTOCOL_KEYS_MAX = 12, /* of one verb; the list ends with a key without a name */
};

/* Lines of control.fifo that share a budget (io/control_fifo.c): so that none starves another. */
enum protocol_class {
	PROTOCOL_CLASS_BAD,      /* no line of the protocol */
	PROTOCOL_CLASS_SWITCH,   /* what switches depend on */
	PROTOCOL_CLASS_TASK,     /* some per request to a model */
	PROTOCOL_CLASS_COMMAND,  /* changes something */
	PROTOCOL_CLASS_QUESTION, /* is answered, and changes nothing */
	PROTOCOL_CLASS_COUNT,
};

struct protocol_verb {
	const char *name;
	uint32_t verb;    /* enum control_verb or manager_verb */
	uint32_t command; /* enum command_verb, 0 where the engine takes no part */
	uint32_t class;   /* enum protocol_class; of control.fifo */
	struct protocol_key keys[PROTOCOL_KEYS_MAX]; /* in the order in which they are written */
};

struct protocol_grammar {
	const struct protocol_verb *verbs;
	size_t count;
};

extern const struct protocol_grammar PROTOCOL_CONTROL; /* control.fifo: struct control_line */
extern const struct protocol_grammar PROTOCOL_MANAGER; /* manager.fifo: struct manager_line */

/* The row of a verb (enum control_verb or manager_verb); NULL if there is none. */
const struct protocol_verb *protocol_find_verb(const struct protocol_grammar *grammar,
					       uint32_t verb);

#endif
