// SPDX-License-Identifier: BSD-2-Clause
#include "io/private_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

enum {
	PARENT_MODE = 0755,
	DIR_MODE = 0700,
};

static int make_directories(const char *path)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(part))
		return -EINVAL;
	memcpy(part, path, len + 1);
	for (size_t i = 1; i < len; i++) {
		if (part[i] != '/')
			continue;
		part[i] = '\0';
		if (mkdir(part, PARENT_MODE) < 0 && errno != EEXIST)
			return -errno;
		part[i] = '/';
	}
	return mkdir(path, DIR_MODE) == 0 || errno == EEXIST ? 0 : -errno;
}

int private_dir_open(const char *path)
{
	_cleanup_close_ int fd = -1;
	struct stat info;
	int result = make_directories(path);

	if (result < 0)
		return result;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &info) < 0)
		return -errno;
	if (info.st_uid != geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)))
		return -EPERM;
	return TAKE_FD(fd);
}
