/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The option table and the value types that its rows use. Internal to the config modules; others
 * include options.h.
 */
#ifndef TIERD_APP_OPTION_TABLE_H
#define TIERD_APP_OPTION_TABLE_H

#include "options.h"

enum option_type {
	OPTION_BYTES,     /* uint64_t */
	OPTION_DURATION,  /* uint64_t, ns */
	OPTION_PERMYRIAD, /* uint32_t */
	OPTION_PERMILLE,  /* uint32_t */
	OPTION_U32,       /* uint32_t */
	OPTION_BOOL,      /* bool */
	OPTION_WORD,      /* uint32_t, index into words */
	OPTION_TIER,      /* char[EVENT_TIER_NAME_LEN] */
	OPTION_PATH,      /* char[CONFIG_PATH_LEN] */
	OPTION_VRAM,      /* uint64_t[LADDER_GPUS_MAX]: one size per GPU */
	OPTION_TYPE_COUNT,
};

enum option_flag {
	OPTION_POWER_OF_TWO = 1U << 0,
	OPTION_REQUIRED = 1U << 1,  /* of a tier */
	OPTION_NOT_EMPTY = 1U << 2, /* a path that must be said */
	OPTION_NAME = 1U << 3,      /* a path that is a name, but to people */
};

struct option_row {
	const char *section;
	const char *key;
	const char *flag; /* long option of tierd; NULL for a tier's */
	enum option_type type;
	uint32_t flags;
	size_t offset; /* in struct app_config; of a tier's, in struct tier */
	const char *fallback;
	uint64_t min; /* in the type's unit */
	uint64_t max;
	const char *const *words; /* OPTION_WORD, NULL-terminated */
	const char *help;         /* one sentence */
};

extern const struct option_row OPTION_TABLE[];
extern const size_t OPTION_COUNT;
extern const struct option_row TIER_OPTION_TABLE[];
extern const size_t TIER_OPTION_COUNT;

/* Row of that section and key, or NULL. */
const struct option_row *option_find(const char *section, const char *key);
const struct option_row *tier_option_find(const char *key);

/*
 * Parses and checks text and stores it at base + row->offset. Returns 0; or -EINVAL and what is
 * wrong and what is allowed in error. Nothing is stored on failure.
 */
int option_set(const struct option_row *row, void *base, const char *text, char *error,
	       size_t error_size);

/* The value as text that option_set() reads back; size at least CONFIG_PATH_LEN. */
const char *option_format(const struct option_row *row, const void *base, char *buffer,
			  size_t size);

/* "0s to 24h", "auto, poll, psi or bpf", ...: what is allowed. */
const char *option_describe(const struct option_row *row, char *buffer, size_t size);

/* A tier name: [A-Za-z0-9._-]{1,31}. */
bool option_is_tier_name(const char *name);

#endif
