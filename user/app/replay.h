/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine in virtual time: fed from an input, as fast as it goes, without a clock. Where the
 * events have no wake-ups among them, time passes between them as it does live: the engine gets a
 * tick at each time that it asks for.
 */
#ifndef TIERD_APP_REPLAY_H
#define TIERD_APP_REPLAY_H

#include <stddef.h>

#include "core/engine.h"
#include "input.h"

/* What the engine did with one event. */
struct replay_step {
	const struct event *event;
	const struct actions *actions;
	const struct engine_config *config; /* in force */
	uint64_t since_start_ns;            /* since the first event of all */
};

/* Returns 0, or negative errno to stop. */
typedef int replay_function(void *context, const struct replay_step *step);

/*
 * Feeds a new engine until the input ends. Returns 0; what on_step returned; or negative errno and
 * a line in error where the input is bad.
 */
int replay_run(struct input *input, replay_function *on_step, void *context, char *error,
	       size_t error_size);

#endif
