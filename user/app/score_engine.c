/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The product's engine as a policy: the same code as in the agent, with virtual time, samples made
 * of the series, and a manager that drains and loads in the score's world and says so.
 *
 * Where the engine orders what that world ignores (anything while a tier loads, a cancel or another
 * planned switch while one drains), the manager goes on with what it does; when it is done and
 * that is not what was ordered last, it says hello with the tier that it has, as one that was
 * started anew would, and the engine orders again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/engine.h"
#include "core/ladder.h"
#include "score_policies.h"

enum {
	TICKS_MAX = 16, /* in a second; the engine asks for very few */
	CPU_COUNT = 8,  /* of the host, where nobody ever waits */
};

struct virtual_agent {
	const struct score_game *game;
	struct engine_config config;
	struct engine *engine;
	uint64_t now_ns;
	uint64_t wake_at_ns;
	uint64_t memory_bytes;
	enum score_phase phase; /* of the world, as last seen */
	uint64_t order_seq;     /* of the last line */
	uint32_t order_target;
	uint64_t work_seq; /* of the line that is being carried out */
	struct score_command command;
};

static void take_line(struct virtual_agent *agent, const struct manager_line *line)
{
	uint32_t target;

	if (line->verb != MANAGER_SWITCH ||
	    !ladder_find_name(&agent->config.ladder, line->to, &target))
		return;
	agent->order_seq = line->seq;
	agent->order_target = target;
	agent->command = (struct score_command){
		.kind = line->mode == SWITCH_IMMEDIATE ? SCORE_IMMEDIATE : SCORE_PLANNED,
		.target = target,
	};
}

static void feed(struct virtual_agent *agent, struct event *event)
{
	struct actions actions;

	event->time_ns = agent->now_ns;
	engine_step(agent->engine, event, &actions);
	agent->wake_at_ns = actions.wake_at_ns;
	for (uint32_t i = 0; i < actions.line_count; i++)
		take_line(agent, &actions.lines[i]);
}

static void feed_hello(struct virtual_agent *agent, uint32_t tier)
{
	struct event event = {.kind = EVENT_COMMAND, .command = {.verb = COMMAND_HELLO}};

	memcpy(event.command.tier, agent->config.ladder.tiers[tier].name,
	       sizeof(event.command.tier));
	feed(agent, &event);
}

static void feed_ack(struct virtual_agent *agent, uint32_t state)
{
	struct event event = {
		.kind = EVENT_COMMAND,
		.command = {.verb = COMMAND_ACK, .ack_state = state, .seq = agent->work_seq},
	};

	feed(agent, &event);
}

/* A row of data that somebody has counts as two samples. */
static void feed_sample(struct virtual_agent *agent, double share)
{
	struct event event = {.kind = EVENT_SAMPLE};
	struct event_sample *sample = &event.sample;

	sample->flags = SAMPLE_CONFIRMED;
	sample->model_processes = 1;
	sample->cpu_count = CPU_COUNT;
	sample->resource_count = 1;
	sample->resources[0] = (struct event_resource){
		.kind = RESOURCE_HOST_MEMORY,
		.capacity_bytes = agent->memory_bytes,
		.used_bytes = (uint64_t)(share * (double)agent->memory_bytes + 0.5),
	};
	feed(agent, &event);
}

/* What the manager says of how the world has moved on. */
static void tell_progress(struct virtual_agent *agent, const struct score_world *world)
{
	if (agent->phase == world->phase)
		return;
	agent->phase = world->phase;
	if (world->phase == SCORE_LOADING)
		feed_ack(agent, ACK_LOADING);
	if (world->phase != SCORE_SERVING)
		return;
	if (agent->work_seq == agent->order_seq && world->tier == agent->order_target)
		feed_ack(agent, ACK_DONE);
	else
		feed_hello(agent, world->tier);
}

/* Whether the world will obey, as score_world.c does. */
static bool is_obeyed(const struct virtual_agent *agent, const struct score_world *world)
{
	if (agent->command.kind == SCORE_STAY || agent->command.target == world->tier)
		return false;
	return world->phase == SCORE_SERVING ||
	       (world->phase == SCORE_DRAINING && agent->command.kind == SCORE_IMMEDIATE);
}

static struct score_command engine_step_second(void *state, size_t second, double share,
					       const struct score_world *world)
{
	struct virtual_agent *agent = state;
	uint64_t now_ns = (uint64_t)(second + 1) * NS_PER_S;

	agent->command.kind = SCORE_STAY;
	for (int i = 0; i < TICKS_MAX && agent->wake_at_ns < now_ns; i++) {
		struct event tick = {.kind = EVENT_TICK};

		agent->now_ns = units_max(agent->now_ns, agent->wake_at_ns);
		feed(agent, &tick);
	}
	agent->now_ns = now_ns;
	tell_progress(agent, world);
	feed_sample(agent, share);
	if (is_obeyed(agent, world)) {
		agent->work_seq = agent->order_seq;
		agent->phase =
			agent->command.kind == SCORE_IMMEDIATE ? SCORE_LOADING : SCORE_DRAINING;
		feed_ack(agent,
			 agent->command.kind == SCORE_IMMEDIATE ? ACK_LOADING : ACK_DRAINING);
	}
	return agent->command;
}

static void engine_close(void *state)
{
	struct virtual_agent *agent = state;

	free(agent->engine);
	free(agent);
}

static int engine_open(const struct score_game *game, const struct score_series *series,
		       uint32_t first_tier, uint32_t policy, void **ret_state)
{
	struct event config = {.kind = EVENT_CONFIG};
	_cleanup_free_ struct virtual_agent *agent = calloc(1, sizeof(*agent));
	void *memory = aligned_alloc(64, (engine_size() + 63) / 64 * 64);

	if (!agent || !memory) {
		free(memory);
		return -ENOMEM;
	}
	agent->game = game;
	agent->memory_bytes = series->memory_bytes;
	agent->engine = engine_init(memory);
	agent->config = game->config;
	agent->config.policy = policy;
	config.config = &agent->config;
	feed(agent, &config);
	feed_hello(agent, first_tier);
	*ret_state = TAKE_PTR(agent);
	return 0;
}

static int adaptive_open(const struct score_game *game, const struct score_series *series,
			 uint32_t first_tier, void **ret_state)
{
	return engine_open(game, series, first_tier, POLICY_ADAPTIVE, ret_state);
}

static int threshold_safe_open(const struct score_game *game, const struct score_series *series,
			       uint32_t first_tier, void **ret_state)
{
	return engine_open(game, series, first_tier, POLICY_THRESHOLD, ret_state);
}

const struct score_policy SCORE_POLICY_ADAPTIVE = {.name = "adaptive",
						   .open = adaptive_open,
						   .step = engine_step_second,
						   .close = engine_close};
const struct score_policy SCORE_POLICY_THRESHOLD_SAFE = {.name = "threshold-safe",
							 .open = threshold_safe_open,
							 .step = engine_step_second,
							 .close = engine_close};
