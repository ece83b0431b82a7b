/* SPDX-License-Identifier: BSD-2-Clause */
/* What holds a step up: data that are lost or missing, a rise that goes on, a recent peak. */
#include "test_core_engine_fixture.h"

/* ---- lost and missing ---- */

static void test_loss_restarts_the_wait(void **state)
{
	const enum loss_cause causes[] = {LOSS_SAMPLE, LOSS_URGENT_RING, LOSS_BULK_RING};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
		start("small");
		rig_run(rig, SECONDS(200), NULL);
		rig_loss(rig, causes[i]);
		rig_run(rig, SECONDS(295), NULL);
		assert_int_equal(switches(REASON_NONE), 0);
		assert_int_equal(holds(REASON_DATA_LOST), 1);
		rig_run(rig, SECONDS(10), NULL);
		assert_int_equal(switches(REASON_CALM), 1);
		rig_free(rig);
	}
	rig = NULL;
}

static void test_endless_loss_holds_for_a_while_only(void **state)
{
	const struct decision *up;

	(void)state;
	config.stabilization_ns = SECONDS(20);
	start("small");
	for (int s = 0; s < 150; s++) {
		rig_loss(rig, LOSS_URGENT_RING);
		rig_run(rig, SECONDS(1), NULL);
	}
	assert_int_equal(switches(REASON_NONE), 0);
	for (int s = 0; s < 40; s++) {
		rig_loss(rig, LOSS_URGENT_RING);
		rig_run(rig, SECONDS(1), NULL);
	}
	up = rig_find(rig, 0, DECISION_SWITCH, REASON_CALM);
	assert_non_null(up);
	assert_true(up->is_data_degraded);
	assert_true(up->lost_urgent > 150);
}

static void test_full_table_is_a_loss(void **state)
{
	(void)state;
	start("large");
	for (uint32_t pid = 10000; pid < 11100; pid++) {
		struct process_record record = rig_process(pid, "many");

		rig_record(rig, PARTY_OTHERS, &record, false);
	}
	assert_int_equal(rig_status(rig)->slots_used, rig_status(rig)->slots_max);
	assert_true(rig_status(rig)->lost[LOSS_SLOT] > 0);
}

static void test_no_source_holds(void **state)
{
	(void)state;
	start("large");
	rig_source(rig, SOURCE_NONE);
	rig->others_bytes = 70 * GB;
	rig_run(rig, SECONDS(20), NULL);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_SOURCE_LOST), 1);
	rig_source(rig, SOURCE_POLL);
	rig_run(rig, SECONDS(2), NULL);
	assert_int_equal(switches(REASON_USE_OVER_DEGRADE), 1);
	assert_int_equal(rig_count(rig, 0, DECISION_STATE, REASON_SOURCE_CHANGED), 2);
}

static void test_unseen_model_counts_with_its_footprint_and_does_not_grow(void **state)
{
	(void)state;
	start("small");
	rig->is_model_hidden = true;
	rig_run(rig, SECONDS(400), NULL);
	assert_int_equal(rig_status(rig)->last.worst.others_bytes, 30 * GB);
	assert_true(rig_status(rig)->is_model_unseen);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_MODEL_UNSEEN), 1);
	rig->is_model_hidden = false;
	rig_run(rig, SECONDS(2), NULL);
	assert_int_equal(switches(REASON_CALM), 1);
}

/* ---- past and future ---- */

static void test_rising_trend_holds_a_step_up(void **state)
{
	(void)state;
	config.trend_horizon_ns = SECONDS(600);
	start("medium");
	for (int s = 0; s < 330; s++) {
		rig->others_bytes += 20 * MIB;
		rig_run(rig, SECONDS(1), NULL);
	}
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_TREND_RISING), 1);
	rig_run(rig, SECONDS(150), NULL); /* level for longer than trend_ns */
	assert_int_equal(switches(REASON_CALM), 1);
}

static void test_trend_options_decide(void **state)
{
	(void)state;
	config.trend_horizon_ns = SECONDS(1);
	start("medium");
	for (int s = 0; s < 330; s++) {
		rig->others_bytes += 20 * MIB;
		rig_run(rig, SECONDS(1), NULL);
	}
	assert_int_equal(switches(REASON_CALM), 1);
	rig_free(rig);

	/* Level since 150 s: a longer trend still sees the rise. */
	config.trend_horizon_ns = SECONDS(3600);
	config.trend_ns = SECONDS(600);
	start("medium");
	for (int s = 0; s < 150; s++) {
		rig->others_bytes += 20 * MIB;
		rig_run(rig, SECONDS(1), NULL);
	}
	rig_run(rig, SECONDS(180), NULL);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_TREND_RISING), 1);
}

static void test_recent_peak_holds_a_step_up(void **state)
{
	(void)state;
	config.calm_stall_permyriad = 10000;
	start("medium");
	rig_run(rig, SECONDS(200), NULL);
	rig->others_bytes = 48 * GB; /* large at 88 %, medium at 73 %: no pressure */
	rig_run(rig, SECONDS(20), NULL);
	rig->others_bytes = 30 * GB;
	rig_run(rig, SECONDS(150), NULL);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_PEAK_DOES_NOT_FIT), 1);
	rig_run(rig, SECONDS(160), NULL);
	assert_int_equal(switches(REASON_CALM), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_loss_restarts_the_wait),
		TEST(test_endless_loss_holds_for_a_while_only),
		TEST(test_full_table_is_a_loss),
		TEST(test_no_source_holds),
		TEST(test_unseen_model_counts_with_its_footprint_and_does_not_grow),
		TEST(test_rising_trend_holds_a_step_up),
		TEST(test_trend_options_decide),
		TEST(test_recent_peak_holds_a_step_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
