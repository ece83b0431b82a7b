/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread: takes one full buffer after the other, compresses it, and gets it into the file. All
 * waiting for the disk is done here.
 */
#include <errno.h>
#include <string.h>

#include "io/trace_writer_private.h"

static void count(_Atomic uint64_t *counter, uint64_t amount)
{
	atomic_fetch_add(counter, amount);
}

/* Puts gap records for what was lost before the records of a buffer; fills in what they say. */
static const uint8_t *say_lost(const struct trace_writer *writer, struct trace_buffer *buffer,
			       struct trace_file_block *block)
{
	uint8_t text[TRACE_GAP_ROOM];
	uint8_t *begin;
	size_t len = 0;

	for (unsigned int cause = 0; cause < TRACE_DROP_COUNT; cause++) {
		block->dropped[cause] = buffer->dropped[cause] + writer->lost[cause];
		if (writer->lost[cause] == 0)
			continue;
		len += event_encode_gap((enum trace_drop)cause, writer->lost[cause],
					buffer->first_ns, buffer->first_ns, text + len);
		block->block.record_count++;
	}
	begin = buffer->gaps + TRACE_GAP_ROOM - len;
	memcpy(begin, text, len);
	block->block.raw_len = (uint32_t)len + buffer->len;
	return begin;
}

static int compress_records(struct trace_writer *writer, const uint8_t *data, uint32_t len,
			    uint32_t *ret_len)
{
	z_stream *stream = &writer->deflater;

	if (deflateReset(stream) != Z_OK)
		return -EIO;
	stream->next_in = (Bytef *)data;
	stream->avail_in = len;
	stream->next_out = writer->compressed + TRACE_BLOCK_LEN;
	stream->avail_out = TRACE_COMPRESSED_MAX;
	if (deflate(stream, Z_FINISH) != Z_STREAM_END)
		return -EIO;
	*ret_len = TRACE_COMPRESSED_MAX - stream->avail_out;
	return 0;
}

static int write_buffer(struct trace_writer *writer, struct trace_buffer *buffer)
{
	struct trace_file_block block = {
		.data = writer->compressed + TRACE_BLOCK_LEN,
		.block = {.record_count = buffer->record_count, .first_ns = buffer->first_ns},
		.events = buffer->event_count,
		.last_ns = buffer->last_ns,
	};
	const uint8_t *records = say_lost(writer, buffer, &block);
	int result =
		compress_records(writer, records, block.block.raw_len, &block.block.compressed_len);

	return result < 0 ? result : trace_file_append(&writer->file, &block);
}

static int begin_segment(struct trace_writer *writer)
{
	int result = 0;

	/* The first begins in the file that is already there. */
	if (writer->file.fd < 0 || writer->file.block_count > 0) {
		result = trace_file_rotate(&writer->file);
		if (result == 0)
			atomic_fetch_add(&writer->segments, 1);
	}
	writer->is_start_missing = result < 0;
	return result;
}

static int put_into_file(struct trace_writer *writer, struct trace_buffer *buffer)
{
	int result = 0;

	if (buffer->is_segment_start)
		result = begin_segment(writer);
	if (result == 0 && writer->is_start_missing)
		result = atomic_load(&writer->error);
	if (result == 0 && trace_file_is_disk_full(&writer->file))
		result = -ENOSPC;
	return result < 0 ? result : write_buffer(writer, buffer);
}

/* Nothing of this buffer gets into the file. What it had to say of gaps is still to be said. */
static void lose(struct trace_writer *writer, const struct trace_buffer *buffer)
{
	for (int cause = 0; cause < TRACE_DROP_COUNT; cause++)
		writer->lost[cause] += buffer->dropped[cause];
	writer->lost[TRACE_DROP_DISK] += buffer->event_count;
	count(&writer->dropped[TRACE_DROP_DISK], buffer->event_count);
	/* A segment without its preamble tells a cold engine nothing. */
	if (buffer->is_segment_start) {
		writer->is_start_missing = true;
		atomic_store(&writer->is_segment_wanted, true);
	}
}

static void take_buffer(struct trace_writer *writer, struct trace_buffer *buffer)
{
	int result = put_into_file(writer, buffer);

	if (result == 0) {
		memset(writer->lost, 0, sizeof(writer->lost));
		count(&writer->written, buffer->event_count);
	} else {
		lose(writer, buffer);
	}
	atomic_store(&writer->error, result);
	atomic_store(&writer->segment_bytes, writer->file.size);
	atomic_store(&writer->bytes, writer->file.earlier_bytes + writer->file.size);
}

/* What could not be said of gaps before gets a block of its own, if that can be written. */
static void write_last(struct trace_writer *writer)
{
	struct trace_buffer *buffer = &writer->buffers[0];
	uint64_t sum = 0;

	for (int cause = 0; cause < TRACE_DROP_COUNT; cause++) {
		writer->lost[cause] += writer->pending[cause];
		sum += writer->lost[cause];
	}
	if (sum == 0 || writer->file.fd < 0)
		return;
	buffer->len = 0;
	buffer->record_count = 0;
	buffer->event_count = 0;
	memset(buffer->dropped, 0, sizeof(buffer->dropped));
	buffer->first_ns = writer->file.last_ns;
	buffer->last_ns = writer->file.last_ns;
	write_buffer(writer, buffer);
}

/* Waits for a buffer. Returns false if there will be none. */
static bool wait_for_buffer(struct trace_writer *writer, uint64_t tail)
{
	for (;;) {
		bool is_closing;

		while (sem_wait(&writer->filled) < 0)
			continue;
		is_closing = atomic_load(&writer->is_closing);
		if (tail != atomic_load(&writer->head))
			return true;
		if (is_closing)
			return false;
	}
}

void *trace_writer_run(void *context)
{
	struct trace_writer *writer = context;
	uint64_t tail = 0;
	int result;

	while (wait_for_buffer(writer, tail)) {
		take_buffer(writer, &writer->buffers[tail % TRACE_WRITER_BUFFERS]);
		atomic_store(&writer->tail, ++tail);
		if (writer->options.is_waiting)
			sem_post(&writer->emptied);
	}
	write_last(writer);
	result = trace_file_close(&writer->file);
	if (result < 0)
		atomic_store(&writer->error, result);
	atomic_store(&writer->bytes, writer->file.earlier_bytes + writer->file.size);
	atomic_store(&writer->is_over, true);
	return NULL;
}
