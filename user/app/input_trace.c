// SPDX-License-Identifier: BSD-2-Clause
/*
 * Traces. Under the configuration that they were recorded with, every event goes through as it was
 * fed then, wake-ups among them.
 *
 * Under another one the trace is evidence of the host alone, and what follows is what would have
 * been: what a manager said, and the state of an agent before, answer orders that are not given
 * now, so they are left out, and switches are taken as carried out; what was sampled without the
 * model in sight, although it could be seen before, was a host without a model; and the engine is
 * woken when it asks to be, besides. Others' use is what it was then.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "input_private.h"
#include "state_text.h"

/* ---- configurations ----------------------------------------------------------------------------
 */

static int load_recorded(const struct event_text *text, const struct config_overrides *overrides,
			 struct app_config *ret_config, char *error, size_t error_size)
{
	char name[TRACE_NAME_LEN];

	snprintf(name, sizeof(name), "%.*s", (int)text->name_len, text->name);
	return config_load_text(text->text, text->len, name, overrides, ret_config, error,
				error_size);
}

static bool is_any_override(const struct config_overrides *overrides)
{
	for (int i = 0; overrides && i < CONFIG_OPTIONS_MAX; i++) {
		if (overrides->values[i])
			return true;
	}
	return false;
}

/* As a file would say it; NULL if there is no memory. The caller frees it. */
static char *describe_config(const struct app_config *config)
{
	char *text = NULL;
	size_t len;
	FILE *file = open_memstream(&text, &len);

	if (!file)
		return NULL;
	config_write(file, config, CONFIG_PLAIN, NULL);
	if (fclose(file) == 0)
		return text;
	free(text);
	return NULL;
}

/* Whether two decide alike: what only an agent does may differ. */
static bool is_alike(struct app_config *config, const struct app_config *other)
{
	_cleanup_free_ char *before = describe_config(config);

	config->engine = other->engine;
	memcpy(config->min_tier, other->min_tier, sizeof(config->min_tier));
	_cleanup_free_ char *after = describe_config(config);
	return before && after && strcmp(before, after) == 0;
}

/* Whether a configuration in the trace decides otherwise than the one that is to be used. */
static bool is_other(const struct input *input, const struct event_text *text,
		     struct app_config scratch[2])
{
	const struct app_config *used = input->options.config;
	char error[CONFIG_ERROR_LEN];

	if (load_recorded(text, NULL, &scratch[0], error, sizeof(error)) < 0)
		return true;
	if (!used) {
		used = &scratch[1];
		if (load_recorded(text, input->options.overrides, &scratch[1], error,
				  sizeof(error)) < 0)
			return true;
	}
	return !is_alike(&scratch[0], used);
}

/* Reads the whole trace once for that: what comes first depends on what comes last. */
static int find_hypothetical(const struct input *input, const char *path, bool *ret_is_hypothetical,
			     char *error, size_t error_size)
{
	_cleanup_(trace_reader_cleanup) struct trace_reader *reader = NULL;
	_cleanup_free_ struct app_config *scratch = malloc(2 * sizeof(*scratch));
	const struct trace_item *item;
	bool is_hypothetical = false;
	bool has_config = false;
	int result;

	if (!scratch) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	result = trace_reader_open(path, 0, &reader, error, error_size);
	if (result < 0)
		return result;
	while (!is_hypothetical && trace_reader_next(reader, &item) > 0) {
		if (item->kind != TRACE_ITEM_EVENT || item->event->kind != EVENT_CONFIG)
			continue;
		has_config = true;
		is_hypothetical = is_other(input, &item->config, scratch);
	}
	*ret_is_hypothetical = is_hypothetical || !has_config;
	return 0;
}

/* Puts the configuration that is to be used in the place of the one in the trace. */
static int take_config(struct input *input, const struct trace_item *item, char *error,
		       size_t error_size)
{
	char message[CONFIG_ERROR_LEN];

	item->event->config = &input->config.engine;
	input->trace.has_config = true;
	if (input->options.config || load_recorded(&item->config, input->options.overrides,
						   &input->config, message, sizeof(message)) == 0)
		return 1;
	snprintf(error, error_size, "the configuration in the trace: %s", message);
	return -EBADMSG;
}

/* What an agent before had left, as it was taken up. */
static int take_state(struct input *input, const struct trace_item *item, char *error,
		      size_t error_size)
{
	char message[CONFIG_ERROR_LEN] = "";
	char boot_id[STATE_BOOT_ID_LEN];

	item->event->state = &input->trace.state;
	if (state_text_read(item->config.text, item->config.len, &input->trace.state, boot_id,
			    message, sizeof(message)) == 0)
		return 1;
	snprintf(error, error_size, "the state in the trace: %s", message);
	return -EBADMSG;
}

/* ---- events ------------------------------------------------------------------------------------
 */

static void tell_notice(const struct input *input, const struct trace_item *item)
{
	char text[CONFIG_ERROR_LEN];

	snprintf(text, sizeof(text), "%s%s", item->text,
		 item->is_not_live ? "; from here on, decisions may differ from those made live"
				   : "");
	input_warn(input, text);
}

static void warn_of_nothing(struct input *input)
{
	if (!input->trace.has_config)
		input_warn(input, "there is no configuration in the trace, so nothing is decided; "
				  "--config names one");
	input->trace.has_config = true;
}

/* The engine then takes the model to hold what its tier is configured with: not the one of then. */
static void warn_of_untold_vram(struct input *input)
{
	if (!input->trace.is_untold_told)
		input_warn(input,
			   "the driver did not tell what the model held of the GPU's memory: "
			   "under another configuration its use is a guess");
	input->trace.is_untold_told = true;
}

/* Whether the event is to be fed. */
static bool imagine(struct input *input, struct event *event)
{
	struct input_trace *trace = &input->trace;

	if (event->kind == EVENT_COMMAND)
		return event->command.verb != COMMAND_HELLO && event->command.verb != COMMAND_ACK;
	if (event->kind != EVENT_SAMPLE)
		return event->kind != EVENT_STATE;
	if (event->sample.flags & SAMPLE_VRAM_UNTOLD)
		warn_of_untold_vram(input);
	if (event->sample.model_processes > 0)
		trace->was_model_seen = true;
	else if (trace->was_model_seen)
		event->sample.model_processes = 1;
	return true;
}

static int take_event(struct input *input, const struct trace_item *item,
		      const struct event **ret_event, char *error, size_t error_size)
{
	struct input_trace *trace = &input->trace;

	*ret_event = item->event;
	if (item->event->kind == EVENT_CONFIG) {
		/* There is one for all, and it is not given again. */
		if (trace->is_hypothetical && input->options.config && trace->has_config)
			return 0;
		return take_config(input, item, error, error_size);
	}
	if (!trace->has_config && input->options.config) {
		trace->has_config = true;
		trace->waiting = item;
		trace->first = (struct event){
			.time_ns = item->event->time_ns,
			.kind = EVENT_CONFIG,
			.config = &input->config.engine,
		};
		*ret_event = &trace->first;
		return 1;
	}
	/* An engine without a configuration takes nothing. */
	if (!trace->has_config)
		return 0;
	if (trace->is_hypothetical && !imagine(input, item->event))
		return 0;
	return item->event->kind == EVENT_STATE ? take_state(input, item, error, error_size) : 1;
}

/* ---- the kind ----------------------------------------------------------------------------------
 */

static int trace_open(struct input *input, const char *path, char *error, size_t error_size)
{
	struct input_trace *trace = &input->trace;
	const struct input_options *options = &input->options;
	int result = trace_reader_open(path, 0, &trace->reader, error, error_size);

	if (result < 0)
		return result;
	if (options->host_bytes)
		input_warn(input, "a trace is in bytes: --memory changes nothing");
	if (options->config || is_any_override(options->overrides))
		result = find_hypothetical(input, path, &trace->is_hypothetical, error, error_size);
	input->needs_ticks = trace->is_hypothetical ||
			     (trace_reader_get_metadata(trace->reader)->flags & TRACE_IMPORTED);
	return result;
}

static int trace_next(struct input *input, const struct event **ret_event, char *error,
		      size_t error_size)
{
	struct input_trace *trace = &input->trace;
	const struct trace_item *item = trace->waiting;
	int result = 0;

	trace->waiting = NULL;
	while (result == 0) {
		if (!item && trace_reader_next(trace->reader, &item) == 0) {
			warn_of_nothing(input);
			return 0;
		}
		if (item->kind == TRACE_ITEM_NOTICE)
			tell_notice(input, item);
		else
			result = take_event(input, item, ret_event, error, error_size);
		item = NULL;
	}
	return result;
}

static void trace_close(struct input *input)
{
	trace_reader_close(input->trace.reader);
}

const struct input_kind INPUT_TRACE = {
	.open = trace_open,
	.next = trace_next,
	.close = trace_close,
};
