/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the adaptive policy learned before a restart decides after it. Histories are run twice, once
 * with an agent that is restarted in them: a step down comes when it would have come, a step up not
 * sooner.
 */
#include "test_core_adaptive_fixture.h"
#include "test_core_restart_fixture.h"

enum {
	SMALL = 2,
	CALM_S = 600,
	BREAK_S = 60,
	CYCLES = 5,
	DOWN_S = 2,
};

/*
 * Others come so often, and then there is no room for more than small. Where they stay for as long
 * each time it is told by how far apart they come, else by how long it is calm.
 */
static void learn_that_they_come(bool is_break_even)
{
	start("large");
	for (uint64_t i = 0; i < CYCLES; i++) {
		rig->others_bytes = 20 * GB;
		pass(CALM_S);
		rig->others_bytes = 70 * GB;
		pass(is_break_even ? BREAK_S : BREAK_S * (1 + i * 3 % CYCLES));
	}
	rig->others_bytes = 20 * GB;
}

/* Since the last break: when it was stepped up, and when large was left for the next one; 0 = it
 * was not. */
struct cycle {
	uint64_t up_s;
	uint64_t left_s;
	uint32_t left_for;
};

static struct cycle find_cycle(uint32_t since, uint64_t began_ns)
{
	const struct decision *up = rig_find(rig, since, DECISION_SWITCH, REASON_GAIN);
	const struct decision *left = rig_find(rig, since, DECISION_SWITCH, REASON_RECURRENCE);
	struct cycle cycle = {0};

	if (up)
		cycle.up_s = (up->time_ns - began_ns) / NS_PER_S;
	if (left) {
		cycle.left_s = (left->time_ns - began_ns) / NS_PER_S;
		cycle.left_for = left->to;
	}
	return cycle;
}

/* The agent is gone for down_s after after_s of calm; 0 = it is not. */
static struct cycle run_cycle(bool is_break_even, uint64_t after_s, uint64_t down_s)
{
	uint64_t began_ns;
	uint32_t since;
	struct cycle cycle;

	learn_that_they_come(is_break_even);
	began_ns = rig->now_ns;
	since = rig->decision_count;
	if (down_s) {
		pass(after_s);
		pass_restart(down_s);
		pass(CALM_S - after_s - down_s);
	} else {
		pass(CALM_S);
	}
	cycle = find_cycle(since, began_ns);
	stop();
	return cycle;
}

static void check_cycles(bool is_break_even)
{
	static const uint64_t gaps[][2] = {{5, 2}, {5, 60}, {200, 2}, {200, 100}, {500, 10}};
	struct cycle without = run_cycle(is_break_even, 0, 0);

	assert_in_range(without.up_s, 30, 199);
	assert_true(without.left_s > 400);
	assert_int_equal(without.left_for, SMALL);
	for (size_t i = 0; i < ARRAY_SIZE(gaps); i++) {
		uint64_t back_s = gaps[i][0] + gaps[i][1];
		struct cycle with = run_cycle(is_break_even, gaps[i][0], gaps[i][1]);

		assert_in_range(with.left_s, without.left_s - 1, without.left_s + 1);
		assert_int_equal(with.left_for, without.left_for);
		/* What was seen of calm before counts no more. */
		if (gaps[i][0] < without.up_s)
			assert_in_range(with.up_s, back_s + 30, back_s + without.up_s + 1);
		else
			assert_int_equal(with.up_s, without.up_s);
	}
}

static void test_a_recurrence_is_expected_as_before(void **state)
{
	(void)state;
	check_cycles(true);
	check_cycles(false);
}

/* Spells may be older than all else that is kept. */
static void test_old_spells_stay_old(void **state)
{
	(void)state;
	for (int is_break_even = 0; is_break_even < 2; is_break_even++) {
		struct cycle without = run_cycle(is_break_even, 0, 0);
		uint64_t began_ns;
		uint32_t since;

		learn_that_they_come(is_break_even);
		began_ns = rig->now_ns;
		pass(300);
		keep(false);
		kept.wait_factor = 1;
		kept.wait_factor_ns = 0;
		kept.pressure_ns = kept.sample_ns;
		kept.began_ns = kept.sample_ns;
		for (uint32_t tier = 0; tier < LARGE; tier++)
			memset(&kept.tiers[tier].calm, 0, sizeof(kept.tiers[tier].calm));
		/* Lengths are told by one time, what is between ends by the other. */
		if (!is_break_even)
			kept.tiers[LARGE].calm.broken_ns = 0;
		since = rig->decision_count;
		start_after(SECONDS(DOWN_S), "large");
		pass(CALM_S - 300 - DOWN_S);
		assert_in_range(find_cycle(since, began_ns).left_s, without.left_s - 1,
				without.left_s + 1);
		stop();
	}
}

/* What else presses than use may have gone unseen, however short the gap. */
static void test_the_wait_begins_anew(void **state)
{
	(void)state;
	config.stabilization_min_ns = SECONDS(100);
	config.stabilization_ns = SECONDS(200);
	learn_that_they_come(true);
	rig_command(rig, COMMAND_PAUSE, "", 0, ACK_DRAINING);
	pass(200);
	rig_command(rig, COMMAND_RESUME, "", 0, ACK_DRAINING);
	pass(50);
	pass_restart(DOWN_S);
	assert_in_range(wait_for_step_up_s(), 99, 101);
}

/* Of a tier that has never been seen to break the whole wait is asked for, and none of it kept. */
static void test_a_first_step_up_waits_anew(void **state)
{
	(void)state;
	start("medium");
	rig->others_bytes = 20 * GB;
	pass(85);
	assert_string_equal(rig_actual(rig), "medium");
	pass_restart(DOWN_S);
	assert_in_range(wait_for_step_up_s(), config.stabilization_ns / NS_PER_S - 1,
			config.stabilization_ns / NS_PER_S + 1);
}

/* A cold start knows nothing of it; nor does one for which calm means something else. */
static uint64_t left_after_change(void (*change)(void))
{
	uint64_t began_ns;
	uint32_t since;
	struct cycle cycle;
	const char *loaded;

	learn_that_they_come(true);
	pass(200);
	loaded = rig_actual(rig);
	began_ns = rig->now_ns;
	keep(false);
	change();
	since = rig->decision_count;
	start_after(SECONDS(DOWN_S), loaded);
	pass(CALM_S - 200 - DOWN_S);
	cycle = find_cycle(since, began_ns);
	stop();
	return cycle.left_s;
}

static void change_nothing(void)
{
}

static void change_limit(void)
{
	rig->config.degrade_above_permyriad -= 100;
}

static void change_drain(void)
{
	rig->config.cost_drain_ns += SECONDS(1);
}

static void change_memory(void)
{
	rig->config.ladder.tiers[LARGE].memory_bytes -= GB;
}

static void change_vram(void)
{
	rig->config.ladder.tiers[LARGE].vram_bytes[1] = GB;
}

static void change_policy_in_between(void)
{
	rig->config.policy = POLICY_THRESHOLD;
	start_after(SECONDS(1), "large");
	rig->config.policy = POLICY_ADAPTIVE;
	keep(false);
}

/* Another boot: how long it stays calm is known, not since when it is. */
static void change_boot(void)
{
	kept.is_same_boot = false;
}

static void test_of_another_limit_nothing_is_known(void **state)
{
	(void)state;
	assert_true(left_after_change(change_nothing) > 0);
	assert_int_equal(left_after_change(change_limit), 0);
	assert_int_equal(left_after_change(change_drain), 0);
	assert_int_equal(left_after_change(change_memory), 0);
	assert_int_equal(left_after_change(change_vram), 0);
	assert_int_equal(left_after_change(change_policy_in_between), 0);
	assert_int_equal(left_after_change(change_boot), 0);
}

/* After another boot a calm of as long as ever is expected, from its start on. */
static void test_after_another_boot_lengths_count(void **state)
{
	uint64_t began_ns;
	uint32_t since;
	struct cycle cycle;

	(void)state;
	learn_that_they_come(true);
	keep(true);
	kept.is_same_boot = false;
	began_ns = rig->now_ns;
	since = rig->decision_count;
	start_after(SECONDS(DOWN_S), rig_actual(rig));
	pass(CALM_S + 100);
	cycle = find_cycle(since, began_ns);
	assert_in_range(cycle.left_s, CALM_S - 120, CALM_S);
}

/* Refuges go by their names. */
static void test_another_ladder_keeps_what_is_the_same(void **state)
{
	struct cycle without = run_cycle(true, 0, 0);
	uint64_t began_ns;
	uint32_t since;
	struct cycle cycle;

	(void)state;
	learn_that_they_come(true);
	began_ns = rig->now_ns;
	pass(200);
	keep(false);
	since = rig->decision_count;
	for (uint32_t tier = 1; tier < LARGE; tier++)
		rig->config.ladder.tiers[tier] = rig->config.ladder.tiers[tier + 1];
	rig->config.ladder.count--;
	start_after(SECONDS(DOWN_S), "large");
	pass(CALM_S - 200 - DOWN_S);
	cycle = find_cycle(since, began_ns);
	assert_in_range(cycle.left_s, without.left_s - 1, without.left_s + 1);
	assert_int_equal(cycle.left_for, without.left_for - 1);
}

/* ---- forecasts, and what a break costs ---------------------------------------------------------
 */

/* Rises that stop short of the limit, again and again: forecasts are not believed any more. */
static void learn_not_to_believe(void)
{
	start("large");
	for (int i = 0; i < CYCLES; i++) {
		rig->others_bytes = 20 * GB;
		pass(100);
		rise(450 * GB / 1000, 60);
		pass(200);
	}
	rig->others_bytes = 20 * GB;
	pass(200);
}

static uint32_t trust_after(bool is_restarted)
{
	uint32_t trust;

	learn_not_to_believe();
	if (is_restarted)
		pass_restart(DOWN_S);
	pass(2);
	trust = rig_status(rig)->last.trust_permyriad;
	stop();
	return trust;
}

static void test_forecasts_that_were_wrong_are_not_believed(void **state)
{
	uint32_t without = trust_after(false);

	(void)state;
	assert_true(without < 7000);
	assert_int_equal(trust_after(true), without);
}

/* Two samples after the restart there is a level again; the noise is known from before. */
static uint32_t forecast_after(bool is_restarted)
{
	uint32_t forecast;

	start("large");
	for (int i = 0; i < 100; i++) {
		rig->others_bytes = (i % 2 ? 17 : 23) * GB;
		pass(1);
	}
	if (is_restarted) {
		rig->others_bytes = 17 * GB;
		pass_restart(1);
	}
	rig->others_bytes = 23 * GB;
	pass(1);
	forecast = rig_status(rig)->last.forecast_permyriad;
	stop();
	return forecast;
}

static void test_noise_is_kept(void **state)
{
	uint32_t without = forecast_after(false);

	(void)state;
	assert_true(without > 6800);
	assert_in_range(forecast_after(true), without - 50, without + 50);
}

int main(void)
{
#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_adaptive, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_recurrence_is_expected_as_before),
		TEST(test_old_spells_stay_old),
		TEST(test_the_wait_begins_anew),
		TEST(test_a_first_step_up_waits_anew),
		TEST(test_of_another_limit_nothing_is_known),
		TEST(test_after_another_boot_lengths_count),
		TEST(test_another_ladder_keeps_what_is_the_same),
		TEST(test_forecasts_that_were_wrong_are_not_believed),
		TEST(test_noise_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
