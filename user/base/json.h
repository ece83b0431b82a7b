/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A streaming JSON writer into a fixed buffer, for NDJSON lines and status documents.
 *
 * Output is never torn: what does not fit marks the writer as full, and json_finish() then
 * returns -EMSGSIZE with an empty buffer. Keys are the program's own and are written as they
 * are; values may hold anything. Keys come out in the order of the calls.
 */
#ifndef TIERD_BASE_JSON_H
#define TIERD_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	JSON_DEPTH_MAX = 8,
};

struct json {
	char *buffer;
	size_t size;
	size_t len;
	unsigned int depth;
	bool is_full;
	bool has_member[JSON_DEPTH_MAX + 1]; /* per level: a comma is due */
};

void json_init(struct json *json, char *buffer, size_t size);

/* key is NULL inside an array and for the document itself. */
void json_begin_object(struct json *json, const char *key);
void json_end_object(struct json *json);
void json_begin_array(struct json *json, const char *key);
void json_end_array(struct json *json);
void json_add_string(struct json *json, const char *key, const char *value);
/* A field of fixed size that is NUL-terminated only when shorter. Bytes that are not UTF-8 become
 * U+FFFD. */
void json_add_field(struct json *json, const char *key, const char *value, size_t size);
void json_add_u64(struct json *json, const char *key, uint64_t value);
void json_add_i64(struct json *json, const char *key, int64_t value);
void json_add_bool(struct json *json, const char *key, bool value);
void json_add_null(struct json *json, const char *key);

/* Adds the newline and a NUL. Returns the length without the NUL, or -EMSGSIZE. */
int json_finish(struct json *json);

#endif
