/* SPDX-License-Identifier: BSD-2-Clause */
#include "attribution_table.h"

#include <string.h>

#include "base/units.h"

/* Whoever was heard of this recently keeps the slot. */
#define KEEP_NS (10 * NS_PER_S)
/* Whoever was silent for this long has nothing left in the table that anybody asks for. */
#define FORGET_NS (60 * NS_PER_S)

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

/* Makes room where there is none; false if everybody was heard of just now. */
static bool make_room(struct attribution *attribution, uint64_t now_ns, bool *ret_is_lost)
{
	struct attribution_slot *longest;
	uint64_t silent_ns;

	*ret_is_lost = false;
	if (attribution->free_first != NONE)
		return true;
	longest = &attribution->slots[attribution->silent_first];
	silent_ns = units_minus(now_ns, longest->heard_ns);
	*ret_is_lost = silent_ns <= FORGET_NS;
	if (silent_ns <= KEEP_NS)
		return false;
	table_release(attribution, longest);
	return true;
}

struct attribution_slot *table_take(struct attribution *attribution, uint64_t now_ns, uint32_t pid,
				    uint64_t start_ns, bool *ret_is_lost)
{
	struct attribution_slot *slot;
	uint16_t *chain = hash_chain(attribution, pid);

	if (!make_room(attribution, now_ns, ret_is_lost))
		return NULL;
	slot = &attribution->slots[attribution->free_first];
	attribution->free_first = slot->hash_next;
	memset(slot, 0, sizeof(*slot));
	slot->last.pid = pid;
	slot->last.start_ns = start_ns;
	slot->heard_ns = now_ns;
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
