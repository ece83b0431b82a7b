/* SPDX-License-Identifier: BSD-2-Clause */
/* What tiers take, learned by itself: peaks, their decay and bounds, times, and keeping them. */
/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/units.h"
#include "core/footprint.h"

enum {
	SMALL = 1,
	MEDIUM = 2,
	LARGE = 3,
	HISTORIES = 300,
	HOURS = 400,
	DAY_HOURS = 24,
};

static struct engine_config config;
static struct footprints footprints;
static struct footprint_capacity capacity;
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
		.ladder = {.count = 4,
			   .tiers = {{.name = "off"},
				     {.name = "small", .memory_bytes = 4 * GIB},
				     {.name = "medium",
				      .memory_bytes = 8 * GIB,
				      .vram_bytes = {0, 2 * GIB},
				      .load_ns = 10 * NS_PER_S},
				     {.name = "large", .memory_bytes = 16 * GIB}}},
		.cost_drain_ns = 15 * NS_PER_S,
	};
	memset(&capacity, 0xff, sizeof(capacity));
	footprint_init(&footprints, &config);
	return 0;
}

/* A tier in use for a minute, or as long as is counted. */
static void use_minute(uint32_t tier, uint64_t memory_bytes, uint64_t vram_bytes)
{
	const struct footprint_use use = {
		.tier = tier,
		.lasted_ns = 60 * NS_PER_S,
		.memory_bytes = memory_bytes,
		.vram_bytes = {vram_bytes, vram_bytes},
	};

	footprint_observe(&footprints, &config, &use);
}

static void use_hours(uint32_t tier, uint64_t hours, uint64_t memory_bytes)
{
	for (uint64_t i = 0; i < 60 * hours; i++)
		use_minute(tier, memory_bytes, 0);
}

static struct tier applied(uint32_t tier)
{
	struct ladder ladder = config.ladder;

	footprint_apply(&footprints, &capacity, &ladder);
	return ladder.tiers[tier];
}

static void assert_memory(uint32_t tier, uint64_t bytes)
{
	assert_int_equal(applied(tier).memory_bytes, bytes);
}

static void test_config_counts_until_more_is_seen(void **state)
{
	(void)state;
	assert_memory(MEDIUM, 8 * GIB);
	use_minute(MEDIUM, 6 * GIB, 0);
	assert_memory(MEDIUM, 8 * GIB);
	use_minute(MEDIUM, 9 * GIB, 0);
	assert_memory(MEDIUM, 9 * GIB);
	use_minute(MEDIUM, 5 * GIB, 0);
	assert_memory(MEDIUM, 9 * GIB);
	assert_int_equal(footprint_seen_bytes(&footprints.tiers[MEDIUM].memory), 9 * GIB);
	assert_memory(LARGE, 16 * GIB);
	use_minute(MEDIUM, 0, 0);
	assert_memory(MEDIUM, 9 * GIB);
}

static void test_peak_falls_slowly_and_not_within_a_day_of_use(void **state)
{
	uint64_t before;

	(void)state;
	use_minute(MEDIUM, 12 * GIB, 0);
	use_hours(MEDIUM, DAY_HOURS, 5 * GIB);
	assert_memory(MEDIUM, 12 * GIB);
	use_hours(MEDIUM, 16, 5 * GIB);
	before = applied(MEDIUM).memory_bytes;
	assert_in_range(before, 11 * GIB, 12 * GIB - 1);
	use_hours(MEDIUM, 8, 5 * GIB);
	assert_int_equal(applied(MEDIUM).memory_bytes, before - (before - 5 * GIB) / 8);
	use_hours(MEDIUM, 2000, 5 * GIB);
	assert_in_range(applied(MEDIUM).memory_bytes, 5 * GIB, 5 * GIB + MIB);
}

/* Weeks without use change nothing: pauses are no use. */
static void test_only_use_counts_as_time(void **state)
{
	struct footprint_use use = {.tier = MEDIUM, .memory_bytes = 5 * GIB};

	(void)state;
	use_minute(MEDIUM, 12 * GIB, 0);
	use.lasted_ns = UINT64_MAX;
	for (int i = 0; i < 24 * 60 - 2; i++)
		footprint_observe(&footprints, &config, &use);
	assert_memory(MEDIUM, 12 * GIB);
}

static void test_what_counts_is_bounded(void **state)
{
	(void)state;
	use_minute(SMALL, UINT64_MAX, 0);
	assert_memory(SMALL, 16 * GIB);
	assert_int_equal(footprint_seen_bytes(&footprints.tiers[SMALL].memory), 16 * GIB);
	capacity.memory_bytes = 10 * GIB;
	assert_memory(SMALL, 10 * GIB);
	memset(&capacity, 0xff, sizeof(capacity));
	set_up(NULL);
	use_hours(MEDIUM, 5000, MIB);
	assert_memory(MEDIUM, 2 * GIB);
	/* Nothing that was seen: still a quarter. */
	assert_int_equal(footprint_seen_bytes(&footprints.tiers[MEDIUM].memory), MIB);
}

/* Only on the GPU that the config says it uses. */
static void test_vram_is_learned_where_it_is_configured(void **state)
{
	(void)state;
	use_minute(MEDIUM, 8 * GIB, 3 * GIB);
	assert_int_equal(applied(MEDIUM).vram_bytes[0], 0);
	assert_int_equal(applied(MEDIUM).vram_bytes[1], 3 * GIB);
	use_minute(MEDIUM, 8 * GIB, 30 * GIB);
	assert_int_equal(applied(MEDIUM).vram_bytes[1], 8 * GIB);
	capacity.vram_bytes[1] = 6 * GIB;
	assert_int_equal(applied(MEDIUM).vram_bytes[1], 6 * GIB);
}

static void test_fixed_tier_is_as_it_is_said(void **state)
{
	(void)state;
	config.ladder.tiers[MEDIUM].is_fixed = true;
	footprint_init(&footprints, &config);
	use_minute(MEDIUM, 12 * GIB, 3 * GIB);
	footprint_note_drain(&footprints, &config, MEDIUM, NS_PER_S);
	footprint_note_load(&footprints, &config, MEDIUM, NS_PER_S);
	assert_memory(MEDIUM, 8 * GIB);
	assert_int_equal(applied(MEDIUM).vram_bytes[1], 2 * GIB);
	assert_int_equal(footprints.costs.load_ns[MEDIUM], 10 * NS_PER_S);
	assert_int_equal(footprints.costs.drain_ns[MEDIUM], 15 * NS_PER_S);
	footprint_note_drain(&footprints, &config, LARGE, NS_PER_S);
	assert_int_equal(footprints.costs.drain_ns[MEDIUM], 15 * NS_PER_S);
	assert_int_equal(footprints.costs.drain_ns[SMALL], NS_PER_S);
}

static void test_unmeasured_tier_lies_between_its_neighbours(void **state)
{
	(void)state;
	use_minute(SMALL, 12 * GIB, 0);
	assert_memory(MEDIUM, 12 * GIB);
	assert_memory(LARGE, 16 * GIB);
	use_minute(MEDIUM, 8 * GIB, 0);
	assert_memory(MEDIUM, 8 * GIB);
	set_up(NULL);
	use_hours(LARGE, 5000, 5 * GIB);
	assert_in_range(applied(MEDIUM).memory_bytes, 5 * GIB, 5 * GIB + MIB);
	assert_memory(SMALL, 4 * GIB);
}

/* ---- times -------------------------------------------------------------------------------------
 */

static uint64_t drain_s(uint32_t tier)
{
	return footprints.costs.drain_ns[tier] / NS_PER_S;
}

static void test_times_are_what_was_said_until_measured(void **state)
{
	const struct switch_costs *costs = &footprints.costs;

	(void)state;
	assert_int_equal(drain_s(MEDIUM), 15);
	assert_int_equal(costs->load_ns[MEDIUM], 10 * NS_PER_S);
	footprint_note_drain(&footprints, &config, MEDIUM, 3 * NS_PER_S);
	assert_int_equal(drain_s(MEDIUM), 3);
	footprint_note_drain(&footprints, &config, MEDIUM, 5 * NS_PER_S);
	assert_int_equal(drain_s(MEDIUM), 5);
	footprint_note_drain(&footprints, &config, MEDIUM, 1 * NS_PER_S);
	assert_int_equal(drain_s(MEDIUM), 3);
	/* Each tier its own; the others as any. */
	footprint_note_drain(&footprints, &config, LARGE, 9 * NS_PER_S);
	assert_int_equal(drain_s(MEDIUM), 3);
	assert_int_equal(drain_s(LARGE), 9);
	assert_int_equal(drain_s(SMALL), 9);
	footprint_note_load(&footprints, &config, MEDIUM, 100 * NS_PER_S);
	footprint_note_load(&footprints, &config, MEDIUM, 50 * NS_PER_S);
	assert_int_equal(costs->load_ns[MEDIUM], 75 * NS_PER_S);
	assert_int_equal(costs->load_ns[LARGE], 0);
	footprint_note_load(&footprints, &config, LARGE, UINT64_MAX);
	assert_int_equal(costs->load_ns[LARGE], NS_PER_HOUR);
}

/* ---- keeping -----------------------------------------------------------------------------------
 */

static void test_new_config_keeps_what_it_does_not_say_otherwise(void **state)
{
	struct engine_config before;

	(void)state;
	use_minute(SMALL, 5 * GIB, 0);
	use_minute(MEDIUM, 9 * GIB, 3 * GIB);
	footprint_note_load(&footprints, &config, MEDIUM, 20 * NS_PER_S);
	footprint_note_drain(&footprints, &config, MEDIUM, 4 * NS_PER_S);
	before = config;
	/* small is gone, medium is the first, and is said to take more memory. */
	config.ladder.count = 2;
	config.ladder.tiers[1] = before.ladder.tiers[MEDIUM];
	config.ladder.tiers[1].memory_bytes = 7 * GIB;
	footprint_reconfigure(&footprints, &before, &config);
	assert_memory(1, 7 * GIB);
	assert_int_equal(applied(1).vram_bytes[1], 3 * GIB);
	assert_int_equal(footprints.costs.load_ns[1], 20 * NS_PER_S);
	assert_int_equal(drain_s(1), 4);
	before = config;
	config.ladder.tiers[1].load_ns = NS_PER_S;
	config.cost_drain_ns = NS_PER_S;
	footprint_reconfigure(&footprints, &before, &config);
	assert_int_equal(footprints.costs.load_ns[1], NS_PER_S);
	assert_int_equal(drain_s(1), 1);
}

static void test_kept_values_come_back(void **state)
{
	struct footprint_tier kept;
	struct footprints restored;

	(void)state;
	use_minute(MEDIUM, 12 * GIB, 3 * GIB);
	use_hours(MEDIUM, 45, 5 * GIB);
	footprint_note_load(&footprints, &config, MEDIUM, 20 * NS_PER_S);
	footprint_note_drain(&footprints, &config, MEDIUM, 4 * NS_PER_S);
	footprint_export(&footprints, MEDIUM, &kept);
	footprint_init(&restored, &config);
	footprint_import(&restored, &config, MEDIUM, &kept);
	for (int i = 0; i < 1000; i++) {
		const struct footprint_use use = {
			.tier = MEDIUM, .lasted_ns = 60 * NS_PER_S, .memory_bytes = 4 * GIB};

		assert_int_equal(restored.tiers[MEDIUM].memory.bytes,
				 footprints.tiers[MEDIUM].memory.bytes);
		footprint_observe(&restored, &config, &use);
		footprint_observe(&footprints, &config, &use);
	}
	assert_int_equal(restored.costs.drain_ns[SMALL], 4 * NS_PER_S);
	assert_int_equal(restored.costs.load_ns[MEDIUM], 20 * NS_PER_S);
}

static void test_damaged_values_are_put_right(void **state)
{
	struct footprint_tier kept;

	(void)state;
	memset(&kept, 0xff, sizeof(kept));
	kept.is_drain_measured = true;
	kept.is_load_measured = true;
	footprint_import(&footprints, &config, MEDIUM, &kept);
	footprint_import(&footprints, &config, TIER_OFF, &kept);
	footprint_import(&footprints, &config, LADDER_TIERS_MAX, &kept);
	assert_memory(MEDIUM, 32 * GIB);
	assert_int_equal(applied(MEDIUM).vram_bytes[0], 0);
	assert_int_equal(footprints.costs.drain_ns[MEDIUM], NS_PER_HOUR);
	assert_int_equal(footprints.costs.load_ns[MEDIUM], NS_PER_HOUR);
	assert_int_equal(footprints.costs.load_ns[TIER_OFF], 0);
	use_minute(MEDIUM, GIB, 0);
	assert_memory(MEDIUM, 32 * GIB);
}

/* ---- drawn histories ---------------------------------------------------------------------------
 */

/* Bounded; never under what was seen in the last day of use; and no higher than it ever was. */
static void run_history(uint64_t seed)
{
	uint64_t seen[HOURS] = {0};
	uint64_t highest = 8 * GIB;
	uint64_t level = 0;

	set_up(NULL);
	random_state = seed;
	for (uint64_t hour = 0; hour < HOURS; hour++) {
		uint64_t day_peak = 0;
		uint64_t before = applied(MEDIUM).memory_bytes;
		uint64_t now;

		if (hour % (1 + below(30)) == 0)
			level = below(40 * GIB) + 1;
		for (int minute = 0; minute < 60; minute++) {
			uint64_t bytes = level - below(level / 4 + 1);

			use_minute(MEDIUM, bytes, 0);
			seen[hour] = units_max(seen[hour], bytes);
		}
		for (uint64_t i = hour >= DAY_HOURS - 1 ? hour - (DAY_HOURS - 1) : 0; i <= hour;
		     i++)
			day_peak = units_max(day_peak, seen[i]);
		highest = units_max(highest, seen[hour]);
		now = applied(MEDIUM).memory_bytes;
		assert_true(now >= 2 * GIB && now <= 32 * GIB);
		assert_true(now >= units_min(day_peak, 32 * GIB));
		assert_true(now <= highest);
		/* An eighth of the distance at most in an hour. */
		assert_true(now >= before - before / 8);
	}
}

static void test_drawn_histories(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= HISTORIES; seed++)
		run_history(seed);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
		TEST(test_config_counts_until_more_is_seen),
		TEST(test_peak_falls_slowly_and_not_within_a_day_of_use),
		TEST(test_only_use_counts_as_time),
		TEST(test_what_counts_is_bounded),
		TEST(test_vram_is_learned_where_it_is_configured),
		TEST(test_fixed_tier_is_as_it_is_said),
		TEST(test_unmeasured_tier_lies_between_its_neighbours),
		TEST(test_times_are_what_was_said_until_measured),
		TEST(test_new_config_keeps_what_it_does_not_say_otherwise),
		TEST(test_kept_values_come_back),
		TEST(test_damaged_values_are_put_right),
		TEST(test_drawn_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
