/* SPDX-License-Identifier: BSD-2-Clause */
#include "work_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/lock_file.h"

int work_dir_take(const char *path)
{
	_cleanup_close_ int fd = -1;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return lock_file_take(fd, "lock", O_RDWR | O_CREAT, 0600);
}

void work_dir_describe_error(const char *path, int failure, char *error, size_t error_size)
{
	struct stat status;

	if (failure == -EBUSY)
		snprintf(error, error_size, "manager.work_dir: %s: another tier-manager uses it",
			 path);
	else if ((failure == -EACCES || failure == -EPERM) && stat(path, &status) == 0 &&
		 status.st_uid != geteuid())
		snprintf(error, error_size,
			 "manager.work_dir: %s belongs to user %u, and the manager runs as user %u",
			 path, status.st_uid, geteuid());
	else
		snprintf(error, error_size, "manager.work_dir: %s: %s", path, strerror(-failure));
}
