/* SPDX-License-Identifier: BSD-2-Clause */
/* The situation: everything that decisions are made from, at one point in time. */
#include "base/units.h"
#include "engine_private.h"

static void view_stalls(const struct engine *engine, struct situation *s)
{
	const uint64_t length_ns[STALL_SPAN_COUNT] = {
		[STALL_SPAN_URGENT] = engine->config.stall_urgent_window_ns,
		[STALL_SPAN_ABOVE] = engine->config.stall_above_window_ns,
		[STALL_SPAN_CALM] = engine->config.calm_stall_window_ns,
	};

	for (uint32_t party = 0; party < PRESSURE_PARTIES; party++) {
		for (uint32_t kind = 0; kind < STALL_CLASS_COUNT; kind++) {
			for (int span = 0; span < STALL_SPAN_COUNT; span++)
				s->stall_permyriad[party][kind][span] =
					pressure_stall_permyriad(&engine->pressure, engine->now_ns,
								 party, kind, length_ns[span]);
		}
	}
}

void engine_get_situation(const struct engine *engine, bool is_fresh,
			  struct situation *ret_situation)
{
	const struct engine_config *config = &engine->config;
	const struct stabilizer *stabilizer = &engine->stabilizer;
	uint64_t now_ns = engine->now_ns;

	bool is_adaptive = config->policy == POLICY_ADAPTIVE;
	uint64_t wait_ns =
		is_adaptive ? units_min(config->stabilization_min_ns, config->stabilization_ns)
			    : config->stabilization_ns;

	*ret_situation = (struct situation){
		.switch_state = engine->transition.state,
		.serving = transition_serving(&engine->transition),
		.in_place = engine_is_overlapping(engine) ? &engine->in_place : NULL,
		.target = engine->transition.to,
		.source = engine->source,
		.is_warm = engine->has_sample &&
			   units_minus(now_ns, engine->first_sample_ns) >= config->warmup_ns,
		.is_paused = engine->is_paused,
		.pin = engine->pin,
		.is_fresh = is_fresh,
		.is_confirmed = engine->is_confirmed,
		.is_band_confirmed = engine->is_band_confirmed,
		.is_model_unseen = engine->is_model_unseen,
		.is_measured = engine_is_tier_measured(engine),
		.oom = engine->oom_reason,
		.resources = engine->resources,
		.calm_ns = stabilizer_calm_ns(stabilizer, now_ns, config->stabilization_ns),
		.pressure_calm_ns = stabilizer_pressure_calm_ns(stabilizer, now_ns),
		.stabilization_ns = stabilizer_wait_ns(stabilizer, wait_ns),
		.costs = &engine->footprints.costs,
		.advice = engine->advice,
		.performance = engine->performance_advice,
	};
	view_stalls(engine, ret_situation);
	pressure_get_cpu(&engine->pressure, now_ns, config->cpu_wait_window_ns,
			 engine->sample.cpu_count, &ret_situation->cpu);
}
