/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A config while it is being built: where each option was said, so that errors of the checks
 * across options can point there. Internal to the config modules.
 */
#ifndef TIERD_APP_CONFIG_PARSE_H
#define TIERD_APP_CONFIG_PARSE_H

#include "option_table.h"

enum {
	SECTION_NAME_LEN = 50, /* libinih's own limit (MAX_SECTION); it cuts longer ones */
	LINE_OF_COMMAND_LINE = -1,
};

struct config_draft {
	struct app_config config;
	const char *name;                       /* of the text, printable */
	int line_of_option[CONFIG_OPTIONS_MAX]; /* 0 = default */
	int line_of_tier[LADDER_TIERS_MAX];
	int line_of_tier_option[LADDER_TIERS_MAX][8]; /* by row of TIER_OPTION_TABLE */
	char *error;
	size_t error_size;
	bool is_ladder_optional;
	bool has_failed;
};

/* Notes the first error; what follows is dropped. line 0 = of the whole file. */
void config_draft_fail(struct config_draft *draft, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for one option: names it as file, line and section.key, or by its flag. */
void config_draft_fail_option(struct config_draft *draft, const struct option_row *row,
			      const char *message);

/* Sorts the ladder, resolves names, and checks what no single row can. */
void config_check(struct config_draft *draft);

#endif
