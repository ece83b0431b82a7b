/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line of tierd: every row of the option table as a long option, and --config. Values
 * are kept as text here and checked with those of the file, so that both go the same way.
 */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "option_table.h"
#include "version.h"

enum {
	KEY_CONFIG = 'c',
	KEY_FIRST_ROW = 0x1000, /* no characters, so that argp makes no short options of them */
	HELP_LEN = 512,
};

static const char DOC[] =
	"Keeps the largest local language model that this machine can carry without hurting "
	"anyone, and tells the model manager when to change it."
	"\vThe command line wins over the config file. `tierctl check-config --options` explains "
	"every option; `tierctl detect --write FILE` makes a config for this machine.";

static const char *arg_name(enum option_type type)
{
	static const char *const NAMES[OPTION_TYPE_COUNT] = {
		[OPTION_BYTES] = "SIZE",      [OPTION_DURATION] = "TIME",
		[OPTION_PERMYRIAD] = "SHARE", [OPTION_PERMILLE] = "NUMBER",
		[OPTION_U32] = "NUMBER",      [OPTION_BOOL] = "yes|no",
		[OPTION_WORD] = "WORD",       [OPTION_TIER] = "TIER",
		[OPTION_PATH] = "PATH",       [OPTION_VRAM] = "SIZES",
	};

	return NAMES[type];
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct config_arguments *arguments = state->input;

	if (key == KEY_CONFIG) {
		arguments->config_path = value;
		return 0;
	}
	if (key == ARGP_KEY_ARG)
		argp_error(state, "unexpected argument: %s", value);
	if (key < KEY_FIRST_ROW || (size_t)(key - KEY_FIRST_ROW) >= OPTION_COUNT)
		return ARGP_ERR_UNKNOWN;
	/* Only a bool's value may be left out. */
	arguments->overrides.values[key - KEY_FIRST_ROW] = value ? value : "yes";
	return 0;
}

void config_parse_arguments(int argc, char **argv, struct config_arguments *ret_arguments)
{
	static char helps[CONFIG_OPTIONS_MAX][HELP_LEN];
	struct argp_option options[CONFIG_OPTIONS_MAX + 2] = {
		{"config", KEY_CONFIG, "FILE", 0,
		 "Config file (default " CONFIG_DEFAULT_PATH " if there is one)", 0},
	};
	struct argp argp = {.options = options, .parser = parse_option, .doc = DOC};

	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &OPTION_TABLE[i];

		snprintf(helps[i], HELP_LEN, "%s [%s]", row->help,
			 *row->fallback ? row->fallback : "none");
		options[i + 1] = (struct argp_option){
			.name = row->flag,
			.key = KEY_FIRST_ROW + (int)i,
			.arg = arg_name(row->type),
			.flags = row->type == OPTION_BOOL ? OPTION_ARG_OPTIONAL : 0,
			.doc = helps[i],
		};
	}
	memset(ret_arguments, 0, sizeof(*ret_arguments));
	argp_program_version = "tierd " TIERD_VERSION;
	argp_err_exit_status = CONFIG_EXIT_STATUS;
	argp_parse(&argp, argc, argv, 0, NULL, ret_arguments);
}
