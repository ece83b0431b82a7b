/* SPDX-License-Identifier: BSD-2-Clause */
/* Counterfactual use and which tier fits. */
#include "test_core_rig.h"

#include "core/ladder.h"

static struct engine_config config;
static struct resources resources;

static int set_up(void **state)
{
	(void)state;
	config = rig_config();
	config.ladder.tiers[4].vram_bytes[1] = 9 * GB;
	config.ladder.tiers[3].vram_bytes[1] = 5 * GB;
	memset(&resources, 0, sizeof(resources));
	resources.count = 2;
	resources.view[0] = (struct resource_view){
		.kind = RESOURCE_HOST_MEMORY,
		.capacity_bytes = 100 * GB,
		.others_bytes = {30 * GB, 55 * GB, 45 * GB},
	};
	resources.view[1] = (struct resource_view){
		.kind = RESOURCE_VRAM,
		.index = 1,
		.capacity_bytes = 10 * GB,
		.others_bytes = {1 * GB, 1 * GB, 1 * GB},
	};
	return 0;
}

static void test_footprint_by_kind(void **state)
{
	const struct tier *large = &config.ladder.tiers[4];

	(void)state;
	assert_int_equal(ladder_footprint_bytes(large, RESOURCE_HOST_MEMORY, 0), 40 * GB);
	assert_int_equal(ladder_footprint_bytes(large, RESOURCE_GROUP_MEMORY, 3), 40 * GB);
	assert_int_equal(ladder_footprint_bytes(large, RESOURCE_VRAM, 0), 0);
	assert_int_equal(ladder_footprint_bytes(large, RESOURCE_VRAM, 1), 9 * GB);
	assert_int_equal(ladder_footprint_bytes(large, RESOURCE_VRAM, LADDER_GPUS_MAX), 0);
}

static void test_worst_resource_counts(void **state)
{
	uint32_t use;
	const struct resource_view *worst =
		ladder_find_worst(&config.ladder.tiers[4], &resources, LADDER_NOW, &use);

	(void)state;
	assert_ptr_equal(worst, &resources.view[1]);
	assert_int_equal(use, 10000);
	assert_int_equal(ladder_worst_permyriad(&config.ladder.tiers[2], &resources, LADDER_NOW),
			 4200);
	assert_int_equal(ladder_worst_permyriad(&config.ladder.tiers[2], &resources, LADDER_PEAK),
			 6700);
	assert_int_equal(ladder_worst_permyriad(&config.ladder.tiers[2], &resources, LADDER_TREND),
			 5700);
}

static void test_no_resource_and_no_capacity_are_no_use(void **state)
{
	uint32_t use = 1;

	(void)state;
	resources.count = 0;
	assert_null(ladder_find_worst(&config.ladder.tiers[4], &resources, LADDER_NOW, &use));
	assert_int_equal(use, 0);
	resources.count = 1;
	resources.view[0].capacity_bytes = 0;
	assert_int_equal(ladder_worst_permyriad(&config.ladder.tiers[4], &resources, LADDER_NOW),
			 0);
}

static void test_largest_fitting_tier(void **state)
{
	(void)state;
	/* large: VRAM full; medium: 55 % and 60 %. */
	assert_int_equal(ladder_find_largest(&config.ladder, &resources, 8000, 0, 4), 3);
	assert_int_equal(ladder_find_largest(&config.ladder, &resources, 6000, 0, 4), 2);
	assert_int_equal(ladder_find_largest(&config.ladder, &resources, 8000, 0, 1), 1);
	assert_int_equal(ladder_find_largest(&config.ladder, &resources, 100, 0, 4), 0);
	assert_int_equal(ladder_find_largest(&config.ladder, &resources, 100, 2, 4), 2);
	/* The bound itself is not under the bound. */
	assert_int_equal(ladder_find_largest(&config.ladder, &resources, 4200, 0, 2), 1);
}

static void test_find_name(void **state)
{
	char full[EVENT_TIER_NAME_LEN];
	uint32_t tier = 99;

	(void)state;
	assert_true(ladder_find_name(&config.ladder, "medium", &tier));
	assert_int_equal(tier, 3);
	memset(full, 'x', sizeof(full));
	assert_false(ladder_find_name(&config.ladder, full, &tier));
	assert_false(ladder_find_name(&config.ladder, "", &tier));
	assert_int_equal(tier, 3);
}

static void test_huge_amounts_saturate(void **state)
{
	(void)state;
	resources.view[0].others_bytes[LADDER_NOW] = UINT64_MAX;
	resources.view[0].capacity_bytes = 1;
	assert_true(ladder_worst_permyriad(&config.ladder.tiers[4], &resources, LADDER_NOW) ==
		    UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_footprint_by_kind, set_up),
		cmocka_unit_test_setup(test_worst_resource_counts, set_up),
		cmocka_unit_test_setup(test_no_resource_and_no_capacity_are_no_use, set_up),
		cmocka_unit_test_setup(test_largest_fitting_tier, set_up),
		cmocka_unit_test_setup(test_find_name, set_up),
		cmocka_unit_test_setup(test_huge_amounts_saturate, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
