/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said of a pin: in decisions, in status, and where one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "app/format.h"
#include "base/units.h"

enum {
	TEXT_LEN = 64 * 1024,
};

static const struct ladder LADDER = {
	.count = 3, .tiers = {{.name = "off"}, {.name = "small"}, {.name = "large"}}};
static const struct status_agent AGENT = {.run_dir = "/run/x"};

static struct engine_status *status;
static char text[TEXT_LEN];

static int set_up(void **state)
{
	(void)state;
	status = calloc(1, sizeof(*status));
	assert_non_null(status);
	status->is_started = true;
	status->wanted_tier = 2;
	status->actual_tier = 1;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(status);
	return 0;
}

static const char *status_text(void)
{
	assert_true(format_status_text(status, &AGENT, &LADDER, text, sizeof(text)) > 0);
	return text;
}

/* The member `pin` of a line; the caller drops it. */
static json_t *pin_of(const char *line)
{
	json_t *root = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	json_t *pin = json_incref(json_object_get(root, "pin"));

	assert_non_null(root);
	json_decref(root);
	return pin;
}

static json_t *status_pin(void)
{
	assert_true(format_status_json(status, &AGENT, &LADDER, text, sizeof(text)) > 0);
	return pin_of(text);
}

static void test_nothing_is_pinned(void **state)
{
	json_t *pin = status_pin();

	(void)state;
	assert_true(json_is_null(pin));
	json_decref(pin);
	assert_null(strstr(status_text(), "pin "));
	assert_true(format_decision_json(&status->last, &LADDER, text, sizeof(text)) > 0);
	assert_null(strstr(text, "\"pin\""));
}

static void test_status_tells_all_of_it(void **state)
{
	struct decision_pin *pin = &status->last.pin;
	json_t *json;
	const char *tier, *reason;
	json_int_t left_ns;
	int is_overridden, is_waiting;

	(void)state;
	*pin = (struct decision_pin){.is_set = true, .tier = 2, .left_ns = UINT64_MAX};
	assert_non_null(strstr(status_text(), "\npin         large, until unpin\n"));
	json = status_pin();
	assert_true(json_is_null(json_object_get(json, "left_ns")));
	json_decref(json);
	pin->left_ns = 90 * NS_PER_S + 1;
	pin->is_waiting = true;
	assert_non_null(strstr(status_text(), "\npin         large, 90s left, waiting\n"));
	pin->is_waiting = false;
	pin->is_overridden = true;
	pin->reason = REASON_OOM_HOST;
	assert_non_null(strstr(status_text(),
			       "\npin         large, 90s left, OVERRIDDEN (oom-host): back after "
			       "calm\n"));
	json = status_pin();
	assert_int_equal(json_unpack(json, "{s:s, s:b, s:b, s:s, s:I}", "tier", &tier, "overridden",
				     &is_overridden, "waiting", &is_waiting, "reason", &reason,
				     "left_ns", &left_ns),
			 0);
	assert_string_equal(tier, "large");
	assert_string_equal(reason, "oom-host");
	assert_true(is_overridden && !is_waiting);
	assert_int_equal(left_ns, 90 * NS_PER_S + 1);
	json_decref(json);
}

static void test_decisions_name_it(void **state)
{
	struct decision decision = {
		.action = DECISION_HOLD,
		.reason = REASON_PINNED,
		.from = 2,
		.to = 1,
		.pin = {.is_set = true, .tier = 2, .left_ns = 5},
	};
	json_t *json;

	(void)state;
	assert_true(format_decision_text(&decision, &LADDER, text, sizeof(text)) > 0);
	assert_string_equal(text, "hold large, not small: pinned; pin large");
	decision.pin.is_overridden = true;
	assert_true(format_decision_text(&decision, &LADDER, text, sizeof(text)) > 0);
	assert_string_equal(text, "hold large, not small: pinned; pin large overridden");
	assert_true(format_decision_json(&decision, &LADDER, text, sizeof(text)) > 0);
	json = pin_of(text);
	assert_int_equal(json_integer_value(json_object_get(json, "left_ns")), 5);
	json_decref(json);
}

static void test_refusals_are_explained(void **state)
{
	struct refusal refusal = {
		.reason = REASON_PIN_DOES_NOT_FIT,
		.kind = RESOURCE_VRAM,
		.index = 1,
		.need_bytes = 6 * GIB,
		.have_bytes = 4 * GIB,
	};

	(void)state;
	assert_true(format_refusal(&refusal, "large", &LADDER, 1, text, sizeof(text)) > 0);
	assert_string_equal(text,
			    "tier large does not fit now: vram 1: needs 6.0 GiB, has 4.0 GiB");
	refusal.reason = REASON_MIN_TIER;
	assert_true(format_refusal(&refusal, "off", &LADDER, 1, text, sizeof(text)) > 0);
	assert_string_equal(text, "tier off is below min_tier small");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_pinned),
		TEST(test_status_tells_all_of_it),
		TEST(test_decisions_name_it),
		TEST(test_refusals_are_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
