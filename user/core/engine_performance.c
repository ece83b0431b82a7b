/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the engine takes in what the manager tells of its tasks, and asks how the tiers do. */
#include "base/units.h"
#include "engine_private.h"

static struct performance_input get_input(const struct engine *engine)
{
	uint32_t state = engine->transition.state;

	return (struct performance_input){
		.now_ns = engine->now_ns,
		.config = &engine->config,
		.resources = &engine->resources,
		.serving = transition_serving(&engine->transition),
		.is_settled =
			engine->is_started && (state == SWITCH_STEADY || state == SWITCH_DRAINING),
	};
}

void engine_judge_performance(struct engine *engine)
{
	struct performance_input input = get_input(engine);

	performance_advance(&engine->performance, &input);
	performance_advise(&engine->performance, &input, &engine->performance_advice);
}

/* Out of range where none is named: the serving tier is meant. */
static uint32_t find_tier(const struct engine *engine, const struct event_command *command)
{
	uint32_t tier;

	return ladder_find_name(&engine->config.ladder, command->tier, &tier) ? tier : UINT32_MAX;
}

void engine_begin_task(struct engine *engine, const struct event_command *command)
{
	struct performance_input input = get_input(engine);

	performance_begin_task(&engine->performance, &input, command->id,
			       find_tier(engine, command));
}

void engine_end_task(struct engine *engine, const struct event_command *command)
{
	const struct task_result result = {
		.is_ok = command->is_ok,
		.has_first_token = command->ttft_ms > 0,
		.duration_ms = command->ms,
		.first_token_ms = command->ttft_ms,
		.tokens = command->tokens,
	};
	struct performance_input input = get_input(engine);

	performance_end_task(&engine->performance, &input, command->id, find_tier(engine, command),
			     &result);
	engine_judge_performance(engine);
}

/* Said when it is found, and again each window while it lasts; nothing else comes of it. */
void engine_note_fault(struct engine *engine, struct actions *out,
		       const struct situation *situation)
{
	const struct proposal blame = {.blame = BLAME_MODEL};
	uint32_t reason = policy_find_fault(situation, &engine->config);
	struct decision decision;

	if (reason == REASON_NONE ||
	    (reason == engine->fault_reason && situation->serving == engine->fault_tier &&
	     units_minus(engine->now_ns, engine->fault_ns) < engine->config.performance_window_ns))
		return;
	engine->fault_reason = reason;
	engine->fault_tier = situation->serving;
	engine->fault_ns = engine->now_ns;
	engine_fill_numbers(engine, situation, situation->serving, &decision);
	engine_find_blamed(engine, &blame, &decision);
	decision.action = DECISION_HOLD;
	decision.reason = reason;
	decision.from = situation->serving;
	decision.to = situation->serving;
	engine_push_decision(engine, out, &decision);
}

void engine_fill_task_status(const struct engine *engine, struct engine_status *status)
{
	const struct performance *performance = &engine->performance;
	const struct tasks *tasks = &performance->tasks;

	status->tasks = (struct status_tasks){
		.running = tasks->count,
		.overflowed = tasks->overflowed,
		.expired = tasks->expired,
		.forgotten = tasks->forgotten,
		.unknown = tasks->unknown,
	};
	for (uint32_t tier = 0; tier < engine->config.ladder.count; tier++) {
		const struct breaker *breaker = &performance->tiers[tier].breaker;
		struct status_tier *to = &status->tiers[tier];

		performance_get_hour(performance, engine->now_ns, tier, &to->hour);
		to->running = tasks_count_on(tasks, tier);
		to->breaker = breaker->state;
		to->reason = breaker->reason;
		if (breaker->state == BREAKER_OPEN)
			to->rest_ns = units_minus(breaker->until_ns, engine->now_ns);
	}
}
