// SPDX-License-Identifier: BSD-2-Clause
#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* For everybody to read, as an editor would make it. */
#define MODE 0644

static int check_path(const char *path, bool is_forced)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return 0;
	/* A device or directory is no file of ours; replacing it would only do harm. */
	if (!is_forced || (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)))
		return -EEXIST;
	return 0;
}

int new_file_create(const char *path, bool is_forced, struct new_file *ret_file)
{
	struct new_file file = {.is_forced = is_forced};
	int result = check_path(path, is_forced);

	if (result < 0)
		return result;
	if ((size_t)snprintf(file.path, PATH_MAX, "%s", path) >= PATH_MAX ||
	    (size_t)snprintf(file.temporary, PATH_MAX, "%s.XXXXXX", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	_cleanup_close_ int fd = mkostemp(file.temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, MODE) < 0) {
		result = -errno;
		new_file_drop(&file);
		return result;
	}
	*ret_file = file;
	return TAKE_FD(fd);
}

int new_file_keep(const struct new_file *file)
{
	unsigned int flags = file->is_forced ? 0 : RENAME_NOREPLACE;
	int result = 0;

	if (renameat2(AT_FDCWD, file->temporary, AT_FDCWD, file->path, flags) < 0) {
		result = -errno;
		new_file_drop(file);
	}
	return result;
}

void new_file_drop(const struct new_file *file)
{
	unlink(file->temporary);
}
