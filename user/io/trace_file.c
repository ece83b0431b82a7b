/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files are reached by name in one open directory, never through links. What a failed write has
 * left is cut off again, so that a file always ends with a whole block.
 */
#include "io/trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "io/trace_name.h"
#include "io/trace_segment.h"

enum {
	FILE_MODE = 0600,
	FREE_MIN_PERCENT = 5,
	WHOLE_PERCENT = 100,
	ERROR_LEN = 64, /* of a message that nobody reads */
};

/* ---- what is there ---------------------------------------------------------------------------
 */

/* Says whether a file is a trace; *ret_metadata is untouched if it is not. */
static bool is_trace(const struct trace_file *file, const char *name,
		     struct trace_metadata *ret_metadata)
{
	struct trace_segment segment;
	char error[ERROR_LEN];
	struct stat info;

	if (fstatat(file->dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(info.st_mode) ||
	    trace_segment_open(file->dir_fd, name, &segment, error, sizeof(error)) < 0)
		return false;
	close(segment.fd);
	*ret_metadata = segment.metadata;
	return true;
}

/* Numbered files beside this one. */
struct numbers {
	uint32_t count; /* of those that may be removed */
	uint32_t first; /* the lowest of them */
	uint32_t last;  /* the highest number in use by anything, 0 = none */
};

static bool may_remove(const struct trace_file *file, const char *name)
{
	struct trace_metadata metadata;

	return is_trace(file, name, &metadata) &&
	       (!file->is_new_only || memcmp(metadata.id, file->metadata.id, TRACE_ID_LEN) == 0);
}

static int find_numbers(const struct trace_file *file, struct numbers *ret_numbers)
{
	int fd = openat(file->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct numbers numbers = {0};
	const struct dirent *entry;

	if (!directory) {
		int err = errno;

		if (fd >= 0)
			close(fd);
		return -err;
	}
	while ((entry = readdir(directory))) {
		uint32_t number = trace_name_number(entry->d_name, file->name);

		if (number == 0)
			continue;
		if (number > numbers.last)
			numbers.last = number;
		if (!may_remove(file, entry->d_name))
			continue;
		if (numbers.count++ == 0 || number < numbers.first)
			numbers.first = number;
	}
	*ret_numbers = numbers;
	return 0;
}

/* Makes room for one more file. */
static void remove_oldest(const struct trace_file *file)
{
	struct numbers numbers = {0};
	char name[TRACE_NAME_LEN];

	while (find_numbers(file, &numbers) == 0 && numbers.count >= file->keep &&
	       numbers.count > 0) {
		if (trace_name_make(file->name, strlen(file->name), numbers.first, name) < 0 ||
		    unlinkat(file->dir_fd, name, 0) < 0)
			return;
	}
}

/* Not every file system can refuse to replace a file while renaming; all that have links can. */
static int rename_new(int dir_fd, const char *from, const char *to)
{
	if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(dir_fd, from, dir_fd, to, 0) < 0)
		return -errno;
	return unlinkat(dir_fd, from, 0) < 0 ? -errno : 0;
}

/* Gives the file its number. */
static int put_aside(const struct trace_file *file, char ret_name[TRACE_NAME_LEN])
{
	struct numbers numbers = {0};
	int result = find_numbers(file, &numbers);

	if (result < 0)
		return result;
	if (numbers.last >= TRACE_NUMBER_MAX)
		return -EOVERFLOW;
	result = trace_name_make(file->name, strlen(file->name), numbers.last + 1, ret_name);
	return result < 0 ? result : rename_new(file->dir_fd, file->name, ret_name);
}

/* ---- writing ---------------------------------------------------------------------------------
 */

/* All of it, or the file is as before. */
static int append(struct trace_file *file, const uint8_t *data, size_t len)
{
	size_t done = 0;
	int err = 0;

	while (done < len && !err) {
		ssize_t count = file->calls->pwrite(file->fd, data + done, len - done,
						    (off_t)(file->size + done));

		if (count > 0)
			done += (size_t)count;
		else if (count == 0)
			err = EIO;
		else if (errno != EINTR)
			err = errno;
	}
	if (!err) {
		file->size += len;
		return 0;
	}
	if (ftruncate(file->fd, (off_t)file->size) < 0)
		return -errno;
	return -err;
}

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now = {0};

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Makes the file that file->metadata describes. */
static int create(struct trace_file *file)
{
	uint8_t header[TRACE_HEADER_MAX];
	int result;

	file->metadata.wall_ns = read_clock(CLOCK_REALTIME);
	file->metadata.time_ns = read_clock(CLOCK_MONOTONIC);
	file->fd = openat(file->dir_fd, file->name,
			  O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (file->fd < 0)
		return -errno;
	file->size = 0;
	file->block_count = 0;
	file->record_count = 0;
	memset(file->dropped, 0, sizeof(file->dropped));
	result = append(file, header, trace_encode_header(&file->metadata, header));
	if (result < 0) {
		close(file->fd);
		file->fd = -1;
		file->size = 0;
		unlinkat(file->dir_fd, file->name, 0);
	}
	return result;
}

bool trace_file_is_disk_full(const struct trace_file *file)
{
	struct statvfs disk;

	return file->calls->fstatvfs(file->dir_fd, &disk) == 0 &&
	       disk.f_bavail < disk.f_blocks / WHOLE_PERCENT * FREE_MIN_PERCENT;
}

int trace_file_append(struct trace_file *file, struct trace_file_block *block)
{
	uint8_t *head = (uint8_t *)block->data - TRACE_BLOCK_LEN;
	int result;

	block->block.number = file->block_count;
	trace_encode_block(&block->block, block->data, head);
	result = append(file, head, TRACE_BLOCK_LEN + block->block.compressed_len);
	if (result < 0)
		return result;
	file->block_count++;
	file->record_count += block->events;
	for (int cause = 0; cause < TRACE_DROP_COUNT; cause++)
		file->dropped[cause] += block->dropped[cause];
	file->last_ns = block->last_ns;
	return 0;
}

static int write_end(struct trace_file *file, bool is_continued)
{
	uint8_t buffer[TRACE_END_LEN];
	struct trace_end end = {
		.block_count = file->block_count,
		.record_count = file->record_count,
		.last_ns = file->last_ns,
		.is_continued = is_continued,
	};

	memcpy(end.dropped, file->dropped, sizeof(end.dropped));
	trace_encode_end(&end, buffer);
	return append(file, buffer, sizeof(buffer));
}

/* ---- the life of a recording -----------------------------------------------------------------
 */

/* A trace of an earlier recording goes the way of a segment. */
static int clear_way(struct trace_file *file)
{
	char name[TRACE_NAME_LEN];
	struct trace_metadata metadata;
	struct numbers numbers = {0};
	struct stat info;

	if (file->is_new_only) {
		int result = find_numbers(file, &numbers);

		return result == 0 && numbers.last ? -EEXIST : result;
	}
	if (fstatat(file->dir_fd, file->name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!is_trace(file, file->name, &metadata))
		return -EEXIST;
	return put_aside(file, name);
}

int trace_file_open(struct trace_file *file, const char *path)
{
	int result;

	file->fd = -1;
	file->dir_fd = trace_name_open_dir(path, file->name);
	if (file->dir_fd < 0)
		return file->dir_fd;
	file->metadata.segment = 1;
	result = getrandom(file->metadata.id, TRACE_ID_LEN, 0) == TRACE_ID_LEN ? 0 : -EIO;
	if (result == 0 && strlen(file->name) + TRACE_SUFFIX_LEN >= TRACE_NAME_LEN)
		result = -ENAMETOOLONG;
	if (result == 0)
		result = clear_way(file);
	if (result == 0) {
		remove_oldest(file);
		result = create(file);
	}
	if (result < 0) {
		close(file->dir_fd);
		file->dir_fd = -1;
	}
	return result;
}

int trace_file_rotate(struct trace_file *file)
{
	char name[TRACE_NAME_LEN];

	if (file->fd >= 0) {
		int result = put_aside(file, name);

		if (result < 0)
			return result;
		memcpy(file->metadata.predecessor, name, sizeof(name));
		/* Without its end a segment counts as a whole, too. */
		write_end(file, true);
		close(file->fd);
		file->fd = -1;
		file->earlier_bytes += file->size;
		file->size = 0;
		file->metadata.segment++;
	}
	remove_oldest(file);
	return create(file);
}

int trace_file_close(struct trace_file *file)
{
	int result = 0;

	if (file->fd >= 0) {
		result = write_end(file, false);
		if (close(file->fd) < 0 && result == 0)
			result = -errno;
	}
	if (file->dir_fd >= 0)
		close(file->dir_fd);
	file->fd = -1;
	file->dir_fd = -1;
	return result;
}
