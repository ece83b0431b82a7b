/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queue is a ring of bytes: a line's length, and the line. Whoever adds advances `head`, the
 * thread `tail`, once the line is written; each index has one writer, so that neither waits for the
 * other.
 */
#include "io/ndjson_writer.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "io/ndjson_sink.h"
#include "io/thread.h"

enum {
	STACK_BYTES = 64 * 1024,
};

struct ndjson_writer {
	/* Of whoever adds. */
	uint64_t refused; /* lines that found no room */
	bool is_behind;   /* since the last of them, not everything has been written */

	/* Of both. Positions count all bytes that ever were in the queue. */
	_Atomic uint64_t head;
	_Atomic uint64_t tail;
	_Atomic uint64_t reopen_at; /* a position, plus one; 0 = not wanted */
	_Atomic bool is_closing;
	_Atomic uint64_t lost; /* lines that the sink has dropped */
	_Atomic int error;     /* of the last line, negative errno; 0 = written */
	_Atomic int reason;    /* of the last line that was dropped */
	_Atomic uint64_t reopen_failures;
	sem_t wanted;

	/* Of the thread. */
	pthread_t thread;
	struct ndjson_sink *sink;
	char line[NDJSON_LINE_MAX];

	char queue[NDJSON_WRITER_QUEUE_BYTES];
};

/* ---- the thread --------------------------------------------------------------------------------
 */

static void copy_out(const struct ndjson_writer *writer, uint64_t position, void *data, size_t len)
{
	size_t at = position % sizeof(writer->queue);
	size_t first = units_min(len, sizeof(writer->queue) - at);

	memcpy(data, writer->queue + at, first);
	memcpy((char *)data + first, writer->queue, len - first);
}

/* Whoever wants it once more while it is done here gets it once more. */
static void reopen_if_due(struct ndjson_writer *writer)
{
	uint64_t at = atomic_load(&writer->reopen_at);

	if (at == 0 || atomic_load(&writer->tail) + 1 < at)
		return;
	atomic_store(&writer->reopen_at, 0);
	if (ndjson_sink_reopen(writer->sink) < 0)
		atomic_fetch_add(&writer->reopen_failures, 1);
}

static bool write_next(struct ndjson_writer *writer)
{
	uint64_t tail = atomic_load(&writer->tail);
	uint32_t len;
	int result;

	if (tail == atomic_load(&writer->head))
		return false;
	copy_out(writer, tail, &len, sizeof(len));
	copy_out(writer, tail + sizeof(len), writer->line, len);
	result = ndjson_sink_write(writer->sink, writer->line, len);
	if (result < 0)
		atomic_store(&writer->reason, result);
	atomic_store(&writer->error, result);
	atomic_store(&writer->lost, ndjson_sink_get_dropped(writer->sink));
	atomic_store(&writer->tail, tail + sizeof(len) + len);
	return true;
}

static void *run(void *context)
{
	struct ndjson_writer *writer = context;
	bool is_closing;

	do {
		while (sem_wait(&writer->wanted) < 0)
			continue;
		/* Asked first: nothing is added after it. */
		is_closing = atomic_load(&writer->is_closing);
		do
			reopen_if_due(writer);
		while (write_next(writer));
	} while (!is_closing);
	return NULL;
}

/* ---- whoever adds ------------------------------------------------------------------------------
 */

static void copy_in(struct ndjson_writer *writer, uint64_t position, const void *data, size_t len)
{
	size_t at = position % sizeof(writer->queue);
	size_t first = units_min(len, sizeof(writer->queue) - at);

	memcpy(writer->queue + at, data, first);
	memcpy(writer->queue, (const char *)data + first, len - first);
}

static void refuse(struct ndjson_writer *writer, int reason)
{
	writer->refused++;
	atomic_store(&writer->reason, reason);
}

void ndjson_writer_add(struct ndjson_writer *writer, const char *line, size_t len)
{
	uint64_t head = atomic_load(&writer->head);
	uint64_t waiting = head - atomic_load(&writer->tail);
	uint32_t line_len = (uint32_t)len;

	if (len > NDJSON_LINE_MAX) {
		refuse(writer, -EMSGSIZE);
		return;
	}
	if (waiting + sizeof(line_len) + len > sizeof(writer->queue)) {
		refuse(writer, -ENOBUFS);
		writer->is_behind = true;
		return;
	}
	copy_in(writer, head, &line_len, sizeof(line_len));
	copy_in(writer, head + sizeof(line_len), line, len);
	atomic_store(&writer->head, head + sizeof(line_len) + len);
	sem_post(&writer->wanted);
}

void ndjson_writer_reopen(struct ndjson_writer *writer)
{
	/* One that is still to be done comes after whatever was renamed by now. */
	if (atomic_load(&writer->reopen_at) == 0)
		atomic_store(&writer->reopen_at, atomic_load(&writer->head) + 1);
	sem_post(&writer->wanted);
}

void ndjson_writer_get_stats(struct ndjson_writer *writer, struct ndjson_writer_stats *ret_stats)
{
	if (atomic_load(&writer->tail) == atomic_load(&writer->head))
		writer->is_behind = false;
	*ret_stats = (struct ndjson_writer_stats){
		.dropped = writer->refused + atomic_load(&writer->lost),
		.reason = atomic_load(&writer->reason),
		.is_failing = writer->is_behind || atomic_load(&writer->error) < 0,
		.reopen_failures = atomic_load(&writer->reopen_failures),
	};
}

/* ---- beginning and end -------------------------------------------------------------------------
 */

static void free_writer(struct ndjson_writer *writer)
{
	ndjson_sink_close(writer->sink);
	sem_destroy(&writer->wanted);
	free(writer);
}

int ndjson_writer_open(const char *path, uint64_t max_bytes, struct ndjson_writer **ret_writer)
{
	struct ndjson_writer *writer = malloc(sizeof(*writer));
	int result;

	if (!writer)
		return -ENOMEM;
	/* Touched now, so that adding a line never waits for a page. */
	memset(writer, 0, sizeof(*writer));
	sem_init(&writer->wanted, 0, 0);
	result = ndjson_sink_open(path, max_bytes, &writer->sink);
	if (result == 0)
		result = thread_start(&writer->thread, STACK_BYTES, run, writer);
	if (result < 0) {
		free_writer(writer);
		return result;
	}
	*ret_writer = writer;
	return 0;
}

int ndjson_writer_close(struct ndjson_writer *writer, int timeout_ms,
			struct ndjson_writer_stats *ret_stats)
{
	int result;

	if (!writer)
		return 0;
	atomic_store(&writer->is_closing, true);
	sem_post(&writer->wanted);
	result = thread_join(writer->thread, timeout_ms);
	if (ret_stats)
		ndjson_writer_get_stats(writer, ret_stats);
	if (result == 0)
		free_writer(writer);
	return result;
}
