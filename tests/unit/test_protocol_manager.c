/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of manager.fifo: what they look like, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "tierd/protocol.h"

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
	  .to = "b",
	  .version = 7},
	 "state seq=3 wanted=b actual=a phase=loading paused=1 version=7\n"},
	{{.verb = MANAGER_STATE, .phase = 3, .from = "a", .to = "b"},
	 "state seq=0 wanted=b actual=? phase=settling paused=0\n"},
	{{.verb = MANAGER_NOTIFY, .seq = 12, .text = "50 % = \xc3\xa9."},
	 "notify seq=12 text=50%20%25%20%3D%20%C3%A9.\n"},
	/* What alone means "none" or "not known" is escaped where it is meant as it stands. */
	{{.verb = MANAGER_SWITCH,
	  .from = "-",
	  .to = "?",
	  .reason = "-",
	  .culprit_pid = 1,
	  .culprit_comm = "-"},
	 "switch seq=0 from=- to=? mode=planned overlap=0 deadline_ms=0 reason=%2D "
	 "culprit=%2D:1\n"},
	{{.verb = MANAGER_SWITCH, .from = "a", .to = "b", .culprit_pid = 1},
	 "switch seq=0 from=a to=b mode=planned overlap=0 deadline_ms=0 reason=- "
	 "culprit=-:1\n"},
	{{.verb = MANAGER_STATE, .is_actual_known = true, .from = "?", .to = "-"},
	 "state seq=0 wanted=- actual=%3F phase=steady paused=0\n"},
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
	struct manager_line notice = {.verb = MANAGER_NOTIFY, .seq = UINT64_MAX};
	struct manager_line line = {.verb = MANAGER_SWITCH,
				    .seq = UINT64_MAX,
				    .deadline_ms = UINT64_MAX,
				    .culprit_pid = UINT32_MAX};
	char buffer[PROTOCOL_LINE_MAX];

	(void)state;
	memset(line.culprit_comm, '\xff', sizeof(line.culprit_comm));
	memset(line.from, '=', sizeof(line.from));
	memset(line.to, '%', sizeof(line.to));
	memset(line.reason, ' ', sizeof(line.reason));
	assert_true(protocol_format_manager_line(&line, buffer, sizeof(buffer)) > 0);
	memset(notice.text, '%', sizeof(notice.text));
	assert_true(protocol_format_manager_line(&notice, buffer, sizeof(buffer)) > 0);
}

static void test_bad_manager_lines_are_refused(void **state)
{
	static const struct manager_line LINES[] = {
		{.verb = 0},
		{.verb = MANAGER_NOTIFY + 1},
		{.verb = MANAGER_SWITCH, .mode = SWITCH_IMMEDIATE + 1, .from = "a", .to = "b"},
		{.verb = MANAGER_SWITCH, .from = "a"},
		{.verb = MANAGER_SWITCH, .from = "a", .to = "b\n"},
		{.verb = MANAGER_STATE, .phase = 4, .to = "b"},
		{.verb = MANAGER_NOTIFY},
		{.verb = MANAGER_NOTIFY, .text = "\xff"},
	};
	char buffer[PROTOCOL_LINE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(LINES); i++)
		assert_int_equal(protocol_format_manager_line(&LINES[i], buffer, sizeof(buffer)),
				 -EINVAL);
}

static const char *const BAD_MANAGER_LINES[] = {
	"",
	"pause",
	"switch",
	"switch seq=1 from=a to=b mode=planned overlap=0 deadline_ms=5 reason=calm",
	"switch seq=1 from=a to=b mode=slow overlap=0 deadline_ms=5 reason=calm culprit=-",
	"switch seq=1 from=a to=b mode=planned overlap=2 deadline_ms=5 reason=calm culprit=-",
	"switch seq=1 from=a to=b mode=planned overlap=0 deadline_ms=x reason=calm culprit=-",
	"switch seq=1 from=a to=b mode=planned overlap=0 deadline_ms=5 reason=calm culprit=a",
	"switch seq=1 from=a to=b mode=planned overlap=0 deadline_ms=5 reason=calm culprit=:1",
	"switch seq=1 from=a to=b mode=planned overlap=0 deadline_ms=5 reason=calm culprit=a:",
	"switch seq=1 from=a to=b mode=planned overlap=0 deadline_ms=5 reason=calm culprit=a:0",
	"switch seq=1 from=a to=b mode=planned overlap=0 deadline_ms=5 reason=calm culprit=a%00:1",
	"switch seq=1 from=a%1b to=b mode=planned overlap=0 deadline_ms=5 reason=calm culprit=-",
	"cancel",
	"cancel seq=1 seq=1",
	"notify seq=1",
	"notify seq=1 text=",
	"notify seq=1 text=%0a",
	"state seq=1 wanted=a actual=? phase=gone paused=0",
	"state seq=1 wanted=a actual= phase=steady paused=0",
	"state seq=1 wanted=a actual=? phase=steady paused=0 version=4294967296",
};

/* A name that is longer than any of a process. */
static void test_culprit_of_a_long_name_is_refused(void **state)
{
	static const char LINE[] = "switch seq=1 from=a to=b mode=planned overlap=0 deadline_ms=5 "
				   "reason=- culprit=1234567890123456:1";
	struct manager_line line;
	char error[128];

	(void)state;
	assert_int_equal(
		protocol_parse_manager_line(LINE, sizeof(LINE) - 1, &line, error, sizeof(error)),
		-EINVAL);
	assert_string_equal(error, "switch: culprit: not of the form COMM:PID");
}

static void test_bad_lines_of_an_agent_change_nothing(void **state)
{
	struct manager_line line;
	unsigned char before[sizeof(line)];

	(void)state;
	memset(&line, 0x5a, sizeof(line));
	memcpy(before, &line, sizeof(line));
	for (size_t i = 0; i < ARRAY_SIZE(BAD_MANAGER_LINES); i++) {
		char error[128] = "";

		assert_int_equal(protocol_parse_manager_line(BAD_MANAGER_LINES[i],
							     strlen(BAD_MANAGER_LINES[i]), &line,
							     error, sizeof(error)),
				 -EINVAL);
		assert_true(error[0] != '\0');
		assert_memory_equal(&line, before, sizeof(line));
	}
}

/* What an older agent does not say, and what a newer one says besides. */
static void test_other_versions_of_an_agent(void **state)
{
	static const char OLD[] = "state seq=1 wanted=a actual=b phase=steady paused=0";
	static const char NEW[] = "state seq=1 colour=red wanted=a actual=b phase=steady paused=0 "
				  "version=4294967295 weight=%zz";
	struct manager_line line;
	char error[128];

	(void)state;
	assert_int_equal(
		protocol_parse_manager_line(OLD, sizeof(OLD) - 1, &line, error, sizeof(error)), 0);
	assert_int_equal(line.version, 0);
	assert_int_equal(
		protocol_parse_manager_line(NEW, sizeof(NEW) - 1, &line, error, sizeof(error)), 0);
	assert_int_equal(line.version, UINT32_MAX);
	assert_string_equal(line.to, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manager_lines),
		cmocka_unit_test(test_longest_manager_line_fits),
		cmocka_unit_test(test_bad_manager_lines_are_refused),
		cmocka_unit_test(test_culprit_of_a_long_name_is_refused),
		cmocka_unit_test(test_bad_lines_of_an_agent_change_nothing),
		cmocka_unit_test(test_other_versions_of_an_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
