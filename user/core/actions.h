/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the engine wants done: data only. The caller writes the lines, logs the decisions, and
 * comes back at the times asked for.
 */
#ifndef TIERD_CORE_ACTIONS_H
#define TIERD_CORE_ACTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "preflight.h"
#include "tierd/event.h"
#include "tierd/protocol.h"

enum {
	ACTIONS_DECISIONS_MAX = 6,
	ACTIONS_LINES_MAX = 4,
};

enum decision_action {
	DECISION_START,  /* the first tier is settled on */
	DECISION_SWITCH, /* a switch is ordered */
	DECISION_CANCEL, /* a drain is called off */
	DECISION_HOLD,   /* nothing is done, although something asks for it: see reason */
	DECISION_DONE,   /* the ordered tier is in place (acknowledged or assumed) */
	DECISION_FAILED, /* the manager failed or stayed silent */
	DECISION_STATE,  /* pause, resume, pin, source or configuration changed */
	DECISION_ACTION_COUNT,
};

enum decision_reason {
	REASON_NONE,
	REASON_INITIAL,           /* largest tier under upgrade_below, or what hello named */
	REASON_USE_OVER_DEGRADE,  /* immediate: use over degrade_above, confirmed */
	REASON_USE_OVER_UPGRADE,  /* planned: use over upgrade_below */
	REASON_STALL_OVER_URGENT, /* immediate: memory stall over stall_urgent */
	REASON_STALL_OVER_ABOVE,  /* planned: memory stall over stall_above */
	REASON_OOM_GROUP,         /* immediate: OOM kill in a group that holds the model */
	REASON_OOM_HOST,          /* immediate: OOM kill that no group's limit explains */
	REASON_CPU_WAIT_MODEL,    /* planned: the model waits for the CPU */
	REASON_CPU_WAIT_OTHERS,   /* planned: others wait while the model runs */
	REASON_CALM,              /* step up: calm for long enough and the target fits */
	REASON_PRESSURE_CLEARED,  /* a drain is called off */
	REASON_NOT_OURS,          /* hold: a smaller tier would not relieve it */
	REASON_MIN_TIER,          /* hold: already at the lowest tier that may be used */
	REASON_WARMUP,            /* hold: too few samples since the start */
	REASON_UNCONFIRMED,       /* hold: one sample over the limit, waiting for the second */
	REASON_STABILIZING,       /* hold: step up wanted, not calm for long enough */
	REASON_PEAK_DOES_NOT_FIT, /* hold: step up would break the limit at the recent peak */
	REASON_TREND_RISING,      /* hold: step up wanted, others' use is rising */
	REASON_MODEL_UNSEEN,      /* hold: step up wanted, no process of the model found */
	REASON_DATA_LOST,         /* hold: step up wanted, records or samples were lost */
	REASON_SOURCE_LOST,       /* hold: no sensor works */
	REASON_PAUSED,            /* hold: a person said pause */
	REASON_ACKNOWLEDGED,      /* the manager said done */
	REASON_ASSUMED,           /* no manager said hello: done is assumed after its time */
	REASON_MANAGER_FAILED,    /* the manager said failed */
	REASON_MANAGER_SILENT,    /* no acknowledgement in time */
	REASON_SOURCE_CHANGED,
	REASON_CONFIG_CHANGED,
	REASON_RESUMED,
	REASON_DRAIN_DEADLINE, /* cancel: work did not end in time, and nothing is over the limit */
	REASON_FORECAST,       /* planned: use will cross degrade_above within a drain */
	REASON_RECURRENCE,     /* planned: it has crossed about now each time before */
	REASON_GAIN,           /* step up: what is expected of it outweighs the switch */
	REASON_GAIN_TOO_SMALL, /* hold: it does not */
	REASON_TIER_FAILING,   /* planned: too many tasks fail; hold: and no tier is better */
	REASON_TIER_SLOW, /* planned: its latency target is missed, another tier would meet it */
	REASON_SLOW_UNPRESSED, /* hold: it is missed, no tier is better, and nothing presses */
	REASON_TIER_RESTING,   /* hold: step up wanted, but that tier has just done badly */
	REASON_RESERVED,       /* hold: step up wanted, but preflights have reserved the room */
	REASON_PINNED,         /* a person asked for exactly that tier; hold: for another one */
	REASON_UNPINNED,
	REASON_PIN_EXPIRED,
	REASON_PIN_DOES_NOT_FIT, /* hold: with it use would be over degrade_above */
	REASON_RESTORED,         /* from the state that an agent before has left */
	DECISION_REASON_COUNT,
};

/* A process named in a decision: who stalls, or who causes it. pid 0 = nobody was found. */
struct decision_process {
	uint32_t pid;
	char comm[RECORD_COMM_LEN];
	uint64_t cgroup_id;
	uint32_t party;
	uint64_t amount; /* victim: stall in ns; culprit: bytes (memory) or CPU ns (CPU) */
};

/* One resource as compared. */
struct decision_use {
	uint32_t kind;
	uint32_t index;
	uint64_t capacity_bytes;
	uint64_t others_bytes;
	uint32_t use_permyriad;    /* with the tier in place */
	uint32_t target_permyriad; /* with the target tier */
	uint32_t peak_permyriad;   /* with the target tier at the recent peak of others */
};

/* How the serving tier does, from what the manager tells of its tasks; all 0 = nothing told. */
struct decision_performance {
	uint32_t tasks; /* that ended in the last performance_window, since the tier serves */
	uint32_t failed;
	uint32_t failed_permyriad;
	uint32_t failure_above_permyriad; /* threshold */
	uint32_t tasks_min;               /* fewer say nothing */
	uint32_t slo_ms;                  /* latency target, 0 = none */
	uint64_t p95_ms;                  /* of the tasks that did not fail */
	uint64_t target_p95_ms;           /* of the tier to go to, 0 = none is better */
	bool is_target_estimated;         /* it has not been measured in the last hour */
};

/* The tier that a person asked for; all 0 = none. */
struct decision_pin {
	bool is_set;
	bool is_overridden; /* something protects the host from it, or it could not be loaded */
	bool is_waiting;    /* it has not been begun yet */
	uint32_t tier;
	uint32_t reason;  /* what came before it last, enum decision_reason */
	uint64_t left_ns; /* UINT64_MAX = until unpin */
};

/* Why a command was not taken, and of what there is too little. */
struct refusal {
	uint32_t reason; /* enum decision_reason; REASON_NONE = it was taken */
	uint32_t kind;   /* enum resource_kind */
	uint32_t index;
	uint64_t need_bytes;
	uint64_t have_bytes;
};

/* Every decision carries all numbers that it compared, and the thresholds. */
struct decision {
	uint64_t time_ns; /* of the event that led to it */
	uint64_t seq;     /* of the switch; 0 where there is none */
	uint32_t action;
	uint32_t reason;
	uint32_t mode; /* enum switch_mode, for DECISION_SWITCH */
	uint32_t policy;
	uint32_t source; /* enum pressure_source */
	uint32_t from;   /* tiers, as indices of the ladder */
	uint32_t to;
	struct decision_use worst; /* the resource with the highest use */
	uint32_t degrade_above_permyriad;
	uint32_t upgrade_below_permyriad;
	uint32_t margin_permyriad;
	uint32_t model_stall_urgent_permyriad; /* stall over the urgent, above and calm windows */
	uint32_t model_stall_above_permyriad;
	uint32_t model_stall_calm_permyriad;
	uint32_t others_stall_urgent_permyriad;
	uint32_t others_stall_above_permyriad;
	uint32_t others_stall_calm_permyriad;
	uint32_t stall_urgent_permyriad; /* thresholds */
	uint32_t stall_above_permyriad;
	uint32_t calm_stall_permyriad;
	uint32_t model_share_permyriad; /* of the resource that is short */
	uint32_t share_min_permyriad;
	uint32_t model_cpu_wait_permyriad;
	uint32_t others_cpu_wait_permyriad;
	uint32_t cpu_wait_above_permyriad;
	uint32_t others_demand_permyriad; /* of the cores */
	int32_t trend_permyriad_per_min;  /* of others' use of the worst resource */
	uint32_t forecast_permyriad;      /* adaptive: use at the end of a drain, with its noise */
	uint32_t trust_permyriad;         /* adaptive: forecasts of that kind that proved right */
	uint64_t expected_calm_ns;        /* adaptive: how long the next tier up would last */
	int64_t gain_ms;                  /* adaptive: of stepping up, in ms at full quality */
	uint64_t calm_ns;                 /* since the last pressure or switch */
	uint64_t stabilization_ns;        /* what calm_ns must reach, with any lengthening */
	uint64_t lost_bulk;               /* since the start */
	uint64_t lost_urgent;
	uint64_t lost_samples;
	bool is_data_degraded; /* decided on samples alone, after too much loss */
	bool is_model_unseen;
	bool is_tier_assumed; /* no manager has said which tier is loaded */
	struct decision_performance performance;
	struct decision_pin pin;
	struct decision_process victim;
	struct decision_process culprit;
};

struct actions {
	uint64_t wake_at_ns;     /* come back with a tick then; UINT64_MAX = no need */
	uint64_t sample_at_ns;   /* take a sample then */
	bool is_calm;            /* nothing presses: the kernel side may be read less often */
	struct refusal refusal;  /* of the command in hand */
	uint32_t decision_count; /* what lies beyond it is whatever was there before */
	uint32_t line_count;
	bool has_answer; /* likewise */
	struct decision decisions[ACTIONS_DECISIONS_MAX];
	struct manager_line lines[ACTIONS_LINES_MAX];
	struct preflight_answer answer; /* to a preflight */
};

#endif
