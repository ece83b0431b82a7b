/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine under the adaptive policy, on one signal: how long a step up is waited for, and when a
 * rise is left ahead of the limit. For tests that compare two configurations.
 */
#ifndef TIERD_TEST_CORE_ADAPTIVE_FIXTURE_H
#define TIERD_TEST_CORE_ADAPTIVE_FIXTURE_H

#include "test_core_engine_fixture.h"

enum {
	MEDIUM = 3,
	LARGE = 4,
	NEVER = 3600, /* seconds that a step up is waited for */
};

static inline int set_up_adaptive(void **state)
{
	set_up(state);
	config.policy = POLICY_ADAPTIVE;
	/* No wait for a gain is longer than eight of these. */
	config.stabilization_ns = SECONDS(60);
	config.stabilization_min_ns = SECONDS(30);
	config.cost_drain_ns = SECONDS(15);
	config.cost_drain_quality_permyriad = 5000;
	config.cost_abort_ns = SECONDS(30);
	config.cost_over_permille = 2000;
	config.cost_full_permille = 20000;
	for (uint32_t tier = 1; tier < config.ladder.count; tier++)
		config.ladder.tiers[tier].load_ns = SECONDS(10);
	return 0;
}

/* A run ends, so that the next can begin with other options. */
static inline void stop(void)
{
	rig_free(rig);
	rig = NULL;
}

/* Seconds from now on until a step up for its gain is ordered; NEVER if it is not. */
static inline uint64_t wait_for_step_up_s(void)
{
	uint64_t began_ns = rig->now_ns;
	uint32_t since = rig->decision_count;

	while (rig->now_ns - began_ns < SECONDS(NEVER)) {
		rig_run(rig, SECONDS(1), NULL);
		if (rig_find(rig, since, DECISION_SWITCH, REASON_GAIN))
			break;
	}
	return (rig->now_ns - began_ns) / NS_PER_S;
}

/* The wait of a medium model on a host where large fits, and of which nothing is known yet. */
static inline uint64_t step_up_s(void)
{
	uint64_t wait_s;

	start("medium");
	wait_s = wait_for_step_up_s();
	stop();
	return wait_s;
}

/* The wait after a surge in which large was more than the host holds. */
static inline uint64_t step_up_after_surge_s(void)
{
	uint64_t wait_s;

	start(NULL);
	rig->others_bytes = 65 * GB;
	rig_run(rig, SECONDS(20), NULL);
	assert_true(switches(REASON_USE_OVER_DEGRADE) > 0);
	rig->others_bytes = 30 * GB;
	wait_s = wait_for_step_up_s();
	stop();
	return wait_s;
}

/* The wait where calm has lasted 1000 s each time, and is known to. */
static inline uint64_t step_up_in_known_calm_s(void)
{
	uint64_t wait_s;

	start(NULL);
	for (int i = 0; i < 4; i++) {
		rig_run(rig, SECONDS(1000), NULL);
		rig->others_bytes = 60 * GB;
		rig_run(rig, SECONDS(50), NULL);
		rig->others_bytes = 30 * GB;
	}
	wait_s = wait_for_step_up_s();
	stop();
	return wait_s;
}

/* Others rise from 30 GB by this much a second, for so long. */
static inline void rise(uint64_t bytes_per_s, uint64_t seconds)
{
	for (uint64_t i = 0; i < seconds; i++) {
		rig->others_bytes += bytes_per_s;
		rig_run(rig, SECONDS(1), NULL);
	}
}

/* When a large model was left ahead of others' rise of 0.3 GB/s, in seconds; and to where. */
static inline uint64_t left_ahead_s(uint32_t *ret_target)
{
	const struct decision *leave;
	uint64_t left_s;

	start("large");
	rise(300 * GB / 1000, 65);
	leave = rig_find(rig, 0, DECISION_SWITCH, REASON_FORECAST);
	assert_non_null(leave);
	left_s = leave->time_ns / NS_PER_S;
	*ret_target = leave->to;
	stop();
	return left_s;
}

#endif
