/* SPDX-License-Identifier: BSD-2-Clause */
/* How long calm lasted, and what follows from it. */
#include "test_core_rig.h"

#include "core/spells.h"

static struct spells spells;
static struct spell_answers answers;

static int set_up(void **state)
{
	(void)state;
	memset(&spells, 0, sizeof(spells));
	memset(&answers, 0, sizeof(answers));
	return 0;
}

/* A spell from second open to second broken. */
static void live_through(uint64_t open_s, uint64_t broken_s)
{
	spells_open(&spells, SECONDS(open_s));
	spells_break(&spells, SECONDS(broken_s), SECONDS(30));
}

static void ask(uint64_t now_s)
{
	spells_ask(&spells, SECONDS(now_s), &answers);
}

static bool has_answer(uint64_t remaining_s)
{
	for (uint32_t i = 0; i < answers.count; i++) {
		if (answers.answer[i].remaining_ns == SECONDS(remaining_s))
			return true;
	}
	return false;
}

/* ---- opening and breaking ----------------------------------------------------------------------
 */

static void test_age_counts_from_the_first_opening(void **state)
{
	(void)state;
	assert_int_equal(spells_age_ns(&spells, SECONDS(50)), 0);
	spells_open(&spells, SECONDS(100));
	spells_open(&spells, SECONDS(120));
	assert_int_equal(spells_age_ns(&spells, SECONDS(130)), SECONDS(30));
	spells_break(&spells, SECONDS(140), SECONDS(30));
	assert_int_equal(spells_age_ns(&spells, SECONDS(150)), 0);
}

static void test_broken_spell_is_remembered_once(void **state)
{
	(void)state;
	live_through(100, 160);
	assert_int_equal(spells.lengths.count, 1);
	assert_int_equal(spells.lengths.length_ns[0], SECONDS(60));
	spells_break(&spells, SECONDS(170), SECONDS(30));
	assert_int_equal(spells.lengths.count, 1);
	assert_int_equal(spells.broken_ns, SECONDS(160));
}

static void test_shorter_than_the_least_is_forgotten(void **state)
{
	(void)state;
	live_through(100, 129);
	assert_int_equal(spells.lengths.count, 0);
	live_through(200, 230);
	assert_int_equal(spells.lengths.count, 1);
}

static void test_newest_come_first_and_old_ones_go(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < SPELLS_MAX + 3; i++)
		live_through(1000 * i, 1000 * i + 100 + i);
	assert_int_equal(spells.lengths.count, SPELLS_MAX);
	assert_int_equal(spells.lengths.length_ns[0], SECONDS(100 + SPELLS_MAX + 2));
	assert_int_equal(spells.lengths.length_ns[SPELLS_MAX - 1], SECONDS(103));
	assert_int_equal(spells.intervals.count, SPELLS_MAX);
	assert_int_equal(spells.intervals.length_ns[0], SECONDS(1001));
}

static void test_only_what_follows_a_restart_is_sure(void **state)
{
	(void)state;
	live_through(100, 200);
	spells_open(&spells, SECONDS(210));
	spells_restart(&spells, SECONDS(300));
	assert_int_equal(spells_sure_ns(&spells, SECONDS(340)), SECONDS(40));
	assert_int_equal(spells_age_ns(&spells, SECONDS(340)), SECONDS(130));
	spells_break(&spells, SECONDS(400), SECONDS(30));
	assert_int_equal(spells.lengths.length_ns[0], SECONDS(100));
	assert_int_equal(spells.intervals.count, 0);
	live_through(410, 500);
	assert_int_equal(spells.intervals.count, 1);
}

/* ---- answers -----------------------------------------------------------------------------------
 */

/* Nothing was seen: a quarter each of a third, the whole and three times the age. */
static void test_unseen_remains_of_the_order_of_the_age(void **state)
{
	(void)state;
	spells_open(&spells, SECONDS(100));
	ask(400);
	assert_false(answers.is_known);
	assert_int_equal(answers.count, 3);
	assert_true(has_answer(100) && has_answer(300) && has_answer(900));
	assert_int_equal(spells_mean_ns(&answers, UINT64_MAX), SECONDS(1300) / 3);
	assert_int_equal(spells_mean_ns(&answers, SECONDS(300)), SECONDS(700) / 3);
}

static void test_seen_spell_stands_for_itself_shorter_and_longer(void **state)
{
	(void)state;
	live_through(0, 1000);
	spells_open(&spells, SECONDS(2000));
	ask(2100);
	assert_false(answers.is_known);
	assert_int_equal(answers.count, 6);
	assert_true(has_answer(750) && has_answer(900) && has_answer(1050));
	assert_true(answers.answer[0].weight > 3 * answers.answer[answers.count - 1].weight);
}

/* One or two may have been chance. */
static void test_three_seen_make_it_known(void **state)
{
	(void)state;
	for (uint64_t seen = 1; seen <= 3; seen++) {
		live_through(2000 * seen, 2000 * seen + 1000);
		spells_open(&spells, SECONDS(2000 * seen + 1100));
		ask(2000 * seen + 1200);
		assert_int_equal(answers.is_known, seen == 3);
		spells_break(&spells, SECONDS(2000 * seen + 1200), SECONDS(300));
	}
}

static void test_what_did_not_last_as_long_says_nothing(void **state)
{
	(void)state;
	live_through(0, 100);
	spells_open(&spells, SECONDS(2000));
	ask(2400);
	assert_false(answers.is_known);
	assert_int_equal(answers.count, 3);
}

/* Lengths vary, ends come every 600 s: the next is due 600 s after the last, not later. */
static void test_regular_intervals_are_preferred(void **state)
{
	const uint64_t begins_s[] = {0, 610, 1500, 1850, 2900, 3100};

	(void)state;
	for (uint64_t i = 0; i < ARRAY_SIZE(begins_s); i++)
		live_through(begins_s[i], 600 * (i + 1));
	spells_open(&spells, SECONDS(3700));
	ask(3900);
	assert_true(answers.is_known);
	assert_true(has_answer(300));
	assert_true(spells_ends_permyriad(&answers, SECONDS(340)) > 8000);
	assert_true(spells_ends_permyriad(&answers, SECONDS(250)) < 2000);
}

static void test_irregular_intervals_are_not_asked(void **state)
{
	(void)state;
	/* Lengths of 100 at any time. */
	live_through(0, 100);
	live_through(1000, 1100);
	live_through(1200, 1300);
	live_through(3000, 3100);
	spells_open(&spells, SECONDS(5000));
	ask(5040);
	assert_true(has_answer(60));
	assert_true(spells_ends_permyriad(&answers, SECONDS(63)) > 7000);
}

static void test_varying_spells_are_blurred_more(void **state)
{
	uint64_t spread_ns[2];

	(void)state;
	for (int varied = 0; varied < 2; varied++) {
		uint64_t lowest_ns = UINT64_MAX;
		uint64_t highest_ns = 0;

		set_up(NULL);
		for (uint64_t i = 0; i < 5; i++)
			live_through(i * (3000 + 900 * (i % 3)),
				     i * (3000 + 900 * (i % 3)) + 1000 +
					     (varied ? 100 * (i % 2) : 0));
		spells_open(&spells, SECONDS(90000));
		ask(90000);
		for (uint32_t i = 0; i < answers.count; i++) {
			uint64_t remaining_ns = answers.answer[i].remaining_ns;

			if (remaining_ns < SECONDS(500))
				continue;
			lowest_ns = units_min(lowest_ns, remaining_ns);
			highest_ns = units_max(highest_ns, remaining_ns);
		}
		spread_ns[varied] = highest_ns - lowest_ns;
	}
	assert_int_equal(spread_ns[0], SECONDS(40));
	assert_true(spread_ns[1] > SECONDS(200));
}

static void test_ends_is_a_share_of_the_weights(void **state)
{
	const struct spell_answers made = {
		.count = 3,
		.answer = {{SECONDS(10), 1}, {SECONDS(20), 2}, {SECONDS(30), 1}},
	};
	const struct spell_answers none = {0};

	(void)state;
	assert_int_equal(spells_ends_permyriad(&made, SECONDS(10)), 0);
	assert_int_equal(spells_ends_permyriad(&made, SECONDS(11)), 2500);
	assert_int_equal(spells_ends_permyriad(&made, SECONDS(25)), 7500);
	assert_int_equal(spells_ends_permyriad(&made, SECONDS(31)), 10000);
	assert_int_equal(spells_mean_ns(&made, UINT64_MAX), SECONDS(20));
	assert_int_equal(spells_mean_ns(&made, SECONDS(10)), SECONDS(10));
	assert_int_equal(spells_mean_ns(&none, SECONDS(10)), 0);
}

static void test_hostile_times_do_not_overflow(void **state)
{
	(void)state;
	spells_open(&spells, 0);
	ask(UINT64_MAX / NS_PER_S);
	spells_break(&spells, UINT64_MAX / 2, 0);
	spells_open(&spells, UINT64_MAX / 2);
	spells_break(&spells, UINT64_MAX, 0);
	spells_open(&spells, UINT64_MAX);
	spells_break(&spells, UINT64_MAX, 0);
	spells_open(&spells, UINT64_MAX);
	spells_ask(&spells, UINT64_MAX, &answers);
	assert_true(answers.count <= SPELLS_ANSWERS_MAX);
	spells_mean_ns(&answers, UINT64_MAX);
	for (uint64_t i = 0; i < SPELLS_MAX; i++) {
		spells_open(&spells, UINT64_MAX);
		spells_break(&spells, UINT64_MAX, 0);
	}
	spells_open(&spells, UINT64_MAX);
	spells_ask(&spells, UINT64_MAX, &answers);
	assert_true(answers.count <= SPELLS_ANSWERS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_age_counts_from_the_first_opening, set_up),
		cmocka_unit_test_setup(test_broken_spell_is_remembered_once, set_up),
		cmocka_unit_test_setup(test_shorter_than_the_least_is_forgotten, set_up),
		cmocka_unit_test_setup(test_newest_come_first_and_old_ones_go, set_up),
		cmocka_unit_test_setup(test_only_what_follows_a_restart_is_sure, set_up),
		cmocka_unit_test_setup(test_unseen_remains_of_the_order_of_the_age, set_up),
		cmocka_unit_test_setup(test_seen_spell_stands_for_itself_shorter_and_longer,
				       set_up),
		cmocka_unit_test_setup(test_three_seen_make_it_known, set_up),
		cmocka_unit_test_setup(test_what_did_not_last_as_long_says_nothing, set_up),
		cmocka_unit_test_setup(test_regular_intervals_are_preferred, set_up),
		cmocka_unit_test_setup(test_irregular_intervals_are_not_asked, set_up),
		cmocka_unit_test_setup(test_varying_spells_are_blurred_more, set_up),
		cmocka_unit_test_setup(test_ends_is_a_share_of_the_weights, set_up),
		cmocka_unit_test_setup(test_hostile_times_do_not_overflow, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
