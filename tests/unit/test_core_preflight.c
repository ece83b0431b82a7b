/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions whether something fits, and what they reserve: on a host of 100 GB, of which 80 may be
 * used. Others use 30.
 */
#include "test_core_engine_fixture.h"

static const struct preflight_answer *ask(const char *tier)
{
	return rig_preflight(rig, tier, 0, 0);
}

static const struct preflight_answer *ask_for(uint64_t memory_bytes)
{
	return rig_preflight(rig, "", memory_bytes, 0);
}

static void assert_no(const struct preflight_answer *answer, enum preflight_reason reason)
{
	assert_false(answer->does_fit);
	assert_int_equal(answer->reason, reason);
	assert_int_equal(answer->reserved_ns, 0);
}

static void assert_yes(const struct preflight_answer *answer)
{
	if (!answer->does_fit)
		fail_msg("no: reason %u, worst %u", answer->reason,
			 answer->needs[answer->worst].use_permyriad);
	assert_int_equal(answer->reason, PREFLIGHT_FITS);
}

/* The tier in place gives way to the one that is asked for; it is beside what is asked for. */
static void test_tier_is_instead_and_memory_is_beside(void **state)
{
	const struct preflight_answer *answer;

	(void)state;
	start("medium");
	answer = ask("large");
	assert_yes(answer);
	assert_int_equal(answer->largest, 4);
	assert_int_equal(answer->need_count, 1);
	assert_int_equal(answer->needs[0].need_bytes, 40 * GB);
	assert_int_equal(answer->needs[0].have_bytes, 50 * GB);
	assert_int_equal(answer->needs[0].others_bytes, 30 * GB);
	assert_int_equal(answer->needs[0].model_bytes, 0);
	assert_int_equal(answer->needs[0].limit_bytes, 80 * GB);
	assert_int_equal(answer->reserved_ns, SECONDS(30));
	rig_run(rig, SECONDS(31), NULL);
	answer = ask_for(26 * GB);
	assert_no(answer, PREFLIGHT_SHORT);
	assert_int_equal(answer->needs[0].model_bytes, 25 * GB);
	assert_int_equal(answer->needs[0].have_bytes, 25 * GB);
	assert_int_equal(answer->largest, 2);
	assert_no(ask_for(51 * GB), PREFLIGHT_SHORT);
	assert_int_equal(rig->out.answer.largest, PREFLIGHT_TIER_NONE);
	assert_yes(ask_for(24 * GB));
	assert_int_equal(rig->out.answer.largest, 3);
}

static void test_largest_tier_that_fits_is_named(void **state)
{
	(void)state;
	start("tiny");
	rig->others_bytes = 60 * GB;
	rig_sample(rig);
	assert_no(ask("large"), PREFLIGHT_SHORT);
	assert_int_equal(rig->out.answer.largest, 2);
	rig->others_bytes = 90 * GB;
	rig_sample(rig);
	assert_no(ask("tiny"), PREFLIGHT_SHORT);
	assert_int_equal(rig->out.answer.largest, TIER_OFF);
	assert_yes(ask("off"));
}

static void test_before_any_sample_nothing_fits(void **state)
{
	(void)state;
	rig = rig_new(&config, SECONDS(5));
	assert_no(ask("tiny"), PREFLIGHT_NO_SAMPLE);
	assert_int_equal(rig->out.answer.largest, PREFLIGHT_TIER_NONE);
}

static void test_unknown_tier_has_no_answer(void **state)
{
	struct event event = {
		.kind = EVENT_COMMAND,
		.command = {.verb = COMMAND_PREFLIGHT, .tier = "huge"},
	};

	(void)state;
	start("tiny");
	rig_step(rig, &event);
	assert_false(rig->out.has_answer);
}

/* ---- reservations ------------------------------------------------------------------------------
 */

static void test_two_questions_are_not_told_yes_for_the_same_memory(void **state)
{
	const struct preflight_answer *answer;

	(void)state;
	start("medium");
	assert_yes(ask_for(15 * GB));
	answer = ask_for(15 * GB);
	assert_no(answer, PREFLIGHT_RESERVED);
	assert_int_equal(answer->needs[0].reserved_bytes, 15 * GB);
	assert_int_equal(answer->needs[0].have_bytes, 10 * GB);
	assert_in_range(answer->first_end_ns, SECONDS(29), SECONDS(30));
	assert_yes(ask_for(9 * GB));
	assert_no(ask_for(2 * GB), PREFLIGHT_RESERVED);
}

static void test_two_tiers_are_not_told_yes_for_the_same_memory(void **state)
{
	(void)state;
	start("medium");
	rig->others_bytes = 39 * GB;
	rig_sample(rig);
	assert_yes(ask("large"));
	assert_no(ask("large"), PREFLIGHT_RESERVED);
	assert_int_equal(rig->out.answer.needs[0].reserved_bytes, 15 * GB);
	assert_no(ask_for(15 * GB), PREFLIGHT_RESERVED);
	/* What is there already needs nothing more. */
	assert_yes(ask("medium"));
	assert_int_equal(rig->out.answer.reserved_ns, 0);
	assert_yes(ask("small"));
}

static void test_question_alone_reserves_nothing(void **state)
{
	struct event event = {
		.kind = EVENT_COMMAND,
		.command = {.verb = COMMAND_PREFLIGHT,
			    .memory_bytes = 15 * GB,
			    .is_only_asked = true},
	};

	(void)state;
	start("medium");
	rig_step(rig, &event);
	assert_yes(&rig->out.answer);
	assert_int_equal(rig->out.answer.reserved_ns, 0);
	assert_yes(ask_for(15 * GB));
}

static void test_no_reserves_nothing(void **state)
{
	(void)state;
	start("medium");
	assert_no(ask_for(26 * GB), PREFLIGHT_SHORT);
	assert_yes(ask_for(24 * GB));
}

static void test_reservation_ends_after_its_time(void **state)
{
	(void)state;
	config.reservation_ns = SECONDS(10);
	start("medium");
	assert_yes(ask_for(15 * GB));
	rig_run(rig, SECONDS(10) - MILLIS(100), NULL);
	assert_no(ask_for(15 * GB), PREFLIGHT_RESERVED);
	rig->now_ns += MILLIS(100);
	assert_yes(ask_for(15 * GB));
}

static void test_without_a_time_nothing_is_reserved(void **state)
{
	(void)state;
	config.reservation_ns = 0;
	start("medium");
	for (int i = 0; i < 20; i++)
		assert_yes(ask_for(20 * GB));
}

/* Half of it is taken: use and reservation together stay as they were. All of it: it is gone. */
static void test_memory_that_is_seen_taken_is_not_counted_twice(void **state)
{
	const struct preflight_answer *answer;

	(void)state;
	start("medium");
	assert_yes(ask_for(10 * GB));
	rig->others_bytes += 4 * GB;
	rig_sample(rig);
	answer = ask_for(15 * GB + GB / 2);
	assert_no(answer, PREFLIGHT_RESERVED);
	assert_int_equal(answer->needs[0].reserved_bytes, 6 * GB);
	assert_int_equal(answer->needs[0].have_bytes, 15 * GB);
	rig->others_bytes += 6 * GB;
	rig_sample(rig);
	answer = ask_for(15 * GB + GB / 2);
	assert_no(answer, PREFLIGHT_SHORT);
	assert_int_equal(answer->needs[0].reserved_bytes, 0);
	assert_int_equal(answer->first_end_ns, 0);
	/* It has ended: what is freed now is free. */
	rig->others_bytes -= 10 * GB;
	rig_sample(rig);
	assert_yes(ask_for(24 * GB));
}

/* Two of 10 GB; 12 are taken: the first is over, of the second 8 are left. */
static void test_reservations_are_taken_one_after_the_other(void **state)
{
	(void)state;
	start("tiny");
	assert_yes(ask_for(10 * GB));
	assert_yes(ask_for(10 * GB));
	rig->others_bytes += 12 * GB;
	rig_sample(rig);
	assert_no(ask_for(26 * GB), PREFLIGHT_RESERVED);
	assert_int_equal(rig->out.answer.needs[0].reserved_bytes, 8 * GB);
	assert_int_equal(rig->out.answer.needs[0].have_bytes, 25 * GB);
}

static void test_reservations_are_bounded_and_none_is_dropped(void **state)
{
	(void)state;
	start("tiny");
	for (int i = 0; i < PREFLIGHT_RESERVATIONS_MAX; i++)
		assert_yes(ask_for(GB));
	assert_no(ask_for(GB), PREFLIGHT_TOO_MANY);
	assert_in_range(rig->out.answer.first_end_ns, SECONDS(29), SECONDS(30));
	assert_int_equal(rig->out.answer.needs[0].reserved_bytes, PREFLIGHT_RESERVATIONS_MAX * GB);
	rig_run(rig, SECONDS(31), NULL);
	assert_yes(ask_for(GB));
}

/* The tier is ordered, loaded and in place: then nothing is reserved for it any more. */
static void test_reservation_of_a_tier_ends_when_it_is_in_place(void **state)
{
	(void)state;
	config.reservation_ns = SECONDS(3600);
	start("medium");
	assert_yes(ask("large"));
	assert_no(ask_for(11 * GB), PREFLIGHT_RESERVED);
	rig_run(rig, SECONDS(310), NULL);
	assert_string_equal(rig_wanted(rig), "large");
	/* On its way: counted once. */
	assert_no(ask_for(11 * GB), PREFLIGHT_SHORT);
	assert_int_equal(rig->out.answer.needs[0].model_bytes, 40 * GB);
	assert_int_equal(rig->out.answer.needs[0].reserved_bytes, 0);
	rig_ack(rig, ACK_LOADING);
	rig_ack(rig, ACK_DONE);
	assert_string_equal(rig_actual(rig), "large");
	rig_run(rig, SECONDS(20), NULL);
	assert_no(ask_for(11 * GB), PREFLIGHT_SHORT);
	assert_int_equal(rig->out.answer.first_end_ns, 0);
}

/* What is ordered is counted before anything of it is loaded. */
static void test_switch_on_its_way_counts(void **state)
{
	(void)state;
	start("medium");
	rig_run(rig, SECONDS(300), NULL);
	assert_string_equal(rig_wanted(rig), "large");
	assert_string_equal(rig_actual(rig), "medium");
	assert_no(ask_for(11 * GB), PREFLIGHT_SHORT);
	assert_yes(ask_for(9 * GB));
}

/* ---- policy ------------------------------------------------------------------------------------
 */

/* Large would fit with 70 %, but for the 15 GB that somebody was told he could have. */
static void check_step_up_waits(void)
{
	config.reservation_ns = SECONDS(600);
	start("medium");
	assert_yes(ask_for(20 * GB));
	rig_run(rig, SECONDS(590), NULL);
	assert_int_equal(rig_count(rig, 0, DECISION_SWITCH, REASON_NONE), 0);
	assert_true(holds(REASON_RESERVED) > 0);
	rig_run(rig, SECONDS(60), NULL);
	assert_string_equal(rig_wanted(rig), "large");
}

static void test_step_up_waits_for_reservations(void **state)
{
	(void)state;
	check_step_up_waits();
}

static void test_step_up_waits_for_reservations_under_adaptive(void **state)
{
	(void)state;
	config.policy = POLICY_ADAPTIVE;
	config.stabilization_min_ns = config.stabilization_ns;
	check_step_up_waits();
}

/* That a tier is reserved keeps nobody from loading it; and no reservation makes a step down. */
static void test_reservation_of_a_tier_lets_it_come_and_no_step_down_follows(void **state)
{
	(void)state;
	config.reservation_ns = SECONDS(600);
	start("medium");
	assert_yes(ask("large"));
	rig_run(rig, SECONDS(310), NULL);
	assert_string_equal(rig_wanted(rig), "large");
	rig_free(rig);
	start("large");
	assert_yes(ask_for(9 * GB));
	rig_run(rig, SECONDS(100), NULL);
	assert_int_equal(rig_count(rig, 0, DECISION_SWITCH, REASON_NONE), 0);
}

static void test_memory_stall_is_a_no(void **state)
{
	const struct rig_load thrash = {.other_stall_ns = 200 * NS_PER_MS};

	(void)state;
	start("small");
	rig_run(rig, SECONDS(6), &thrash);
	assert_no(ask("large"), PREFLIGHT_STALLED);
	assert_no(ask_for(GB), PREFLIGHT_STALLED);
	assert_yes(ask("tiny"));
}

static void test_new_ladder_keeps_reservations_by_name(void **state)
{
	(void)state;
	start("small");
	rig->others_bytes = 20 * GB;
	rig_sample(rig);
	assert_yes(ask("medium"));
	assert_yes(ask("large"));
	assert_yes(ask_for(5 * GB));
	rig->config.ladder.count = 4;
	rig_set_tier(&rig->config, 1, "small", 12 * GB);
	rig_set_tier(&rig->config, 2, "medium", 26 * GB);
	rig_set_tier(&rig->config, 3, "grand", 30 * GB);
	rig_configure(rig);
	rig_sample(rig);
	assert_no(ask_for(34 * GB), PREFLIGHT_RESERVED);
	/* 13 of medium and 5; what large had is free. */
	assert_int_equal(rig->out.answer.needs[0].reserved_bytes, 18 * GB);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_tier_is_instead_and_memory_is_beside),
		TEST(test_largest_tier_that_fits_is_named),
		TEST(test_before_any_sample_nothing_fits),
		TEST(test_unknown_tier_has_no_answer),
		TEST(test_two_questions_are_not_told_yes_for_the_same_memory),
		TEST(test_two_tiers_are_not_told_yes_for_the_same_memory),
		TEST(test_question_alone_reserves_nothing),
		TEST(test_no_reserves_nothing),
		TEST(test_reservation_ends_after_its_time),
		TEST(test_without_a_time_nothing_is_reserved),
		TEST(test_memory_that_is_seen_taken_is_not_counted_twice),
		TEST(test_reservations_are_taken_one_after_the_other),
		TEST(test_reservations_are_bounded_and_none_is_dropped),
		TEST(test_reservation_of_a_tier_ends_when_it_is_in_place),
		TEST(test_switch_on_its_way_counts),
		TEST(test_step_up_waits_for_reservations),
		TEST(test_step_up_waits_for_reservations_under_adaptive),
		TEST(test_reservation_of_a_tier_lets_it_come_and_no_step_down_follows),
		TEST(test_memory_stall_is_a_no),
		TEST(test_new_ladder_keeps_reservations_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
