/* SPDX-License-Identifier: BSD-2-Clause */
/* What switching takes is learned from a manager's acknowledgements, and from nothing else. */
#include "test_core_adaptive_fixture.h"

#include "core/engine_private.h"

static const struct switch_costs *costs(void)
{
	return &rig->engine->footprints.costs;
}

static const struct footprint_tier *learned(uint32_t tier)
{
	return &rig->engine->footprints.tiers[tier];
}

static void assert_nothing_is_learned(void)
{
	for (uint32_t tier = 1; tier < config.ladder.count; tier++) {
		assert_false(learned(tier)->is_drain_measured);
		assert_false(learned(tier)->is_load_measured);
		assert_int_equal(costs()->drain_ns[tier], config.cost_drain_ns);
		assert_int_equal(costs()->load_ns[tier], config.ladder.tiers[tier].load_ns);
	}
}

/* From medium to large; the wait ends up to a second after the order. */
static void test_acknowledged_switch_is_learned(void **state)
{
	(void)state;
	start("medium");
	assert_true(wait_for_step_up_s() < NEVER);
	rig_run(rig, SECONDS(7), NULL);
	rig_ack(rig, ACK_DRAINING);
	assert_nothing_is_learned();
	rig_ack(rig, ACK_LOADING);
	rig_run(rig, SECONDS(20), NULL);
	rig_ack(rig, ACK_DONE);
	assert_true(learned(MEDIUM)->is_drain_measured);
	assert_in_range(costs()->drain_ns[MEDIUM], SECONDS(7), SECONDS(8));
	/* What is not known of it is taken to be as with another. */
	assert_false(learned(LARGE)->is_drain_measured);
	assert_int_equal(costs()->drain_ns[LARGE], costs()->drain_ns[MEDIUM]);
	assert_true(learned(LARGE)->is_load_measured);
	assert_int_equal(costs()->load_ns[LARGE], SECONDS(20));
	assert_false(learned(MEDIUM)->is_load_measured);
	assert_int_equal(costs()->load_ns[MEDIUM], SECONDS(10));
}

/* Nobody drains or loads: an immediate step down and a planned one up are taken for done. */
static void test_assumed_switch_teaches_nothing(void **state)
{
	(void)state;
	start(NULL);
	rig->others_bytes = 65 * GB;
	rig_run(rig, SECONDS(20), NULL);
	rig->others_bytes = 30 * GB;
	assert_true(wait_for_step_up_s() < NEVER);
	rig_run(rig, SECONDS(60), NULL);
	assert_true(rig_count(rig, 0, DECISION_DONE, REASON_ASSUMED) >= 2);
	assert_int_equal(rig_status(rig)->actual_tier, LARGE);
	assert_nothing_is_learned();
}

/* That it was done says nothing of when loading began. */
static void test_switch_without_its_loading_teaches_nothing(void **state)
{
	(void)state;
	start("medium");
	assert_true(wait_for_step_up_s() < NEVER);
	rig_run(rig, SECONDS(7), NULL);
	rig_ack(rig, ACK_DONE);
	assert_int_equal(rig_status(rig)->actual_tier, LARGE);
	assert_nothing_is_learned();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_adaptive, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_acknowledged_switch_is_learned),
		TEST(test_assumed_switch_teaches_nothing),
		TEST(test_switch_without_its_loading_teaches_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
