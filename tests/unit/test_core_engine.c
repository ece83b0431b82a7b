/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine as a whole: what comes out of the one door for what goes in, in invented time. */
#include "test_core_rig.h"

static struct rig *new_rig(void)
{
	struct engine_config config = rig_config();

	return rig_new(&config, SECONDS(1000));
}

/* Started, warm, calm, tier large in place, no manager. */
static struct rig *new_warm_rig(void)
{
	struct rig *rig = new_rig();

	rig_sample(rig);
	rig_run(rig, SECONDS(15), NULL);
	return rig;
}

static struct rig *new_managed_rig(void)
{
	struct rig *rig = new_rig();

	rig_hello(rig, "large");
	rig_sample(rig);
	rig_run(rig, SECONDS(15), NULL);
	return rig;
}

static void test_starts_on_the_largest_fitting_tier(void **state)
{
	struct rig *rig = new_rig();
	const struct decision *decision;
	const struct manager_line *line;

	(void)state;
	rig->others_bytes = 50 * GB; /* + 25 < 80, + 40 > 80 */
	assert_false(rig_status(rig)->is_started);
	rig_sample(rig);
	decision = rig_find(rig, 0, DECISION_START, REASON_INITIAL);
	assert_non_null(decision);
	assert_int_equal(decision->time_ns, SECONDS(1000));
	assert_string_equal(rig_wanted(rig), "medium");
	line = rig_find_line(rig, 0, MANAGER_STATE);
	assert_non_null(line);
	assert_string_equal(line->to, "medium");
	assert_false(line->is_actual_known);
	rig_free(rig);
}

static void test_starts_on_what_hello_named(void **state)
{
	struct rig *rig = new_rig();

	(void)state;
	rig_hello(rig, "small");
	rig_sample(rig);
	assert_string_equal(rig_wanted(rig), "small");
	assert_false(rig_status(rig)->is_tier_assumed);
	rig_free(rig);
}

static void test_no_switch_before_warmup(void **state)
{
	struct rig *rig = new_rig();

	(void)state;
	rig_sample(rig);
	rig->others_bytes = 70 * GB;
	rig_run(rig, MILLIS(9900), NULL);
	assert_null(rig_find(rig, 0, DECISION_SWITCH, REASON_NONE));
	assert_non_null(rig_find(rig, 0, DECISION_HOLD, REASON_WARMUP));
	rig_run(rig, MILLIS(1300), NULL);
	assert_non_null(rig_find(rig, 0, DECISION_SWITCH, REASON_USE_OVER_DEGRADE));
	rig_free(rig);
}

static void test_one_sample_over_the_limit_does_nothing(void **state)
{
	struct rig *rig = new_warm_rig();

	(void)state;
	rig->now_ns += MILLIS(500);
	rig->others_bytes = 51 * GB; /* 91 % */
	rig_sample(rig);
	assert_int_equal(rig->out.sample_at_ns, rig->now_ns + rig->config.confirm_ns);
	assert_non_null(rig_find(rig, 0, DECISION_HOLD, REASON_UNCONFIRMED));
	rig->others_bytes = 30 * GB;
	rig->now_ns += MILLIS(100);
	rig_sample(rig);
	rig_run(rig, SECONDS(20), NULL);
	assert_null(rig_find(rig, 0, DECISION_SWITCH, REASON_NONE));
	rig_free(rig);
}

static void test_two_samples_over_the_limit_step_down_many_rungs_at_once(void **state)
{
	struct rig *rig = new_warm_rig();
	const struct decision *decision;
	const struct manager_line *line;
	uint64_t begin_ns;

	(void)state;
	rig->others_bytes = 70 * GB; /* large 110 %, medium 95 %, small 82 %, tiny 75 % */
	begin_ns = rig->now_ns;
	rig_sample(rig);
	rig->now_ns = rig->out.sample_at_ns;
	rig_sample(rig);
	decision = rig_find(rig, 0, DECISION_SWITCH, REASON_USE_OVER_DEGRADE);
	assert_non_null(decision);
	assert_int_equal(decision->time_ns, begin_ns + rig->config.confirm_ns);
	assert_int_equal(decision->mode, SWITCH_IMMEDIATE);
	assert_int_equal(decision->from, 4);
	assert_int_equal(decision->to, 1);
	assert_int_equal(decision->worst.use_permyriad, 11000);
	assert_int_equal(decision->worst.target_permyriad, 7500);
	line = rig_find_line(rig, 0, MANAGER_SWITCH);
	assert_non_null(line);
	assert_string_equal(line->from, "large");
	assert_string_equal(line->to, "tiny");
	assert_string_equal(line->reason, "use-over-degrade");
	assert_int_equal(line->mode, SWITCH_IMMEDIATE);
	assert_int_equal(line->seq, decision->seq);
	/* Nobody acknowledges: assumed at once. */
	assert_non_null(rig_find(rig, 0, DECISION_DONE, REASON_ASSUMED));
	assert_string_equal(rig_actual(rig), "tiny");
	rig_free(rig);
}

static void test_imported_row_needs_no_second_sample(void **state)
{
	struct rig *rig = new_warm_rig();
	struct event event;

	(void)state;
	rig->others_bytes = 51 * GB;
	event = rig_sample_event(rig);
	event.sample.flags = SAMPLE_CONFIRMED;
	rig_step(rig, &event);
	assert_non_null(rig_find(rig, 0, DECISION_SWITCH, REASON_USE_OVER_DEGRADE));
	rig_free(rig);
}

static void test_planned_step_down_drains_and_goes_one_rung(void **state)
{
	struct rig *rig = new_warm_rig();
	const struct decision *decision;

	(void)state;
	rig->others_bytes = 45 * GB; /* 85 % */
	rig_run(rig, SECONDS(2), NULL);
	decision = rig_find(rig, 0, DECISION_SWITCH, REASON_USE_OVER_UPGRADE);
	assert_non_null(decision);
	assert_int_equal(decision->mode, SWITCH_PLANNED);
	assert_int_equal(decision->to, 3);
	assert_int_equal(rig_find_line(rig, 0, MANAGER_SWITCH)->deadline_ms, 120000);
	assert_int_equal(rig_status(rig)->switch_state, SWITCH_DRAINING);
	assert_string_equal(rig_actual(rig), "large");
	rig_run(rig, SECONDS(5), NULL);
	assert_non_null(rig_find(rig, 0, DECISION_DONE, REASON_ASSUMED));
	assert_string_equal(rig_actual(rig), "medium");
	assert_true(rig_status(rig)->is_tier_assumed);
	rig_free(rig);
}

static void test_drain_is_called_off_when_pressure_clears(void **state)
{
	struct rig *rig = new_managed_rig();

	(void)state;
	rig->others_bytes = 45 * GB;
	rig_run(rig, SECONDS(2), NULL);
	rig->others_bytes = 36 * GB; /* 76 %: not under 80 % - 5 points */
	rig_run(rig, SECONDS(5), NULL);
	assert_null(rig_find(rig, 0, DECISION_CANCEL, REASON_NONE));
	rig->others_bytes = 34 * GB;
	rig_run(rig, SECONDS(2), NULL);
	assert_non_null(rig_find(rig, 0, DECISION_CANCEL, REASON_PRESSURE_CLEARED));
	assert_non_null(rig_find_line(rig, 0, MANAGER_CANCEL));
	assert_string_equal(rig_wanted(rig), "large");
	rig_free(rig);
}

static void test_thrash_steps_down_although_memory_looks_calm(void **state)
{
	const struct rig_load thrash = {.model_stall_ns = MILLIS(600)};
	struct rig *rig = new_warm_rig();
	const struct decision *decision;

	(void)state;
	rig_run(rig, SECONDS(2), &thrash);
	decision = rig_find(rig, 0, DECISION_SWITCH, REASON_STALL_OVER_ABOVE);
	assert_non_null(decision);
	assert_int_equal(decision->mode, SWITCH_PLANNED);
	assert_int_equal(decision->victim.pid, RIG_MODEL_PID);
	decision = rig_find(rig, 0, DECISION_SWITCH, REASON_STALL_OVER_URGENT);
	assert_non_null(decision);
	assert_int_equal(decision->mode, SWITCH_IMMEDIATE);
	assert_true(decision->model_stall_urgent_permyriad >= 4000);
	assert_true(decision->worst.use_permyriad < 8000);
	rig_free(rig);
}

static void test_thrash_without_stall_records_is_not_seen(void **state)
{
	const struct rig_load thrash = {.model_stall_ns = MILLIS(600), .is_unwatched = true};
	struct rig *rig = new_warm_rig();

	(void)state;
	rig_run(rig, SECONDS(60), &thrash);
	assert_null(rig_find(rig, 0, DECISION_SWITCH, REASON_NONE));
	rig_free(rig);
}

static void test_step_up_after_stabilization_one_rung_at_a_time(void **state)
{
	struct rig *rig = new_warm_rig();
	const struct decision *down;
	const struct decision *up;
	uint64_t calm_from_ns;

	(void)state;
	rig->others_bytes = 70 * GB;
	rig_run(rig, SECONDS(2), NULL);
	down = rig_find(rig, 0, DECISION_SWITCH, REASON_USE_OVER_DEGRADE);
	assert_non_null(down);
	assert_int_equal(down->to, 1);
	rig->others_bytes = 20 * GB;
	calm_from_ns = rig->now_ns;
	rig_run(rig, SECONDS(298), NULL);
	assert_null(rig_find(rig, 0, DECISION_SWITCH, REASON_CALM));
	assert_non_null(rig_find(rig, 0, DECISION_HOLD, REASON_STABILIZING));
	rig_run(rig, SECONDS(20), NULL);
	up = rig_find(rig, 0, DECISION_SWITCH, REASON_CALM);
	assert_non_null(up);
	assert_true(up->time_ns - calm_from_ns >= SECONDS(297));
	assert_true(up->calm_ns >= SECONDS(300));
	assert_int_equal(up->from, 1);
	assert_int_equal(up->to, 2);
	rig_run(rig, SECONDS(700), NULL);
	assert_string_equal(rig_wanted(rig), "large");
	rig_free(rig);
}

static void test_time_going_backwards_is_taken_as_standing_still(void **state)
{
	struct rig *rig = new_warm_rig();
	struct event event = {.kind = EVENT_TICK, .time_ns = 5};
	struct actions out;

	(void)state;
	engine_step(rig->engine, &event, &out);
	assert_int_equal(rig_status(rig)->time_ns, rig->now_ns);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_on_the_largest_fitting_tier),
		cmocka_unit_test(test_starts_on_what_hello_named),
		cmocka_unit_test(test_no_switch_before_warmup),
		cmocka_unit_test(test_one_sample_over_the_limit_does_nothing),
		cmocka_unit_test(test_two_samples_over_the_limit_step_down_many_rungs_at_once),
		cmocka_unit_test(test_imported_row_needs_no_second_sample),
		cmocka_unit_test(test_planned_step_down_drains_and_goes_one_rung),
		cmocka_unit_test(test_drain_is_called_off_when_pressure_clears),
		cmocka_unit_test(test_thrash_steps_down_although_memory_looks_calm),
		cmocka_unit_test(test_thrash_without_stall_records_is_not_seen),
		cmocka_unit_test(test_step_up_after_stabilization_one_rung_at_a_time),
		cmocka_unit_test(test_time_going_backwards_is_taken_as_standing_still),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
