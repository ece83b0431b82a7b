/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Appending lines. A pipe can take a part of a line that is longer than PIPE_BUF; the rest is kept
 * and goes first next time, so that lines are never torn. A file that takes a part (disk full) is
 * cut back to whole lines.
 */
#include "io/ndjson_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"

enum {
	FILE_MODE = 0640,
	WHOLE_PERCENT = 100,
};

struct ndjson_sink {
	int fd;
	bool is_file; /* regular: the caps apply */
	uint64_t max_bytes;
	uint64_t dropped;
	size_t rest_len;
	char rest[NDJSON_LINE_MAX];
	char path[PATH_MAX]; /* "" for standard output */
};

static int open_file(const char *path, bool *ret_is_file)
{
	_cleanup_close_ int fd =
		open(path,
		     O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		     FILE_MODE);
	struct stat info;

	if (fd < 0)
		return errno == ENXIO ? -EINVAL : -errno;
	if (fstat(fd, &info))
		return -errno;
	if (!S_ISREG(info.st_mode) && !S_ISCHR(info.st_mode))
		return -EINVAL;
	*ret_is_file = S_ISREG(info.st_mode);
	return TAKE_FD(fd);
}

/*
 * O_NONBLOCK belongs to the open file, which we share with the shell that started us; so standard
 * output is opened once more. Where that cannot be (sockets, another user's terminal), poll()
 * before each write has to do.
 */
static int open_stdout(bool *ret_is_file)
{
	struct stat info;
	int fd = -1;

	if (fstat(STDOUT_FILENO, &info))
		return -errno;
	*ret_is_file = S_ISREG(info.st_mode);
	if (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode))
		fd = open("/proc/self/fd/1",
			  O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

int ndjson_sink_open(const char *path, uint64_t max_bytes, struct ndjson_sink **ret_sink)
{
	bool is_stdout = strcmp(path, "-") == 0;
	_cleanup_free_ struct ndjson_sink *sink = calloc(1, sizeof(*sink));

	if (!sink)
		return -ENOMEM;
	if (strlen(path) >= sizeof(sink->path))
		return -ENAMETOOLONG;
	if (!is_stdout)
		memcpy(sink->path, path, strlen(path) + 1);
	sink->max_bytes = max_bytes;
	sink->fd = is_stdout ? open_stdout(&sink->is_file) : open_file(path, &sink->is_file);
	if (sink->fd < 0)
		return sink->fd;
	*ret_sink = TAKE_PTR(sink);
	return 0;
}

void ndjson_sink_close(struct ndjson_sink *sink)
{
	if (!sink)
		return;
	close(sink->fd);
	free(sink);
}

int ndjson_sink_reopen(struct ndjson_sink *sink)
{
	bool is_file = false;
	int fd;

	if (sink->path[0] == '\0')
		return 0;
	fd = open_file(sink->path, &is_file);
	if (fd < 0)
		return fd;
	close(sink->fd);
	sink->fd = fd;
	sink->is_file = is_file;
	return 0;
}

/* A regular file: both caps, then the line or nothing of it. */
static int append(const struct ndjson_sink *sink, const char *line, size_t len)
{
	struct statvfs disk;
	struct stat info;
	ssize_t written;

	if (fstat(sink->fd, &info) || fstatvfs(sink->fd, &disk))
		return -errno;
	if ((uint64_t)info.st_size + len > sink->max_bytes)
		return -EFBIG;
	if (disk.f_bavail < disk.f_blocks / WHOLE_PERCENT * NDJSON_FREE_MIN_PERCENT)
		return -ENOSPC;
	written = write(sink->fd, line, len);
	if (written == (ssize_t)len)
		return 0;
	if (written > 0 && ftruncate(sink->fd, info.st_size))
		return -errno;
	return written < 0 ? -errno : -ENOSPC;
}

static bool has_room(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

	return poll(&poll_fd, 1, 0) == 1;
}

/* A pipe, terminal or socket. */
static int stream(struct ndjson_sink *sink, const char *line, size_t len)
{
	ssize_t written;

	if (!has_room(sink->fd))
		return -EAGAIN;
	if (sink->rest_len > 0) {
		written = write(sink->fd, sink->rest, sink->rest_len);
		if (written < 0)
			return -errno;
		sink->rest_len -= (size_t)written;
		memmove(sink->rest, sink->rest + written, sink->rest_len);
		if (sink->rest_len > 0 || !has_room(sink->fd))
			return -EAGAIN;
	}
	written = write(sink->fd, line, len);
	if (written < 0)
		return -errno;
	sink->rest_len = len - (size_t)written;
	memcpy(sink->rest, line + written, sink->rest_len);
	return 0;
}

int ndjson_sink_write(struct ndjson_sink *sink, const char *line, size_t len)
{
	int err = -EMSGSIZE;

	if (len <= NDJSON_LINE_MAX)
		err = sink->is_file ? append(sink, line, len) : stream(sink, line, len);
	if (err)
		sink->dropped++;
	return err;
}

uint64_t ndjson_sink_get_dropped(const struct ndjson_sink *sink)
{
	return sink->dropped;
}
