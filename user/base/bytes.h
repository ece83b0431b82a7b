/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers in bytes, independent of the machine: little-endian of fixed width, and varints. Reading
 * goes through a cursor that never leaves its bytes: what is missing or malformed marks it as bad,
 * and from then on everything reads as 0.
 */
#ifndef TIERD_BASE_BYTES_H
#define TIERD_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	BYTES_VARINT_MAX = 10, /* of 64 bits */
};

static inline void bytes_put_le(uint8_t *at, uint64_t value, unsigned int width)
{
	for (unsigned int i = 0; i < width; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t bytes_get_le(const uint8_t *at, unsigned int width)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < width; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

/* Writes at most BYTES_VARINT_MAX bytes. Returns where the next ones go. */
static inline uint8_t *bytes_put_varint(uint8_t *at, uint64_t value)
{
	while (value >= 0x80) {
		*at++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

/* Small numbers for small differences of either sign. */
static inline uint64_t bytes_zigzag(uint64_t difference)
{
	return (difference << 1) ^ (0 - (difference >> 63));
}

static inline uint64_t bytes_unzigzag(uint64_t value)
{
	return (value >> 1) ^ (0 - (value & 1));
}

struct bytes_cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool is_bad;
};

static inline uint64_t bytes_fail(struct bytes_cursor *cursor)
{
	cursor->is_bad = true;
	cursor->at = cursor->end;
	return 0;
}

/* Bytes that are left. */
static inline size_t bytes_left(const struct bytes_cursor *cursor)
{
	return (size_t)(cursor->end - cursor->at);
}

/* The next len bytes, or NULL. */
static inline const uint8_t *bytes_take(struct bytes_cursor *cursor, size_t len)
{
	const uint8_t *at = cursor->at;

	if (bytes_left(cursor) < len) {
		bytes_fail(cursor);
		return NULL;
	}
	cursor->at += len;
	return at;
}

static inline uint64_t bytes_take_le(struct bytes_cursor *cursor, unsigned int width)
{
	const uint8_t *at = bytes_take(cursor, width);

	return at ? bytes_get_le(at, width) : 0;
}

/* A varint of two bytes or more; for bytes_take_varint() only. */
uint64_t bytes_take_long_varint(struct bytes_cursor *cursor);

/* One with more bytes than it needs, or that does not fit into 64 bits, is malformed. */
static inline uint64_t bytes_take_varint(struct bytes_cursor *cursor)
{
	if (cursor->at < cursor->end && *cursor->at < 0x80)
		return *cursor->at++;
	return bytes_take_long_varint(cursor);
}

#endif
