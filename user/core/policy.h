/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The safety rules and the two policies: what should be done in a situation, as a pure function of
 * it. Rules are tried in the order of the policy's table; the first that asks for a switch (or a
 * cancel) wins, else the first that asks for a hold.
 */
#ifndef TIERD_CORE_POLICY_H
#define TIERD_CORE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "actions.h"
#include "adaptive.h"
#include "config.h"
#include "engine.h"
#include "ladder.h"
#include "performance.h"
#include "pin.h"
#include "pressure.h"

enum stall_span {
	STALL_SPAN_URGENT,
	STALL_SPAN_ABOVE,
	STALL_SPAN_CALM,
	STALL_SPAN_COUNT,
};

/* Everything that a decision is made from. */
struct situation {
	uint32_t switch_state;
	/* The tier whose footprint counts: while loading and after, the one that is being loaded.
	 */
	uint32_t serving;
	/* What is in memory instead, while two tiers are: their sum. NULL: the serving one. */
	const struct tier *in_place;
	uint32_t target; /* while draining: of the order */
	uint32_t source; /* enum pressure_source */
	bool is_warm;
	bool is_paused;
	bool is_fresh;          /* a sample has just come: steps up are decided on nothing else */
	bool is_confirmed;      /* use was over degrade_above twice in a row */
	bool is_band_confirmed; /* use was over upgrade_below twice in a row */
	bool is_model_unseen;
	bool is_measured; /* what was measured of the model is the serving tier's */
	uint32_t oom;     /* REASON_OOM_GROUP, REASON_OOM_HOST, or REASON_NONE */
	struct resources resources;
	uint32_t stall_permyriad[PRESSURE_PARTIES][STALL_CLASS_COUNT][STALL_SPAN_COUNT];
	struct cpu_pressure cpu;
	uint64_t calm_ns;
	uint64_t pressure_calm_ns; /* the same without losses */
	uint64_t stabilization_ns; /* with any lengthening */
	/* For the adaptive policy. */
	const struct switch_costs *costs;
	struct advice advice; /* as of the last sample */
	struct performance_advice performance;
	struct pin pin;
};

enum proposal_action {
	PROPOSE_NOTHING,
	PROPOSE_HOLD,
	PROPOSE_SWITCH,
	PROPOSE_CANCEL,
};

/* Whom a proposal's victim and culprit are to be looked for among. */
enum proposal_blame {
	BLAME_NOBODY,
	BLAME_MEMORY,
	BLAME_CPU,
	BLAME_MODEL, /* the victim is the model itself; nobody is the culprit */
};

struct proposal {
	uint32_t action; /* enum proposal_action */
	uint32_t reason; /* enum decision_reason */
	uint32_t mode;   /* enum switch_mode */
	uint32_t target;
	uint32_t blame;
	uint32_t stall_class;    /* BLAME_MEMORY: of the victim */
	uint32_t party;          /* BLAME_CPU: of the victim */
	bool is_step_up_hold;    /* a hold that only keeps the tier from growing */
	bool is_foreign_stalled; /* beside all that: others thrash at a limit of their own */
};

void policy_propose(const struct situation *situation, const struct engine_config *config,
		    struct proposal *ret_proposal);

/* The serving tier does badly, another one would do better, and it is to be left for that. */
bool policy_is_left_for_performance(const struct situation *situation);

/*
 * The serving tier does badly and no other one would do better: REASON_TIER_FAILING, or
 * REASON_SLOW_UNPRESSED if nothing presses either. REASON_NONE otherwise.
 */
uint32_t policy_find_fault(const struct situation *situation, const struct engine_config *config);

/*
 * Whether anything speaks against calling this calm: the reason of the first thing that does,
 * REASON_NONE if nothing does. Stall at others' private limits is not counted: it may go on for
 * ever, and no tier makes it better or worse.
 */
uint32_t policy_find_pressure(const struct situation *situation,
			      const struct engine_config *config);

/* Use of the serving tier, the worst resource. */
uint32_t policy_use_permyriad(const struct situation *situation,
			      const struct engine_config *config);

/* The same, of the resources only of which a smaller tier that may be chosen takes less. */
uint32_t policy_relievable_permyriad(const struct situation *situation,
				     const struct engine_config *config);

/* Our share of the memory that a stall of this class is about; the whole where that is unknown. */
uint32_t policy_share_permyriad(const struct situation *situation,
				const struct engine_config *config, uint32_t stall_class);

/* Highest stall of a party over one of the spans, whatever the class. */
uint32_t policy_stall_permyriad(const struct situation *situation, uint32_t party,
				enum stall_span span);

#endif
