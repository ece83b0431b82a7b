/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How good decisions are: a host whose others' use is known second by second, a model with a
 * ladder on it, and a reward for each second. Policies see the present only; the oracle knows the
 * whole trace.
 *
 * In second t, with the tier's quality q, footprint F and others' use x(t), as shares of the host:
 *
 *   reward = q - over * [x + F > limit] - full * [x + F > 1]
 *
 * q is the tier's quality while it serves, drain_quality of it while it drains, and 0 while the
 * next tier loads, whose footprint counts from then on. A planned switch drains first; an immediate
 * one costs abort seconds of the old tier's quality at once. A command while a tier loads is
 * ignored; while one drains only an immediate one is taken, to the lower of the two targets. In
 * each second the reward accrues first, then clocks advance, then the policy sees x(t). J is the
 * mean reward.
 *
 * Shares are doubles here: this judges decisions, it does not make them.
 */
#ifndef TIERD_APP_SCORE_H
#define TIERD_APP_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"

enum {
	SCORE_SECONDS_MAX = 400 * 24 * 3600,
};

/* Others' use of the host's memory, one share a second. */
struct score_series {
	char *name;
	size_t count;
	double *share;
	uint64_t memory_bytes; /* of the host */
};

/* The rules of the game. */
struct score_game {
	struct engine_config config;
	bool is_suite_ladder; /* footprints are shares of whatever host the trace is of */
	uint32_t tier_count;
	double footprint[LADDER_TIERS_MAX];
	double quality[LADDER_TIERS_MAX];
	double load_s[LADDER_TIERS_MAX];
	double drain_s;
	double drain_quality;
	double abort_s;
	double over;
	double full;
	double limit;      /* degrade_above */
	double band_above; /* upgrade_below */
};

enum score_phase {
	SCORE_SERVING,
	SCORE_DRAINING,
	SCORE_LOADING,
};

struct score_world {
	enum score_phase phase;
	uint32_t tier;   /* in place, or on its way out */
	uint32_t target; /* while draining and loading */
	double left_s;   /* of the phase */
};

enum score_command_kind {
	SCORE_STAY,
	SCORE_PLANNED,
	SCORE_IMMEDIATE,
};

struct score_command {
	enum score_command_kind kind;
	uint32_t target;
};

struct score_result {
	double reward; /* sum */
	double quality;
	uint64_t seconds;
	uint64_t switches;
	uint64_t aborts;
	uint64_t over_s;      /* over the limit */
	uint64_t full_s;      /* over the capacity */
	uint64_t avoidable_s; /* over the limit although others alone were not */
	uint64_t broken_ups;  /* steps up that were over the limit within 60 s */
};

/* A policy: state is made for each trace. */
struct score_policy {
	const char *name;
	/* Returns 0 or negative errno. */
	int (*open)(const struct score_game *game, const struct score_series *series,
		    uint32_t first_tier, void **ret_state);
	/* second: of the trace; world: after this second. */
	struct score_command (*step)(void *state, size_t second, double share,
				     const struct score_world *world);
	void (*close)(void *state);
};

enum score_policy_number {
	SCORE_ADAPTIVE,
	SCORE_THRESHOLD_SAFE,
	SCORE_THRESHOLD,
	SCORE_THRESHOLD_PREFLIGHT,
	SCORE_HPA,
	SCORE_STATIC_BEST,
	SCORE_ORACLE,
	SCORE_POLICY_COUNT,
};

/* NULL for static-best and oracle, which are computed otherwise. */
extern const struct score_policy *const SCORE_POLICIES[SCORE_POLICY_COUNT];
extern const char *const SCORE_POLICY_NAMES[SCORE_POLICY_COUNT];

/*
 * The game of a config. Without tiers in it, the ladder of the score suite: footprints of 0, 5, 12,
 * 25 and 40 % of the host, qualities 0, 0.4, 0.6, 0.8, 1, loaded in 1 s and 6 s + 60 s x footprint.
 */
void score_make_game(const struct engine_config *config, struct score_game *ret_game);

/* Fills in the footprints for a host of that size. */
void score_fit_game(struct score_game *game, uint64_t memory_bytes);

/* The largest tier that leaves use at or under band_above. */
uint32_t score_first_tier(const struct score_game *game, double share);

/* What a second costs with use share + footprint. */
double score_penalty(const struct score_game *game, double use);

/* Plays a trace with a policy. Returns 0 or negative errno. */
int score_play(const struct score_game *game, const struct score_series *series,
	       const struct score_policy *policy, struct score_result *ret_result);

/* The best of all plans, known the whole trace; durations in whole seconds, at least 1. */
int score_play_oracle(const struct score_game *game, const struct score_series *series,
		      struct score_result *ret_result);

/* The best single tier for the whole trace. */
void score_play_static(const struct score_game *game, const struct score_series *series,
		       struct score_result *ret_result);

#endif
