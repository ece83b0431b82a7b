/* SPDX-License-Identifier: BSD-2-Clause */
/* Header, blocks and end of a trace: see trace_frame.h. */
#include "trace_frame.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "bytes.h"
#include "units.h"

enum {
	MAGIC_LEN = 8,
	BLOCK_MAGIC_LEN = 4,
	HEADER_CHECKED_LEN = 16, /* bytes before the CRC */
	BLOCK_CHECKED_LEN = 28,
	END_CHECKED_LEN = 52,
};

static const struct metadata_text {
	size_t offset;
	size_t size;
} METADATA_TEXTS[] = {
	{offsetof(struct trace_metadata, clock), TRACE_TEXT_LEN},
	{offsetof(struct trace_metadata, kernel), TRACE_TEXT_LEN},
	{offsetof(struct trace_metadata, machine), TRACE_TEXT_LEN},
	{offsetof(struct trace_metadata, hardware_class), TRACE_TEXT_LEN},
	{offsetof(struct trace_metadata, boot_id), TRACE_TEXT_LEN},
	{offsetof(struct trace_metadata, recorder), TRACE_TEXT_LEN},
	{offsetof(struct trace_metadata, predecessor), TRACE_NAME_LEN},
};

static uint32_t checksum(const uint8_t *head, size_t head_len, const uint8_t *rest, size_t rest_len)
{
	uLong crc = crc32(0, head, (uInt)head_len);

	return (uint32_t)(rest_len ? crc32(crc, rest, (uInt)rest_len) : crc);
}

/* ---- header ----------------------------------------------------------------------------------
 */

static uint8_t *put(uint8_t *at, uint64_t value, unsigned int width)
{
	bytes_put_le(at, value, width);
	return at + width;
}

static uint8_t *put_metadata(uint8_t *at, const struct trace_metadata *metadata)
{
	memcpy(at, metadata->id, TRACE_ID_LEN);
	at = put(at + TRACE_ID_LEN, metadata->segment, 4);
	at = put(at, metadata->flags, 4);
	at = put(at, metadata->wall_ns, 8);
	at = put(at, metadata->time_ns, 8);
	at = put(at, metadata->cpu_count, 4);
	at = put(at, metadata->memory_bytes, 8);
	for (size_t i = 0; i < ARRAY_SIZE(METADATA_TEXTS); i++) {
		const char *text = (const char *)metadata + METADATA_TEXTS[i].offset;
		size_t len = strnlen(text, METADATA_TEXTS[i].size - 1);

		at = put(at, len, 2);
		memcpy(at, text, len);
		at += len;
	}
	return at;
}

size_t trace_encode_header(const struct trace_metadata *metadata, uint8_t *buffer)
{
	uint8_t *texts = buffer + TRACE_HEADER_LEN;
	size_t len = (size_t)(put_metadata(texts, metadata) - texts);

	memcpy(buffer, TRACE_MAGIC, MAGIC_LEN);
	bytes_put_le(buffer + 8, TRACE_VERSION_MAJOR, 2);
	bytes_put_le(buffer + 10, TRACE_VERSION_MINOR, 2);
	bytes_put_le(buffer + 12, len, 4);
	bytes_put_le(buffer + 16, checksum(buffer, HEADER_CHECKED_LEN, texts, len), 4);
	return TRACE_HEADER_LEN + len;
}

int trace_decode_magic(const uint8_t buffer[TRACE_HEADER_LEN], uint32_t *ret_metadata_len)
{
	uint32_t len = (uint32_t)bytes_get_le(buffer + 12, 4);

	if (memcmp(buffer, TRACE_MAGIC, MAGIC_LEN) != 0)
		return -EINVAL;
	if (len > TRACE_METADATA_MAX)
		return -EBADMSG;
	*ret_metadata_len = len;
	return 0;
}

static void take_metadata(struct bytes_cursor *cursor, struct trace_metadata *metadata)
{
	const uint8_t *id = bytes_take(cursor, TRACE_ID_LEN);

	if (id)
		memcpy(metadata->id, id, TRACE_ID_LEN);
	metadata->segment = (uint32_t)bytes_take_le(cursor, 4);
	metadata->flags = (uint32_t)bytes_take_le(cursor, 4);
	metadata->wall_ns = bytes_take_le(cursor, 8);
	metadata->time_ns = bytes_take_le(cursor, 8);
	metadata->cpu_count = (uint32_t)bytes_take_le(cursor, 4);
	metadata->memory_bytes = bytes_take_le(cursor, 8);
	for (size_t i = 0; i < ARRAY_SIZE(METADATA_TEXTS) && !cursor->is_bad; i++) {
		char *text = (char *)metadata + METADATA_TEXTS[i].offset;
		size_t len = bytes_take_le(cursor, 2);
		const uint8_t *bytes = NULL;

		if (len < METADATA_TEXTS[i].size)
			bytes = bytes_take(cursor, len);
		if (!bytes || memchr(bytes, '\0', len))
			bytes_fail(cursor);
		else
			memcpy(text, bytes, len);
	}
}

int trace_decode_header(const uint8_t *buffer, size_t len, struct trace_version *ret_version,
			struct trace_metadata *ret_metadata)
{
	const uint8_t *texts = buffer + TRACE_HEADER_LEN;
	struct bytes_cursor cursor = {.at = texts, .end = buffer + len};
	struct trace_metadata metadata = {0};
	struct trace_version version = {
		.major = (uint16_t)bytes_get_le(buffer + 8, 2),
		.minor = (uint16_t)bytes_get_le(buffer + 10, 2),
	};

	if (bytes_get_le(buffer + 16, 4) !=
	    checksum(buffer, HEADER_CHECKED_LEN, texts, len - TRACE_HEADER_LEN))
		return -EBADMSG;
	*ret_version = version;
	if (version.major != TRACE_VERSION_MAJOR)
		return -EPROTONOSUPPORT;
	take_metadata(&cursor, &metadata);
	if (cursor.is_bad || metadata.segment == 0 ||
	    (bytes_left(&cursor) > 0 && version.minor <= TRACE_VERSION_MINOR))
		return -EBADMSG;
	*ret_metadata = metadata;
	return 0;
}

/* ---- blocks ----------------------------------------------------------------------------------
 */

void trace_encode_block(const struct trace_block *block, const uint8_t *payload, uint8_t *buffer)
{
	memcpy(buffer, TRACE_BLOCK_MAGIC, BLOCK_MAGIC_LEN);
	bytes_put_le(buffer + 4, block->compressed_len, 4);
	bytes_put_le(buffer + 8, block->raw_len, 4);
	bytes_put_le(buffer + 12, block->record_count, 4);
	bytes_put_le(buffer + 16, block->number, 4);
	bytes_put_le(buffer + 20, block->first_ns, 8);
	bytes_put_le(buffer + 28,
		     checksum(buffer, BLOCK_CHECKED_LEN, payload, block->compressed_len), 4);
}

int trace_decode_block(const uint8_t buffer[TRACE_BLOCK_LEN], struct trace_block *ret_block)
{
	struct trace_block block = {
		.compressed_len = (uint32_t)bytes_get_le(buffer + 4, 4),
		.raw_len = (uint32_t)bytes_get_le(buffer + 8, 4),
		.record_count = (uint32_t)bytes_get_le(buffer + 12, 4),
		.number = (uint32_t)bytes_get_le(buffer + 16, 4),
		.first_ns = bytes_get_le(buffer + 20, 8),
		.crc = (uint32_t)bytes_get_le(buffer + 28, 4),
	};

	if (memcmp(buffer, TRACE_BLOCK_MAGIC, BLOCK_MAGIC_LEN) != 0)
		return -ENOENT;
	if (block.compressed_len == 0 || block.compressed_len > TRACE_COMPRESSED_MAX ||
	    block.raw_len == 0 || block.raw_len > TRACE_BLOCK_MAX || block.record_count == 0)
		return -EBADMSG;
	*ret_block = block;
	return 0;
}

bool trace_is_block_intact(const uint8_t buffer[TRACE_BLOCK_LEN], const struct trace_block *block,
			   const uint8_t *payload)
{
	return block->crc == checksum(buffer, BLOCK_CHECKED_LEN, payload, block->compressed_len);
}

/* ---- end -------------------------------------------------------------------------------------
 */

void trace_encode_end(const struct trace_end *end, uint8_t *buffer)
{
	memcpy(buffer, TRACE_END_MAGIC, BLOCK_MAGIC_LEN);
	bytes_put_le(buffer + 4, end->block_count, 4);
	bytes_put_le(buffer + 8, end->record_count, 8);
	bytes_put_le(buffer + 16, end->dropped[TRACE_DROP_SLOW], 8);
	bytes_put_le(buffer + 24, end->dropped[TRACE_DROP_DISK], 8);
	bytes_put_le(buffer + 32, end->dropped[TRACE_DROP_TOO_LARGE], 8);
	bytes_put_le(buffer + 40, end->last_ns, 8);
	bytes_put_le(buffer + 48, end->is_continued, 4);
	bytes_put_le(buffer + 52, checksum(buffer, END_CHECKED_LEN, NULL, 0), 4);
}

int trace_decode_end(const uint8_t buffer[TRACE_END_LEN], struct trace_end *ret_end)
{
	uint64_t is_continued = bytes_get_le(buffer + 48, 4);

	if (memcmp(buffer, TRACE_END_MAGIC, BLOCK_MAGIC_LEN) != 0)
		return -ENOENT;
	if (bytes_get_le(buffer + 52, 4) != checksum(buffer, END_CHECKED_LEN, NULL, 0) ||
	    is_continued > 1)
		return -EBADMSG;
	*ret_end = (struct trace_end){
		.block_count = (uint32_t)bytes_get_le(buffer + 4, 4),
		.record_count = bytes_get_le(buffer + 8, 8),
		.dropped = {[TRACE_DROP_SLOW] = bytes_get_le(buffer + 16, 8),
			    [TRACE_DROP_DISK] = bytes_get_le(buffer + 24, 8),
			    [TRACE_DROP_TOO_LARGE] = bytes_get_le(buffer + 32, 8)},
		.last_ns = bytes_get_le(buffer + 40, 8),
		.is_continued = is_continued,
	};
	return 0;
}

const char *trace_drop_explain(uint32_t cause)
{
	static const char *const TEXTS[TRACE_DROP_COUNT] = {
		[TRACE_DROP_SLOW] = "the disk was too slow",
		[TRACE_DROP_DISK] = "the disk was full or failed",
		[TRACE_DROP_TOO_LARGE] = "a configuration was too large",
	};

	return cause < TRACE_DROP_COUNT ? TEXTS[cause] : "the reason is not known here";
}
