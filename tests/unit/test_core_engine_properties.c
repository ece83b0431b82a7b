/* SPDX-License-Identifier: BSD-2-Clause */
/* What must hold for every signal: random ones from seeds, and the seeds of past mistakes. */
#include "test_core_random_host.h"

enum {
	SEEDS = 12,
};

/* ---- decisions do not depend on the clock's absolute value -------------------------------------
 */

static void assert_same_but_for_time(const struct rig *a, const struct rig *b, uint64_t shift_ns)
{
	assert_int_equal(a->decision_count, b->decision_count);
	assert_int_equal(a->line_count, b->line_count);
	for (uint32_t i = 0; i < a->decision_count; i++) {
		struct decision decision = a->decisions[i];

		decision.time_ns += shift_ns;
		assert_memory_equal(&decision, &b->decisions[i], sizeof(decision));
	}
	assert_memory_equal(a->lines, b->lines, a->line_count * sizeof(a->lines[0]));
}

static void test_shifted_time_changes_nothing(void **state)
{
	const uint64_t shifts_ns[] = {1, MILLIS(77), SECONDS(86400), UINT64_C(1) << 62};

	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		const struct engine_config config = short_config();
		struct rig *first = new_random_rig(&config, seed, SECONDS(60));
		struct rig *second;

		for (int s = 0; s < 400; s++)
			random_second(first, true);
		second = new_random_rig(&config, seed, SECONDS(60) + shifts_ns[seed - 1]);
		for (int s = 0; s < 400; s++)
			random_second(second, true);
		assert_true(first->decision_count > 10);
		assert_same_but_for_time(first, second, shifts_ns[seed - 1]);
		rig_free(first);
		rig_free(second);
	}
}

static void test_time_may_start_at_zero_and_end_at_its_end(void **state)
{
	const struct engine_config config = short_config();
	struct rig *rig = new_random_rig(&config, 1, 0);
	struct event event = {.kind = EVENT_TICK, .time_ns = UINT64_MAX};
	struct actions out;

	(void)state;
	rig->others_bytes = 60 * GB;
	rig_run(rig, SECONDS(20), NULL);
	assert_non_null(rig_find(rig, 0, DECISION_SWITCH, REASON_USE_OVER_DEGRADE));
	for (int i = 0; i < 10; i++)
		engine_step(rig->engine, &event, &out);
	assert_true(out.wake_at_ns == UINT64_MAX);
	rig_free(rig);
}

/* ---- step ups ----------------------------------------------------------------------------------
 */

/* Whether the situation of a status speaks against calm, seen from outside the engine. */
static bool is_pressed(const struct engine_status *status)
{
	return status->switch_state == SWITCH_STEADY &&
	       status->last.worst.use_permyriad >= status->last.upgrade_below_permyriad;
}

static void test_no_step_up_within_stabilization_of_pressure_or_loss(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		const struct engine_config config = short_config();
		struct rig *rig = new_random_rig(&config, seed, 0);
		uint64_t pressed_ns = 0;
		uint32_t seen = 0;

		for (int s = 0; s < 600; s++) {
			random_second(rig, false);
			for (; seen < rig->decision_count; seen++) {
				const struct decision *decision = &rig->decisions[seen];

				if (decision->reason != REASON_CALM)
					continue;
				assert_true(decision->calm_ns >= config.stabilization_ns);
				assert_true(decision->time_ns - pressed_ns + SECONDS(1) >=
					    config.stabilization_ns);
				assert_true(decision->to == decision->from + 1);
			}
			if (is_pressed(rig_status(rig)))
				pressed_ns = rig->now_ns;
		}
		rig_free(rig);
	}
}

/* The same host twice, once with losses: losing data never brings a step up forward. */
static void test_losing_data_never_leads_to_a_step_up(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		const struct engine_config config = short_config();
		const struct decision *ups[2];

		for (int has_losses = 0; has_losses < 2; has_losses++) {
			struct rig *rig = new_random_rig(&config, 1, 0);
			static struct decision found;

			rig->others_bytes = 60 * GB;
			rig_run(rig, SECONDS(20), NULL);
			rig->others_bytes = 10 * GB;
			random_state = seed;
			for (int s = 0; s < 400; s++) {
				bool is_lost = random_below(25) == 0;
				uint64_t cause = random_below(LOSS_CAUSE_COUNT);

				if (is_lost && has_losses)
					rig_loss(rig, (enum loss_cause)cause);
				assert_false(is_lost && has_losses && rig->out.line_count &&
					     rig->out.lines[0].verb == MANAGER_SWITCH);
				if (rig_status(rig)->seq)
					rig_ack(rig, ACK_DONE);
				rig_run(rig, SECONDS(1), NULL);
			}
			ups[has_losses] = rig_find(rig, 0, DECISION_SWITCH, REASON_CALM);
			assert_non_null(ups[has_losses]);
			if (has_losses)
				assert_true(ups[1]->time_ns >= found.time_ns);
			found = *ups[has_losses];
			rig_free(rig);
		}
	}
}

/* ---- step downs --------------------------------------------------------------------------------
 */

static void test_immediate_is_never_later_than_its_confirmation(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= UINT64_C(3) * SEEDS; seed++) {
		const struct engine_config config = short_config();
		struct rig *rig = new_random_rig(&config, seed, 0);
		uint32_t since;
		uint64_t over_ns;

		for (uint64_t s = 0; s < 20 + seed * 5; s++)
			random_second(rig, seed % 3 == 0);
		rig_command(rig, COMMAND_RESUME, "", 0, ACK_DRAINING);
		since = rig->decision_count;
		rig->others_bytes = 99 * GB;
		rig_sample(rig);
		over_ns = rig->now_ns;
		if (rig_status(rig)->wanted_tier != TIER_OFF &&
		    !rig_find(rig, since, DECISION_SWITCH, REASON_NONE)) {
			rig->now_ns = rig->out.sample_at_ns;
			assert_int_equal(rig->now_ns, over_ns + config.confirm_ns);
			rig_sample(rig);
		}
		assert_int_equal(rig_status(rig)->wanted_tier, TIER_OFF);
		rig_free(rig);
	}
}

/* ---- recovery and oscillation ------------------------------------------------------------------
 */

static void test_bounded_pressure_ends_in_a_bounded_wait(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		const struct engine_config config = short_config();
		struct rig *rig = new_random_rig(&config, seed, 0);
		struct rig_load quiet = {0};

		for (int s = 0; s < 200; s++)
			random_second(rig, true);
		rig_command(rig, COMMAND_RESUME, "", 0, ACK_DRAINING);
		rig_command(rig, COMMAND_UNPIN, "", 0, ACK_DRAINING);
		rig->others_bytes = 20 * GB;
		/* At most 8 x the wait for each of four rungs; a manager that does as told. */
		for (int s = 0; s < 4 * (8 * 30 + 10) + 300; s++) {
			rig_run(rig, SECONDS(1), &quiet);
			if (s % 10 == 0 && rig_status(rig)->seq)
				rig_ack(rig, ACK_DONE);
		}
		if (strcmp(rig_actual(rig), "large") != 0)
			assert_string_equal(rig_actual(rig), "large");
		assert_string_equal(rig_wanted(rig), "large");
		rig_free(rig);
	}
}

/* A square wave that is calm for just longer than the wait: fewer and fewer switches. */
static void test_square_wave_is_not_followed_for_ever(void **state)
{
	const struct engine_config config = short_config();
	struct rig *rig = rig_new(&config, 0);
	uint32_t early;
	uint32_t late;
	uint32_t since;

	(void)state;
	rig_sample(rig);
	rig_run(rig, SECONDS(15), NULL);
	for (int period = 0; period < 8; period++) {
		rig->others_bytes = 55 * GB;
		rig_run(rig, SECONDS(35), NULL);
		rig->others_bytes = 30 * GB;
		rig_run(rig, SECONDS(35), NULL);
	}
	early = rig_count(rig, 0, DECISION_SWITCH, REASON_NONE);
	since = rig->decision_count;
	for (int period = 0; period < 8; period++) {
		rig->others_bytes = 55 * GB;
		rig_run(rig, SECONDS(35), NULL);
		rig->others_bytes = 30 * GB;
		rig_run(rig, SECONDS(35), NULL);
	}
	late = rig_count(rig, since, DECISION_SWITCH, REASON_NONE);
	assert_true(early <= 8);
	/* At eight times the wait: a pair in four minutes, of two pairs in each. */
	assert_true(late <= 6);
	rig_free(rig);
}

static void test_noise_around_the_limits_does_not_oscillate(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		const struct engine_config config = short_config();
		struct rig *rig = new_random_rig(&config, seed, 0);

		rig_run(rig, SECONDS(15), NULL);
		for (int s = 0; s < 900; s++) {
			rig->others_bytes = 38 * GB + random_below(4 * GB); /* large: 78 to 82 % */
			rig_run(rig, SECONDS(1), NULL);
			if (rig_status(rig)->switch_state == SWITCH_DRAINING && seed % 2)
				rig_ack(rig, ACK_DONE);
		}
		/* Pairs of down and up after 30, 60, 120, and then every 240 s. */
		assert_true(rig_count(rig, 0, DECISION_SWITCH, REASON_NONE) <= 14);
		rig_free(rig);
	}
}

/* ---- mistakes of the past ----------------------------------------------------------------------
 */

static void test_cpu_burst_does_not_bounce(void **state)
{
	const struct rig_load burst = {.model_cpu_ns = SECONDS(1),
				       .model_wait_ns = SECONDS(1),
				       .other_cpu_ns = SECONDS(3)};
	const struct engine_config config = rig_config();
	struct rig *rig = rig_new(&config, 0);
	const struct decision *last = NULL;

	(void)state;
	rig_hello(rig, "large");
	rig_sample(rig);
	rig_run(rig, SECONDS(15), NULL);
	for (int s = 0; s < 60; s++) {
		rig_run(rig, SECONDS(1), &burst);
		if (rig_status(rig)->switch_state == SWITCH_DRAINING)
			rig_ack(rig, ACK_DONE);
	}
	for (uint32_t i = 0; i < rig->decision_count; i++) {
		const struct decision *decision = &rig->decisions[i];

		if (decision->action != DECISION_SWITCH)
			continue;
		/* Rungs are a settle and a window apart; and never down to nothing. */
		if (last)
			assert_true(decision->time_ns - last->time_ns >=
				    config.settle_ns + config.cpu_wait_window_ns - SECONDS(1));
		assert_true(decision->to > TIER_OFF);
		last = decision;
	}
	assert_non_null(last);
	rig_run(rig, SECONDS(280), NULL);
	assert_null(rig_find(rig, 0, DECISION_SWITCH, REASON_CALM));
	rig_free(rig);
}

static void test_failed_switch_is_not_recorded_as_done(void **state)
{
	const struct engine_config config = rig_config();
	struct rig *rig = rig_new(&config, 0);

	(void)state;
	rig_hello(rig, "large");
	rig_sample(rig);
	rig_run(rig, SECONDS(15), NULL);
	rig->others_bytes = 60 * GB;
	rig_run(rig, SECONDS(2), NULL);
	rig_ack(rig, ACK_FAILED);
	assert_string_equal(rig_actual(rig), "large");
	assert_null(rig_find(rig, 0, DECISION_DONE, REASON_NONE));
	assert_int_equal(rig_count(rig, 0, DECISION_FAILED, REASON_MANAGER_FAILED), 1);
	rig_free(rig);
}

/* The cooldown must not block an emergency. */
static void test_emergency_right_after_a_switch(void **state)
{
	const struct engine_config config = rig_config();
	struct rig *rig = rig_new(&config, 0);

	(void)state;
	rig_sample(rig);
	rig_run(rig, SECONDS(15), NULL);
	rig->others_bytes = 52 * GB;
	rig_run(rig, SECONDS(2), NULL);
	assert_string_equal(rig_actual(rig), "medium");
	rig->others_bytes = 70 * GB;
	rig_run(rig, SECONDS(2), NULL);
	assert_string_equal(rig_actual(rig), "tiny");
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shifted_time_changes_nothing),
		cmocka_unit_test(test_time_may_start_at_zero_and_end_at_its_end),
		cmocka_unit_test(test_no_step_up_within_stabilization_of_pressure_or_loss),
		cmocka_unit_test(test_losing_data_never_leads_to_a_step_up),
		cmocka_unit_test(test_immediate_is_never_later_than_its_confirmation),
		cmocka_unit_test(test_bounded_pressure_ends_in_a_bounded_wait),
		cmocka_unit_test(test_square_wave_is_not_followed_for_ever),
		cmocka_unit_test(test_noise_around_the_limits_does_not_oscillate),
		cmocka_unit_test(test_cpu_burst_does_not_bounce),
		cmocka_unit_test(test_failed_switch_is_not_recorded_as_done),
		cmocka_unit_test(test_emergency_right_after_a_switch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
