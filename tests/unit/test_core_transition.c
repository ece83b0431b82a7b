/* SPDX-License-Identifier: BSD-2-Clause */
/* The switch machine: every state, with a manager and without one. */
#include "test_core_transition_fixture.h"

static void test_planned_with_manager(void **state)
{
	(void)state;
	order(TRANSITION_ORDER_PLANNED, 3);
	assert_out(MANAGER_SWITCH, DECISION_SWITCH, REASON_USE_OVER_UPGRADE);
	assert_at(SWITCH_DRAINING, 3, 4);
	assert_int_equal(transition_serving(&machine), 4);
	assert_int_equal(machine.deadline_ns, SECONDS(220));
	step(TRANSITION_ACK_DRAINING);
	assert_silent();
	step(TRANSITION_ACK_LOADING);
	assert_at(SWITCH_LOADING, 3, 4);
	assert_int_equal(transition_serving(&machine), 3);
	step(TRANSITION_ACK_DONE);
	assert_out(0, DECISION_DONE, REASON_ACKNOWLEDGED);
	assert_at(SWITCH_SETTLING, 3, 3);
	assert_false(machine.is_assumed);
	assert_int_equal(machine.deadline_ns, in.now_ns + config.settle_ns);
	wait_for_deadline();
	assert_at(SWITCH_STEADY, 3, 3);
	step(TRANSITION_ACK_DONE); /* said twice */
	assert_silent();
	assert_at(SWITCH_STEADY, 3, 3);
}

static void test_planned_without_manager_is_assumed(void **state)
{
	(void)state;
	order(TRANSITION_ORDER_PLANNED, 3);
	assert_int_equal(machine.deadline_ns, SECONDS(105));
	wait_for_deadline();
	assert_out(0, DECISION_DONE, REASON_ASSUMED);
	assert_at(SWITCH_SETTLING, 3, 3);
	assert_true(machine.is_assumed);
}

static void test_short_drain_deadline_shortens_the_assumed_drain(void **state)
{
	(void)state;
	config.drain_deadline_ns = SECONDS(2);
	order(TRANSITION_ORDER_PLANNED, 3);
	assert_int_equal(machine.deadline_ns, SECONDS(102));
}

static void test_immediate_without_manager_is_assumed_at_once(void **state)
{
	(void)state;
	order(TRANSITION_ORDER_IMMEDIATE, 1);
	assert_int_equal(machine.deadline_ns, in.now_ns);
	wait_for_deadline();
	assert_out(0, DECISION_DONE, REASON_ASSUMED);
	assert_at(SWITCH_SETTLING, 1, 1);
}

static void test_manager_that_only_acknowledges_is_believed(void **state)
{
	(void)state;
	order(TRANSITION_ORDER_PLANNED, 3);
	step(TRANSITION_ACK_DRAINING);
	assert_true(machine.has_manager);
	assert_int_equal(machine.deadline_ns, SECONDS(220));
}

static void test_late_acknowledgement_of_an_assumed_switch(void **state)
{
	(void)state;
	order(TRANSITION_ORDER_PLANNED, 3);
	wait_for_deadline();
	step(TRANSITION_ACK_LOADING);
	assert_at(SWITCH_LOADING, 3, 4);
	step(TRANSITION_ACK_DONE);
	assert_at(SWITCH_SETTLING, 3, 3);
	assert_false(machine.is_assumed);
}

static void test_cancel(void **state)
{
	(void)state;
	order(TRANSITION_ORDER_PLANNED, 3);
	in.reason = REASON_PRESSURE_CLEARED;
	step(TRANSITION_CANCEL);
	assert_out(MANAGER_CANCEL, DECISION_CANCEL, REASON_PRESSURE_CLEARED);
	assert_at(SWITCH_STEADY, 4, 4);
	/* The manager had passed the point of no return. */
	step(TRANSITION_ACK_DONE);
	assert_at(SWITCH_SETTLING, 3, 3);
}

static void test_failure_after_cancel_changes_nothing(void **state)
{
	(void)state;
	order(TRANSITION_ORDER_PLANNED, 3);
	step(TRANSITION_CANCEL);
	step(TRANSITION_ACK_FAILED);
	assert_silent();
	assert_at(SWITCH_STEADY, 4, 4);
}

static void test_immediate_overrides_draining(void **state)
{
	uint64_t seq;

	(void)state;
	order(TRANSITION_ORDER_PLANNED, 3);
	seq = machine.seq;
	order(TRANSITION_ORDER_IMMEDIATE, 1);
	assert_out(MANAGER_SWITCH, DECISION_SWITCH, REASON_USE_OVER_UPGRADE);
	assert_int_equal(machine.seq, seq + 1);
	assert_at(SWITCH_LOADING, 1, 4);
}

static void test_immediate_overrides_loading_only_for_less(void **state)
{
	(void)state;
	order(TRANSITION_ORDER_IMMEDIATE, 2);
	order(TRANSITION_ORDER_IMMEDIATE, 2);
	assert_silent();
	order(TRANSITION_ORDER_IMMEDIATE, 3);
	assert_silent();
	order(TRANSITION_ORDER_IMMEDIATE, 1);
	assert_int_equal(out.line, MANAGER_SWITCH);
	assert_int_equal(machine.wanted, 1);
}

static void test_planned_is_taken_in_steady_only(void **state)
{
	(void)state;
	order(TRANSITION_ORDER_PLANNED, 3);
	order(TRANSITION_ORDER_PLANNED, 2);
	assert_silent();
	step(TRANSITION_ACK_LOADING);
	order(TRANSITION_ORDER_PLANNED, 2);
	assert_silent();
	step(TRANSITION_ACK_DONE);
	order(TRANSITION_ORDER_PLANNED, 2);
	assert_silent();
}

static void test_drain_deadline_cuts_only_over_the_limit(void **state)
{
	(void)state;
	order(TRANSITION_ORDER_PLANNED, 3);
	wait_for_deadline();
	assert_out(MANAGER_CANCEL, DECISION_CANCEL, REASON_DRAIN_DEADLINE);
	assert_at(SWITCH_STEADY, 4, 4);
	order(TRANSITION_ORDER_PLANNED, 3);
	in.is_over_limit = true;
	wait_for_deadline();
	assert_out(MANAGER_SWITCH, DECISION_SWITCH, REASON_USE_OVER_DEGRADE);
	assert_int_equal(machine.mode, SWITCH_IMMEDIATE);
	assert_at(SWITCH_LOADING, 3, 4);
}

static void test_step_up_never_cuts(void **state)
{
	(void)state;
	machine.actual = machine.wanted = 2;
	order(TRANSITION_ORDER_PLANNED, 3);
	in.is_over_limit = true;
	wait_for_deadline();
	assert_int_equal(out.action, DECISION_CANCEL);
	assert_at(SWITCH_STEADY, 2, 2);
}

/* From every state, whatever happens, the machine comes to rest when time goes on. */
static void test_never_latched(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed < 400; seed++) {
		set_up(NULL);
		srand(seed);
		for (int i = 0; i < 60; i++) {
			in.target = (uint32_t)rand() % 5;
			in.is_tier_named = rand() % 2;
			in.is_over_limit = rand() % 2;
			in.is_clear = rand() % 2;
			in.does_wanted_fit = rand() % 2;
			in.now_ns += (uint64_t)rand() % SECONDS(40);
			step((enum transition_event)(rand() % TRANSITION_EVENT_COUNT));
		}
		in.is_paused = false;
		in.does_wanted_fit = true;
		/* A manager that carries out what it is told. */
		for (int i = 0; i < 8; i++) {
			if (machine.state != SWITCH_STEADY || machine.wanted != machine.actual)
				wait_for_deadline();
			if (transition_is_pending(&machine))
				step(TRANSITION_ACK_DONE);
		}
		assert_int_equal(machine.state, SWITCH_STEADY);
		assert_int_equal(machine.wanted, machine.actual);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MANAGED(test_planned_with_manager),
		ALONE(test_planned_without_manager_is_assumed),
		ALONE(test_short_drain_deadline_shortens_the_assumed_drain),
		ALONE(test_immediate_without_manager_is_assumed_at_once),
		ALONE(test_manager_that_only_acknowledges_is_believed),
		ALONE(test_late_acknowledgement_of_an_assumed_switch),
		MANAGED(test_cancel),
		MANAGED(test_failure_after_cancel_changes_nothing),
		MANAGED(test_immediate_overrides_draining),
		MANAGED(test_immediate_overrides_loading_only_for_less),
		MANAGED(test_planned_is_taken_in_steady_only),
		MANAGED(test_drain_deadline_cuts_only_over_the_limit),
		MANAGED(test_step_up_never_cuts),
		ALONE(test_never_latched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
