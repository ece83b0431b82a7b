/* SPDX-License-Identifier: BSD-2-Clause */
/* A host that does what it likes, from a seed: for tests of what must hold whatever happens. */
#ifndef TIERD_TEST_CORE_RANDOM_HOST_H
#define TIERD_TEST_CORE_RANDOM_HOST_H

#include "test_core_rig_pin.h"

static uint64_t random_state;

static inline uint64_t random_below(uint64_t limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (random_state >> 33) % limit;
}

static inline struct engine_config short_config(void)
{
	struct engine_config config = rig_config();

	config.stabilization_ns = SECONDS(30);
	config.drain_deadline_ns = SECONDS(20);
	config.settle_ns = SECONDS(3);
	return config;
}

static inline void random_loss(struct rig *rig)
{
	rig_loss(rig, (enum loss_cause)random_below(LOSS_CAUSE_COUNT));
}

static inline void random_command(struct rig *rig)
{
	static const char *const tiers[] = {"off", "tiny", "small", "medium", "large", "", "what"};

	switch (random_below(6)) {
	case 0:
		rig_hello(rig, tiers[random_below(ARRAY_SIZE(tiers))]);
		break;
	case 1:
		rig_command(rig, COMMAND_PAUSE, "", 0, ACK_DRAINING);
		break;
	case 2:
		rig_command(rig, COMMAND_RESUME, "", 0, ACK_DRAINING);
		break;
	case 3:
		rig_pin(rig, tiers[random_below(ARRAY_SIZE(tiers))],
			random_below(2) * random_below(SECONDS(60)));
		break;
	case 4:
		rig_command(rig, COMMAND_UNPIN, "", 0, ACK_DRAINING);
		break;
	default:
		rig_ack(rig, (enum ack_state)random_below(ACK_FAILED + 1));
	}
}

/* One second of a host that does what it likes. */
static inline void random_second(struct rig *rig, bool has_commands)
{
	struct rig_load load = {0};

	if (random_below(20) == 0)
		rig->others_bytes = random_below(100) * GB;
	else
		rig->others_bytes = units_min(rig->others_bytes + random_below(GB), 99 * GB);
	if (random_below(15) == 0)
		load.model_stall_ns = random_below(SECONDS(1));
	if (random_below(15) == 0)
		load.other_stall_ns = random_below(SECONDS(1));
	load.limit_cgroup_id = random_below(3) ? 0 : 99;
	load.is_limit_ours = random_below(2);
	load.model_cpu_ns = random_below(SECONDS(2));
	load.other_wait_ns = random_below(SECONDS(1));
	if (random_below(60) == 0)
		random_loss(rig);
	if (random_below(120) == 0)
		rig_oom(rig, (uint32_t)random_below(PARTY_AGENT), load.limit_cgroup_id,
			load.is_limit_ours);
	if (has_commands && random_below(20) == 0)
		random_command(rig);
	rig_run(rig, SECONDS(1), &load);
}

static inline struct rig *new_random_rig(const struct engine_config *config, uint64_t seed,
					 uint64_t start_ns)
{
	struct rig *rig = rig_new(config, start_ns);

	random_state = seed * 7919 + 1;
	if (seed % 2)
		rig_hello(rig, "large");
	rig_sample(rig);
	return rig;
}

#endif
