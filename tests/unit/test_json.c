/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON and text writers and UTF-8: hostile strings, every size of buffer, and jansson's word.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/json.h"
#include "base/text.h"
#include "base/units.h"
#include "base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"

static void write_document(struct json *json)
{
	json_begin_object(json, NULL);
	json_add_string(json, "text",
			"a\"b\\c\n\t\r\b\f\x01\x7f"
			"d\xff\xc3\xa9");
	json_add_u64(json, "u", UINT64_MAX);
	json_add_i64(json, "i", INT64_MIN);
	json_add_bool(json, "yes", true);
	json_add_null(json, "nothing");
	json_begin_array(json, "list");
	json_add_u64(json, NULL, 1);
	json_begin_object(json, NULL);
	json_end_object(json);
	json_begin_array(json, NULL);
	json_end_array(json);
	json_add_string(json, NULL, "");
	json_end_array(json);
	json_add_bool(json, "no", false);
	json_end_object(json);
}

static void test_document_is_exact(void **state)
{
	static const char EXPECTED[] =
		"{\"text\":\"a\\\"b\\\\c\\n\\t\\r\\b\\f\\u0001\\u007fd\\ufffd\xc3\xa9\","
		"\"u\":18446744073709551615,\"i\":-9223372036854775808,\"yes\":true,"
		"\"nothing\":null,\"list\":[1,{},[],\"\"],\"no\":false}\n";
	char buffer[512];
	struct json json;

	(void)state;
	json_init(&json, buffer, sizeof(buffer));
	write_document(&json);
	assert_int_equal(json_finish(&json), strlen(EXPECTED));
	assert_string_equal(buffer, EXPECTED);
}

static void test_too_small_a_buffer_is_never_torn(void **state)
{
	char whole[512];
	struct json json;

	(void)state;
	json_init(&json, whole, sizeof(whole));
	write_document(&json);
	size_t len = (size_t)json_finish(&json);
	for (size_t size = 1; size <= len + 2; size++) {
		char *buffer = malloc(size); /* exactly that size, for the sanitizer */

		assert_non_null(buffer);
		json_init(&json, buffer, size);
		write_document(&json);
		int r = json_finish(&json);
		if (size <= len) {
			assert_int_equal(r, -EMSGSIZE);
			assert_string_equal(buffer, "");
		} else {
			assert_int_equal(r, len);
			assert_string_equal(buffer, whole);
		}
		free(buffer);
	}
}

/* What a process may call itself, and what comes out. */
static void test_hostile_strings_parse(void **state)
{
	static const struct {
		const char *in;
		const char *out;
	} EXAMPLES[] = {
		{"plain", "plain"},
		{"\"},{\"pid\":1", "\"},{\"pid\":1"},
		{"a\nb", "a\nb"},
		{"\\", "\\"},
		{"\xff", REPLACEMENT},
		{"\xc3", REPLACEMENT},                                 /* cut off */
		{"\xc0\xaf", REPLACEMENT REPLACEMENT},                 /* overlong */
		{"\xed\xa0\x80", REPLACEMENT REPLACEMENT REPLACEMENT}, /* surrogate */
		{"\xf4\x90\x80\x80", REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT},
		{"\xe0\x9f\xbf", REPLACEMENT REPLACEMENT REPLACEMENT},
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
		{"\x1b[31m", "\x1b[31m"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(EXAMPLES); i++) {
		char buffer[256];
		struct json json;

		json_init(&json, buffer, sizeof(buffer));
		json_begin_object(&json, NULL);
		json_add_string(&json, "s", EXAMPLES[i].in);
		json_end_object(&json);
		assert_true(json_finish(&json) > 0);
		/* One line: nothing in it may end it early. */
		assert_ptr_equal(strchr(buffer, '\n'), buffer + strlen(buffer) - 1);
		json_t *root = json_loads(buffer, 0, NULL);
		assert_non_null(root);
		assert_string_equal(json_string_value(json_object_get(root, "s")), EXAMPLES[i].out);
		json_decref(root);
	}
}

static void test_every_byte_pair_parses(void **state)
{
	(void)state;
	for (unsigned int pair = 0; pair < 65536; pair++) {
		const char comm[2] = {(char)(pair >> 8), (char)pair};
		char buffer[64];
		struct json json;

		json_init(&json, buffer, sizeof(buffer));
		json_begin_array(&json, NULL);
		json_add_field(&json, NULL, comm, sizeof(comm)); /* not terminated */
		json_end_array(&json);
		int len = json_finish(&json);
		json_t *root = json_loadb(buffer, (size_t)len, 0, NULL);
		assert_non_null(root);
		json_decref(root);
	}
}

static void test_printable_copy_is_harmless(void **state)
{
	static const struct {
		const char *in;
		const char *out;
	} EXAMPLES[] = {
		{"ok", "ok"},
		{"caf\xc3\xa9", "caf\xc3\xa9"},
		{"\x1b[2J", "\\x1b[2J"},
		{"a\nb", "a\\x0ab"},
		{"\xff", "\\xff"},
		{"\xc2\x9b"
		 "1m",
		 "\\xc2\\x9b1m"}, /* C1: CSI */
		{"0123456789abcdef", "0123456789abcdef"},
		{"0123456789abcdefghijk", "0123456789abcdef..."},
		{"0123456789abcdefghi", "0123456789abcdefghi"},
		{"\xff\xff\xff\xff\xff\xff", "\\xff\\xff\\xff\\xff..."},
	};
	char buffer[20];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(EXAMPLES); i++)
		assert_string_equal(utf8_copy_printable(EXAMPLES[i].in, strlen(EXAMPLES[i].in),
							buffer, sizeof(buffer)),
				    EXAMPLES[i].out);
}

static void test_printable_copy_fits_any_size(void **state)
{
	static const char TEXT[] = "\xf0\x9f\x98\x80\x01z\xff\xc3\xa9\xc3\xa9";

	(void)state;
	for (size_t size = 8; size < 40; size++) {
		char *buffer = malloc(size);

		assert_non_null(buffer);
		utf8_copy_printable(TEXT, sizeof(TEXT) - 1, buffer, size);
		assert_true(strlen(buffer) < size);
		free(buffer);
	}
}

static void test_scrub_keeps_text(void **state)
{
	char text[] = "a\nb\tc\x1b[m\xff\xc2\x9b\xc3\xa9";

	(void)state;
	utf8_scrub(text, sizeof(text) - 1);
	assert_string_equal(text, "a\nb\tc?[m???\xc3\xa9");
}

static void test_text_is_never_torn(void **state)
{
	char buffer[16];
	struct text text;

	(void)state;
	text_init(&text, buffer, sizeof(buffer));
	text_add(&text, "%d-%s", 12, "abc");
	text_add(&text, "%s", "123456789");
	assert_int_equal(text_finish(&text), 15);
	assert_string_equal(buffer, "12-abc123456789");
	text_init(&text, buffer, sizeof(buffer));
	text_add(&text, "%s", "0123456789abcdef");
	text_add(&text, "%s", "x");
	assert_int_equal(text_finish(&text), -EMSGSIZE);
	assert_string_equal(buffer, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document_is_exact),
		cmocka_unit_test(test_too_small_a_buffer_is_never_torn),
		cmocka_unit_test(test_hostile_strings_parse),
		cmocka_unit_test(test_every_byte_pair_parses),
		cmocka_unit_test(test_printable_copy_is_harmless),
		cmocka_unit_test(test_printable_copy_fits_any_size),
		cmocka_unit_test(test_scrub_keeps_text),
		cmocka_unit_test(test_text_is_never_torn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
