/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The manual page says what the protocol's table says: the grammar of every verb, and every verb
 * and key with a paragraph of its own, none missing and none more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/protocol_table.h"
#include "base/text.h"
#include "base/units.h"

#define PAGE "user/client/tierd-protocol.7"
#define EXAMPLE "user/client/example-manager.sh"

enum {
	PAGE_LEN = 64 * 1024,
	LINE_LEN = 512,
};

static const struct {
	const char *name;
	const struct protocol_grammar *grammar;
} SIDES[] = {{"manager", &PROTOCOL_MANAGER}, {"control", &PROTOCOL_CONTROL}};

static void read_file(const char *path, char text[PAGE_LEN])
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	assert_non_null(file);
	size_t len = fread(text, 1, PAGE_LEN, file);

	assert_in_range(len, 1, PAGE_LEN - 1);
	text[len] = '\0';
}

/* What the macros for characters stand for. */
static void undo_roff(char *text)
{
	static const struct {
		const char *macro;
		char byte;
	} MACROS[] = {{"\\-", '-'}, {"\\e", '\\'}, {"\\(aq", '\''}, {"\\&", '\0'}};
	char *to = text;

	while (*text) {
		size_t i = 0;

		while (i < ARRAY_SIZE(MACROS) &&
		       strncmp(text, MACROS[i].macro, strlen(MACROS[i].macro)) != 0)
			i++;
		if (i == ARRAY_SIZE(MACROS)) {
			*to++ = *text++;
			continue;
		}
		text += strlen(MACROS[i].macro);
		if (MACROS[i].byte)
			*to++ = MACROS[i].byte;
	}
	*to = '\0';
}

/* The literal block behind the comment; a line that begins with a blank goes on with the last one,
 * if is_joined. */
static void read_block(const char *page, const char *comment, bool is_joined, char text[PAGE_LEN])
{
	static const char BEGIN[] = ".Bd -literal\n";
	const char *begin = strstr(page, comment);
	char *to = text;

	assert_non_null(begin);
	begin = strstr(begin, BEGIN);
	assert_non_null(begin);
	begin += sizeof(BEGIN) - 1;
	const char *end = strstr(begin, "\n.Ed\n");

	assert_non_null(end);
	while (begin <= end) {
		bool is_more = is_joined && begin[0] == '\n' && begin[1] == ' ';

		*to++ = (char)(is_more ? ' ' : begin[0]);
		begin += is_more ? 1 + strspn(begin + 1, " ") : 1;
	}
	*to = '\0';
	undo_roff(text);
}

static void add_verb(const struct protocol_verb *verb, struct text *text)
{
	text_add(text, "%s", verb->name);
	for (const struct protocol_key *key = verb->keys; key->name; key++)
		text_add(text, key->is_required ? " %s=%s" : " [%s=%s]", key->name,
			 key->type->grammar);
	text_add(text, "\n");
}

static void test_grammar_is_the_tables(void **state)
{
	static char page[PAGE_LEN], said[PAGE_LEN], expected[PAGE_LEN];

	(void)state;
	read_file(PAGE, page);
	for (size_t s = 0; s < ARRAY_SIZE(SIDES); s++) {
		char comment[64];
		struct text text;

		text_init(&text, expected, sizeof(expected));
		for (size_t v = 0; v < SIDES[s].grammar->count; v++)
			add_verb(&SIDES[s].grammar->verbs[v], &text);
		assert_true(text_finish(&text) > 0);
		(void)snprintf(comment, sizeof(comment), "\n.\\\" grammar %s\n", SIDES[s].name);
		read_block(page, comment, true, said);
		assert_string_equal(said, expected);
	}
}

/* The items of the lists behind a grammar, one a line: `Ic VERB` or `Va KEY`. */
static void read_items(const char *page, const char *comment, struct text *text)
{
	const char *at = strstr(page, comment);
	const char *end;

	assert_non_null(at);
	end = strstr(at, "\n.Sh ");
	assert_non_null(end);
	while ((at = strstr(at, "\n.It ")) && at < end) {
		char line[LINE_LEN];

		at += strlen("\n.It ");
		(void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
		undo_roff(line);
		text_add(text, "%s\n", line);
	}
}

static void test_every_verb_and_key_is_explained(void **state)
{
	static char page[PAGE_LEN], said[PAGE_LEN], expected[PAGE_LEN];

	(void)state;
	read_file(PAGE, page);
	for (size_t s = 0; s < ARRAY_SIZE(SIDES); s++) {
		char comment[64];
		struct text text;

		text_init(&text, expected, sizeof(expected));
		for (size_t v = 0; v < SIDES[s].grammar->count; v++) {
			const struct protocol_verb *verb = &SIDES[s].grammar->verbs[v];

			text_add(&text, "Ic %s\n", verb->name);
			for (const struct protocol_key *key = verb->keys; key->name; key++)
				text_add(&text, "Va %s\n", key->name);
		}
		assert_true(text_finish(&text) > 0);
		text_init(&text, said, sizeof(said));
		(void)snprintf(comment, sizeof(comment), "\n.\\\" grammar %s\n", SIDES[s].name);
		read_items(page, comment, &text);
		assert_true(text_finish(&text) > 0);
		assert_string_equal(said, expected);
	}
}

static void test_example_is_the_one_that_is_tested(void **state)
{
	static char page[PAGE_LEN], said[PAGE_LEN], example[PAGE_LEN];

	(void)state;
	read_file(PAGE, page);
	read_file(EXAMPLE, example);
	read_block(page, "\n.\\\" example\n", false, said);
	assert_string_equal(said, example);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grammar_is_the_tables),
		cmocka_unit_test(test_every_verb_and_key_is_explained),
		cmocka_unit_test(test_example_is_the_one_that_is_tested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
