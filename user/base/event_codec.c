/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events to bytes and back, along the table of fields. What a field's type says is done in
 * put_field() and take_field() only.
 */
#include "event_codec.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "bytes.h"
#include "event_fields.h"
#include "units.h"

/* The numbers of records and events are of several C types of one width. */
static uint64_t load_u64(const void *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint32_t load_u32(const void *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* ---- to bytes --------------------------------------------------------------------------------
 */

static uint8_t *put_text(uint8_t *at, const char *text, size_t len)
{
	at = bytes_put_varint(at, len);
	memcpy(at, text, len);
	return at + len;
}

/* Zeros at the end are left out, so that a cause that an older version does not know is no change
 * where there is none of it. */
static uint8_t *put_counts(uint8_t *at, const char *counts, size_t size)
{
	while (size > 0 && load_u64(counts + (size - 1) * sizeof(uint64_t)) == 0)
		size--;
	at = bytes_put_varint(at, size);
	for (size_t i = 0; i < size; i++)
		at = bytes_put_varint(at, load_u64(counts + i * sizeof(uint64_t)));
	return at;
}

static uint8_t *put_fields(uint8_t *at, const struct event_layout *layout, const void *base,
			   uint64_t time_ns);

static uint8_t *put_resources(uint8_t *at, const struct event_sample *sample)
{
	uint32_t count = (uint32_t)units_min(sample->resource_count, EVENT_RESOURCES_MAX);

	at = bytes_put_varint(at, count);
	for (uint32_t i = 0; i < count; i++)
		at = put_fields(at, &EVENT_RESOURCE_LAYOUT, &sample->resources[i], 0);
	return at;
}

static uint8_t *put_field(uint8_t *at, const struct event_field *field, const void *base,
			  uint64_t time_ns)
{
	const char *value = (const char *)base + field->offset;

	switch ((enum event_field_type)field->type) {
	case FIELD_U32:
		return bytes_put_varint(at, load_u32(value));
	case FIELD_U64:
		return bytes_put_varint(at, load_u64(value));
	case FIELD_BOOL:
		*at = *(const bool *)value;
		return at + 1;
	case FIELD_TIME:
		return bytes_put_varint(at, bytes_zigzag(load_u64(value) - time_ns));
	case FIELD_TEXT:
		return put_text(at, value, strnlen(value, field->size - 1U));
	case FIELD_COUNTS:
		return put_counts(at, value, field->size);
	case FIELD_RESOURCES:
		return put_resources(at, &((const struct event *)base)->sample);
	}
	return at;
}

static uint8_t *put_fields(uint8_t *at, const struct event_layout *layout, const void *base,
			   uint64_t time_ns)
{
	for (uint32_t i = 0; i < layout->count; i++)
		at = put_field(at, &layout->fields[i], base, time_ns);
	return at;
}

/* Fills in the header of the record that reaches from record to end. Returns its length. */
static size_t finish(uint8_t *record, uint32_t kind, const uint8_t *end)
{
	size_t len = (size_t)(end - record);

	record[0] = (uint8_t)kind;
	bytes_put_le(record + 1, len - TRACE_RECORD_LEN, 2);
	return len;
}

static uint8_t *put_time(uint8_t *record, uint64_t time_ns, uint64_t base_ns)
{
	return bytes_put_varint(record + TRACE_RECORD_LEN, bytes_zigzag(time_ns - base_ns));
}

size_t event_encode(const struct event *event, uint64_t base_ns, uint8_t *at)
{
	const struct event_layout *layout = event_layout_of(event->kind);
	uint8_t *end = put_time(at, event->time_ns, base_ns);

	if (layout)
		end = put_fields(end, layout, event, event->time_ns);
	return finish(at, event->kind, end);
}

size_t event_encode_text(const struct event *event, const struct event_text *text, uint64_t base_ns,
			 uint8_t *at, size_t size)
{
	size_t name_len = units_min(text->name_len, TRACE_NAME_LEN - 1);
	uint8_t *end = at;

	if (text->len > TRACE_CONFIG_MAX ||
	    size < TRACE_RECORD_LEN + 2 * BYTES_VARINT_MAX + name_len + text->len)
		return 0;
	end = put_time(at, event->time_ns, base_ns);
	end = put_text(end, text->name, name_len);
	memcpy(end, text->text, text->len);
	return finish(at, event->kind, end + text->len);
}

size_t event_encode_gap(enum trace_drop cause, uint64_t count, uint64_t time_ns, uint64_t base_ns,
			uint8_t *at)
{
	uint8_t *end = put_time(at, time_ns, base_ns);

	end = bytes_put_varint(end, cause);
	end = bytes_put_varint(end, count);
	return finish(at, TRACE_RECORD_GAP, end);
}

/* ---- from bytes ------------------------------------------------------------------------------
 */

static uint32_t take_u32(struct bytes_cursor *cursor, uint32_t limit)
{
	uint64_t value = bytes_take_varint(cursor);

	if (value > UINT32_MAX || (limit && value >= limit))
		return (uint32_t)bytes_fail(cursor);
	return (uint32_t)value;
}

/* A name in size bytes with its NUL, the rest filled with zeros. */
static void take_text(struct bytes_cursor *cursor, char *text, size_t size)
{
	uint64_t len = bytes_take_varint(cursor);
	const uint8_t *bytes = NULL;

	if (len < size)
		bytes = bytes_take(cursor, len);
	if (!bytes || memchr(bytes, '\0', len)) {
		bytes_fail(cursor);
		return;
	}
	memset(text, 0, size);
	memcpy(text, bytes, len);
}

static void take_counts(struct bytes_cursor *cursor, char *counts, size_t size, enum event_age age)
{
	uint64_t len = bytes_take_varint(cursor);
	uint64_t count = 0;

	memset(counts, 0, size * sizeof(uint64_t));
	if (len > size && age != EVENT_NEWER)
		bytes_fail(cursor);
	for (uint64_t i = 0; i < len && !cursor->is_bad; i++) {
		count = bytes_take_varint(cursor);
		if (i < size)
			memcpy(counts + i * sizeof(count), &count, sizeof(count));
	}
	if (len > 0 && count == 0)
		bytes_fail(cursor);
}

static void take_fields(struct bytes_cursor *cursor, const struct event_layout *layout, void *base,
			uint64_t time_ns, enum event_age age);

static void take_resources(struct bytes_cursor *cursor, struct event_sample *sample)
{
	uint32_t count = take_u32(cursor, EVENT_RESOURCES_MAX + 1);

	memset(sample->resources, 0, sizeof(sample->resources));
	sample->resource_count = count;
	for (uint32_t i = 0; i < count; i++)
		take_fields(cursor, &EVENT_RESOURCE_LAYOUT, &sample->resources[i], 0, EVENT_SAME);
}

static void take_field(struct bytes_cursor *cursor, const struct event_field *field, void *base,
		       uint64_t time_ns, enum event_age age)
{
	char *value = (char *)base + field->offset;
	uint64_t u64;
	uint32_t u32;

	switch ((enum event_field_type)field->type) {
	case FIELD_U32:
		u32 = take_u32(cursor, field->limit);
		memcpy(value, &u32, sizeof(u32));
		break;
	case FIELD_U64:
		u64 = bytes_take_varint(cursor);
		memcpy(value, &u64, sizeof(u64));
		break;
	case FIELD_BOOL:
		*(bool *)value = take_u32(cursor, 2);
		break;
	case FIELD_TIME:
		u64 = time_ns + bytes_unzigzag(bytes_take_varint(cursor));
		memcpy(value, &u64, sizeof(u64));
		break;
	case FIELD_TEXT:
		take_text(cursor, value, field->size);
		break;
	case FIELD_COUNTS:
		take_counts(cursor, value, field->size, age);
		break;
	case FIELD_RESOURCES:
		take_resources(cursor, &((struct event *)base)->sample);
		break;
	}
}

static void take_fields(struct bytes_cursor *cursor, const struct event_layout *layout, void *base,
			uint64_t time_ns, enum event_age age)
{
	for (uint32_t i = 0; i < layout->count && !cursor->is_bad; i++) {
		/* Fields are only added at the end. */
		if (age == EVENT_OLDER && bytes_left(cursor) == 0)
			break;
		take_field(cursor, &layout->fields[i], base, time_ns, age);
	}
}

/* What is impossible to be otherwise is not stored. */
static void set_headers(struct event *event)
{
	if (event->kind == EVENT_PROCESS) {
		event->process.record.header.kind = RECORD_PROCESS;
		event->process.record.header.size = sizeof(event->process.record);
	} else if (event->kind == EVENT_OOM) {
		event->oom.record.header.kind = RECORD_OOM;
		event->oom.record.header.size = sizeof(event->oom.record);
	}
}

size_t event_split(const uint8_t *data, size_t len, struct event_record *ret_record)
{
	size_t payload_len;

	if (len < TRACE_RECORD_LEN)
		return 0;
	payload_len = bytes_get_le(data + 1, 2);
	if (len - TRACE_RECORD_LEN < payload_len)
		return 0;
	ret_record->kind = data[0];
	ret_record->payload = data + TRACE_RECORD_LEN;
	ret_record->len = payload_len;
	return TRACE_RECORD_LEN + payload_len;
}

static int decode_text(struct bytes_cursor *cursor, struct event_text *ret_text)
{
	struct event_text text;

	text.name_len = bytes_take_varint(cursor);
	if (text.name_len >= TRACE_NAME_LEN)
		return -EBADMSG;
	text.name = (const char *)bytes_take(cursor, text.name_len);
	text.len = bytes_left(cursor);
	text.text = (const char *)cursor->at;
	if (cursor->is_bad || text.len > TRACE_CONFIG_MAX || memchr(text.name, '\0', text.name_len))
		return -EBADMSG;
	*ret_text = text;
	return 0;
}

static struct bytes_cursor open_record(const struct event_record *record)
{
	return (struct bytes_cursor){.at = record->payload, .end = record->payload + record->len};
}

static uint64_t take_time(struct bytes_cursor *cursor, uint64_t base_ns)
{
	return base_ns + bytes_unzigzag(bytes_take_varint(cursor));
}

uint64_t event_time_of(const struct event_record *record, uint64_t base_ns)
{
	struct bytes_cursor cursor = open_record(record);

	return take_time(&cursor, base_ns);
}

static int close_record(const struct bytes_cursor *cursor, enum event_age age)
{
	bool is_longer = bytes_left(cursor) > 0 && age != EVENT_NEWER;

	return cursor->is_bad || is_longer ? -EBADMSG : 0;
}

int event_decode(const struct event_record *record, uint64_t base_ns, enum event_age age,
		 struct event *ret_event, struct event_text *ret_text)
{
	uint32_t kind = record->kind & ~(uint32_t)TRACE_PREAMBLE;
	const struct event_layout *layout = event_layout_of(kind);
	struct bytes_cursor cursor = open_record(record);

	if (!layout && !event_is_text(kind))
		return -ENOENT;
	ret_event->kind = kind;
	ret_event->time_ns = take_time(&cursor, base_ns);
	if (!layout) {
		ret_event->config = NULL;
		return decode_text(&cursor, ret_text);
	}
	if (age == EVENT_OLDER)
		memset(&ret_event->config, 0, sizeof(*ret_event) - offsetof(struct event, config));
	take_fields(&cursor, layout, ret_event, ret_event->time_ns, age);
	set_headers(ret_event);
	return close_record(&cursor, age);
}

int event_decode_gap(const struct event_record *record, uint64_t base_ns, enum event_age age,
		     uint64_t *ret_time_ns, uint32_t *ret_cause, uint64_t *ret_count)
{
	struct bytes_cursor cursor = open_record(record);
	uint64_t time_ns = take_time(&cursor, base_ns);
	uint32_t cause = take_u32(&cursor, age == EVENT_NEWER ? 0 : TRACE_DROP_COUNT);
	uint64_t count = bytes_take_varint(&cursor);

	if (close_record(&cursor, age) < 0 || count == 0)
		return -EBADMSG;
	*ret_time_ns = time_ns;
	*ret_cause = cause;
	*ret_count = count;
	return 0;
}
