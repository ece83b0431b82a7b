/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks that cannot be led elsewhere: see lock_file.h. */
#include "base/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"

enum {
	LOCK_TRIES = 8,
};

bool lock_file_is_named(int dir_fd, const char *name, int fd)
{
	struct stat opened;
	struct stat named;

	return fstat(fd, &opened) == 0 && fstatat(dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

/*
 * The file under the lock may have been unlinked by an agent that ended between our open and our
 * flock; then the lock means nothing and is taken again on the new file.
 */
int lock_file_take(int dir_fd, const char *name, int flags, mode_t mode)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		_cleanup_close_ int fd =
			openat(dir_fd, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, mode);
		struct stat info;

		if (fd < 0)
			return errno == ELOOP ? -EEXIST : -errno;
		if (fstat(fd, &info))
			return -errno;
		/* A hard link may lead to anybody's file. None is left of one that was unlinked. */
		if (!S_ISREG(info.st_mode) || info.st_nlink > 1)
			return -EEXIST;
		if (flock(fd, LOCK_EX | LOCK_NB))
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (lock_file_is_named(dir_fd, name, fd))
			return TAKE_FD(fd);
	}
	return -EBUSY;
}
