/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The side that adds events: encodes them into the current buffer, hands full ones on, and drops
 * what finds no buffer. See trace_writer_private.h.
 */
#include "io/trace_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "io/thread.h"
#include "io/trace_writer_private.h"

enum {
	DEFLATE_BYTES = 300 * 1024, /* zlib says 268 KB */
	COMPRESSION_LEVEL = 3,
	WINDOW_BITS = 15,
	MEMORY_LEVEL = 8,
	CONFIG_ROOM = TRACE_NAME_LEN + 64, /* what a config record takes beside its text */
	/* The largest block that a buffer can become. */
	BLOCK_MAX = TRACE_BLOCK_LEN + TRACE_WRITER_BUFFER_LEN + TRACE_WRITER_BUFFER_LEN / 8,
};
#define NO_START UINT64_MAX

_Static_assert(sizeof(struct trace_writer) + TRACE_WRITER_STACK_BYTES + DEFLATE_BYTES <
		       TRACE_WRITER_BYTES,
	       "more memory than is said");
_Static_assert(TRACE_GAP_ROOM + TRACE_WRITER_BUFFER_LEN <= TRACE_BLOCK_MAX,
	       "a buffer does not fit into a block");
_Static_assert(TRACE_WRITER_BUFFER_LEN >
		       2 * (TRACE_CONFIG_MAX + CONFIG_ROOM) + 4 * EVENT_ENCODED_MAX,
	       "a preamble and a configuration do not fit into a buffer");
_Static_assert(2 * BLOCK_MAX + TRACE_HEADER_MAX + TRACE_END_LEN < TRACE_SEGMENT_MIN_BYTES,
	       "a segment may not hold a block");

/* ---- buffers ---------------------------------------------------------------------------------
 */

static void drop(struct trace_writer *writer, enum trace_drop cause)
{
	writer->pending[cause]++;
	atomic_fetch_add(&writer->dropped[cause], 1);
}

static void hand_over(struct trace_writer *writer)
{
	writer->current = NULL;
	atomic_store(&writer->head, writer->head + 1);
	sem_post(&writer->filled);
}

/* Whether one more block, the largest there can be, may take the file over its limit. */
static bool is_segment_due(struct trace_writer *writer, uint64_t head, uint64_t tail)
{
	uint64_t bytes = atomic_load(&writer->segment_bytes);
	uint64_t blocks = head - tail;

	if (head == 0)
		return writer->options.metadata.flags & TRACE_STARTED_LATE;
	if (atomic_exchange(&writer->is_segment_wanted, false))
		return true;
	/* Some are still on their way, and the segment that the last of them are for is not begun.
	 */
	if (writer->start_index != NO_START && tail <= writer->start_index) {
		bytes = TRACE_HEADER_MAX;
		blocks = head - writer->start_index;
	}
	return units_plus(bytes, (blocks + 1) * BLOCK_MAX + TRACE_END_LEN) >
	       writer->options.segment_max_bytes;
}

static void say_pending(struct trace_writer *writer, struct trace_buffer *buffer)
{
	for (unsigned int cause = 0; cause < TRACE_DROP_COUNT; cause++) {
		if (writer->pending[cause] == 0)
			continue;
		buffer->len += event_encode_gap((enum trace_drop)cause, writer->pending[cause],
						buffer->last_ns, buffer->last_ns,
						buffer->records + buffer->len);
		buffer->record_count++;
		buffer->dropped[cause] = writer->pending[cause];
		writer->pending[cause] = 0;
	}
}

/* Takes the next buffer into use, for records from time_ns on. Returns false if all are full. */
static bool open_buffer(struct trace_writer *writer, uint64_t time_ns)
{
	uint64_t head = writer->head;
	uint64_t tail = atomic_load(&writer->tail);
	struct trace_buffer *buffer = &writer->buffers[head % TRACE_WRITER_BUFFERS];

	while (head - tail == TRACE_WRITER_BUFFERS) {
		if (!writer->options.is_waiting)
			return false;
		sem_wait(&writer->emptied);
		tail = atomic_load(&writer->tail);
	}
	buffer->len = 0;
	buffer->record_count = 0;
	buffer->event_count = 0;
	memset(buffer->dropped, 0, sizeof(buffer->dropped));
	buffer->first_ns = time_ns;
	buffer->last_ns = time_ns;
	buffer->is_segment_start = is_segment_due(writer, head, tail);
	writer->current = buffer;
	say_pending(writer, buffer);
	if (!buffer->is_segment_start)
		return true;
	writer->start_index = head;
	if (writer->options.on_segment)
		writer->options.on_segment(writer->options.context, writer, time_ns);
	return true;
}

/* ---- events ----------------------------------------------------------------------------------
 */

static size_t room_for(const struct event_text *text)
{
	return text ? text->len + CONFIG_ROOM : EVENT_ENCODED_MAX;
}

static size_t room_left(const struct trace_buffer *buffer)
{
	return sizeof(buffer->records) - buffer->len;
}

static void put(struct trace_buffer *buffer, const struct event *event,
		const struct event_text *text, uint32_t flag)
{
	uint8_t *at = buffer->records + buffer->len;
	size_t len = text ? event_encode_text(event, text, buffer->last_ns, at, room_left(buffer))
			  : event_encode(event, buffer->last_ns, at);

	at[0] |= (uint8_t)flag;
	buffer->len += len;
	buffer->record_count++;
	buffer->last_ns = event->time_ns;
}

void trace_writer_add(struct trace_writer *writer, const struct event *event,
		      const struct event_text *text)
{
	size_t room = room_for(text);

	writer->fed++;
	if (text && text->len > TRACE_CONFIG_MAX) {
		drop(writer, TRACE_DROP_TOO_LARGE);
		return;
	}
	if (writer->current && room_left(writer->current) < room)
		hand_over(writer);
	if (!writer->current && !open_buffer(writer, event->time_ns)) {
		drop(writer, TRACE_DROP_SLOW);
		return;
	}
	put(writer->current, event, text, 0);
	writer->current->event_count++;
	if (!writer->options.is_waiting &&
	    units_minus(event->time_ns, writer->current->first_ns) >= TRACE_FLUSH_NS)
		hand_over(writer);
}

void trace_writer_add_preamble(struct trace_writer *writer, const struct event *event,
			       const struct event_text *text)
{
	struct trace_buffer *buffer = writer->current;

	if (text && text->len > TRACE_CONFIG_MAX)
		return;
	if (buffer && room_left(buffer) >= room_for(text))
		put(buffer, event, text, TRACE_PREAMBLE);
}

void trace_writer_flush(struct trace_writer *writer)
{
	if (writer->current && writer->current->record_count > 0)
		hand_over(writer);
}

void trace_writer_get_stats(const struct trace_writer *writer, struct trace_writer_stats *ret_stats)
{
	*ret_stats = (struct trace_writer_stats){
		.fed = writer->fed,
		.written = atomic_load(&writer->written),
		.bytes = atomic_load(&writer->bytes),
		.segments = atomic_load(&writer->segments),
		.error = atomic_load(&writer->error),
	};
	for (int cause = 0; cause < TRACE_DROP_COUNT; cause++)
		ret_stats->dropped[cause] = atomic_load(&writer->dropped[cause]);
}

/* ---- beginning and end -----------------------------------------------------------------------
 */

static void free_writer(struct trace_writer *writer)
{
	sem_destroy(&writer->filled);
	sem_destroy(&writer->emptied);
	deflateEnd(&writer->deflater);
	free(writer);
}

static int open_file(struct trace_writer *writer)
{
	static const struct trace_file_calls calls = {.pwrite = pwrite, .fstatvfs = fstatvfs};
	const struct trace_writer_options *options = &writer->options;
	int result;

	writer->file = (struct trace_file){
		.calls = options->calls ? options->calls : &calls,
		.is_new_only = options->is_new_only,
		.keep = options->keep,
		.metadata = options->metadata,
	};
	result = trace_file_open(&writer->file, options->path);
	atomic_store(&writer->segment_bytes, writer->file.size);
	atomic_store(&writer->bytes, writer->file.size);
	atomic_store(&writer->segments, 1);
	return result;
}

int trace_writer_open(const struct trace_writer_options *options, struct trace_writer **ret_writer)
{
	struct trace_writer *writer;
	int result = -ENOMEM;

	if (options->keep == 0 || options->segment_max_bytes < TRACE_SEGMENT_MIN_BYTES)
		return -EINVAL;
	writer = malloc(sizeof(*writer));
	if (!writer)
		return -ENOMEM;
	/* Touched now, so that adding an event never waits for a page. */
	memset(writer, 0, sizeof(*writer));
	writer->options = *options;
	writer->start_index = NO_START;
	sem_init(&writer->filled, 0, 0);
	sem_init(&writer->emptied, 0, 0);
	if (deflateInit2(&writer->deflater, COMPRESSION_LEVEL, Z_DEFLATED, WINDOW_BITS,
			 MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK)
		result = open_file(writer);
	if (result == 0) {
		result = thread_start(&writer->thread, TRACE_WRITER_STACK_BYTES, trace_writer_run,
				      writer);
		if (result < 0)
			trace_file_close(&writer->file);
	}
	if (result < 0) {
		free_writer(writer);
		return result;
	}
	*ret_writer = writer;
	return 0;
}

void trace_writer_finish(struct trace_writer *writer)
{
	if (writer->is_finished)
		return;
	writer->is_finished = true;
	trace_writer_flush(writer);
	atomic_store(&writer->is_closing, true);
	sem_post(&writer->filled);
}

bool trace_writer_is_finished(const struct trace_writer *writer)
{
	return atomic_load(&writer->is_over);
}

int trace_writer_close(struct trace_writer *writer, int timeout_ms)
{
	struct trace_writer_stats stats;
	int result;

	if (!writer)
		return 0;
	trace_writer_finish(writer);
	/* A thread that has said that it is over returns at once: it need not be left behind. */
	result = thread_join(writer->thread, trace_writer_is_finished(writer) ? -1 : timeout_ms);
	if (result < 0)
		return result;
	trace_writer_get_stats(writer, &stats);
	free_writer(writer);
	if (stats.error < 0)
		return stats.error;
	return stats.written == stats.fed ? 0 : -ENODATA;
}
