/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where decisions are logged: a file that only grows, or standard output. Lines are written whole,
 * without waiting; what cannot be written is dropped and counted. A file stops at its size cap, and
 * when its file system has less than NDJSON_FREE_MIN_PERCENT free.
 */
#ifndef TIERD_IO_NDJSON_SINK_H
#define TIERD_IO_NDJSON_SINK_H

#include <stddef.h>
#include <stdint.h>

enum {
	NDJSON_LINE_MAX = 16 * 1024, /* with its newline */
	NDJSON_FREE_MIN_PERCENT = 5,
};

struct ndjson_sink;

/*
 * Opens path to append to (0640, not through a symlink), or standard output if path is "-". The
 * file may grow to max_bytes. Returns 0; -ELOOP (a symlink), -EINVAL (no regular file, nor a
 * character device), or another negative errno.
 */
int ndjson_sink_open(const char *path, uint64_t max_bytes, struct ndjson_sink **ret_sink);
void ndjson_sink_close(struct ndjson_sink *sink);

/*
 * Writes one line, len bytes with its newline. Returns 0; or after counting the drop: -EMSGSIZE
 * (over NDJSON_LINE_MAX), -EFBIG (the cap), -ENOSPC (disk nearly full), -EAGAIN (standard output
 * has no room), or another negative errno.
 */
int ndjson_sink_write(struct ndjson_sink *sink, const char *line, size_t len);

/* Opens the path again, after it was renamed away (log rotation). On failure the old file stays in
 * use. Nothing to do for standard output. */
int ndjson_sink_reopen(struct ndjson_sink *sink);

uint64_t ndjson_sink_get_dropped(const struct ndjson_sink *sink);

#endif
