// SPDX-License-Identifier: BSD-2-Clause
/*
 * System samples: taken when the engine asks for one; one that cannot be taken is a loss, never
 * zeros.
 */
#include <string.h>

#include "agent.h"
#include "base/units.h"

enum {
	GROWTH_DIVISOR = 64, /* use that grew by this part of the capacity asks for a name */
};

/* A resource that was not there before has not grown. */
static bool has_grown(const struct agent *agent, const struct event_resource *resource)
{
	for (uint32_t i = 0; i < agent->walked_count; i++) {
		const struct event_resource *walked = &agent->walked[i];

		if (walked->kind == resource->kind && walked->index == resource->index)
			return units_minus(resource->used_bytes, walked->used_bytes) >
			       resource->capacity_bytes / GROWTH_DIVISOR;
	}
	return false;
}

/*
 * What a sample shows should have a name: where use has grown since the last walk, one is made
 * before the sample is fed, so that the process that grew has a record by then.
 */
static int growth_name(struct agent *agent, const struct event_sample *sample, uint64_t now_ns)
{
	bool is_any = false;

	for (uint32_t i = 0; i < sample->resource_count; i++)
		is_any = is_any || has_grown(agent, &sample->resources[i]);
	if (is_any && agent->probes) {
		int result = agent_walk(agent, now_ns);

		if (result < 0)
			return result;
	}
	if (agent->last_walk_ns != agent->walked_ns) {
		memcpy(agent->walked, sample->resources, sizeof(agent->walked));
		agent->walked_count = sample->resource_count;
		agent->walked_ns = agent->last_walk_ns;
	}
	return 0;
}

/* A part of the sample that could not be read (a GPU, the model's processes) is a loss, too. */
static int part_losses_feed(struct agent *agent)
{
	struct event event = {.kind = EVENT_LOSS};
	uint64_t failures =
		nvml_get_failures(agent->nvml) + sampler_get_model_failures(agent->sampler);

	bool has_grown_since = failures > agent->sample_failures;

	agent->sample_failures = failures; /* a reload begins anew */
	if (!has_grown_since)
		return 0;
	event.loss.count[LOSS_SAMPLE] = 1;
	log_rate_limited(&agent->log, LOG_NORMAL, "a part of the sample could not be read");
	return agent_feed(agent, &event);
}

/* A walk that is nearly due is made now: waking up once is cheaper than twice. */
static int walk_early(struct agent *agent, uint64_t now_ns)
{
	if (!agent->probes || !agent->is_calm || agent->walk_timer.at_ns == LOOP_NEVER ||
	    agent->walk_timer.at_ns > now_ns + agent->config.window_calm_ns / 2)
		return 0;
	return agent_walk(agent, now_ns);
}

int agent_sample(void *context, uint64_t now_ns)
{
	struct agent *agent = context;
	struct event event = {.kind = EVENT_SAMPLE};
	int result;

	agent->sample_timer.at_ns = LOOP_NEVER;
	agent->sampled_ns = now_ns;
	agent_record_check(agent);
	result = walk_early(agent, now_ns);
	if (result < 0)
		return result;
	result = sampler_take(agent->sampler, now_ns, &event.sample);
	if (result >= 0) {
		if (agent->is_sample_failing)
			log_write(&agent->log, LOG_NORMAL, "samples can be taken again");
		agent->is_sample_failing = false;
		result = part_losses_feed(agent);
		if (result >= 0)
			result = growth_name(agent, &event.sample, now_ns);
		return result < 0 ? result : agent_feed(agent, &event);
	}
	if (!agent->is_sample_failing)
		log_write(&agent->log, LOG_QUIET, "cannot take a sample: %s", strerror(-result));
	agent->is_sample_failing = true;
	event = (struct event){.kind = EVENT_LOSS, .loss.count[LOSS_SAMPLE] = 1};
	result = agent_feed(agent, &event);
	if (result < 0)
		return result;
	return agent_timer_set(&agent->sample_timer,
			       now_ns + agent->config.engine.sample_period_ns);
}
