/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One source of events for everything that works offline: a trace, a CSV file (io/csv_rows.h), or a
 * log of requests (requests.h). Rows of the latter become the events that a live agent would have
 * fed.
 *
 * There are no wake-ups between rows, nor those of another configuration in a trace: who feeds an
 * engine from such an input also lets time pass; see replay.h.
 */
#ifndef TIERD_APP_INPUT_H
#define TIERD_APP_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "tierd/event.h"

struct requests_options;

struct input_options {
	/* Takes the place of every configuration in the file. NULL: what is there; or for a CSV,
	 * where there is none, what `tierctl detect` would write for a host of that size. */
	const struct app_config *config;
	/* Win over what is there; NULL = none. Not for config. */
	const struct config_overrides *overrides;
	uint64_t host_bytes; /* as in csv_rows_open(); 0 = not said */
	/* The file is a log of requests; NULL: a trace or a CSV. */
	const struct requests_options *requests;
	/* One printable line for people, without a newline: the file is used all the same. */
	void (*on_warning)(void *context, const char *text);
	void *context;
};

struct input;

/*
 * Opens path. options are copied, but for what they point to. Returns 0; or negative errno and one
 * printable line in error (CONFIG_ERROR_LEN is enough).
 */
int input_open(const char *path, const struct input_options *options, struct input **ret_input,
	       char *error, size_t error_size);

/*
 * The next event, valid until the next call; the first is an EVENT_CONFIG. Returns 1; 0 at the end,
 * which is also before the damage in a trace; negative errno and a line in error where the file is
 * bad.
 */
int input_next(struct input *input, const struct event **ret_event, char *error, size_t error_size);

/* Whether wake-ups are missing from the events, all or those of the configuration in use. */
bool input_needs_ticks(const struct input *input);

bool input_is_trace(const struct input *input);

/* The configuration in force: that of the last EVENT_CONFIG, or of the one that comes first. */
const struct app_config *input_get_config(const struct input *input);

void input_close(struct input *input);

/* For _cleanup_(). */
static inline void input_cleanup(struct input **input)
{
	input_close(*input);
}

#endif
