/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions whether something fits: preflight.h's arithmetic on what the engine knows. */
#include <string.h>

#include "base/units.h"
#include "engine_private.h"

static bool is_stalled(const struct engine *engine)
{
	static const uint32_t relievable[] = {STALL_GROUP, STALL_HOST};
	const struct engine_config *config = &engine->config;

	for (uint32_t party = 0; party < PRESSURE_PARTIES; party++) {
		for (size_t i = 0; i < ARRAY_SIZE(relievable); i++) {
			if (pressure_stall_permyriad(
				    &engine->pressure, engine->now_ns, party, relievable[i],
				    config->stall_above_window_ns) >= config->stall_above_permyriad)
				return true;
		}
	}
	return false;
}

/* Every resource of the sample, also those that no tier takes anything of. */
static void fill_resources(const struct engine *engine, struct preflight_scene *scene)
{
	const struct event_sample *sample = &engine->sample;

	scene->count = sample->resource_count;
	for (uint32_t i = 0; i < sample->resource_count; i++) {
		const struct event_resource *resource = &sample->resources[i];

		scene->resources[i] = (struct preflight_resource){
			.kind = resource->kind,
			.index = resource->index,
			.capacity_bytes = resource->capacity_bytes,
			.others_bytes = engine_others_bytes(engine, resource),
			.model_bytes = resource->model_bytes,
		};
	}
}

static void fill_scene(const struct engine *engine, struct preflight_scene *ret_scene)
{
	const struct transition *t = &engine->transition;
	struct cpu_pressure cpu;

	memset(ret_scene, 0, sizeof(*ret_scene));
	ret_scene->now_ns = engine->now_ns;
	ret_scene->config = &engine->config;
	ret_scene->has_sample = engine->has_sample;
	ret_scene->is_measured = engine_is_tier_measured(engine);
	ret_scene->serving = t->actual;
	ret_scene->pending = transition_is_pending(t) ? t->to : t->actual;
	ret_scene->is_overlapping = engine_is_overlapping(engine);
	fill_resources(engine, ret_scene);
	ret_scene->is_stalled = is_stalled(engine);
	pressure_get_cpu(&engine->pressure, engine->now_ns, engine->config.cpu_wait_window_ns,
			 engine->sample.cpu_count, &cpu);
	ret_scene->is_cpu_measured = engine->source == SOURCE_BPF;
	ret_scene->cpu_permille = engine->sample.cpu_count * 1000;
	ret_scene->others_cpu_permille = (uint32_t)units_scale(
		ret_scene->cpu_permille, cpu.others_demand_permyriad, PERMYRIAD);
}

void engine_see_reservations(struct engine *engine)
{
	struct preflight_scene scene;

	if (engine->preflight.count == 0)
		return;
	fill_scene(engine, &scene);
	preflight_see(&engine->preflight, &scene);
}

void engine_answer_preflight(struct engine *engine, const struct event_command *command,
			     struct actions *out)
{
	struct preflight_question question = {
		.tier = PREFLIGHT_TIER_NONE,
		.memory_bytes = command->memory_bytes,
		.vram_bytes = command->vram_bytes,
		.cpus_permille = command->cpus_permille,
		.shared_depth = command->shared_depth,
		.is_only_asked = command->is_only_asked,
	};
	struct preflight_scene scene;

	if (command->tier[0] &&
	    !ladder_find_name(&engine->config.ladder, command->tier, &question.tier))
		return;
	fill_scene(engine, &scene);
	preflight_ask(&engine->preflight, &scene, &question, &out->answer);
	out->answer.time_ns = units_plus(engine->origin_ns, engine->now_ns);
	out->has_answer = true;
}
