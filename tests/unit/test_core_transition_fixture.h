/* SPDX-License-Identifier: BSD-2-Clause */
/* One switch machine at tier 4 of 0..4, for its tests: what goes in, and what came out. */
#ifndef TIERD_TEST_CORE_TRANSITION_FIXTURE_H
#define TIERD_TEST_CORE_TRANSITION_FIXTURE_H

#include "test_core_rig.h"

#include "core/transition.h"

static struct engine_config config;
static struct transition machine;
static struct transition_output out;
static struct transition_input in;

static inline int set_up(void **state)
{
	(void)state;
	config = rig_config();
	transition_init(&machine, 4, true);
	in = (struct transition_input){.now_ns = SECONDS(100), .config = &config};
	return 0;
}

static inline int set_up_managed(void **state)
{
	set_up(state);
	machine.has_manager = true;
	machine.is_assumed = false;
	return 0;
}

static inline void step(enum transition_event event)
{
	transition_step(&machine, event, &in, &out);
}

static inline void order(enum transition_event event, uint32_t target)
{
	in.target = target;
	in.reason = REASON_USE_OVER_UPGRADE;
	step(event);
}

static inline void wait_for_deadline(void)
{
	assert_true(machine.deadline_ns != UINT64_MAX);
	in.now_ns = machine.deadline_ns;
	step(TRANSITION_TIMEOUT);
}

static inline void assert_out(uint32_t line, uint32_t action, uint32_t reason)
{
	assert_int_equal(out.line, line);
	assert_int_equal(out.action, action);
	assert_int_equal(out.reason, reason);
}

static inline void assert_silent(void)
{
	assert_int_equal(out.line, 0);
	assert_int_equal(out.action, DECISION_ACTION_COUNT);
}

static inline void assert_at(uint32_t state, uint32_t wanted, uint32_t actual)
{
	assert_int_equal(machine.state, state);
	assert_int_equal(machine.wanted, wanted);
	assert_int_equal(machine.actual, actual);
}

#define ALONE(name) cmocka_unit_test_setup(name, set_up)
#define MANAGED(name) cmocka_unit_test_setup(name, set_up_managed)

#endif
