/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding process ids in /proc and cgroups, without allocation. */
#include "io/model_scan.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/units.h"

enum {
	CHUNK_SIZE = 4096,
	LISTING_SIZE = 2048,
	NAME_SIZE = 64,
	DEPTH_MAX = 8, /* of groups below the model's */
	KTHREADD_PID = 2,
};

static bool is_gone(int err)
{
	return err == -ENOENT || err == -ESRCH || err == -ENODEV;
}

/* A directory being read: no allocation, unlike readdir(). */
struct listing {
	int fd;
	ssize_t len;
	ssize_t at;
	alignas(struct dirent64) char buffer[LISTING_SIZE];
};

static void open_listing(struct listing *listing, int dir_fd, const char *name)
{
	listing->fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	listing->len = 0;
	listing->at = 0;
}

/* The next entry that is not hidden; NULL at the end, or if it is not (or no longer) there. */
static const struct dirent64 *read_listing(struct listing *listing)
{
	const struct dirent64 *entry;

	do {
		if (listing->at >= listing->len) {
			listing->at = 0;
			listing->len = listing->fd < 0 ? 0
						       : getdents64(listing->fd, listing->buffer,
								    sizeof(listing->buffer));
			if (listing->len <= 0)
				return NULL;
		}
		entry = (const struct dirent64 *)(listing->buffer + listing->at);
		listing->at += entry->d_reclen;
	} while (entry->d_name[0] == '.');
	return entry;
}

static void close_listing(const struct listing *listing)
{
	cleanup_close(&listing->fd);
}

/* Numbers separated by blanks or newlines, of any count; 0 stands for a process that is not
 * visible from here. */
static int read_pids(int dir_fd, const char *name, model_scan_pid_callback callback, void *context)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char chunk[CHUNK_SIZE];
	uint64_t pid = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	while ((got = read(fd, chunk, sizeof(chunk))) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			if (isdigit((unsigned char)chunk[i])) {
				pid = pid * 10 + (uint64_t)(chunk[i] - '0');
				if (pid > INT32_MAX)
					return -EBADMSG;
				continue;
			}
			if (chunk[i] != '\n' && chunk[i] != ' ')
				return -EBADMSG;
			if (pid > 0)
				callback(context, (uint32_t)pid);
			pid = 0;
		}
	}
	return got < 0 ? -errno : 0;
}

static int scan_group(int group_fd, model_scan_pid_callback callback, void *context,
		      struct model_scan_ids *subgroups, unsigned int depth)
{
	_cleanup_(close_listing) struct listing listing = {.fd = -1};
	const struct dirent64 *entry;
	int err = read_pids(group_fd, "cgroup.procs", callback, context);

	/* A threaded group lists no processes: they are those of a group above it. */
	if (err == -EOPNOTSUPP && depth > 0)
		err = 0;
	if (err)
		return is_gone(err) ? 0 : err;
	if (depth == DEPTH_MAX)
		return 0;
	open_listing(&listing, group_fd, ".");
	while ((entry = read_listing(&listing))) {
		_cleanup_close_ int fd = -1;
		struct stat info;

		if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
			continue;
		fd = openat(group_fd, entry->d_name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &info))
			continue;
		if (subgroups->count < subgroups->max)
			subgroups->ids[subgroups->count++] = info.st_ino;
		err = scan_group(fd, callback, context, subgroups, depth + 1);
		if (err)
			return err;
	}
	return 0;
}

int model_scan_group(int group_fd, model_scan_pid_callback callback, void *context,
		     struct model_scan_ids *subgroups)
{
	return scan_group(group_fd, callback, context, subgroups, 0);
}

int model_scan_children(int proc_fd, uint32_t pid, model_scan_pid_callback callback, void *context)
{
	_cleanup_(close_listing) struct listing tasks = {.fd = -1};
	const struct dirent64 *entry;
	char name[NAME_SIZE];

	(void)snprintf(name, sizeof(name), "%u/task", pid);
	open_listing(&tasks, proc_fd, name);
	while ((entry = read_listing(&tasks))) {
		uint32_t task = proc_parse_pid(entry->d_name);
		int err;

		if (task == 0)
			continue;
		(void)snprintf(name, sizeof(name), "%u/children", task);
		err = read_pids(tasks.fd, name, callback, context);
		(void)snprintf(name, sizeof(name), "%u", task);
		if (err == -ENOENT && faccessat(tasks.fd, name, F_OK, 0) == 0)
			return -EOPNOTSUPP;
		if (err && !is_gone(err))
			return err;
	}
	return 0;
}

int model_scan_processes(int proc_fd, model_scan_stat_callback callback, void *context)
{
	_cleanup_(close_listing) struct listing processes = {.fd = -1};
	const struct dirent64 *entry;

	open_listing(&processes, proc_fd, ".");
	if (processes.fd < 0)
		return -errno;
	while ((entry = read_listing(&processes))) {
		uint32_t pid = proc_parse_pid(entry->d_name);
		struct proc_stat stat;

		/* One process's garbled or hidden file does not hide the others. */
		if (pid > 0 && proc_read_stat(proc_fd, pid, &stat) == 0)
			callback(context, &stat);
	}
	return 0;
}

bool model_scan_is_program(int proc_fd, const struct proc_stat *stat, const char *program)
{
	static const char DELETED[] = " (deleted)";
	char target[PATH_MAX];
	char name[NAME_SIZE];
	const char *base;
	ssize_t len;

	if (stat->parent_pid == KTHREADD_PID)
		return false; /* kernel threads run no executable */
	(void)snprintf(name, sizeof(name), "%u/exe", stat->pid);
	len = readlinkat(proc_fd, name, target, sizeof(target) - 1);
	if (len <= 0)
		return false;
	target[len] = '\0';
	/* The file was replaced by an update while it runs. */
	if ((size_t)len > strlen(DELETED) && strcmp(target + len - strlen(DELETED), DELETED) == 0)
		target[(size_t)len - strlen(DELETED)] = '\0';
	base = strchr(program, '/') ? NULL : strrchr(target, '/');
	return strcmp(base ? base + 1 : target, program) == 0;
}

uint32_t model_scan_pid_file(const char *path)
{
	char text[NAME_SIZE];

	if (proc_read_file(AT_FDCWD, path, text, sizeof(text)) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	for (size_t len = strlen(text); len > 0 && isspace((unsigned char)text[len - 1]); len--)
		text[len - 1] = '\0';
	return proc_parse_pid(text);
}
