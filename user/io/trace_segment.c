/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading one file. Whatever is written in it is checked against its checksum and against the
 * limits of the format before it is used: lengths before reading, the inflated length before
 * inflating.
 */
#include "io/trace_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "base/utf8.h"

enum {
	QUOTED_LEN = 200,
	MAGIC_LEN = 8,
	PIECE_MAGIC_LEN = 4,
};

__attribute__((format(printf, 5, 6))) static int fail(int result, const char *name, char *error,
						      size_t error_size, const char *format, ...)
{
	char quoted[QUOTED_LEN];
	va_list arguments;
	int len = snprintf(error, error_size,
			   "%s: ", utf8_copy_printable(name, strlen(name), quoted, sizeof(quoted)));

	if (len < 0 || (size_t)len >= error_size)
		return result;
	va_start(arguments, format);
	vsnprintf(error + len, error_size - (size_t)len, format, arguments);
	va_end(arguments);
	return result;
}

static int fail_errno(int err, const char *name, char *error, size_t error_size)
{
	return fail(-err, name, error, error_size, "%s", strerror(err));
}

/* Reads len bytes at offset, or up to the end of the file. Returns how many. */
static ssize_t read_at(int fd, void *buffer, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t count =
			pread(fd, (char *)buffer + done, len - done, (off_t)(offset + done));

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		if (count == 0)
			break;
		done += (size_t)count;
	}
	return (ssize_t)done;
}

static int read_header(int fd, const char *name, struct trace_segment *segment, char *error,
		       size_t error_size)
{
	uint8_t buffer[TRACE_HEADER_MAX];
	uint32_t metadata_len;
	ssize_t len = read_at(fd, buffer, sizeof(buffer), 0);
	int result;

	if (len < 0)
		return fail_errno((int)-len, name, error, error_size);
	if (len == 0)
		return fail(-EBADMSG, name, error, error_size, "the file is empty");
	if (memcmp(buffer, TRACE_MAGIC, units_min((uint64_t)len, MAGIC_LEN)) != 0)
		return fail(-EBADMSG, name, error, error_size, "not a trace of tierd");
	if (len < TRACE_HEADER_LEN)
		return fail(-EBADMSG, name, error, error_size, "cut off in its header");
	result = trace_decode_magic(buffer, &metadata_len);
	if (result < 0)
		return fail(-EBADMSG, name, error, error_size, "its header is damaged");
	if ((size_t)len < TRACE_HEADER_LEN + metadata_len)
		return fail(-EBADMSG, name, error, error_size, "cut off in its header");
	segment->offset = TRACE_HEADER_LEN + metadata_len;
	result =
		trace_decode_header(buffer, segment->offset, &segment->version, &segment->metadata);
	if (result == -EPROTONOSUPPORT)
		return fail(result, name, error, error_size,
			    "a trace of version %u.%u, which this program (%d.%d) cannot read",
			    segment->version.major, segment->version.minor, TRACE_VERSION_MAJOR,
			    TRACE_VERSION_MINOR);
	if (result < 0)
		return fail(-EBADMSG, name, error, error_size, "its header is damaged");
	return 0;
}

int trace_segment_open(int dir_fd, const char *name, struct trace_segment *ret_segment, char *error,
		       size_t error_size)
{
	/* Non-blocking: opening a FIFO must not wait for its writer. */
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct trace_segment segment = {0};
	struct stat info;
	int result;

	if (fd < 0)
		return fail_errno(errno, name, error, error_size);
	if (fstat(fd, &info) < 0)
		return fail_errno(errno, name, error, error_size);
	if (S_ISDIR(info.st_mode))
		return fail_errno(EISDIR, name, error, error_size);
	if (!S_ISREG(info.st_mode))
		return fail(-EINVAL, name, error, error_size, "not a regular file");
	result = read_header(fd, name, &segment, error, error_size);
	if (result < 0)
		return result;
	segment.fd = TAKE_FD(fd);
	*ret_segment = segment;
	return 0;
}

/* ---- pieces ----------------------------------------------------------------------------------
 */

static bool has_magic(const struct trace_buffers *buffers, size_t len, const char *magic)
{
	return memcmp(buffers->head, magic, units_min(len, PIECE_MAGIC_LEN)) == 0;
}

/* Inflates to exactly the length that the block's header says. */
static bool inflate_block(struct trace_buffers *buffers)
{
	z_stream *stream = &buffers->inflater;

	if (inflateReset(stream) != Z_OK)
		return false;
	stream->next_in = buffers->compressed;
	stream->avail_in = buffers->block.compressed_len;
	stream->next_out = buffers->raw;
	stream->avail_out = buffers->block.raw_len;
	return inflate(stream, Z_FINISH) == Z_STREAM_END && stream->avail_out == 0 &&
	       stream->avail_in == 0;
}

static enum trace_piece read_block(struct trace_segment *segment, struct trace_buffers *buffers,
				   const char **ret_problem)
{
	struct trace_block *block = &buffers->block;
	ssize_t len;

	*ret_problem = "damaged (impossible lengths)";
	if (trace_decode_block(buffers->head, block) < 0)
		return TRACE_PIECE_CORRUPT;
	len = read_at(segment->fd, buffers->compressed, block->compressed_len,
		      segment->offset + TRACE_BLOCK_LEN);
	*ret_problem = len < 0 ? strerror((int)-len) : "cut off";
	if (len < (ssize_t)block->compressed_len)
		return len < 0 ? TRACE_PIECE_CORRUPT : TRACE_PIECE_TORN;
	*ret_problem = "damaged (checksum)";
	if (!trace_is_block_intact(buffers->head, block, buffers->compressed))
		return TRACE_PIECE_CORRUPT;
	*ret_problem = "in the wrong place";
	if (block->number != segment->block_count)
		return TRACE_PIECE_CORRUPT;
	*ret_problem = "damaged (compression)";
	if (!inflate_block(buffers))
		return TRACE_PIECE_CORRUPT;
	segment->offset += TRACE_BLOCK_LEN + block->compressed_len;
	segment->block_count++;
	return TRACE_PIECE_BLOCK;
}

static enum trace_piece read_end(struct trace_segment *segment, struct trace_buffers *buffers,
				 const char **ret_problem)
{
	*ret_problem = "damaged (checksum of the end mark)";
	if (trace_decode_end(buffers->head, &buffers->end) < 0)
		return TRACE_PIECE_CORRUPT;
	segment->offset += TRACE_END_LEN;
	return TRACE_PIECE_END;
}

enum trace_piece trace_segment_read(struct trace_segment *segment, struct trace_buffers *buffers,
				    const char **ret_problem)
{
	ssize_t len = read_at(segment->fd, buffers->head, TRACE_END_LEN, segment->offset);
	bool is_end;

	segment->piece_offset = segment->offset;
	if (len < 0) {
		*ret_problem = strerror((int)-len);
		return TRACE_PIECE_CORRUPT;
	}
	if (len == 0)
		return TRACE_PIECE_NOTHING;
	is_end = has_magic(buffers, (size_t)len, TRACE_END_MAGIC);
	if (!is_end && !has_magic(buffers, (size_t)len, TRACE_BLOCK_MAGIC)) {
		*ret_problem = "damaged (no block begins there)";
		return TRACE_PIECE_CORRUPT;
	}
	if (len < (is_end ? TRACE_END_LEN : TRACE_BLOCK_LEN)) {
		*ret_problem = "cut off";
		return TRACE_PIECE_TORN;
	}
	return is_end ? read_end(segment, buffers, ret_problem)
		      : read_block(segment, buffers, ret_problem);
}
