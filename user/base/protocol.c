/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The FIFO protocol's reading side: lines from control.fifo are checked and parsed. One table of
 * verbs and one of keys drives the parser: a new verb is a line in CONTROL_VERBS, a new key one
 * in CONTROL_KEYS.
 *
 * Input is hostile: nothing of a line is used before the whole line was checked, and nothing of
 * it reaches an error message but escaped.
 */
#include "tierd/protocol.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "base/utf8.h"

enum {
	PID_LIMIT = 4194304, /* PID_MAX_LIMIT, include/linux/threads.h */
	VALUE_MAX = 256,     /* longer than any value that a key takes */
	QUOTE_MAX = 32,      /* of a word in an error message */
};

/*
 * Value parsers: value is decoded, NUL-terminated, not empty, valid UTF-8 without control
 * characters. They return NULL, or what is wrong with it.
 */
static const char *parse_tier(const char *value, void *ret_tier)
{
	if (strlen(value) >= EVENT_TIER_NAME_LEN)
		return "name too long";
	memcpy(ret_tier, value, strlen(value) + 1);
	return NULL;
}

static const char *parse_id(const char *value, void *ret_id)
{
	if (strlen(value) >= EVENT_TASK_ID_LEN)
		return "longer than 63 bytes";
	memcpy(ret_id, value, strlen(value) + 1);
	return NULL;
}

static const char *parse_bool(const char *value, void *ret_is_set)
{
	if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
		return "not one of 0, 1";
	*(bool *)ret_is_set = value[0] == '1';
	return NULL;
}

static const char *parse_pid(const char *value, void *ret_pid)
{
	uint64_t number;

	if (units_parse_u64(value, &number) || number == 0 || number > PID_LIMIT)
		return "not a process id";
	*(uint32_t *)ret_pid = (uint32_t)number;
	return NULL;
}

static const char *parse_u64(const char *value, void *ret_number)
{
	return units_parse_u64(value, ret_number) ? "not a number" : NULL;
}

/* Only checked: there is one version so far. */
static const char *parse_version(const char *value, void *ret_unused)
{
	uint64_t number;

	(void)ret_unused;
	if (units_parse_u64(value, &number) || number == 0)
		return "not a number";
	return number > PROTOCOL_VERSION ? "this agent speaks version 1" : NULL;
}

static const char *parse_ack_state(const char *value, void *ret_state)
{
	static const char *const NAMES[] = {
		[ACK_DRAINING] = "draining",
		[ACK_LOADING] = "loading",
		[ACK_DONE] = "done",
		[ACK_FAILED] = "failed",
	};

	for (uint32_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		if (strcmp(value, NAMES[i]) == 0) {
			*(uint32_t *)ret_state = i;
			return NULL;
		}
	}
	return "not one of draining, loading, done, failed";
}

static const char *parse_format(const char *value, void *ret_is_json)
{
	bool is_json = strcmp(value, "json") == 0;

	if (!is_json && strcmp(value, "text") != 0)
		return "not one of text, json";
	*(bool *)ret_is_json = is_json;
	return NULL;
}

static const char *parse_name(const char *value, void *ret_name)
{
	static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";

	if (strlen(value) >= PROTOCOL_NAME_LEN)
		return "name too long";
	if (value[0] == '.' || value[strspn(value, ALLOWED)] != '\0')
		return "not a plain file name";
	memcpy(ret_name, value, strlen(value) + 1);
	return NULL;
}

enum control_key {
	KEY_TIER,
	KEY_PID,
	KEY_VERSION,
	KEY_SEQ,
	KEY_STATE,
	KEY_NAME,
	KEY_REPLY,
	KEY_FORMAT,
	KEY_ID,
	KEY_MS,
	KEY_OK,
	KEY_TOKENS,
	KEY_TTFT_MS,
	KEY_COUNT,
};

static const struct {
	const char *name;
	const char *(*parse)(const char *value, void *ret_value);
	size_t offset; /* of the value in struct control_line */
} CONTROL_KEYS[KEY_COUNT] = {
	[KEY_TIER] = {"tier", parse_tier, offsetof(struct control_line, command.tier)},
	[KEY_PID] = {"pid", parse_pid, offsetof(struct control_line, command.pid)},
	[KEY_VERSION] = {"version", parse_version, 0},
	[KEY_SEQ] = {"seq", parse_u64, offsetof(struct control_line, command.seq)},
	[KEY_STATE] = {"state", parse_ack_state, offsetof(struct control_line, command.ack_state)},
	[KEY_NAME] = {"name", parse_name, offsetof(struct control_line, name)},
	[KEY_REPLY] = {"reply", parse_name, offsetof(struct control_line, reply)},
	[KEY_FORMAT] = {"format", parse_format, offsetof(struct control_line, is_json)},
	[KEY_ID] = {"id", parse_id, offsetof(struct control_line, command.id)},
	[KEY_MS] = {"ms", parse_u64, offsetof(struct control_line, command.ms)},
	[KEY_OK] = {"ok", parse_bool, offsetof(struct control_line, command.is_ok)},
	[KEY_TOKENS] = {"tokens", parse_u64, offsetof(struct control_line, command.tokens)},
	[KEY_TTFT_MS] = {"ttft_ms", parse_u64, offsetof(struct control_line, command.ttft_ms)},
};

#define BIT(key) (1U << (key))

static const struct control_verb_rule {
	const char *name;
	uint32_t verb;
	uint32_t command; /* enum command_verb, 0 where the engine takes no part */
	uint32_t required;
	uint32_t optional;
} CONTROL_VERBS[] = {
	{"hello", CONTROL_HELLO, COMMAND_HELLO, 0, BIT(KEY_TIER) | BIT(KEY_PID) | BIT(KEY_VERSION)},
	{"ack", CONTROL_ACK, COMMAND_ACK, BIT(KEY_SEQ) | BIT(KEY_STATE), 0},
	{"status", CONTROL_STATUS, 0, BIT(KEY_REPLY), BIT(KEY_FORMAT)},
	{"pause", CONTROL_PAUSE, COMMAND_PAUSE, 0, BIT(KEY_REPLY)},
	{"resume", CONTROL_RESUME, COMMAND_RESUME, 0, BIT(KEY_REPLY)},
	{"reload", CONTROL_RELOAD, 0, 0, BIT(KEY_REPLY)},
	{"record", CONTROL_RECORD, 0, BIT(KEY_NAME), BIT(KEY_REPLY)},
	{"record-stop", CONTROL_RECORD_STOP, 0, 0, BIT(KEY_REPLY)},
	{"task-begin", CONTROL_TASK_BEGIN, COMMAND_TASK_BEGIN, BIT(KEY_ID), BIT(KEY_TIER)},
	{"task-end", CONTROL_TASK_END, COMMAND_TASK_END, BIT(KEY_ID) | BIT(KEY_MS) | BIT(KEY_OK),
	 BIT(KEY_TIER) | BIT(KEY_TOKENS) | BIT(KEY_TTFT_MS)},
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

/* Valid UTF-8, and neither NUL nor another control character (C0, DEL, C1). */
static bool is_clean_text(const char *text, size_t len)
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

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes protocol_escape(). Returns NULL, or what is wrong. */
static const char *decode_value(struct word word, char value[VALUE_MAX])
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
		if (len + 1 >= VALUE_MAX)
			return "value too long";
		value[len++] = byte;
	}
	if (!is_clean_text(value, len))
		return "control character or invalid UTF-8 in the value";
	value[len] = '\0';
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

static const struct control_verb_rule *find_verb(struct word name)
{
	for (size_t i = 0; i < ARRAY_SIZE(CONTROL_VERBS); i++) {
		if (word_is(name, CONTROL_VERBS[i].name))
			return &CONTROL_VERBS[i];
	}
	return NULL;
}

/* The key of that name that the verb takes; KEY_COUNT if it takes none. */
static uint32_t find_key(const struct control_verb_rule *rule, struct word name)
{
	for (uint32_t key = 0; key < KEY_COUNT; key++) {
		if (word_is(name, CONTROL_KEYS[key].name) &&
		    ((rule->required | rule->optional) & BIT(key)))
			return key;
	}
	return KEY_COUNT;
}

/* Parses one key=value word into line and marks it in *seen. Returns NULL, or what is wrong. */
static const char *parse_pair(const struct control_verb_rule *rule, struct word pair,
			      struct control_line *line, uint32_t *seen, const char **ret_key)
{
	const char *equals = memchr(pair.text, '=', pair.len);
	char value[VALUE_MAX] = "";
	const char *problem;
	struct word text;
	uint32_t key;

	*ret_key = "key";
	if (!equals || equals == pair.text)
		return "not of the form key=value";
	key = find_key(rule, (struct word){pair.text, (size_t)(equals - pair.text)});
	if (key == KEY_COUNT)
		return NULL;
	*ret_key = CONTROL_KEYS[key].name;
	if (*seen & BIT(key))
		return "given twice";
	*seen |= BIT(key);
	text = (struct word){equals + 1, pair.len - (size_t)(equals + 1 - pair.text)};
	problem = decode_value(text, value);
	if (problem)
		return problem;
	return CONTROL_KEYS[key].parse(value, (char *)line + CONTROL_KEYS[key].offset);
}

int protocol_parse_control_line(const char *line, size_t len, struct control_line *ret_line,
				char *error, size_t error_size)
{
	struct control_line parsed = {0};
	struct word rest = {line, len};
	const struct control_verb_rule *rule;
	struct word word;
	uint32_t seen = 0;

	if (len >= PROTOCOL_LINE_MAX)
		return fail(error, error_size, "line longer than %d bytes", PROTOCOL_LINE_MAX);
	if (!is_clean_text(line, len))
		return fail(error, error_size, "control character or invalid UTF-8");
	word = next_word(&rest);
	if (word.len == 0)
		return fail(error, error_size, "empty line");
	rule = find_verb(word);
	if (!rule) {
		char quote[QUOTE_MAX];

		protocol_escape(word.text, word.len, quote, sizeof(quote));
		return fail(error, error_size, "unknown verb '%s'", quote);
	}
	parsed.verb = rule->verb;
	parsed.command.verb = rule->command;
	while ((word = next_word(&rest)).len > 0) {
		const char *key;
		const char *problem = parse_pair(rule, word, &parsed, &seen, &key);

		if (problem)
			return fail(error, error_size, "%s: %s: %s", rule->name, key, problem);
	}
	for (uint32_t key = 0; key < KEY_COUNT; key++) {
		if (rule->required & ~seen & BIT(key))
			return fail(error, error_size, "%s: %s: missing", rule->name,
				    CONTROL_KEYS[key].name);
	}
	*ret_line = parsed;
	return 0;
}
