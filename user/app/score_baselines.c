/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What others do, as baselines: a plain threshold rule, the same with a look at the next rung
 * first, and a horizontal-autoscaler-like rule (at once down to what fits, up to what would have
 * fitted all through the last five minutes). These are for comparison only and have none of the
 * safety rules; the product's own threshold policy is scored as threshold-safe.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/units.h"
#include "score_policies.h"

enum {
	CALM_S = 300,
};

static uint32_t footprint_tier(const struct score_world *world)
{
	return world->phase == SCORE_LOADING ? world->target : world->tier;
}

/* ---- threshold ---------------------------------------------------------------------------------
 */

struct threshold {
	const struct score_game *game;
	uint32_t calm_s;
	bool does_look_first;
};

static int threshold_open(const struct score_game *game, const struct score_series *series,
			  uint32_t first_tier, void **ret_state)
{
	struct threshold *state = calloc(1, sizeof(*state));

	(void)series;
	(void)first_tier;
	if (!state)
		return -ENOMEM;
	state->game = game;
	*ret_state = state;
	return 0;
}

static int preflight_open(const struct score_game *game, const struct score_series *series,
			  uint32_t first_tier, void **ret_state)
{
	int result = threshold_open(game, series, first_tier, ret_state);

	if (result == 0)
		((struct threshold *)*ret_state)->does_look_first = true;
	return result;
}

static struct score_command one_rung_down(enum score_command_kind kind, uint32_t tier)
{
	if (tier == TIER_OFF)
		return (struct score_command){.kind = SCORE_STAY};
	return (struct score_command){.kind = kind, .target = tier - 1};
}

static struct score_command threshold_step(void *context, size_t second, double share,
					   const struct score_world *world)
{
	struct threshold *state = context;
	const struct score_game *game = state->game;
	double use = share + game->footprint[footprint_tier(world)];
	uint32_t up = world->tier + 1;

	(void)second;
	if (use >= game->band_above) {
		state->calm_s = 0;
		return one_rung_down(use >= game->limit ? SCORE_IMMEDIATE : SCORE_PLANNED,
				     world->tier);
	}
	state->calm_s++;
	if (state->calm_s < CALM_S || world->phase != SCORE_SERVING || up >= game->tier_count ||
	    (state->does_look_first && share + game->footprint[up] >= game->band_above))
		return (struct score_command){.kind = SCORE_STAY};
	state->calm_s = 0;
	return (struct score_command){.kind = SCORE_PLANNED, .target = up};
}

/* ---- hpa ---------------------------------------------------------------------------------------
 */

struct hpa {
	const struct score_game *game;
	double share[CALM_S]; /* a ring */
	size_t count;
};

static int hpa_open(const struct score_game *game, const struct score_series *series,
		    uint32_t first_tier, void **ret_state)
{
	struct hpa *state = calloc(1, sizeof(*state));

	(void)series;
	(void)first_tier;
	if (!state)
		return -ENOMEM;
	state->game = game;
	*ret_state = state;
	return 0;
}

static uint32_t largest_under_limit(const struct score_game *game, double share)
{
	uint32_t largest = TIER_OFF;

	for (uint32_t tier = 0; tier < game->tier_count; tier++) {
		if (share + game->footprint[tier] <= game->limit)
			largest = tier;
	}
	return largest;
}

static double peak(const struct hpa *state)
{
	double highest = 0;

	for (size_t i = 0; i < CALM_S; i++)
		highest = state->share[i] > highest ? state->share[i] : highest;
	return highest;
}

static struct score_command hpa_step(void *context, size_t second, double share,
				     const struct score_world *world)
{
	struct hpa *state = context;
	const struct score_game *game = state->game;
	double use = share + game->footprint[footprint_tier(world)];
	struct score_command command = {.kind = SCORE_STAY};

	(void)second;
	state->share[state->count++ % CALM_S] = share;
	if (use > game->limit) {
		command.kind = SCORE_IMMEDIATE;
		command.target = largest_under_limit(game, share);
	} else if (state->count >= CALM_S && world->phase == SCORE_SERVING) {
		command.target = largest_under_limit(game, peak(state));
		if (command.target > world->tier)
			command.kind = SCORE_PLANNED;
	}
	return command;
}

/* ---- all ---------------------------------------------------------------------------------------
 */

const struct score_policy SCORE_POLICY_THRESHOLD = {
	.name = "threshold", .open = threshold_open, .step = threshold_step, .close = free};
const struct score_policy SCORE_POLICY_PREFLIGHT = {.name = "threshold-preflight",
						    .open = preflight_open,
						    .step = threshold_step,
						    .close = free};
const struct score_policy SCORE_POLICY_HPA = {
	.name = "hpa", .open = hpa_open, .step = hpa_step, .close = free};
