/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands around the records of a trace: header, block headers, and the end
 * (include/tierd/trace_format.h). To bytes and back; bytes are hostile until checked.
 */
#ifndef TIERD_BASE_TRACE_FRAME_H
#define TIERD_BASE_TRACE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tierd/trace_format.h"

enum {
	TRACE_HEADER_MAX = TRACE_HEADER_LEN + TRACE_METADATA_MAX,
};

struct trace_metadata {
	uint8_t id[TRACE_ID_LEN];
	uint32_t segment;
	uint32_t flags;        /* enum trace_flag */
	uint64_t wall_ns;      /* since 1970 */
	uint64_t time_ns;      /* the same moment on the clock of the events */
	uint32_t cpu_count;    /* 0 = not known */
	uint64_t memory_bytes; /* 0 = not known */
	char clock[TRACE_TEXT_LEN];
	char kernel[TRACE_TEXT_LEN]; /* release */
	char machine[TRACE_TEXT_LEN];
	char hardware_class[TRACE_TEXT_LEN];
	char boot_id[TRACE_TEXT_LEN];
	char recorder[TRACE_TEXT_LEN];
	char predecessor[TRACE_NAME_LEN];
};

struct trace_version {
	uint16_t major;
	uint16_t minor;
};

struct trace_block {
	uint32_t compressed_len;
	uint32_t raw_len;
	uint32_t record_count;
	uint32_t number;
	uint64_t first_ns;
	uint32_t crc;
};

struct trace_end {
	uint32_t block_count;
	uint64_t record_count;
	uint64_t dropped[TRACE_DROP_COUNT];
	uint64_t last_ns;
	bool is_continued;
};

/* Writes the header into a buffer of TRACE_HEADER_MAX bytes. Returns its length. */
size_t trace_encode_header(const struct trace_metadata *metadata, uint8_t *buffer);

/*
 * Checks the first TRACE_HEADER_LEN bytes. Returns 0 and the length of the metadata that follows;
 * -EINVAL if this is no trace, -EBADMSG if it is damaged.
 */
int trace_decode_magic(const uint8_t buffer[TRACE_HEADER_LEN], uint32_t *ret_metadata_len);

/*
 * Decodes a whole header of len bytes, with its metadata. Returns 0; -EPROTONOSUPPORT and
 * *ret_version if the major version is not ours, -EBADMSG if it is damaged.
 */
int trace_decode_header(const uint8_t *buffer, size_t len, struct trace_version *ret_version,
			struct trace_metadata *ret_metadata);

/* Writes TRACE_BLOCK_LEN bytes, with the CRC of header and payload; block->crc is not used. */
void trace_encode_block(const struct trace_block *block, const uint8_t *payload, uint8_t *buffer);

/* Returns 0; -ENOENT if this is no block, -EBADMSG if it is an impossible one. */
int trace_decode_block(const uint8_t buffer[TRACE_BLOCK_LEN], struct trace_block *ret_block);

/* Whether the CRC fits the block's header and its payload of block->compressed_len bytes. */
bool trace_is_block_intact(const uint8_t buffer[TRACE_BLOCK_LEN], const struct trace_block *block,
			   const uint8_t *payload);

/* Writes TRACE_END_LEN bytes. */
void trace_encode_end(const struct trace_end *end, uint8_t *buffer);

/* Returns 0; -ENOENT if this is no end, -EBADMSG if it is damaged. */
int trace_decode_end(const uint8_t buffer[TRACE_END_LEN], struct trace_end *ret_end);

/* Why events were dropped, in words. */
const char *trace_drop_explain(uint32_t cause);

#endif
