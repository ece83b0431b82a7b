/* SPDX-License-Identifier: BSD-2-Clause */
/* Footprints that the engine learns from samples, and what follows from them. */
#include "test_core_engine_fixture.h"

enum {
	SMALL = 2,
	MEDIUM = 3,
	LARGE = 4,
};

static const struct status_footprint *footprint(uint32_t tier)
{
	return &rig_status(rig)->tiers[tier].footprint;
}

/* Medium is said to take 25. */
static void test_learned_footprint_counts_for_fit_and_preflight(void **state)
{
	(void)state;
	start("medium");
	rig->footprint_bytes = 35 * GB;
	rig_sample(rig);
	assert_true(footprint(MEDIUM)->is_measured);
	assert_int_equal(footprint(MEDIUM)->configured_bytes, 25 * GB);
	assert_int_equal(footprint(MEDIUM)->bytes, 35 * GB);
	assert_int_equal(footprint(MEDIUM)->seen_bytes, 35 * GB);
	assert_int_equal(rig_preflight(rig, "", 14 * GB, 0)->needs[0].model_bytes, 35 * GB);
	assert_true(rig->out.answer.does_fit);
	/* In use: 30 of others and 35 make 65 %; with 56 of others it is over the limit. */
	rig->others_bytes = 56 * GB;
	rig_sample(rig);
	rig_sample(rig);
	assert_int_equal(switches(REASON_USE_OVER_DEGRADE), 1);
}

static void test_fixed_tier_takes_what_it_is_said_to(void **state)
{
	(void)state;
	config.ladder.tiers[MEDIUM].is_fixed = true;
	start("medium");
	rig->footprint_bytes = 35 * GB;
	rig_sample(rig);
	assert_true(footprint(MEDIUM)->is_fixed);
	assert_int_equal(footprint(MEDIUM)->bytes, 25 * GB);
	rig->others_bytes = 56 * GB;
	rig_sample(rig);
	rig_sample(rig);
	assert_int_equal(switches(REASON_USE_OVER_DEGRADE), 0);
}

/* Large took 52 when it was loaded: it does not come again where there is room for 40 only. */
static void check_no_step_up(void)
{
	start("large");
	rig->footprint_bytes = 52 * GB;
	rig_run(rig, SECONDS(3), NULL);
	rig->others_bytes = 60 * GB;
	rig_run(rig, SECONDS(3), NULL);
	assert_int_equal(switches(REASON_USE_OVER_DEGRADE), 1);
	rig_ack(rig, ACK_LOADING);
	rig->footprint_bytes = 0;
	rig_ack(rig, ACK_DONE);
	rig->others_bytes = 35 * GB;
	rig_run(rig, SECONDS(4000), NULL);
	assert_int_equal(footprint(LARGE)->bytes, 52 * GB);
	assert_true(rig_status(rig)->wanted_tier < LARGE);
}

static void test_learned_footprint_keeps_a_step_up_away(void **state)
{
	(void)state;
	check_no_step_up();
}

static void test_learned_footprint_keeps_a_step_up_away_under_adaptive(void **state)
{
	(void)state;
	config.policy = POLICY_ADAPTIVE;
	config.stabilization_min_ns = SECONDS(30);
	check_no_step_up();
}

/* While tiers are exchanged, while one is only assumed, or without processes of the model. */
static void test_nothing_is_learned_of_what_may_be_another_tier(void **state)
{
	(void)state;
	start(NULL);
	rig->footprint_bytes = 70 * GB;
	rig_sample(rig);
	assert_false(footprint(LARGE)->is_measured);
	rig_free(rig);
	start("medium");
	rig_run(rig, SECONDS(310), NULL);
	rig_ack(rig, ACK_LOADING);
	rig->footprint_bytes = 70 * GB;
	rig_run(rig, SECONDS(2), NULL);
	rig_ack(rig, ACK_DONE);
	rig_run(rig, SECONDS(2), NULL);
	assert_false(footprint(LARGE)->is_measured);
	assert_false(footprint(MEDIUM)->is_measured);
	rig->footprint_bytes = 45 * GB;
	rig_run(rig, SECONDS(5), NULL);
	assert_int_equal(footprint(LARGE)->bytes, 45 * GB);
	assert_false(footprint(MEDIUM)->is_measured);
	rig->is_model_hidden = true;
	rig->footprint_bytes = 60 * GB;
	rig_sample(rig);
	assert_int_equal(footprint(LARGE)->bytes, 45 * GB);
}

/* Under both policies. */
static void test_times_are_learned(void **state)
{
	(void)state;
	for (uint32_t policy = 0; policy < POLICY_COUNT; policy++) {
		config.policy = policy;
		config.stabilization_min_ns = config.stabilization_ns;
		start("medium");
		rig_run(rig, SECONDS(310), NULL);
		assert_string_equal(rig_wanted(rig), "large");
		rig_ack(rig, ACK_LOADING);
		rig_run(rig, SECONDS(7), NULL);
		rig_ack(rig, ACK_DONE);
		assert_true(footprint(LARGE)->is_load_measured);
		assert_int_equal(footprint(LARGE)->load_ns, SECONDS(7));
		assert_true(footprint(MEDIUM)->is_drain_measured);
		assert_false(footprint(LARGE)->is_drain_measured);
		rig_free(rig);
		rig = NULL;
	}
}

static void test_reload_keeps_what_was_learned(void **state)
{
	(void)state;
	start("medium");
	rig->footprint_bytes = 35 * GB;
	rig_sample(rig);
	rig->config.margin_permyriad = 600;
	rig_configure(rig);
	assert_int_equal(footprint(MEDIUM)->bytes, 35 * GB);
	rig->config.ladder.tiers[MEDIUM].memory_bytes = 26 * GB;
	rig_configure(rig);
	assert_int_equal(footprint(MEDIUM)->bytes, 26 * GB);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_learned_footprint_counts_for_fit_and_preflight),
		TEST(test_fixed_tier_takes_what_it_is_said_to),
		TEST(test_learned_footprint_keeps_a_step_up_away),
		TEST(test_learned_footprint_keeps_a_step_up_away_under_adaptive),
		TEST(test_nothing_is_learned_of_what_may_be_another_tier),
		TEST(test_times_are_learned),
		TEST(test_reload_keeps_what_was_learned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
