/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of options and its value types. Internal to the config files. */
#ifndef TIERD_MANAGER_OPTION_H
#define TIERD_MANAGER_OPTION_H

#include "config.h"

enum option_type {
	OPTION_TEXT, /* char[], of max bytes with its NUL */
	OPTION_PATH, /* the same, absolute, of characters that need no quoting anywhere */
	OPTION_TIER_NAME,
	OPTION_ADDRESS, /* host:port */
	OPTION_BYTES,
	OPTION_DURATION, /* ns */
	OPTION_NUMBER,   /* uint32_t */
	OPTION_WORD,     /* uint32_t, index into words */
};

struct option_row {
	const char *section; /* "tier": of [server] and [tier NAME], offset in tier_config */
	const char *key;
	enum option_type type;
	size_t offset;
	const char *fallback;
	uint64_t min;
	uint64_t max; /* of text: its size */
	const char *const *words;
	const char *help;
};

extern const struct option_row MANAGER_OPTIONS[];
extern const size_t MANAGER_OPTION_COUNT;

enum {
	MANAGER_OPTIONS_MAX = 48,
};

/* NULL if there is none. */
const struct option_row *manager_option_find(const char *section, const char *key);

/* Stores the value of text at base + offset. 0; or -EINVAL and what is wrong in error. */
int manager_option_set(const struct option_row *row, void *base, const char *text, char *error,
		       size_t error_size);

/* Copies the value of one row between two structs of the row's kind. */
void manager_option_copy(const struct option_row *row, void *to, const void *from);

#endif
