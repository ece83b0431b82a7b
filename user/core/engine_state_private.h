/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the two files that keep an engine's state only. */
#ifndef TIERD_CORE_ENGINE_STATE_PRIVATE_H
#define TIERD_CORE_ENGINE_STATE_PRIVATE_H

#include "base/units.h"
#include "engine_private.h"
#include "state.h"

/* On the clock of the events. */
static inline uint64_t engine_outside_ns(const struct engine *engine, uint64_t time_ns)
{
	return units_plus(engine->origin_ns, time_ns);
}

/* A time of the past, on the engine's own clock. */
static inline uint64_t engine_past_ns(const struct engine *engine, uint64_t time_ns)
{
	return units_min(units_minus(time_ns, engine->origin_ns), engine->now_ns);
}

/* What the adaptive policy has learned: out of an engine whose other state was taken, and into one
 * that has the rest. */
void engine_take_calm_spells(const struct engine *engine, struct engine_state *state);
void engine_put_calm_spells(struct engine *engine, const struct engine_state *state,
			    bool has_times);

#endif
