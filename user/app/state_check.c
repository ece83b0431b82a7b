// SPDX-License-Identifier: BSD-2-Clause
#include "state_check.h"

#include <string.h>

#include "core/transition.h"

static const char *find(const char **ret_key, const char *key, const char *words)
{
	*ret_key = key;
	return words;
}

/* A spell begins after the one before has ended. */
static const char *find_in_calm(const struct calm_state *calm, const char **ret_key)
{
	if (calm->opened_ns && calm->opened_ns < calm->broken_ns)
		return find(ret_key, "calm_since_ns", "before the calm before it ended");
	if (calm->alarms_true_permyriad > calm->alarms_permyriad)
		return find(ret_key, "forecasts_true", "more than there were");
	return NULL;
}

static const char *find_in_tiers(const struct engine_state *state, const char **ret_key)
{
	for (uint32_t i = 0; i < state->tier_count; i++) {
		const struct tier_state *tier = &state->tiers[i];
		const char *problem = find_in_calm(&tier->calm, ret_key);

		if (problem)
			return problem;
		if (!tier->name[0])
			return find(ret_key, "tiers", "one has no name");
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(tier->name, state->tiers[j].name) == 0)
				return find(ret_key, "tiers", "one is there twice");
		}
	}
	return NULL;
}

/* What a switch machine can be in: see transition.h. */
static const char *find_in_switch(const struct engine_state *state, const char **ret_key)
{
	bool is_pending = state->phase == SWITCH_DRAINING || state->phase == SWITCH_LOADING;

	if (!state->wanted[0] || !state->actual[0] || !state->from[0] || !state->to[0])
		return find(ret_key, "", "a tier is missing");
	if (is_pending && (strcmp(state->wanted, state->to) != 0 || state->seq == 0))
		return find(ret_key, "phase", "there is no such order");
	if (state->phase != SWITCH_STEADY && state->deadline_ns == 0)
		return find(ret_key, "phase", "it would never end");
	if (state->phase == SWITCH_SETTLING && strcmp(state->wanted, state->actual) != 0)
		return find(ret_key, "phase", "it settles on nothing");
	return NULL;
}

const char *state_find_problem(const struct engine_state *state, const char **ret_key)
{
	uint32_t factor = state->wait_factor;
	const char *problem = find_in_switch(state, ret_key);

	if (!problem)
		problem = find_in_tiers(state, ret_key);
	if (problem)
		return problem;
	if (factor & (factor - 1))
		return find(ret_key, "wait_factor", "not 1, 2, 4 or 8");
	if (state->taken_ns == 0)
		return find(ret_key, "taken_ns", "missing");
	return NULL;
}
