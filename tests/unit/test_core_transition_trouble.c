/* SPDX-License-Identifier: BSD-2-Clause */
/* The switch machine and a manager that is silent, fails, or has started anew. */
#include "test_core_transition_fixture.h"

static void test_silence_is_told_once_and_asked_again_with_growing_pauses(void **state)
{
	const uint64_t pauses_s[] = {30, 60, 120, 240, 240, 240};
	uint64_t seq;

	(void)state;
	order(TRANSITION_ORDER_IMMEDIATE, 1);
	seq = machine.seq;
	for (size_t i = 0; i < ARRAY_SIZE(pauses_s); i++) {
		assert_int_equal(machine.deadline_ns - in.now_ns, SECONDS(pauses_s[i]));
		wait_for_deadline();
		assert_int_equal(out.line, MANAGER_SWITCH);
		assert_int_equal(out.action, i ? DECISION_ACTION_COUNT : DECISION_FAILED);
		assert_int_equal(machine.seq, seq);
	}
	step(TRANSITION_ACK_DONE);
	assert_at(SWITCH_SETTLING, 1, 1);
}

static void test_silent_step_up_is_given_up(void **state)
{
	(void)state;
	machine.actual = machine.wanted = 2;
	order(TRANSITION_ORDER_PLANNED, 3);
	step(TRANSITION_ACK_LOADING);
	for (int i = 0; i < 10 && machine.state == SWITCH_LOADING; i++)
		wait_for_deadline();
	assert_out(MANAGER_CANCEL, DECISION_CANCEL, REASON_MANAGER_SILENT);
	assert_true(out.is_step_up_failed);
	assert_at(SWITCH_STEADY, 2, 2);
}

static void test_failed_step_down_is_ordered_again(void **state)
{
	const uint64_t pauses_s[] = {30, 60, 120, 240, 240};
	uint64_t seq = 0;

	(void)state;
	config.min_tier = 1; /* there is nothing less to try */
	order(TRANSITION_ORDER_IMMEDIATE, 1);
	for (size_t i = 0; i < ARRAY_SIZE(pauses_s); i++) {
		assert_true(machine.seq > seq);
		seq = machine.seq;
		step(TRANSITION_ACK_FAILED);
		assert_out(0, DECISION_FAILED, REASON_MANAGER_FAILED);
		assert_false(out.is_step_up_failed);
		assert_at(SWITCH_STEADY, 1, 4);
		assert_int_equal(transition_serving(&machine), 4);
		assert_int_equal(machine.deadline_ns - in.now_ns, SECONDS(pauses_s[i]));
		wait_for_deadline();
		assert_out(MANAGER_SWITCH, DECISION_SWITCH, REASON_USE_OVER_UPGRADE);
		assert_int_equal(machine.mode, SWITCH_IMMEDIATE);
	}
}

static void test_step_down_that_fails_again_goes_further_down(void **state)
{
	const uint32_t targets[] = {3, 3, 2, 2, 1, 1, 0};

	(void)state;
	order(TRANSITION_ORDER_PLANNED, 3);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		assert_int_equal(out.line, MANAGER_SWITCH);
		assert_int_equal(machine.to, targets[i]);
		step(TRANSITION_ACK_FAILED);
		wait_for_deadline();
	}
	step(TRANSITION_ACK_DONE);
	assert_at(SWITCH_SETTLING, 0, 0);
	/* What failed before counts no more. */
	machine.actual = machine.wanted = 4;
	wait_for_deadline();
	order(TRANSITION_ORDER_PLANNED, 3);
	step(TRANSITION_ACK_FAILED);
	assert_at(SWITCH_STEADY, 3, 4);
}

static void test_hello_while_a_planned_order_loads_drains_again(void **state)
{
	(void)state;
	machine.actual = machine.wanted = 1;
	order(TRANSITION_ORDER_PLANNED, 4);
	step(TRANSITION_ACK_LOADING);
	in.now_ns += SECONDS(50);
	in.is_tier_named = true;
	in.target = 1;
	step(TRANSITION_HELLO);
	assert_int_equal(out.line, MANAGER_SWITCH);
	assert_at(SWITCH_DRAINING, 4, 1);
	assert_int_equal(machine.deadline_ns, in.now_ns + config.drain_deadline_ns);
}

static void test_hello_long_after_an_emergency_cuts_nothing(void **state)
{
	(void)state;
	order(TRANSITION_ORDER_IMMEDIATE, 2);
	step(TRANSITION_ACK_DONE);
	wait_for_deadline();
	in.is_tier_named = true;
	in.target = 4;
	step(TRANSITION_HELLO);
	wait_for_deadline();
	assert_int_equal(machine.mode, SWITCH_PLANNED);
	assert_at(SWITCH_DRAINING, 2, 4);
	/* But when it is over the limit there is no time. */
	step(TRANSITION_CANCEL);
	machine.wanted = 2;
	machine.deadline_ns = in.now_ns;
	in.is_over_limit = true;
	wait_for_deadline();
	assert_int_equal(machine.mode, SWITCH_IMMEDIATE);
}

static void test_failed_planned_step_down_is_dropped_when_clear(void **state)
{
	(void)state;
	order(TRANSITION_ORDER_PLANNED, 3);
	step(TRANSITION_ACK_FAILED);
	in.is_clear = true;
	wait_for_deadline();
	assert_out(0, DECISION_CANCEL, REASON_PRESSURE_CLEARED);
	assert_at(SWITCH_STEADY, 4, 4);
}

static void test_failed_step_up_is_given_up(void **state)
{
	(void)state;
	machine.actual = machine.wanted = 2;
	order(TRANSITION_ORDER_PLANNED, 3);
	step(TRANSITION_ACK_FAILED);
	assert_out(0, DECISION_FAILED, REASON_MANAGER_FAILED);
	assert_true(out.is_step_up_failed);
	assert_at(SWITCH_STEADY, 2, 2);
	assert_true(machine.deadline_ns == UINT64_MAX);
}

static void hello(uint32_t tier)
{
	in.is_tier_named = true;
	in.target = tier;
	step(TRANSITION_HELLO);
}

static void test_hello_in_steady(void **state)
{
	(void)state;
	hello(4);
	assert_at(SWITCH_STEADY, 4, 4);
	assert_false(machine.is_assumed);
	assert_true(machine.deadline_ns == UINT64_MAX);
	/* It has something else loaded: told what is wanted, not before the earliest time. */
	in.earliest_ns = in.now_ns + 5;
	in.does_wanted_fit = true;
	hello(2);
	assert_at(SWITCH_STEADY, 4, 2);
	assert_int_equal(machine.deadline_ns, in.now_ns + 5);
	wait_for_deadline();
	assert_out(MANAGER_SWITCH, DECISION_SWITCH, REASON_INITIAL);
	assert_int_equal(machine.mode, SWITCH_PLANNED);
	assert_at(SWITCH_DRAINING, 4, 2);
}

static void test_hello_below_a_tier_that_no_longer_fits(void **state)
{
	(void)state;
	hello(2);
	wait_for_deadline();
	assert_out(0, DECISION_CANCEL, REASON_USE_OVER_UPGRADE);
	assert_at(SWITCH_STEADY, 2, 2);
}

static void test_hello_while_paused_waits(void **state)
{
	(void)state;
	in.is_paused = true;
	in.does_wanted_fit = true;
	hello(2);
	wait_for_deadline();
	assert_silent();
	in.is_paused = false;
	wait_for_deadline();
	assert_int_equal(out.line, MANAGER_SWITCH);
}

static void test_hello_during_a_switch(void **state)
{
	(void)state;
	order(TRANSITION_ORDER_IMMEDIATE, 1);
	in.now_ns += SECONDS(20);
	hello(4); /* restarted with the old tier: told again */
	assert_out(MANAGER_SWITCH, DECISION_ACTION_COUNT, 0);
	assert_at(SWITCH_LOADING, 1, 4);
	assert_int_equal(machine.deadline_ns, in.now_ns + config.ack_timeout_ns);
	hello(1); /* restarted with the new one: done */
	assert_out(0, DECISION_DONE, REASON_ACKNOWLEDGED);
	assert_at(SWITCH_SETTLING, 1, 1);
}

static void test_hello_without_tier_repeats_the_order(void **state)
{
	(void)state;
	order(TRANSITION_ORDER_PLANNED, 3);
	in.is_tier_named = false;
	step(TRANSITION_HELLO);
	assert_int_equal(out.line, MANAGER_SWITCH);
	assert_at(SWITCH_DRAINING, 3, 4);
	assert_int_equal(machine.deadline_ns, SECONDS(220));
}

/* The pause before the manager is asked again holds from the very first order on. */
static void test_first_order_after_a_hello_is_not_repeated_at_once(void **state)
{
	(void)state;
	in.target = 2;
	in.is_tier_named = true;
	in.does_wanted_fit = true;
	step(TRANSITION_HELLO);
	wait_for_deadline();
	assert_int_equal(out.line, MANAGER_SWITCH);
	step(TRANSITION_ACK_LOADING);
	assert_at(SWITCH_LOADING, 4, 2);
	assert_int_equal(machine.deadline_ns, in.now_ns + config.ack_timeout_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MANAGED(test_silence_is_told_once_and_asked_again_with_growing_pauses),
		MANAGED(test_silent_step_up_is_given_up),
		MANAGED(test_failed_step_down_is_ordered_again),
		MANAGED(test_step_down_that_fails_again_goes_further_down),
		MANAGED(test_hello_while_a_planned_order_loads_drains_again),
		MANAGED(test_hello_long_after_an_emergency_cuts_nothing),
		MANAGED(test_failed_planned_step_down_is_dropped_when_clear),
		MANAGED(test_failed_step_up_is_given_up),
		ALONE(test_first_order_after_a_hello_is_not_repeated_at_once),
		ALONE(test_hello_in_steady),
		ALONE(test_hello_below_a_tier_that_no_longer_fits),
		ALONE(test_hello_while_paused_waits),
		MANAGED(test_hello_during_a_switch),
		MANAGED(test_hello_without_tier_repeats_the_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
