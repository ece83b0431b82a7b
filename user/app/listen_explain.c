/* SPDX-License-Identifier: BSD-2-Clause */
/* What a line of manager.fifo asks for, in words. One row per verb. */
#include "listen_explain.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"

enum {
	VALUE_LEN = 96, /* longer ones are cut: this is for people */
};

/* The value of key in line; "?" if it is not there. */
static const char *get_value(const char *line, const char *key, char value[VALUE_LEN])
{
	size_t key_len = strlen(key);

	snprintf(value, VALUE_LEN, "?");
	for (const char *word = strchr(line, ' '); word; word = strchr(word, ' ')) {
		word++;
		if (strncmp(word, key, key_len) != 0 || word[key_len] != '=')
			continue;
		const char *begin = word + key_len + 1;
		size_t len = units_min(strcspn(begin, " "), VALUE_LEN - 1);
		memcpy(value, begin, len);
		value[len] = '\0';
		break;
	}
	return value;
}

static bool is_value(const char *line, const char *key, const char *expected)
{
	char value[VALUE_LEN];

	return strcmp(get_value(line, key, value), expected) == 0;
}

static void explain_switch(const char *line, struct text *text)
{
	char from[VALUE_LEN];
	char to[VALUE_LEN];
	char value[VALUE_LEN];
	uint64_t deadline_ms = 0;

	get_value(line, "from", from);
	get_value(line, "to", to);
	if (is_value(line, "mode", "immediate")) {
		text_add(text, "at once: ");
	} else {
		if (units_parse_u64(get_value(line, "deadline_ms", value), &deadline_ms) < 0)
			deadline_ms = 0;
		text_add(text, "let running requests end (within %" PRIu64 " s), then: ",
			 deadline_ms / 1000);
	}
	if (strcmp(from, "off") != 0)
		text_add(text, "unload %s%s", from, strcmp(to, "off") != 0 ? ", " : "");
	if (strcmp(to, "off") != 0)
		text_add(text, "load %s", to);
	text_add(text, "; why: %s", get_value(line, "reason", value));
	if (!is_value(line, "culprit", "-") && !is_value(line, "culprit", "?"))
		text_add(text, ", because of %s", get_value(line, "culprit", value));
	if (is_value(line, "overlap", "1"))
		text_add(text, "; both may be in memory at once");
}

static void explain_cancel(const char *line, struct text *text)
{
	char seq[VALUE_LEN];

	text_add(text, "switch %s is called off: keep what is loaded", get_value(line, "seq", seq));
}

static void explain_state(const char *line, struct text *text)
{
	char wanted[VALUE_LEN];
	char actual[VALUE_LEN];
	char phase[VALUE_LEN];

	get_value(line, "wanted", wanted);
	get_value(line, "actual", actual);
	if (strcmp(actual, "?") == 0)
		text_add(text, "%s should be loaded; no manager has said what is", wanted);
	else if (strcmp(actual, wanted) == 0)
		text_add(text, "%s is loaded, as it should be", wanted);
	else
		text_add(text, "%s should be loaded, %s is", wanted, actual);
	text_add(text, " (%s%s)", get_value(line, "phase", phase),
		 is_value(line, "paused", "1") ? ", paused" : "");
}

/* The sentence is for people already: only its escapes are undone. Printable ASCII, as all that
 * listen shows. */
static void explain_notify(const char *line, struct text *text)
{
	const char *at = strstr(line, " text=");

	if (!at)
		text_add(text, "a notice without a text");
	for (at = at ? at + strlen(" text=") : ""; *at && *at != ' '; at++) {
		unsigned long byte = (unsigned char)*at;

		if (*at == '%' && isxdigit((unsigned char)at[1]) &&
		    isxdigit((unsigned char)at[2])) {
			const char digits[] = {at[1], at[2], '\0'};

			byte = strtoul(digits, NULL, 16);
			at += 2;
		}
		text_add(text, "%c", byte >= ' ' && byte < 0x7f ? (int)byte : '?');
	}
}

static const struct {
	const char *verb;
	void (*explain)(const char *line, struct text *text);
} VERBS[] = {
	{"switch", explain_switch},
	{"cancel", explain_cancel},
	{"state", explain_state},
	{"notify", explain_notify},
};

int listen_explain(const char *line, char *buffer, size_t size)
{
	size_t verb_len = strcspn(line, " ");
	struct text text;

	text_init(&text, buffer, size);
	for (size_t i = 0; i < ARRAY_SIZE(VERBS); i++) {
		if (strlen(VERBS[i].verb) == verb_len &&
		    strncmp(VERBS[i].verb, line, verb_len) == 0) {
			VERBS[i].explain(line, &text);
			return text_finish(&text);
		}
	}
	text_add(&text, "this version does not know what that means");
	return text_finish(&text);
}
