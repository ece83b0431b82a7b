/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events at random but the same in every run, and traces of them.
 */
#ifndef TIERD_TESTS_TRACE_RIG_H
#define TIERD_TESTS_TRACE_RIG_H

#include "file_tree.h"

#include <errno.h>

#include "base/event_codec.h"
#include "base/event_fields.h"
#include "base/units.h"
#include "io/trace_reader.h"
#include "io/trace_writer.h"

#define RIG_FUNCTION __attribute__((unused)) static

enum {
	RIG_CONFIG_LEN = 300,
};

/* An event, and the text of a configuration. */
struct rig_event {
	struct event event;
	char text[RIG_CONFIG_LEN];
	struct event_text config;
};

/* xorshift64*. */
RIG_FUNCTION uint64_t rig_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Of every length in bits, so that every length of a varint occurs; with the extremes. */
RIG_FUNCTION uint64_t rig_number(uint64_t *state)
{
	uint64_t bits = rig_random(state) % 66;

	if (bits == 65)
		return UINT64_MAX;
	return bits == 64 ? rig_random(state) : rig_random(state) & ((UINT64_C(1) << bits) - 1);
}

RIG_FUNCTION void rig_fill_text(char *text, size_t size, uint64_t *state)
{
	size_t len = rig_random(state) % size;

	memset(text, 0, size);
	for (size_t i = 0; i < len; i++)
		text[i] = (char)(1 + rig_random(state) % 255);
}

RIG_FUNCTION void rig_fill_fields(const struct event_layout *layout, void *base, uint64_t *state);

RIG_FUNCTION void rig_fill_field(const struct event_field *field, void *base, uint64_t *state)
{
	struct event_sample *sample = &((struct event *)base)->sample;
	char *value = (char *)base + field->offset;
	uint64_t number = rig_number(state);
	uint32_t small = (uint32_t)(field->limit ? number % field->limit : number);

	switch ((enum event_field_type)field->type) {
	case FIELD_U32:
		memcpy(value, &small, sizeof(small));
		break;
	case FIELD_U64:
	case FIELD_TIME:
		memcpy(value, &number, sizeof(number));
		break;
	case FIELD_BOOL:
		*(bool *)value = number & 1;
		break;
	case FIELD_TEXT:
		rig_fill_text(value, field->size, state);
		break;
	case FIELD_COUNTS:
		for (size_t i = 0; i < number % (field->size + 1U); i++) {
			uint64_t count = rig_number(state);

			memcpy(value + i * sizeof(count), &count, sizeof(count));
		}
		break;
	case FIELD_RESOURCES:
		sample->resource_count = number % (EVENT_RESOURCES_MAX + 1);
		for (uint32_t i = 0; i < sample->resource_count; i++)
			rig_fill_fields(&EVENT_RESOURCE_LAYOUT, &sample->resources[i], state);
		break;
	}
}

RIG_FUNCTION void rig_fill_fields(const struct event_layout *layout, void *base, uint64_t *state)
{
	for (uint32_t i = 0; i < layout->count; i++)
		rig_fill_field(&layout->fields[i], base, state);
}

/* Any event of that kind. */
RIG_FUNCTION void rig_make_event(uint32_t kind, uint64_t time_ns, uint64_t *state,
				 struct rig_event *ret_event)
{
	const struct event_layout *layout = event_layout_of(kind);

	memset(ret_event, 0, sizeof(*ret_event));
	ret_event->event.kind = kind;
	ret_event->event.time_ns = time_ns;
	if (layout) {
		rig_fill_fields(layout, &ret_event->event, state);
	} else {
		rig_fill_text(ret_event->text, RIG_CONFIG_LEN, state);
		ret_event->config = (struct event_text){
			.name = "tierd.conf",
			.name_len = strlen("tierd.conf"),
			.text = ret_event->text,
			.len = strlen(ret_event->text),
		};
	}
	if (kind == EVENT_PROCESS) {
		ret_event->event.process.record.header.kind = RECORD_PROCESS;
		ret_event->event.process.record.header.size = sizeof(struct process_record);
	} else if (kind == EVENT_OOM) {
		ret_event->event.oom.record.header.kind = RECORD_OOM;
		ret_event->event.oom.record.header.size = sizeof(struct oom_record);
	}
}

/* The nth event of a run: every kind, at times as they are. */
RIG_FUNCTION void rig_nth_event(uint64_t n, struct rig_event *ret_event)
{
	uint64_t state = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t kind =
		n == 0 ? EVENT_CONFIG : 1 + (uint32_t)(rig_random(&state) % (EVENT_KIND_COUNT - 1));

	rig_make_event(kind, 1000 * NS_PER_S + n * 10 * NS_PER_MS, &state, ret_event);
}

RIG_FUNCTION bool rig_text_is(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

RIG_FUNCTION bool rig_is_layout_equal(const struct event_layout *layout, const void *a,
				      const void *b)
{
	for (uint32_t i = 0; i < layout->count; i++) {
		const struct event_field *field = &layout->fields[i];
		static const size_t SIZES[] = {
			[FIELD_U32] = 4,
			[FIELD_U64] = 8,
			[FIELD_BOOL] = 1,
			[FIELD_TIME] = 8,
			[FIELD_TEXT] = 1,
			[FIELD_COUNTS] = 8,
			[FIELD_RESOURCES] = sizeof(struct event_resource),
		};
		size_t size = SIZES[field->type] * (field->size ? field->size : 1);

		if (memcmp((const char *)a + field->offset, (const char *)b + field->offset,
			   size) != 0)
			return false;
	}
	return true;
}

RIG_FUNCTION bool rig_is_equal(const struct rig_event *expected, const struct event *event,
			       const struct event_text *config)
{
	const struct event *wanted = &expected->event;
	const struct event_layout *layout = event_layout_of(wanted->kind);

	if (wanted->kind != event->kind || wanted->time_ns != event->time_ns)
		return false;
	if (!layout)
		return rig_text_is(expected->config.name, expected->config.name_len, config->name,
				   config->name_len) &&
		       rig_text_is(expected->config.text, expected->config.len, config->text,
				   config->len);
	if (wanted->kind == EVENT_SAMPLE &&
	    wanted->sample.resource_count != event->sample.resource_count)
		return false;
	if (wanted->kind == EVENT_PROCESS)
		return memcmp(&wanted->process.record, &event->process.record,
			      sizeof(wanted->process.record)) == 0 &&
		       rig_is_layout_equal(layout, wanted, event);
	return rig_is_layout_equal(layout, wanted, event);
}

/* Adds the nth event. */
RIG_FUNCTION void rig_add_nth(struct trace_writer *writer, uint64_t n)
{
	struct rig_event event;

	rig_nth_event(n, &event);
	trace_writer_add(writer, &event.event,
			 event_is_text(event.event.kind) ? &event.config : NULL);
}

RIG_FUNCTION struct trace_writer_options rig_options(const char *path)
{
	struct trace_writer_options options = {
		.path = path,
		.segment_max_bytes = UINT64_MAX,
		.keep = 1,
		.is_waiting = true,
		.metadata = {.cpu_count = 2,
			     .memory_bytes = 8 * GIB,
			     .clock = TRACE_CLOCK,
			     .kernel = "6.1.0",
			     .machine = "x86_64",
			     .hardware_class = "low_end",
			     .boot_id = "d5d0c5f0",
			     .recorder = "test 1"},
	};

	return options;
}

/* Writes a trace of the first count events. */
RIG_FUNCTION void rig_write_trace(const char *path, uint64_t count)
{
	const struct trace_writer_options options = rig_options(path);
	struct trace_writer *writer;

	assert_int_equal(trace_writer_open(&options, &writer), 0);
	for (uint64_t n = 0; n < count; n++)
		rig_add_nth(writer, n);
	assert_int_equal(trace_writer_close(writer, -1), 0);
}

/* What reading a trace has shown. */
struct rig_reading {
	int opened;              /* of trace_reader_open() */
	uint64_t count;          /* events that were those of the run, in order */
	uint64_t preamble_count; /* events before the first of them, at another time */
	uint64_t next;           /* number of the event that is to come next */
	bool is_wrong;           /* one was another */
	bool has_notice[TRACE_NOTICE_COUNT];
	bool is_damaged;
	uint64_t gap_count;
	struct trace_summary summary;
	char error[512];
	char text[512]; /* of the last notice */
};

RIG_FUNCTION void rig_take_notice(struct rig_reading *reading, const struct trace_item *item)
{
	assert_in_range(item->notice, 0, TRACE_NOTICE_COUNT - 1);
	reading->has_notice[item->notice] = true;
	reading->is_damaged = reading->is_damaged || item->is_damage;
	if (item->notice == TRACE_NOTICE_GAP) {
		reading->gap_count += item->count;
		reading->next += item->count;
	}
	(void)snprintf(reading->text, sizeof(reading->text), "%s", item->text);
}

/* Events dropped are passed over; where the beginning is missing, the first event tells where. */
RIG_FUNCTION void rig_take_event(struct rig_reading *reading, const struct trace_item *item)
{
	struct rig_event expected;

	if (reading->has_notice[TRACE_NOTICE_NO_BEGINNING] && reading->count == 0) {
		uint64_t number = (item->event->time_ns - 1000 * NS_PER_S) / (10 * NS_PER_MS);

		rig_nth_event(number, &expected);
		if (!rig_is_equal(&expected, item->event, &item->config)) {
			reading->preamble_count++;
			return;
		}
		reading->next = number;
	}
	rig_nth_event(reading->next++, &expected);
	if (rig_is_equal(&expected, item->event, &item->config))
		reading->count++;
	else
		reading->is_wrong = true;
}

RIG_FUNCTION struct rig_reading rig_read(const char *path)
{
	struct rig_reading reading = {0};
	struct trace_reader *reader;
	const struct trace_item *item;

	reading.opened = trace_reader_open(path, 0, &reader, reading.error, sizeof(reading.error));
	if (reading.opened < 0)
		return reading;
	while (trace_reader_next(reader, &item)) {
		if (item->kind == TRACE_ITEM_NOTICE)
			rig_take_notice(&reading, item);
		else
			rig_take_event(&reading, item);
	}
	reading.summary = *trace_reader_get_summary(reader);
	trace_reader_close(reader);
	return reading;
}

#endif
