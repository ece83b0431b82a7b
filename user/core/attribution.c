/* SPDX-License-Identifier: BSD-2-Clause */
#include "attribution.h"

#include <string.h>

#include "base/units.h"
#include "window.h"

#define BUCKET_NS (5 * NS_PER_S)
/* A process younger than this at its first record gained all of its memory just now. */
#define YOUNG_NS (10 * NS_PER_S)

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

static bool is_kernel_thread(const struct attribution_slot *slot)
{
	return slot->last.header.flags & PROCESS_KERNEL_THREAD;
}

/* ---- the table ---------------------------------------------------------------------------------
 */

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

/* Slot of this very process, or NULL; *ret_older is another one that had the same pid before. */
static struct attribution_slot *find(struct attribution *attribution, uint32_t pid,
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
		if (slot->last.start_ns < start_ns)
			*ret_older = slot;
	}
	return NULL;
}

static void release(struct attribution *attribution, struct attribution_slot *slot)
{
	uint16_t number = slot_number(attribution, slot);
	uint16_t *link = hash_chain(attribution, slot->last.pid);

	while (*link != number)
		link = &attribution->slots[*link].hash_next;
	*link = slot->hash_next;
	silent_remove(attribution, slot);
	if (!is_kernel_thread(slot))
		attribution->ended_stall_ns[slot->party][slot->stall_class] =
			units_plus(attribution->ended_stall_ns[slot->party][slot->stall_class],
				   slot->pending_stall_ns);
	memset(slot, 0, sizeof(*slot));
	slot->hash_next = attribution->free_first;
	attribution->free_first = number;
	attribution->used--;
}

static struct attribution_slot *take(struct attribution *attribution, uint32_t pid,
				     uint64_t start_ns, bool *ret_is_evicted)
{
	struct attribution_slot *slot;
	uint16_t *chain = hash_chain(attribution, pid);

	*ret_is_evicted = attribution->free_first == NONE;
	if (*ret_is_evicted)
		release(attribution, &attribution->slots[attribution->silent_first]);
	slot = &attribution->slots[attribution->free_first];
	attribution->free_first = slot->hash_next;
	memset(slot, 0, sizeof(*slot));
	slot->last.pid = pid;
	slot->last.start_ns = start_ns;
	slot->is_used = true;
	slot->hash_next = *chain;
	*chain = slot_number(attribution, slot);
	silent_append(attribution, slot);
	attribution->used++;
	return slot;
}

static bool has_ended(const struct attribution *attribution, uint32_t pid, uint64_t start_ns)
{
	for (uint32_t i = 0; i < ATTRIBUTION_EXITS; i++) {
		if (attribution->exits[i].pid == pid && attribution->exits[i].start_ns == start_ns)
			return true;
	}
	return false;
}

static void remember_exit(struct attribution *attribution, uint32_t pid, uint64_t start_ns)
{
	attribution->exits[attribution->exit_next] =
		(struct attribution_exit){.pid = pid, .start_ns = start_ns};
	attribution->exit_next = (attribution->exit_next + 1) % ATTRIBUTION_EXITS;
}

/* ---- amounts -----------------------------------------------------------------------------------
 */

static uint32_t add_u32(uint32_t sum, uint64_t amount)
{
	return (uint32_t)units_min(sum + units_min(amount, UINT32_MAX), UINT32_MAX);
}

static int32_t add_pages(int32_t sum, uint64_t before_bytes, uint64_t after_bytes)
{
	int64_t gained = (int64_t)(after_bytes / ATTRIBUTION_PAGE_BYTES) -
			 (int64_t)(before_bytes / ATTRIBUTION_PAGE_BYTES);
	int64_t total = sum + gained;

	if (total > INT32_MAX)
		return INT32_MAX;
	return total < -INT32_MAX ? -INT32_MAX : (int32_t)total;
}

static struct activity *activity_now(struct attribution_slot *slot, uint64_t now_ns)
{
	uint64_t newest = now_ns / BUCKET_NS;
	uint64_t steps = units_min(units_minus(newest, slot->newest), ATTRIBUTION_BUCKETS);

	for (uint64_t i = 0; i < steps; i++)
		memset(&slot->activity[(newest - i) % ATTRIBUTION_BUCKETS], 0,
		       sizeof(slot->activity[0]));
	slot->newest = units_max(newest, slot->newest);
	return &slot->activity[slot->newest % ATTRIBUTION_BUCKETS];
}

static void add_activity(struct attribution_slot *slot, uint64_t now_ns,
			 const struct process_record *record, const struct process_delta *delta)
{
	const struct process_record *last = &slot->last;
	struct activity *activity = activity_now(slot, now_ns);
	uint64_t count = record->direct_reclaim.count + record->memcg_reclaim.count;

	activity->cpu_us = add_u32(activity->cpu_us, delta->cpu_time_ns / NS_PER_US);
	activity->background_us =
		add_u32(activity->background_us, delta->background_cpu_time_ns / NS_PER_US);
	activity->wait_us = add_u32(activity->wait_us, delta->cpu_wait_ns / NS_PER_US);
	activity->stall_us = add_u32(activity->stall_us, delta->stall_ns / NS_PER_US);
	activity->io_us = add_u32(activity->io_us,
				  units_minus(record->io_stall_ns, last->io_stall_ns) / NS_PER_US);
	activity->reclaim_count =
		add_u32(activity->reclaim_count,
			units_minus(count, last->direct_reclaim.count + last->memcg_reclaim.count));
	activity->reclaim_pages =
		add_u32(activity->reclaim_pages,
			units_minus(record->direct_reclaim.pages, last->direct_reclaim.pages));
	activity->limit_pages =
		add_u32(activity->limit_pages,
			units_minus(record->memcg_reclaim.pages, last->memcg_reclaim.pages));
	activity->growth_pages =
		add_pages(activity->growth_pages, last->anon_bytes, record->anon_bytes);
}

/*
 * A group that thrashes is at its limit only most of the time: a stall with nothing but reclaim
 * for a limit in it belongs to the limit seen before, not to the host.
 */
static bool is_between_limits(const struct attribution_slot *slot,
			      const struct process_record *record)
{
	return slot->limit_cgroup_id != 0 && record->limit_cgroup_id == 0 &&
	       record->memcg_reclaim.count > slot->last.memcg_reclaim.count &&
	       record->direct_reclaim.count <= slot->last.direct_reclaim.count;
}

static void set_stall_class(struct attribution_slot *slot, const struct event_process *process,
			    uint64_t stall_ns)
{
	uint64_t limit_cgroup_id = process->record.limit_cgroup_id;

	if (limit_cgroup_id) {
		slot->limit_cgroup_id = limit_cgroup_id;
		slot->stall_class = process->is_limit_ours ? STALL_GROUP : STALL_FOREIGN;
	} else if (stall_ns && !is_between_limits(slot, &process->record)) {
		slot->limit_cgroup_id = 0;
		slot->stall_class = STALL_HOST;
	}
}

static void set_delta(const struct process_record *record, const struct process_record *last,
		      struct process_delta *ret_delta)
{
	ret_delta->stall_ns = units_minus(record->mem_stall_ns, last->mem_stall_ns);
	ret_delta->cpu_time_ns = units_minus(record->cpu_time_ns, last->cpu_time_ns);
	ret_delta->cpu_wait_ns = units_minus(record->cpu_wait_ns, last->cpu_wait_ns);
	ret_delta->background_cpu_time_ns =
		units_min(units_minus(record->background_cpu_time_ns, last->background_cpu_time_ns),
			  ret_delta->cpu_time_ns);
	ret_delta->background_cpu_wait_ns =
		units_min(units_minus(record->background_cpu_wait_ns, last->background_cpu_wait_ns),
			  ret_delta->cpu_wait_ns);
}

/* What amounts are counted from at the first record of a process. */
static void set_base(struct attribution_slot *slot, const struct process_record *record)
{
	bool is_first = record->header.flags & PROCESS_FIRST;
	bool is_young = units_minus(record->header.time_ns, record->start_ns) < YOUNG_NS;

	if (!is_first)
		slot->last = *record;
	slot->last.anon_bytes = is_first && is_young ? 0 : record->anon_bytes;
}

/* Keeps the larger of each amount: a late record must not make the next difference too large. */
static void keep_last(struct process_record *last, const struct process_record *record)
{
	struct process_record before = *last;

	*last = *record;
	last->mem_stall_ns = units_max(before.mem_stall_ns, record->mem_stall_ns);
	last->io_stall_ns = units_max(before.io_stall_ns, record->io_stall_ns);
	last->cpu_time_ns = units_max(before.cpu_time_ns, record->cpu_time_ns);
	last->cpu_wait_ns = units_max(before.cpu_wait_ns, record->cpu_wait_ns);
	last->background_cpu_time_ns =
		units_max(before.background_cpu_time_ns, record->background_cpu_time_ns);
	last->background_cpu_wait_ns =
		units_max(before.background_cpu_wait_ns, record->background_cpu_wait_ns);
	last->direct_reclaim.count =
		units_max(before.direct_reclaim.count, record->direct_reclaim.count);
	last->direct_reclaim.pages =
		units_max(before.direct_reclaim.pages, record->direct_reclaim.pages);
	last->memcg_reclaim.count =
		units_max(before.memcg_reclaim.count, record->memcg_reclaim.count);
	last->memcg_reclaim.pages =
		units_max(before.memcg_reclaim.pages, record->memcg_reclaim.pages);
}

void attribution_record(struct attribution *attribution, uint64_t now_ns,
			const struct event_process *process, struct process_delta *ret_delta)
{
	const struct process_record *record = &process->record;
	uint32_t party = process->party < PARTY_COUNT ? process->party : PARTY_OTHERS;
	struct attribution_slot *older;
	struct attribution_slot *slot = find(attribution, record->pid, record->start_ns, &older);

	memset(ret_delta, 0, sizeof(*ret_delta));
	ret_delta->party = party;
	ret_delta->is_kernel_thread = record->header.flags & PROCESS_KERNEL_THREAD;
	if (!slot) {
		if (has_ended(attribution, record->pid, record->start_ns))
			return;
		if (older)
			release(attribution, older);
		slot = take(attribution, record->pid, record->start_ns, &ret_delta->is_slot_lost);
		set_base(slot, record);
	}
	set_delta(record, &slot->last, ret_delta);
	set_stall_class(slot, process, ret_delta->stall_ns);
	add_activity(slot, now_ns, record, ret_delta);
	slot->pending_stall_ns = units_plus(slot->pending_stall_ns, ret_delta->stall_ns);
	slot->party = party;
	if (process->shared_depth != EVENT_DEPTH_UNKNOWN ||
	    slot->last.cgroup_id != record->cgroup_id)
		slot->shared_depth = process->shared_depth;
	keep_last(&slot->last, record);
	ret_delta->stall_class = slot->stall_class;
	ret_delta->open_stall_ns = slot->pending_stall_ns;

	if (record->header.flags & PROCESS_EXITED) {
		remember_exit(attribution, record->pid, record->start_ns);
		release(attribution, slot);
	} else {
		silent_remove(attribution, slot);
		silent_append(attribution, slot);
	}
}

void attribution_note_oom(struct attribution *attribution, uint64_t now_ns,
			  const struct event_oom *oom)
{
	const struct oom_record *record = &oom->record;
	struct process_delta nothing = {0};
	struct process_record last;
	struct attribution_slot *older;
	struct attribution_slot *slot = find(attribution, record->pid, record->start_ns, &older);
	bool is_evicted;

	if (!slot && has_ended(attribution, record->pid, record->start_ns))
		return;
	if (!slot) {
		slot = take(attribution, record->pid, record->start_ns, &is_evicted);
		slot->last.header.time_ns = record->header.time_ns;
		slot->last.parent_pid = record->parent_pid;
		slot->last.cgroup_id = record->cgroup_id;
		memcpy(slot->last.comm, record->comm, sizeof(slot->last.comm));
		slot->party = oom->party < PARTY_COUNT ? oom->party : PARTY_OTHERS;
		slot->shared_depth = oom->shared_depth;
		if (units_minus(record->header.time_ns, record->start_ns) >= YOUNG_NS)
			slot->last.anon_bytes = record->anon_bytes;
	}
	last = slot->last;
	last.anon_bytes = record->anon_bytes;
	add_activity(slot, now_ns, &last, &nothing);
	slot->last.anon_bytes = record->anon_bytes;
}

void attribution_set_group(struct attribution *attribution, uint32_t index)
{
	attribution->group_index = index;
}

/* ---- windows -----------------------------------------------------------------------------------
 */

/* Shares of a window in 32 binary digits: the part in which a party was free of stall. */
#define FREE_WHOLE (UINT64_C(1) << 32)

static uint64_t longest_pending_ns(const struct attribution *attribution)
{
	uint64_t longest_ns = 0;

	for (uint32_t i = 0; i < ATTRIBUTION_SLOTS; i++)
		longest_ns = units_max(longest_ns, attribution->slots[i].pending_stall_ns);
	return longest_ns;
}

static void combine(uint64_t *free_part, uint64_t stall_ns, uint64_t span_ns)
{
	*free_part = units_scale(*free_part, units_minus(span_ns, stall_ns), span_ns);
}

uint64_t attribution_close_window(struct attribution *attribution, uint64_t length_ns,
				  uint64_t ret_stall_ns[PARTY_COUNT][STALL_CLASS_COUNT])
{
	uint64_t free_part[PARTY_COUNT][STALL_CLASS_COUNT];
	uint64_t span_ns = units_max(length_ns, longest_pending_ns(attribution));

	span_ns = units_max(units_min(span_ns, WINDOW_MAX_NS), 1);
	for (int party = 0; party < PARTY_COUNT; party++) {
		for (int kind = 0; kind < STALL_CLASS_COUNT; kind++) {
			free_part[party][kind] = FREE_WHOLE;
			combine(&free_part[party][kind], attribution->ended_stall_ns[party][kind],
				span_ns);
		}
	}
	for (uint32_t i = 0; i < ATTRIBUTION_SLOTS; i++) {
		struct attribution_slot *slot = &attribution->slots[i];

		if (slot->pending_stall_ns == 0)
			continue;
		/* Kernel threads reclaim for others: that is nobody's suffering. */
		if (!is_kernel_thread(slot))
			combine(&free_part[slot->party][slot->stall_class], slot->pending_stall_ns,
				span_ns);
		slot->pending_stall_ns = 0;
	}
	for (int party = 0; party < PARTY_COUNT; party++) {
		for (int kind = 0; kind < STALL_CLASS_COUNT; kind++)
			ret_stall_ns[party][kind] = units_scale(FREE_WHOLE - free_part[party][kind],
								span_ns, FREE_WHOLE);
	}
	memset(attribution->ended_stall_ns, 0, sizeof(attribution->ended_stall_ns));
	return span_ns;
}
