/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine with its manager and with people; and when it wants to be called again. */
#include "test_core_engine_fixture.h"

/* ---- manager -----------------------------------------------------------------------------------
 */

static void test_manager_takes_a_switch_through(void **state)
{
	struct manager_line line;

	(void)state;
	start("large");
	rig->others_bytes = 45 * GB;
	rig_run(rig, SECONDS(30), NULL); /* longer than an assumed drain */
	assert_int_equal(rig_status(rig)->switch_state, SWITCH_DRAINING);
	assert_true(engine_get_pending_switch(rig->engine, &line));
	assert_string_equal(line.to, "medium");
	rig_command(rig, COMMAND_ACK, "", 999, ACK_DONE); /* of some other order */
	assert_int_equal(rig_status(rig)->switch_state, SWITCH_DRAINING);
	rig_ack(rig, ACK_DRAINING);
	rig_ack(rig, ACK_LOADING);
	assert_int_equal(rig_status(rig)->switch_state, SWITCH_LOADING);
	rig_ack(rig, ACK_DONE);
	assert_non_null(rig_find(rig, 0, DECISION_DONE, REASON_ACKNOWLEDGED));
	assert_string_equal(rig_actual(rig), "medium");
	assert_false(engine_get_pending_switch(rig->engine, &line));
	rig_run(rig, SECONDS(6), NULL);
	assert_int_equal(rig_status(rig)->switch_state, SWITCH_STEADY);
}

static void test_drain_deadline_is_the_configured_one(void **state)
{
	(void)state;
	config.drain_deadline_ns = SECONDS(20);
	start("large");
	rig->others_bytes = 45 * GB;
	rig_run(rig, SECONDS(19), NULL);
	assert_int_equal(rig_count(rig, 0, DECISION_CANCEL, REASON_NONE), 0);
	rig_run(rig, SECONDS(3), NULL);
	assert_int_equal(rig_count(rig, 0, DECISION_CANCEL, REASON_DRAIN_DEADLINE), 1);
	assert_true(switches(REASON_USE_OVER_UPGRADE) >= 2); /* tried again */
}

static void test_silent_manager_is_told_again_after_ack_timeout(void **state)
{
	uint32_t since;

	(void)state;
	config.ack_timeout_ns = SECONDS(10);
	start("large");
	rig->others_bytes = 60 * GB;
	rig_run(rig, SECONDS(2), NULL);
	assert_int_equal(rig_status(rig)->switch_state, SWITCH_LOADING);
	since = rig->line_count;
	rig->others_bytes = 20 * GB;
	rig_run(rig, SECONDS(7), NULL);
	assert_null(rig_find_line(rig, since, MANAGER_SWITCH));
	rig_run(rig, SECONDS(3), NULL);
	assert_non_null(rig_find_line(rig, since, MANAGER_SWITCH));
	assert_int_equal(rig_count(rig, 0, DECISION_FAILED, REASON_MANAGER_SILENT), 1);
	rig_ack(rig, ACK_DONE);
	assert_string_equal(rig_actual(rig), "small");
}

static void test_failed_step_up_lengthens_the_wait(void **state)
{
	(void)state;
	config.stabilization_ns = SECONDS(60);
	start("medium");
	rig_run(rig, SECONDS(50), NULL);
	assert_int_equal(switches(REASON_CALM), 1);
	rig_ack(rig, ACK_FAILED);
	assert_string_equal(rig_wanted(rig), "medium");
	assert_int_equal(rig_status(rig)->last.stabilization_ns, SECONDS(120));
	rig_run(rig, SECONDS(115), NULL);
	assert_int_equal(switches(REASON_CALM), 1);
	rig_run(rig, SECONDS(10), NULL);
	assert_int_equal(switches(REASON_CALM), 2);
}

static void test_settle_forgives_the_load(void **state)
{
	const struct rig_load loading = {.model_stall_ns = MILLIS(900)};

	(void)state;
	config.settle_ns = SECONDS(30);
	start("large");
	rig->others_bytes = 45 * GB;
	rig_run(rig, SECONDS(2), NULL);
	rig_ack(rig, ACK_DONE);
	rig->others_bytes = 30 * GB;
	rig_run(rig, SECONDS(28), &loading);
	rig_run(rig, SECONDS(10), NULL);
	assert_int_equal(switches(REASON_NONE), 1);
	assert_int_equal(rig_status(rig)->switch_state, SWITCH_STEADY);
	rig_run(rig, SECONDS(3), &loading);
	assert_int_equal(switches(REASON_NONE), 3);
}

static void test_hello_repeats_what_is_wanted(void **state)
{
	struct manager_line line;
	uint32_t since;

	(void)state;
	start(NULL);
	since = rig->line_count;
	rig_hello(rig, "small");
	assert_string_equal(rig_actual(rig), "small");
	assert_string_equal(rig_wanted(rig), "large");
	assert_false(rig_status(rig)->is_tier_assumed);
	assert_non_null(rig_find_line(rig, since, MANAGER_STATE));
	assert_string_equal(rig_find_line(rig, since, MANAGER_SWITCH)->to, "large");
	assert_true(engine_get_state_line(rig->engine, &line));
	assert_string_equal(line.from, "small");
	assert_string_equal(line.to, "large");
	assert_true(line.is_actual_known);
	rig_hello(rig, "no-such-tier");
	assert_string_equal(rig_actual(rig), "small");
}

static void test_state_line_is_repeated(void **state)
{
	uint32_t since;
	uint32_t count = 0;

	(void)state;
	config.heartbeat_ns = SECONDS(4);
	start("large");
	since = rig->line_count;
	rig_run(rig, SECONDS(40), NULL);
	for (uint32_t i = since; i < rig->line_count; i++)
		count += rig->lines[i].verb == MANAGER_STATE;
	assert_int_equal(count, 10);
}

/* ---- people ------------------------------------------------------------------------------------
 */

static void test_pause_holds_and_resume_starts_the_wait_anew(void **state)
{
	(void)state;
	start("small");
	rig_command(rig, COMMAND_PAUSE, "", 0, ACK_DRAINING);
	assert_int_equal(rig_count(rig, 0, DECISION_STATE, REASON_PAUSED), 1);
	rig_run(rig, SECONDS(310), NULL);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_PAUSED), 1);
	rig->others_bytes = 85 * GB;
	rig_run(rig, SECONDS(3), NULL);
	assert_int_equal(switches(REASON_NONE), 0);
	rig->others_bytes = 30 * GB;
	rig_run(rig, SECONDS(320), NULL);
	rig_command(rig, COMMAND_RESUME, "", 0, ACK_DRAINING);
	assert_int_equal(rig_count(rig, 0, DECISION_STATE, REASON_RESUMED), 1);
	rig_run(rig, SECONDS(290), NULL);
	assert_int_equal(switches(REASON_NONE), 0);
	rig_run(rig, SECONDS(20), NULL);
	assert_int_equal(switches(REASON_CALM), 1);
}

static void test_reload_keeps_the_tier_by_name(void **state)
{
	(void)state;
	start("medium");
	rig_set_tier(&rig->config, 5, "large", 40 * GB);
	rig_set_tier(&rig->config, 4, "medium", 25 * GB);
	rig_set_tier(&rig->config, 3, "new", 20 * GB);
	rig->config.ladder.count = 6;
	rig_configure(rig);
	assert_int_equal(rig_status(rig)->wanted_tier, 4);
	assert_int_equal(rig_status(rig)->actual_tier, 4);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(rig_count(rig, 0, DECISION_STATE, REASON_CONFIG_CHANGED), 1);
}

static void test_reload_without_the_tier_goes_to_the_largest_that_fits(void **state)
{
	(void)state;
	start("large");
	rig->others_bytes = 39 * GB;
	rig_run(rig, SECONDS(2), NULL);
	rig_set_tier(&rig->config, 4, "huge", 60 * GB);
	rig_configure(rig);
	assert_string_equal(rig_wanted(rig), "medium");
	assert_int_equal(rig_count(rig, 0, DECISION_SWITCH, REASON_CONFIG_CHANGED), 0);
	assert_int_equal(rig_count(rig, 0, DECISION_STATE, REASON_CONFIG_CHANGED), 1);
	assert_string_equal(rig_find_line(rig, 0, MANAGER_SWITCH)->to, "medium");
}

/* ---- when to come back -------------------------------------------------------------------------
 */

/* A glimpse of the band is no reason to drain; a second look follows at once. */
static void test_one_sample_in_the_band_starts_nothing(void **state)
{
	(void)state;
	start("large");
	rig->others_bytes = 45 * GB;
	rig->now_ns += SECONDS(1);
	rig_sample(rig);
	assert_int_equal(rig_count(rig, 0, DECISION_SWITCH, REASON_NONE), 0);
	assert_int_equal(rig_count(rig, 0, DECISION_HOLD, REASON_UNCONFIRMED), 1);
	assert_int_equal(rig->out.sample_at_ns - rig->now_ns, config.confirm_ns);
	rig->others_bytes = 20 * GB;
	rig_run(rig, SECONDS(5), NULL);
	assert_int_equal(rig_count(rig, 0, DECISION_SWITCH, REASON_NONE), 0);
	rig->others_bytes = 45 * GB;
	rig_run(rig, SECONDS(2), NULL);
	assert_int_equal(rig_count(rig, 0, DECISION_SWITCH, REASON_USE_OVER_UPGRADE), 1);
}

static void test_sampling_follows_the_headroom(void **state)
{
	(void)state;
	config.upgrade_below_permyriad = 9000; /* or the band would ask for a second look */
	start("large");
	assert_int_equal(rig->out.sample_at_ns - rig_status(rig)->time_ns <= SECONDS(1), true);
	rig->others_bytes = 47 * GB; /* 3 GB below the limit, at 6 GB/s */
	rig->now_ns += SECONDS(1);
	rig_sample(rig);
	assert_int_equal(rig->out.sample_at_ns - rig->now_ns, MILLIS(500));
	rig->others_bytes = 50 * GB - 1;
	rig->now_ns += SECONDS(1);
	rig_sample(rig);
	assert_int_equal(rig->out.sample_at_ns - rig->now_ns, config.sample_period_min_ns);
	rig->others_bytes = 0;
	rig->now_ns += SECONDS(1);
	rig_sample(rig);
	assert_int_equal(rig->out.sample_at_ns - rig->now_ns, config.sample_period_ns);
}

static void test_sampling_options_are_the_configured_ones(void **state)
{
	(void)state;
	config.sample_period_ns = SECONDS(3);
	config.sample_period_min_ns = MILLIS(300);
	config.fill_bytes_per_s = 2 * GB;
	config.upgrade_below_permyriad = 9000; /* or the band would ask for a second look */
	start("large");
	rig->now_ns += SECONDS(3);
	rig_sample(rig);
	assert_int_equal(rig->out.sample_at_ns - rig->now_ns, SECONDS(3));
	rig->others_bytes = 47 * GB;
	rig_sample(rig);
	assert_int_equal(rig->out.sample_at_ns - rig->now_ns, MILLIS(1500));
	rig->others_bytes = 50 * GB - 1;
	rig_sample(rig);
	assert_int_equal(rig->out.sample_at_ns - rig->now_ns, MILLIS(300));
}

static void test_failed_samples_are_not_hammered(void **state)
{
	(void)state;
	rig = rig_new(&config, SECONDS(3));
	assert_int_equal(rig->out.sample_at_ns, rig->now_ns);
	rig_loss(rig, LOSS_SAMPLE);
	assert_int_equal(rig->out.sample_at_ns, rig->now_ns + config.sample_period_ns);
}

static void test_calm_is_told(void **state)
{
	const struct rig_load stall = {.other_stall_ns = MILLIS(300)};

	(void)state;
	start("large");
	assert_true(rig->out.is_calm);
	rig_run(rig, SECONDS(1), &stall);
	assert_false(rig->out.is_calm);
	rig_run(rig, SECONDS(20), NULL);
	assert_true(rig->out.is_calm);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_manager_takes_a_switch_through),
		TEST(test_drain_deadline_is_the_configured_one),
		TEST(test_silent_manager_is_told_again_after_ack_timeout),
		TEST(test_failed_step_up_lengthens_the_wait),
		TEST(test_settle_forgives_the_load),
		TEST(test_hello_repeats_what_is_wanted),
		TEST(test_state_line_is_repeated),
		TEST(test_pause_holds_and_resume_starts_the_wait_anew),
		TEST(test_reload_keeps_the_tier_by_name),
		TEST(test_reload_without_the_tier_goes_to_the_largest_that_fits),
		TEST(test_one_sample_in_the_band_starts_nothing),
		TEST(test_sampling_follows_the_headroom),
		TEST(test_sampling_options_are_the_configured_ones),
		TEST(test_failed_samples_are_not_hammered),
		TEST(test_calm_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
