/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the engine can be told, already parsed and checked: integers with units only. The options'
 * names, defaults, ranges and help live in one table, user/app/options.c.
 */
#ifndef TIERD_CORE_CONFIG_H
#define TIERD_CORE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "tierd/event.h"

enum {
	LADDER_TIERS_MAX = 17, /* with off */
	LADDER_GPUS_MAX = 16,
	TIER_OFF = 0, /* the lowest rung: no model loaded */
};

/* One rung: a model and what it takes. */
struct tier {
	char name[EVENT_TIER_NAME_LEN];
	uint64_t memory_bytes; /* with its mapped weights */
	uint64_t vram_bytes[LADDER_GPUS_MAX];
	uint32_t cores_permille;    /* CPU cores in use while it answers; 0 = not said */
	uint32_t quality_permyriad; /* all 0 = not said: even steps along the ladder */
	uint64_t load_ns;           /* from the order to the first answer, until it is measured */
	uint32_t slo_ms;            /* latency target: p95 of its tasks; 0 = none */
	bool is_fixed;              /* what is said here counts, whatever is measured */
};

/* tiers[0] is always `off`; then by memory footprint, ascending. */
struct ladder {
	uint32_t count;
	struct tier tiers[LADDER_TIERS_MAX];
};

enum policy_kind {
	POLICY_THRESHOLD, /* the plain rule: fixed levels, a fixed wait, one rung at a time */
	POLICY_ADAPTIVE,  /* learns how long calm lasts and what switching costs */
	POLICY_COUNT,
};

/* Whether the new tier may be loaded while the old one is still in memory. */
enum switch_overlap {
	OVERLAP_NEVER,
	OVERLAP_AUTO, /* where both fit at once */
	OVERLAP_COUNT,
};

struct engine_config {
	struct ladder ladder;
	uint32_t policy; /* enum policy_kind */
	uint32_t min_tier;

	uint32_t degrade_above_permyriad; /* immediate step down over this use */
	uint32_t upgrade_below_permyriad; /* planned step down over, steps up only under this use */
	uint32_t margin_permyriad;        /* a step up stays this far under degrade_above */
	uint64_t stabilization_ns;        /* calm time before a step up */
	uint64_t stabilization_min_ns; /* adaptive: the least of it, once calm has been learned */
	uint64_t warmup_ns;            /* at start: no switch before this long of samples */
	uint64_t confirm_ns;           /* an over-limit sample asks for another after this */
	uint64_t trend_ns;             /* slope of others' use is taken over this long ... */
	uint64_t trend_horizon_ns;     /* ... and must not reach the limit within this long */

	uint32_t stall_above_permyriad; /* memory stall, over stall_above_window: like use over
					 * upgrade_below */
	uint64_t stall_above_window_ns;
	uint32_t stall_urgent_permyriad; /* over stall_urgent_window: like use over degrade_above */
	uint64_t stall_urgent_window_ns;
	uint32_t calm_stall_permyriad; /* over calm_stall_window: not calm */
	uint64_t calm_stall_window_ns;
	uint32_t share_min_permyriad; /* our least share of a resource for a step down to help */

	uint32_t cpu_wait_above_permyriad; /* share of the wanted CPU time spent waiting */
	uint64_t cpu_wait_window_ns;

	/* What switching and crowding cost, for adaptive and for the score: in seconds at full
	 * quality. */
	uint64_t cost_drain_ns;                /* how long a drain takes, until it is measured */
	uint32_t cost_drain_quality_permyriad; /* of the tier's quality while it drains */
	uint64_t cost_abort_ns;                /* what cutting people off is like going without */
	uint32_t cost_over_permille;           /* lost each second over degrade_above ... */
	uint32_t cost_full_permille;           /* ... and as much more over the capacity */

	/* From what the manager tells of its tasks. */
	uint64_t performance_window_ns; /* a tier is judged by the tasks of this long */
	uint64_t performance_retry_ns;  /* a tier that did badly is first tried again after this */
	uint64_t task_timeout_ns;       /* a task that has not ended by then is given up */
	uint32_t performance_tasks_min; /* fewer tasks say nothing */
	uint32_t failure_above_permyriad; /* share of failed tasks from which a tier is left */

	uint64_t drain_deadline_ns;
	uint64_t ack_timeout_ns; /* silence of a manager that said hello, then: ask again */
	uint64_t settle_ns;      /* after a switch: own effects are not held against the tier */
	uint64_t heartbeat_ns;   /* a state line at least this often */
	uint32_t overlap;        /* enum switch_overlap */

	uint64_t reservation_ns; /* what a preflight was answered yes for is kept this long */

	uint64_t sample_period_ns;     /* calm host */
	uint64_t sample_period_min_ns; /* little headroom */
	uint64_t fill_bytes_per_s;     /* how fast memory can fill: headroom / this = next sample */
};

#endif
