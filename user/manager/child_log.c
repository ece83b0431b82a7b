/* SPDX-License-Identifier: BSD-2-Clause */
#include "child_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

enum {
	READ_LEN = 64 * 1024,
};

static int open_file(struct child_log *log)
{
	struct stat status;

	log->file_fd =
		open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (log->file_fd < 0)
		return -errno;
	log->size = fstat(log->file_fd, &status) == 0 ? (uint64_t)status.st_size : 0;
	return 0;
}

static void rotate(struct child_log *log)
{
	char old[sizeof(log->path) + 4];

	snprintf(old, sizeof(old), "%s.old", log->path);
	rename(log->path, old);
	cleanup_close(&log->file_fd);
	open_file(log);
}

static void on_output(void *context, short events)
{
	struct child_log *log = context;
	char bytes[READ_LEN];
	ssize_t count = read(log->source.fd, bytes, sizeof(bytes));

	(void)events;
	if (count <= 0)
		return;
	if (log->size > 0 && log->size + (uint64_t)count > log->max_bytes)
		rotate(log);
	ssize_t written = log->file_fd < 0 ? -1 : write(log->file_fd, bytes, (size_t)count);
	if (written > 0)
		log->size += (uint64_t)written;
	if (written != count)
		log->dropped += (uint64_t)(count - (written > 0 ? written : 0));
}

int child_log_open(struct child_log *log, struct loop *loop, const char *dir, const char *name,
		   uint64_t max_bytes)
{
	int fds[2];

	*log = (struct child_log){.write_fd = -1, .file_fd = -1, .max_bytes = max_bytes};
	log->source.fd = -1;
	if (!dir[0])
		return 0;
	snprintf(log->path, sizeof(log->path), "%s/%s.log", dir, name);
	int r = open_file(log);
	if (r < 0)
		return r;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	log->write_fd = fds[1];
	log->source = (struct loop_source){fds[0], CURL_WAIT_POLLIN, on_output, log};
	/* Only our end: servers expect theirs to wait. */
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	log->loop = loop;
	return loop_add_source(loop, &log->source);
}

void child_log_close(struct child_log *log)
{
	if (log->loop) {
		on_output(log, 0);
		loop_remove_source(log->loop, &log->source);
		cleanup_close(&log->source.fd);
		cleanup_close(&log->write_fd);
		cleanup_close(&log->file_fd);
	}
	log->loop = NULL;
	log->write_fd = -1;
}
