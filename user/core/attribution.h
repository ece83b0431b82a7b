/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who presses and who suffers: a fixed table of processes, named by pid and start time.
 *
 * Records are cumulative; the table turns them into amounts since the last record, never negative.
 * A process that ends gives its slot back at once. When the table is full, the process that has
 * been silent for longest makes room, but none that was heard of in the last 10 s, unless the
 * newcomer is more than twice as busy, or stalls right now: the busiest stay, and more active
 * processes than slots do not push each other out before their next records. Else the newcomer is
 * refused. The caller is told to count either loss.
 *
 * Each slot keeps a minute of activity in 5 s buckets: "the last 5 s" of a process therefore
 * means the bucket being filled and those that the time asked for reaches into.
 */
#ifndef TIERD_CORE_ATTRIBUTION_H
#define TIERD_CORE_ATTRIBUTION_H

#include <stdbool.h>
#include <stdint.h>

#include "actions.h"
#include "engine.h"
#include "tierd/event.h"

enum {
	ATTRIBUTION_SLOTS = 1024,
	ATTRIBUTION_BUCKETS = 13,  /* a minute, and the bucket that is being filled */
	ATTRIBUTION_REFUSED = 512, /* processes without a slot whose last totals are known */
	ATTRIBUTION_EXITS = 64, /* ended processes that a late record is still known to belong to */
	/* What the kernel counts reclaim in. Culprits are compared with each other only, so that a
	 * kernel with larger pages makes them no less comparable. */
	ATTRIBUTION_PAGE_BYTES = 4096,
};

/* Whose limit a stall comes from, and so whether a smaller tier relieves it. */
enum stall_class {
	STALL_HOST,    /* no group's limit explains it: the host is short */
	STALL_GROUP,   /* the limit of a group that holds the model */
	STALL_FOREIGN, /* somebody else's private limit: no tier relieves it */
	STALL_CLASS_COUNT,
};

/* What one record added. */
struct process_delta {
	uint32_t party;
	bool is_kernel_thread;
	bool is_slot_lost; /* a process was evicted that may go on, or this one got no slot */
	uint32_t stall_class;
	uint64_t stall_ns;
	uint64_t open_stall_ns; /* of this process, in the window that is still open */
	uint64_t cpu_time_ns;   /* with the background part */
	uint64_t background_cpu_time_ns;
	uint64_t cpu_wait_ns;
	uint64_t background_cpu_wait_ns;
};

/* One bucket of one process; microseconds and pages, saturating. */
struct activity {
	uint32_t cpu_us;
	uint32_t background_us;
	uint32_t wait_us;
	uint32_t stall_us;
	uint32_t io_us;
	uint32_t reclaim_count;
	uint32_t reclaim_pages; /* because the host was short */
	uint32_t limit_pages;   /* because a group was at its limit */
	int32_t growth_pages;   /* of anonymous memory */
};

struct attribution_slot {
	struct process_record last;
	uint32_t party;
	uint32_t shared_depth; /* as in event_process */
	uint32_t stall_class;
	uint64_t limit_cgroup_id;  /* the last limit that it stalled at */
	uint64_t pending_stall_ns; /* in the window that is still open */
	uint64_t first_ns; /* kernel time of the record that the kernel's totals start with */
	uint64_t heard_ns; /* arrival of the last record */
	uint64_t taken_ns; /* arrival of the first */
	uint64_t newest;   /* bucket number, counted from time 0 */
	struct activity activity[ATTRIBUTION_BUCKETS];
	uint16_t hash_next;
	uint16_t silent_prev; /* list of slots, longest silent first */
	uint16_t silent_next;
	bool is_used;
};

struct attribution_exit {
	uint32_t pid;
	uint64_t start_ns;
};

/* What a process without a slot had done by then: how busy it is since is known with its next. */
struct attribution_refused {
	uint32_t pid;
	uint64_t start_ns;
	uint64_t time_ns; /* kernel time of the record */
	uint64_t busy_ns;
};

struct attribution {
	uint32_t used;
	uint32_t group_index; /* event_resource.index of the tightest group that holds the model */
	uint16_t free_first;
	uint16_t silent_first;
	uint16_t silent_last;
	uint16_t hash_first[ATTRIBUTION_SLOTS];
	uint32_t exit_next;
	struct attribution_exit exits[ATTRIBUTION_EXITS];
	struct attribution_refused refused[ATTRIBUTION_REFUSED]; /* by pid */
	/* One bit per slot: only those that are set may have pending_stall_ns. */
	uint64_t pending_slots[ATTRIBUTION_SLOTS / 64];
	/* Stall of processes that ended in the open window. */
	uint64_t ended_stall_ns[PARTY_COUNT][STALL_CLASS_COUNT];
	struct attribution_slot slots[ATTRIBUTION_SLOTS];
};

void attribution_init(struct attribution *attribution);

/* Takes one record, which arrived at now_ns. */
void attribution_record(struct attribution *attribution, uint64_t now_ns,
			const struct event_process *process, struct process_delta *ret_delta);

/*
 * Takes what an OOM record tells of its victim, which may have had no time for a record before.
 * Kernels before 6.8 do not say when the victim began: then only a known process is looked for.
 */
void attribution_note_oom(struct attribution *attribution, uint64_t now_ns,
			  const struct event_oom *oom);

/* Says which group is short when a group is: culprits are then looked for under its limit. */
void attribution_set_group(struct attribution *attribution, uint32_t index);

/*
 * Ends the open window of length_ns and combines the stalls of its processes per party and class:
 * time with at least one process stalled, processes taken as independent of each other (between
 * the largest and the sum), those that ended taken as one after the other. A process that stalled
 * for longer than the window (an earlier record was lost) stretches it, to a minute at most:
 * returns the length that the stalls are spread over.
 */
uint64_t attribution_close_window(struct attribution *attribution, uint64_t length_ns,
				  uint64_t ret_stall_ns[PARTY_COUNT][STALL_CLASS_COUNT]);

/*
 * Who stalls most on memory, and who takes the memory, over the last seconds (attribution_rank.c).
 *
 * Culprit: most anonymous memory gained or most bytes reclaimed by its own reclaim, the larger;
 * equals are ordered by anonymous memory held. The victim is culprit by its gain alone, because
 * whoever is short of memory must reclaim. Where the culprit is the most stalled process itself,
 * the next most stalled one is the victim, if there is any. For a class with a limit only
 * processes under the limit that the victim stalls at are looked at, and only then does reclaim for
 * a limit count: what a group reclaims of its own leaves the host as it was. For STALL_GROUP only
 * processes below the tightest group are looked at. The model is the culprit only if nobody else
 * took a quarter of what it did: it was granted its tier. Kernel threads and the agent are neither.
 * Nobody found: pid 0.
 */
void attribution_find_memory(const struct attribution *attribution, uint64_t now_ns,
			     uint32_t stall_class, struct decision_process *ret_victim,
			     struct decision_process *ret_culprit);

/* Most stalled on the CPU queue of party, and who else used most of the CPU in the foreground. */
void attribution_find_cpu(const struct attribution *attribution, uint64_t now_ns,
			  uint64_t window_ns, uint32_t party, struct decision_process *ret_victim,
			  struct decision_process *ret_culprit);

/* Most stalled of party in the last minute, all stalls added up; pid 0 if nobody stalled. */
void attribution_find_stalled(const struct attribution *attribution, uint64_t now_ns,
			      uint32_t party, struct decision_process *ret_victim);

/* The most stalled processes of the last minute (all stalls added up), most stalled first. */
uint32_t attribution_rank(const struct attribution *attribution, uint64_t now_ns,
			  struct status_process ret_processes[STATUS_PROCESSES_MAX]);

#endif
