/* SPDX-License-Identifier: BSD-2-Clause */
#include "attribution.h"

#include <string.h>

#include "attribution_table.h"
#include "base/units.h"
#include "window.h"

#define BUCKET_NS (5 * NS_PER_S)
/* A process younger than this at its first record gained all of its memory just now. */
#define YOUNG_NS (10 * NS_PER_S)

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

static uint32_t class_of_limit(const struct event_process *process)
{
	if (process->record.limit_cgroup_id == 0)
		return STALL_HOST;
	return process->is_limit_ours ? STALL_GROUP : STALL_FOREIGN;
}

static void set_stall_class(struct attribution_slot *slot, const struct event_process *process,
			    uint64_t stall_ns)
{
	uint64_t limit_cgroup_id = process->record.limit_cgroup_id;

	if (limit_cgroup_id) {
		slot->limit_cgroup_id = limit_cgroup_id;
		slot->stall_class = class_of_limit(process);
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

	if (is_first)
		slot->first_ns = record->header.time_ns;
	else
		slot->last = *record;
	slot->last.anon_bytes = is_first && is_young ? 0 : record->anon_bytes;
}

/* Keeps the larger of each amount: a late record must not make the next difference too large. */
static void keep_last(struct process_record *last, const struct process_record *record)
{
	struct process_record before = *last;

	*last = *record;
	last->header.time_ns = units_max(before.header.time_ns, record->header.time_ns);
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

/* The kernel's totals of this process have started anew: an exec by one of its other threads. */
static void restart_totals(struct process_record *last)
{
	last->mem_stall_ns = 0;
	last->io_stall_ns = 0;
	last->cpu_time_ns = 0;
	last->cpu_wait_ns = 0;
	last->background_cpu_time_ns = 0;
	last->background_cpu_wait_ns = 0;
	memset(&last->direct_reclaim, 0, sizeof(last->direct_reclaim));
	memset(&last->memcg_reclaim, 0, sizeof(last->memcg_reclaim));
}

/*
 * Says whether a record belongs to the totals that are being counted: not if it is a late one of
 * those before. A first record that is itself late, read after others of its totals, starts none.
 */
static bool follow_totals(struct attribution_slot *slot, const struct process_record *record)
{
	uint64_t time_ns = record->header.time_ns;

	if (time_ns < slot->first_ns)
		return false;
	if ((record->header.flags & PROCESS_FIRST) && time_ns >= slot->last.header.time_ns) {
		slot->first_ns = time_ns;
		restart_totals(&slot->last);
	}
	return true;
}

/* A process without a slot: what its first record tells counts as that of one that has ended. */
static void count_refused(struct attribution *attribution, const struct event_process *process,
			  struct process_delta *delta)
{
	static const struct process_record zero;
	const struct process_record *record = &process->record;
	uint64_t *ended_ns;

	if (record->header.flags & PROCESS_EXITED)
		table_remember_exit(attribution, record->pid, record->start_ns);
	else
		table_note_refused(attribution, record);
	if (!(record->header.flags & PROCESS_FIRST))
		return;
	set_delta(record, &zero, delta);
	delta->stall_class = class_of_limit(process);
	delta->open_stall_ns = delta->stall_ns;
	ended_ns = &attribution->ended_stall_ns[delta->party][delta->stall_class];
	if (!delta->is_kernel_thread)
		*ended_ns = units_plus(*ended_ns, delta->stall_ns);
}

/* The process's slot, a new one if need be; NULL if there is nothing to follow. */
static struct attribution_slot *find_or_take(struct attribution *attribution, uint64_t now_ns,
					     const struct event_process *process,
					     struct process_delta *delta)
{
	const struct process_record *record = &process->record;
	struct attribution_slot *older;
	struct attribution_slot *slot =
		table_find(attribution, record->pid, record->start_ns, &older);

	if (slot)
		return follow_totals(slot, record) ? slot : NULL;
	if (table_has_ended(attribution, record->pid, record->start_ns))
		return NULL;
	if (older)
		table_release(attribution, older);
	slot = table_take(attribution, now_ns, record->pid, record->start_ns,
			  table_busy_permyriad(attribution, record), &delta->is_slot_lost);
	if (slot)
		set_base(slot, record);
	else
		count_refused(attribution, process, delta);
	return slot;
}

static void add_pending(struct attribution *attribution, struct attribution_slot *slot,
			uint64_t stall_ns)
{
	uint32_t number = (uint32_t)(slot - attribution->slots);

	if (stall_ns == 0)
		return;
	slot->pending_stall_ns = units_plus(slot->pending_stall_ns, stall_ns);
	attribution->pending_slots[number / 64] |= UINT64_C(1) << number % 64;
}

void attribution_record(struct attribution *attribution, uint64_t now_ns,
			const struct event_process *process, struct process_delta *ret_delta)
{
	const struct process_record *record = &process->record;
	uint32_t party = process->party < PARTY_COUNT ? process->party : PARTY_OTHERS;
	struct attribution_slot *slot;

	memset(ret_delta, 0, sizeof(*ret_delta));
	ret_delta->party = party;
	ret_delta->is_kernel_thread = record->header.flags & PROCESS_KERNEL_THREAD;
	slot = find_or_take(attribution, now_ns, process, ret_delta);
	if (!slot)
		return;
	set_delta(record, &slot->last, ret_delta);
	set_stall_class(slot, process, ret_delta->stall_ns);
	add_activity(slot, now_ns, record, ret_delta);
	add_pending(attribution, slot, ret_delta->stall_ns);
	slot->party = party;
	if (process->shared_depth != EVENT_DEPTH_UNKNOWN ||
	    slot->last.cgroup_id != record->cgroup_id)
		slot->shared_depth = process->shared_depth;
	keep_last(&slot->last, record);
	ret_delta->stall_class = slot->stall_class;
	ret_delta->open_stall_ns = slot->pending_stall_ns;

	if (record->header.flags & PROCESS_EXITED) {
		table_remember_exit(attribution, record->pid, record->start_ns);
		table_release(attribution, slot);
	} else {
		table_note_record(attribution, now_ns, slot);
	}
}

void attribution_note_oom(struct attribution *attribution, uint64_t now_ns,
			  const struct event_oom *oom)
{
	const struct oom_record *record = &oom->record;
	struct process_delta nothing = {0};
	struct process_record last;
	struct attribution_slot *older;
	struct attribution_slot *slot =
		record->start_ns ? table_find(attribution, record->pid, record->start_ns, &older)
				 : table_find_pid(attribution, record->pid);
	bool is_lost;

	if (!slot &&
	    (record->start_ns == 0 || table_has_ended(attribution, record->pid, record->start_ns)))
		return;
	if (!slot) {
		slot = table_take(attribution, now_ns, record->pid, record->start_ns, TABLE_BUSIEST,
				  &is_lost);
		if (!slot)
			return;
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

/* The first slot from that one on that may have stall pending; ATTRIBUTION_SLOTS: none. */
static uint32_t next_pending(const struct attribution *attribution, uint32_t from)
{
	while (from < ATTRIBUTION_SLOTS) {
		uint64_t rest = attribution->pending_slots[from / 64] >> from % 64;

		if (rest)
			return from + (uint32_t)__builtin_ctzll(rest);
		from = (from / 64 + 1) * 64;
	}
	return ATTRIBUTION_SLOTS;
}

static uint64_t longest_pending_ns(const struct attribution *attribution)
{
	uint64_t longest_ns = 0;

	for (uint32_t i = next_pending(attribution, 0); i < ATTRIBUTION_SLOTS;
	     i = next_pending(attribution, i + 1))
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
	for (uint32_t i = next_pending(attribution, 0); i < ATTRIBUTION_SLOTS;
	     i = next_pending(attribution, i + 1)) {
		struct attribution_slot *slot = &attribution->slots[i];

		/* Kernel threads reclaim for others: that is nobody's suffering. */
		if (!table_is_kernel_thread(slot))
			combine(&free_part[slot->party][slot->stall_class], slot->pending_stall_ns,
				span_ns);
		slot->pending_stall_ns = 0;
	}
	for (int party = 0; party < PARTY_COUNT; party++) {
		for (int kind = 0; kind < STALL_CLASS_COUNT; kind++)
			ret_stall_ns[party][kind] = units_scale(FREE_WHOLE - free_part[party][kind],
								span_ns, FREE_WHOLE);
	}
	memset(attribution->pending_slots, 0, sizeof(attribution->pending_slots));
	memset(attribution->ended_stall_ns, 0, sizeof(attribution->ended_stall_ns));
	return span_ns;
}
