/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text to configuration. libinih splits lines into section, key and value, but forgives much, so
 * its lines come from a reader that checks each first and counts them. A comment behind a value is
 * refused: a command may hold a ` ;`, and the library would cut it there.
 */
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/read_file.h"
#include "base/units.h"
#include "base/utf8.h"
#include "gate_config.h"
#include "option.h"

/* NOLINTNEXTLINE(readability-redundant-declaration): weak here, so that it may be missing */
extern int ini_max_line __attribute__((weak));

enum {
	LINE_MAX_WANTED = 1100,
	LINE_RESERVED = 3, /* libinih wants room for CR, LF and NUL */
	TEXT_MAX = 256 * 1024,
	QUOTED_LEN = 48,
	SECTION_SERVER = 0, /* index into draft.tiers: [server] takes the place of `off` */
};

struct draft {
	struct manager_config config;
	struct tier_config tiers[MANAGER_TIERS_MAX];
	int line_of[MANAGER_OPTIONS_MAX]; /* 0 = default */
	int line_of_tier_option[MANAGER_TIERS_MAX][MANAGER_OPTIONS_MAX];
	int line_of_tier[MANAGER_TIERS_MAX];
	uint32_t tier_count;
	const char *name;
	char *error;
	size_t error_size;
	bool has_failed;
	/* while it is being read */
	const char *at;
	const char *end;
	int line;
	char section[MANAGER_ADDRESS_LEN]; /* of the lines that follow */
	uint32_t tier;                     /* where section is tier or server */
};

__attribute__((format(printf, 3, 4))) static void fail(struct draft *draft, int line,
						       const char *format, ...)
{
	va_list arguments;
	int len;

	if (draft->has_failed)
		return;
	draft->has_failed = true;
	len = line > 0 ? snprintf(draft->error, draft->error_size, "%s:%d: ", draft->name, line)
		       : snprintf(draft->error, draft->error_size, "%s: ", draft->name);
	if (len < 0 || (size_t)len >= draft->error_size)
		return;
	va_start(arguments, format);
	vsnprintf(draft->error + len, draft->error_size - (size_t)len, format, arguments);
	va_end(arguments);
}

static const char *quote(const char *text, char buffer[QUOTED_LEN])
{
	return utf8_copy_printable(text, strlen(text), buffer, QUOTED_LEN);
}

/* ---- lines -------------------------------------------------------------------------------------
 */

static bool is_tier_name(const char *name)
{
	static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	size_t len = strlen(name);

	return len > 0 && len < EVENT_TIER_NAME_LEN && strspn(name, ALLOWED) == len;
}

static void begin_tier(struct draft *draft, const char *name)
{
	char quoted[QUOTED_LEN];
	uint32_t tier;

	if (!is_tier_name(name) || strcmp(name, "off") == 0) {
		fail(draft, draft->line,
		     "[tier %s]: not a name for a tier; allowed: 1 to %d of A-Z a-z 0-9 . _ -, not "
		     "off",
		     quote(name, quoted), EVENT_TIER_NAME_LEN - 1);
		return;
	}
	for (tier = 1; tier < draft->tier_count; tier++) {
		if (strcmp(draft->tiers[tier].name, name) == 0) {
			fail(draft, draft->line, "[tier %s]: said before in line %d", name,
			     draft->line_of_tier[tier]);
			return;
		}
	}
	if (tier == MANAGER_TIERS_MAX) {
		fail(draft, draft->line, "[tier %s]: too many tiers; allowed: %d", name,
		     MANAGER_TIERS_MAX - 1);
		return;
	}
	draft->tier_count++;
	draft->tier = tier;
	draft->line_of_tier[tier] = draft->line;
	memcpy(draft->tiers[tier].name, name, strlen(name) + 1);
}

static void begin_section(struct draft *draft, const char *section)
{
	static const char *const SECTIONS[] = {"manager", "gate", "api"};
	char quoted[QUOTED_LEN];

	snprintf(draft->section, sizeof(draft->section), "tier");
	if (strncmp(section, "tier ", 5) == 0) {
		begin_tier(draft, section + 5 + strspn(section + 5, " "));
		return;
	}
	if (strcmp(section, "server") == 0) {
		draft->tier = SECTION_SERVER;
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(SECTIONS); i++) {
		if (strcmp(section, SECTIONS[i]) == 0) {
			snprintf(draft->section, sizeof(draft->section), "%s", section);
			return;
		}
	}
	fail(draft, draft->line,
	     "[%s]: no such section; allowed: manager, gate, api, server and tier NAME",
	     quote(section, quoted));
}

static void take_section_line(struct draft *draft, const char *line)
{
	char section[MANAGER_ADDRESS_LEN];
	const char *close = strchr(line, ']');
	size_t len = close ? (size_t)(close - line) - 1 : 0;

	if (!close || close[1 + strspn(close + 1, " \t\r\n")] != '\0') {
		fail(draft, draft->line, "expected [SECTION] and nothing behind it");
		return;
	}
	if (len >= sizeof(section)) {
		fail(draft, draft->line, "the section's name is too long");
		return;
	}
	memcpy(section, line + 1, len);
	section[len] = '\0';
	begin_section(draft, section);
}

static void check_line(struct draft *draft, const char *line)
{
	if (*line == '[')
		take_section_line(draft, line);
	else if (*line == '#' || *line == ';' || *line == '\n')
		return;
	else if (!strchr(line, '='))
		fail(draft, draft->line, "expected [SECTION] or KEY = VALUE");
	else if (strstr(line, " ;") || strstr(line, "\t;"))
		fail(draft, draft->line,
		     "\" ;\" in a value: comments stand on lines of their own, and commands with a "
		     "list go into a script or use &&");
	else if (!draft->section[0])
		fail(draft, draft->line, "a key before the first [section]");
}

/* An ini_reader: the next line, checked and without indentation; NULL at the end or on error. */
static char *read_line(char *buffer, int size, void *stream)
{
	struct draft *draft = stream;

	if (draft->has_failed || draft->at == draft->end)
		return NULL;
	const char *line = draft->at;
	const char *newline = memchr(line, '\n', (size_t)(draft->end - line));
	size_t len = (size_t)((newline ? newline : draft->end) - line);

	draft->at += newline ? len + 1 : len;
	draft->line++;
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (!utf8_is_line(line, len)) {
		fail(draft, draft->line, "control characters or not UTF-8: is this a text file?");
		return NULL;
	}
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	if (len + LINE_RESERVED > (size_t)size) {
		fail(draft, draft->line, "the line is too long; allowed: %d bytes",
		     size - LINE_RESERVED);
		return NULL;
	}
	memcpy(buffer, line, len);
	memcpy(buffer + len, "\n", 2);
	check_line(draft, buffer);
	return draft->has_failed ? NULL : buffer;
}

/* An ini_handler. */
static int take_value(void *context, const char *section, const char *key, const char *value)
{
	struct draft *draft = context;
	const struct option_row *row = manager_option_find(draft->section, key);
	bool is_tier = strcmp(draft->section, "tier") == 0;
	char message[MANAGER_ERROR_LEN / 2];
	char quoted[QUOTED_LEN];
	char where[QUOTED_LEN + EVENT_TIER_NAME_LEN];

	if (draft->has_failed)
		return 0;
	snprintf(where, sizeof(where), "%s.%s", section, quote(key, quoted));
	if (!row) {
		fail(draft, draft->line, "%s: no such key; tier-manager --help lists all", where);
		return 0;
	}
	size_t index = (size_t)(row - MANAGER_OPTIONS);
	int *line =
		is_tier ? &draft->line_of_tier_option[draft->tier][index] : &draft->line_of[index];
	void *base = is_tier ? (void *)&draft->tiers[draft->tier] : (void *)&draft->config;
	if (*line != 0)
		fail(draft, draft->line, "%s: said before in line %d", where, *line);
	else if (manager_option_set(row, base, value ? value : "", message, sizeof(message)) < 0)
		fail(draft, draft->line, "%s: %s", where, message);
	*line = draft->line;
	return !draft->has_failed;
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static void set_defaults(struct draft *draft)
{
	char message[MANAGER_ERROR_LEN / 2];

	for (size_t i = 0; i < MANAGER_OPTION_COUNT; i++) {
		const struct option_row *row = &MANAGER_OPTIONS[i];
		bool is_tier = strcmp(row->section, "tier") == 0;

		/* The defaults are in range, but for those that have to be said. */
		manager_option_set(row,
				   is_tier ? (void *)&draft->tiers[SECTION_SERVER]
					   : (void *)&draft->config,
				   row->fallback, message, sizeof(message));
	}
	draft->tier_count = 1;
	strcpy(draft->config.tiers[MANAGER_TIER_OFF].name, "off");
}

static int line_of_tier_option(const struct draft *draft, uint32_t tier, const char *key)
{
	size_t row = (size_t)(manager_option_find("tier", key) - MANAGER_OPTIONS);

	if (draft->line_of_tier_option[tier][row])
		return draft->line_of_tier_option[tier][row];
	return draft->line_of_tier[tier];
}

static bool is_run_here(const struct manager_config *config)
{
	return config->backend == BACKEND_EXEC || config->backend == BACKEND_HAPROXY;
}

static void check_tier(struct draft *draft, uint32_t index)
{
	struct tier_config *tier = &draft->tiers[index];
	const struct manager_config *config = &draft->config;
	char address[MANAGER_ADDRESS_LEN];
	const char *missing = NULL;

	for (size_t i = 0; i < MANAGER_OPTION_COUNT; i++) {
		if (strcmp(MANAGER_OPTIONS[i].section, "tier") == 0 &&
		    draft->line_of_tier_option[index][i] == 0)
			manager_option_copy(&MANAGER_OPTIONS[i], tier,
					    &draft->tiers[SECTION_SERVER]);
	}
	if (tier->memory_bytes == 0)
		missing = "memory";
	else if (is_run_here(config) && !tier->start[0])
		missing = "start";
	else if (config->backend == BACKEND_HAPROXY && !tier->address[0])
		missing = "address";
	else if (is_run_here(config) && !tier->address[0] && !tier->health[0])
		missing = "health";
	else if (!is_run_here(config) && !tier->model[0])
		missing = "model";
	if (missing)
		fail(draft, draft->line_of_tier[index],
		     "tier %s.%s: missing; allowed: every tier says it", tier->name, missing);
	if (!tier->health[0] && tier->address[0]) {
		memcpy(address, tier->address, sizeof(address));
		snprintf(tier->health, sizeof(tier->health), "http://%s/health", address);
	}
}

static void check_gate(struct draft *draft)
{
	for (uint32_t i = 1; i < draft->tier_count; i++) {
		if (strcmp(draft->tiers[i].name, GATE_HOLD) == 0)
			fail(draft, draft->line_of_tier[i],
			     "[tier " GATE_HOLD "]: the gate has a server of that name");
		if (strcmp(draft->tiers[i].address, draft->config.gate_listen) == 0)
			fail(draft, line_of_tier_option(draft, i, "address"),
			     "tier %s.address: is where the gate listens", draft->tiers[i].name);
		for (uint32_t j = 1; j < i; j++) {
			if (strcmp(draft->tiers[i].address, draft->tiers[j].address) == 0)
				fail(draft, line_of_tier_option(draft, i, "address"),
				     "tier %s.address: tier %s has the same", draft->tiers[i].name,
				     draft->tiers[j].name);
		}
	}
}

/* From the least memory to the most, as tierd's ladder. */
static void sort_tiers(struct draft *draft)
{
	struct manager_config *config = &draft->config;

	config->tier_count = draft->tier_count;
	for (uint32_t i = 1; i < draft->tier_count; i++) {
		uint32_t at = i;

		while (at > 1 &&
		       config->tiers[at - 1].memory_bytes > draft->tiers[i].memory_bytes) {
			config->tiers[at] = config->tiers[at - 1];
			at--;
		}
		config->tiers[at] = draft->tiers[i];
	}
}

static void check(struct draft *draft)
{
	struct manager_config *config = &draft->config;
	char quoted[QUOTED_LEN];

	if (draft->tier_count < 2)
		fail(draft, 0, "no [tier NAME]: there has to be one");
	for (uint32_t i = 1; i < draft->tier_count; i++)
		check_tier(draft, i);
	if (config->backend == BACKEND_HAPROXY)
		check_gate(draft);
	sort_tiers(draft);
	int initial = manager_config_find_tier(config, config->initial_tier_name);
	if (initial < 0) {
		size_t row =
			(size_t)(manager_option_find("manager", "initial_tier") - MANAGER_OPTIONS);

		fail(draft, draft->line_of[row], "manager.initial_tier: \"%s\" is no tier here",
		     quote(config->initial_tier_name, quoted));
	}
	config->initial_tier = (uint32_t)initial;
}

int manager_config_parse(const char *text, size_t len, const char *name,
			 struct manager_config *ret_config, char *error, size_t error_size)
{
	_cleanup_free_ struct draft *draft = calloc(1, sizeof(*draft));
	char printable[MANAGER_PATH_LEN];

	if (!draft) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	draft->name = utf8_copy_printable(name, strlen(name), printable, sizeof(printable));
	draft->error = error;
	draft->error_size = error_size;
	draft->at = text;
	draft->end = text + len;
	set_defaults(draft);
	if (&ini_max_line)
		ini_max_line = LINE_MAX_WANTED + LINE_RESERVED;
	int r = ini_parse_stream(read_line, draft, take_value, draft);
	if (r != 0)
		fail(draft, r > 0 ? r : 0, "expected [SECTION] or KEY = VALUE");
	if (!draft->has_failed)
		check(draft);
	if (draft->has_failed)
		return -EINVAL;
	*ret_config = draft->config;
	return 0;
}

int manager_config_load(const char *path, struct manager_config *ret_config, char *error,
			size_t error_size)
{
	_cleanup_free_ char *text = malloc(TEXT_MAX + 1);
	char printable[MANAGER_PATH_LEN];
	char why[READ_FILE_WHY_LEN];
	ssize_t len = text ? read_file_regular(path, text, TEXT_MAX + 1) : -ENOMEM;

	if (len >= 0)
		return manager_config_parse(text, (size_t)len, path, ret_config, error, error_size);
	snprintf(error, error_size, "%s: %s",
		 utf8_copy_printable(path, strlen(path), printable, sizeof(printable)),
		 read_file_describe((int)len, TEXT_MAX, why));
	return (int)len;
}
