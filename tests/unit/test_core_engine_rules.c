/* SPDX-License-Identifier: BSD-2-Clause */
/* Pressure that needs time or records to be seen, and that the options about it are used. */
#include "test_core_engine_fixture.h"

/* ---- stall ---- */

static void urgent(struct process_record *record, uint32_t party, uint64_t stall_ns)
{
	record->mem_stall_ns += stall_ns;
	record->header.flags |= PROCESS_URGENT;
	rig_record(rig, party, record, false);
	record->header.flags &= ~(uint32_t)PROCESS_URGENT;
}

static void test_urgent_records_count_at_once_and_once(void **state)
{
	(void)state;
	start("large");
	rig->now_ns += MILLIS(900);
	urgent(&rig->model, PARTY_MODEL, MILLIS(790));
	assert_int_equal(switches(REASON_STALL_OVER_URGENT), 0);
	assert_int_equal(rig_status(rig)->last.model_stall_urgent_permyriad, 3950);
	rig_window(rig, MILLIS(900));
	assert_in_range(rig_status(rig)->last.model_stall_urgent_permyriad, 3940, 3950);
	urgent(&rig->model, PARTY_MODEL, MILLIS(20));
	assert_int_equal(switches(REASON_STALL_OVER_URGENT), 1);
	assert_int_equal(rig->decisions[rig->decision_count - 1].time_ns, rig->now_ns);
}

static void test_foreign_limit_is_held_and_logged_once(void **state)
{
	const struct rig_load thrash = {.other_stall_ns = MILLIS(900), .limit_cgroup_id = 99};
	const struct decision *hold;

	(void)state;
	start(NULL);
	rig_run(rig, SECONDS(60), &thrash);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_NOT_OURS), 1);
	hold = rig_find(rig, 0, DECISION_HOLD, REASON_NOT_OURS);
	assert_int_equal(hold->victim.pid, RIG_OTHER_PID);
	assert_int_not_equal(hold->culprit.pid, 0);
}

static void test_foreign_limit_does_not_keep_the_model_small(void **state)
{
	const struct rig_load thrash = {.other_stall_ns = MILLIS(900), .limit_cgroup_id = 99};

	(void)state;
	start("small");
	rig_run(rig, SECONDS(320), &thrash);
	assert_int_equal(switches(REASON_CALM), 1);
}

static void test_our_group_steps_down(void **state)
{
	const struct rig_load thrash = {
		.other_stall_ns = MILLIS(900), .limit_cgroup_id = 99, .is_limit_ours = true};

	(void)state;
	start(NULL);
	rig_run(rig, SECONDS(2), &thrash);
	assert_int_not_equal(switches(REASON_NONE), 0);
}

static void test_small_share_is_held(void **state)
{
	const struct rig_load thrash = {.other_stall_ns = MILLIS(900)};

	(void)state;
	start("tiny"); /* 5 of 35 */
	rig_run(rig, SECONDS(20), &thrash);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_NOT_OURS), 1);
}

static void test_psi_stands_in_where_there_are_no_records(void **state)
{
	const struct rig_load stall = {
		.psi_ns = MILLIS(600), .host_scan_pages = 1000, .is_unwatched = true};
	const struct rig_load quiet = {.is_unwatched = true};
	const struct decision *decision;

	(void)state;
	rig = rig_new(&config, 0);
	rig_source(rig, SOURCE_PSI);
	rig_sample(rig);
	rig_run(rig, SECONDS(15), &quiet);
	rig_run(rig, SECONDS(4), &stall);
	decision = rig_find(rig, 0, DECISION_SWITCH, REASON_NONE);
	assert_non_null(decision);
	assert_int_equal(decision->victim.pid, 0);
	rig_source(rig, SOURCE_POLL);
	assert_int_equal(rig_status(rig)->last.others_stall_above_permyriad, 0);
	rig_run(rig, SECONDS(20), &stall);
	assert_int_equal(rig_status(rig)->last.others_stall_above_permyriad, 0);
}

static void test_lost_end_of_a_window_loses_no_stall(void **state)
{
	(void)state;
	start("large");
	for (int i = 0; i < 10; i++) {
		rig->now_ns += MILLIS(100);
		rig->model.mem_stall_ns += MILLIS(30);
		rig_record(rig, PARTY_MODEL, &rig->model, false);
		if (i % 2)
			rig_window(rig, MILLIS(100));
	}
	assert_in_range(rig_status(rig)->last.model_stall_urgent_permyriad, 1480, 1500);
}

static void test_stall_is_taken_over_the_configured_times(void **state)
{
	const struct rig_load stall = {.model_stall_ns = MILLIS(300)};

	(void)state;
	config.stall_urgent_window_ns = SECONDS(4);
	config.stall_above_window_ns = SECONDS(20);
	config.calm_stall_window_ns = SECONDS(30);
	start("large");
	rig_run(rig, SECONDS(2), &stall);
	rig_run(rig, MILLIS(1500), NULL);
	assert_in_range(rig_status(rig)->last.model_stall_urgent_permyriad, 1490, 1500);
	assert_in_range(rig_status(rig)->last.model_stall_above_permyriad, 290, 300);
	assert_in_range(rig_status(rig)->last.model_stall_calm_permyriad, 190, 200);
	assert_int_equal(switches(REASON_NONE), 0);
}

static void test_stall_thresholds_are_the_configured_ones(void **state)
{
	const struct rig_load stall = {.model_stall_ns = MILLIS(300)};

	(void)state;
	config.stall_urgent_permyriad = 1000;
	start("large");
	rig_run(rig, SECONDS(1), &stall);
	assert_int_equal(switches(REASON_STALL_OVER_URGENT), 1);
	rig_free(rig);
	config.stall_urgent_permyriad = 9000;
	config.stall_above_permyriad = 3500;
	start("large");
	rig_run(rig, SECONDS(10), &stall);
	assert_int_equal(switches(REASON_NONE), 0);
	rig_free(rig);
	config.calm_stall_permyriad = 5000;
	start("medium");
	rig_run(rig, SECONDS(290), &stall);
	assert_int_equal(switches(REASON_CALM), 1);
}

static void test_share_and_wait_are_the_configured_ones(void **state)
{
	const struct rig_load load = {.model_stall_ns = MILLIS(300),
				      .model_cpu_ns = SECONDS(1),
				      .model_wait_ns = MILLIS(600)};

	(void)state;
	config.share_min_permyriad = 6000; /* 40 of 70 */
	config.cpu_wait_above_permyriad = 4000;
	start("large");
	rig_run(rig, SECONDS(15), &load);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_NOT_OURS), 1);
	rig_free(rig);
	config.cpu_wait_above_permyriad = 3000;
	start("large");
	rig_run(rig, SECONDS(15), &load);
	assert_int_equal(switches(REASON_CPU_WAIT_MODEL), 1);
}

static void test_levels_are_the_configured_ones(void **state)
{
	(void)state;
	config.degrade_above_permyriad = 7500;
	config.upgrade_below_permyriad = 7400;
	config.min_tier = 2;
	start(NULL);
	rig->others_bytes = 36 * GB; /* 76 % */
	rig_run(rig, SECONDS(2), NULL);
	assert_int_equal(switches(REASON_USE_OVER_DEGRADE), 1);
	rig->others_bytes = 80 * GB;
	rig_run(rig, SECONDS(2), NULL);
	assert_string_equal(rig_wanted(rig), "small");
	rig_free(rig);
	config.margin_permyriad = 3400; /* up only while under 41 % */
	start("small");
	rig_run(rig, SECONDS(320), NULL);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_PEAK_DOES_NOT_FIT), 1);
	rig_free(rig);
	config = rig_config();
	config.upgrade_below_permyriad = 6900;
	start(NULL);
	assert_string_equal(rig_wanted(rig), "medium");
	rig_free(rig);
	config = rig_config();
	config.warmup_ns = SECONDS(40);
	config.confirm_ns = MILLIS(200);
	start("large");
	rig->others_bytes = 60 * GB;
	rig_run(rig, SECONDS(24), NULL);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(rig->out.sample_at_ns - rig_status(rig)->time_ns, MILLIS(200));
}

/* ---- CPU ---- */

static void test_model_waiting_for_the_cpu_steps_down_one_rung(void **state)
{
	const struct rig_load burst = {.model_cpu_ns = SECONDS(1),
				       .model_wait_ns = SECONDS(1),
				       .other_cpu_ns = SECONDS(3)};
	const struct decision *decision;

	(void)state;
	start("large");
	rig_run(rig, SECONDS(4), &burst);
	assert_int_equal(switches(REASON_NONE), 0);
	rig_run(rig, SECONDS(2), &burst);
	decision = rig_find(rig, 0, DECISION_SWITCH, REASON_CPU_WAIT_MODEL);
	assert_non_null(decision);
	assert_int_equal(decision->mode, SWITCH_PLANNED);
	assert_int_equal(decision->to, 3);
	assert_int_equal(decision->victim.pid, RIG_MODEL_PID);
	assert_int_equal(decision->culprit.pid, RIG_OTHER_PID);
	assert_in_range(decision->others_demand_permyriad, 6000, 7500);
}

static void test_busy_without_waiting_is_no_pressure(void **state)
{
	const struct rig_load busy = {.model_cpu_ns = SECONDS(4)};

	(void)state;
	start("medium");
	rig_run(rig, SECONDS(330), &busy);
	assert_int_equal(switches(REASON_CPU_WAIT_MODEL), 0);
	assert_int_equal(switches(REASON_CALM), 1);
}

static void test_background_build_is_no_pressure(void **state)
{
	const struct rig_load build = {
		.model_cpu_ns = SECONDS(2),
		.other_cpu_ns = SECONDS(2),
		.other_background_cpu_ns = SECONDS(2),
		.other_wait_ns = SECONDS(9),
		.other_background_wait_ns = SECONDS(9),
	};

	(void)state;
	start("large");
	rig_run(rig, SECONDS(60), &build);
	assert_int_equal(switches(REASON_NONE), 0);
}

static void test_others_wait_counts_as_far_as_the_model_runs(void **state)
{
	struct rig_load load = {.model_cpu_ns = SECONDS(1),
				.other_cpu_ns = SECONDS(3),
				.other_wait_ns = SECONDS(2)};

	(void)state;
	start("large");
	rig_run(rig, SECONDS(20), &load); /* 2 s x 1/4 of 5 s: 10 % */
	assert_int_equal(switches(REASON_NONE), 0);
	load.model_cpu_ns = SECONDS(3);
	load.other_cpu_ns = SECONDS(1); /* 2 s x 3/4 of 3 s: 50 % */
	rig_run(rig, SECONDS(6), &load);
	assert_int_equal(switches(REASON_CPU_WAIT_OTHERS), 1);
}

static void test_wanting_little_cpu_is_no_pressure(void **state)
{
	const struct rig_load sleepy = {.model_cpu_ns = MILLIS(20), .model_wait_ns = MILLIS(70)};

	(void)state;
	start("large");
	rig_run(rig, SECONDS(20), &sleepy);
	assert_int_equal(switches(REASON_NONE), 0);
}

static void test_short_burst_is_not_a_wait_for_the_whole_window(void **state)
{
	const struct rig_load burst = {.model_cpu_ns = SECONDS(1), .model_wait_ns = SECONDS(9)};
	const struct rig_load easy = {.model_cpu_ns = SECONDS(1)};

	(void)state;
	start("large");
	for (int i = 0; i < 5; i++) {
		rig_run(rig, SECONDS(3), &burst);
		rig_run(rig, SECONDS(3), &easy);
	}
	assert_int_equal(switches(REASON_NONE), 0);
}

static void test_cpu_window_is_waited_for_in_full(void **state)
{
	const struct rig_load burst = {.model_cpu_ns = SECONDS(1), .model_wait_ns = SECONDS(3)};

	(void)state;
	config.cpu_wait_window_ns = SECONDS(20);
	rig = rig_new(&config, SECONDS(5));
	rig_hello(rig, "large");
	rig_sample(rig);
	rig_run(rig, SECONDS(19), &burst);
	assert_int_equal(switches(REASON_NONE), 0);
	rig_run(rig, SECONDS(2), &burst);
	assert_int_equal(switches(REASON_CPU_WAIT_MODEL), 1);
}

/* ---- OOM ---- */

static void test_oom_steps_down_at_once(void **state)
{
	const struct decision *decision;

	(void)state;
	start("large");
	rig->now_ns += MILLIS(1);
	rig_oom(rig, PARTY_OTHERS, 0, false);
	decision = rig_find(rig, 0, DECISION_SWITCH, REASON_OOM_HOST);
	assert_non_null(decision);
	assert_int_equal(decision->time_ns, rig->now_ns);
	assert_int_equal(decision->to, 3);
	assert_int_equal(decision->victim.pid, 77);
	assert_string_equal(decision->victim.comm, "victim");
}

static void test_oom_of_a_whole_group_is_one(void **state)
{
	(void)state;
	start("large");
	for (int i = 0; i < 5; i++) {
		rig->now_ns += MILLIS(5);
		rig_oom(rig, PARTY_MODEL, 99, true);
	}
	assert_int_equal(switches(REASON_OOM_GROUP), 1);
	rig->now_ns += MILLIS(100);
	rig_oom(rig, PARTY_MODEL, 99, true);
	assert_int_equal(switches(REASON_OOM_GROUP), 2);
}

static void test_oom_at_a_foreign_limit_is_held(void **state)
{
	(void)state;
	start("large");
	rig_oom(rig, PARTY_OTHERS, 99, false);
	rig_oom(rig, PARTY_OTHERS, 99, false);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_NOT_OURS), 1);
	assert_int_equal(rig_find(rig, 0, DECISION_HOLD, REASON_NOT_OURS)->victim.pid, 77);
}

/* With as much memory no tier takes less time for a token; but it may run on fewer cores. */
static void test_cores_are_the_configured_ones(void **state)
{
	const struct rig_load load = {.model_cpu_ns = MILLIS(100), .model_wait_ns = MILLIS(900)};

	(void)state;
	config.ladder.tiers[3].memory_bytes = config.ladder.tiers[4].memory_bytes;
	for (uint32_t cores = 2; cores <= 4; cores += 2) {
		config.ladder.tiers[3].cores_permille = cores * 1000;
		config.ladder.tiers[4].cores_permille = 4000;
		start("large");
		rig_run(rig, SECONDS(10), &load);
		assert_int_equal(switches(REASON_CPU_WAIT_MODEL), cores == 2);
		rig_free(rig);
		rig = NULL;
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_cores_are_the_configured_ones),
		TEST(test_urgent_records_count_at_once_and_once),
		TEST(test_foreign_limit_is_held_and_logged_once),
		TEST(test_foreign_limit_does_not_keep_the_model_small),
		TEST(test_our_group_steps_down),
		TEST(test_small_share_is_held),
		TEST(test_psi_stands_in_where_there_are_no_records),
		TEST(test_lost_end_of_a_window_loses_no_stall),
		TEST(test_stall_is_taken_over_the_configured_times),
		TEST(test_stall_thresholds_are_the_configured_ones),
		TEST(test_share_and_wait_are_the_configured_ones),
		TEST(test_levels_are_the_configured_ones),
		TEST(test_model_waiting_for_the_cpu_steps_down_one_rung),
		TEST(test_busy_without_waiting_is_no_pressure),
		TEST(test_background_build_is_no_pressure),
		TEST(test_others_wait_counts_as_far_as_the_model_runs),
		TEST(test_wanting_little_cpu_is_no_pressure),
		TEST(test_short_burst_is_not_a_wait_for_the_whole_window),
		TEST(test_cpu_window_is_waited_for_in_full),
		TEST(test_oom_steps_down_at_once),
		TEST(test_oom_of_a_whole_group_is_one),
		TEST(test_oom_at_a_foreign_limit_is_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
