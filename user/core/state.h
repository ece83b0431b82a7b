/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an engine keeps over a restart of the agent: taken from one with engine_get_state(), given
 * to the next as EVENT_STATE between its configuration and its first sample.
 *
 * Tiers go by their names, and times are those of events (CLOCK_MONOTONIC, 0 = never), so that they
 * mean the same to an engine that has begun later or has another ladder.
 */
#ifndef TIERD_CORE_STATE_H
#define TIERD_CORE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "adaptive.h"
#include "breaker.h"
#include "config.h"
#include "drift.h"
#include "engine.h"
#include "footprint.h"
#include "stabilizer.h"

/* Tiers by their names. */
struct tier_names {
	uint32_t count;
	char name[ADAPTIVE_REFUGES][EVENT_TIER_NAME_LEN];
};

/* What the adaptive policy has learned of one tier: see adaptive.h. */
struct calm_state {
	uint64_t vram_bytes; /* of all GPUs, as configured: of another nothing was learned */
	uint64_t opened_ns;  /* of the calm spell that lasts, 0 = none does */
	uint64_t broken_ns;  /* end of the last one, 0 = none has ended */
	struct spell_history lengths;
	struct spell_history intervals;
	uint32_t alarms_permyriad; /* 0 = nothing is kept of this tier */
	uint32_t alarms_true_permyriad;
	uint64_t penalty_permyriad;
	struct tier_names refuges; /* newest first */
};

/* What was learned of one tier. */
struct tier_state {
	char name[EVENT_TIER_NAME_LEN];
	uint64_t memory_bytes; /* as configured: of another footprint nothing was learned */
	struct footprint_tier learned;
	struct breaker breaker;
	struct calm_state calm;
};

/* Others' use of one resource. */
struct resource_state {
	uint32_t kind; /* enum resource_kind */
	uint32_t index;
	uint64_t peak_bytes; /* the highest of the time that a step up looks back on */
	struct drift_noise noise;
};

struct engine_state {
	uint64_t taken_ns;
	bool is_same_boot; /* its clock still goes on: times count */
	bool is_final;     /* nothing was decided after it was taken */

	/* Calm and its clock. */
	uint64_t sample_ns;   /* of the last sample */
	uint64_t pressure_ns; /* last pressure seen, or switch */
	uint64_t loss_began_ns[LOSS_KIND_COUNT];
	uint64_t loss_ns[LOSS_KIND_COUNT]; /* of the last one, 0 = none that still counts */
	uint32_t resource_count;
	struct resource_state resources[EVENT_RESOURCES_MAX];

	/* A pin (pin.h); of another boot only one that was for good counts. */
	char pin[EVENT_TIER_NAME_LEN]; /* "" = there is none */
	uint64_t pin_until_ns;         /* 0 = until unpin */
	uint32_t pin_reason;           /* enum decision_reason */
	bool is_pin_due;
	bool is_paused;

	uint32_t wait_factor; /* of stabilization, after step ups that failed: 1, 2, 4 or 8 */
	uint64_t wait_factor_ns;
	uint64_t trial_end_ns; /* a step up is on trial until then, 0 = none is */

	/* The switch machine: see transition.h. */
	uint64_t seq;
	char wanted[EVENT_TIER_NAME_LEN];
	char actual[EVENT_TIER_NAME_LEN];
	char from[EVENT_TIER_NAME_LEN];
	char to[EVENT_TIER_NAME_LEN];
	uint32_t phase;  /* enum switch_state */
	uint32_t mode;   /* enum switch_mode */
	uint32_t reason; /* enum decision_reason */
	bool is_assumed;
	bool has_manager;
	bool is_open;
	bool is_owed;
	bool is_overlap_granted; /* both of from and to may be in memory */
	uint32_t failure_count;
	uint64_t began_ns;
	uint64_t deadline_ns; /* 0 = none */
	uint64_t backoff_ns;

	/* What calm was judged by: of another limit nothing was learned. */
	uint32_t degrade_above_permyriad;
	uint64_t cost_drain_ns;

	/* The process that a manager has named: not the engine's, which passes it over. */
	uint32_t hello_pid;         /* 0 = none */
	uint64_t hello_start_ticks; /* since boot, in USER_HZ: another has another */

	uint32_t tier_count;
	struct tier_state tiers[LADDER_TIERS_MAX];
};

/*
 * Takes the state of an engine. is_same_boot is set, is_final is not. Returns false, and leaves
 * *ret_state as it is, before the first tier is settled on: there is nothing to keep yet.
 */
bool engine_get_state(const struct engine *engine, struct engine_state *ret_state);

#endif
