/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes lines into an ndjson_sink, in a thread of its own: a file of a disk that is slow, frozen
 * or hangs, and a socket that nobody reads, hold up whoever writes to them, whatever their flags
 * say. Adding a line copies it into a queue and nothing else. What finds no room there, and what
 * the sink cannot write, is dropped and counted.
 *
 * All memory is taken when the writer is opened: the queue, and the thread's stack.
 */
#ifndef TIERD_IO_NDJSON_WRITER_H
#define TIERD_IO_NDJSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* Some two hundred decisions, or the longest lines there can be, fifteen times. */
	NDJSON_WRITER_QUEUE_BYTES = 256 * 1024,
};

struct ndjson_writer;

struct ndjson_writer_stats {
	uint64_t dropped; /* lines that were added and did not get into the file */
	int reason;       /* why the last of them did not: of the sink; or -ENOBUFS, no room */
	bool is_failing;  /* none was written since, or those that wait are still too many */
	uint64_t reopen_failures;
};

/* As ndjson_sink_open(), and starts the thread. */
int ndjson_writer_open(const char *path, uint64_t max_bytes, struct ndjson_writer **ret_writer);

/* Adds one line, len bytes with its newline. Never waits. */
void ndjson_writer_add(struct ndjson_writer *writer, const char *line, size_t len);

/* As ndjson_sink_reopen(), once the lines that were added before are written. Never waits; what
 * fails is counted. */
void ndjson_writer_reopen(struct ndjson_writer *writer);

/* Only for whoever adds. */
void ndjson_writer_get_stats(struct ndjson_writer *writer, struct ndjson_writer_stats *ret_stats);

/*
 * Writes what was added, and frees the writer. Waits at most timeout_ms (negative: as long as it
 * takes). Returns 0; or -ETIMEDOUT if the thread still waits for the disk: then its memory is lost.
 * *ret_stats (or NULL) is how it ended.
 */
int ndjson_writer_close(struct ndjson_writer *writer, int timeout_ms,
			struct ndjson_writer_stats *ret_stats);

#endif
