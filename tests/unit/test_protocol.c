/* SPDX-License-Identifier: BSD-2-Clause */
/* The FIFO protocol: every verb and key, and lines that mean harm. */
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
	{"hello", {CONTROL_HELLO, {.verb = COMMAND_HELLO}, false, "", ""}},
	{"hello tier=large pid=4194304 version=1",
	 {CONTROL_HELLO, {.verb = COMMAND_HELLO, .tier = "large", .pid = 4194304}, false, "", ""}},
	{"ack seq=18446744073709551615 state=draining",
	 {CONTROL_ACK,
	  {.verb = COMMAND_ACK, .seq = UINT64_MAX, .ack_state = ACK_DRAINING},
	  false,
	  "",
	  ""}},
	{"ack state=loading seq=7",
	 {CONTROL_ACK, {.verb = COMMAND_ACK, .seq = 7, .ack_state = ACK_LOADING}, false, "", ""}},
	{"ack seq=7 state=done",
	 {CONTROL_ACK, {.verb = COMMAND_ACK, .seq = 7, .ack_state = ACK_DONE}, false, "", ""}},
	{"ack seq=7 state=failed",
	 {CONTROL_ACK, {.verb = COMMAND_ACK, .seq = 7, .ack_state = ACK_FAILED}, false, "", ""}},
	{"status reply=r.1-x_Y", {CONTROL_STATUS, {0}, false, "", "r.1-x_Y"}},
	{"status reply=r format=text", {CONTROL_STATUS, {0}, false, "", "r"}},
	{"status format=json reply=r", {CONTROL_STATUS, {0}, true, "", "r"}},
	{"pause", {CONTROL_PAUSE, {.verb = COMMAND_PAUSE}, false, "", ""}},
	{"pause reply=r", {CONTROL_PAUSE, {.verb = COMMAND_PAUSE}, false, "", "r"}},
	{"resume reply=r", {CONTROL_RESUME, {.verb = COMMAND_RESUME}, false, "", "r"}},
	{"reload", {CONTROL_RELOAD, {0}, false, "", ""}},
	{"reload reply=r", {CONTROL_RELOAD, {0}, false, "", "r"}},
	{"record name=a.B-1_2", {CONTROL_RECORD, {0}, false, "a.B-1_2", ""}},
	{"record reply=r name=t", {CONTROL_RECORD, {0}, false, "t", "r"}},
	{"record-stop", {CONTROL_RECORD_STOP, {0}, false, "", ""}},
	{"record-stop reply=r", {CONTROL_RECORD_STOP, {0}, false, "", "r"}},
	{"task-begin id=a",
	 {CONTROL_TASK_BEGIN, {.verb = COMMAND_TASK_BEGIN, .id = "a"}, false, "", ""}},
	{"task-begin tier=large id=req%20%2f1",
	 {CONTROL_TASK_BEGIN,
	  {.verb = COMMAND_TASK_BEGIN, .id = "req /1", .tier = "large"},
	  false,
	  "",
	  ""}},
	{"task-end id=a ms=0 ok=0",
	 {CONTROL_TASK_END, {.verb = COMMAND_TASK_END, .id = "a"}, false, "", ""}},
	{"task-end id=a ms=1500 ok=1 tier=b tokens=77 ttft_ms=30",
	 {CONTROL_TASK_END,
	  {.verb = COMMAND_TASK_END,
	   .id = "a",
	   .tier = "b",
	   .is_ok = true,
	   .ms = 1500,
	   .tokens = 77,
	   .ttft_ms = 30},
	  false,
	  "",
	  ""}},
	/* Blanks, unknown keys (also twice, also with odd values), keys of other verbs. */
	{"  pause   reply=r  ", {CONTROL_PAUSE, {.verb = COMMAND_PAUSE}, false, "", "r"}},
	{"pause colour=red colour=red x=%zz y= z==",
	 {CONTROL_PAUSE, {.verb = COMMAND_PAUSE}, false, "", ""}},
	{"pause seq=none tier=", {CONTROL_PAUSE, {.verb = COMMAND_PAUSE}, false, "", ""}},
	/* Escapes, upper and lower case, and plain UTF-8. */
	{"hello tier=a%20b%3D%25%c3%A9",
	 {CONTROL_HELLO, {.verb = COMMAND_HELLO, .tier = "a b=%\xc3\xa9"}, false, "", ""}},
	{"hello tier=\xc3\xa9",
	 {CONTROL_HELLO, {.verb = COMMAND_HELLO, .tier = "\xc3\xa9"}, false, "", ""}},
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
		assert_int_equal(line.is_json, GOOD_LINES[i].expected.is_json);
		assert_string_equal(line.name, GOOD_LINES[i].expected.name);
		assert_string_equal(line.reply, GOOD_LINES[i].expected.reply);
	}
}

static const char *const BAD_LINES[] = {
	"",
	" ",
	"Pause",
	"pauses",
	"paus",
	"unpin",
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

static const struct {
	struct manager_line line;
	const char *text;
} MANAGER_LINES[] = {
	{{.verb = MANAGER_SWITCH,
	  .seq = 12,
	  .mode = SWITCH_IMMEDIATE,
	  .is_overlap_allowed = true,
	  .deadline_ms = 1500,
	  .culprit_pid = 42,
	  .culprit_comm = "my prog:1",
	  .from = "large",
	  .to = "small one",
	  .reason = "use_over_degrade"},
	 "switch seq=12 from=large to=small%20one mode=immediate overlap=1 "
	 "deadline_ms=1500 "
	 "reason=use_over_degrade culprit=my%20prog%3A1:42\n"},
	{{.verb = MANAGER_SWITCH, .mode = SWITCH_PLANNED, .from = "a", .to = "off"},
	 "switch seq=0 from=a to=off mode=planned overlap=0 deadline_ms=0 reason=- "
	 "culprit=-\n"},
	{{.verb = MANAGER_CANCEL, .seq = UINT64_MAX}, "cancel seq=18446744073709551615\n"},
	{{.verb = MANAGER_STATE,
	  .seq = 3,
	  .phase = 2,
	  .is_paused = true,
	  .is_actual_known = true,
	  .from = "a",
	  .to = "b"},
	 "state seq=3 wanted=b actual=a phase=loading paused=1\n"},
	{{.verb = MANAGER_STATE, .phase = 3, .from = "a", .to = "b"},
	 "state seq=0 wanted=b actual=? phase=settling paused=0\n"},
};

static void test_manager_lines(void **state)
{

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(MANAGER_LINES); i++) {
		size_t len = strlen(MANAGER_LINES[i].text);
		char buffer[PROTOCOL_LINE_MAX + 1];

		assert_int_equal(protocol_format_manager_line(&MANAGER_LINES[i].line, buffer,
							      sizeof(buffer)),
				 len);
		assert_string_equal(buffer, MANAGER_LINES[i].text);
		assert_int_equal(
			protocol_format_manager_line(&MANAGER_LINES[i].line, buffer, len + 1), len);
		assert_int_equal(protocol_format_manager_line(&MANAGER_LINES[i].line, buffer, len),
				 -EMSGSIZE);
		assert_int_equal(protocol_format_manager_line(&MANAGER_LINES[i].line, buffer, 8),
				 -EMSGSIZE);
	}
}

/* A field of fixed size may lack its NUL; a line of the worst fields still fits. */
static void test_longest_manager_line_fits(void **state)
{
	struct manager_line line = {.verb = MANAGER_SWITCH,
				    .seq = UINT64_MAX,
				    .deadline_ms = UINT64_MAX,
				    .culprit_pid = UINT32_MAX};
	char buffer[PROTOCOL_LINE_MAX];

	(void)state;
	memset(line.culprit_comm, '\xff', sizeof(line.culprit_comm));
	memset(line.from, '\n', sizeof(line.from));
	memset(line.to, '%', sizeof(line.to));
	memset(line.reason, ' ', sizeof(line.reason));
	assert_true(protocol_format_manager_line(&line, buffer, sizeof(buffer)) > 0);
}

static void test_bad_manager_lines_are_refused(void **state)
{
	static const struct manager_line LINES[] = {
		{.verb = 0},
		{.verb = MANAGER_STATE + 1},
		{.verb = MANAGER_SWITCH, .mode = SWITCH_IMMEDIATE + 1},
		{.verb = MANAGER_STATE, .phase = 4},
	};
	char buffer[PROTOCOL_LINE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(LINES); i++)
		assert_int_equal(protocol_format_manager_line(&LINES[i], buffer, sizeof(buffer)),
				 -EINVAL);
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
		cmocka_unit_test(test_manager_lines),
		cmocka_unit_test(test_longest_manager_line_fits),
		cmocka_unit_test(test_bad_manager_lines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
