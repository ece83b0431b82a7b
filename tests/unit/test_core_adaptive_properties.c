/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must hold under the adaptive policy for every signal. How each is drawn is told in
 * adaptive_signals.h, what is checked at each single step in adaptive_run.h.
 */
#include "adaptive_run.h"

enum {
	LOSSES_TRIED = 6, /* in every run, one at a time */
#ifdef __SANITIZE_ADDRESS__
	LOSSES_TRIED_NOISE = 12, /* every step costs ten times as much then, and is the same */
	LOST_STEP_UPS_MIN = 30,
#else
	LOSSES_TRIED_NOISE = 60, /* where a loss that makes calm look younger shows */
	LOST_STEP_UPS_MIN = 100,
#endif
};

/* ---- the rules of single steps -----------------------------------------------------------------
 */

static uint32_t step_up_count;
static uint32_t immediate_count;
static uint32_t lost_step_up_count;

static void count_steps(const struct rig *rig)
{
	for (uint32_t i = 0; i < rig->decision_count; i++) {
		const struct decision *decision = &rig->decisions[i];

		step_up_count += is_step_up(decision);
		immediate_count +=
			decision->action == DECISION_SWITCH && decision->mode == SWITCH_IMMEDIATE;
	}
}

static void run_checked(const struct signal *signal, bool has_manager)
{
	const struct engine_config config = default_config();
	struct rig *rig = run_whole(&config, signal, has_manager, 0);

	count_steps(rig);
	rig_free(rig);
}

/* check_immediate() and check_step_up() say which; here also that there were such steps. */
static void test_every_step_obeys_the_rules(void **state)
{
	(void)state;
	step_up_count = 0;
	immediate_count = 0;
	for_all(RUN_SECONDS, run_checked);
	assert_true(step_up_count >= 100);
	assert_true(immediate_count >= 50);
}

/* ---- the same signal gives the same decisions --------------------------------------------------
 */

static void compare_shifted(const struct signal *signal, bool has_manager, uint64_t shift_ns)
{
	const struct engine_config config = default_config();
	struct rig *first = run_whole(&config, signal, has_manager, SECONDS(60));
	struct rig *second = run_whole(&config, signal, has_manager, SECONDS(60) + shift_ns);

	assert_int_equal(first->decision_count, second->decision_count);
	assert_int_equal(first->line_count, second->line_count);
	for (uint32_t i = 0; i < first->decision_count; i++) {
		first->decisions[i].time_ns += shift_ns;
		assert_memory_equal(&first->decisions[i], &second->decisions[i],
				    sizeof(first->decisions[i]));
	}
	assert_memory_equal(first->lines, second->lines,
			    first->line_count * sizeof(first->lines[0]));
	rig_free(first);
	rig_free(second);
}

static void compare_later(const struct signal *signal, bool has_manager)
{
	static const uint64_t shifts_ns[] = {1, MILLIS(77), SECONDS(86400), UINT64_C(1) << 62};

	compare_shifted(signal, has_manager, shifts_ns[tried.seed % ARRAY_SIZE(shifts_ns)]);
}

static void test_shifted_time_changes_nothing(void **state)
{
	(void)state;
	for_all(RUN_SECONDS / 2, compare_later);
}

static void compare_again(const struct signal *signal, bool has_manager)
{
	compare_shifted(signal, has_manager, 0);
}

static void test_two_runs_are_the_same(void **state)
{
	(void)state;
	for_all(RUN_SECONDS / 2, compare_again);
}

/* ---- recovery and oscillation ------------------------------------------------------------------
 */

/*
 * Whatever was learned, after eight stabilizations of calm every tier that fits is stepped up to,
 * and what is left are at most as many steps as there are rungs, each after a wait that is
 * lengthened to at most eight times the least one, and with a drain, a load and a settle time.
 */
static uint64_t recovery_bound_ns(const struct engine_config *config)
{
	uint32_t rungs = config->ladder.count - 1;
	uint64_t way_ns = SECONDS(DRAIN_SECONDS) + config->ladder.tiers[rungs].load_ns;

	return 8 * config->stabilization_ns +
	       rungs * (8 * config->stabilization_min_ns + way_ns + config->settle_ns);
}

/* With less than upgrade_below in use before any model is loaded, which is a condition too. */
static void recover(const struct signal *signal, bool has_manager)
{
	const struct engine_config config = default_config();
	struct run run = run_start(&config, signal, has_manager, 0);
	uint32_t largest;
	uint32_t actual;

	run_through(&run);
	run.rig->others_bytes =
		(100 + tried.seed * 130 + UINT64_C(17) * tried.kind) % 790 * GB / 10;
	largest = largest_fitting(run.rig);
	run_until(&run, run.rig->now_ns + recovery_bound_ns(&config));
	actual = transition_of(run.rig)->actual;
	assert_in_range(actual, largest, config.ladder.count - 1);
	assert_true(use_permyriad(run.rig, actual) < config.degrade_above_permyriad);
	assert_int_equal(transition_of(run.rig)->wanted, actual);
	rig_free(run.rig);
}

static void test_bounded_pressure_ends_in_recovery(void **state)
{
	(void)state;
	for_all(900, recover);
}

/* Begins with the largest tier that fits; where nobody says so, with one under upgrade_below. */
static void count_none(const struct signal *signal, bool has_manager)
{
	const struct engine_config config = default_config();
	struct run run = run_start(&config, signal, has_manager, 0);
	uint32_t allowed = transition_of(run.rig)->actual < largest_fitting(run.rig);

	run_through(&run);
	assert_in_range(rig_count(run.rig, 0, DECISION_SWITCH, REASON_NONE), 0, allowed);
	rig_free(run.rig);
}

static void test_no_switch_on_flat_and_dance(void **state)
{
	(void)state;
	for_kind(SIGNAL_FLAT, 12, SIGNAL_SECONDS_MAX, count_none);
	for_kind(SIGNAL_DANCE, 12, SIGNAL_SECONDS_MAX, count_none);
}

/* A step up that was left under pressure, unforeseen, before it had lasted a stabilization. */
static bool is_failed_step_up(const struct rig *rig, uint32_t up)
{
	for (uint32_t i = up + 1; i < rig->decision_count; i++) {
		const struct decision *decision = &rig->decisions[i];

		if (decision->action == DECISION_CANCEL)
			return true;
		if (decision->action == DECISION_SWITCH)
			return decision->reason != REASON_FORECAST &&
			       decision->reason != REASON_RECURRENCE &&
			       decision->time_ns - rig->decisions[up].time_ns <
				       rig->config.stabilization_ns;
	}
	return false;
}

/*
 * Each step up waits for the least stabilization after the last switch; after each that failed
 * for twice as long, up to eight times, and that decays in a longer time than eight times it
 * takes. Between two of them are at most as many steps down as there are rungs, each of which
 * may be hurried once.
 */
static void check_flaps(const struct rig *rig, uint32_t seconds)
{
	uint64_t least_s = rig->config.stabilization_min_ns / NS_PER_S;
	uint32_t rungs = rig->config.ladder.count - 1;
	uint32_t failed = 0;
	uint32_t ups = 0;

	for (uint32_t i = 0; i < rig->decision_count; i++) {
		if (!is_step_up(&rig->decisions[i]))
			continue;
		ups++;
		failed += is_failed_step_up(rig, i);
	}
	assert_in_range(ups, 0, seconds / least_s);
	assert_in_range(failed, 0, 3 + seconds / (8 * least_s));
	assert_in_range(rig_count(rig, 0, DECISION_SWITCH, REASON_NONE), 0,
			ups + 2 * rungs * (ups + 1));
}

static void count_flaps(const struct signal *signal, bool has_manager)
{
	const struct engine_config config = default_config();
	struct rig *rig = run_whole(&config, signal, has_manager, 0);

	check_flaps(rig, signal->seconds);
	rig_free(rig);
}

/* Presses as soon as the largest tier is in place, and is calm as soon as it is not. */
static void flap_in_answer(const struct signal *signal, bool has_manager)
{
	const struct engine_config config = default_config();
	struct run run = run_start(&config, signal, has_manager, 0);
	uint64_t after_ns = SECONDS(tried.seed * 7);

	for (uint32_t t = 0; t < signal->seconds; t++) {
		bool is_up = transition_of(run.rig)->actual == config.ladder.count - 1;

		if (run.rig->now_ns - run.last_switch_ns >= after_ns)
			run.rig->others_bytes = (is_up ? 60 : 30) * GB;
		run_until(&run, SECONDS(t + 1));
	}
	assert_true(rig_count(run.rig, 0, DECISION_SWITCH, REASON_NONE) > 2);
	check_flaps(run.rig, signal->seconds);
	rig_free(run.rig);
}

static void test_flaps_are_bounded(void **state)
{
	(void)state;
	for_all(RUN_SECONDS, count_flaps);
	for_kind(SIGNAL_FLAT, 12, SIGNAL_SECONDS_MAX, flap_in_answer);
}

/* ---- lost data ---------------------------------------------------------------------------------
 */

static void run_with_losses(const struct signal *signal, bool has_manager)
{
	static const enum loss_cause causes[] = {LOSS_SAMPLE, LOSS_URGENT_RING};
	const struct engine_config config = default_config();
	struct run run = run_start(&config, signal, has_manager, 0);
	struct signal draw = {.state = tried.seed};

	for (uint32_t t = 0; t < signal->seconds; t++) {
		if (signal_below(&draw, 120) == 0)
			lose(&run, causes[signal_below(&draw, ARRAY_SIZE(causes))]);
		run_second(&run, t);
	}
	count_steps(run.rig);
	rig_free(run.rig);
}

/* No step up is ordered within the least wait after a loss; and everything else holds, too. */
static void test_every_step_obeys_the_rules_with_losses(void **state)
{
	(void)state;
	step_up_count = 0;
	immediate_count = 0;
	for_all(RUN_SECONDS, run_with_losses);
	assert_true(step_up_count >= 50);
	assert_true(immediate_count >= 50);
}

static const struct decision *first_switch(const struct rig *rig, uint64_t from_ns)
{
	for (uint32_t i = 0; i < rig->decision_count; i++) {
		if (rig->decisions[i].action == DECISION_SWITCH &&
		    rig->decisions[i].time_ns >= from_ns)
			return &rig->decisions[i];
	}
	return NULL;
}

/* Whether the tier would have been under the limit all that time. */
static bool did_fit(const struct run *run, uint32_t tier, uint32_t from_s, uint64_t until_ns)
{
	const struct engine_config *config = &run->rig->config;

	for (uint32_t t = from_s; t < run->signal->seconds && SECONDS(t) <= until_ns; t++) {
		uint64_t bytes = run->signal->permille[t] * GB / 10 +
				 config->ladder.tiers[tier].memory_bytes;

		if (units_permyriad(bytes, 100 * GB) >= config->degrade_above_permyriad)
			return false;
	}
	return true;
}

/*
 * The two runs are the same until the loss. What counts is the first order after it, as long as
 * nothing has happened since that either of them learned from. A lost sample shifts the times of
 * the next ones by up to a second.
 */
static void check_lost(const struct run *run, const struct rig *whole, uint32_t lost_at)
{
	const struct decision *switched = first_switch(run->rig, run->last_loss_ns);
	const struct decision *other = first_switch(whole, run->last_loss_ns);

	if (!switched || !is_step_up(switched) ||
	    !did_fit(run, switched->to, lost_at, switched->time_ns))
		return;
	lost_step_up_count++;
	if (!other || other->time_ns > switched->time_ns + SECONDS(1))
		fail_msg("a loss at %u s brought a step up forward", lost_at);
}

static void compare_lost(const struct signal *signal, bool has_manager)
{
	const struct engine_config config = default_config();
	struct rig *whole = run_whole(&config, signal, has_manager, 0);
	struct signal draw = {.state = tried.seed * 31 + tried.kind};

	int losses = tried.kind == SIGNAL_NOISE ? LOSSES_TRIED_NOISE : LOSSES_TRIED;

	for (int i = 0; i < losses; i++) {
		struct run run = run_start(&config, signal, has_manager, 0);
		uint32_t lost_at = signal_below(&draw, signal->seconds);

		for (uint32_t t = 0; t < signal->seconds; t++) {
			if (t == lost_at)
				lose(&run, i % 2 ? LOSS_URGENT_RING : LOSS_SAMPLE);
			run_second(&run, t);
		}
		check_lost(&run, whole, lost_at);
		rig_free(run.rig);
	}
	rig_free(whole);
}

static void test_lost_data_brings_no_step_up_forward(void **state)
{
	(void)state;
	lost_step_up_count = 0;
	for_all(RUN_SECONDS, compare_lost);
	print_message("    %u step ups after a loss\n", lost_step_up_count);
	assert_true(lost_step_up_count >= LOST_STEP_UPS_MIN);
}

#define PROPERTY(test) cmocka_unit_test_teardown(test, tell_tried)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROPERTY(test_every_step_obeys_the_rules),
		PROPERTY(test_shifted_time_changes_nothing),
		PROPERTY(test_two_runs_are_the_same),
		PROPERTY(test_bounded_pressure_ends_in_recovery),
		PROPERTY(test_no_switch_on_flat_and_dance),
		PROPERTY(test_flaps_are_bounded),
		PROPERTY(test_every_step_obeys_the_rules_with_losses),
		PROPERTY(test_lost_data_brings_no_step_up_forward),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
