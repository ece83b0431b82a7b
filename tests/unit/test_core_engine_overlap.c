/* SPDX-License-Identifier: BSD-2-Clause */
/* Switches for which both tiers may be in memory at once. Small takes 12 GB, medium 25. */
#include "test_core_random_host.h"

#include "core/ladder.h"
#include "test_core_engine_fixture.h" /* after what has parameters of the same names */

enum {
	MEDIUM = 3,
	SEEDS = 60,
	HISTORY_S = 600,
};

/* Ordered from small to medium, after its calm time. */
static const struct manager_line *step_up(uint64_t others_bytes)
{
	const struct manager_line *line;

	start("small");
	rig->others_bytes = others_bytes;
	rig_run(rig, SECONDS(320), NULL);
	line = rig_find_line(rig, 0, MANAGER_SWITCH);
	assert_non_null(line);
	assert_string_equal(line->to, "medium");
	return line;
}

static uint32_t use_now(void)
{
	return rig_status(rig)->last.worst.use_permyriad;
}

static void test_granted_where_both_fit(void **state)
{
	(void)state;
	assert_true(step_up(42 * GB)->is_overlap_allowed);
	rig_free(rig);
	assert_false(step_up(44 * GB)->is_overlap_allowed);
}

static void test_never_is_never(void **state)
{
	(void)state;
	config.overlap = OVERLAP_NEVER;
	assert_false(step_up(30 * GB)->is_overlap_allowed);
}

/* Until it ends the sum counts, for use and for preflights. */
static void test_sum_counts_until_it_ends(void **state)
{
	(void)state;
	assert_true(step_up(30 * GB)->is_overlap_allowed);
	assert_int_equal(use_now(), 6700);
	assert_int_equal(rig_preflight(rig, "", GB, 0)->needs[0].model_bytes, 37 * GB);
	rig_ack(rig, ACK_LOADING);
	rig_run(rig, SECONDS(1), NULL);
	assert_int_equal(use_now(), 6700);
	assert_int_equal(rig_preflight(rig, "", GB, 0)->needs[0].model_bytes, 37 * GB);
	rig_ack(rig, ACK_DONE);
	assert_int_equal(use_now(), 5500);
	assert_int_equal(rig_preflight(rig, "", GB, 0)->needs[0].model_bytes, 25 * GB);
}

static void test_too_much_for_both_is_an_emergency(void **state)
{
	(void)state;
	step_up(30 * GB);
	rig_ack(rig, ACK_LOADING);
	rig->others_bytes = 54 * GB;
	rig_run(rig, SECONDS(2), NULL);
	assert_int_equal(switches(REASON_USE_OVER_DEGRADE), 1);
	assert_false(rig->lines[rig->line_count - 1].is_overlap_allowed);
}

/* What is reserved is not there for a second tier. */
static void test_reservations_count(void **state)
{
	(void)state;
	config.reservation_ns = SECONDS(600);
	start("small");
	assert_true(rig_preflight(rig, "", 20 * GB, 0)->does_fit);
	rig_run(rig, SECONDS(320), NULL);
	assert_false(rig_find_line(rig, 0, MANAGER_SWITCH)->is_overlap_allowed);
}

/* Both are measured together: that is the footprint of neither, also just after it was called off.
 */
static void test_nothing_is_learned_of_two(void **state)
{
	(void)state;
	step_up(30 * GB);
	rig->footprint_bytes = 37 * GB;
	rig_run(rig, SECONDS(3), NULL);
	assert_false(rig_status(rig)->tiers[2].footprint.is_measured);
	rig->now_ns += SECONDS(120);
	rig_tick(rig);
	assert_int_equal(rig_count(rig, 0, DECISION_CANCEL, REASON_NONE), 1);
	rig_sample(rig);
	assert_false(rig_status(rig)->tiers[2].footprint.is_measured);
	rig->footprint_bytes = 13 * GB;
	rig_run(rig, SECONDS(10), NULL);
	assert_int_equal(rig_status(rig)->tiers[2].footprint.bytes, 13 * GB);
	assert_false(rig_status(rig)->tiers[MEDIUM].footprint.is_measured);
}

/* Nobody is there to use it; and an immediate switch has no room to spare. */
static void test_not_without_a_manager_or_time(void **state)
{
	(void)state;
	start(NULL);
	rig->others_bytes = 56 * GB;
	rig_run(rig, SECONDS(3), NULL);
	assert_false(rig_find_line(rig, 0, MANAGER_SWITCH)->is_overlap_allowed);
	rig_free(rig);
	start("medium");
	rig->others_bytes = 70 * GB;
	rig_run(rig, SECONDS(3), NULL);
	assert_int_equal(rig_find_line(rig, 0, MANAGER_SWITCH)->mode, SWITCH_IMMEDIATE);
	assert_false(rig_find_line(rig, 0, MANAGER_SWITCH)->is_overlap_allowed);
}

/* It was granted to small and medium; a manager that comes with large has no room for both. */
static void test_not_beside_what_a_hello_names(void **state)
{
	const struct manager_line *again;
	uint32_t since;

	(void)state;
	config.ladder.count = 5;
	config.stabilization_ns = SECONDS(30);
	start("small");
	rig->others_bytes = 41 * GB;
	rig_run(rig, SECONDS(60), NULL);
	assert_true(rig_find_line(rig, 0, MANAGER_SWITCH)->is_overlap_allowed);
	since = rig->line_count;
	rig_hello(rig, "small");
	again = rig_find_line(rig, since, MANAGER_SWITCH);
	assert_non_null(again);
	assert_true(again->is_overlap_allowed);
	since = rig->line_count;
	rig_hello(rig, "large");
	again = rig_find_line(rig, since, MANAGER_SWITCH);
	assert_non_null(again);
	assert_string_equal(again->from, "large");
	assert_string_equal(again->to, "medium");
	assert_false(again->is_overlap_allowed);
}

/* ---- drawn histories ---------------------------------------------------------------------------
 */

static uint64_t footprint_of(const char *name)
{
	uint32_t tier;

	assert_true(ladder_find_name(&config.ladder, name, &tier));
	return config.ladder.tiers[tier].memory_bytes;
}

/* The orders since then for which two tiers may be in memory; others took at least that much. */
static uint32_t check_grants(uint32_t since, uint64_t others_bytes)
{
	uint32_t count = 0;

	for (uint32_t i = since; i < rig->line_count; i++) {
		const struct manager_line *line = &rig->lines[i];

		if (line->verb != MANAGER_SWITCH || !line->is_overlap_allowed)
			continue;
		assert_int_equal(line->mode, SWITCH_PLANNED);
		assert_true(footprint_of(line->from) > 0 && footprint_of(line->to) > 0);
		assert_true(others_bytes + footprint_of(line->from) + footprint_of(line->to) <
			    80 * GB);
		count++;
	}
	return count;
}

/* Whatever the host does and whoever says what: only where both fit, and never is never. */
static void test_only_what_fits_is_granted(void **state)
{
	uint32_t counts[OVERLAP_COUNT] = {0};

	(void)state;
	config = short_config();
	config.stabilization_ns = SECONDS(5);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		config.overlap = seed % 3 ? OVERLAP_AUTO : OVERLAP_NEVER;
		rig = new_random_rig(&config, seed, 0);
		for (int s = 0; s < HISTORY_S; s++) {
			uint64_t before_bytes = rig->others_bytes;
			uint32_t since = rig->line_count;

			if (rig->others_bytes > 40 * GB && random_below(4) == 0)
				rig->others_bytes = random_below(30) * GB;
			if (random_below(20) == 0)
				rig_command(rig, COMMAND_RESUME, "", 0, ACK_DRAINING);
			if (random_below(20) == 0)
				rig_hello(rig, config.ladder.tiers[1 + random_below(4)].name);
			random_second(rig, true);
			counts[config.overlap] +=
				check_grants(since, units_min(before_bytes, rig->others_bytes));
		}
		rig_free(rig);
	}
	rig = NULL;
	assert_int_equal(counts[OVERLAP_NEVER], 0);
	assert_true(counts[OVERLAP_AUTO] > 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_overlap, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_granted_where_both_fit),
		TEST(test_never_is_never),
		TEST(test_sum_counts_until_it_ends),
		TEST(test_too_much_for_both_is_an_emergency),
		TEST(test_reservations_count),
		TEST(test_nothing_is_learned_of_two),
		TEST(test_not_without_a_manager_or_time),
		TEST(test_not_beside_what_a_hello_names),
		TEST(test_only_what_fits_is_granted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
