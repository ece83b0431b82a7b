/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of the FIFO protocol, read and written by the table (protocol_table.c).
 *
 * Input is hostile: nothing of a line is used before the whole line was checked, and nothing of
 * it reaches an error message but escaped.
 */
#include "tierd/protocol.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/protocol_table.h"
#include "base/units.h"

enum {
	QUOTE_MAX = 32,    /* of a word in an error message */
	PROBLEM_MAX = 128, /* what is wrong with a value */
};

/* A part of the line; not NUL-terminated. */
struct word {
	const char *text;
	size_t len;
};

/* Takes the next word off *rest; an empty one at the end of the line. */
static struct word next_word(struct word *rest)
{
	struct word word;

	while (rest->len > 0 && rest->text[0] == ' ') {
		rest->text++;
		rest->len--;
	}
	word = *rest;
	while (rest->len > 0 && rest->text[0] != ' ') {
		rest->text++;
		rest->len--;
	}
	word.len -= rest->len;
	return word;
}

static bool word_is(struct word word, const char *name)
{
	return strlen(name) == word.len && memcmp(word.text, name, word.len) == 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes protocol_escape(). Returns NULL, or what is wrong. */
static const char *decode_value(const struct protocol_value_type *type, struct word word,
				struct protocol_value *value)
{
	size_t len = 0;

	if (word.len == 0)
		return "empty value";
	for (size_t at = 0; at < word.len; at++) {
		char byte = word.text[at];

		if (byte == '=')
			return "= in a value is written %3D";
		if (byte == '%') {
			int high = at + 2 < word.len ? hex_digit(word.text[at + 1]) : -1;
			int low = at + 2 < word.len ? hex_digit(word.text[at + 2]) : -1;

			if (high < 0 || low < 0)
				return "% without two hexadecimal digits";
			byte = (char)(high << 4 | low);
			at += 2;
		}
		if (len + 1 >= sizeof(value->text))
			return "value too long";
		value->text[len++] = byte;
	}
	if (type->may_be_binary ? memchr(value->text, '\0', len) != NULL
				: !protocol_is_clean_text(value->text, len))
		return "control character or invalid UTF-8 in the value";
	value->text[len] = '\0';
	value->raw = word.text;
	value->raw_len = word.len;
	return NULL;
}

__attribute__((format(printf, 3, 4))) static int fail(char *error, size_t error_size,
						      const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, error_size, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static const struct protocol_verb *find_name(const struct protocol_grammar *grammar,
					     struct word name)
{
	for (size_t i = 0; i < grammar->count; i++) {
		if (word_is(name, grammar->verbs[i].name))
			return &grammar->verbs[i];
	}
	return NULL;
}

/* Takes one key=value word into line and marks the key in *seen. */
static int parse_pair(const struct protocol_verb *verb, struct word pair, void *line,
		      uint32_t *seen, struct text *problem)
{
	const char *equals = memchr(pair.text, '=', pair.len);
	struct word name = {pair.text, equals ? (size_t)(equals - pair.text) : 0};
	struct protocol_value value;
	const struct protocol_key *key = verb->keys;

	if (name.len == 0) {
		text_add(problem, "key: not of the form key=value");
		return -EINVAL;
	}
	while (key->name && !word_is(name, key->name))
		key++;
	if (!key->name)
		return 0;
	uint32_t bit = 1U << (key - verb->keys);
	struct word text = {equals + 1, pair.len - name.len - 1};
	const char *wrong = *seen & bit ? "given twice" : decode_value(key->type, text, &value);

	*seen |= bit;
	text_add(problem, "%s: %s", key->name, wrong ? wrong : "");
	return wrong ? -EINVAL : key->type->parse(key, &value, line, problem);
}

static int parse_pairs(const struct protocol_verb *verb, struct word rest, void *line, char *error,
		       size_t error_size)
{
	struct word word;
	uint32_t seen = 0;

	while ((word = next_word(&rest)).len > 0) {
		char buffer[PROBLEM_MAX];
		struct text problem;

		text_init(&problem, buffer, sizeof(buffer));
		if (parse_pair(verb, word, line, &seen, &problem) < 0)
			return fail(error, error_size, "%s: %s", verb->name, buffer);
	}
	for (uint32_t i = 0; verb->keys[i].name; i++) {
		if (verb->keys[i].is_required && !(seen & 1U << i))
			return fail(error, error_size, "%s: %s: missing", verb->name,
				    verb->keys[i].name);
	}
	return 0;
}

/* Returns the verb of a line that is good, and its values in *parsed; or NULL. */
static const struct protocol_verb *parse_line(const struct protocol_grammar *grammar,
					      const char *line, size_t len, void *parsed,
					      char *error, size_t error_size)
{
	struct word rest = {line, len};
	const struct protocol_verb *verb = NULL;
	char quote[QUOTE_MAX];

	if (len >= PROTOCOL_LINE_MAX) {
		fail(error, error_size, "line longer than %d bytes", PROTOCOL_LINE_MAX);
		return NULL;
	}
	if (!protocol_is_clean_text(line, len)) {
		fail(error, error_size, "control character or invalid UTF-8");
		return NULL;
	}
	struct word word = next_word(&rest);

	verb = find_name(grammar, word);
	if (verb)
		return parse_pairs(verb, rest, parsed, error, error_size) < 0 ? NULL : verb;
	protocol_escape(word.text, word.len, quote, sizeof(quote));
	if (word.len == 0)
		fail(error, error_size, "empty line");
	else
		fail(error, error_size, "unknown verb '%s'", quote);
	return NULL;
}

int protocol_parse_control_line(const char *line, size_t len, struct control_line *ret_line,
				char *error, size_t error_size)
{
	struct control_line parsed = {0};
	const struct protocol_verb *verb =
		parse_line(&PROTOCOL_CONTROL, line, len, &parsed, error, error_size);

	if (!verb)
		return -EINVAL;
	parsed.verb = verb->verb;
	parsed.command.verb = verb->command;
	*ret_line = parsed;
	return 0;
}

int protocol_parse_manager_line(const char *line, size_t len, struct manager_line *ret_line,
				char *error, size_t error_size)
{
	struct manager_line parsed = {0};
	const struct protocol_verb *verb =
		parse_line(&PROTOCOL_MANAGER, line, len, &parsed, error, error_size);

	if (!verb)
		return -EINVAL;
	parsed.verb = verb->verb;
	*ret_line = parsed;
	return 0;
}

/* ---- writing ------------------------------------------------------------------------------------
 */

static bool is_set(const struct protocol_key *key, const void *line)
{
	const char *field = (const char *)line + key->offset;
	size_t size = key->type->is_text ? 1 : key->size;

	for (size_t i = 0; i < size; i++) {
		if (field[i])
			return true;
	}
	return false;
}

static int format_line(const struct protocol_grammar *grammar, uint32_t verb_id, const void *line,
		       char *buffer, size_t size)
{
	const struct protocol_verb *verb = protocol_find_verb(grammar, verb_id);
	struct text out;

	if (!verb)
		return -EINVAL;
	text_init(&out, buffer, units_min(size, PROTOCOL_LINE_MAX + 1));
	text_add(&out, "%s", verb->name);
	for (const struct protocol_key *key = verb->keys; key->name; key++) {
		if (!key->is_required && !is_set(key, line))
			continue;
		text_add(&out, " %s=", key->name);
		if (key->type->write(key, line, &out) < 0)
			return -EINVAL;
	}
	text_add(&out, "\n");
	return text_finish(&out);
}

int protocol_format_manager_line(const struct manager_line *line, char *buffer, size_t size)
{
	return format_line(&PROTOCOL_MANAGER, line->verb, line, buffer, size);
}

int protocol_format_control_line(const struct control_line *line, char *buffer, size_t size)
{
	return format_line(&PROTOCOL_CONTROL, line->verb, line, buffer, size);
}
