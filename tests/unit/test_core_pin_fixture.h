/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of pins share, on top of the engine's fixture. */
#ifndef TIERD_TEST_CORE_PIN_FIXTURE_H
#define TIERD_TEST_CORE_PIN_FIXTURE_H

#include "test_core_rig_pin.h"

#include "test_core_engine_fixture.h"

static inline void pin_for(const char *tier, uint64_t for_ns)
{
	rig_pin(rig, tier, for_ns);
}

static inline void pin(const char *tier)
{
	rig_pin(rig, tier, 0);
}

static inline void unpin(void)
{
	rig_command(rig, COMMAND_UNPIN, "", 0, ACK_DRAINING);
}

static inline const struct decision_pin *pinned(void)
{
	return &rig_status(rig)->last.pin;
}

static inline const struct manager_line *last_switch(void)
{
	for (uint32_t i = rig->line_count; i-- > 0;) {
		if (rig->lines[i].verb == MANAGER_SWITCH)
			return &rig->lines[i];
	}
	fail();
	return NULL;
}

static inline void carry_out(void)
{
	rig_ack(rig, ACK_LOADING);
	rig_ack(rig, ACK_DONE);
	rig_run(rig, SECONDS(7), NULL);
	assert_int_equal(rig_status(rig)->switch_state, SWITCH_STEADY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
