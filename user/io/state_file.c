// SPDX-License-Identifier: BSD-2-Clause
#include "io/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/read_file.h"

#define CRC_KEY "crc32 "

enum {
	FILE_MODE = 0600,
	CRC_LINE_LEN = sizeof(CRC_KEY) - 1 + 8 + 1,
};
_Static_assert((int)CRC_LINE_LEN < (int)STATE_FILE_ROOM, "the line of the CRC has no room");

static void format_crc(const char *text, size_t len, char line[STATE_FILE_ROOM])
{
	uLong crc = crc32(0, (const Bytef *)text, (uInt)len);

	(void)snprintf(line, STATE_FILE_ROOM, CRC_KEY "%08lx\n", crc);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static int fail(int err, const char *words, char *error, size_t error_size)
{
	(void)snprintf(error, error_size, "%s", words);
	return err;
}

/* By its first line or by its last: one of the two is enough. */
static bool is_ours(const char *text, size_t len)
{
	size_t magic_len = sizeof(STATE_FILE_MAGIC) - 1;

	if (len >= magic_len && memcmp(text, STATE_FILE_MAGIC, magic_len) == 0)
		return true;
	return len > CRC_LINE_LEN && text[len - CRC_LINE_LEN - 1] == '\n' &&
	       memcmp(text + len - CRC_LINE_LEN, CRC_KEY, sizeof(CRC_KEY) - 1) == 0;
}

/* Returns the length of the text that is as it was written, or negative errno. */
static int check_text(char *text, size_t len, char *error, size_t error_size)
{
	size_t magic_len = sizeof(STATE_FILE_MAGIC) - 1;
	char expected[STATE_FILE_ROOM];
	size_t text_len;

	if (len < CRC_LINE_LEN + magic_len)
		return fail(-EBADMSG, "it is cut off", error, error_size);
	text_len = len - CRC_LINE_LEN;
	format_crc(text, text_len, expected);
	if (memcmp(text + text_len, expected, CRC_LINE_LEN) != 0 ||
	    memcmp(text, STATE_FILE_MAGIC, magic_len) != 0 || memchr(text, '\0', text_len) ||
	    text[text_len - 1] != '\n')
		return fail(-EBADMSG, "its checksum is wrong", error, error_size);
	text[text_len] = '\0';
	return (int)text_len;
}

static bool is_safe(const struct stat *info)
{
	return info->st_uid == geteuid() && info->st_nlink == 1 &&
	       !(info->st_mode & (S_IWGRP | S_IWOTH));
}

int state_file_read(int dir_fd, const char *name, char *buffer, char *error, size_t error_size)
{
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat info;
	ssize_t len;

	error[0] = '\0';
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0 && errno == ELOOP)
		return fail(-EEXIST, "it is a symbolic link", error, error_size);
	if (fd < 0 || fstat(fd, &info) < 0)
		return fail(-errno, strerror(errno), error, error_size);
	if (!S_ISREG(info.st_mode))
		return fail(-EEXIST, "it is not a regular file", error, error_size);
	/* What a power failure leaves of a file on some file systems. */
	if (info.st_size == 0)
		return fail(-EBADMSG, "it is empty", error, error_size);
	len = read_file_text(fd, buffer, STATE_FILE_MAX);
	if (len < 0)
		return fail((int)len, strerror((int)-len), error, error_size);
	if (!is_ours(buffer, (size_t)len))
		return fail(-EEXIST, "it is not a state file of tierd", error, error_size);
	if (!is_safe(&info))
		return fail(-EPERM, "somebody else could have written it", error, error_size);
	if (len == STATE_FILE_MAX)
		return fail(-EBADMSG, "it is too large", error, error_size);
	return check_text(buffer, (size_t)len, error, error_size);
}

/* ---- writing -----------------------------------------------------------------------------------
 */

static int write_parts(int fd, const char *text, size_t len, const char *line, size_t line_len)
{
	const struct iovec parts[] = {
		{.iov_base = (void *)text, .iov_len = len},
		{.iov_base = (void *)line, .iov_len = line_len},
	};
	ssize_t written = writev(fd, parts, 2);

	if (written < 0)
		return -errno;
	/* A regular file takes all of it, or the disk is full. */
	return (size_t)written == len + line_len ? 0 : -ENOSPC;
}

static int write_new(int dir_fd, const char *name, const char *text, size_t len, bool is_synced)
{
	_cleanup_close_ int fd = openat(
		dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	char line[STATE_FILE_ROOM];
	int result;

	if (fd < 0)
		return -errno;
	format_crc(text, len, line);
	result = write_parts(fd, text, len, line, CRC_LINE_LEN);
	if (result == 0 && is_synced && fsync(fd) < 0)
		result = -errno;
	return result;
}

static int name_with(const char *name, const char *suffix, char buffer[NAME_MAX + 1])
{
	size_t len = strlen(name);

	if (len == 0 || len >= STATE_FILE_NAME_LEN)
		return -ENAMETOOLONG;
	(void)snprintf(buffer, NAME_MAX + 1, "%s%s", name, suffix);
	return 0;
}

int state_file_write(int dir_fd, const char *name, const char *text, size_t len, bool is_synced)
{
	char temporary[NAME_MAX + 1];
	int result = name_with(name, ".new", temporary);

	if (result < 0)
		return result;
	if (len + CRC_LINE_LEN >= STATE_FILE_MAX)
		return -EFBIG;
	/* What an agent that was killed has left. */
	if (unlinkat(dir_fd, temporary, 0) < 0 && errno != ENOENT)
		return -errno;
	result = write_new(dir_fd, temporary, text, len, is_synced);
	if (result == 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
		result = -errno;
	if (result < 0) {
		unlinkat(dir_fd, temporary, 0);
		return result;
	}
	return is_synced && fsync(dir_fd) < 0 ? -errno : 0;
}

int state_file_set_aside(int dir_fd, const char *name)
{
	char bad[NAME_MAX + 1];
	int result = name_with(name, ".bad", bad);

	if (result < 0)
		return result;
	return renameat(dir_fd, name, dir_fd, bad) < 0 ? -errno : 0;
}
