/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

ssize_t read_file_text(int fd, char *buffer, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t count = read(fd, buffer + len, size - len);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		if (count == 0)
			break;
		len += (size_t)count;
	}
	return (ssize_t)len;
}

ssize_t read_file_regular(const char *path, char *buffer, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
	ssize_t len = read_file_text(fd, buffer, size);

	return len >= 0 && (size_t)len >= size ? -EFBIG : len;
}

const char *read_file_describe(int error, size_t max_bytes, char buffer[static READ_FILE_WHY_LEN])
{
	if (error == -EINVAL)
		snprintf(buffer, READ_FILE_WHY_LEN, "not a regular file");
	else if (error == -EFBIG)
		snprintf(buffer, READ_FILE_WHY_LEN, "over %zu KiB: is this a config file?",
			 max_bytes / 1024);
	else
		snprintf(buffer, READ_FILE_WHY_LEN, "%s", strerror(-error));
	return buffer;
}
