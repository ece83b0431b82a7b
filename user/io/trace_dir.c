/* SPDX-License-Identifier: BSD-2-Clause */
#include "io/trace_dir.h"

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

static uint64_t add_up(DIR *directory)
{
	const struct dirent *entry;
	uint64_t bytes = 0;
	struct stat info;

	while ((entry = readdir(directory))) {
		if (fstatat(dirfd(directory), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(info.st_mode))
			bytes += (uint64_t)info.st_size;
	}
	return bytes;
}

int trace_dir_prepare(const char *path, uint64_t *ret_bytes)
{
	_cleanup_closedir_ DIR *directory = NULL;
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
	directory = fdopendir(fd);
	if (!directory)
		return -errno;
	(void)TAKE_FD(fd);
	*ret_bytes = add_up(directory);
	return 0;
}
