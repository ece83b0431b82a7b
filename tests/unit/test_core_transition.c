/* SPDX-License-Identifier: BSD-2-Clause */
/* The switch machine: every state, with a manager and without one. */
#include "test_core_rig.h"

#include "core/transition.h"

static struct engine_config config;
static struct transition machine;
static struct transition_output out;
static struct transition_input in;

static int set_up(void **state)
{
	(void)state;
	config = rig_config();
	transition_init(&machine, 4, true);
	in = (struct transition_input){.now_ns = SECONDS(100), .config = &config};
	return 0;
}

static int set_up_managed(void **state)
{
	set_up(state);
	machine.has_manager = true;
	machine.is_assumed = false;
	return 0;
}

static void step(enum transition_event event)
{
	transition_step(&machine, event, &in, &out);
}

static void order(enum transition_event event, uint32_t target)
{
	in.target = target;
	in.reason = REASON_USE_OVER_UPGRADE;
	step(event);
}

static void wait_for_deadline(void)
{
	assert_true(machine.deadline_ns != UINT64_MAX);
	in.now_ns = machine.deadline_ns;
	step(TRANSITION_TIMEOUT);
}

static void assert_out(uint32_t line, uint32_t action, uint32_t reason)
{
	assert_int_equal(out.line, line);
	assert_int_equal(out.action, action);
	assert_int_equal(out.reason, reason);
}

static void assert_silent(void)
{
	assert_int_equal(out.line, 0);
	assert_int_equal(out.action, DECISION_ACTION_COUNT);
}

static void assert_at(uint32_t state, uint32_t wanted, uint32_t actual)
{
	assert_int_equal(machine.state, state);
	assert_int_equal(machine.wanted, wanted);
	assert_int_equal(machine.actual, actual);
}

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
#define ALONE(name) cmocka_unit_test_setup(name, set_up)
#define MANAGED(name) cmocka_unit_test_setup(name, set_up_managed)
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
		MANAGED(test_silence_is_told_once_and_asked_again_with_growing_pauses),
		MANAGED(test_silent_step_up_is_given_up),
		MANAGED(test_failed_step_down_is_ordered_again),
		MANAGED(test_failed_planned_step_down_is_dropped_when_clear),
		MANAGED(test_failed_step_up_is_given_up),
		ALONE(test_hello_in_steady),
		ALONE(test_hello_below_a_tier_that_no_longer_fits),
		ALONE(test_hello_while_paused_waits),
		MANAGED(test_hello_during_a_switch),
		MANAGED(test_hello_without_tier_repeats_the_order),
		ALONE(test_never_latched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
