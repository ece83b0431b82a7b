/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The slots of the process table: a hash by pid, and a list in the order of the last records, so
 * that finding, taking and evicting cost the same however full the table is. For attribution.c.
 */
#ifndef TIERD_CORE_ATTRIBUTION_TABLE_H
#define TIERD_CORE_ATTRIBUTION_TABLE_H

#include "attribution.h"

/* Slot of this very process, or NULL; *ret_older is the newest one before it with the same pid. */
struct attribution_slot *table_find(struct attribution *attribution, uint32_t pid,
				    uint64_t start_ns, struct attribution_slot **ret_older);

/* The newest process with this pid, or NULL. */
struct attribution_slot *table_find_pid(struct attribution *attribution, uint32_t pid);

/* How busy a process is that stalls right now: busier than any share. */
#define TABLE_BUSIEST UINT32_MAX

/*
 * Share of its time, in permyriad, that a process without a slot ran, waited or stalled: since it
 * was refused, or since it began if that was just now; 0 as long as neither is known.
 */
uint32_t table_busy_permyriad(const struct attribution *attribution,
			      const struct process_record *record);

/* Notes what table_busy_permyriad() counts from. */
void table_note_refused(struct attribution *attribution, const struct process_record *record);

/*
 * A slot for a process that has none and is that busy. When the table is full, whoever was silent
 * for longest goes; if even that one was heard of in the last 10 s, the least busy of the 16 that
 * were silent for longest, if the newcomer is more than twice as busy, and nobody who takes
 * memory; else NULL. (Looking at a few instead of all costs the same however full it is: as Redis
 * evicts, its docs/lru-cache.) *ret_is_lost: somebody's amounts are lost.
 */
struct attribution_slot *table_take(struct attribution *attribution, uint64_t now_ns, uint32_t pid,
				    uint64_t start_ns, uint32_t busy_permyriad, bool *ret_is_lost);

/* Gives the slot back; its stall of the open window is kept as that of an ended process. */
void table_release(struct attribution *attribution, struct attribution_slot *slot);

/* Notes that a record of this process arrived. */
void table_note_record(struct attribution *attribution, uint64_t now_ns,
		       struct attribution_slot *slot);

void table_remember_exit(struct attribution *attribution, uint32_t pid, uint64_t start_ns);

/* Whether this process is one of the last that ended. */
bool table_has_ended(const struct attribution *attribution, uint32_t pid, uint64_t start_ns);

bool table_is_kernel_thread(const struct attribution_slot *slot);

#endif
