/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of control.fifo: every verb and key, and lines that mean harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "tierd/protocol.h"

static int parse(const char *line, struct control_line *ret_line)
{
	char error[128] = "";
	int err = protocol_parse_control_line(line, strlen(line), ret_line, error, sizeof(error));

	assert_int_equal(err == 0, error[0] == '\0');
	return err;
}

static const struct {
	const char *line;
	struct control_line expected;
} GOOD_LINES[] = {
	{"hello", {.verb = CONTROL_HELLO, .command = {.verb = COMMAND_HELLO}}},
	{"hello tier=large pid=4194304 version=1",
	 {.verb = CONTROL_HELLO,
	  .command = {.verb = COMMAND_HELLO, .tier = "large", .pid = 4194304},
	  .version = 1}},
	{"ack seq=18446744073709551615 state=draining",
	 {.verb = CONTROL_ACK,
	  .command = {.verb = COMMAND_ACK, .seq = UINT64_MAX, .ack_state = ACK_DRAINING}}},
	{"ack state=loading seq=7",
	 {.verb = CONTROL_ACK,
	  .command = {.verb = COMMAND_ACK, .seq = 7, .ack_state = ACK_LOADING}}},
	{"ack seq=7 state=done",
	 {.verb = CONTROL_ACK, .command = {.verb = COMMAND_ACK, .seq = 7, .ack_state = ACK_DONE}}},
	{"ack seq=7 state=failed",
	 {.verb = CONTROL_ACK,
	  .command = {.verb = COMMAND_ACK, .seq = 7, .ack_state = ACK_FAILED}}},
	{"status reply=r.1-x_Y", {.verb = CONTROL_STATUS, .reply = "r.1-x_Y"}},
	{"status reply=r format=text", {.verb = CONTROL_STATUS, .reply = "r"}},
	{"status format=json reply=r", {.verb = CONTROL_STATUS, .is_json = true, .reply = "r"}},
	{"status cost=1 reply=r", {.verb = CONTROL_STATUS, .is_cost_asked = true, .reply = "r"}},
	{"status reply=r cost=0", {.verb = CONTROL_STATUS, .reply = "r"}},
	{"pause", {.verb = CONTROL_PAUSE, .command = {.verb = COMMAND_PAUSE}}},
	{"pause reply=r",
	 {.verb = CONTROL_PAUSE, .command = {.verb = COMMAND_PAUSE}, .reply = "r"}},
	{"resume reply=r",
	 {.verb = CONTROL_RESUME, .command = {.verb = COMMAND_RESUME}, .reply = "r"}},
	{"reload", {.verb = CONTROL_RELOAD}},
	{"reload reply=r", {.verb = CONTROL_RELOAD, .reply = "r"}},
	{"record name=a.B-1_2", {.verb = CONTROL_RECORD, .name = "a.B-1_2"}},
	{"record reply=r name=t", {.verb = CONTROL_RECORD, .name = "t", .reply = "r"}},
	{"record-stop", {.verb = CONTROL_RECORD_STOP}},
	{"record-stop reply=r", {.verb = CONTROL_RECORD_STOP, .reply = "r"}},
	{"task-begin id=a",
	 {.verb = CONTROL_TASK_BEGIN, .command = {.verb = COMMAND_TASK_BEGIN, .id = "a"}}},
	{"task-begin tier=large id=req%20%2f1",
	 {.verb = CONTROL_TASK_BEGIN,
	  .command = {.verb = COMMAND_TASK_BEGIN, .id = "req /1", .tier = "large"}}},
	{"task-end id=a ms=0 ok=0",
	 {.verb = CONTROL_TASK_END, .command = {.verb = COMMAND_TASK_END, .id = "a"}}},
	{"task-end id=a ms=1500 ok=1 tier=b tokens=77 ttft_ms=30",
	 {.verb = CONTROL_TASK_END,
	  .command = {.verb = COMMAND_TASK_END,
		      .id = "a",
		      .tier = "b",
		      .is_ok = true,
		      .ms = 1500,
		      .tokens = 77,
		      .ttft_ms = 30}}},
	{"pin tier=a", {.verb = CONTROL_PIN, .command = {.verb = COMMAND_PIN, .tier = "a"}}},
	{"pin tier=a for_s=18446744073 reply=r",
	 {.verb = CONTROL_PIN,
	  .command = {.verb = COMMAND_PIN, .tier = "a", .for_ns = UINT64_C(18446744073) * NS_PER_S},
	  .reply = "r"}},
	{"watch format=json reply=r", {.verb = CONTROL_WATCH, .is_json = true, .reply = "r"}},
	{"unpin reply=r",
	 {.verb = CONTROL_UNPIN, .command = {.verb = COMMAND_UNPIN}, .reply = "r"}},
	/* Blanks, unknown keys (also twice, also with odd values), keys of other verbs. */
	{"  pause   reply=r  ",
	 {.verb = CONTROL_PAUSE, .command = {.verb = COMMAND_PAUSE}, .reply = "r"}},
	{"pause colour=red colour=red x=%zz y= z==",
	 {.verb = CONTROL_PAUSE, .command = {.verb = COMMAND_PAUSE}}},
	{"pause seq=none tier=", {.verb = CONTROL_PAUSE, .command = {.verb = COMMAND_PAUSE}}},
	/* Escapes, upper and lower case, and plain UTF-8. */
	{"hello tier=a%20b%3D%25%c3%A9",
	 {.verb = CONTROL_HELLO, .command = {.verb = COMMAND_HELLO, .tier = "a b=%\xc3\xa9"}}},
	{"hello tier=\xc3\xa9",
	 {.verb = CONTROL_HELLO, .command = {.verb = COMMAND_HELLO, .tier = "\xc3\xa9"}}},
};

static void test_every_verb_is_parsed(void **state)
{

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(GOOD_LINES); i++) {
		struct control_line line;

		memset(&line, 0xff, sizeof(line));
		assert_int_equal(parse(GOOD_LINES[i].line, &line), 0);
		assert_int_equal(line.verb, GOOD_LINES[i].expected.verb);
		assert_int_equal(line.command.verb, GOOD_LINES[i].expected.command.verb);
		assert_int_equal(line.command.ack_state, GOOD_LINES[i].expected.command.ack_state);
		assert_true(line.command.seq == GOOD_LINES[i].expected.command.seq);
		assert_int_equal(line.command.pid, GOOD_LINES[i].expected.command.pid);
		assert_string_equal(line.command.tier, GOOD_LINES[i].expected.command.tier);
		assert_string_equal(line.command.id, GOOD_LINES[i].expected.command.id);
		assert_int_equal(line.command.is_ok, GOOD_LINES[i].expected.command.is_ok);
		assert_int_equal(line.command.ms, GOOD_LINES[i].expected.command.ms);
		assert_int_equal(line.command.tokens, GOOD_LINES[i].expected.command.tokens);
		assert_int_equal(line.command.ttft_ms, GOOD_LINES[i].expected.command.ttft_ms);
		assert_true(line.command.for_ns == GOOD_LINES[i].expected.command.for_ns);
		assert_int_equal(line.is_json, GOOD_LINES[i].expected.is_json);
		assert_int_equal(line.is_cost_asked, GOOD_LINES[i].expected.is_cost_asked);
		assert_string_equal(line.name, GOOD_LINES[i].expected.name);
		assert_string_equal(line.reply, GOOD_LINES[i].expected.reply);
		assert_int_equal(line.version, GOOD_LINES[i].expected.version);
	}
}

static const char *const BAD_LINES[] = {
	"",
	" ",
	"Pause",
	"pauses",
	"paus",
	"unpinned",
	"watch",
	"pin",
	"pin for_s=5",
	"pin tier=a for_s=0",
	"pin tier=a for_s=5s",
	"pin tier=a for_s=18446744074",
	"hello tier",
	"hello =x",
	"hello tier=",
	"hello tier=a=b",
	"hello tier=a%",
	"hello tier=a%4",
	"hello tier=a%4g",
	"hello tier=a%00",
	"hello tier=a%0a",
	"hello tier=a%ff",
	"hello tier=a%c2%85",
	"hello tier=12345678901234567890123456789012",
	"hello pid=0",
	"hello pid=-1",
	"hello pid=+1",
	"hello pid=4194305",
	"hello pid=99999999999999999999999",
	"hello pid=1x",
	"hello pid=0x1",
	"hello version=0",
	"hello version=2",
	"hello tier=a tier=b",
	"hello tier=a tier=a",
	"ack",
	"ack seq=1",
	"ack state=done",
	"ack seq=18446744073709551616 state=done",
	"ack seq= state=done",
	"ack seq=1 state=Done",
	"ack seq=1 state=done seq=1",
	"status",
	"status format=json",
	"status reply=r format=xml",
	"status reply=r cost=yes",
	"status reply=../r",
	"status reply=.r",
	"status reply=a/b",
	"status reply=a%2Fb",
	"status reply=a%20b",
	"status reply=\xc3\xa9",
	"status reply=1234567890123456789012345678901234567890123456789012345678901234",
	"record",
	"record reply=r",
	"record name=",
	"record name=../t",
	"record name=/etc/passwd",
	"record name=a%2Fb",
	"record name=.hidden",
	"record name=a%20b",
	"record name=1234567890123456789012345678901234567890123456789012345678901234",
	"record path=/tmp/t",
	"task-begin",
	"task-begin tier=a",
	"task-begin id=",
	"task-begin id=1234567890123456789012345678901234567890123456789012345678901234",
	"task-end id=a ms=1",
	"task-end id=a ok=1",
	"task-end ms=1 ok=1",
	"task-end id=a ms=-1 ok=1",
	"task-end id=a ms=1.5 ok=1",
	"task-end id=a ms=1 ok=2",
	"task-end id=a ms=1 ok=yes",
	"task-end id=a ms=1 ok=01",
	"task-end id=a ms=1 ok=1 tokens=x",
	"task-end id=a ms=1 ok=1 ttft_ms=18446744073709551616",
	"pause\treply=r",
	"pause reply=r\r",
	"pause \x1b[2J",
	"pause \x7f",
	"pause \xc2\x85",
	"pause x=\xff",
	"pause x=\xc0\x80",
	"pause x=\xed\xa0\x80",
};

static void test_bad_lines_change_nothing(void **state)
{
	struct control_line line;
	struct control_line before;

	(void)state;
	memset(&line, 0x5a, sizeof(line));
	before = line;
	for (size_t i = 0; i < ARRAY_SIZE(BAD_LINES); i++) {
		assert_int_equal(parse(BAD_LINES[i], &line), -EINVAL);
		assert_memory_equal(&line, &before, sizeof(line));
	}
}

static void test_nul_and_length_are_checked(void **state)
{
	static const char NUL[] = "pause\0reply=r";
	char text[PROTOCOL_LINE_MAX + 16] = "pause x=";
	struct control_line line;
	char error[128];

	(void)state;
	assert_int_equal(
		protocol_parse_control_line(NUL, sizeof(NUL) - 1, &line, error, sizeof(error)),
		-EINVAL);
	memset(text + strlen(text), 'a', sizeof(text) - strlen(text));
	assert_int_equal(protocol_parse_control_line(text, PROTOCOL_LINE_MAX - 1, &line, error,
						     sizeof(error)),
			 0);
	assert_int_equal(
		protocol_parse_control_line(text, PROTOCOL_LINE_MAX, &line, error, sizeof(error)),
		-EINVAL);
	/* A value that is longer than any key takes. */
	(void)snprintf(text, sizeof(text), "hello tier=%02000d", 1);
	assert_int_equal(protocol_parse_control_line(text, 2000, &line, error, sizeof(error)),
			 -EINVAL);
}

/* Bytes of a small generator, biased towards what means something in the grammar. */
static unsigned char next_byte(uint32_t *seed)
{
	static const char MEANINGFUL[] = " =%0aFfsack pause hello reply tier\n\x00\xc3\xa9\xff";

	*seed = *seed * 1664525U + 1013904223U;
	if (*seed >> 31)
		return (unsigned char)MEANINGFUL[(*seed >> 16) % sizeof(MEANINGFUL)];
	return (unsigned char)(*seed >> 16);
}

static void test_errors_never_contain_raw_bytes(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char text[64];
		char error[96] = "";
		struct control_line line;
		size_t len = next_byte(&seed) % sizeof(text);

		for (size_t j = 0; j < len; j++)
			text[j] = (char)next_byte(&seed);
		if (protocol_parse_control_line(text, len, &line, error, sizeof(error)) == 0)
			continue;
		assert_true(error[0] != '\0');
		for (size_t j = 0; error[j]; j++)
			assert_true(isprint((unsigned char)error[j]));
	}
}

static void test_error_says_verb_and_key(void **state)
{
	static const struct {
		const char *line;
		const char *error;
	} CASES[] = {
		{"ack seq=x state=done", "ack: seq: not a number"},
		{"ack seq=1", "ack: state: missing"},
		{"ack seq=1 seq=1", "ack: seq: given twice"},
		{"ack seq", "ack: key: not of the form key=value"},
		{"ack seq=1 state=ok", "ack: state: not one of draining|loading|done|failed"},
		{"hello tier=12345678901234567890123456789012",
		 "hello: tier: longer than 31 bytes"},
		{"hello version=2", "hello: version: this agent speaks version 1"},
		{"no\xc3\xa9 x", "unknown verb 'no%C3%A9'"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		struct control_line line;
		char error[128];

		assert_int_equal(protocol_parse_control_line(CASES[i].line, strlen(CASES[i].line),
							     &line, error, sizeof(error)),
				 -EINVAL);
		assert_string_equal(error, CASES[i].error);
	}
}

static void test_escape(void **state)
{
	static const struct {
		const char *value;
		size_t size;
		const char *word;
	} CASES[] = {
		{"plain-1.5_x", 64, "plain-1.5_x"},
		{"a b=c%d", 64, "a%20b%3Dc%25d"},
		{"\n\x1b\x7f", 64, "%0A%1B%7F"},
		{"\xc3\xa9", 64, "%C3%A9"},
		{"\xff(x)", 64, "%FF(x)"},
		{"abc", 4, "abc"},
		{"abcd", 4, "abc"},
		{"a b", 4, "a"},       /* the escape does not fit */
		{"a\xc3\xa9", 7, "a"}, /* nor half a character */
		{"a\xc3\xa9", 8, "a%C3%A9"},
		{"", 1, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		char word[64];

		protocol_escape(CASES[i].value, strlen(CASES[i].value), word, CASES[i].size);
		assert_string_equal(word, CASES[i].word);
	}
}

static void test_escape_round_trip(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		char value[8];
		char word[64];
		char text[128];
		struct control_line line;

		for (size_t j = 0; j + 1 < sizeof(value); j++)
			value[j] = (char)(' ' + next_byte(&seed) % ('~' - ' ' + 1));
		value[sizeof(value) - 1] = '\0';
		protocol_escape(value, strlen(value), word, sizeof(word));
		(void)snprintf(text, sizeof(text), "hello tier=%s", word);
		assert_int_equal(parse(text, &line), 0);
		assert_string_equal(line.command.tier, value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_verb_is_parsed),
		cmocka_unit_test(test_bad_lines_change_nothing),
		cmocka_unit_test(test_nul_and_length_are_checked),
		cmocka_unit_test(test_errors_never_contain_raw_bytes),
		cmocka_unit_test(test_error_says_verb_and_key),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_escape_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
