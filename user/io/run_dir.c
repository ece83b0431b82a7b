/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run directory and the FIFOs in it. Everything is reached relative to one descriptor of the
 * directory and without following symlinks, so that a directory that others can write to leads
 * nowhere else.
 */
#include "io/run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/lock_file.h"
#include "tierd/protocol.h"

#define LOCK_NAME "tierd.lock"

enum {
	DIR_MODE = 0755,
	REPLIES_MODE =
		01730, /* the group makes FIFOs there; nobody lists them or removes others' */
	REPLIES_MODE_ALONE = 0700,
	LOCK_MODE = 0600,
	GROUP_BUFFER = 64 * 1024, /* names of its members */
};

__attribute__((format(printf, 4, 5))) static int fail(int err, char *error, size_t error_size,
						      const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, error_size, format, arguments);
	va_end(arguments);
	return err;
}

int run_dir_find_group(const char *name, gid_t *ret_group)
{
	char buffer[GROUP_BUFFER];
	struct group entry;
	struct group *found = NULL;

	if (name[0])
		(void)getgrnam_r(name, &entry, buffer, sizeof(buffer), &found);
	if (!found && name[0] && strcmp(name, RUN_DIR_GROUP) != 0)
		return -ESRCH;
	*ret_group = found ? found->gr_gid : (gid_t)-1;
	return 0;
}

/* mkdir -p; path is at most PATH_MAX - 1 long. Sets *ret_is_created for the last part. */
static int make_directories(const char *path, bool *ret_is_created)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	memcpy(part, path, len + 1);
	for (size_t i = 1; i < len; i++) {
		if (part[i] != '/')
			continue;
		part[i] = '\0';
		if (mkdir(part, DIR_MODE) && errno != EEXIST)
			return -errno;
		part[i] = '/';
	}
	*ret_is_created = mkdir(path, DIR_MODE) == 0;
	return *ret_is_created || errno == EEXIST ? 0 : -errno;
}

static int open_replies(const struct run_dir *dir)
{
	bool has_group = dir->group != (gid_t)-1;
	_cleanup_close_ int fd = -1;
	struct stat info;

	if (mkdirat(dir->fd, PROTOCOL_REPLY_DIR, REPLIES_MODE_ALONE) && errno != EEXIST)
		return -errno;
	fd = openat(dir->fd, PROTOCOL_REPLY_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENOTDIR ? -EEXIST : -errno;
	if (fstat(fd, &info))
		return -errno;
	if (info.st_uid != geteuid())
		return -EEXIST;
	if (has_group && fchown(fd, (uid_t)-1, dir->group))
		return -errno;
	if (fchmod(fd, has_group ? REPLIES_MODE : REPLIES_MODE_ALONE))
		return -errno;
	return TAKE_FD(fd);
}

static int take_lock(const struct run_dir *dir)
{
	return lock_file_take(dir->fd, LOCK_NAME, O_RDWR | O_CREAT, LOCK_MODE);
}

int run_dir_open(const char *path, const char *group, struct run_dir *ret_dir, char *error,
		 size_t error_size)
{
	_cleanup_(run_dir_close) struct run_dir dir = RUN_DIR_CLOSED;
	size_t len = strlen(path);
	int err;

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len == 0 || len >= sizeof(dir.path))
		return fail(-EINVAL, error, error_size, "run directory: not a path");
	memcpy(dir.path, path, len);
	err = run_dir_find_group(group, &dir.group);
	if (err)
		return fail(err, error, error_size, "there is no group %s", group);
	err = make_directories(dir.path, &dir.is_created);
	if (err)
		return fail(err, error, error_size, "%s: cannot make it: %s", dir.path,
			    strerror(-err));
	dir.fd = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir.fd < 0)
		return fail(-errno, error, error_size, "%s: %s", dir.path, strerror(errno));
	/* Whatever the umask was: the group must get through. */
	if (dir.is_created && fchmod(dir.fd, DIR_MODE))
		return fail(-errno, error, error_size, "%s: %s", dir.path, strerror(errno));
	dir.lock_fd = take_lock(&dir);
	if (dir.lock_fd == -EBUSY)
		return fail(-EBUSY, error, error_size, "%s: another agent is running there",
			    dir.path);
	if (dir.lock_fd < 0)
		return fail(dir.lock_fd, error, error_size, "%s/%s: %s", dir.path, LOCK_NAME,
			    strerror(-dir.lock_fd));
	dir.replies_fd = open_replies(&dir);
	if (dir.replies_fd < 0)
		return fail(dir.replies_fd, error, error_size, "%s/%s: %s", dir.path,
			    PROTOCOL_REPLY_DIR,
			    dir.replies_fd == -EEXIST ? "in the way, and not ours"
						      : strerror(-dir.replies_fd));
	*ret_dir = dir;
	dir = RUN_DIR_CLOSED;
	return 0;
}

static int check_lock(struct run_dir *dir)
{
	int fd;

	if (lock_file_is_named(dir->fd, LOCK_NAME, dir->lock_fd))
		return 0;
	fd = take_lock(dir);
	if (fd < 0)
		return fd;
	close(dir->lock_fd);
	dir->lock_fd = fd;
	return 0;
}

int run_dir_check(struct run_dir *dir)
{
	int err = check_lock(dir);
	int fd;

	/* Without the lock the rest may be another agent's. */
	if (err || lock_file_is_named(dir->fd, PROTOCOL_REPLY_DIR, dir->replies_fd))
		return err;
	fd = open_replies(dir);
	if (fd < 0)
		return fd;
	close(dir->replies_fd);
	dir->replies_fd = fd;
	return 0;
}

/* FIFOs whose asker died before the reply; whatever else is there keeps the directory. */
static void remove_stale_replies(int replies_fd)
{
	int fd = openat(replies_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	struct stat info;

	if (!directory) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(directory))) {
		if (fstatat(replies_fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISFIFO(info.st_mode))
			unlinkat(replies_fd, entry->d_name, 0);
	}
}

void run_dir_close(struct run_dir *dir)
{
	/* Only who holds the lock may clean up: the rest belongs to the agent that has it. */
	if (dir->lock_fd >= 0 && check_lock(dir) == 0) {
		if (dir->replies_fd >= 0)
			remove_stale_replies(dir->replies_fd);
		unlinkat(dir->fd, PROTOCOL_REPLY_DIR, AT_REMOVEDIR);
		unlinkat(dir->fd, LOCK_NAME, 0);
		if (dir->is_created)
			rmdir(dir->path);
	}
	if (dir->lock_fd >= 0)
		close(dir->lock_fd);
	if (dir->replies_fd >= 0)
		close(dir->replies_fd);
	if (dir->fd >= 0)
		close(dir->fd);
	*dir = RUN_DIR_CLOSED;
}

/* ---- FIFOs ----------------------------------------------------------------------------------- */

int run_fifo_remake(struct run_fifo *fifo)
{
	bool has_group = fifo->group != (gid_t)-1;
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	_cleanup_close_ int fd = -1;
	struct stat info;

	/* Nobody but us may open it before it has its group and mode. */
	if (mkfifoat(fifo->dir_fd, fifo->name, 0600) && errno != EEXIST)
		return -errno;
	fd = openat(fifo->dir_fd, fifo->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &info))
		return -errno;
	if (!S_ISFIFO(info.st_mode) || info.st_uid != geteuid() || info.st_nlink != 1)
		return -EEXIST;
	if (has_group && fchownat(fd, "", (uid_t)-1, fifo->group, AT_EMPTY_PATH))
		return -errno;
	/* chmod by descriptor: fchmod() does not take O_PATH. */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (chmod(path, has_group ? fifo->mode : fifo->mode_alone))
		return -errno;
	fifo->device = info.st_dev;
	fifo->inode = info.st_ino;
	return 0;
}

int run_fifo_make(const struct run_dir *dir, const char *name, mode_t mode, mode_t mode_alone,
		  struct run_fifo *ret_fifo)
{
	struct run_fifo fifo = {
		.dir_fd = dir->fd,
		.group = dir->group,
		.mode = mode,
		.mode_alone = mode_alone,
		.name = name,
	};
	int err = run_fifo_remake(&fifo);

	if (err)
		return err;
	*ret_fifo = fifo;
	return 0;
}

static bool is_same(const struct run_fifo *fifo, const struct stat *info)
{
	return S_ISFIFO(info->st_mode) && info->st_dev == fifo->device &&
	       info->st_ino == fifo->inode;
}

int run_fifo_open(const struct run_fifo *fifo, int flags)
{
	_cleanup_close_ int fd =
		openat(fifo->dir_fd, fifo->name, flags | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	struct stat info;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? -ESTALE : -errno;
	if (fstat(fd, &info))
		return -errno;
	return is_same(fifo, &info) ? TAKE_FD(fd) : -ESTALE;
}

bool run_fifo_is_current(const struct run_fifo *fifo)
{
	struct stat info;

	return fstatat(fifo->dir_fd, fifo->name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
	       is_same(fifo, &info);
}

void run_fifo_remove(const struct run_fifo *fifo)
{
	if (run_fifo_is_current(fifo))
		unlinkat(fifo->dir_fd, fifo->name, 0);
}
