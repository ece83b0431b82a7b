/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One rig per test, with a configuration that the test may change before it starts; for tests of
 * the engine as a whole. Whoever frees the rig and makes no other must set it to NULL.
 */
#ifndef TIERD_TEST_CORE_ENGINE_FIXTURE_H
#define TIERD_TEST_CORE_ENGINE_FIXTURE_H

#include "test_core_rig.h"

static struct engine_config config;
static struct rig *rig;

static inline int set_up(void **state)
{
	(void)state;
	config = rig_config();
	rig = NULL;
	return 0;
}

/* Two tiers at once where there is room for them. */
static inline int set_up_overlap(void **state)
{
	set_up(state);
	config.overlap = OVERLAP_AUTO;
	config.ladder.count = 4;
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	if (rig)
		rig_free(rig);
	return 0;
}

/* Started and warm; large unless hello is "small" or the like. NULL: no manager. */
static inline void start(const char *hello)
{
	rig = rig_new(&config, SECONDS(5));
	if (hello)
		rig_hello(rig, hello);
	rig_sample(rig);
	rig_run(rig, SECONDS(15), NULL);
}

static inline uint32_t switches(uint32_t reason)
{
	return rig_count(rig, 0, DECISION_SWITCH, reason);
}

static inline uint32_t holds(uint32_t reason)
{
	return rig_count(rig, 0, DECISION_HOLD, reason);
}

#endif
