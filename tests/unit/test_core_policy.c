/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules on situations made by hand: large on a host of 100 GB, others at 30 %. */
#include "test_core_rig.h"

#include "core/policy.h"

static struct engine_config config;
static struct situation now;
static struct proposal out;

static int set_up(void **state)
{
	(void)state;
	config = rig_config();
	memset(&now, 0, sizeof(now));
	now.switch_state = SWITCH_STEADY;
	now.serving = 4;
	now.source = SOURCE_BPF;
	now.is_warm = true;
	now.is_fresh = true;
	now.is_band_confirmed = true;
	now.stabilization_ns = SECONDS(300);
	now.resources.count = 1;
	now.resources.view[0].kind = RESOURCE_HOST_MEMORY;
	now.resources.view[0].capacity_bytes = 100 * GB;
	return 0;
}

static void others(uint64_t percent)
{
	for (int basis = 0; basis < LADDER_BASIS_COUNT; basis++)
		now.resources.view[0].others_bytes[basis] = percent * GB;
}

static void propose(void)
{
	policy_propose(&now, &config, &out);
}

static void assert_switch(uint32_t reason, uint32_t mode, uint32_t target)
{
	propose();
	assert_int_equal(out.action, PROPOSE_SWITCH);
	assert_int_equal(out.reason, reason);
	assert_int_equal(out.mode, mode);
	assert_int_equal(out.target, target);
}

static void assert_hold(uint32_t reason)
{
	propose();
	assert_int_equal(out.action, PROPOSE_HOLD);
	assert_int_equal(out.reason, reason);
}

static void assert_nothing(void)
{
	propose();
	assert_int_equal(out.action, PROPOSE_NOTHING);
}

static void test_calm_asks_for_nothing(void **state)
{
	(void)state;
	others(30);
	assert_nothing();
	assert_int_equal(policy_find_pressure(&now, &config), REASON_NONE);
}

static void test_use_over_degrade(void **state)
{
	(void)state;
	others(51);
	assert_hold(REASON_UNCONFIRMED);
	now.is_confirmed = true;
	assert_switch(REASON_USE_OVER_DEGRADE, SWITCH_IMMEDIATE, 3);
	assert_int_equal(out.blame, BLAME_MEMORY);
	others(60); /* medium 85 %: would be stepped down from next */
	assert_switch(REASON_USE_OVER_DEGRADE, SWITCH_IMMEDIATE, 2);
	others(99);
	assert_switch(REASON_USE_OVER_DEGRADE, SWITCH_IMMEDIATE, 0);
	config.min_tier = 2;
	assert_switch(REASON_USE_OVER_DEGRADE, SWITCH_IMMEDIATE, 2);
}

static void test_stall_confirms_a_sample(void **state)
{
	(void)state;
	others(51);
	now.stall_permyriad[PARTY_OTHERS][STALL_HOST][STALL_SPAN_ABOVE] = 1000;
	assert_switch(REASON_USE_OVER_DEGRADE, SWITCH_IMMEDIATE, 3);
}

static void test_limits_are_inclusive(void **state)
{
	(void)state;
	others(50);
	now.is_confirmed = true;
	assert_switch(REASON_USE_OVER_DEGRADE, SWITCH_IMMEDIATE, 3);
	others(40);
	assert_switch(REASON_USE_OVER_UPGRADE, SWITCH_PLANNED, 3);
	others(39);
	assert_nothing();
}

static void test_use_is_of_the_worst_resource(void **state)
{
	(void)state;
	others(10);
	config.ladder.tiers[4].vram_bytes[0] = 8 * GB;
	config.ladder.tiers[3].vram_bytes[0] = 4 * GB;
	now.resources.view[1] = (struct resource_view){
		.kind = RESOURCE_VRAM, .capacity_bytes = 10 * GB, .others_bytes = {GB, GB, GB}};
	now.resources.count = 2;
	now.is_confirmed = true;
	assert_switch(REASON_USE_OVER_DEGRADE, SWITCH_IMMEDIATE, 3);
	assert_int_equal(out.blame, BLAME_NOBODY);
}

static void test_oom(void **state)
{
	(void)state;
	others(30);
	now.oom = REASON_OOM_HOST;
	assert_switch(REASON_OOM_HOST, SWITCH_IMMEDIATE, 3);
	now.oom = REASON_OOM_GROUP;
	others(65);
	assert_switch(REASON_OOM_GROUP, SWITCH_IMMEDIATE, 2);
	now.serving = 0;
	assert_hold(REASON_MIN_TIER);
}

static void test_stall_over_urgent(void **state)
{
	(void)state;
	others(30);
	now.stall_permyriad[PARTY_MODEL][STALL_HOST][STALL_SPAN_URGENT] = 3999;
	assert_nothing();
	now.stall_permyriad[PARTY_MODEL][STALL_HOST][STALL_SPAN_URGENT] = 4000;
	assert_switch(REASON_STALL_OVER_URGENT, SWITCH_IMMEDIATE, 3);
	others(55);
	assert_switch(REASON_STALL_OVER_URGENT, SWITCH_IMMEDIATE, 2);
}

static void test_stall_over_above(void **state)
{
	(void)state;
	others(30);
	now.stall_permyriad[PARTY_OTHERS][STALL_GROUP][STALL_SPAN_ABOVE] = 1000;
	assert_switch(REASON_STALL_OVER_ABOVE, SWITCH_PLANNED, 3);
	assert_int_equal(out.stall_class, STALL_GROUP);
}

static void test_stall_steps_only_when_a_smaller_tier_relieves(void **state)
{
	(void)state;
	now.serving = 1; /* 5 of 100: under 20 % */
	others(30);
	now.stall_permyriad[PARTY_OTHERS][STALL_HOST][STALL_SPAN_ABOVE] = 5000;
	now.stall_permyriad[PARTY_OTHERS][STALL_HOST][STALL_SPAN_URGENT] = 5000;
	assert_hold(REASON_NOT_OURS);
	assert_int_equal(out.blame, BLAME_MEMORY);
	config.share_min_permyriad = 400;
	assert_switch(REASON_STALL_OVER_URGENT, SWITCH_IMMEDIATE, 0);
	/* Measured to hold more than it should. */
	config.share_min_permyriad = 2000;
	now.resources.view[0].model_bytes = 25 * GB;
	assert_switch(REASON_STALL_OVER_URGENT, SWITCH_IMMEDIATE, 0);
	/* All rungs below are as heavy, or not to be used. */
	config.ladder.tiers[1].memory_bytes = 0;
	assert_hold(REASON_NOT_OURS);
	config.min_tier = 1;
	assert_hold(REASON_MIN_TIER);
	now.serving = 0;
	assert_hold(REASON_NOT_OURS);
}

static void test_share_of_a_group_is_of_the_tightest(void **state)
{
	(void)state;
	others(30);
	assert_int_equal(policy_share_permyriad(&now, &config, STALL_HOST), 4000);
	assert_int_equal(policy_share_permyriad(&now, &config, STALL_GROUP), 10000);
	now.resources.view[1] = (struct resource_view){.kind = RESOURCE_GROUP_MEMORY,
						       .capacity_bytes = 60 * GB,
						       .others_bytes = {10 * GB}};
	now.resources.view[2] = (struct resource_view){.kind = RESOURCE_GROUP_MEMORY,
						       .index = 1,
						       .capacity_bytes = 200 * GB,
						       .others_bytes = {160 * GB}};
	now.resources.count = 3;
	/* 50/60 full against 200/200 full. */
	assert_int_equal(policy_share_permyriad(&now, &config, STALL_GROUP), 2000);
}

static void test_foreign_stall_is_noted_and_never_steps(void **state)
{
	(void)state;
	others(30);
	for (int span = 0; span < STALL_SPAN_COUNT; span++)
		now.stall_permyriad[PARTY_OTHERS][STALL_FOREIGN][span] = 10000;
	assert_nothing();
	assert_true(out.is_foreign_stalled);
	assert_int_equal(policy_find_pressure(&now, &config), REASON_NONE);
	/* Nor does it confirm a sample, nor keep the model small. */
	others(51);
	assert_hold(REASON_UNCONFIRMED);
	now.serving = 1;
	others(20);
	now.calm_ns = now.pressure_calm_ns = SECONDS(300);
	assert_switch(REASON_CALM, SWITCH_PLANNED, 2);
}

static void test_cpu_wait(void **state)
{
	(void)state;
	others(30);
	now.cpu.model_wait_permyriad = 2499;
	assert_nothing();
	now.cpu.model_wait_permyriad = 2500;
	assert_switch(REASON_CPU_WAIT_MODEL, SWITCH_PLANNED, 3);
	assert_int_equal(out.blame, BLAME_CPU);
	assert_int_equal(out.party, PARTY_MODEL);
	now.cpu.model_wait_permyriad = 0;
	now.cpu.others_wait_permyriad = 2500;
	assert_switch(REASON_CPU_WAIT_OTHERS, SWITCH_PLANNED, 3);
	now.serving = 1; /* never to off */
	assert_hold(REASON_MIN_TIER);
	now.serving = 0;
	now.is_fresh = false;
	assert_nothing();
}

static void test_cpu_wait_needs_a_target_that_runs_less(void **state)
{
	(void)state;
	others(30);
	now.cpu.model_wait_permyriad = 9000;
	config.ladder.tiers[3].memory_bytes = config.ladder.tiers[4].memory_bytes;
	others(20);
	assert_hold(REASON_NOT_OURS);
	config.ladder.tiers[3].cores_permille = 2000;
	assert_hold(REASON_NOT_OURS); /* not said by both */
	config.ladder.tiers[4].cores_permille = 2000;
	assert_hold(REASON_NOT_OURS);
	config.ladder.tiers[4].cores_permille = 4000;
	assert_switch(REASON_CPU_WAIT_MODEL, SWITCH_PLANNED, 3);
}

static void test_settling_is_held_to_the_hard_limit_only(void **state)
{
	const uint32_t states[] = {SWITCH_LOADING, SWITCH_SETTLING};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		now.switch_state = states[i];
		others(45);
		now.stall_permyriad[PARTY_MODEL][STALL_HOST][STALL_SPAN_URGENT] = 10000;
		now.stall_permyriad[PARTY_MODEL][STALL_HOST][STALL_SPAN_CALM] = 10000;
		now.cpu.model_wait_permyriad = 9000;
		assert_nothing();
		assert_int_equal(policy_find_pressure(&now, &config), REASON_NONE);
		others(51);
		now.is_confirmed = true;
		assert_switch(REASON_USE_OVER_DEGRADE, SWITCH_IMMEDIATE, 3);
		now.oom = REASON_OOM_HOST;
		others(10);
		assert_switch(REASON_OOM_HOST, SWITCH_IMMEDIATE, 3);
		now.oom = REASON_NONE;
	}
}

static void test_draining_down_is_called_off_under_the_margin(void **state)
{
	(void)state;
	now.switch_state = SWITCH_DRAINING;
	now.target = 3;
	others(36);
	assert_nothing();
	others(34);
	propose();
	assert_int_equal(out.action, PROPOSE_CANCEL);
	assert_int_equal(out.reason, REASON_PRESSURE_CLEARED);
	config.margin_permyriad = 700;
	assert_nothing();
	config.margin_permyriad = 500;
	now.stall_permyriad[PARTY_MODEL][STALL_HOST][STALL_SPAN_ABOVE] = 1000;
	assert_nothing();
	now.stall_permyriad[PARTY_MODEL][STALL_HOST][STALL_SPAN_ABOVE] = 0;
	now.cpu.model_wait_permyriad = 2500;
	assert_nothing();
}

static void test_draining_up_is_called_off_under_pressure(void **state)
{
	(void)state;
	now.switch_state = SWITCH_DRAINING;
	now.serving = 3;
	now.target = 4;
	others(30);
	assert_nothing();
	others(45); /* large would be at 85 % */
	propose();
	assert_int_equal(out.action, PROPOSE_CANCEL);
	assert_int_equal(out.reason, REASON_USE_OVER_UPGRADE);
	others(30);
	now.stall_permyriad[PARTY_OTHERS][STALL_HOST][STALL_SPAN_CALM] = 200;
	propose();
	assert_int_equal(out.action, PROPOSE_CANCEL);
}

static void calm_on_medium(void)
{
	now.serving = 3;
	now.calm_ns = now.pressure_calm_ns = SECONDS(300);
	others(30);
}

static void test_step_up_when_all_is_well(void **state)
{
	(void)state;
	calm_on_medium();
	assert_switch(REASON_CALM, SWITCH_PLANNED, 4);
	now.is_fresh = false;
	assert_nothing();
}

static void test_step_up_waits(void **state)
{
	(void)state;
	calm_on_medium();
	now.calm_ns -= 1;
	assert_hold(REASON_DATA_LOST);
	assert_true(out.is_step_up_hold);
	now.pressure_calm_ns -= 1;
	assert_hold(REASON_STABILIZING);
	calm_on_medium();
	now.stabilization_ns += 1;
	assert_hold(REASON_STABILIZING);
	calm_on_medium();
	now.stabilization_ns = SECONDS(300);
	now.is_model_unseen = true;
	assert_hold(REASON_MODEL_UNSEEN);
	now.serving = 0; /* nothing there to be seen */
	assert_switch(REASON_CALM, SWITCH_PLANNED, 1);
}

static void test_step_up_looks_at_peak_and_trend(void **state)
{
	(void)state;
	calm_on_medium();
	now.resources.view[0].others_bytes[LADDER_PEAK] = 45 * GB; /* 85 % = 90 - 5 */
	assert_switch(REASON_CALM, SWITCH_PLANNED, 4);
	now.resources.view[0].others_bytes[LADDER_PEAK] = 46 * GB;
	assert_hold(REASON_PEAK_DOES_NOT_FIT);
	config.margin_permyriad = 400;
	assert_switch(REASON_CALM, SWITCH_PLANNED, 4);
	now.resources.view[0].others_bytes[LADDER_TREND] = 46 * GB;
	assert_hold(REASON_TREND_RISING);
}

static void test_step_up_needs_room_now(void **state)
{
	(void)state;
	calm_on_medium();
	others(41);
	assert_nothing();
	now.serving = 4;
	others(10);
	assert_nothing();
}

static void test_nothing_is_switched_without_a_source_while_paused_or_cold(void **state)
{
	(void)state;
	others(60);
	now.is_confirmed = true;
	now.is_paused = true;
	assert_hold(REASON_PAUSED);
	now.is_paused = false;
	now.is_warm = false;
	assert_hold(REASON_WARMUP);
	now.is_warm = true;
	now.source = SOURCE_NONE;
	assert_hold(REASON_SOURCE_LOST);
}

static void test_pressure_reasons(void **state)
{
	(void)state;
	others(40);
	assert_int_equal(policy_find_pressure(&now, &config), REASON_USE_OVER_UPGRADE);
	others(50);
	assert_int_equal(policy_find_pressure(&now, &config), REASON_USE_OVER_DEGRADE);
	others(30);
	now.stall_permyriad[PARTY_OTHERS][STALL_HOST][STALL_SPAN_CALM] = 199;
	assert_int_equal(policy_find_pressure(&now, &config), REASON_NONE);
	now.stall_permyriad[PARTY_OTHERS][STALL_HOST][STALL_SPAN_CALM] = 200;
	assert_int_equal(policy_find_pressure(&now, &config), REASON_STALL_OVER_ABOVE);
	now.stall_permyriad[PARTY_OTHERS][STALL_HOST][STALL_SPAN_CALM] = 0;
	now.cpu.others_wait_permyriad = 2500;
	assert_int_equal(policy_find_pressure(&now, &config), REASON_CPU_WAIT_OTHERS);
	now.oom = REASON_OOM_GROUP;
	assert_int_equal(policy_find_pressure(&now, &config), REASON_OOM_GROUP);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
		TEST(test_calm_asks_for_nothing),
		TEST(test_use_over_degrade),
		TEST(test_stall_confirms_a_sample),
		TEST(test_limits_are_inclusive),
		TEST(test_use_is_of_the_worst_resource),
		TEST(test_oom),
		TEST(test_stall_over_urgent),
		TEST(test_stall_over_above),
		TEST(test_stall_steps_only_when_a_smaller_tier_relieves),
		TEST(test_share_of_a_group_is_of_the_tightest),
		TEST(test_foreign_stall_is_noted_and_never_steps),
		TEST(test_cpu_wait),
		TEST(test_cpu_wait_needs_a_target_that_runs_less),
		TEST(test_settling_is_held_to_the_hard_limit_only),
		TEST(test_draining_down_is_called_off_under_the_margin),
		TEST(test_draining_up_is_called_off_under_pressure),
		TEST(test_step_up_when_all_is_well),
		TEST(test_step_up_waits),
		TEST(test_step_up_looks_at_peak_and_trend),
		TEST(test_step_up_needs_room_now),
		TEST(test_nothing_is_switched_without_a_source_while_paused_or_cold),
		TEST(test_pressure_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
