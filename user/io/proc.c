/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading and checking the small text files of /proc and of cgroups. */
#include "io/proc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"

enum {
	STAT_SIZE = 1024,
	NAME_SIZE = 32,
	STAT_PARENT_FIELD = 4, /* counted from 1, proc(5) */
	STAT_START_FIELD = 22,
};

int proc_read_fd(int fd, char *buffer, size_t size)
{
	size_t len = 0;

	while (len + 1 < size) {
		ssize_t got = pread(fd, buffer + len, size - 1 - len, (off_t)len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		len += (size_t)got;
	}
	buffer[len] = '\0';
	return len == 0 ? -EBADMSG : (int)len;
}

int proc_read_file(int dir_fd, const char *name, char *buffer, size_t size)
{
	_cleanup_close_ int fd =
		openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : proc_read_fd(fd, buffer, size);
}

const char *proc_parse_number(const char *text, uint64_t *ret_number)
{
	uint64_t number = 0;

	while (*text == ' ' || *text == '\t')
		text++;
	if (!isdigit((unsigned char)*text))
		return NULL;
	for (; isdigit((unsigned char)*text); text++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
			return NULL;
	}
	*ret_number = number;
	return text;
}

int proc_find_number(const char *text, const char *key, uint64_t *ret_number)
{
	size_t key_len = strlen(key);
	uint64_t number;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		const char *rest;

		if (*line == '\n')
			line++;
		if (strncmp(line, key, key_len) != 0 || !strchr(": ", line[key_len]))
			continue;
		/* strchr() finds the NUL too: then nothing follows the key. */
		rest = line[key_len] ? proc_parse_number(line + key_len + 1, &number) : NULL;
		if (!rest || !strchr(" \n", *rest))
			return -EBADMSG;
		if (strncmp(rest, " kB", 3) == 0 && __builtin_mul_overflow(number, KIB, &number))
			return -EBADMSG;
		*ret_number = number;
		return 0;
	}
	return -ENOENT;
}

uint32_t proc_parse_pid(const char *name)
{
	uint64_t number;
	const char *rest =
		isdigit((unsigned char)name[0]) ? proc_parse_number(name, &number) : NULL;

	return rest && *rest == '\0' && number <= INT32_MAX ? (uint32_t)number : 0;
}

/* The name may hold anything, also ") R 1": the last parenthesis of the line ends it. */
static int parse_stat(char *text, struct proc_stat *ret_stat)
{
	struct proc_stat stat = {0};
	char *open = strchr(text, '(');
	char *close = strrchr(text, ')');
	const char *field;
	uint64_t number;
	size_t len;

	if (!open || !close || close < open || close[1] != ' ' || close[2] == '\0')
		return -EBADMSG;
	if (!proc_parse_number(text, &number) || number > INT32_MAX)
		return -EBADMSG;
	stat.pid = (uint32_t)number;
	len = units_min((uint64_t)(close - open - 1), sizeof(stat.comm) - 1);
	memcpy(stat.comm, open + 1, len);
	field = close + 3; /* after the state, one letter */
	for (int i = STAT_PARENT_FIELD; i <= STAT_START_FIELD; i++) {
		while (*field == ' ')
			field++;
		if (i == STAT_PARENT_FIELD || i == STAT_START_FIELD) {
			if (!proc_parse_number(field, &number))
				return -EBADMSG;
			if (i == STAT_PARENT_FIELD)
				stat.parent_pid = (uint32_t)number;
			else
				stat.start_ticks = number;
		}
		field += strcspn(field, " ");
	}
	*ret_stat = stat;
	return 0;
}

int proc_read_stat(int proc_fd, uint32_t pid, struct proc_stat *ret_stat)
{
	char text[STAT_SIZE] = "";
	char name[NAME_SIZE];
	int len;

	(void)snprintf(name, sizeof(name), "%u/stat", pid);
	len = proc_read_file(proc_fd, name, text, sizeof(text));
	return len < 0 ? len : parse_stat(text, ret_stat);
}
