/* SPDX-License-Identifier: BSD-2-Clause */
/* Replies to FIFOs that strangers name. */
#include "io/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tierd/protocol.h"

int reply_open(int replies_fd, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct stat info;

	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') ||
	    strlen(name) >= PROTOCOL_NAME_LEN)
		return -EINVAL;
	/* O_NONBLOCK: a FIFO that nobody reads gives ENXIO, and a device cannot hold us up. */
	fd = openat(replies_fd, name, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &info))
		return -errno;
	if (!S_ISFIFO(info.st_mode) || info.st_nlink != 1)
		return -EPERM;
	return TAKE_FD(fd);
}

int reply_send(int replies_fd, const char *name, const char *text, size_t len)
{
	_cleanup_close_ int fd = -1;
	int room;

	if (len > REPLY_MAX)
		return -EMSGSIZE;
	fd = reply_open(replies_fd, name);
	if (fd < 0)
		return fd;
	/* May be refused (pipe-user-pages-soft); then what fits is written. */
	room = fcntl(fd, F_GETPIPE_SZ);
	if (room >= 0 && (size_t)room < len)
		fcntl(fd, F_SETPIPE_SZ, (int)len);
	while (len > 0) {
		ssize_t written = write(fd, text, len);

		if (written < 0)
			return -errno;
		text += written;
		len -= (size_t)written;
	}
	return 0;
}
