/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The config file: read whole, then parsed. Only a regular file is taken, so that a FIFO cannot
 * hang the agent and /dev/zero cannot fill its memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/read_file.h"
#include "base/utf8.h"
#include "options.h"

static int fail(const char *path, int result, const char *what, char *error, size_t error_size)
{
	char printable[CONFIG_PATH_LEN / 2];

	snprintf(error, error_size, "%s: %s",
		 utf8_copy_printable(path, strlen(path), printable, sizeof(printable)), what);
	return result;
}

int config_load_file(const char *path, const struct config_overrides *overrides,
		     struct app_config *ret_config, char *error, size_t error_size)
{
	/* Non-blocking: opening a FIFO must not wait for its writer. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	if (fd < 0)
		return fail(path, -errno, strerror(errno), error, error_size);
	if (fstat(fd, &status) < 0)
		return fail(path, -errno, strerror(errno), error, error_size);
	if (S_ISDIR(status.st_mode))
		return fail(path, -EISDIR, strerror(EISDIR), error, error_size);
	if (!S_ISREG(status.st_mode))
		return fail(path, -EINVAL, "not a regular file", error, error_size);

	_cleanup_free_ char *text = malloc(CONFIG_TEXT_MAX + 1);
	if (!text)
		return fail(path, -ENOMEM, strerror(ENOMEM), error, error_size);
	ssize_t len = read_file_text(fd, text, CONFIG_TEXT_MAX + 1);
	if (len > CONFIG_TEXT_MAX)
		return fail(path, -EFBIG, "over 256 KiB: is this a config file?", error,
			    error_size);
	if (len < 0)
		return fail(path, (int)len, strerror((int)-len), error, error_size);
	return config_load_text(text, (size_t)len, path, overrides, ret_config, error, error_size);
}
