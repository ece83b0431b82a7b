/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How values of the protocol are read and written. Input is hostile: a value is checked before it
 * is stored, and none of it gets into what is said about it.
 */
#include "base/protocol_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "base/utf8.h"

enum {
	PID_LIMIT = 4194304, /* PID_MAX_LIMIT, include/linux/threads.h */
};

static void *field_of(const struct protocol_key *key, void *line)
{
	return (char *)line + key->offset;
}

static const void *const_field_of(const struct protocol_key *key, const void *line)
{
	return (const char *)line + key->offset;
}

bool protocol_is_clean_text(const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t char_len = utf8_char_len(text + at, len - at);
		unsigned char first = (unsigned char)text[at];
		bool is_c1 = first == 0xc2 && char_len == 2 && (unsigned char)text[at + 1] < 0xa0;

		if (char_len == 0 || first < ' ' || first == 0x7f || is_c1)
			return false;
		at += char_len;
	}
	return true;
}

/* ---- words --------------------------------------------------------------------------------------
 */

static bool is_plain(unsigned char byte)
{
	return byte > ' ' && byte < 0x7f && byte != '%' && byte != '=';
}

/* reserved: one more byte to be escaped, or NUL (which always is). */
static void escape(const char *value, size_t len, char reserved, char *buffer, size_t size)
{
	size_t used = 0;

	for (size_t at = 0; at < len;) {
		size_t char_len = utf8_char_len(value + at, len - at);
		char text[4 * 3 + 1]; /* four bytes as %XX */
		size_t text_len = 0;

		if (char_len == 0)
			char_len = 1;
		for (size_t i = 0; i < char_len; i++) {
			unsigned char byte = (unsigned char)value[at + i];

			if (is_plain(byte) && byte != (unsigned char)reserved)
				text[text_len++] = (char)byte;
			else
				text_len += (size_t)sprintf(text + text_len, "%%%02X", byte);
		}
		if (used + text_len >= size)
			break;
		memcpy(buffer + used, text, text_len);
		used += text_len;
		at += char_len;
	}
	buffer[used] = '\0';
}

void protocol_escape(const char *value, size_t len, char *buffer, size_t size)
{
	escape(value, len, '\0', buffer, size);
}

static void write_word(const char *value, size_t len, char reserved, struct text *out)
{
	char word[3 * PROTOCOL_VALUE_MAX]; /* every byte may become %XX */

	escape(value, len, reserved, word, sizeof(word));
	text_add(out, "%s", word);
}

/* ---- numbers ------------------------------------------------------------------------------------
 */

static uint64_t load_number(const struct protocol_key *key, const void *line)
{
	const void *field = const_field_of(key, line);

	return key->size == sizeof(uint32_t) ? *(const uint32_t *)field : *(const uint64_t *)field;
}

static void store_number(const struct protocol_key *key, void *line, uint64_t number)
{
	void *field = field_of(key, line);

	if (key->size == sizeof(uint32_t))
		*(uint32_t *)field = (uint32_t)number;
	else
		*(uint64_t *)field = number;
}

static int parse_number_in(const struct protocol_key *key, const struct protocol_value *value,
			   void *line, uint64_t min, uint64_t max)
{
	uint64_t number;

	if (units_parse_u64(value->text, &number) < 0 || number < min || number > max)
		return -EINVAL;
	store_number(key, line, number);
	return 0;
}

static int parse_number(const struct protocol_key *key, const struct protocol_value *value,
			void *line, struct text *problem)
{
	uint64_t max = key->size == sizeof(uint32_t) ? UINT32_MAX : UINT64_MAX;
	int r = parse_number_in(key, value, line, 0, max);

	if (r < 0)
		text_add(problem, "not a number");
	return r;
}

static int parse_pid(const struct protocol_key *key, const struct protocol_value *value, void *line,
		     struct text *problem)
{
	int r = parse_number_in(key, value, line, 1, PID_LIMIT);

	if (r < 0)
		text_add(problem, "not a process id");
	return r;
}

static int parse_version(const struct protocol_key *key, const struct protocol_value *value,
			 void *line, struct text *problem)
{
	int r = parse_number_in(key, value, line, 1, PROTOCOL_VERSION);

	if (r < 0)
		text_add(problem, "this agent speaks version %d", PROTOCOL_VERSION);
	return r;
}

static int write_number(const struct protocol_key *key, const void *line, struct text *out)
{
	text_add(out, "%" PRIu64, load_number(key, line));
	return 0;
}

static int write_pid(const struct protocol_key *key, const void *line, struct text *out)
{
	return load_number(key, line) > PID_LIMIT ? -EINVAL : write_number(key, line, out);
}

static int write_version(const struct protocol_key *key, const void *line, struct text *out)
{
	return load_number(key, line) > PROTOCOL_VERSION ? -EINVAL : write_number(key, line, out);
}

static int parse_seconds(const struct protocol_key *key, const struct protocol_value *value,
			 void *line, struct text *problem)
{
	int r = parse_number_in(key, value, line, 1, UINT64_MAX / NS_PER_S);

	if (r < 0)
		text_add(problem, "not a number of seconds, from 1 on");
	else
		store_number(key, line, load_number(key, line) * NS_PER_S);
	return r;
}

static int write_seconds(const struct protocol_key *key, const void *line, struct text *out)
{
	uint64_t seconds = load_number(key, line) / NS_PER_S;

	text_add(out, "%" PRIu64, seconds);
	return seconds == 0 ? -EINVAL : 0;
}

const struct protocol_value_type PROTOCOL_NUMBER = {"N", false, false, parse_number, write_number};
const struct protocol_value_type PROTOCOL_SECONDS = {"N", false, false, parse_seconds,
						     write_seconds};
const struct protocol_value_type PROTOCOL_PID = {"PID", false, false, parse_pid, write_pid};
const struct protocol_value_type PROTOCOL_VERSION_SPOKEN = {"N", false, false, parse_version,
							    write_version};

/* ---- one of a list: the grammar is the list, the field holds the place in it ------------------
 */

/* The length of the choice that list begins with. */
static size_t choice_len(const char *list)
{
	return strcspn(list, "|");
}

/* NULL behind the last. */
static const char *next_choice(const char *list)
{
	size_t len = choice_len(list);

	return list[len] ? list + len + 1 : NULL;
}

static int parse_choice(const struct protocol_key *key, const struct protocol_value *value,
			void *line, struct text *problem)
{
	size_t len = strlen(value->text);
	uint32_t place = 0;

	for (const char *at = key->type->grammar; at; at = next_choice(at), place++) {
		if (choice_len(at) != len || memcmp(at, value->text, len) != 0)
			continue;
		if (key->size == sizeof(bool))
			*(bool *)field_of(key, line) = place != 0;
		else
			*(uint32_t *)field_of(key, line) = place;
		return 0;
	}
	text_add(problem, "not one of %s", key->type->grammar);
	return -EINVAL;
}

static int write_choice(const struct protocol_key *key, const void *line, struct text *out)
{
	const void *field = const_field_of(key, line);
	uint32_t place =
		key->size == sizeof(bool) ? *(const bool *)field : *(const uint32_t *)field;
	const char *at = key->type->grammar;

	for (; at && place > 0; place--)
		at = next_choice(at);
	if (!at)
		return -EINVAL;
	text_add(out, "%.*s", (int)choice_len(at), at);
	return 0;
}

#define CHOICE(list)                                           \
	{                                                      \
		list, false, false, parse_choice, write_choice \
	}

const struct protocol_value_type PROTOCOL_BOOL = CHOICE("0|1");
const struct protocol_value_type PROTOCOL_FORMAT = CHOICE("text|json");
/* In the order of enum ack_state, enum switch_mode, and enum switch_state of the core. */
const struct protocol_value_type PROTOCOL_ACK_STATE = CHOICE("draining|loading|done|failed");
const struct protocol_value_type PROTOCOL_MODE = CHOICE("planned|immediate");
const struct protocol_value_type PROTOCOL_PHASE = CHOICE("steady|draining|loading|settling");

/* ---- text ---------------------------------------------------------------------------------------
 */

static bool is_raw(const struct protocol_value *value, char sign)
{
	return value->raw_len == 1 && value->raw[0] == sign;
}

static int parse_text(const struct protocol_key *key, const struct protocol_value *value,
		      void *line, struct text *problem)
{
	size_t len = strlen(value->text);

	if (len >= key->size) {
		text_add(problem, "longer than %zu bytes", key->size - 1);
		return -EINVAL;
	}
	memcpy(field_of(key, line), value->text, len + 1);
	return 0;
}

/* sign: a value that is just that is escaped, because alone it means something else. */
static int write_text_but(const struct protocol_key *key, const void *line, char sign,
			  struct text *out)
{
	const char *value = const_field_of(key, line);
	size_t len = strnlen(value, key->size - 1);

	if (len == 0 || !protocol_is_clean_text(value, len))
		return -EINVAL;
	if (len == 1)
		write_word(value, len, sign, out);
	else
		write_word(value, len, '\0', out);
	return 0;
}

static int write_text(const struct protocol_key *key, const void *line, struct text *out)
{
	return write_text_but(key, line, '\0', out);
}

static int parse_name(const struct protocol_key *key, const struct protocol_value *value,
		      void *line, struct text *problem)
{
	static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";

	if (value->text[0] == '.' || value->text[strspn(value->text, ALLOWED)] != '\0') {
		text_add(problem, "not a plain file name");
		return -EINVAL;
	}
	return parse_text(key, value, line, problem);
}

static int parse_word_or_dash(const struct protocol_key *key, const struct protocol_value *value,
			      void *line, struct text *problem)
{
	if (!is_raw(value, '-'))
		return parse_text(key, value, line, problem);
	*(char *)field_of(key, line) = '\0';
	return 0;
}

static int write_word_or_dash(const struct protocol_key *key, const void *line, struct text *out)
{
	if (*(const char *)const_field_of(key, line))
		return write_text_but(key, line, '-', out);
	text_add(out, "-");
	return 0;
}

const struct protocol_value_type PROTOCOL_TIER = {"TIER", true, false, parse_text, write_text};
const struct protocol_value_type PROTOCOL_ID = {"ID", true, false, parse_text, write_text};
const struct protocol_value_type PROTOCOL_NAME = {"NAME", true, false, parse_name, write_text};
const struct protocol_value_type PROTOCOL_TEXT = {"TEXT", true, false, parse_text, write_text};
const struct protocol_value_type PROTOCOL_WORD_OR_DASH = {"WORD|-", true, false, parse_word_or_dash,
							  write_word_or_dash};

/* ---- values that fill two fields of a manager's line --------------------------------------------
 */

static int parse_actual(const struct protocol_key *key, const struct protocol_value *value,
			void *line, struct text *problem)
{
	struct manager_line *parsed = line;

	parsed->is_actual_known = !is_raw(value, '?');
	return parsed->is_actual_known ? parse_text(key, value, line, problem) : 0;
}

static int write_actual(const struct protocol_key *key, const void *line, struct text *out)
{
	const struct manager_line *said = line;

	if (said->is_actual_known)
		return write_text_but(key, line, '?', out);
	text_add(out, "?");
	return 0;
}

const struct protocol_value_type PROTOCOL_TIER_OR_UNKNOWN = {"TIER|?", true, false, parse_actual,
							     write_actual};

/* The last `:` stands before the pid: all others were escaped, but that is undone by now. */
static int parse_culprit(const struct protocol_key *key, const struct protocol_value *value,
			 void *line, struct text *problem)
{
	struct manager_line *parsed = line;
	const char *colon = strrchr(value->text, ':');
	bool is_unnamed = value->raw_len > 1 && value->raw[0] == '-' && value->raw[1] == ':';
	uint64_t pid;

	if (is_raw(value, '-')) {
		parsed->culprit_pid = 0;
		return 0;
	}
	if (!colon || colon == value->text || units_parse_u64(colon + 1, &pid) < 0 || pid == 0 ||
	    pid > UINT32_MAX || (size_t)(colon - value->text) >= key->size) {
		text_add(problem, "not of the form COMM:PID");
		return -EINVAL;
	}
	if (!is_unnamed)
		memcpy(parsed->culprit_comm, value->text, (size_t)(colon - value->text));
	parsed->culprit_pid = (uint32_t)pid;
	return 0;
}

static int write_culprit(const struct protocol_key *key, const void *line, struct text *out)
{
	const struct manager_line *said = line;
	size_t len = strnlen(said->culprit_comm, key->size - 1);

	if (said->culprit_pid == 0) {
		text_add(out, "-");
		return 0;
	}
	if (len == 0)
		text_add(out, "-");
	else if (len == 1 && said->culprit_comm[0] == '-')
		text_add(out, "%%2D");
	else
		write_word(said->culprit_comm, len, ':', out);
	text_add(out, ":%" PRIu32, said->culprit_pid);
	return 0;
}

const struct protocol_value_type PROTOCOL_CULPRIT = {"COMM:PID|-", true, true, parse_culprit,
						     write_culprit};
