/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Carries out the agent's orders with a backend, and acknowledges what is true.
 *
 * There is no list of steps that an order could interrupt: there is a target, and each time that
 * something has changed the next step towards it follows from what is loaded now. So a new order, a
 * cancel, a server that dies and a manager that comes late all take the same way.
 *
 * A planned switch lets running requests end: `draining` until none runs on the tier that is left,
 * `loading` from when it is being stopped, `done` when only the new tier is in memory and it
 * answers. Where both may be in memory (overlap), the new one is loaded and let in first. When a
 * drain takes too long the agent decides: it cancels, or orders the switch anew as immediate; then
 * the old tier is killed, if it takes more memory than the new one.
 *
 * What could not be loaded is answered `failed`, and the tier of before is brought back, unless it
 * was cut for the sake of memory: then nothing is loaded until the agent orders something else.
 */
#ifndef TIERD_MANAGER_SWITCHER_H
#define TIERD_MANAGER_SWITCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent_link.h"
#include "backend.h"
#include "config.h"
#include "loop.h"

struct switcher {
	const struct manager_config *config;
	const struct backend_ops *ops;
	void *backend;
	struct agent_link *link;
	struct loop_timer said_timer; /* to say the same ack again */
	struct loop_timer step_timer; /* to look again, where nothing tells of a change */

	uint32_t target;
	bool is_cut;             /* whoever is in the way is killed */
	bool is_overlap_allowed; /* two tiers may be in memory at once */
	bool is_settled;         /* the target is in place, and nothing else */
	bool is_stepping;
	bool is_step_due;

	/* The agent's last order. */
	uint64_t seq;
	uint32_t previous; /* the target before */
	bool is_open;      /* neither done nor failed yet */
	uint32_t said;     /* the last ack of it, enum ack_state; UINT32_MAX = none */
};

void switcher_open(struct switcher *switcher, struct loop *loop,
		   const struct manager_config *config, const struct backend_ops *ops,
		   void *backend, struct agent_link *link);

/* An order or cancel of the agent, or its view of things. */
void switcher_take_line(struct switcher *switcher, const struct manager_line *line);

/* A target of our own: the initial tier, or `off` at the end. */
void switcher_set_target(struct switcher *switcher, uint32_t tier, bool is_cut);

/* For struct backend_events; context is the switcher. */
void switcher_step(void *context);
void switcher_take_failure(void *context, uint32_t tier);

#endif
