/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the adaptive policy has learned, kept over a restart. Durations and shares always count;
 * times only in the same boot, and even then nothing is known of the time without an agent: a spell
 * that was open keeps its age where age means that it may end, and begins anew where it means that
 * calm was seen. A forecast that was still open is neither right nor wrong.
 */
#include <string.h>

#include "base/units.h"
#include "engine_state_private.h"

static uint64_t vram_bytes(const struct tier *tier)
{
	uint64_t sum_bytes = 0;

	for (uint32_t gpu = 0; gpu < LADDER_GPUS_MAX; gpu++)
		sum_bytes = units_plus(sum_bytes, tier->vram_bytes[gpu]);
	return sum_bytes;
}

/* ---- out ---------------------------------------------------------------------------------------
 */

static void take_history(const struct spell_history *from, struct spell_history *to)
{
	to->count = from->count;
	for (uint32_t i = 0; i < from->count; i++)
		to->length_ns[i] = units_min(from->length_ns[i], SPELLS_LENGTH_MAX_NS);
}

static void take_level(const struct engine *engine, uint32_t tier, struct calm_state *calm)
{
	const struct tier *tiers = engine->said.ladder.tiers;
	const struct adaptive_level *level = &engine->adaptive.levels[tier];
	const struct spells *spells = &level->spells;

	calm->vram_bytes = vram_bytes(&tiers[tier]);
	if (spells->is_open)
		calm->opened_ns = engine_outside_ns(engine, spells->opened_ns);
	if (spells->has_broken)
		calm->broken_ns = engine_outside_ns(engine, spells->broken_ns);
	take_history(&spells->lengths, &calm->lengths);
	take_history(&spells->intervals, &calm->intervals);
	calm->alarms_permyriad =
		(uint32_t)units_min(level->alarms_permyriad, ADAPTIVE_ALARMS_MAX_PERMYRIAD);
	calm->alarms_true_permyriad =
		(uint32_t)units_min(level->alarms_true_permyriad, ADAPTIVE_ALARMS_MAX_PERMYRIAD);
	calm->penalty_permyriad = level->penalty_permyriad;
	calm->refuges.count = level->refuge_count;
	for (uint32_t i = 0; i < level->refuge_count; i++)
		memcpy(calm->refuges.name[i], tiers[level->refuge[i]].name, EVENT_TIER_NAME_LEN);
}

void engine_take_calm_spells(const struct engine *engine, struct engine_state *state)
{
	if (engine->config.policy != POLICY_ADAPTIVE)
		return;
	state->degrade_above_permyriad = engine->config.degrade_above_permyriad;
	state->cost_drain_ns = engine->config.cost_drain_ns;
	for (uint32_t tier = 1; tier < state->tier_count; tier++)
		take_level(engine, tier, &state->tiers[tier].calm);
}

/* ---- in ----------------------------------------------------------------------------------------
 */

/* Whether the tier is what it was; then where it is in the ladder now. */
static bool find_same(const struct engine *engine, const struct tier_state *from,
		      uint32_t *ret_tier)
{
	const struct ladder *ladder = &engine->said.ladder;
	uint32_t tier;

	if (!ladder_find_name(ladder, from->name, &tier) ||
	    ladder->tiers[tier].memory_bytes != from->memory_bytes ||
	    vram_bytes(&ladder->tiers[tier]) != from->calm.vram_bytes)
		return false;
	*ret_tier = tier;
	return true;
}

static void put_refuges(const struct engine *engine, const struct engine_state *state,
			const struct tier_names *names, struct adaptive_level *level)
{
	for (uint32_t i = 0; i < names->count; i++) {
		for (uint32_t j = 0; j < state->tier_count; j++) {
			uint32_t tier;

			if (strcmp(state->tiers[j].name, names->name[i]) == 0 &&
			    find_same(engine, &state->tiers[j], &tier))
				level->refuge[level->refuge_count++] = tier;
		}
	}
}

static void put_level(struct engine *engine, const struct calm_state *calm, bool has_times,
		      struct adaptive_level *level)
{
	const struct engine_config *config = &engine->config;
	struct spells *spells = &level->spells;
	uint64_t penalty_min = (uint64_t)config->cost_over_permille * (PERMYRIAD / 1000);
	uint64_t penalty_max =
		penalty_min + (uint64_t)config->cost_full_permille * (PERMYRIAD / 1000);

	spells->lengths = calm->lengths;
	spells->intervals = calm->intervals;
	if (has_times) {
		spells->is_open = calm->opened_ns > 0;
		spells->opened_ns = engine_past_ns(engine, calm->opened_ns);
		spells->has_broken = calm->broken_ns > 0;
		spells->broken_ns = engine_past_ns(engine, calm->broken_ns);
	}
	spells_restart(spells, engine->now_ns);
	level->alarms_permyriad = calm->alarms_permyriad;
	level->alarms_true_permyriad = calm->alarms_true_permyriad;
	level->penalty_permyriad =
		units_max(units_min(calm->penalty_permyriad, penalty_max), penalty_min);
}

/* Another policy has no use for it, and does not keep it any longer. */
void engine_put_calm_spells(struct engine *engine, const struct engine_state *state, bool has_times)
{
	const struct engine_config *config = &engine->config;

	if (config->degrade_above_permyriad != state->degrade_above_permyriad ||
	    config->cost_drain_ns != state->cost_drain_ns)
		return;
	for (uint32_t i = 0; i < state->tier_count; i++) {
		const struct calm_state *calm = &state->tiers[i].calm;
		struct adaptive_level *level;
		uint32_t tier;

		if (calm->alarms_permyriad == 0 || !find_same(engine, &state->tiers[i], &tier))
			continue;
		level = &engine->adaptive.levels[tier];
		put_level(engine, calm, has_times, level);
		put_refuges(engine, state, &calm->refuges, level);
	}
}
