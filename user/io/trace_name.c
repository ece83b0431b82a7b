/* SPDX-License-Identifier: BSD-2-Clause */
#include "io/trace_name.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"

static uint32_t parse_suffix(const char *suffix)
{
	uint64_t number;

	if (suffix[0] != '.' || strlen(suffix) != TRACE_SUFFIX_LEN ||
	    units_parse_u64(suffix + 1, &number) < 0)
		return 0;
	return (uint32_t)number;
}

uint32_t trace_name_number(const char *name, const char *base)
{
	size_t len = strlen(base);

	return strncmp(name, base, len) == 0 ? parse_suffix(name + len) : 0;
}

size_t trace_name_base_len(const char *name)
{
	size_t len = strlen(name);

	if (len <= TRACE_SUFFIX_LEN || parse_suffix(name + len - TRACE_SUFFIX_LEN) == 0)
		return len;
	return len - TRACE_SUFFIX_LEN;
}

int trace_name_make(const char *base, size_t base_len, uint32_t number,
		    char ret_name[TRACE_NAME_LEN])
{
	if (base_len + TRACE_SUFFIX_LEN >= TRACE_NAME_LEN)
		return -ENAMETOOLONG;
	memcpy(ret_name, base, base_len);
	snprintf(ret_name + base_len, TRACE_NAME_LEN - base_len, ".%06u",
		 number % (TRACE_NUMBER_MAX + 1U));
	return 0;
}

int trace_name_open_dir(const char *path, char ret_name[TRACE_NAME_LEN])
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char directory[PATH_MAX] = ".";
	size_t len = slash ? (size_t)(slash - path) : 0;
	int fd;

	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	if (strlen(name) >= TRACE_NAME_LEN || len >= sizeof(directory))
		return -ENAMETOOLONG;
	if (slash == path)
		len = 1;
	if (slash) {
		memcpy(directory, path, len);
		directory[len] = '\0';
	}
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	memcpy(ret_name, name, strlen(name) + 1);
	return fd;
}
