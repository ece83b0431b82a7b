/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of an input, shared by its files only:
 *   input.c        the door; which kind a file is
 *   input_rows.c   CSV files and logs of requests
 *   input_trace.c  traces
 */
#ifndef TIERD_APP_INPUT_PRIVATE_H
#define TIERD_APP_INPUT_PRIVATE_H

#include "core/state.h"
#include "input.h"
#include "io/csv_rows.h"
#include "io/trace_reader.h"
#include "requests.h"
#include "row_events.h"

enum {
	INPUT_QUEUE_MAX = ROW_EVENTS_MAX + 1, /* and the configuration before the first row */
};

struct input_rows {
	struct csv_rows *csv; /* or, where it is NULL: */
	struct requests_series series;
	uint32_t next_second;
	struct row_events events;
	struct event queue[INPUT_QUEUE_MAX];
	unsigned int queue_count;
	unsigned int queue_next;
};

struct input_trace {
	struct trace_reader *reader;
	/* Decisions are made by another configuration than those that were made then. */
	bool is_hypothetical;
	bool has_config;
	bool was_model_seen;
	bool is_untold_told;       /* what cannot be known of the GPU's memory */
	struct engine_state state; /* of an agent before, as the trace has it */
	struct event first;        /* the configuration, where the trace has none */
	const struct trace_item *waiting;
};

struct input;

/* All return as the functions of input.h. */
struct input_kind {
	int (*open)(struct input *input, const char *path, char *error, size_t error_size);
	int (*next)(struct input *input, const struct event **ret_event, char *error,
		    size_t error_size);
	void (*close)(struct input *input);
};

extern const struct input_kind INPUT_ROWS;
extern const struct input_kind INPUT_TRACE;

struct input {
	const struct input_kind *kind;
	struct input_options options;
	struct app_config config; /* in force */
	bool needs_ticks;
	struct input_rows rows;
	struct input_trace trace;
};

void input_warn(const struct input *input, const char *text);

#endif
