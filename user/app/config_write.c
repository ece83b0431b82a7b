/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Config to text, from the option table: the plain form that reads back to the same config, the
 * commented form for people, and the reference of all options.
 */
#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "option_table.h"

static const struct section_help {
	const char *section;
	const char *help;
} SECTIONS[] = {
	{"agent", "The agent itself."},
	{"model", "Which processes are the model's. Children belong to it, too."},
	{"policy", "When to step down, and when up again."},
	{"performance", "What is made of the tasks that the manager tells of."},
	{"switch", "How a step is carried out."},
	{"preflight", "What a question whether something fits leads to."},
	{"cost", "What switching and crowding cost, for the adaptive policy and for the score."},
	{"sampling", "How often the system is looked at."},
};

static void write_comment(FILE *file, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		fprintf(file, "#%s%.*s\n", len > 0 ? " " : "", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static bool is_default(const struct option_row *row, const struct app_config *config,
		       const struct app_config *defaults)
{
	char value[CONFIG_PATH_LEN];
	char fallback[CONFIG_PATH_LEN];

	return strcmp(option_format(row, config, value, sizeof(value)),
		      option_format(row, defaults, fallback, sizeof(fallback))) == 0;
}

static void write_option(FILE *file, const struct option_row *row, const struct app_config *config,
			 const struct app_config *defaults, enum config_style style)
{
	char value[CONFIG_PATH_LEN];
	char allowed[CONFIG_ERROR_LEN / 2];

	option_format(row, config, value, sizeof(value));
	const char *blank = *value ? " " : "";
	if (style == CONFIG_PLAIN) {
		fprintf(file, "%s =%s%s\n", row->key, blank, value);
		return;
	}
	fprintf(file, "\n# %s.\n# Allowed: %s.\n", row->help,
		option_describe(row, allowed, sizeof(allowed)));
	/* The table's own words for a default: 300s, not 5m. */
	if (is_default(row, config, defaults))
		fprintf(file, "#%s =%s%s\n", row->key, *row->fallback ? " " : "", row->fallback);
	else
		fprintf(file, "%s =%s%s\n", row->key, blank, value);
}

static void write_ladder(FILE *file, const struct ladder *ladder, enum config_style style)
{
	char value[CONFIG_PATH_LEN];

	if (style == CONFIG_COMMENTED) {
		fputs("\n# The ladder: one section per tier, with what it takes. Below them all is "
		      "off.\n",
		      file);
		for (size_t i = 0; i < TIER_OPTION_COUNT; i++)
			fprintf(file, "# %s: %s.\n", TIER_OPTION_TABLE[i].key,
				TIER_OPTION_TABLE[i].help);
	}
	for (uint32_t i = 1; i < ladder->count; i++) {
		fprintf(file, "\n[tier %s]\n", ladder->tiers[i].name);
		for (size_t j = 0; j < TIER_OPTION_COUNT; j++)
			fprintf(file, "%s = %s\n", TIER_OPTION_TABLE[j].key,
				option_format(&TIER_OPTION_TABLE[j], &ladder->tiers[i], value,
					      sizeof(value)));
	}
}

static int finish(FILE *file)
{
	return fflush(file) == 0 && !ferror(file) ? 0 : -EIO;
}

int config_write(FILE *file, const struct app_config *config, enum config_style style,
		 const char *heading)
{
	struct app_config defaults;

	config_set_defaults(&defaults);
	if (heading)
		write_comment(file, heading);
	for (size_t i = 0; i < ARRAY_SIZE(SECTIONS); i++) {
		const struct section_help *section = &SECTIONS[i];

		if (i > 0 || heading)
			fputc('\n', file);
		if (style == CONFIG_COMMENTED)
			write_comment(file, section->help);
		fprintf(file, "[%s]\n", section->section);
		for (size_t j = 0; j < OPTION_COUNT; j++) {
			if (strcmp(OPTION_TABLE[j].section, section->section) == 0)
				write_option(file, &OPTION_TABLE[j], config, &defaults, style);
		}
	}
	write_ladder(file, &config->engine.ladder, style);
	return finish(file);
}

int config_write_example(FILE *file)
{
	static const char HEADING[] =
		"Example config of tierd. Commented options show their defaults.\n"
		"Check it with: tierctl check-config FILE";
	static const struct {
		const char *name;
		uint64_t memory_bytes;
		uint32_t cores_permille;
		uint32_t quality_permyriad;
	} TIERS[] = {
		{"small", 2 * GIB, 2000, 4000},
		{"medium", 5 * GIB, 4000, 7000},
		{"large", 9 * GIB, 4000, 10000},
	};
	struct app_config config;

	config_set_defaults(&config);
	for (size_t i = 0; i < ARRAY_SIZE(TIERS); i++) {
		struct tier *tier = &config.engine.ladder.tiers[config.engine.ladder.count++];

		config_set_tier_defaults(tier);
		snprintf(tier->name, sizeof(tier->name), "%s", TIERS[i].name);
		tier->memory_bytes = TIERS[i].memory_bytes;
		tier->cores_permille = TIERS[i].cores_permille;
		tier->quality_permyriad = TIERS[i].quality_permyriad;
	}
	return config_write(file, &config, CONFIG_COMMENTED, HEADING);
}

static void write_row_help(FILE *file, const struct option_row *row)
{
	char allowed[CONFIG_ERROR_LEN / 2];

	option_describe(row, allowed, sizeof(allowed));
	fprintf(file, "  %s", row->key);
	if (row->flag)
		fprintf(file, "  (--%s)", row->flag);
	fprintf(file, "\n      %s.\n      Allowed: %s. ", row->help, allowed);
	if (row->flags & OPTION_REQUIRED)
		fputs("Must be said.\n", file);
	else
		fprintf(file, "Default: %s\n", *row->fallback ? row->fallback : "none");
}

int config_write_help(FILE *file)
{
	for (size_t i = 0; i < ARRAY_SIZE(SECTIONS); i++) {
		fprintf(file, "[%s]  %s\n", SECTIONS[i].section, SECTIONS[i].help);
		for (size_t j = 0; j < OPTION_COUNT; j++) {
			if (strcmp(OPTION_TABLE[j].section, SECTIONS[i].section) == 0)
				write_row_help(file, &OPTION_TABLE[j]);
		}
	}
	fputs("[tier NAME]  One per tier; NAME is 1 to 31 of A-Z a-z 0-9 . _ -\n", file);
	for (size_t i = 0; i < TIER_OPTION_COUNT; i++)
		write_row_help(file, &TIER_OPTION_TABLE[i]);
	return finish(file);
}
