/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preflights by their arithmetic alone: GPUs, control groups, CPUs; and, on drawn histories, that
 * nobody is ever told yes for memory that is in use or that somebody else was told yes for.
 */
/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/units.h"
#include "core/preflight.h"

enum {
	HISTORIES = 400,
	STEPS = 200,
	SMALL = 1,
	LARGE = 2,
};

static struct engine_config config;
static struct preflight_scene scene;
static struct preflight preflight;
static struct preflight_answer answer;

static uint64_t random_state;

static uint64_t below(uint64_t limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (random_state >> 33) % limit;
}

static int set_up(void **state)
{
	(void)state;
	config = (struct engine_config){
		.ladder = {.count = 3,
			   .tiers = {{.name = "off"},
				     {.name = "small",
				      .memory_bytes = 10 * GIB,
				      .vram_bytes = {4 * GIB},
				      .cores_permille = 1000},
				     {.name = "large",
				      .memory_bytes = 20 * GIB,
				      .vram_bytes = {8 * GIB, 2 * GIB},
				      .cores_permille = 3000}}},
		.upgrade_below_permyriad = 8000,
		.reservation_ns = 30 * NS_PER_S,
	};
	scene = (struct preflight_scene){
		.config = &config,
		.has_sample = true,
		.serving = SMALL,
		.pending = SMALL,
		.is_cpu_measured = true,
		.cpu_permille = 8000,
		.others_cpu_permille = 2000,
		.count = 3,
		.resources = {{RESOURCE_HOST_MEMORY, 0, 100 * GIB, 30 * GIB, 0},
			      {RESOURCE_VRAM, 0, 10 * GIB, GIB, 0},
			      {RESOURCE_VRAM, 1, 10 * GIB, 3 * GIB, 0}},
	};
	memset(&preflight, 0, sizeof(preflight));
	return 0;
}

static void ask(const struct preflight_question *question)
{
	preflight_ask(&preflight, &scene, question, &answer);
}

static void ask_tier(uint32_t tier)
{
	const struct preflight_question question = {.tier = tier};

	ask(&question);
}

static void ask_amounts(uint64_t memory_bytes, uint64_t vram_bytes, uint32_t cpus_permille,
			uint32_t shared_depth)
{
	const struct preflight_question question = {
		.tier = PREFLIGHT_TIER_NONE,
		.memory_bytes = memory_bytes,
		.vram_bytes = vram_bytes,
		.cpus_permille = cpus_permille,
		.shared_depth = shared_depth,
	};

	ask(&question);
}

static void assert_no(enum preflight_reason reason)
{
	assert_false(answer.does_fit);
	assert_int_equal(answer.reason, reason);
}

/* A tier says what it takes of each GPU. */
static void test_tier_must_fit_on_every_gpu(void **state)
{
	(void)state;
	ask_tier(LARGE);
	assert_no(PREFLIGHT_SHORT);
	assert_int_equal(answer.needs[answer.worst].kind, RESOURCE_VRAM);
	assert_int_equal(answer.needs[answer.worst].index, 0);
	assert_int_equal(answer.needs[answer.worst].have_bytes, 7 * GIB);
	assert_int_equal(answer.largest, SMALL);
	scene.resources[1].others_bytes = 0;
	config.upgrade_below_permyriad = 8001;
	ask_tier(LARGE);
	assert_true(answer.does_fit);
	assert_int_equal(answer.need_count, 3);
	memset(&preflight, 0, sizeof(preflight));
	scene.resources[2].others_bytes = 7 * GIB;
	ask_tier(LARGE);
	assert_no(PREFLIGHT_SHORT);
	assert_int_equal(answer.needs[answer.worst].index, 1);
}

/* An amount goes to one GPU, the one with most room; beside what the model has there. */
static void test_amount_takes_the_gpu_with_most_room(void **state)
{
	(void)state;
	ask_amounts(GIB, 4 * GIB, 0, 0);
	assert_true(answer.does_fit);
	assert_int_equal(answer.need_count, 2);
	assert_int_equal(answer.needs[1].index, 1);
	assert_int_equal(answer.needs[1].have_bytes, 5 * GIB);
	/* There is 1 left there and 3 on the other. */
	ask_amounts(GIB, 3 * GIB - MIB, 0, 0);
	assert_true(answer.does_fit);
	assert_int_equal(answer.needs[1].index, 0);
	assert_int_equal(answer.needs[1].model_bytes, 4 * GIB);
	ask_amounts(GIB, 2 * GIB, 0, 0);
	assert_no(PREFLIGHT_RESERVED);
}

static void test_without_a_gpu_there_is_no_vram(void **state)
{
	(void)state;
	scene.count = 1;
	ask_amounts(GIB, 1, 0, 0);
	assert_no(PREFLIGHT_NO_GPU);
	assert_int_equal(answer.largest, PREFLIGHT_TIER_NONE);
	/* What is not measured is passed over for a tier, as in every decision. */
	ask_tier(LARGE);
	assert_true(answer.does_fit);
}

/* A limit of the model's own group, and one of a group around it and whoever asks. */
static void test_limits_of_groups_count_for_who_shares_them(void **state)
{
	(void)state;
	scene.count = 3;
	scene.resources[1] =
		(struct preflight_resource){RESOURCE_GROUP_MEMORY, 0, 16 * GIB, GIB, 0};
	scene.resources[2] =
		(struct preflight_resource){RESOURCE_GROUP_MEMORY, 2, 40 * GIB, 8 * GIB, 0};
	ask_tier(LARGE);
	assert_no(PREFLIGHT_SHORT);
	assert_int_equal(answer.needs[answer.worst].kind, RESOURCE_GROUP_MEMORY);
	assert_int_equal(answer.needs[answer.worst].index, 0);
	ask_amounts(13 * GIB, 0, 0, 3);
	assert_true(answer.does_fit);
	assert_int_equal(answer.need_count, 1);
	memset(&preflight, 0, sizeof(preflight));
	ask_amounts(15 * GIB, 0, 0, 2);
	assert_no(PREFLIGHT_SHORT);
	assert_int_equal(answer.need_count, 2);
	assert_int_equal(answer.needs[answer.worst].index, 2);
	ask_amounts(13 * GIB, 0, 0, 2);
	assert_true(answer.does_fit);
	memset(&preflight, 0, sizeof(preflight));
	ask_amounts(3 * GIB, 0, 0, 0);
	assert_no(PREFLIGHT_SHORT);
	assert_int_equal(answer.needs[answer.worst].index, 0);
	/* Nothing is known of who asks: the host counts. */
	ask_amounts(15 * GIB, 0, 0, EVENT_DEPTH_UNKNOWN);
	assert_true(answer.does_fit);
}

/* 8 cores; others want 2, the model 1. */
static void test_cores_are_counted(void **state)
{
	(void)state;
	ask_amounts(GIB, 0, 5001, 0);
	assert_no(PREFLIGHT_CPU_SHORT);
	assert_int_equal(answer.cpu.have_permille, 5000);
	assert_int_equal(answer.cpu.model_permille, 1000);
	assert_int_equal(answer.largest, TIER_OFF);
	ask_amounts(GIB, 0, 5000, 0);
	assert_true(answer.does_fit);
	ask_amounts(GIB, 0, 1, 0);
	assert_no(PREFLIGHT_CPU_SHORT);
	assert_int_equal(answer.cpu.reserved_permille, 5000);
	ask_amounts(GIB, 0, 0, 0);
	assert_true(answer.does_fit);
	memset(&preflight, 0, sizeof(preflight));
	scene.resources[1].others_bytes = 0;
	config.upgrade_below_permyriad = 8001;
	scene.others_cpu_permille = 5001;
	ask_tier(LARGE);
	assert_no(PREFLIGHT_CPU_SHORT);
	scene.others_cpu_permille = 5000;
	ask_tier(LARGE);
	assert_true(answer.does_fit);
}

/* What was measured of the model counts, where that is more than its footprint. */
static void test_model_that_has_outgrown_its_footprint(void **state)
{
	(void)state;
	scene.count = 1;
	scene.resources[0].model_bytes = 15 * GIB;
	ask_amounts(36 * GIB, 0, 0, 0);
	assert_true(answer.does_fit);
	memset(&preflight, 0, sizeof(preflight));
	scene.is_measured = true;
	ask_amounts(36 * GIB, 0, 0, 0);
	assert_no(PREFLIGHT_SHORT);
	assert_int_equal(answer.needs[0].model_bytes, 15 * GIB);
}

static void test_switch_with_overlap_counts_both_tiers(void **state)
{
	(void)state;
	scene.count = 1;
	scene.pending = LARGE;
	ask_amounts(29 * GIB, 0, 0, 0);
	assert_true(answer.does_fit);
	memset(&preflight, 0, sizeof(preflight));
	scene.is_overlapping = true;
	ask_amounts(29 * GIB, 0, 0, 0);
	assert_no(PREFLIGHT_SHORT);
	assert_int_equal(answer.needs[0].model_bytes, 30 * GIB);
}

/* ---- drawn histories ---------------------------------------------------------------------------
 */

enum {
	LOADS_MAX = STEPS,
};

/* Somebody who was told yes: takes it before his time is up, or never. */
struct load {
	uint64_t bytes;
	uint64_t takes_ns;
};

/*
 * Only those who were told yes take memory, each within his time. Then use never comes to more than
 * the limit, whoever takes when: no two were told yes for the same.
 */
static void run_history(uint64_t seed)
{
	struct load loads[LOADS_MAX] = {0};
	uint32_t count = 0;

	set_up(NULL);
	random_state = seed;
	scene.count = 1;
	config.ladder.tiers[SMALL].cores_permille = 0;
	for (int step = 0; step < STEPS; step++) {
		struct preflight_resource *host = &scene.resources[0];

		scene.now_ns += below(3 * NS_PER_S);
		preflight_expire(&preflight, scene.now_ns);
		for (uint32_t i = 0; i < count; i++) {
			if (loads[i].takes_ns > scene.now_ns)
				continue;
			host->others_bytes += loads[i].bytes;
			loads[i] = loads[--count];
			i--;
		}
		preflight_see(&preflight, &scene);
		assert_true(host->others_bytes + 10 * GIB < 80 * GIB);
		ask_amounts(below(12 * GIB) + 1, 0, 0, 0);
		assert_true(preflight.count <= PREFLIGHT_RESERVATIONS_MAX);
		assert_int_equal(answer.does_fit, answer.reason == PREFLIGHT_FITS);
		if (answer.does_fit && below(4) > 0) {
			loads[count].bytes = answer.question.memory_bytes;
			/* Before the last sample of his time. */
			loads[count++].takes_ns = scene.now_ns + below(27 * NS_PER_S);
		}
		/* People leave, too. */
		if (host->others_bytes > 60 * GIB && below(3) == 0)
			host->others_bytes -= 25 * GIB;
	}
}

static void test_nobody_is_told_yes_for_what_another_was(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= HISTORIES; seed++)
		run_history(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_tier_must_fit_on_every_gpu, set_up),
		cmocka_unit_test_setup(test_amount_takes_the_gpu_with_most_room, set_up),
		cmocka_unit_test_setup(test_without_a_gpu_there_is_no_vram, set_up),
		cmocka_unit_test_setup(test_limits_of_groups_count_for_who_shares_them, set_up),
		cmocka_unit_test_setup(test_cores_are_counted, set_up),
		cmocka_unit_test_setup(test_model_that_has_outgrown_its_footprint, set_up),
		cmocka_unit_test_setup(test_switch_with_overlap_counts_both_tiers, set_up),
		cmocka_unit_test(test_nobody_is_told_yes_for_what_another_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
