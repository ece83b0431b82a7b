/* SPDX-License-Identifier: BSD-2-Clause */
/* A host of 100 GB with nothing on it but the model, and tasks that end on its tiers. */
#ifndef TIERD_TEST_CORE_PERFORMANCE_FIXTURE_H
#define TIERD_TEST_CORE_PERFORMANCE_FIXTURE_H
#include "core/performance.h"

#include "test_core_rig.h"

enum {
	OFF,
	TINY,
	SMALL,
	MEDIUM,
	LARGE,
};

static struct performance performance;
static struct engine_config config;
static struct resources resources;
static struct performance_input input;
static struct performance_advice advice;

static inline int set_up(void **state)
{
	(void)state;
	memset(&performance, 0, sizeof(performance));
	config = rig_config();
	resources = (struct resources){
		.count = 1,
		.view[0] = {.kind = RESOURCE_HOST_MEMORY, .capacity_bytes = 100 * GB},
	};
	input = (struct performance_input){
		.now_ns = SECONDS(1000),
		.config = &config,
		.resources = &resources,
		.serving = LARGE,
		.is_settled = true,
	};
	return 0;
}

static inline void end_on(uint32_t tier, bool is_ok, uint64_t ms)
{
	const struct task_result result = {.is_ok = is_ok, .duration_ms = ms};

	performance_end_task(&performance, &input, "no such id", tier, &result);
}

static inline void end_many(uint32_t count, bool is_ok, uint64_t ms)
{
	for (uint32_t i = 0; i < count; i++)
		end_on(input.serving, is_ok, ms);
}

static inline const struct performance_advice *advise(void)
{
	performance_advance(&performance, &input);
	performance_advise(&performance, &input, &advice);
	return &advice;
}

static inline void serve(uint32_t tier)
{
	input.serving = tier;
	advise();
}

static inline void wait_s(uint64_t s)
{
	input.now_ns += SECONDS(s);
	advise();
}

static inline struct breaker *breaker(uint32_t tier)
{
	return &performance.tiers[tier].breaker;
}

#endif
