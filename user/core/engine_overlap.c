/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two tiers in memory at once: the new one is loaded while the old one still serves, and nobody
 * waits. Granted to a planned switch of a manager that speaks, where both fit by the arithmetic of
 * preflights; until the switch has ended their sum is what counts, also against preflights.
 */
#include "base/units.h"
#include "engine_private.h"

bool engine_is_overlapping(const struct engine *engine)
{
	return engine->transition.is_overlap_granted && transition_is_pending(&engine->transition);
}

/*
 * The manager may have both in memory already. If that has become too much, it is for the rules to
 * say, as if the agent had not been restarted.
 */
bool engine_keeps_overlap(const struct engine *engine, enum transition_event event)
{
	return event == TRANSITION_RESUME && engine_is_overlapping(engine) &&
	       engine->config.overlap == OVERLAP_AUTO;
}

void engine_add_up_in_place(struct engine *engine)
{
	const struct tier *from = &engine->config.ladder.tiers[engine->transition.from];
	const struct tier *to = &engine->config.ladder.tiers[engine->transition.to];

	engine->in_place = *to;
	engine->in_place.memory_bytes = units_plus(from->memory_bytes, to->memory_bytes);
	engine->in_place.cores_permille = from->cores_permille;
	for (uint32_t gpu = 0; gpu < LADDER_GPUS_MAX; gpu++)
		engine->in_place.vram_bytes[gpu] =
			units_plus(from->vram_bytes[gpu], to->vram_bytes[gpu]);
}

/* With the room that a step up leaves, too: an overlap that has to be ended early gains nothing. */
static bool do_both_fit(const struct engine *engine)
{
	const struct engine_config *config = &engine->config;
	uint32_t limit =
		(uint32_t)units_minus(config->degrade_above_permyriad, config->margin_permyriad);

	return ladder_worst_permyriad(&engine->in_place, &engine->resources, LADDER_RESERVED) <
		       config->upgrade_below_permyriad &&
	       ladder_worst_permyriad(&engine->in_place, &engine->resources, LADDER_PEAK) <= limit;
}

void engine_grant_overlap(struct engine *engine, const struct situation *situation)
{
	struct transition *t = &engine->transition;

	t->is_overlap_granted = false;
	engine_add_up_in_place(engine);
	if (engine->config.overlap != OVERLAP_AUTO || !t->has_manager || t->is_assumed ||
	    t->mode != SWITCH_PLANNED || t->from == TIER_OFF || t->to == TIER_OFF)
		return;
	t->is_overlap_granted = policy_find_pressure(situation, &engine->config) == REASON_NONE &&
				do_both_fit(engine);
}
