/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/read_file.h"

#include <errno.h>
#include <unistd.h>

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
