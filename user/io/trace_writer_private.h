/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The writer's inside, shared by its two parties: trace_writer.c fills the buffer at `head` and
 * hands it on by advancing `head`; trace_writer_thread.c empties the one at `tail` and gives it
 * back by advancing `tail`. Each index has one writer, so that neither waits for the other.
 *
 * Before the records of every buffer there is room for gap records: only the thread knows whether a
 * buffer before was lost to the disk, and says so at the beginning of the next that it can write.
 */
#ifndef TIERD_IO_TRACE_WRITER_PRIVATE_H
#define TIERD_IO_TRACE_WRITER_PRIVATE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <zlib.h>

#include "io/trace_file.h"
#include "io/trace_writer.h"

enum {
	TRACE_WRITER_STACK_BYTES = 128 * 1024,
	TRACE_GAP_LEN = 32, /* more than a gap record takes */
	TRACE_GAP_ROOM = TRACE_DROP_COUNT * TRACE_GAP_LEN,
};

struct trace_buffer {
	uint32_t len; /* of the records */
	uint32_t record_count;
	uint64_t event_count;               /* without preambles and gaps */
	uint64_t dropped[TRACE_DROP_COUNT]; /* sum of the gap records in it */
	uint64_t first_ns;
	uint64_t last_ns;
	bool is_segment_start;
	uint8_t gaps[TRACE_GAP_ROOM]; /* right before the records */
	uint8_t records[TRACE_WRITER_BUFFER_LEN];
};

struct trace_writer {
	struct trace_writer_options options;

	/* Of whoever adds. */
	struct trace_buffer *current; /* NULL = none is open */
	uint64_t fed;
	uint64_t start_index; /* of the last buffer that begins a segment */
	bool is_finished;
	/* To be said at the next place; the thread's once it is closing. */
	uint64_t pending[TRACE_DROP_COUNT];

	/* Of both. */
	_Atomic uint64_t head;
	_Atomic uint64_t tail;
	_Atomic bool is_closing;
	_Atomic bool is_over;
	_Atomic bool is_segment_wanted; /* the next could not be begun: try again */
	_Atomic uint64_t segment_bytes;
	_Atomic uint64_t bytes;
	_Atomic uint64_t written;
	_Atomic uint64_t dropped[TRACE_DROP_COUNT];
	_Atomic uint32_t segments;
	_Atomic int error;
	sem_t filled;
	sem_t emptied; /* is_waiting only */

	/* Of the thread. */
	pthread_t thread;
	struct trace_file file;
	bool is_start_missing;           /* the file is not to go on without a new segment */
	uint64_t lost[TRACE_DROP_COUNT]; /* to be said at the next place */
	z_stream deflater;
	uint8_t compressed[TRACE_BLOCK_LEN + TRACE_COMPRESSED_MAX];

	struct trace_buffer buffers[TRACE_WRITER_BUFFERS];
};

/* The thread; context is the writer. */
void *trace_writer_run(void *context);

#endif
