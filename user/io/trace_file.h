/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files that a recording consists of, one open at a time: made, appended to block by block,
 * ended, and rotated. For trace_writer.c, whose thread alone calls what may wait for a disk.
 *
 * No existing file is written to: a trace that is in the way is renamed, and anything else refuses.
 */
#ifndef TIERD_IO_TRACE_FILE_H
#define TIERD_IO_TRACE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include "base/trace_frame.h"

/* The system calls that fail when a disk does, for tests to take their place. */
struct trace_file_calls {
	ssize_t (*pwrite)(int fd, const void *buffer, size_t len, off_t offset);
	int (*fstatvfs)(int fd, struct statvfs *ret_disk);
};

struct trace_file {
	const struct trace_file_calls *calls;
	int dir_fd;
	int fd; /* -1 = none, because the next segment could not be made */
	char name[TRACE_NAME_LEN];
	bool is_new_only;
	uint32_t keep; /* files, with the one that is written */
	struct trace_metadata metadata;
	uint64_t size;          /* of the open file */
	uint64_t earlier_bytes; /* of those before it */
	uint32_t block_count;
	uint64_t record_count;
	uint64_t dropped[TRACE_DROP_COUNT];
	uint64_t last_ns;
};

struct trace_file_block {
	const uint8_t *data;      /* compressed, behind TRACE_BLOCK_LEN free bytes */
	struct trace_block block; /* number and crc are filled in */
	uint64_t events;
	uint64_t dropped[TRACE_DROP_COUNT]; /* sum of its gap records */
	uint64_t last_ns;
};

#define TRACE_FILE_CLOSED ((struct trace_file){.dir_fd = -1, .fd = -1})

/*
 * Makes the first file, with its header. file->calls, is_new_only, keep and metadata (but id,
 * segment, times and predecessor) are set by the caller. Returns 0; -EEXIST if something is in the
 * way that is not a trace, or, where is_new_only, that is anything at all; -EINVAL if path names no
 * file; or another negative errno.
 */
int trace_file_open(struct trace_file *file, const char *path);

/* Whether the disk is so full that nothing is to be added. */
bool trace_file_is_disk_full(const struct trace_file *file);

/* Appends a block, or nothing of it. Returns 0 or negative errno. */
int trace_file_append(struct trace_file *file, struct trace_file_block *block);

/*
 * Ends the file and begins the next; then removes the oldest beyond keep. Returns 0 or negative
 * errno: then the old file is still open, or none, and this is to be tried again.
 */
int trace_file_rotate(struct trace_file *file);

/* Writes the end mark and closes the file. Returns 0 or negative errno. */
int trace_file_close(struct trace_file *file);

#endif
