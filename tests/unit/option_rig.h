/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading configs in tests: with a small ladder at the end, so that options can be tried alone. */
#ifndef TIERD_TESTS_OPTION_RIG_H
#define TIERD_TESTS_OPTION_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "app/option_table.h"

#define RIG_NAME "test.conf"
#define RIG_LADDER "\n[tier small]\nmemory = 1G\n"

#define RIG_FUNCTION __attribute__((unused)) static

/* text and then the ladder. */
RIG_FUNCTION int load(const char *text, const struct config_overrides *overrides,
		      struct app_config *ret_config, char error[CONFIG_ERROR_LEN])
{
	char whole[16 * 1024];
	int len = snprintf(whole, sizeof(whole), "%s%s", text, RIG_LADDER);

	assert_true((size_t)len < sizeof(whole));
	return config_load_text(whole, (size_t)len, RIG_NAME, overrides, ret_config, error,
				CONFIG_ERROR_LEN);
}

RIG_FUNCTION struct app_config load_with(const char *text, const struct config_overrides *overrides)
{
	struct app_config config;
	char error[CONFIG_ERROR_LEN] = "";

	if (load(text, overrides, &config, error) < 0)
		fail_msg("%s\n%s", text, error);
	return config;
}

RIG_FUNCTION struct app_config load_ok(const char *text)
{
	return load_with(text, NULL);
}

/* The error begins with prefix, is one printable line, and nothing was written to the config. */
RIG_FUNCTION void assert_error_line(const char *error, const char *prefix)
{
	if (strncmp(error, prefix, strlen(prefix)) != 0)
		fail_msg("\"%s\" does not begin with \"%s\"", error, prefix);
	for (const char *at = error; *at; at++)
		assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
}

RIG_FUNCTION void assert_refused(const char *text, const struct config_overrides *overrides,
				 const char *prefix)
{
	struct app_config config;
	struct app_config untouched;
	char error[CONFIG_ERROR_LEN] = "";

	memset(&config, 0x5e, sizeof(config));
	memset(&untouched, 0x5e, sizeof(untouched));
	if (load(text, overrides, &config, error) == 0)
		fail_msg("taken: %s", text);
	assert_error_line(error, prefix);
	assert_memory_equal(&config, &untouched, sizeof(config));
}

#endif
