/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kinds of values that keys of the protocol take: how each is read, checked and written.
 */
#ifndef TIERD_BASE_PROTOCOL_VALUE_H
#define TIERD_BASE_PROTOCOL_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "tierd/protocol.h"

enum {
	PROTOCOL_VALUE_MAX = PROTOCOL_NOTICE_LEN + 1, /* longer than any value that a key takes */
};

struct protocol_key;

/* A value as it stands in a line, and what it decodes to. */
struct protocol_value {
	const char *raw; /* not NUL-terminated */
	size_t raw_len;
	char text[PROTOCOL_VALUE_MAX]; /* not empty, without NUL but the one at its end */
};

struct protocol_value_type {
	const char *grammar; /* as documented: one letter or word, or a|b for one of these */
	bool is_text;        /* the field is an array of characters, "" where nothing is said */
	bool may_be_binary;  /* may decode to any bytes but NUL; else UTF-8 without control
				characters */
	/* Both return 0 or -EINVAL; parse then says in problem what is wrong with the value. line
	 * is the struct control_line or manager_line that the key belongs to. */
	int (*parse)(const struct protocol_key *key, const struct protocol_value *value, void *line,
		     struct text *problem);
	int (*write)(const struct protocol_key *key, const void *line, struct text *out);
};

/* A key of a verb: its name, whether it must be there, and its field in the line's struct. */
struct protocol_key {
	const char *name;
	bool is_required; /* in a line that is read; an optional one is not written where unset */
	const struct protocol_value_type *type;
	size_t offset;
	size_t size;
};

/* Fields of 32 or 64 bits, decimal. */
extern const struct protocol_value_type PROTOCOL_NUMBER;
extern const struct protocol_value_type PROTOCOL_PID;
extern const struct protocol_value_type PROTOCOL_VERSION_SPOKEN; /* not over PROTOCOL_VERSION */
extern const struct protocol_value_type PROTOCOL_SECONDS; /* at least 1; the field is in ns */
/* bool, or uint32_t holding the place in the list. */
extern const struct protocol_value_type PROTOCOL_BOOL;
extern const struct protocol_value_type PROTOCOL_FORMAT;
extern const struct protocol_value_type PROTOCOL_ACK_STATE;
extern const struct protocol_value_type PROTOCOL_MODE;
extern const struct protocol_value_type PROTOCOL_PHASE;
/* Arrays of characters. */
extern const struct protocol_value_type PROTOCOL_TIER;
extern const struct protocol_value_type PROTOCOL_TIER_OR_UNKNOWN; /* and is_actual_known */
extern const struct protocol_value_type PROTOCOL_ID;
extern const struct protocol_value_type PROTOCOL_NAME; /* of a file */
extern const struct protocol_value_type PROTOCOL_TEXT;
extern const struct protocol_value_type PROTOCOL_WORD_OR_DASH;
extern const struct protocol_value_type PROTOCOL_CULPRIT; /* culprit_comm, and culprit_pid */

/* Valid UTF-8, and neither NUL nor another control character (C0, DEL, C1). */
bool protocol_is_clean_text(const char *text, size_t len);

#endif
