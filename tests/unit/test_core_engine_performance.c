/* SPDX-License-Identifier: BSD-2-Clause */
/* What the manager tells of its tasks changes what is decided, and what it never changes. */
#include "test_core_adaptive_fixture.h"

static const uint32_t policies[] = {POLICY_THRESHOLD, POLICY_ADAPTIVE};

/* A model of that tier that has just begun to serve, under one of the policies. */
static void begin(uint32_t policy, const char *tier)
{
	if (rig)
		stop();
	config.policy = policy;
	start(tier);
}

/* The manager does what it was told. */
static void obey(void)
{
	rig_ack(rig, ACK_LOADING);
	rig_ack(rig, ACK_DONE);
	rig_run(rig, SECONDS(10), NULL);
}

static const struct decision *find_switch(uint32_t reason)
{
	return rig_find(rig, 0, DECISION_SWITCH, reason);
}

/* Seconds until a step up is ordered; NEVER. */
static uint64_t wait_for_any_step_up_s(void)
{
	uint64_t began_ns = rig->now_ns;
	uint64_t seq = rig_status(rig)->seq;

	while (rig->now_ns - began_ns < SECONDS(NEVER) && rig_status(rig)->seq == seq)
		rig_run(rig, SECONDS(1), NULL);
	return (rig->now_ns - began_ns) / NS_PER_S;
}

/* ---- failures ----------------------------------------------------------------------------------
 */

static void test_a_failing_tier_is_stepped_down_from(void **state)
{
	const struct decision *decision;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		begin(policies[i], "large");
		rig_task_ends(rig, "", 11, true, 100);
		rig_task_ends(rig, "", 10, false, 100);
		rig_run(rig, SECONDS(30), NULL);
		assert_int_equal(switches(REASON_NONE), 0);
		rig_task_ends(rig, "", 1, false, 100);
		decision = find_switch(REASON_TIER_FAILING);
		assert_non_null(decision);
		assert_int_equal(decision->mode, SWITCH_PLANNED);
		assert_int_equal(decision->to, MEDIUM);
		assert_int_equal(decision->performance.tasks, 22);
		assert_int_equal(decision->performance.failed_permyriad, 5000);
		assert_int_equal(decision->performance.failure_above_permyriad, 5000);
		assert_int_equal(rig_find_line(rig, 0, MANAGER_SWITCH)->seq, decision->seq);
	}
}

/* Calm does not call it off: it was not ordered for pressure. */
static void test_the_drain_of_a_failing_tier_is_not_called_off(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		begin(policies[i], "large");
		rig_task_ends(rig, "", 20, false, 100);
		rig_ack(rig, ACK_DRAINING);
		rig_run(rig, SECONDS(60), NULL);
		assert_int_equal(rig_status(rig)->switch_state, SWITCH_DRAINING);
		obey();
		assert_string_equal(rig_actual(rig), "medium");
		assert_int_equal(rig_count(rig, 0, DECISION_CANCEL, REASON_NONE), 0);
	}
}

/* Nor does a manager that failed to carry it out. */
static void test_the_order_is_given_again_after_it_failed(void **state)
{
	(void)state;
	begin(POLICY_THRESHOLD, "large");
	rig_task_ends(rig, "", 20, false, 100);
	rig_ack(rig, ACK_FAILED);
	rig_run(rig, SECONDS(40), NULL);
	assert_int_equal(switches(REASON_TIER_FAILING), 2);
	assert_int_equal(rig_count(rig, 0, DECISION_CANCEL, REASON_NONE), 0);
}

/* The wait of a step up is 60 s: with no rest the larger tier is back then, with one after it. */
static void test_a_tier_that_failed_rests_before_it_is_stepped_up_to(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		for (uint64_t rest_s = 10; rest_s <= 900; rest_s += 890) {
			uint64_t wait_s;

			config.performance_retry_ns = SECONDS(rest_s);
			begin(policies[i], "large");
			rig_task_ends(rig, "", 20, false, 100);
			obey();
			wait_s = wait_for_any_step_up_s();
			assert_string_equal(rig_wanted(rig), "large");
			if (rest_s == 900)
				assert_in_range(wait_s, 888, 900);
			else
				assert_true(wait_s < 600);
			assert_int_equal(holds(REASON_TIER_RESTING) > 0, rest_s == 900);
		}
	}
}

static void test_a_second_failure_doubles_the_rest(void **state)
{
	uint64_t wait_s;

	(void)state;
	config.performance_retry_ns = SECONDS(1000);
	begin(POLICY_THRESHOLD, "large");
	rig_task_ends(rig, "", 20, false, 100);
	obey();
	wait_for_any_step_up_s();
	obey();
	assert_string_equal(rig_actual(rig), "large");
	rig_task_ends(rig, "", 20, false, 100);
	assert_int_equal(switches(REASON_TIER_FAILING), 2);
	obey();
	wait_s = wait_for_any_step_up_s();
	assert_in_range(wait_s, 1988, 2000);
}

/* Adaptive may pass a resting tier over: large does better than medium did. */
static void test_a_resting_tier_is_passed_over(void **state)
{
	(void)state;
	config.performance_retry_ns = SECONDS(3000);
	begin(POLICY_ADAPTIVE, "medium");
	rig_task_ends(rig, "", 20, false, 100);
	obey();
	assert_string_equal(rig_actual(rig), "small");
	assert_true(wait_for_any_step_up_s() < 1000);
	assert_string_equal(rig_wanted(rig), "large");
}

/* There is room for every tier; failing is no reason to take it sooner. */
static void test_failing_never_steps_up(void **state)
{
	uint64_t quiet_s;
	uint64_t failing_s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		begin(policies[i], "tiny");
		quiet_s = wait_for_any_step_up_s();
		begin(policies[i], "tiny");
		rig_task_ends(rig, "", 20, false, 100);
		failing_s = wait_for_any_step_up_s();
		assert_true(failing_s >= quiet_s);
		assert_int_equal(holds(REASON_TIER_FAILING) > 0, true);
	}
}

static void test_no_step_for_failures_while_paused_or_below_min_tier(void **state)
{
	(void)state;
	begin(POLICY_THRESHOLD, "large");
	rig_command(rig, COMMAND_PAUSE, "", 0, ACK_DRAINING);
	rig_task_ends(rig, "", 20, false, 100);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_PAUSED), 1);
	config.min_tier = LARGE;
	begin(POLICY_THRESHOLD, "large");
	rig_task_ends(rig, "", 20, false, 100);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_TIER_FAILING), 1);
}

/* ---- options -----------------------------------------------------------------------------------
 */

static bool is_left_for_failures(uint32_t ok_count, uint32_t failed_count)
{
	begin(POLICY_THRESHOLD, "large");
	rig_task_ends(rig, "", ok_count, true, 100);
	rig_task_ends(rig, "", failed_count, false, 100);
	return switches(REASON_TIER_FAILING) > 0;
}

static void test_options_of_failures_are_the_configured_ones(void **state)
{
	(void)state;
	assert_true(is_left_for_failures(8, 12));
	config.failure_above_permyriad = 6100;
	assert_false(is_left_for_failures(8, 12));
	assert_false(is_left_for_failures(0, 19));
	config.performance_tasks_min = 19;
	assert_true(is_left_for_failures(0, 19));
}

static void test_window_is_the_configured_one(void **state)
{
	(void)state;
	for (uint64_t window_s = 60; window_s <= 300; window_s += 240) {
		config.performance_window_ns = SECONDS(window_s);
		assert_false(is_left_for_failures(0, 12));
		rig_run(rig, SECONDS(90), NULL);
		rig_task_ends(rig, "", 12, false, 100);
		assert_int_equal(switches(REASON_TIER_FAILING), window_s == 300);
	}
}

static void test_task_timeout_is_the_configured_one(void **state)
{
	(void)state;
	config.task_timeout_ns = SECONDS(20);
	begin(POLICY_THRESHOLD, "large");
	rig_task_begin(rig, "one", "");
	rig_run(rig, SECONDS(15), NULL);
	assert_int_equal(rig_status(rig)->tasks.running, 1);
	rig_run(rig, SECONDS(10), NULL);
	assert_int_equal(rig_status(rig)->tasks.running, 0);
	assert_int_equal(rig_status(rig)->tasks.expired, 1);
}

/* ---- safety comes first ------------------------------------------------------------------------
 */

static void test_an_immediate_step_does_not_wait_for_a_planned_one(void **state)
{
	const struct decision *decision;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		begin(policies[i], "large");
		rig_task_ends(rig, "", 20, false, 100);
		rig_run(rig, SECONDS(1), NULL);
		rig->others_bytes = 55 * GB;
		rig_run(rig, SECONDS(2), NULL);
		decision = find_switch(REASON_USE_OVER_DEGRADE);
		assert_non_null(decision);
		assert_int_equal(decision->mode, SWITCH_IMMEDIATE);
		rig->others_bytes = 30 * GB;
	}
}

/* The largest that fits is where it goes, however badly that did. */
static void test_an_immediate_step_goes_to_a_resting_tier_if_that_is_what_fits(void **state)
{
	(void)state;
	config.performance_retry_ns = SECONDS(3000);
	begin(POLICY_THRESHOLD, "medium");
	rig_task_ends(rig, "", 20, false, 100);
	obey();
	rig_hello(rig, "large");
	rig_run(rig, SECONDS(15), NULL);
	rig->others_bytes = 52 * GB;
	rig_run(rig, SECONDS(2), NULL);
	assert_int_equal(rig_find(rig, 0, DECISION_SWITCH, REASON_USE_OVER_DEGRADE)->to, MEDIUM);
}

/* ---- latency -----------------------------------------------------------------------------------
 */

static void test_a_slow_tier_is_left_for_one_that_would_be_in_time(void **state)
{
	const struct decision *decision;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		for (uint32_t slo_ms = 0; slo_ms <= 11000; slo_ms += 11000) {
			config.ladder.tiers[LARGE].slo_ms = slo_ms;
			begin(policies[i], "large");
			rig_task_ends(rig, "", 20, true, 16000);
			decision = find_switch(REASON_TIER_SLOW);
			assert_int_equal(decision != NULL, slo_ms > 0);
			if (!decision)
				continue;
			assert_int_equal(decision->to, MEDIUM);
			assert_int_equal(decision->performance.slo_ms, slo_ms);
			assert_in_range(decision->performance.p95_ms, 15500, 16500);
			assert_true(decision->performance.is_target_estimated);
		}
	}
}

/* Two thousandths of its wanted time is nobody pressing; it is slow all the same. */
static void test_slow_while_nobody_presses_is_said_with_the_models_stall(void **state)
{
	const struct rig_load load = {.model_cpu_ns = MILLIS(950), .model_wait_ns = MILLIS(2)};
	const struct decision *hold;

	(void)state;
	config.ladder.tiers[LARGE].slo_ms = 100;
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		begin(policies[i], "large");
		rig_run(rig, SECONDS(30), &load);
		rig_task_ends(rig, "", 20, true, 16000);
		hold = rig_find(rig, 0, DECISION_HOLD, REASON_SLOW_UNPRESSED);
		assert_non_null(hold);
		assert_int_equal(hold->victim.pid, RIG_MODEL_PID);
		assert_in_range(hold->victim.amount, MILLIS(50), MILLIS(80));
		assert_int_equal(hold->culprit.pid, 0);
		assert_int_equal(hold->performance.slo_ms, 100);
		assert_int_equal(switches(REASON_NONE), 0);
	}
}

/* It is said once in a window, and not when the host explains it. */
static void test_slow_is_not_repeated_and_not_said_under_pressure(void **state)
{
	const struct rig_load pressed = {.other_stall_ns = MILLIS(50)};

	(void)state;
	config.ladder.tiers[LARGE].slo_ms = 100;
	begin(POLICY_THRESHOLD, "large");
	for (int i = 0; i < 100; i++) {
		rig_task_ends(rig, "", 20, true, 16000);
		rig_run(rig, SECONDS(1), NULL);
	}
	assert_int_equal(holds(REASON_SLOW_UNPRESSED), 1);
	begin(POLICY_THRESHOLD, "large");
	rig_run(rig, SECONDS(15), &pressed);
	rig_task_ends(rig, "", 20, true, 16000);
	rig_run(rig, SECONDS(5), &pressed);
	assert_int_equal(holds(REASON_SLOW_UNPRESSED), 0);
}

/* Requests are slow while a model is being loaded, and that is over when it has settled. */
static void test_tasks_that_end_while_a_tier_settles_are_not_held_against_it(void **state)
{
	(void)state;
	begin(POLICY_THRESHOLD, "large");
	rig_task_ends(rig, "", 20, false, 100);
	rig_ack(rig, ACK_LOADING);
	rig_task_ends(rig, "medium", 20, false, 100);
	rig_ack(rig, ACK_DONE);
	rig_task_ends(rig, "medium", 20, false, 100);
	rig_run(rig, SECONDS(30), NULL);
	assert_int_equal(switches(REASON_NONE), 1);
	rig_task_ends(rig, "medium", 20, false, 100);
	assert_int_equal(switches(REASON_NONE), 2);
}

/* ---- tasks that run ----------------------------------------------------------------------------
 */

static void test_hello_ends_all_tasks(void **state)
{
	(void)state;
	begin(POLICY_THRESHOLD, "large");
	rig_task_begin(rig, "one", "");
	rig_task_begin(rig, "two", "medium");
	assert_int_equal(rig_status(rig)->tasks.running, 2);
	assert_int_equal(rig_status(rig)->tiers[LARGE].running, 1);
	assert_int_equal(rig_status(rig)->tiers[MEDIUM].running, 1);
	rig_hello(rig, "large");
	assert_int_equal(rig_status(rig)->tasks.running, 0);
	assert_int_equal(rig_status(rig)->tasks.forgotten, 2);
}

static void test_status_holds_the_figures_of_the_last_hour(void **state)
{
	const struct status_tier *tier;

	(void)state;
	begin(POLICY_THRESHOLD, "large");
	rig_task_ends(rig, "", 30, true, 1000);
	rig_task_ends(rig, "", 10, false, 50);
	rig_task_ends(rig, "small", 5, true, 200);
	rig_run(rig, SECONDS(600), NULL);
	tier = &rig_status(rig)->tiers[LARGE];
	assert_int_equal(tier->hour.tasks, 40);
	assert_int_equal(tier->hour.failed_permyriad, 2500);
	assert_in_range(tier->hour.p95_ms, 970, 1030);
	assert_int_equal(rig_status(rig)->tiers[2].hour.tasks, 5);
	assert_int_equal(rig_status(rig)->tasks.unknown, 45);
	rig->now_ns += SECONDS(4400);
	rig_tick(rig);
	assert_int_equal(rig_status(rig)->tiers[LARGE].hour.tasks, 0);
}

static void test_status_says_which_tier_rests(void **state)
{
	const struct status_tier *tier;

	(void)state;
	begin(POLICY_THRESHOLD, "large");
	rig_task_ends(rig, "", 20, false, 50);
	obey();
	tier = &rig_status(rig)->tiers[LARGE];
	assert_int_equal(tier->breaker, BREAKER_OPEN);
	assert_int_equal(tier->reason, REASON_TIER_FAILING);
	assert_in_range(tier->rest_ns, SECONDS(288), SECONDS(291));
	assert_int_equal(rig_status(rig)->tiers[MEDIUM].breaker, BREAKER_CLOSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_adaptive, tear_down)
		TEST(test_a_failing_tier_is_stepped_down_from),
		TEST(test_the_drain_of_a_failing_tier_is_not_called_off),
		TEST(test_the_order_is_given_again_after_it_failed),
		TEST(test_a_tier_that_failed_rests_before_it_is_stepped_up_to),
		TEST(test_a_second_failure_doubles_the_rest),
		TEST(test_a_resting_tier_is_passed_over),
		TEST(test_failing_never_steps_up),
		TEST(test_no_step_for_failures_while_paused_or_below_min_tier),
		TEST(test_options_of_failures_are_the_configured_ones),
		TEST(test_window_is_the_configured_one),
		TEST(test_task_timeout_is_the_configured_one),
		TEST(test_an_immediate_step_does_not_wait_for_a_planned_one),
		TEST(test_an_immediate_step_goes_to_a_resting_tier_if_that_is_what_fits),
		TEST(test_a_slow_tier_is_left_for_one_that_would_be_in_time),
		TEST(test_slow_while_nobody_presses_is_said_with_the_models_stall),
		TEST(test_slow_is_not_repeated_and_not_said_under_pressure),
		TEST(test_tasks_that_end_while_a_tier_settles_are_not_held_against_it),
		TEST(test_hello_ends_all_tasks),
		TEST(test_status_holds_the_figures_of_the_last_hour),
		TEST(test_status_says_which_tier_rests),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
