/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text to config. libinih splits lines into section, key and value, but forgives much: it cuts
 * long lines and section names silently, takes an indented line for a continuation, and never
 * mentions a section without keys. So its lines come from our reader, which checks each first and
 * counts them; the limits of the library are never reached.
 */
#include "config_parse.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "base/utf8.h"
#include "core/ladder.h"

/*
 * Debian's libinih lets the line length be set; others keep INI_MAX_LINE, and then only longer
 * paths are out of reach.
 */
/* NOLINTNEXTLINE(readability-redundant-declaration): weak here, so that it may be missing */
extern int ini_max_line __attribute__((weak));

enum {
	LINE_LEN_WANTED = 1024,
	LINE_RESERVED = 3, /* libinih wants room for CR, LF and NUL */
	TIER_NONE = -1,
	QUOTED_LEN = 48,
};

struct parser {
	struct config_draft *draft;
	const char *at; /* what is left of the text */
	const char *end;
	int line;
	bool is_in_tier;
	bool has_section;
	uint32_t tier;
};

void config_draft_fail(struct config_draft *draft, int line, const char *format, ...)
{
	va_list arguments;
	int len = 0;

	if (draft->has_failed)
		return;
	draft->has_failed = true;
	if (line == LINE_OF_COMMAND_LINE)
		len = 0;
	else if (line > 0)
		len = snprintf(draft->error, draft->error_size, "%s:%d: ", draft->name, line);
	else
		len = snprintf(draft->error, draft->error_size, "%s: ", draft->name);
	if ((size_t)len >= draft->error_size)
		return;
	va_start(arguments, format);
	vsnprintf(draft->error + len, draft->error_size - (size_t)len, format, arguments);
	va_end(arguments);
}

void config_draft_fail_option(struct config_draft *draft, const struct option_row *row,
			      const char *message)
{
	int line = draft->line_of_option[row - OPTION_TABLE];

	if (line == LINE_OF_COMMAND_LINE)
		config_draft_fail(draft, line, "--%s: %s", row->flag, message);
	else
		config_draft_fail(draft, line, "%s.%s: %s", row->section, row->key, message);
}

static const char *quote(const char *text, char buffer[QUOTED_LEN])
{
	return utf8_copy_printable(text, strlen(text), buffer, QUOTED_LEN);
}

static size_t line_limit(void)
{
	if (&ini_max_line)
		return LINE_LEN_WANTED;
	return INI_MAX_LINE - LINE_RESERVED;
}

static bool is_known_section(const char *name)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (strcmp(OPTION_TABLE[i].section, name) == 0)
			return true;
	}
	return false;
}

/* Takes up [tier NAME]. */
static void begin_tier(struct parser *parser, const char *section, const char *tier_name)
{
	struct config_draft *draft = parser->draft;
	struct ladder *ladder = &draft->config.engine.ladder;
	char quoted[QUOTED_LEN];

	if (!option_is_tier_name(tier_name)) {
		config_draft_fail(draft, parser->line,
				  "[%s]: not a tier's name; allowed: 1 to %d of A-Z a-z 0-9 . _ -",
				  quote(section, quoted), EVENT_TIER_NAME_LEN - 1);
		return;
	}
	if (strcmp(tier_name, ladder->tiers[TIER_OFF].name) == 0) {
		config_draft_fail(
			draft, parser->line,
			"[tier off]: the name is reserved: off is always the lowest tier");
		return;
	}
	for (uint32_t i = 1; i < ladder->count; i++) {
		if (strcmp(ladder->tiers[i].name, tier_name) == 0) {
			config_draft_fail(draft, parser->line, "[%s]: said before in line %d",
					  section, draft->line_of_tier[i]);
			return;
		}
	}
	if (ladder->count == LADDER_TIERS_MAX) {
		config_draft_fail(draft, parser->line, "[%s]: too many tiers; allowed: %d", section,
				  LADDER_TIERS_MAX - 1);
		return;
	}
	parser->tier = ladder->count++;
	parser->is_in_tier = true;
	draft->line_of_tier[parser->tier] = parser->line;
	config_set_tier_defaults(&ladder->tiers[parser->tier]);
	snprintf(ladder->tiers[parser->tier].name, EVENT_TIER_NAME_LEN, "%s", tier_name);
}

static void begin_section(struct parser *parser, const char *section)
{
	static const char TIER_PREFIX[] = "tier";
	char quoted[QUOTED_LEN];
	size_t prefix_len = sizeof(TIER_PREFIX) - 1;

	parser->has_section = true;
	parser->is_in_tier = false;
	if (strncmp(section, TIER_PREFIX, prefix_len) == 0 &&
	    (section[prefix_len] == ' ' || section[prefix_len] == '\0')) {
		const char *name = section + prefix_len;

		begin_tier(parser, section, name + strspn(name, " "));
		return;
	}
	if (!is_known_section(section))
		config_draft_fail(parser->draft, parser->line,
				  "[%s]: no such section; allowed: agent, model, policy, "
				  "performance, switch, cost, sampling and tier NAME",
				  quote(section, quoted));
}

/* A line that begins with '[': libinih would take anything behind the ']' and cut long names. */
static void check_section_line(struct parser *parser, const char *line)
{
	char section[SECTION_NAME_LEN];
	const char *close = strchr(line, ']');

	if (!close) {
		config_draft_fail(parser->draft, parser->line, "a section without ]");
		return;
	}
	const char *rest = close + 1 + strspn(close + 1, " \t\r\n");
	if (*rest != '\0' && *rest != ';' && *rest != '#') {
		config_draft_fail(parser->draft, parser->line,
				  "something follows the section's ]; allowed: a comment");
		return;
	}
	size_t len = (size_t)(close - line) - 1;
	if (len >= sizeof(section)) {
		config_draft_fail(parser->draft, parser->line,
				  "the section's name is too long; allowed: %zu bytes",
				  sizeof(section) - 1);
		return;
	}
	memcpy(section, line + 1, len);
	section[len] = '\0';
	begin_section(parser, section);
}

/* An ini_reader: the next line, checked and without indentation; NULL at the end or on error. */
static char *read_line(char *buffer, int size, void *stream)
{
	struct parser *parser = stream;

	if (parser->draft->has_failed || parser->at == parser->end)
		return NULL;
	size_t left = (size_t)(parser->end - parser->at);
	const char *newline = memchr(parser->at, '\n', left);
	size_t len = newline ? (size_t)(newline - parser->at) : left;
	const char *line = parser->at;

	parser->at += newline ? len + 1 : len;
	parser->line++;
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (!utf8_is_line(line, len)) {
		config_draft_fail(parser->draft, parser->line,
				  "control characters or not UTF-8: is this a text file?");
		return NULL;
	}
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	if (len > line_limit() || len + LINE_RESERVED > (size_t)size) {
		config_draft_fail(parser->draft, parser->line,
				  "the line is too long; allowed: %zu bytes", line_limit());
		return NULL;
	}
	memcpy(buffer, line, len);
	memcpy(buffer + len, "\n", 2);
	if (*buffer == '[')
		check_section_line(parser, buffer);
	else if (!strchr("#;\n", *buffer) && !strpbrk(buffer, "=:"))
		config_draft_fail(parser->draft, parser->line, "expected [SECTION] or KEY = VALUE");
	return parser->draft->has_failed ? NULL : buffer;
}

static void set_tier_option(struct parser *parser, const char *key, const char *value)
{
	struct config_draft *draft = parser->draft;
	struct tier *tier = &draft->config.engine.ladder.tiers[parser->tier];
	const struct option_row *row = tier_option_find(key);
	char message[CONFIG_ERROR_LEN];
	char quoted[QUOTED_LEN];

	if (!row) {
		config_draft_fail(draft, parser->line,
				  "tier %s.%s: no such key; allowed: memory, vram, cores, quality, "
				  "load, slo_ms",
				  tier->name, quote(key, quoted));
		return;
	}
	int *line = &draft->line_of_tier_option[parser->tier][row - TIER_OPTION_TABLE];
	if (*line != 0)
		config_draft_fail(draft, parser->line, "tier %s.%s: said before in line %d",
				  tier->name, key, *line);
	else if (option_set(row, tier, value, message, sizeof(message)) < 0)
		config_draft_fail(draft, parser->line, "tier %s.%s: %s", tier->name, key, message);
	*line = parser->line;
}

static void set_option(struct parser *parser, const char *section, const char *key,
		       const char *value)
{
	struct config_draft *draft = parser->draft;
	const struct option_row *row = option_find(section, key);
	char message[CONFIG_ERROR_LEN];
	char quoted[QUOTED_LEN];

	if (!row) {
		config_draft_fail(draft, parser->line,
				  "%s.%s: no such key; `tierctl check-config --options` lists all",
				  section, quote(key, quoted));
		return;
	}
	int *line = &draft->line_of_option[row - OPTION_TABLE];
	if (*line != 0)
		config_draft_fail(draft, parser->line, "%s.%s: said before in line %d", section,
				  key, *line);
	else if (option_set(row, &draft->config, value, message, sizeof(message)) < 0)
		config_draft_fail(draft, parser->line, "%s.%s: %s", section, key, message);
	*line = parser->line;
}

/*
 * An ini_handler. Libraries that were built to pass a line number as well may do so; it is of no
 * use where they were not, so lines are counted in read_line().
 */
static int take_value(void *context, const char *section, const char *key, const char *value)
{
	struct parser *parser = context;
	char quoted[QUOTED_LEN];

	if (parser->draft->has_failed)
		return 0;
	if (!value)
		config_draft_fail(parser->draft, parser->line, "\"%s\": expected KEY = VALUE",
				  quote(key, quoted));
	else if (!parser->has_section)
		config_draft_fail(parser->draft, parser->line,
				  "\"%s\" stands before the first [section]", quote(key, quoted));
	else if (parser->is_in_tier)
		set_tier_option(parser, key, value);
	else
		set_option(parser, section, key, value);
	return !parser->draft->has_failed;
}

static void parse_text(struct config_draft *draft, const char *text, size_t len)
{
	static const char BOM[] = "\xef\xbb\xbf";
	struct parser parser = {.draft = draft, .at = text, .end = text + len};

	if (len >= 3 && memcmp(text, BOM, 3) == 0)
		parser.at += 3;
	if (&ini_max_line)
		ini_max_line = LINE_LEN_WANTED + LINE_RESERVED + 1;
	int r = ini_parse_stream(read_line, &parser, take_value, &parser);
	if (r > 0)
		config_draft_fail(draft, r, "expected [SECTION] or KEY = VALUE");
	else if (r < 0)
		config_draft_fail(draft, 0, "out of memory");
}

static void apply_overrides(struct config_draft *draft, const struct config_overrides *overrides)
{
	char message[CONFIG_ERROR_LEN];

	for (size_t i = 0; i < OPTION_COUNT && !draft->has_failed; i++) {
		if (!overrides->values[i])
			continue;
		draft->line_of_option[i] = LINE_OF_COMMAND_LINE;
		if (option_set(&OPTION_TABLE[i], &draft->config, overrides->values[i], message,
			       sizeof(message)) < 0)
			config_draft_fail_option(draft, &OPTION_TABLE[i], message);
	}
}

void config_set_tier_defaults(struct tier *ret_tier)
{
	char error[CONFIG_ERROR_LEN];

	memset(ret_tier, 0, sizeof(*ret_tier));
	for (size_t i = 0; i < TIER_OPTION_COUNT; i++) {
		if (*TIER_OPTION_TABLE[i].fallback)
			option_set(&TIER_OPTION_TABLE[i], ret_tier, TIER_OPTION_TABLE[i].fallback,
				   error, sizeof(error));
	}
}

void config_set_defaults(struct app_config *ret_config)
{
	struct tier *off = &ret_config->engine.ladder.tiers[TIER_OFF];
	char error[CONFIG_ERROR_LEN];

	memset(ret_config, 0, sizeof(*ret_config));
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		/* The table's own defaults are in range: a test sees to that. */
		option_set(&OPTION_TABLE[i], ret_config, OPTION_TABLE[i].fallback, error,
			   sizeof(error));
	}
	strcpy(off->name, "off");
	ret_config->engine.ladder.count = 1;
}

int config_load_text(const char *text, size_t len, const char *name,
		     const struct config_overrides *overrides, struct app_config *ret_config,
		     char *error, size_t error_size)
{
	char printable_name[CONFIG_PATH_LEN / 2];
	struct config_draft *draft = calloc(1, sizeof(*draft));

	if (!draft) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	draft->name =
		utf8_copy_printable(name, strlen(name), printable_name, sizeof(printable_name));
	draft->error = error;
	draft->error_size = error_size;
	draft->is_ladder_optional = overrides && overrides->is_ladder_optional;
	config_set_defaults(&draft->config);
	parse_text(draft, text, len);
	if (overrides && !draft->has_failed)
		apply_overrides(draft, overrides);
	if (!draft->has_failed)
		config_check(draft);
	int r = draft->has_failed ? -EINVAL : 0;
	if (r == 0)
		*ret_config = draft->config;
	free(draft);
	return r;
}
