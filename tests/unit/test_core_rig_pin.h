/* SPDX-License-Identifier: BSD-2-Clause */
/* A person's pin, for the rig. */
#ifndef TIERD_TEST_CORE_RIG_PIN_H
#define TIERD_TEST_CORE_RIG_PIN_H

#include "test_core_rig.h"

/* for_ns 0: until unpin. */
static inline void rig_pin(struct rig *rig, const char *tier, uint64_t for_ns)
{
	struct event event = {.kind = EVENT_COMMAND,
			      .command = {.verb = COMMAND_PIN, .for_ns = for_ns}};

	memcpy(event.command.tier, tier, strlen(tier));
	rig_step(rig, &event);
}

#endif
