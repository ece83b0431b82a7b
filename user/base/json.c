/* SPDX-License-Identifier: BSD-2-Clause */
/* A streaming JSON writer: see json.h. */
#include "json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

void json_init(struct json *json, char *buffer, size_t size)
{
	assert(size > 0 && size <= INT_MAX);
	*json = (struct json){.buffer = buffer, .size = size};
	buffer[0] = '\0';
}

static void put(struct json *json, const char *text, size_t len)
{
	/* One byte stays free for the NUL. */
	if (json->is_full || len >= json->size - json->len) {
		json->is_full = true;
		return;
	}
	memcpy(json->buffer + json->len, text, len);
	json->len += len;
}

static void put_text(struct json *json, const char *text)
{
	put(json, text, strlen(text));
}

/* Comma and key, as the place asks for. */
static void put_key(struct json *json, const char *key)
{
	if (json->has_member[json->depth])
		put_text(json, ",");
	json->has_member[json->depth] = true;
	if (!key)
		return;
	put_text(json, "\"");
	put_text(json, key);
	put_text(json, "\":");
}

static void begin(struct json *json, const char *key, const char *bracket)
{
	put_key(json, key);
	put_text(json, bracket);
	assert(json->depth < JSON_DEPTH_MAX);
	json->has_member[++json->depth] = false;
}

static void end(struct json *json, const char *bracket)
{
	assert(json->depth > 0);
	json->depth--;
	put_text(json, bracket);
}

void json_begin_object(struct json *json, const char *key)
{
	begin(json, key, "{");
}

void json_end_object(struct json *json)
{
	end(json, "}");
}

void json_begin_array(struct json *json, const char *key)
{
	begin(json, key, "[");
}

void json_end_array(struct json *json)
{
	end(json, "]");
}

static void put_escaped(struct json *json, char c)
{
	static const char SHORT[][2] = {
		{'"', '"'},  {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'},
		{'\t', 't'}, {'\b', 'b'},  {'\f', 'f'},
	};
	char text[8];

	for (size_t i = 0; i < sizeof(SHORT) / sizeof(SHORT[0]); i++) {
		if (SHORT[i][0] == c) {
			snprintf(text, sizeof(text), "\\%c", SHORT[i][1]);
			put_text(json, text);
			return;
		}
	}
	snprintf(text, sizeof(text), "\\u%04x", (unsigned char)c);
	put_text(json, text);
}

static bool needs_escape(char c)
{
	unsigned char byte = (unsigned char)c;

	return byte < 0x20 || byte == 0x7f || c == '"' || c == '\\';
}

void json_add_field(struct json *json, const char *key, const char *value, size_t size)
{
	size_t len = strnlen(value, size);

	put_key(json, key);
	put_text(json, "\"");
	for (size_t i = 0; i < len && !json->is_full;) {
		size_t char_len = utf8_char_len(value + i, len - i);

		if (char_len == 0)
			put_text(json, "\\ufffd");
		else if (needs_escape(value[i]))
			put_escaped(json, value[i]);
		else
			put(json, value + i, char_len);
		i += char_len ? char_len : 1;
	}
	put_text(json, "\"");
}

void json_add_string(struct json *json, const char *key, const char *value)
{
	json_add_field(json, key, value, strlen(value));
}

void json_add_u64(struct json *json, const char *key, uint64_t value)
{
	char text[24];

	put_key(json, key);
	snprintf(text, sizeof(text), "%" PRIu64, value);
	put_text(json, text);
}

void json_add_i64(struct json *json, const char *key, int64_t value)
{
	char text[24];

	put_key(json, key);
	snprintf(text, sizeof(text), "%" PRId64, value);
	put_text(json, text);
}

void json_add_bool(struct json *json, const char *key, bool value)
{
	put_key(json, key);
	put_text(json, value ? "true" : "false");
}

void json_add_null(struct json *json, const char *key)
{
	put_key(json, key);
	put_text(json, "null");
}

int json_finish(struct json *json)
{
	assert(json->depth == 0);
	put_text(json, "\n");
	if (json->is_full)
		json->len = 0;
	json->buffer[json->len] = '\0';
	return json->is_full ? -EMSGSIZE : (int)json->len;
}
