/* SPDX-License-Identifier: BSD-2-Clause */
/* The sentence that people are told of a step down, and its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "app/notice.h"
#include "core/names.h"

static const struct ladder LADDER = {
	.count = 3, .tiers = {{.name = "off"}, {.name = "small"}, {.name = "large"}}};

static struct decision step_down(uint32_t reason)
{
	return (struct decision){
		.action = DECISION_SWITCH,
		.reason = reason,
		.mode = SWITCH_PLANNED,
		.from = 2,
		.to = 1,
		.victim = {.pid = 7, .comm = "editor"},
		.culprit = {.pid = 42, .comm = "build"},
	};
}

static const char *notice_of(const struct decision *decision)
{
	static char text[PROTOCOL_NOTICE_LEN];
	int length = notice_format(decision, &LADDER, text, sizeof(text));

	assert_int_equal(length, strlen(text));
	return text;
}

static void test_sentences(void **state)
{
	struct decision decision = step_down(REASON_USE_OVER_DEGRADE);

	(void)state;
	decision.mode = SWITCH_IMMEDIATE;
	assert_string_equal(notice_of(&decision),
			    "The model large is replaced by the smaller small now: memory is "
			    "nearly full (mostly because of build, process 42).");
	decision.to = TIER_OFF;
	decision.worst.kind = RESOURCE_VRAM;
	decision.culprit.pid = 0;
	assert_string_equal(notice_of(&decision), "The model large is unloaded now: memory of the "
						  "GPU is nearly full.");
	decision = step_down(REASON_TIER_FAILING);
	assert_string_equal(notice_of(&decision),
			    "The model large is replaced by the smaller small when the requests "
			    "that are running have ended: too many of its requests fail.");
	decision = step_down(REASON_OOM_HOST);
	decision.mode = SWITCH_IMMEDIATE;
	assert_string_equal(notice_of(&decision),
			    "The model large is replaced by the smaller small now: a process was "
			    "killed for want of memory (editor, process 7).");
}

/* Every reason gives a sentence, also one that has no words of its own. */
static void test_every_reason_gives_a_sentence(void **state)
{
	(void)state;
	for (uint32_t reason = 0; reason < DECISION_REASON_COUNT; reason++) {
		struct decision decision = step_down(reason);
		const char *text = notice_of(&decision);

		assert_non_null(strstr(text, "large"));
		assert_null(strchr(text, '%'));
		assert_int_equal(text[strlen(text) - 1], '.');
	}
}

static void test_only_steps_down_are_told(void **state)
{
	struct decision decision = step_down(REASON_CALM);

	(void)state;
	decision.from = 1;
	decision.to = 2;
	assert_string_equal(notice_of(&decision), "");
	decision = step_down(REASON_PAUSED);
	for (uint32_t action = 0; action < DECISION_ACTION_COUNT; action++) {
		decision.action = action;
		assert_int_equal(notice_of(&decision)[0] != '\0', action == DECISION_SWITCH);
	}
}

/* The longest names there are, and names that mean harm, fit and are harmless. */
static void test_any_names_fit(void **state)
{
	struct ladder ladder = LADDER;
	struct decision decision = step_down(REASON_USE_OVER_DEGRADE);
	char text[PROTOCOL_NOTICE_LEN];
	char line[PROTOCOL_LINE_MAX];

	(void)state;
	memset(ladder.tiers[1].name, 'x', EVENT_TIER_NAME_LEN - 1);
	memset(ladder.tiers[2].name, 'y', EVENT_TIER_NAME_LEN - 1);
	memset(decision.culprit.comm, '\n', sizeof(decision.culprit.comm));
	decision.culprit.pid = UINT32_MAX;
	decision.worst.kind = RESOURCE_VRAM;
	for (uint32_t reason = 0; reason < DECISION_REASON_COUNT; reason++) {
		decision.reason = reason;
		assert_true(notice_format(&decision, &ladder, text, sizeof(text)) > 0);
		assert_null(strchr(text, '\n'));
		assert_true(protocol_format_notice(UINT64_MAX, text, line, sizeof(line)) > 0);
	}
	assert_int_equal(notice_format(&decision, &ladder, text, 20), -EMSGSIZE);
}

static void test_the_line_is_escaped(void **state)
{
	char line[PROTOCOL_LINE_MAX];

	(void)state;
	assert_int_equal(protocol_format_notice(12, "50 % = \xc3\xa9.\n", line, sizeof(line)),
			 strlen("notify seq=12 text=50%20%25%20%3D%20%C3%A9.%0A\n"));
	assert_string_equal(line, "notify seq=12 text=50%20%25%20%3D%20%C3%A9.%0A\n");
	assert_int_equal(protocol_format_notice(12, "", line, sizeof(line)), 21);
	assert_string_equal(line, "notify seq=12 text=-\n");
	assert_int_equal(protocol_format_notice(12, "text", line, 10), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_every_reason_gives_a_sentence),
		cmocka_unit_test(test_only_steps_down_are_told),
		cmocka_unit_test(test_any_names_fit),
		cmocka_unit_test(test_the_line_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
