/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One file of a trace: its header, and then piece by piece its blocks, checked and inflated. For
 * trace_chain.c and trace_reader.c.
 */
#ifndef TIERD_IO_TRACE_SEGMENT_H
#define TIERD_IO_TRACE_SEGMENT_H

#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "base/trace_frame.h"

struct trace_segment {
	int fd;
	struct trace_version version;
	struct trace_metadata metadata;
	uint64_t offset;       /* of the next piece */
	uint64_t piece_offset; /* of the last one */
	uint32_t block_count;  /* that were read */
};

/* What a piece is read into; half a megabyte. */
struct trace_buffers {
	z_stream inflater;
	struct trace_block block;
	struct trace_end end;
	uint8_t head[TRACE_END_LEN];
	uint8_t raw[TRACE_BLOCK_MAX]; /* block.raw_len bytes of it */
	uint8_t compressed[TRACE_COMPRESSED_MAX];
};

enum trace_piece {
	TRACE_PIECE_BLOCK,
	TRACE_PIECE_END,     /* the end mark */
	TRACE_PIECE_NOTHING, /* the end of the file, without one */
	TRACE_PIECE_TORN,    /* the end of the file in the middle of a piece */
	TRACE_PIECE_CORRUPT,
};

/*
 * Opens the file and reads its header. Returns 0; or with one line in error: -EBADMSG (damaged, cut
 * off, or no trace), -EPROTONOSUPPORT (another major version), -EINVAL (no regular file), or
 * another negative errno. The caller closes ret_segment->fd.
 */
int trace_segment_open(int dir_fd, const char *name, struct trace_segment *ret_segment, char *error,
		       size_t error_size);

/*
 * Reads the next piece; of TORN and CORRUPT, *ret_problem says what is wrong. Nothing is to be read
 * after anything but a block.
 */
enum trace_piece trace_segment_read(struct trace_segment *segment, struct trace_buffers *buffers,
				    const char **ret_problem);

#endif
