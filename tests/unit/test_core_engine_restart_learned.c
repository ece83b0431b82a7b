/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was learned before a restart decides after it as it would have without: each history is run
 * twice, once with an agent that is restarted in it.
 */
#include "test_core_rig_pin.h"

#include "test_core_adaptive_fixture.h"
#include "test_core_restart_fixture.h"

enum {
	REST_S = 1000, /* of a tier that failed; much longer than any other wait here */
	DRAIN_S = 45,
};

/* What a history came to: when, and what was wanted then. */
struct outcome {
	uint64_t seconds;
	uint32_t tier;
};

static int set_up_plain(void **state)
{
	set_up_adaptive(state);
	config.policy = POLICY_THRESHOLD;
	config.performance_retry_ns = SECONDS(REST_S);
	return 0;
}

/* A second in which the agent may be restarted; its manager is there all the time. */
static void pass_second(bool is_restarted)
{
	const char *loaded = rig_actual(rig);

	if (!is_restarted) {
		rig_run(rig, SECONDS(1), NULL);
		return;
	}
	restart(SECONDS(1), loaded);
	rig_hello(rig, loaded);
}

static void obey(void)
{
	rig_ack(rig, ACK_LOADING);
	rig_ack(rig, ACK_DONE);
	rig_run(rig, SECONDS(10), NULL);
}

static struct outcome wait_for_order(void)
{
	uint64_t began_ns = rig->now_ns;
	uint64_t seq = last_seq();

	while (rig->now_ns - began_ns < SECONDS(NEVER) && last_seq() == seq)
		rig_run(rig, SECONDS(1), NULL);
	return (struct outcome){
		.seconds = (rig->now_ns - began_ns) / NS_PER_S,
		.tier = rig_status(rig)->wanted_tier,
	};
}

static void assert_same(const struct outcome *without, const struct outcome *with)
{
	assert_in_range(with->seconds, without->seconds - 2, without->seconds + 2);
	assert_int_equal(with->tier, without->tier);
}

/* ---- tiers that did badly ----------------------------------------------------------------------
 */

static struct outcome rest_after_failures(bool is_restarted)
{
	struct outcome outcome;

	start("large");
	rig_task_ends(rig, "", 20, false, 100);
	obey();
	assert_string_equal(rig_actual(rig), "medium");
	pass_second(is_restarted);
	assert_int_equal(rig_status(rig)->tiers[LARGE].breaker, BREAKER_OPEN);
	outcome = wait_for_order();
	assert_true(holds(REASON_TIER_RESTING) > 0);
	stop();
	return outcome;
}

static void test_a_tier_that_failed_rests_as_long(void **state)
{
	struct outcome without = rest_after_failures(false);
	struct outcome with = rest_after_failures(true);

	(void)state;
	assert_int_equal(without.tier, LARGE);
	assert_in_range(without.seconds, REST_S - 20, REST_S);
	assert_same(&without, &with);
}

/* It is being tried once: when it fails again it rests for twice as long. */
static struct outcome rest_after_trial(bool is_restarted)
{
	struct outcome outcome;

	start("large");
	rig_task_ends(rig, "", 20, false, 100);
	obey();
	wait_for_order();
	obey();
	assert_string_equal(rig_actual(rig), "large");
	pass_second(is_restarted);
	assert_int_equal(rig_status(rig)->tiers[LARGE].breaker, BREAKER_HALF_OPEN);
	rig_task_ends(rig, "", 20, false, 100);
	rig_run(rig, SECONDS(12), NULL); /* no order comes sooner after a start */
	obey();
	assert_string_equal(rig_actual(rig), "medium");
	outcome = wait_for_order();
	stop();
	return outcome;
}

static void test_a_tier_on_trial_stays_on_trial(void **state)
{
	struct outcome without = rest_after_trial(false);
	struct outcome with = rest_after_trial(true);

	(void)state;
	assert_int_equal(without.tier, LARGE);
	assert_in_range(without.seconds, 2 * REST_S - 30, 2 * REST_S);
	assert_same(&without, &with);
}

/* ---- step ups that failed ----------------------------------------------------------------------
 */

static struct outcome wait_after_failed_step_up(bool is_restarted)
{
	struct outcome outcome;

	start("medium");
	wait_for_order();
	rig_ack(rig, ACK_FAILED);
	pass_second(is_restarted);
	outcome = wait_for_order();
	stop();
	return outcome;
}

static void test_a_failed_step_up_is_waited_for_as_long(void **state)
{
	struct outcome without = wait_after_failed_step_up(false);
	struct outcome with = wait_after_failed_step_up(true);
	uint64_t doubled_s = 2 * config.stabilization_ns / NS_PER_S;

	(void)state;
	assert_in_range(without.seconds, doubled_s - 2, doubled_s);
	assert_same(&without, &with);
}

/* ---- footprints and times ----------------------------------------------------------------------
 */

/* Large is said to take 40 and took 52, for which there is no room. */
static struct outcome step_up_to_a_large_one(bool is_measured, bool is_restarted)
{
	struct outcome outcome;

	start("large");
	rig->footprint_bytes = is_measured ? 52 * GB : 0;
	rig_run(rig, SECONDS(3), NULL);
	rig->others_bytes = 50 * GB;
	rig_run(rig, SECONDS(3), NULL);
	rig_ack(rig, ACK_LOADING);
	rig->footprint_bytes = 0;
	rig_ack(rig, ACK_DONE);
	rig->others_bytes = 35 * GB;
	rig_run(rig, SECONDS(10), NULL);
	pass_second(is_restarted);
	assert_int_equal(rig_preflight(rig, "large", 0, 0)->does_fit, !is_measured);
	outcome = wait_for_order();
	stop();
	return outcome;
}

static void test_a_learned_footprint_keeps_a_step_up_away(void **state)
{
	struct outcome configured = step_up_to_a_large_one(false, true);
	struct outcome without = step_up_to_a_large_one(true, false);
	struct outcome with = step_up_to_a_large_one(true, true);

	(void)state;
	assert_int_equal(configured.tier, LARGE);
	assert_int_equal(without.seconds, NEVER);
	assert_same(&without, &with);
}

/* Away from large, with a drain, and back to it: because somebody asks, not for any pressure. */
static void learn_times(void)
{
	rig_pin(rig, "medium", 0);
	rig_ack(rig, ACK_DRAINING);
	rig_run(rig, SECONDS(DRAIN_S), NULL);
	obey();
	rig_pin(rig, "large", 0);
	rig_ack(rig, ACK_LOADING);
	rig_run(rig, SECONDS(8), NULL);
	rig_ack(rig, ACK_DONE);
	rig_command(rig, COMMAND_UNPIN, "", 0, ACK_DRAINING);
	assert_string_equal(rig_actual(rig), "large");
}

/* When it is left ahead of a rise, and for what: it goes on while the tier drains and loads. */
static struct outcome leave_ahead(bool is_learned, bool is_restarted)
{
	const struct decision *leave;
	const struct status_footprint *times;
	struct outcome outcome;
	uint64_t began_ns;
	uint32_t since;

	start("large");
	if (is_learned)
		learn_times();
	rig_run(rig, SECONDS(10), NULL);
	pass_second(is_restarted);
	times = &rig_status(rig)->tiers[LARGE].footprint;
	assert_int_equal(times->drain_ns, is_learned ? SECONDS(DRAIN_S) : SECONDS(15));
	assert_int_equal(times->load_ns, is_learned ? SECONDS(8) : SECONDS(10));
	assert_int_equal(times->is_drain_measured && times->is_load_measured, is_learned);
	rig_run(rig, SECONDS(200), NULL);
	began_ns = rig->now_ns;
	since = rig->decision_count;
	rise(300 * GB / 1000, 65);
	leave = rig_find(rig, since, DECISION_SWITCH, REASON_FORECAST);
	assert_non_null(leave);
	outcome = (struct outcome){.seconds = (leave->time_ns - began_ns) / NS_PER_S,
				   .tier = leave->to};
	stop();
	return outcome;
}

static void test_learned_times_say_how_far_down(void **state)
{
	struct outcome configured = leave_ahead(false, true);
	struct outcome without = leave_ahead(true, false);
	struct outcome with = leave_ahead(true, true);

	(void)state;
	assert_int_equal(configured.tier, MEDIUM);
	assert_true(without.tier < MEDIUM);
	assert_same(&without, &with);
}

int main(void)
{
#undef TEST
#define TEST(name, set_up_it) cmocka_unit_test_setup_teardown(name, set_up_it, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_tier_that_failed_rests_as_long, set_up_plain),
		TEST(test_a_tier_on_trial_stays_on_trial, set_up_plain),
		TEST(test_a_failed_step_up_is_waited_for_as_long, set_up_plain),
		TEST(test_a_learned_footprint_keeps_a_step_up_away, set_up_plain),
		TEST(test_learned_times_say_how_far_down, set_up_adaptive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
