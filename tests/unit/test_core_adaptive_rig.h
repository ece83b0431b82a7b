/* SPDX-License-Identifier: BSD-2-Clause */
/* The adaptive policy without an engine around it, on a host of 100 GB: one observation a second.
 */
#ifndef TIERD_TEST_CORE_ADAPTIVE_RIG_H
#define TIERD_TEST_CORE_ADAPTIVE_RIG_H

#include "test_core_rig.h"

#include "core/adaptive.h"
#include "core/drift.h"

enum {
	LARGE = 4,
};

static struct engine_config config;
static struct footprints footprints;
static struct adaptive adaptive;
static struct drift drift;
static struct resources resources;
static uint64_t now_s;

static inline int set_up(void **state)
{
	(void)state;
	config = rig_config();
	config.policy = POLICY_ADAPTIVE;
	config.stabilization_min_ns = SECONDS(30);
	config.cost_drain_ns = SECONDS(15);
	config.cost_drain_quality_permyriad = 5000;
	config.cost_abort_ns = SECONDS(30);
	config.cost_over_permille = 2000;
	config.cost_full_permille = 20000;
	for (uint32_t tier = 1; tier < config.ladder.count; tier++)
		config.ladder.tiers[tier].load_ns = SECONDS(10 * tier);
	ladder_fill_qualities(&config.ladder);
	memset(&drift, 0, sizeof(drift));
	now_s = 0;
	footprint_init(&footprints, &config);
	adaptive_init(&adaptive, &config);
	return 0;
}

static inline struct adaptive_input input_of(uint32_t serving)
{
	return (struct adaptive_input){
		.now_ns = SECONDS(now_s),
		.config = &config,
		.resources = &resources,
		.costs = &footprints.costs,
		.serving = serving,
		.is_confirmed = true,
		.calm_ns = SECONDS(now_s),
		.wait_ns = config.stabilization_min_ns,
	};
}

/* A second with others at this many tenths of a percent of 100 GB. */
static inline void observe_sample(uint64_t others_permille, bool is_confirmed)
{
	uint64_t bytes = others_permille * GB / 10;
	struct adaptive_input input;

	now_s++;
	drift_add(&drift, SECONDS(now_s), bytes, 100 * GB);
	resources = (struct resources){.count = 1};
	resources.view[0] = (struct resource_view){
		.kind = RESOURCE_HOST_MEMORY, .capacity_bytes = 100 * GB, .drift = &drift};
	for (int basis = 0; basis < LADDER_BASIS_COUNT; basis++)
		resources.view[0].others_bytes[basis] = bytes;
	input = input_of(LARGE);
	input.is_confirmed = is_confirmed;
	adaptive_observe(&adaptive, &input);
}

static inline void observe(uint64_t others_permille)
{
	observe_sample(others_permille, true);
}

static inline void observe_for(uint64_t seconds, uint64_t others_permille)
{
	for (uint64_t i = 0; i < seconds; i++)
		observe(others_permille);
}

static inline struct advice advise(uint32_t serving)
{
	struct adaptive_input input = input_of(serving);
	struct advice advice;

	adaptive_advise(&adaptive, &input, &advice);
	return advice;
}

/* Rises from 300 by 3 a second as if to cross, until `until`. */
static inline void rise(uint64_t until)
{
	drift_restart(&drift);
	for (uint64_t others = 300; others < until; others += 3)
		observe(others);
}

#endif
