/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A recording as an agent makes one: an engine that is fed, with the wake-ups that it asks for, and
 * every event of it in a trace; what it decided is kept as NDJSON.
 */
#ifndef TIERD_TESTS_RECORDING_H
#define TIERD_TESTS_RECORDING_H

#include "file_tree.h"

#include "app/format.h"
#include "app/options.h"
#include "base/units.h"
#include "io/trace_writer.h"

#define RECORDING_FUNCTION __attribute__((unused)) static

enum {
	RECORDING_TEXT_LEN = 256 * 1024,
	RECORDING_LINE_LEN = 8192,
};

struct recording {
	struct trace_writer *writer;
	struct engine *engine;
	struct app_config config;
	uint64_t now_ns;
	uint64_t wake_at_ns;
	uint64_t order_seq; /* of the last switch line */
	char decisions[RECORDING_TEXT_LEN];
};

RECORDING_FUNCTION void recording_start(struct recording *recording, const char *path,
					uint64_t time_ns, uint32_t flags)
{
	const struct trace_writer_options options = {
		.path = path,
		.metadata = {.flags = flags, .clock = TRACE_CLOCK, .recorder = "test"},
		.segment_max_bytes = UINT64_MAX,
		.keep = 1,
		.is_new_only = true,
		.is_waiting = true,
	};

	memset(recording, 0, sizeof(*recording));
	assert_int_equal(trace_writer_open(&options, &recording->writer), 0);
	recording->engine = engine_init(calloc(1, engine_size()));
	recording->now_ns = time_ns;
	recording->wake_at_ns = UINT64_MAX;
}

RECORDING_FUNCTION void recording_stop(struct recording *recording)
{
	assert_int_equal(trace_writer_close(recording->writer, -1), 0);
	free(recording->engine);
}

/* Feeds the event now. */
RECORDING_FUNCTION void recording_feed(struct recording *recording, struct event *event,
				       const struct event_text *config)
{
	struct actions actions;

	event->time_ns = recording->now_ns;
	trace_writer_add(recording->writer, event, config);
	engine_step(recording->engine, event, &actions);
	recording->wake_at_ns = actions.wake_at_ns;
	for (uint32_t i = 0; i < actions.line_count; i++) {
		if (actions.lines[i].verb == MANAGER_SWITCH)
			recording->order_seq = actions.lines[i].seq;
	}
	for (uint32_t i = 0; i < actions.decision_count; i++) {
		size_t len = strlen(recording->decisions);
		int added = format_decision_json(
			&actions.decisions[i], &recording->config.engine.ladder,
			recording->decisions + len, RECORDING_TEXT_LEN - len);

		assert_true(added > 0);
	}
}

/* At the start, and as a reload. */
RECORDING_FUNCTION void recording_configure(struct recording *recording, const char *text)
{
	const struct event_text record = {"live.conf", 9, text, strlen(text)};
	struct event event = {.kind = EVENT_CONFIG, .config = &recording->config.engine};
	char error[CONFIG_ERROR_LEN];

	if (config_load_text(text, strlen(text), "live.conf", NULL, &recording->config, error,
			     sizeof(error)) < 0)
		fail_msg("%s", error);
	recording_feed(recording, &event, &record);
}

RECORDING_FUNCTION void recording_command(struct recording *recording, uint32_t verb,
					  const char *tier, uint32_t ack_state)
{
	struct event event = {
		.kind = EVENT_COMMAND,
		.command = {.verb = verb, .ack_state = ack_state},
	};

	snprintf(event.command.tier, sizeof(event.command.tier), "%s", tier);
	if (verb == COMMAND_ACK)
		event.command.seq = recording->order_seq;
	recording_feed(recording, &event, NULL);
}

/* Time passes, with the wake-ups that are asked for. */
RECORDING_FUNCTION void recording_pass(struct recording *recording, uint64_t until_ns)
{
	struct event tick = {.kind = EVENT_TICK};

	while (recording->wake_at_ns < until_ns) {
		recording->now_ns = units_max(recording->now_ns, recording->wake_at_ns);
		recording_feed(recording, &tick, NULL);
	}
	recording->now_ns = until_ns;
}

/* A sample each second of a host of 64 GiB. */
RECORDING_FUNCTION void recording_run(struct recording *recording, unsigned int seconds,
				      double others_gib, double model_gib)
{
	for (unsigned int i = 0; i < seconds; i++) {
		uint64_t model_bytes = (uint64_t)(model_gib * (double)GIB);
		struct event event = {
			.kind = EVENT_SAMPLE,
			.sample = {.model_processes = model_bytes ? 1 : 0,
				   .resource_count = 1,
				   .cpu_count = 4},
		};

		event.sample.resources[0] = (struct event_resource){
			.kind = RESOURCE_HOST_MEMORY,
			.capacity_bytes = 64 * GIB,
			.used_bytes = model_bytes + (uint64_t)(others_gib * (double)GIB),
			.model_bytes = model_bytes,
		};
		recording_feed(recording, &event, NULL);
		recording_pass(recording, recording->now_ns + NS_PER_S);
	}
}

#endif
