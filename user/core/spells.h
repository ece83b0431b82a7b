/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long it stays calm, learned for one tier: others' use never depends on which tier is loaded,
 * so every tier's calm spells are known whether or not it was in place.
 *
 * A spell opens when the tier would fit with a margin, and breaks when it would not fit at all.
 * From the spells that broke, from the intervals between their ends (what comes every ten minutes
 * is better told by that), and from the age of the one that is open follows a small set of weighted
 * answers to "how much longer?". What has been seen is blurred, by more where it varies more; and
 * where nothing seen has lasted as long, what remains is of the order of the age, which is what
 * is left to say when nothing else is known (Gott's rule: a heavy tail, P(r more) = age / (age +
 * r)).
 */
#ifndef TIERD_CORE_SPELLS_H
#define TIERD_CORE_SPELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

/* No length of time is kept that is longer. */
#define SPELLS_LENGTH_MAX_NS (UINT64_C(366) * 86400 * NS_PER_S)

enum {
	/* Old ones are forgotten: a host changes its habits. */
	SPELLS_MAX = 8,
	SPELLS_ANSWERS_MAX = 3 * SPELLS_MAX + 3,
};

struct spell_history {
	uint32_t count;
	uint64_t length_ns[SPELLS_MAX]; /* newest first */
};

struct spells {
	bool is_open;
	bool has_broken;
	uint64_t opened_ns;
	uint64_t restarted_ns; /* what was before this may not be all that was */
	uint64_t broken_ns;    /* when the last one broke */
	struct spell_history lengths;
	struct spell_history intervals;
};

struct spell_answer {
	uint64_t remaining_ns;
	uint64_t weight;
};

struct spell_answers {
	uint32_t count;
	bool is_known; /* enough was seen, and some of it lasted longer than this one has */
	struct spell_answer answer[SPELLS_ANSWERS_MAX];
};

void spells_open(struct spells *spells, uint64_t now_ns);

/*
 * The tier does not fit any more. A spell of less than min_ns is forgotten: nobody could have
 * stepped up in it.
 */
void spells_break(struct spells *spells, uint64_t now_ns, uint64_t min_ns);

/*
 * What happened until now may have gone unseen: only what follows is sure. How much longer the open
 * spell may last is asked as before, so that a loss never makes it look younger than it may be.
 */
void spells_restart(struct spells *spells, uint64_t now_ns);

uint64_t spells_age_ns(const struct spells *spells, uint64_t now_ns);

/* The part of the age since the last restart. */
uint64_t spells_sure_ns(const struct spells *spells, uint64_t now_ns);

/* How much longer the open spell may last. */
void spells_ask(const struct spells *spells, uint64_t now_ns, struct spell_answers *ret_answers);

/* The share of the answers that say less than within_ns. */
uint32_t spells_ends_permyriad(const struct spell_answers *answers, uint64_t within_ns);

/* The weighted mean, each answer cut to max_ns. */
uint64_t spells_mean_ns(const struct spell_answers *answers, uint64_t max_ns);

#endif
