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

struct protocol_verb {
	const char *name;
	uint32_t verb;    /* enum control_verb or manager_verb */
	uint32_t command; /* enum command_verb, 0 where the engine takes no part */
	struct protocol_key keys[PROTOCOL_KEYS_MAX]; /* in the order in which they are written */
};

struct protocol_grammar {
	const struct protocol_verb *verbs;
	size_t count;
};

extern const struct protocol_grammar PROTOCOL_CONTROL; /* control.fifo: struct control_line */
extern const struct protocol_grammar PROTOCOL_MANAGER; /* manager.fifo: struct manager_line */

#endif
