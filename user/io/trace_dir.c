/* SPDX-License-Identifier: BSD-2-Clause */
#include "io/trace_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "io/private_dir.h"

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
	_cleanup_close_ int fd = private_dir_open(path);

	if (fd < 0)
		return fd;
	directory = fdopendir(fd);
	if (!directory)
		return -errno;
	(void)TAKE_FD(fd);
	*ret_bytes = add_up(directory);
	return 0;
}
