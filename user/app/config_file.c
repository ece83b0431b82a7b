/* SPDX-License-Identifier: BSD-2-Clause */
/* The config file: read whole, then parsed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/read_file.h"
#include "base/utf8.h"
#include "options.h"

int config_load_file(const char *path, const struct config_overrides *overrides,
		     struct app_config *ret_config, char *error, size_t error_size)
{
	_cleanup_free_ char *text = malloc(CONFIG_TEXT_MAX + 1);
	char printable[CONFIG_PATH_LEN / 2];
	char why[READ_FILE_WHY_LEN];
	ssize_t len = text ? read_file_regular(path, text, CONFIG_TEXT_MAX + 1) : -ENOMEM;

	if (len < 0) {
		snprintf(error, error_size, "%s: %s",
			 utf8_copy_printable(path, strlen(path), printable, sizeof(printable)),
			 read_file_describe((int)len, CONFIG_TEXT_MAX, why));
		return (int)len;
	}
	return config_load_text(text, (size_t)len, path, overrides, ret_config, error, error_size);
}
