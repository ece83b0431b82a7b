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
	decision = step_down(REASON_PINNED);
	assert_string_equal(notice_of(&decision),
			    "The model large is replaced by the smaller small when the requests "
			    "that are running have ended: somebody has asked for that.");
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
	struct manager_line notice = {.verb = MANAGER_NOTIFY, .seq = UINT64_MAX};
	char *text = notice.text;
	char line[PROTOCOL_LINE_MAX + 1];

	(void)state;
	memset(ladder.tiers[1].name, 'x', EVENT_TIER_NAME_LEN - 1);
	memset(ladder.tiers[2].name, 'y', EVENT_TIER_NAME_LEN - 1);
	memset(decision.culprit.comm, '\n', sizeof(decision.culprit.comm));
	decision.culprit.pid = UINT32_MAX;
	decision.worst.kind = RESOURCE_VRAM;
	for (uint32_t reason = 0; reason < DECISION_REASON_COUNT; reason++) {
		decision.reason = reason;
		assert_true(notice_format(&decision, &ladder, text, sizeof(notice.text)) > 0);
		assert_null(strchr(text, '\n'));
		assert_true(protocol_format_manager_line(&notice, line, sizeof(line)) > 0);
	}
	assert_int_equal(notice_format(&decision, &ladder, text, 20), -EMSGSIZE);
}

/* Whatever a process calls itself, the sentence can be said in a line. */
static void test_any_culprit_can_be_said(void **state)
{
	struct manager_line notice = {.verb = MANAGER_NOTIFY};
	struct decision decision = step_down(REASON_USE_OVER_DEGRADE);
	uint32_t seed = 3;

	(void)state;
	decision.culprit.pid = 1;
	for (int i = 0; i < 20000; i++) {
		struct manager_line parsed;
		char line[PROTOCOL_LINE_MAX + 1];
		char error[128];

		for (size_t j = 0; j < sizeof(decision.culprit.comm); j++) {
			seed = seed * 1664525U + 1013904223U;
			decision.culprit.comm[j] = (char)(seed >> 24);
		}
		assert_true(notice_format(&decision, &LADDER, notice.text, sizeof(notice.text)) >
			    0);
		int len = protocol_format_manager_line(&notice, line, sizeof(line));

		assert_true(len > 0);
		assert_int_equal(protocol_parse_manager_line(line, (size_t)len - 1, &parsed, error,
							     sizeof(error)),
				 0);
		assert_string_equal(parsed.text, notice.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_every_reason_gives_a_sentence),
		cmocka_unit_test(test_only_steps_down_are_told),
		cmocka_unit_test(test_any_names_fit),
		cmocka_unit_test(test_any_culprit_can_be_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
