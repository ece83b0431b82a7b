/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Properties that hold for every row of the protocol's table, whatever is in the fields: what is
 * written is read back the same, in any order of keys; and what is missing or said twice is
 * refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/protocol_table.h"
#include "base/units.h"

enum {
	ROUNDS = 2000, /* per verb */
	WORDS_MAX = PROTOCOL_KEYS_MAX + 2,
};

static uint64_t seed = 88172645463325252;

static uint64_t next_number(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t below(uint64_t limit)
{
	return next_number() % limit;
}

/* Either direction. */
union line {
	struct control_line control;
	struct manager_line manager;
};

static const struct side {
	const struct protocol_grammar *grammar;
	bool is_control;
} SIDES[] = {{&PROTOCOL_CONTROL, true}, {&PROTOCOL_MANAGER, false}};

static int format(const struct side *side, const union line *line, char *text, size_t size)
{
	return side->is_control ? protocol_format_control_line(&line->control, text, size)
				: protocol_format_manager_line(&line->manager, text, size);
}

static int parse(const struct side *side, const char *text, size_t len, union line *line)
{
	char error[256] = "";
	int r = side->is_control ? protocol_parse_control_line(text, len, &line->control, error,
							       sizeof(error))
				 : protocol_parse_manager_line(text, len, &line->manager, error,
							       sizeof(error));

	assert_int_equal(r == 0, error[0] == '\0');
	return r;
}

static void set_verb(const struct side *side, union line *line, uint32_t verb)
{
	memset(line, 0, sizeof(*line));
	if (side->is_control)
		line->control.verb = verb;
	else
		line->manager.verb = verb;
}

/* ---- values of every type that mean harm ---- */

static void put_number(const struct protocol_key *key, char *field, uint64_t number)
{
	if (key->size == sizeof(uint32_t))
		*(uint32_t *)(void *)field = (uint32_t)number;
	else
		*(uint64_t *)(void *)field = number;
}

static void put_any_number(const struct protocol_key *key, char *field)
{
	static const uint64_t EDGES[] = {0, 1, 9, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX};

	put_number(key, field,
		   below(2) ? EDGES[below(ARRAY_SIZE(EDGES))] : next_number() >> below(64));
}

static void put_place(const struct protocol_key *key, char *field)
{
	uint32_t places = 1;

	for (const char *at = key->type->grammar; *at; at++)
		places += *at == '|';
	if (key->size == sizeof(bool))
		*(bool *)field = below(2);
	else
		*(uint32_t *)(void *)field = (uint32_t)below(places);
}

/* Characters that mean something in the grammar, and some of two to four bytes. */
static void put_text(char *field, size_t size)
{
	static const char *const CHARACTERS[] = {" ",
						 "=",
						 "%",
						 "-",
						 "?",
						 ":",
						 "a",
						 "Z",
						 "0",
						 ".",
						 "/",
						 "\\",
						 "'",
						 "%",
						 "25",
						 "|",
						 "_",
						 "~",
						 "`",
						 "#",
						 "<",
						 ">",
						 "\"",
						 "\xc3\xa9",
						 "\xe2\x82\xac",
						 "\xf0\x9f\xa6\x8a"};
	size_t wanted = below(4) ? below(size) : below(3);
	size_t len = 0;

	do {
		const char *next = CHARACTERS[below(ARRAY_SIZE(CHARACTERS))];

		if (len + strlen(next) >= size)
			break;
		memcpy(field + len, next, strlen(next));
		len += strlen(next);
	} while (len < wanted);
	field[len] = '\0';
}

static void put_name(char *field, size_t size)
{
	static const char ALLOWED[] = "azAZ09._-";
	size_t len = 1 + below(size - 1);

	for (size_t i = 0; i < len; i++)
		field[i] = ALLOWED[below(sizeof(ALLOWED) - 1)];
	if (field[0] == '.')
		field[0] = '-';
	field[len] = '\0';
}

static void put_culprit(struct manager_line *line)
{
	size_t len = below(sizeof(line->culprit_comm));

	line->culprit_pid = below(8) ? 1 + (uint32_t)below(UINT32_MAX) : 0;
	if (line->culprit_pid == 0)
		return;
	if (below(2)) {
		put_text(line->culprit_comm, sizeof(line->culprit_comm));
		return;
	}
	for (size_t i = 0; i < len; i++)
		line->culprit_comm[i] = (char)(1 + below(255));
}

static void put_value(const struct protocol_key *key, union line *line)
{
	const struct protocol_value_type *type = key->type;
	char *field = (char *)line + key->offset;

	if (type == &PROTOCOL_NUMBER)
		put_any_number(key, field);
	else if (type == &PROTOCOL_SECONDS)
		put_number(key, field, below(UINT64_MAX / NS_PER_S + 1) * NS_PER_S);
	else if (type == &PROTOCOL_PID)
		put_number(key, field, below(4194305));
	else if (type == &PROTOCOL_VERSION_SPOKEN)
		put_number(key, field, below(PROTOCOL_VERSION + 1));
	else if (!type->is_text && strchr(type->grammar, '|'))
		put_place(key, field);
	else if (type == &PROTOCOL_NAME)
		put_name(field, key->size);
	else if (type == &PROTOCOL_CULPRIT)
		put_culprit(&line->manager);
	else if (type->is_text)
		put_text(field, key->size);
	else
		fail_msg("%s: this test has no values of the type %s", key->name, type->grammar);
	/* What says "not known" or "none" in a word of its own. */
	if (type == &PROTOCOL_TIER_OR_UNKNOWN)
		line->manager.is_actual_known = below(4);
	if ((type == &PROTOCOL_TIER_OR_UNKNOWN && !line->manager.is_actual_known) ||
	    (type == &PROTOCOL_WORD_OR_DASH && below(4) == 0))
		field[0] = '\0';
	if (!key->is_required && below(3) == 0)
		memset(field, 0, key->size);
}

static void put_values(const struct side *side, const struct protocol_verb *verb, union line *line)
{
	set_verb(side, line, verb->verb);
	for (const struct protocol_key *key = verb->keys; key->name; key++)
		put_value(key, line);
}

/* ---- what holds ---- */

static void assert_same(const struct side *side, const struct protocol_verb *verb,
			const union line *a, const union line *b)
{
	for (const struct protocol_key *key = verb->keys; key->name; key++) {
		const char *left = (const char *)a + key->offset;
		const char *right = (const char *)b + key->offset;
		bool is_same = key->type->is_text ? strcmp(left, right) == 0
						  : memcmp(left, right, key->size) == 0;

		if (!is_same)
			fail_msg("%s %s is not what it was", verb->name, key->name);
	}
	if (side->is_control) {
		assert_int_equal(b->control.verb, verb->verb);
		assert_int_equal(b->control.command.verb, verb->command);
		return;
	}
	assert_int_equal(b->manager.verb, verb->verb);
	assert_int_equal(a->manager.is_actual_known, b->manager.is_actual_known);
	assert_int_equal(a->manager.culprit_pid, b->manager.culprit_pid);
}

/* Splits text in place; returns the number of words, of which the first is the verb. */
static size_t split(char *text, char *words[WORDS_MAX])
{
	size_t count = 0;
	char *rest = NULL;

	for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
		assert_true(count < WORDS_MAX);
		words[count++] = word;
	}
	return count;
}

static size_t join(char *const words[], size_t count, const char *more, char *text, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, size - len, "%s%s", i ? " " : "", words[i]);
	len += (size_t)snprintf(text + len, size - len, "%s", more);
	assert_true(len < size);
	return len;
}

static void check_round_trip(const struct side *side, const struct protocol_verb *verb)
{
	union line line, parsed, again;
	char text[PROTOCOL_LINE_MAX + 1], shuffled[PROTOCOL_LINE_MAX + 64];
	char *words[WORDS_MAX];

	put_values(side, verb, &line);
	int len = format(side, &line, text, sizeof(text));

	assert_true(len > 0 && len <= PROTOCOL_LINE_MAX);
	assert_int_equal(strlen(text), len);
	assert_ptr_equal(strchr(text, '\n'), text + len - 1);
	for (int i = 0; i < len - 1; i++)
		assert_in_range((unsigned char)text[i], ' ', '~');
	assert_int_equal(parse(side, text, (size_t)len - 1, &parsed), 0);
	assert_same(side, verb, &line, &parsed);

	size_t count = split(text, words);
	for (size_t i = count - 1; i > 1; i--) {
		size_t other = 1 + below(i);
		char *word = words[i];

		words[i] = words[other];
		words[other] = word;
	}
	size_t shuffled_len =
		join(words, count, "  unknown=%zz unknown= ", shuffled, sizeof(shuffled));
	assert_int_equal(parse(side, shuffled, shuffled_len, &again), 0);
	assert_same(side, verb, &line, &again);
}

static void test_every_verb_makes_the_round_trip(void **state)
{
	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(SIDES); s++) {
		for (size_t v = 0; v < SIDES[s].grammar->count; v++) {
			for (int i = 0; i < ROUNDS; i++)
				check_round_trip(&SIDES[s], &SIDES[s].grammar->verbs[v]);
		}
	}
}

/* The verb alone, each required key left out, each key said twice. */
static void check_missing_and_twice(const struct side *side, const struct protocol_verb *verb)
{
	union line line, parsed;
	char text[PROTOCOL_LINE_MAX + 1], other[2 * PROTOCOL_LINE_MAX];
	char *words[WORDS_MAX];

	do
		put_values(side, verb, &line);
	while (format(side, &line, text, sizeof(text)) <= 0);
	size_t count = split(text, words);
	for (size_t i = 1; i < count; i++) {
		char *word = words[i];
		const struct protocol_key *key = verb->keys;
		size_t name_len = strcspn(word, "=");
		char twice[PROTOCOL_LINE_MAX];

		while (strlen(key->name) != name_len || strncmp(key->name, word, name_len) != 0)
			key++;
		words[i] = "";
		size_t len = join(words, count, "", other, sizeof(other));

		assert_int_equal(parse(side, other, len, &parsed), key->is_required ? -EINVAL : 0);
		words[i] = word;
		(void)snprintf(twice, sizeof(twice), " %s", word);
		len = join(words, count, twice, other, sizeof(other));
		assert_int_equal(parse(side, other, len, &parsed), -EINVAL);
	}
}

static void test_missing_and_repeated_keys_are_refused(void **state)
{
	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(SIDES); s++) {
		for (size_t v = 0; v < SIDES[s].grammar->count; v++)
			check_missing_and_twice(&SIDES[s], &SIDES[s].grammar->verbs[v]);
	}
}

/* A line with bytes changed is refused, or means something that makes the round trip itself. */
static void check_damaged(const struct side *side, const struct protocol_verb *verb)
{
	union line line, parsed, again;
	char text[PROTOCOL_LINE_MAX + 1], second[PROTOCOL_LINE_MAX + 1];

	put_values(side, verb, &line);
	size_t len = (size_t)format(side, &line, text, sizeof(text)) - 1;

	for (uint64_t i = 1 + below(3); i > 0; i--) {
		text[below(len)] = (char)next_number();
		text[below(len)] = " =%-?:0"[below(7)];
	}
	len = below(4) ? len : below(len);
	memset(&parsed, 0, sizeof(parsed));
	if (parse(side, text, len, &parsed) < 0)
		return;
	int second_len = format(side, &parsed, second, sizeof(second));

	assert_true(second_len > 0);
	assert_int_equal(parse(side, second, (size_t)second_len - 1, &again), 0);
	assert_same(side, verb, &parsed, &again);
}

static void test_damaged_lines(void **state)
{
	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(SIDES); s++) {
		for (size_t v = 0; v < SIDES[s].grammar->count; v++) {
			for (int i = 0; i < ROUNDS; i++)
				check_damaged(&SIDES[s], &SIDES[s].grammar->verbs[v]);
		}
	}
}

/* What the parser would refuse is not written: control characters, and no UTF-8. */
static void test_what_no_line_can_say_is_not_written(void **state)
{
	static const char *const BAD[] = {"a\n", "\x1b[2J", "\x7f", "\xc2\x85", "\xff", "a\xc3"};

	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(SIDES); s++) {
		for (size_t v = 0; v < SIDES[s].grammar->count; v++) {
			const struct protocol_verb *verb = &SIDES[s].grammar->verbs[v];

			for (const struct protocol_key *key = verb->keys; key->name; key++) {
				const char *bad = BAD[below(ARRAY_SIZE(BAD))];
				char text[PROTOCOL_LINE_MAX + 1];
				union line line;

				put_values(&SIDES[s], verb, &line);
				if (!key->type->is_text || key->type->may_be_binary)
					continue;
				if (!SIDES[s].is_control)
					line.manager.is_actual_known = true;
				memcpy((char *)&line + key->offset, bad, strlen(bad) + 1);
				assert_int_equal(format(&SIDES[s], &line, text, sizeof(text)),
						 -EINVAL);
			}
		}
	}
}

/* No verb and no key of a verb twice, and room for the mark of each. */
static void test_the_table_is_sound(void **state)
{
	(void)state;
	for (size_t s = 0; s < ARRAY_SIZE(SIDES); s++) {
		const struct protocol_grammar *grammar = SIDES[s].grammar;

		for (size_t v = 0; v < grammar->count; v++) {
			const struct protocol_key *keys = grammar->verbs[v].keys;
			size_t count = 0;

			while (keys[count].name)
				count++;
			assert_true(count < PROTOCOL_KEYS_MAX);
			for (size_t i = 0; i < count; i++) {
				for (size_t j = 0; j < i; j++)
					assert_string_not_equal(keys[i].name, keys[j].name);
			}
			for (size_t w = 0; w < v; w++) {
				assert_string_not_equal(grammar->verbs[v].name,
							grammar->verbs[w].name);
				assert_int_not_equal(grammar->verbs[v].verb,
						     grammar->verbs[w].verb);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_verb_makes_the_round_trip),
		cmocka_unit_test(test_missing_and_repeated_keys_are_refused),
		cmocka_unit_test(test_damaged_lines),
		cmocka_unit_test(test_what_no_line_can_say_is_not_written),
		cmocka_unit_test(test_the_table_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
