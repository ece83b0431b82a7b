/* SPDX-License-Identifier: BSD-2-Clause */
/* An agent that is restarted: its engine goes on from what the one before has left. */
#include "test_core_restart_fixture.h"

/* ---- tier and number ---------------------------------------------------------------------------
 */

static void test_tier_is_kept(void **state)
{
	const struct decision *decision;
	uint32_t since;

	(void)state;
	step_down();
	since = rig->decision_count;
	restart(SECONDS(1), "medium");
	assert_string_equal(rig_wanted(rig), "medium");
	assert_string_equal(rig_actual(rig), "medium");
	assert_false(rig_status(rig)->is_tier_assumed);
	decision = rig_find(rig, since, DECISION_START, REASON_RESTORED);
	assert_non_null(decision);
	assert_int_equal(decision->time_ns, rig->now_ns);
	assert_int_equal(rig_count(rig, since, DECISION_SWITCH, REASON_NONE), 0);
	assert_non_null(rig_find_line(rig, 0, MANAGER_STATE));
}

static void test_no_number_is_given_twice(void **state)
{
	uint64_t before;

	(void)state;
	step_down();
	before = last_seq();
	restart(SECONDS(2), "medium");
	assert_int_equal(last_seq(), before);
	rig->others_bytes = 90 * GB;
	rig_run(rig, SECONDS(12), NULL);
	/* So many may have been given after the state was taken: one in each millisecond. */
	assert_int_equal(last_seq(), before + 2000 + 1 + 1);
}

/* Agents that are killed before they can say what they have ordered: each takes up the same. */
static void test_nor_by_agents_that_kept_nothing(void **state)
{
	uint64_t before = 0;

	(void)state;
	start("large");
	rig->others_bytes = 45 * GB;
	rig_run(rig, SECONDS(2), NULL);
	keep(false);
	for (int i = 0; i < 5; i++) {
		start_again(MILLIS(2));
		sample_loaded("large");
		assert_true(last_seq() > before);
		before = last_seq();
	}
}

static void test_numbers_go_on_after_an_orderly_end(void **state)
{
	uint64_t before;

	(void)state;
	step_down();
	before = last_seq();
	keep(true);
	start_again(SECONDS(100));
	sample_loaded("medium");
	rig->others_bytes = 90 * GB;
	rig_run(rig, SECONDS(12), NULL);
	assert_int_equal(last_seq(), before + 1);
}

static void test_a_tier_that_is_gone_starts_cold(void **state)
{
	uint64_t before;

	(void)state;
	step_down();
	before = last_seq();
	keep(true);
	rig_set_tier(&rig->config, 3, "other", 25 * GB);
	start_again(SECONDS(1));
	sample_loaded("off");
	assert_non_null(rig_find(rig, 0, DECISION_START, REASON_INITIAL));
	assert_true(rig_status(rig)->is_tier_assumed);
	rig->others_bytes = 90 * GB;
	rig_run(rig, SECONDS(12), NULL);
	assert_int_equal(last_seq(), before + 1);
}

static void test_a_ladder_that_has_changed_keeps_names(void **state)
{
	(void)state;
	step_down();
	keep(true);
	rig_set_tier(&rig->config, 1, "tiny", 5 * GB);
	rig_set_tier(&rig->config, 2, "medium", 25 * GB);
	rig->config.ladder.count = 3;
	start_again(SECONDS(1));
	sample_loaded("medium");
	assert_string_equal(rig_wanted(rig), "medium");
	assert_int_equal(rig_status(rig)->wanted_tier, 2);
}

static void test_another_ladder_before_the_first_sample(void **state)
{
	(void)state;
	step_down();
	keep(true);
	start_again(SECONDS(1));
	rig->config.ladder.count = 2;
	rig_configure(rig);
	sample_loaded("off");
	assert_int_equal(rig_status(rig)->wanted_tier, 1);
	assert_non_null(rig_find(rig, 0, DECISION_START, REASON_INITIAL));
}

static void test_pause_is_kept(void **state)
{
	(void)state;
	step_down();
	rig_command(rig, COMMAND_PAUSE, "", 0, ACK_DRAINING);
	restart(SECONDS(1), "medium");
	assert_true(rig_status(rig)->is_paused);
	rig->others_bytes = 95 * GB;
	rig_run(rig, SECONDS(30), NULL);
	assert_string_equal(rig_wanted(rig), "medium");
	rig_command(rig, COMMAND_RESUME, "", 0, ACK_DRAINING);
	rig_run(rig, SECONDS(2), NULL);
	assert_string_not_equal(rig_wanted(rig), "medium");
}

/* ---- calm --------------------------------------------------------------------------------------
 */

/* How long it then takes to step up. */
static uint64_t run_to_step_up(uint64_t limit_ns)
{
	uint64_t begin_ns = rig->now_ns;
	uint32_t since = rig->decision_count;

	while (rig->now_ns - begin_ns < limit_ns &&
	       !rig_find(rig, since, DECISION_SWITCH, REASON_CALM))
		rig_run(rig, MILLIS(100), NULL);
	return rig->now_ns - begin_ns;
}

static void test_calm_goes_on(void **state)
{
	uint64_t wait_ns;

	(void)state;
	step_down();
	wait_ns = config.stabilization_ns - rig_status(rig)->last.calm_ns;
	rig_run(rig, SECONDS(10), NULL);
	restart(SECONDS(2), "medium");
	assert_in_range(run_to_step_up(2 * wait_ns), wait_ns - SECONDS(12), wait_ns - SECONDS(10));
}

/* The same with the first sample later than samples ought to come. */
static void test_time_without_samples_is_not_calm(void **state)
{
	uint64_t wait_ns;

	(void)state;
	step_down();
	wait_ns = config.stabilization_ns - rig_status(rig)->last.calm_ns;
	rig_run(rig, wait_ns - SECONDS(5), NULL);
	keep(true);
	start_again(SECONDS(60));
	sample_loaded("medium");
	assert_int_equal(rig_status(rig)->lost[LOSS_SAMPLE], 1);
	assert_in_range(run_to_step_up(2 * config.stabilization_ns), config.stabilization_ns,
			config.stabilization_ns + SECONDS(1));
}

static void test_a_longer_wait_is_kept(void **state)
{
	uint64_t doubled_ns = 2 * config.stabilization_ns;

	(void)state;
	start("medium");
	rig->others_bytes = 20 * GB;
	run_to_step_up(2 * config.stabilization_ns);
	rig_ack(rig, ACK_FAILED);
	assert_int_equal(rig_status(rig)->last.stabilization_ns, doubled_ns);
	restart(SECONDS(1), "medium");
	assert_int_equal(rig_status(rig)->last.stabilization_ns, doubled_ns);
	assert_in_range(run_to_step_up(2 * doubled_ns), doubled_ns - SECONDS(2), doubled_ns);
	/* And decays as it would have. */
	rig_ack(rig, ACK_FAILED);
	restart(SECONDS(901), "medium");
	assert_int_equal(rig_status(rig)->last.stabilization_ns, doubled_ns);
}

static void test_a_step_up_stays_on_trial(void **state)
{
	(void)state;
	start("medium");
	rig->others_bytes = 20 * GB;
	run_to_step_up(2 * config.stabilization_ns);
	rig_ack(rig, ACK_DONE);
	rig_run(rig, SECONDS(8), NULL);
	restart(SECONDS(1), "large");
	rig->others_bytes = 55 * GB;
	rig_run(rig, SECONDS(12), NULL);
	assert_string_not_equal(rig_wanted(rig), "large");
	assert_int_equal(rig_status(rig)->last.stabilization_ns, 2 * config.stabilization_ns);
}

/* Others have been too high for the next tier, but not for this one. */
static void test_the_recent_peak_is_kept(void **state)
{
	(void)state;
	step_down();
	rig_run(rig, config.stabilization_ns - SECONDS(30), NULL);
	rig->others_bytes = 50 * GB;
	rig_run(rig, SECONDS(3), NULL);
	rig->others_bytes = 20 * GB;
	rig_run(rig, SECONDS(15), NULL);
	restart(SECONDS(1), "medium");
	rig_run(rig, SECONDS(20), NULL);
	assert_non_null(rig_find(rig, 0, DECISION_HOLD, REASON_PEAK_DOES_NOT_FIT));
	assert_string_equal(rig_wanted(rig), "medium");
}

static void test_losses_still_count(void **state)
{
	(void)state;
	step_down();
	rig_loss(rig, LOSS_URGENT_RING);
	rig_run(rig, SECONDS(10), NULL);
	restart(SECONDS(1), "medium");
	assert_in_range(run_to_step_up(2 * config.stabilization_ns),
			config.stabilization_ns - SECONDS(12),
			config.stabilization_ns - SECONDS(10));
}

/* ---- another boot ------------------------------------------------------------------------------
 */

static void check_other_boot(void)
{
	sample_loaded("medium");
	assert_string_equal(rig_wanted(rig), "medium");
	assert_true(rig_status(rig)->is_tier_assumed);
	assert_int_equal(rig_status(rig)->last.stabilization_ns, config.stabilization_ns);
	assert_true(last_seq() >= 1);
	assert_in_range(run_to_step_up(2 * config.stabilization_ns), config.stabilization_ns,
			config.stabilization_ns + SECONDS(1));
}

static void test_of_another_boot_only_the_tier_counts(void **state)
{
	(void)state;
	step_down();
	rig_run(rig, SECONDS(15), NULL);
	keep(true);
	kept.is_same_boot = false;
	kept.wait_factor = 8;
	start_again(SECONDS(1));
	check_other_boot();
}

static void test_a_clock_that_runs_backwards_is_another(void **state)
{
	(void)state;
	step_down();
	rig_run(rig, SECONDS(15), NULL);
	keep(true);
	kept.taken_ns += SECONDS(3600);
	start_again(SECONDS(1));
	check_other_boot();
}

/* ---- what comes at the wrong time --------------------------------------------------------------
 */

static void test_only_the_first_before_the_first_sample_counts(void **state)
{
	(void)state;
	step_down();
	keep(true);
	start_again(SECONDS(1));
	memcpy(kept.wanted, "tiny\0\0", 7);
	feed_state(&kept);
	sample_loaded("medium");
	feed_state(&kept);
	assert_string_equal(rig_wanted(rig), "medium");
	rig->engine = engine_init(rig->engine);
	feed_state(&kept); /* without a configuration */
	rig_configure(rig);
	sample_loaded("off");
	assert_string_not_equal(rig_wanted(rig), "tiny");
}

static void test_nothing_is_kept_before_the_first_sample(void **state)
{
	struct engine_state none = {.seq = 77};

	(void)state;
	rig = rig_new(&config, SECONDS(5));
	assert_false(engine_get_state(rig->engine, &none));
	assert_int_equal(none.seq, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tier_is_kept),
		TEST(test_no_number_is_given_twice),
		TEST(test_nor_by_agents_that_kept_nothing),
		TEST(test_numbers_go_on_after_an_orderly_end),
		TEST(test_a_tier_that_is_gone_starts_cold),
		TEST(test_a_ladder_that_has_changed_keeps_names),
		TEST(test_another_ladder_before_the_first_sample),
		TEST(test_pause_is_kept),
		TEST(test_calm_goes_on),
		TEST(test_time_without_samples_is_not_calm),
		TEST(test_a_longer_wait_is_kept),
		TEST(test_a_step_up_stays_on_trial),
		TEST(test_the_recent_peak_is_kept),
		TEST(test_losses_still_count),
		TEST(test_of_another_boot_only_the_tier_counts),
		TEST(test_a_clock_that_runs_backwards_is_another),
		TEST(test_only_the_first_before_the_first_sample_counts),
		TEST(test_nothing_is_kept_before_the_first_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
