// SPDX-License-Identifier: BSD-2-Clause
#include "replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"

enum {
	/*
	 * Between two events. An engine without events has nothing going on that lasts longer: a
	 * drain is assumed done within seconds, and settling takes an hour at most, with a
	 * heartbeat each second at most. A file with an absurd gap takes no longer than others.
	 */
	TICKS_IN_GAP_MAX = 10000,
};

struct replay {
	struct engine *engine;
	replay_function *on_step;
	void *context;
	const struct engine_config *config;
	bool has_start;
	uint64_t start_ns;
	uint64_t wake_at_ns;
};

static int step(struct replay *replay, const struct event *event)
{
	struct actions actions;

	if (!replay->has_start)
		replay->start_ns = event->time_ns;
	replay->has_start = true;
	if (event->kind == EVENT_CONFIG)
		replay->config = event->config;
	engine_step(replay->engine, event, &actions);
	replay->wake_at_ns = actions.wake_at_ns;

	const struct replay_step done = {
		.event = event,
		.actions = &actions,
		.config = replay->config,
		.since_start_ns = units_minus(event->time_ns, replay->start_ns),
	};
	return replay->on_step(replay->context, &done);
}

/* Wakes the engine as often as it wants before until_ns. */
static int pass_time(struct replay *replay, uint64_t until_ns)
{
	struct event tick = {.kind = EVENT_TICK};

	for (int i = 0; i < TICKS_IN_GAP_MAX && replay->wake_at_ns < until_ns; i++) {
		int result;

		tick.time_ns = units_max(tick.time_ns, replay->wake_at_ns);
		result = step(replay, &tick);
		if (result < 0)
			return result;
	}
	return 0;
}

static int feed(struct replay *replay, struct input *input, char *error, size_t error_size)
{
	const struct event *event;
	int result;

	while ((result = input_next(input, &event, error, error_size)) > 0) {
		if (input_needs_ticks(input) && replay->has_start) {
			result = pass_time(replay, event->time_ns);
			if (result < 0)
				return result;
		}
		result = step(replay, event);
		if (result < 0)
			return result;
	}
	return result;
}

int replay_run(struct input *input, replay_function *on_step, void *context, char *error,
	       size_t error_size)
{
	_cleanup_free_ void *memory = aligned_alloc(64, (engine_size() + 63) / 64 * 64);
	struct replay replay = {.on_step = on_step, .context = context};

	if (!memory) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	replay.engine = engine_init(memory);
	return feed(&replay, input, error, error_size);
}
