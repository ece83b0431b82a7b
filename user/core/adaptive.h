/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The adaptive policy's memory: what others' use has done so far, seen from every tier at once.
 * Others' use does not depend on which tier is loaded, so what would have happened to each tier is
 * known without trying it.
 *
 *   drift    (per resource) level, slope and noise of others' use: will it cross the limit within
 *            a drain?
 *   spells   (per tier) how long it stayed calm before: does stepping up pay, and is a rise due?
 *   alarms   (per tier) how often a crossing that was forecast did come: forecasts that did not
 *            prove right here are not acted on
 *
 * From these, and from how long draining and loading take (footprint.h), follows advice, in the
 * currency of the score: a second at full quality. Advice is only about planned steps and about how
 * far down an immediate one goes; whether pressure is there is for the rules in policy.c.
 */
#ifndef TIERD_CORE_ADAPTIVE_H
#define TIERD_CORE_ADAPTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"
#include "config.h"
#include "footprint.h"
#include "ladder.h"
#include "spells.h"

enum {
	ADAPTIVE_REFUGES = 3, /* breaks of which it is remembered what would have fitted */
	/* What the counts of forecasts come to at most: the sum of all that has decayed. */
	ADAPTIVE_ALARMS_MAX_PERMYRIAD = 10 * PERMYRIAD,
};

struct adaptive_level {
	struct spells spells;
	bool is_over;    /* at the last sample */
	bool is_alarmed; /* a crossing was forecast and has neither come nor failed to yet */
	uint64_t alarmed_ns;
	uint32_t alarms_true_permyriad; /* decaying counts */
	uint32_t alarms_permyriad;
	uint64_t penalty_permyriad;        /* lost in a second of a break */
	uint32_t refuge[ADAPTIVE_REFUGES]; /* largest tier that fitted all through a break */
	uint32_t refuge_count;
};

struct adaptive {
	bool has_observed;
	uint64_t observed_ns;
	struct adaptive_level levels[LADDER_TIERS_MAX];
};

/* The situation as far as it matters here. */
struct adaptive_input {
	uint64_t now_ns;
	const struct engine_config *config;
	const struct resources *resources;
	const struct switch_costs *costs;
	uint32_t serving;
	bool is_measured;  /* what was measured of the model is the serving tier's */
	bool is_confirmed; /* one sample is enough: a row of a file */
	uint64_t calm_ns;
	uint64_t wait_ns; /* least calm before a step up */
	uint32_t resting; /* a bit for each tier that is not to be stepped up to */
};

struct advice {
	/* A planned step down, although nothing presses yet. */
	uint32_t leave_reason; /* enum decision_reason, REASON_NONE = stay */
	uint32_t leave_target;
	/* A step up: the best target, or the lowest rung up and why not. */
	uint32_t up_target;
	uint32_t up_hold; /* REASON_NONE = go */
	/* The numbers compared. */
	uint32_t forecast_permyriad; /* use of the serving tier within a drain, with its noise */
	uint32_t trust_permyriad;    /* forecasts of the serving tier's limit that proved right */
	uint64_t expected_calm_ns;   /* of up_target */
	int64_t gain_ms;             /* of stepping up to it, at full quality */
};

void adaptive_init(struct adaptive *adaptive, const struct engine_config *config);

/*
 * After a change of configuration: what was learned of tiers stays true only while the ladder and
 * the limit are the same.
 */
void adaptive_reconfigure(struct adaptive *adaptive, const struct engine_config *before,
			  const struct engine_config *config);

/*
 * Takes in what a sample showed. The resources' drifts have been fed already where
 * adaptive_is_due() says so.
 */
bool adaptive_is_due(const struct adaptive *adaptive, uint64_t now_ns);
void adaptive_observe(struct adaptive *adaptive, const struct adaptive_input *input);

/* Samples or urgent records were lost: what was open counts from now. */
void adaptive_note_loss(struct adaptive *adaptive, uint64_t now_ns);

/* Pressure other than use has forced a step down from tier: it and what is larger did not fit. */
void adaptive_note_pressure(struct adaptive *adaptive, const struct adaptive_input *input,
			    uint32_t tier);

void adaptive_advise(const struct adaptive *adaptive, const struct adaptive_input *input,
		     struct advice *ret_advice);

/*
 * Use of one resource with the tier in place, once it could be: when the rise that goes on has
 * gone on for the time that loading it and leaving it again takes, plus the noise.
 */
uint32_t adaptive_ahead_permyriad(const struct switch_costs *costs,
				  const struct resource_view *view,
				  const struct engine_config *config, uint32_t tier);

#endif
