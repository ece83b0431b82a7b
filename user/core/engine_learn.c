/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the engine lets footprints and the adaptive policy learn, and asks the latter. */
#include "base/units.h"
#include "engine_private.h"

static bool is_learning(const struct engine *engine)
{
	return engine->config.policy == POLICY_ADAPTIVE && engine->is_configured;
}

static struct adaptive_input get_input(const struct engine *engine)
{
	return (struct adaptive_input){
		.now_ns = engine->now_ns,
		.config = &engine->config,
		.resources = &engine->resources,
		.costs = &engine->footprints.costs,
		.serving = transition_serving(&engine->transition),
		.is_measured = engine_is_tier_measured(engine),
	};
}

void engine_learn_drift(struct engine *engine, struct resource_track *track, uint64_t bytes,
			uint64_t capacity_bytes)
{
	if (!is_learning(engine))
		return;
	track->highest_bytes = units_max(track->highest_bytes, bytes);
	if (!adaptive_is_due(&engine->adaptive, engine->now_ns))
		return;
	drift_add(&track->drift, engine->now_ns, track->highest_bytes, capacity_bytes);
	track->highest_bytes = 0;
}

void engine_learn_sample(struct engine *engine)
{
	struct adaptive_input input = get_input(engine);

	input.is_confirmed = (engine->sample.flags & SAMPLE_CONFIRMED) != 0;
	if (is_learning(engine))
		adaptive_observe(&engine->adaptive, &input);
}

/* Nothing is concluded from a time in which pressure may have gone unseen; but not for ever. */
void engine_learn_loss(struct engine *engine)
{
	if (is_learning(engine) && !stabilizer_is_degraded(&engine->stabilizer, engine->now_ns,
							   engine->config.stabilization_ns))
		adaptive_note_loss(&engine->adaptive, engine->now_ns);
}

/* Use explains itself, and what was only foreseen has not happened; the rest is learned here. */
void engine_learn_pressure(struct engine *engine, const struct situation *situation,
			   const struct proposal *proposal)
{
	static const bool is_pressure[DECISION_REASON_COUNT] = {
		[REASON_STALL_OVER_URGENT] = true, [REASON_STALL_OVER_ABOVE] = true,
		[REASON_OOM_GROUP] = true,         [REASON_OOM_HOST] = true,
		[REASON_CPU_WAIT_MODEL] = true,    [REASON_CPU_WAIT_OTHERS] = true,
	};
	struct adaptive_input input = get_input(engine);

	if (is_learning(engine) && proposal->action == PROPOSE_SWITCH &&
	    is_pressure[proposal->reason])
		adaptive_note_pressure(&engine->adaptive, &input, situation->serving);
}

/* Only what a manager has said took its time; what was assumed did not happen. */
void engine_learn_costs(struct engine *engine, enum transition_event event, uint32_t state_before)
{
	const struct transition *t = &engine->transition;
	uint64_t took_ns = units_minus(engine->now_ns, engine->phase_began_ns);
	bool is_resumed = engine->is_phase_resumed;

	if (t->state == state_before)
		return;
	engine->phase_began_ns = engine->now_ns;
	if (!transition_is_pending(t))
		engine->is_phase_resumed = false;
	if (is_resumed)
		return;
	if (event == TRANSITION_ACK_LOADING && state_before == SWITCH_DRAINING)
		footprint_note_drain(&engine->footprints, &engine->config, t->from, took_ns);
	if (event == TRANSITION_ACK_DONE && state_before == SWITCH_LOADING)
		footprint_note_load(&engine->footprints, &engine->config, t->actual, took_ns);
}

void engine_take_advice(struct engine *engine, struct situation *situation)
{
	struct adaptive_input input = get_input(engine);

	if (!is_learning(engine))
		return;
	input.calm_ns = situation->calm_ns;
	input.wait_ns = situation->stabilization_ns;
	input.resting = situation->performance.resting;
	adaptive_advise(&engine->adaptive, &input, &engine->advice);
	situation->advice = engine->advice;
}

/* ---- footprints --------------------------------------------------------------------------------
 */

static void note_vram(const struct event_resource *resource, uint64_t bytes,
		      uint64_t vram_bytes[LADDER_GPUS_MAX])
{
	if (resource->kind == RESOURCE_VRAM && resource->index < LADDER_GPUS_MAX)
		vram_bytes[resource->index] = bytes;
}

static void fill_capacity(const struct event_sample *sample, struct footprint_capacity *ret)
{
	ret->memory_bytes = UINT64_MAX;
	for (uint32_t gpu = 0; gpu < LADDER_GPUS_MAX; gpu++)
		ret->vram_bytes[gpu] = UINT64_MAX;
	for (uint32_t i = 0; i < sample->resource_count; i++) {
		const struct event_resource *resource = &sample->resources[i];

		if (resource->capacity_bytes == 0)
			continue;
		if (resource->kind == RESOURCE_HOST_MEMORY)
			ret->memory_bytes = resource->capacity_bytes;
		note_vram(resource, resource->capacity_bytes, ret->vram_bytes);
	}
}

void engine_apply_footprints(struct engine *engine)
{
	struct footprint_capacity capacity;

	fill_capacity(&engine->sample, &capacity);
	engine->config.ladder = engine->said.ladder;
	footprint_apply(&engine->footprints, &capacity, &engine->config.ladder);
	engine_add_up_in_place(engine);
}

/* While a tier is exchanged or only assumed, what is measured may be another's. */
void engine_learn_footprint(struct engine *engine)
{
	const struct event_sample *sample = &engine->sample;
	struct footprint_use use = {
		.tier = engine->transition.actual,
		.memory_bytes = sample->model_footprint_bytes,
	};
	uint64_t since_ns = engine->footprint_ns;
	bool was_measured = engine->was_measured;

	engine->footprint_ns = engine->now_ns;
	engine->was_measured =
		engine_is_tier_measured(engine) && engine->now_ns >= engine->learn_after_ns;
	if (!engine->was_measured || use.memory_bytes == 0)
		return;
	if (was_measured)
		use.lasted_ns = units_minus(engine->now_ns, since_ns);
	for (uint32_t i = 0; i < sample->resource_count; i++)
		note_vram(&sample->resources[i], sample->resources[i].model_bytes, use.vram_bytes);
	footprint_observe(&engine->footprints, &engine->said, &use);
	engine_apply_footprints(engine);
}
