/* SPDX-License-Identifier: BSD-2-Clause */
/* The members of a state's text, as tables: to keep one more number, it gets a row. */
#ifndef TIERD_APP_STATE_MEMBERS_H
#define TIERD_APP_STATE_MEMBERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/units.h"

/* JSON's numbers, as jansson has them. */
#define STATE_NUMBER_MAX ((uint64_t)INT64_MAX)

#define DAY_NS (86400 * NS_PER_S)

enum member_type {
	MEMBER_U64,
	MEMBER_U32,
	MEMBER_BOOL,
	MEMBER_TIER, /* a tier's name */
	MEMBER_TIER_OR_NONE,
	MEMBER_WORD,    /* u32, by its name */
	MEMBER_PAST,    /* u64, a time: 0, or not after taken_ns */
	MEMBER_AHEAD,   /* u64, a time: 0, or not too long after it */
	MEMBER_HISTORY, /* struct spell_history, as a list */
	MEMBER_NAMES,   /* struct tier_names, as a list */
};

struct member {
	const char *key;
	uint32_t type; /* enum member_type */
	uint32_t offset;
	uint64_t max;                         /* U64, U32, HISTORY */
	const char *(*word)(uint32_t number); /* WORD */
	uint32_t words;                       /* how many there are */
};

struct member_list {
	const struct member *members;
	uint32_t count;
};

extern const struct member_list PASSING_MEMBERS;  /* struct engine_state: what time alone changes */
extern const struct member_list LASTING_MEMBERS;  /* struct engine_state: the rest */
extern const struct member_list TIER_MEMBERS;     /* struct tier_state */
extern const struct member_list CALM_MEMBERS;     /* struct calm_state */
extern const struct member_list PEAK_MEMBERS;     /* struct footprint_peak */
extern const struct member_list RESOURCE_MEMBERS; /* struct resource_state */

#endif
