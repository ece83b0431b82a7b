/* SPDX-License-Identifier: BSD-2-Clause */
#include "io/reply_stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "io/reply.h"

enum {
	LOST_LEN = 64, /* of what says how many lines were lost */
};

static const char OK[] = "ok\n";
static const char END[] = "end\n";

struct stream {
	int fd; /* -1 = free */
	enum reply_stream_format format;
	uint64_t lost; /* lines since the asker was last told */
	bool is_waiting;
	/* What is left of a line that is longer than what a pipe takes at once (PIPE_BUF). */
	size_t rest_len;
	char rest[LOST_LEN + REPLY_STREAM_LINE_MAX];
};

struct reply_streams {
	struct loop *loop;
	struct stream streams[REPLY_STREAMS_MAX];
};

int reply_streams_create(struct loop *loop, struct reply_streams **ret_streams)
{
	struct reply_streams *streams = calloc(1, sizeof(*streams));

	if (!streams)
		return -ENOMEM;
	streams->loop = loop;
	for (int i = 0; i < REPLY_STREAMS_MAX; i++)
		streams->streams[i].fd = -1;
	*ret_streams = streams;
	return 0;
}

static void stream_close(struct reply_streams *streams, struct stream *stream)
{
	loop_remove_fd(streams->loop, stream->fd);
	cleanup_close(&stream->fd);
	stream->fd = -1;
}

/* Asks to be called when there is room, or no longer. */
static void stream_wait(struct reply_streams *streams, struct stream *stream)
{
	bool is_waiting = stream->rest_len > 0 || stream->lost > 0;

	if (is_waiting != stream->is_waiting)
		loop_modify_fd(streams->loop, stream->fd, is_waiting ? EPOLLOUT : 0);
	stream->is_waiting = is_waiting;
}

/* Returns what was written of it, 0 if there is no room; or a negative errno: the asker left. */
static ssize_t stream_put(const struct stream *stream, const char *text, size_t len)
{
	ssize_t written = write(stream->fd, text, len);

	if (written >= 0)
		return written;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

/* Whole lines, or the beginning of them whose rest is kept. False if they found no room at all. */
static bool stream_put_lines(struct reply_streams *streams, struct stream *stream, const char *text,
			     size_t len)
{
	ssize_t written = stream_put(stream, text, len);

	if (written < 0) {
		stream_close(streams, stream);
		return false;
	}
	if (written == 0)
		return false;
	stream->rest_len = len - (size_t)written;
	memcpy(stream->rest, text + written, stream->rest_len);
	stream->lost = 0;
	return true;
}

/* False if something of an earlier line is still to be written. */
static bool stream_put_rest(struct reply_streams *streams, struct stream *stream)
{
	ssize_t written = 0;

	if (stream->rest_len > 0)
		written = stream_put(stream, stream->rest, stream->rest_len);
	if (written < 0) {
		stream_close(streams, stream);
		return false;
	}
	stream->rest_len -= (size_t)written;
	memmove(stream->rest, stream->rest + written, stream->rest_len);
	return stream->rest_len == 0;
}

/* How many lines were lost, if any, and one more line, if there is one: in one write, for a pipe
 * that has no room for a line may have some for the number, over and over. */
static bool stream_write(struct reply_streams *streams, struct stream *stream, const char *line,
			 size_t len)
{
	static const char *const FORMATS[REPLY_STREAM_FORMAT_COUNT] = {
		[REPLY_STREAM_TEXT] = "lost %" PRIu64 "\n",
		[REPLY_STREAM_JSON] = "{\"lost\":%" PRIu64 "}\n",
	};
	char text[sizeof(stream->rest)];
	size_t used = 0;

	if (len > REPLY_STREAM_LINE_MAX || !stream_put_rest(streams, stream))
		return false;
	if (stream->lost > 0)
		used = (size_t)snprintf(text, sizeof(text), FORMATS[stream->format], stream->lost);
	memcpy(text + used, line, len);
	used += len;
	return used == 0 || stream_put_lines(streams, stream, text, used);
}

static struct stream *find_stream(struct reply_streams *streams, int fd)
{
	for (int i = 0; i < REPLY_STREAMS_MAX; i++) {
		if (streams->streams[i].fd == fd)
			return &streams->streams[i];
	}
	return NULL;
}

static int on_event(void *context, int fd, uint32_t events)
{
	struct reply_streams *streams = context;
	struct stream *stream = find_stream(streams, fd);

	if (!stream)
		return 0;
	/* The asker has left. */
	if (events & EPOLLERR) {
		stream_close(streams, stream);
		return 0;
	}
	stream_write(streams, stream, "", 0);
	if (stream->fd >= 0)
		stream_wait(streams, stream);
	return 0;
}

int reply_streams_add(struct reply_streams *streams, int replies_fd, const char *name,
		      enum reply_stream_format format)
{
	struct stream *stream = find_stream(streams, -1);
	_cleanup_close_ int fd = -1;
	int result;

	if (!stream)
		return -EBUSY;
	fd = reply_open(replies_fd, name);
	if (fd < 0)
		return fd;
	if (write(fd, OK, sizeof(OK) - 1) < 0)
		return -errno;
	result = loop_add_fd(streams->loop, fd, 0, on_event, streams);
	if (result < 0)
		return result;
	stream->fd = TAKE_FD(fd);
	stream->format = format;
	stream->lost = 0;
	stream->is_waiting = false;
	stream->rest_len = 0;
	return 0;
}

bool reply_streams_is_read(const struct reply_streams *streams, enum reply_stream_format format)
{
	for (int i = 0; i < REPLY_STREAMS_MAX; i++) {
		if (streams->streams[i].fd >= 0 && streams->streams[i].format == format)
			return true;
	}
	return false;
}

void reply_streams_write(struct reply_streams *streams, enum reply_stream_format format,
			 const char *line, size_t len)
{
	for (int i = 0; i < REPLY_STREAMS_MAX; i++) {
		struct stream *stream = &streams->streams[i];
		bool is_lost;

		if (stream->fd < 0 || stream->format != format)
			continue;
		is_lost = !stream_write(streams, stream, line, len);
		if (stream->fd < 0)
			continue;
		stream->lost += is_lost;
		stream_wait(streams, stream);
	}
}

void reply_streams_destroy(struct reply_streams *streams)
{
	if (!streams)
		return;
	for (int i = 0; i < REPLY_STREAMS_MAX; i++) {
		struct stream *stream = &streams->streams[i];

		if (stream->fd >= 0)
			stream_write(streams, stream, END, sizeof(END) - 1);
		if (stream->fd >= 0)
			stream_close(streams, stream);
	}
	free(streams);
}
