/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's one door. Live, replay, score and tests feed events in and carry actions out; the
 * engine reads no clock and no file, and allocates nothing.
 */
#ifndef TIERD_CORE_ENGINE_H
#define TIERD_CORE_ENGINE_H

#include <stddef.h>

#include "actions.h"
#include "breaker.h"
#include "config.h"
#include "task_window.h"
#include "tierd/event.h"

struct engine;

enum {
	STATUS_PROCESSES_MAX = 10,
};

enum switch_state {
	SWITCH_STEADY,
	SWITCH_DRAINING, /* no new work, running work ends */
	SWITCH_LOADING,  /* until the manager acknowledges done */
	SWITCH_SETTLING, /* the new tier's own effects are not held against it */
	SWITCH_STATE_COUNT,
};

/* Stall of one process over the last minute. */
struct status_process {
	uint32_t pid;
	uint32_t party;
	char comm[RECORD_COMM_LEN];
	uint64_t cgroup_id;
	uint64_t cpu_time_ns;
	uint64_t cpu_wait_ns;
	uint64_t mem_stall_ns;
	uint64_t io_stall_ns;
	uint64_t reclaim_count;
	uint64_t anon_bytes;
};

/* What one tier takes: as it was configured, and what is counted with. */
struct status_footprint {
	bool is_fixed;    /* the config alone counts */
	bool is_measured; /* its memory was */
	uint64_t configured_bytes;
	uint64_t bytes;
	uint64_t seen_bytes; /* at most, in the last day of use */
	uint64_t vram_configured_bytes[LADDER_GPUS_MAX];
	uint64_t vram_bytes[LADDER_GPUS_MAX];
	uint64_t drain_ns;
	uint64_t load_ns;
	bool is_drain_measured;
	bool is_load_measured;
};

/* How one tier does. */
struct status_tier {
	struct task_figures hour; /* of the last hour */
	uint32_t running;         /* tasks */
	uint32_t breaker;         /* enum breaker_state */
	uint32_t reason;          /* why it rests or last did, enum decision_reason */
	uint64_t rest_ns;         /* left of its rest */
	struct status_footprint footprint;
};

/* Tasks of all tiers. */
struct status_tasks {
	uint32_t running;
	uint64_t overflowed; /* began, but too many ran: the tier is the one their end names */
	uint64_t expired;    /* did not end in time */
	uint64_t forgotten;  /* of a manager that has said hello anew */
	uint64_t unknown;    /* ended, but no beginning is known */
};

struct engine_status {
	uint64_t time_ns; /* of the last event */
	uint32_t wanted_tier;
	uint32_t actual_tier;
	bool is_started; /* a first tier was settled on */
	bool is_tier_assumed;
	bool is_paused;
	bool is_model_unseen;
	bool is_data_degraded;
	uint32_t switch_state;
	uint32_t source;
	uint64_t seq;         /* of the last switch */
	struct decision last; /* the numbers as they stand now; action and reason of the last */
	uint64_t lost[LOSS_CAUSE_COUNT];
	uint32_t slots_used;
	uint32_t slots_max;
	struct event_sample sample; /* the last one */
	struct status_tasks tasks;
	struct status_tier tiers[LADDER_TIERS_MAX];
	struct host_counters host;
	uint32_t reservation_count; /* of preflights, open */
	uint32_t process_count;
	struct status_process processes[STATUS_PROCESSES_MAX]; /* most stalled first */
};

/* Bytes that engine_init() needs, aligned for any type. */
size_t engine_size(void);

/* Makes an engine out of memory of engine_size() bytes. The first event must be EVENT_CONFIG. */
struct engine *engine_init(void *memory);

/*
 * Feeds one event. Fills *out completely. Events whose time_ns is before the last one's are taken
 * as if at the last one's. Constant time and memory, but for EVENT_WINDOW, which visits the
 * process table.
 */
void engine_step(struct engine *engine, const struct event *event, struct actions *out);

/*
 * For a reader that has just come: the state line as it stands (false before the first tier is
 * settled on), and the switch line that is still to be carried out (false if there is none).
 * Outputs are untouched where false is returned.
 */
bool engine_get_state_line(const struct engine *engine, struct manager_line *ret_line);
bool engine_get_pending_switch(const struct engine *engine, struct manager_line *ret_line);

/*
 * What makes the pin again in another engine: a command at the absolute time time_ns. False where
 * nothing is pinned.
 */
bool engine_get_pin(const struct engine *engine, uint64_t time_ns, struct event_command *ret_pin);

/* A picture for people; decides nothing. */
void engine_get_status(const struct engine *engine, struct engine_status *ret_status);

#endif
