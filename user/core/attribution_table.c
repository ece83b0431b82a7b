/* SPDX-License-Identifier: BSD-2-Clause */
#include "attribution_table.h"

#include <string.h>

#include "base/units.h"

/* Whoever was heard of this recently keeps the slot. */
#define KEEP_NS (10 * NS_PER_S)
/* Whoever was silent for this long has nothing left in the table that anybody asks for. */
#define FORGET_NS (60 * NS_PER_S)

/* What a slot's activity tells of at most. */
#define ACTIVITY_NS (60 * NS_PER_S)
/* How busy a process without a slot is, is taken over this long at least. */
#define REFUSED_MIN_NS NS_PER_S

enum {
	TAKER_PAGES = 4096, /* who gained as much in the last minute is remembered */
	CANDIDATES = 16,    /* to make room for a busier one */
	BUSIER_FACTOR = 2,  /* else two that are alike would take turns and both be lost */
};

#define NONE UINT16_MAX

_Static_assert(ATTRIBUTION_SLOTS < NONE, "slot numbers must fit beside NONE");

void attribution_init(struct attribution *attribution)
{
	memset(attribution, 0, sizeof(*attribution));
	attribution->silent_first = NONE;
	attribution->silent_last = NONE;
	for (uint32_t i = 0; i < ATTRIBUTION_SLOTS; i++) {
		attribution->hash_first[i] = NONE;
		attribution->slots[i].hash_next = (uint16_t)(i + 1);
	}
	attribution->slots[ATTRIBUTION_SLOTS - 1].hash_next = NONE;
}

bool table_is_kernel_thread(const struct attribution_slot *slot)
{
	return slot->last.header.flags & PROCESS_KERNEL_THREAD;
}

static uint16_t *hash_chain(struct attribution *attribution, uint32_t pid)
{
	return &attribution->hash_first[(pid * UINT32_C(2654435761) >> 16) % ATTRIBUTION_SLOTS];
}

static uint16_t slot_number(const struct attribution *attribution,
			    const struct attribution_slot *slot)
{
	return (uint16_t)(slot - attribution->slots);
}

static void silent_remove(struct attribution *attribution, struct attribution_slot *slot)
{
	if (slot->silent_prev == NONE)
		attribution->silent_first = slot->silent_next;
	else
		attribution->slots[slot->silent_prev].silent_next = slot->silent_next;
	if (slot->silent_next == NONE)
		attribution->silent_last = slot->silent_prev;
	else
		attribution->slots[slot->silent_next].silent_prev = slot->silent_prev;
}

static void silent_append(struct attribution *attribution, struct attribution_slot *slot)
{
	uint16_t number = slot_number(attribution, slot);

	slot->silent_prev = attribution->silent_last;
	slot->silent_next = NONE;
	if (attribution->silent_last == NONE)
		attribution->silent_first = number;
	else
		attribution->slots[attribution->silent_last].silent_next = number;
	attribution->silent_last = number;
}

struct attribution_slot *table_find(struct attribution *attribution, uint32_t pid,
				    uint64_t start_ns, struct attribution_slot **ret_older)
{
	*ret_older = NULL;
	for (uint16_t i = *hash_chain(attribution, pid); i != NONE;
	     i = attribution->slots[i].hash_next) {
		struct attribution_slot *slot = &attribution->slots[i];

		if (slot->last.pid != pid)
			continue;
		if (slot->last.start_ns == start_ns)
			return slot;
		if (slot->last.start_ns < start_ns &&
		    (!*ret_older || slot->last.start_ns > (*ret_older)->last.start_ns))
			*ret_older = slot;
	}
	return NULL;
}

struct attribution_slot *table_find_pid(struct attribution *attribution, uint32_t pid)
{
	struct attribution_slot *older;

	/* No process begins at the end of time: whatever is found is the one before. */
	table_find(attribution, pid, UINT64_MAX, &older);
	return older;
}

void table_release(struct attribution *attribution, struct attribution_slot *slot)
{
	uint16_t number = slot_number(attribution, slot);
	uint16_t *link = hash_chain(attribution, slot->last.pid);

	while (*link != number)
		link = &attribution->slots[*link].hash_next;
	*link = slot->hash_next;
	silent_remove(attribution, slot);
	if (!table_is_kernel_thread(slot))
		attribution->ended_stall_ns[slot->party][slot->stall_class] =
			units_plus(attribution->ended_stall_ns[slot->party][slot->stall_class],
				   slot->pending_stall_ns);
	memset(slot, 0, sizeof(*slot));
	slot->hash_next = attribution->free_first;
	attribution->free_first = number;
	attribution->used--;
}

static uint64_t busy_ns(const struct process_record *record)
{
	return units_plus(units_plus(record->cpu_time_ns, record->cpu_wait_ns),
			  units_plus(record->mem_stall_ns, record->io_stall_ns));
}

static uint32_t refused_number(uint32_t pid)
{
	return pid % ATTRIBUTION_REFUSED;
}

uint32_t table_busy_permyriad(const struct attribution *attribution,
			      const struct process_record *record)
{
	const struct attribution_refused *before =
		&attribution->refused[refused_number(record->pid)];
	uint64_t age_ns = units_minus(record->header.time_ns, record->start_ns);
	uint64_t span_ns = units_minus(record->header.time_ns, before->time_ns);

	if (record->header.flags & PROCESS_EXITED)
		return 0;
	if (record->header.flags & PROCESS_URGENT)
		return TABLE_BUSIEST;
	if (before->pid == record->pid && before->start_ns == record->start_ns)
		return span_ns < REFUSED_MIN_NS
			       ? 0
			       : units_permyriad(units_minus(busy_ns(record), before->busy_ns),
						 span_ns);
	return age_ns < KEEP_NS ? units_permyriad(busy_ns(record), age_ns) : 0;
}

void table_note_refused(struct attribution *attribution, const struct process_record *record)
{
	struct attribution_refused *refused = &attribution->refused[refused_number(record->pid)];
	bool is_same = refused->pid == record->pid && refused->start_ns == record->start_ns;
	uint64_t noted_ns = units_minus(record->header.time_ns, refused->time_ns);

	/* Others that share the entry have their turn. */
	if (noted_ns < (is_same ? KEEP_NS : KEEP_NS / 2))
		return;
	*refused = (struct attribution_refused){
		.pid = record->pid,
		.start_ns = record->start_ns,
		.time_ns = record->header.time_ns,
		.busy_ns = busy_ns(record),
	};
}

/* Whoever takes memory is nobody's idler: a culprit may be quiet by the time that it is named. */
static uint32_t slot_busy_permyriad(const struct attribution_slot *slot, uint64_t now_ns)
{
	uint64_t busy_us = 0;
	int64_t pages = 0;

	for (uint32_t i = 0; i < ATTRIBUTION_BUCKETS; i++) {
		const struct activity *activity = &slot->activity[i];

		busy_us += (uint64_t)activity->cpu_us + activity->wait_us + activity->stall_us +
			   activity->io_us;
		pages += (int64_t)activity->growth_pages + activity->reclaim_pages +
			 activity->limit_pages;
	}
	if (pages >= TAKER_PAGES)
		return TABLE_BUSIEST;
	return units_permyriad(busy_us * NS_PER_US,
			       units_min(units_minus(now_ns, slot->taken_ns), ACTIVITY_NS));
}

/* Who may go for one that is this busy, though everybody was heard of just now; NULL: nobody. */
static struct attribution_slot *find_idler(struct attribution *attribution, uint64_t now_ns,
					   uint32_t busy_permyriad)
{
	struct attribution_slot *idlest = NULL;
	uint32_t least = busy_permyriad / BUSIER_FACTOR;
	uint16_t number = attribution->silent_first;

	for (int i = 0; i < CANDIDATES && number != NONE; i++) {
		struct attribution_slot *slot = &attribution->slots[number];
		uint32_t busy = slot_busy_permyriad(slot, now_ns);

		number = slot->silent_next;
		/* What it does is known after a while only. */
		if (busy >= least || units_minus(now_ns, slot->taken_ns) <= KEEP_NS)
			continue;
		idlest = slot;
		least = busy;
	}
	return idlest;
}

/* Makes room where there is none; false if everybody was heard of just now and is as busy. */
static bool make_room(struct attribution *attribution, uint64_t now_ns, uint32_t busy_permyriad,
		      bool *ret_is_lost)
{
	struct attribution_slot *evicted;
	uint64_t silent_ns;

	*ret_is_lost = false;
	if (attribution->free_first != NONE)
		return true;
	evicted = &attribution->slots[attribution->silent_first];
	silent_ns = units_minus(now_ns, evicted->heard_ns);
	*ret_is_lost = silent_ns <= FORGET_NS;
	if (silent_ns <= KEEP_NS)
		evicted = find_idler(attribution, now_ns, busy_permyriad);
	if (!evicted)
		return false;
	table_release(attribution, evicted);
	return true;
}

struct attribution_slot *table_take(struct attribution *attribution, uint64_t now_ns, uint32_t pid,
				    uint64_t start_ns, uint32_t busy_permyriad, bool *ret_is_lost)
{
	struct attribution_slot *slot;
	uint16_t *chain = hash_chain(attribution, pid);

	if (!make_room(attribution, now_ns, busy_permyriad, ret_is_lost))
		return NULL;
	slot = &attribution->slots[attribution->free_first];
	attribution->free_first = slot->hash_next;
	memset(slot, 0, sizeof(*slot));
	slot->last.pid = pid;
	slot->last.start_ns = start_ns;
	slot->heard_ns = now_ns;
	slot->taken_ns = now_ns;
	slot->is_used = true;
	slot->hash_next = *chain;
	*chain = slot_number(attribution, slot);
	silent_append(attribution, slot);
	attribution->used++;
	return slot;
}

bool table_has_ended(const struct attribution *attribution, uint32_t pid, uint64_t start_ns)
{
	for (uint32_t i = 0; i < ATTRIBUTION_EXITS; i++) {
		if (attribution->exits[i].pid == pid && attribution->exits[i].start_ns == start_ns)
			return true;
	}
	return false;
}

void table_remember_exit(struct attribution *attribution, uint32_t pid, uint64_t start_ns)
{
	attribution->exits[attribution->exit_next] =
		(struct attribution_exit){.pid = pid, .start_ns = start_ns};
	attribution->exit_next = (attribution->exit_next + 1) % ATTRIBUTION_EXITS;
}

void table_note_record(struct attribution *attribution, uint64_t now_ns,
		       struct attribution_slot *slot)
{
	slot->heard_ns = now_ns;
	silent_remove(attribution, slot);
	silent_append(attribution, slot);
}
