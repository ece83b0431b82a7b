/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver that does not tell what processes hold on a GPU of 100 GB: the model's part of it is
 * taken from the tier in place, and not counted a second time as others'.
 */
#include "test_core_engine_fixture.h"

static uint64_t others_vram_bytes;
static uint64_t told_bytes; /* of the model's; 0: untold, unless is_told */
static bool is_told;

static void sample(void)
{
	struct event event = rig_sample_event(rig);
	uint64_t loaded = rig->config.ladder.tiers[rig_status(rig)->actual_tier].vram_bytes[0];

	/* Of the host's memory everything is known: others hold 10. */
	if (event.sample.resources[0].model_bytes > 0)
		event.sample.resources[0].model_bytes -= 10 * GB;
	if (!is_told)
		event.sample.flags = SAMPLE_VRAM_UNTOLD;
	event.sample.resources[event.sample.resource_count++] = (struct event_resource){
		.kind = RESOURCE_VRAM,
		.capacity_bytes = 100 * GB,
		.used_bytes = others_vram_bytes + loaded,
		.model_bytes = told_bytes,
	};
	rig_step(rig, &event);
}

static void run(uint32_t seconds)
{
	for (uint32_t i = 0; i < 10 * seconds; i++) {
		rig->now_ns += MILLIS(100);
		sample();
	}
}

/* Large is in place and warm; others hold 10 of the GPU. */
static void start_large(void)
{
	config.ladder.tiers[2].vram_bytes[0] = 5 * GB;
	config.ladder.tiers[3].vram_bytes[0] = 40 * GB;
	config.ladder.tiers[4].vram_bytes[0] = 50 * GB;
	others_vram_bytes = 10 * GB;
	told_bytes = 0;
	is_told = false;
	rig = rig_new(&config, SECONDS(5));
	rig->others_bytes = 0;
	rig_hello(rig, "large");
	sample();
	run(15);
	assert_string_equal(rig_actual(rig), "large");
}

static void assert_vram(uint64_t others_bytes, uint32_t use_permyriad)
{
	assert_int_equal(rig_status(rig)->last.worst.kind, RESOURCE_VRAM);
	assert_int_equal(rig_status(rig)->last.worst.others_bytes, others_bytes);
	assert_int_equal(rig_status(rig)->last.worst.use_permyriad, use_permyriad);
}

static void test_models_vram_is_counted_once(void **state)
{
	(void)state;
	start_large();
	assert_vram(10 * GB, 6000);
	assert_int_equal(switches(REASON_NONE), 0);
}

static void test_preflight_counts_it_once(void **state)
{
	const struct preflight_answer *answer;

	(void)state;
	start_large();
	assert_true(rig_preflight(rig, "", 0, 19 * GB)->does_fit);
	rig->now_ns += SECONDS(31); /* what was reserved is free again */
	sample();
	answer = rig_preflight(rig, "", GB, 21 * GB);
	assert_false(answer->does_fit);
	assert_int_equal(answer->needs[0].kind, RESOURCE_HOST_MEMORY);
	assert_int_equal(answer->needs[0].others_bytes, 10 * GB);
	assert_int_equal(answer->needs[answer->worst].others_bytes, 10 * GB);
}

static void test_step_under_pressure_lands_on_what_fits(void **state)
{
	(void)state;
	start_large();
	others_vram_bytes = 45 * GB;
	run(3);
	assert_int_equal(switches(REASON_USE_OVER_DEGRADE), 1);
	assert_string_equal(rig_wanted(rig), "small");
	rig_ack(rig, ACK_DONE);
	run(20);
	assert_vram(45 * GB, 5000);
	assert_int_equal(switches(REASON_NONE), 1);
}

/* Others are told of and the model is not: it is not there. */
static void test_driver_that_tells_is_believed(void **state)
{
	(void)state;
	start_large();
	is_told = true;
	run(3);
	assert_int_equal(switches(REASON_USE_OVER_DEGRADE), 1);
	assert_int_equal(rig_status(rig)->last.worst.others_bytes, 60 * GB);
}

/* Nor is it assumed to be there where it was seen before. */
static void test_driver_that_told_once_is_believed(void **state)
{
	(void)state;
	start_large();
	told_bytes = 50 * GB;
	run(1);
	assert_vram(10 * GB, 6000);
	told_bytes = 0;
	run(3);
	assert_int_equal(switches(REASON_USE_OVER_DEGRADE), 1);
	assert_int_equal(rig_status(rig)->last.worst.others_bytes, 60 * GB);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_models_vram_is_counted_once),
		TEST(test_preflight_counts_it_once),
		TEST(test_step_under_pressure_lands_on_what_fits),
		TEST(test_driver_that_tells_is_believed),
		TEST(test_driver_that_told_once_is_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
