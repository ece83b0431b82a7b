/* SPDX-License-Identifier: BSD-2-Clause */
/* Along the same table of fields that events are stored by: see base/event_fields.h. */
#include "format_event.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/event_fields.h"
#include "base/json.h"
#include "base/units.h"
#include "core/names.h"

static const char *verb_name(uint32_t verb)
{
	static const char *const names[] = {
		[COMMAND_HELLO] = "hello",
		[COMMAND_ACK] = "ack",
		[COMMAND_PAUSE] = "pause",
		[COMMAND_RESUME] = "resume",
		[COMMAND_TASK_BEGIN] = "task-begin",
		[COMMAND_TASK_END] = "task-end",
		[COMMAND_PIN] = "pin",
		[COMMAND_UNPIN] = "unpin",
	};

	return verb < ARRAY_SIZE(names) && names[verb] ? names[verb] : "?";
}

static const char *ack_name(uint32_t state)
{
	static const char *const names[] = {
		[ACK_DRAINING] = "draining",
		[ACK_LOADING] = "loading",
		[ACK_DONE] = "done",
		[ACK_FAILED] = "failed",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "?";
}

static const char *(*const word_functions[])(uint32_t number) = {
	[WORDS_SOURCE] = pressure_source_name,
	[WORDS_PARTY] = party_name,
	[WORDS_RESOURCE] = resource_kind_name,
	[WORDS_VERB] = verb_name,
	[WORDS_ACK] = ack_name,
	[WORDS_LOSS] = loss_cause_name,
};

static void add_fields(struct json *json, const struct event_layout *layout, const void *base);

static void add_counts(struct json *json, const struct event_field *field, const char *counts)
{
	json_begin_object(json, field->name);
	for (uint32_t i = 0; i < field->size; i++) {
		uint64_t count;

		memcpy(&count, counts + i * sizeof(count), sizeof(count));
		json_add_u64(json, word_functions[field->words](i), count);
	}
	json_end_object(json);
}

static void add_resources(struct json *json, const struct event_field *field,
			  const struct event_sample *sample)
{
	json_begin_array(json, field->name);
	for (uint32_t i = 0; i < sample->resource_count; i++) {
		json_begin_object(json, NULL);
		add_fields(json, &EVENT_RESOURCE_LAYOUT, &sample->resources[i]);
		json_end_object(json);
	}
	json_end_array(json);
}

static void add_field(struct json *json, const struct event_field *field, const void *base)
{
	const char *value = (const char *)base + field->offset;
	uint64_t u64;
	uint32_t u32;

	switch ((enum event_field_type)field->type) {
	case FIELD_U32:
		memcpy(&u32, value, sizeof(u32));
		if (field->words != WORDS_NONE)
			json_add_string(json, field->name, word_functions[field->words](u32));
		else
			json_add_u64(json, field->name, u32);
		break;
	case FIELD_U64:
	case FIELD_TIME:
		memcpy(&u64, value, sizeof(u64));
		json_add_u64(json, field->name, u64);
		break;
	case FIELD_BOOL:
		json_add_bool(json, field->name, *(const bool *)value);
		break;
	case FIELD_TEXT:
		json_add_field(json, field->name, value, field->size);
		break;
	case FIELD_COUNTS:
		add_counts(json, field, value);
		break;
	case FIELD_RESOURCES:
		add_resources(json, field, &((const struct event *)base)->sample);
		break;
	}
}

static void add_fields(struct json *json, const struct event_layout *layout, const void *base)
{
	for (uint32_t i = 0; i < layout->count; i++)
		add_field(json, &layout->fields[i], base);
}

int format_event_json(const struct event *event, const struct event_text *config, char *buffer,
		      size_t size)
{
	const struct event_layout *layout = event_layout_of(event->kind);
	struct json json;

	json_init(&json, buffer, size);
	json_begin_object(&json, NULL);
	json_add_u64(&json, "time_ns", event->time_ns);
	json_add_string(&json, "kind", event_kind_name(event->kind));
	if (layout) {
		add_fields(&json, layout, event);
	} else if (event_is_text(event->kind)) {
		json_add_field(&json, "name", config->name, config->name_len);
		json_add_field(&json, "text", config->text, config->len);
	}
	json_end_object(&json);
	return json_finish(&json);
}
