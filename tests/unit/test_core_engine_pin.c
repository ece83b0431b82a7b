/* SPDX-License-Identifier: BSD-2-Clause */
/* A tier that a person asks for: what it does, and what goes before it. */
#include "test_core_pin_fixture.h"

/* ---- asking ------------------------------------------------------------------------------------
 */

static void test_step_down_drains_and_stays(void **state)
{
	(void)state;
	start("large");
	pin("small");
	assert_non_null(rig_find(rig, 0, DECISION_STATE, REASON_PINNED));
	assert_int_equal(switches(REASON_PINNED), 1);
	assert_string_equal(last_switch()->to, "small");
	assert_string_equal(last_switch()->reason, "pinned");
	assert_int_equal(last_switch()->mode, SWITCH_PLANNED);
	assert_int_equal(rig_status(rig)->switch_state, SWITCH_DRAINING);
	assert_false(pinned()->is_waiting);
	carry_out();
	rig_run(rig, SECONDS(2000), NULL); /* calm for long */
	assert_string_equal(rig_wanted(rig), "small");
	assert_int_equal(switches(REASON_NONE), 1);
	assert_true(holds(REASON_PINNED) == 1); /* it would have stepped up; said once */
	assert_true(pinned()->is_set);
	assert_false(pinned()->is_overridden);
	assert_int_equal(pinned()->left_ns, UINT64_MAX);
}

static void test_step_up_waits_for_no_calm(void **state)
{
	(void)state;
	start("small");
	rig->others_bytes = 45 * GB; /* 85 % with large: more than the policy would take */
	rig_run(rig, SECONDS(2), NULL);
	pin("large");
	assert_int_equal(rig->out.refusal.reason, REASON_NONE);
	assert_string_equal(last_switch()->to, "large");
	assert_int_equal(last_switch()->mode, SWITCH_PLANNED);
	rig_run(rig, SECONDS(20), NULL); /* not called off for being over upgrade_below */
	carry_out();
	rig_run(rig, SECONDS(600), NULL);
	assert_string_equal(rig_actual(rig), "large");
	assert_int_equal(switches(REASON_NONE), 1);
	assert_int_equal(holds(REASON_PINNED), 1);
}

static void test_what_does_not_fit_is_refused(void **state)
{
	(void)state;
	start("small");
	rig->others_bytes = 52 * GB;
	rig_run(rig, SECONDS(2), NULL);
	pin("medium");
	rig_run(rig, SECONDS(1), NULL);
	assert_string_equal(rig_wanted(rig), "medium");
	pin("large");
	assert_int_equal(rig->out.refusal.reason, REASON_PIN_DOES_NOT_FIT);
	assert_int_equal(rig->out.refusal.kind, RESOURCE_HOST_MEMORY);
	assert_int_equal(rig->out.refusal.need_bytes, 40 * GB);
	assert_int_equal(rig->out.refusal.have_bytes, 38 * GB);
	assert_non_null(rig_find(rig, 0, DECISION_HOLD, REASON_PIN_DOES_NOT_FIT));
	/* The one before stays. */
	assert_true(pinned()->is_set);
	assert_string_equal(config.ladder.tiers[pinned()->tier].name, "medium");
	rig_tick(rig);
	assert_int_equal(rig->out.refusal.reason, REASON_NONE);
}

static void test_exactly_at_the_limit_does_not_fit(void **state)
{
	(void)state;
	start("small");
	rig->others_bytes = 50 * GB;
	rig_run(rig, SECONDS(2), NULL);
	pin("large");
	assert_int_equal(rig->out.refusal.reason, REASON_PIN_DOES_NOT_FIT);
	rig->others_bytes -= GB / 10;
	rig_run(rig, SECONDS(2), NULL);
	pin("large");
	assert_int_equal(rig->out.refusal.reason, REASON_NONE);
}

static void test_unknown_and_forbidden_tiers(void **state)
{
	(void)state;
	config.min_tier = 1;
	start("small");
	pin("huge");
	assert_false(pinned()->is_set);
	pin("off");
	assert_int_equal(rig->out.refusal.reason, REASON_MIN_TIER);
	assert_false(pinned()->is_set);
	assert_int_equal(switches(REASON_NONE), 0);
}

static void test_off_is_a_tier(void **state)
{
	(void)state;
	start("large");
	pin("off");
	carry_out();
	rig_run(rig, SECONDS(2000), NULL);
	assert_string_equal(rig_actual(rig), "off");
	assert_int_equal(switches(REASON_NONE), 1);
}

static void test_second_pin_replaces_the_first(void **state)
{
	(void)state;
	start("large");
	pin("medium");
	assert_int_equal(rig_status(rig)->switch_state, SWITCH_DRAINING);
	pin_for("small", SECONDS(500));
	assert_non_null(rig_find(rig, 0, DECISION_CANCEL, REASON_PINNED));
	rig_run(rig, SECONDS(2), NULL);
	assert_string_equal(last_switch()->to, "small");
	/* A change of mind is no failure: nothing is waited for longer. */
	assert_int_equal(rig_status(rig)->last.stabilization_ns, config.stabilization_ns);
	carry_out();
	pin("large");
	assert_int_equal(pinned()->left_ns, UINT64_MAX);
	rig_run(rig, SECONDS(600), NULL);
	carry_out();
	assert_string_equal(rig_actual(rig), "large");
	pin("small"); /* down from a step up that is still on trial */
	carry_out();
	assert_int_equal(rig_status(rig)->last.stabilization_ns, config.stabilization_ns);
}

static void test_step_up_that_makes_way_has_not_failed(void **state)
{
	(void)state;
	start("small");
	pin("large");
	pin("tiny");
	assert_non_null(rig_find(rig, 0, DECISION_CANCEL, REASON_PINNED));
	assert_int_equal(rig_status(rig)->last.stabilization_ns, config.stabilization_ns);
	rig_run(rig, SECONDS(2), NULL);
	assert_string_equal(last_switch()->to, "tiny");
}

static void test_pin_of_what_serves_calls_off_a_step_away(void **state)
{
	(void)state;
	start("large");
	rig->others_bytes = 45 * GB; /* 85 % */
	rig_run(rig, SECONDS(2), NULL);
	assert_int_equal(switches(REASON_USE_OVER_UPGRADE), 1);
	pin("large");
	assert_non_null(rig_find(rig, 0, DECISION_CANCEL, REASON_PINNED));
	rig_run(rig, SECONDS(100), NULL);
	assert_string_equal(rig_wanted(rig), "large");
	assert_int_equal(switches(REASON_NONE), 1);
}

/* ---- what goes before it -----------------------------------------------------------------------
 */

static void test_emergency_overrides_and_calm_brings_it_back(void **state)
{
	uint64_t low_ns;

	(void)state;
	config.stabilization_ns = SECONDS(60);
	start("large");
	pin("large");
	rig->others_bytes = 55 * GB; /* 95 % */
	rig_run(rig, SECONDS(2), NULL);
	assert_int_equal(switches(REASON_USE_OVER_DEGRADE), 1);
	assert_string_equal(rig_wanted(rig), "small");
	assert_true(pinned()->is_overridden);
	assert_int_equal(pinned()->reason, REASON_USE_OVER_DEGRADE);
	rig_ack(rig, ACK_DONE);
	rig->others_bytes = 30 * GB;
	low_ns = rig->now_ns;
	rig_run(rig, SECONDS(55), NULL);
	assert_string_equal(rig_wanted(rig), "small");
	assert_true(pinned()->is_overridden);
	while (switches(REASON_PINNED) == 0) {
		rig_run(rig, SECONDS(1), NULL);
		assert_true(rig->now_ns - low_ns < SECONDS(130));
	}
	/* At once to the pinned tier, not one rung at a time. */
	assert_string_equal(last_switch()->to, "large");
	carry_out();
	assert_string_equal(rig_actual(rig), "large");
	assert_false(pinned()->is_overridden);
	assert_int_equal(pinned()->reason, REASON_NONE);
}

static void test_oom_and_urgent_stall_override(void **state)
{
	const struct rig_load stalled = {.model_stall_ns = MILLIS(900)};

	(void)state;
	start("large");
	pin("large");
	rig_oom(rig, PARTY_OTHERS, 0, false);
	assert_int_equal(switches(REASON_OOM_HOST), 1);
	rig_ack(rig, ACK_DONE);
	rig_run(rig, SECONDS(10), NULL);
	assert_true(pinned()->is_overridden);
	pin("medium"); /* is in place */
	assert_string_equal(rig_actual(rig), "medium");
	rig_run(rig, SECONDS(3), &stalled);
	assert_int_equal(switches(REASON_STALL_OVER_URGENT), 1);
	assert_true(pinned()->is_overridden);
}

/* While overridden the policy decides as ever, but never above the pin. */
static void test_policy_decides_below_an_overridden_pin(void **state)
{
	(void)state;
	config.stabilization_ns = SECONDS(60);
	start("large");
	pin("medium");
	carry_out();
	rig->others_bytes = 70 * GB;
	rig_run(rig, SECONDS(2), NULL);
	rig_ack(rig, ACK_DONE);
	assert_string_equal(rig_actual(rig), "tiny");
	rig->others_bytes = 60 * GB; /* medium would be at 85 %, small at 72 % */
	rig_run(rig, SECONDS(150), NULL);
	assert_string_equal(last_switch()->to, "small");
	carry_out();
	assert_true(pinned()->is_overridden);
	rig->others_bytes = 70 * GB; /* 82 %: a planned step down, before there is an emergency */
	rig_run(rig, SECONDS(2), NULL);
	assert_string_equal(last_switch()->to, "tiny");
	assert_int_equal(last_switch()->mode, SWITCH_PLANNED);
	carry_out();
	rig->others_bytes = 10 * GB;
	for (int i = 0; i < 20; i++) {
		rig_run(rig, SECONDS(100), NULL);
		if (rig_status(rig)->switch_state == SWITCH_DRAINING)
			carry_out();
	}
	assert_string_equal(rig_actual(rig), "medium");
}

/* The adaptive policy steps up over several rungs at once, and has learned to do so early. */
static const char *step_up_after_surges(bool is_pinned)
{
	config.policy = POLICY_ADAPTIVE;
	config.stabilization_ns = SECONDS(300);
	config.stabilization_min_ns = SECONDS(30);
	start("large");
	rig_run(rig, SECONDS(1000), NULL);
	if (is_pinned)
		pin("medium");
	if (is_pinned)
		carry_out();
	rig->others_bytes = 80 * GB;
	rig_run(rig, SECONDS(3), NULL);
	assert_int_equal(last_switch()->mode, SWITCH_IMMEDIATE);
	carry_out();
	assert_string_equal(rig_actual(rig), "tiny");
	assert_int_equal(pinned()->is_overridden, is_pinned);
	rig->others_bytes = 10 * GB;
	for (int s = 0; s < 3600 && strcmp(rig_wanted(rig), "tiny") == 0; s++)
		rig_run(rig, SECONDS(1), NULL);
	return rig_wanted(rig);
}

static void test_no_policy_steps_up_over_an_overridden_pin(void **state)
{
	(void)state;
	assert_string_equal(step_up_after_surges(false), "large");
	rig_free(rig);
	assert_string_equal(step_up_after_surges(true), "medium");
	carry_out();
	assert_false(pinned()->is_overridden);
	rig_run(rig, SECONDS(3600), NULL);
	assert_string_equal(rig_wanted(rig), "medium");
}

/* Pinned in the band: the way back asks for more than a pin does, so that it does not take turns.
 */
static void test_the_way_back_needs_room(void **state)
{
	(void)state;
	config.stabilization_ns = SECONDS(30);
	start("large");
	pin("large");
	rig->others_bytes = 55 * GB;
	rig_run(rig, SECONDS(2), NULL);
	rig_ack(rig, ACK_DONE);
	rig->others_bytes = 45 * GB; /* large at 85 % */
	rig_run(rig, SECONDS(1000), NULL);
	assert_true(pinned()->is_overridden);
	for (uint32_t i = 0; i < rig->line_count; i++)
		assert_true(rig->lines[i].verb != MANAGER_SWITCH ||
			    strcmp(rig->lines[i].to, "large") != 0);
	pin("large"); /* but a person may insist */
	rig_run(rig, SECONDS(2), NULL);
	assert_string_equal(last_switch()->to, "large");
}

/* Others have lately been at what large would have had no room beside: as near to it as may be. */
static void test_the_way_back_needs_room_at_the_recent_peak(void **state)
{
	(void)state;
	config.stabilization_ns = SECONDS(100);
	start("large");
	pin("large");
	rig->others_bytes = 55 * GB;
	rig_run(rig, SECONDS(2), NULL);
	rig_ack(rig, ACK_DONE);
	assert_string_equal(rig_actual(rig), "small");
	rig->others_bytes = 30 * GB;
	rig_run(rig, SECONDS(90), NULL);
	rig->others_bytes = 46 * GB;
	rig_run(rig, SECONDS(2), NULL);
	rig->others_bytes = 30 * GB;
	rig_run(rig, SECONDS(60), NULL);
	assert_int_equal(switches(REASON_PINNED), 1);
	assert_string_equal(last_switch()->to, "medium");
	carry_out();
	assert_true(pinned()->is_overridden);
	rig_run(rig, SECONDS(110), NULL);
	assert_string_equal(last_switch()->to, "large");
}

static void test_failed_load_overrides_and_is_damped(void **state)
{
	(void)state;
	config.stabilization_ns = SECONDS(60);
	start("medium");
	pin("large");
	rig_ack(rig, ACK_FAILED);
	assert_true(pinned()->is_overridden);
	assert_int_equal(pinned()->reason, REASON_MANAGER_FAILED);
	rig_run(rig, SECONDS(100), NULL);
	assert_int_equal(switches(REASON_PINNED), 1);
	rig_run(rig, SECONDS(30), NULL);
	assert_int_equal(switches(REASON_PINNED), 2);
}

static void test_a_drain_that_does_not_end_is_tried_again(void **state)
{
	(void)state;
	config.drain_deadline_ns = SECONDS(20);
	start("large");
	pin("small");
	rig_run(rig, SECONDS(45), NULL);
	assert_true(rig_count(rig, 0, DECISION_CANCEL, REASON_DRAIN_DEADLINE) >= 2);
	assert_true(switches(REASON_PINNED) >= 2);
	for (uint32_t i = 0; i < rig->line_count; i++)
		assert_true(rig->lines[i].verb != MANAGER_SWITCH ||
			    rig->lines[i].mode == SWITCH_PLANNED);
}

static void test_step_up_is_called_off_over_the_limit(void **state)
{
	(void)state;
	start("small");
	pin("large");
	rig->others_bytes = 52 * GB; /* 92 % with large */
	rig_run(rig, SECONDS(2), NULL);
	assert_int_equal(rig_count(rig, 0, DECISION_CANCEL, REASON_USE_OVER_DEGRADE), 1);
	assert_true(pinned()->is_overridden);
	rig->others_bytes = 30 * GB;
	rig_run(rig, SECONDS(100), NULL);
	assert_int_equal(switches(REASON_PINNED), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_step_down_drains_and_stays),
		TEST(test_step_up_waits_for_no_calm),
		TEST(test_what_does_not_fit_is_refused),
		TEST(test_exactly_at_the_limit_does_not_fit),
		TEST(test_unknown_and_forbidden_tiers),
		TEST(test_off_is_a_tier),
		TEST(test_second_pin_replaces_the_first),
		TEST(test_step_up_that_makes_way_has_not_failed),
		TEST(test_pin_of_what_serves_calls_off_a_step_away),
		TEST(test_emergency_overrides_and_calm_brings_it_back),
		TEST(test_oom_and_urgent_stall_override),
		TEST(test_policy_decides_below_an_overridden_pin),
		TEST(test_no_policy_steps_up_over_an_overridden_pin),
		TEST(test_the_way_back_needs_room),
		TEST(test_the_way_back_needs_room_at_the_recent_peak),
		TEST(test_failed_load_overrides_and_is_damped),
		TEST(test_a_drain_that_does_not_end_is_tried_again),
		TEST(test_step_up_is_called_off_over_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
