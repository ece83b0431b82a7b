/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The switch state machine: a table of states x events.
 *
 *   steady -> draining (running work ends) -> loading (until the manager says done) -> settling
 *   -> steady; an immediate order goes to loading at once, from every state.
 *
 * Two tiers are kept apart: `wanted` is what is ordered, a level that the manager converges to;
 * `actual` is what is loaded as far as anybody said. In steady they differ only while an order
 * that failed, or that a hello contradicted, waits to be given again (deadline_ns).
 *
 * Without a manager that speaks, orders are assumed to be carried out after a short time. A
 * manager that said hello (or acknowledged anything) is asked again with growing pauses, and a
 * step up that it cannot carry out is given up; a step down that fails again goes one rung
 * further down. So nothing here waits for ever. An immediate order may name a larger tier than
 * the one it comes from when it overrides a step up that is being loaded; a manager cuts work short
 * only for a tier smaller than the one that it has loaded.
 */
#ifndef TIERD_CORE_TRANSITION_H
#define TIERD_CORE_TRANSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "actions.h"
#include "config.h"
#include "engine.h"

enum transition_event {
	TRANSITION_ORDER_PLANNED,
	TRANSITION_ORDER_IMMEDIATE,
	TRANSITION_CANCEL,
	TRANSITION_ACK_DRAINING,
	TRANSITION_ACK_LOADING,
	TRANSITION_ACK_DONE,
	TRANSITION_ACK_FAILED,
	TRANSITION_HELLO,
	TRANSITION_TIMEOUT, /* deadline_ns is reached */
	TRANSITION_RESUME,  /* the agent was restarted: an order is still to be carried out */
	TRANSITION_EVENT_COUNT,
};

struct transition_input {
	uint64_t now_ns;
	const struct engine_config *config;
	uint32_t target;      /* of an order; hello: the tier named */
	uint32_t reason;      /* of an order or cancel */
	bool is_tier_named;   /* hello */
	bool is_over_limit;   /* use of the serving tier is over degrade_above */
	bool is_clear;        /* nothing asks for a step down any more */
	bool does_wanted_fit; /* use with the wanted tier is under upgrade_below */
	bool does_named_fit;  /* hello: the same with the tier named */
	bool is_paused;       /* no new orders */
	uint64_t earliest_ns; /* no order that a hello leads to before this */
};

/* What follows from one event: at most one line and one decision. */
struct transition_output {
	uint32_t line;   /* enum manager_verb, 0 = none */
	uint32_t action; /* enum decision_action; DECISION_ACTION_COUNT = none */
	uint32_t reason;
	bool is_step_up_failed;
};

struct transition {
	uint32_t state; /* enum switch_state */
	uint32_t wanted;
	uint32_t actual;
	bool is_assumed;  /* nobody said that actual is loaded */
	bool has_manager; /* somebody has said hello or acknowledged */
	/* The last order. */
	uint64_t seq;
	uint64_t seq_floor; /* numbers up to this one may have been given by an agent before */
	uint32_t from;
	uint32_t to;
	uint32_t mode; /* enum switch_mode */
	uint32_t reason;
	bool is_open;            /* the manager may still say something about it */
	bool is_owed;            /* it failed and waits to be given again */
	bool is_overlap_granted; /* both tiers may be in memory until it ends */
	uint64_t began_ns;

	uint64_t deadline_ns; /* UINT64_MAX = none */
	uint64_t backoff_ns;
	uint32_t failure_count; /* of step downs to `to`, in a row */
	bool is_silence_told;
};

/* A manager that has `tier` loaded; is_assumed if that is only what it ought to have. */
void transition_init(struct transition *transition, uint32_t tier, bool is_assumed);

/* Events that mean nothing in the present state change nothing and put nothing out. */
void transition_step(struct transition *transition, enum transition_event event,
		     const struct transition_input *input, struct transition_output *ret_output);

/* The tier whose footprint counts now. */
uint32_t transition_serving(const struct transition *transition);

/* An order was given that is not carried out yet. */
bool transition_is_pending(const struct transition *transition);

#endif
