/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to the process table: victims, culprits, and the most stalled of the last minute. */
#include <string.h>

#include "attribution.h"
#include "base/units.h"

#define BUCKET_NS (5 * NS_PER_S)
#define VICTIM_SPAN_NS (5 * NS_PER_S)
#define CULPRIT_SPAN_NS (10 * NS_PER_S)
#define MINUTE_NS (60 * NS_PER_S)

enum {
	/* Another process is blamed before the model if it took at least a quarter as much. */
	MODEL_BLAME_DIVISOR = 4,
};

struct totals {
	uint64_t cpu_ns;
	uint64_t background_ns;
	uint64_t wait_ns;
	uint64_t stall_ns;
	uint64_t io_ns;
	uint64_t reclaim_count;
	uint64_t reclaim_pages;
	uint64_t limit_pages;
	int64_t growth_pages;
};

static void sum_activity(const struct attribution_slot *slot, uint64_t now_ns, uint64_t span_ns,
			 struct totals *ret_totals)
{
	uint64_t oldest = units_minus(now_ns, span_ns) / BUCKET_NS;
	struct totals totals = {0};

	for (uint64_t age = 0; age < ATTRIBUTION_BUCKETS && age <= slot->newest; age++) {
		uint64_t number = slot->newest - age;
		const struct activity *activity = &slot->activity[number % ATTRIBUTION_BUCKETS];

		if (number < oldest)
			break;
		totals.cpu_ns += activity->cpu_us * NS_PER_US;
		totals.background_ns += activity->background_us * NS_PER_US;
		totals.wait_ns += activity->wait_us * NS_PER_US;
		totals.stall_ns += activity->stall_us * NS_PER_US;
		totals.io_ns += activity->io_us * NS_PER_US;
		totals.reclaim_count += activity->reclaim_count;
		totals.reclaim_pages += activity->reclaim_pages;
		totals.limit_pages += activity->limit_pages;
		totals.growth_pages += activity->growth_pages;
	}
	*ret_totals = totals;
}

static bool is_person(const struct attribution_slot *slot)
{
	return slot->is_used && slot->party != PARTY_AGENT &&
	       !(slot->last.header.flags & PROCESS_KERNEL_THREAD);
}

static void describe(const struct attribution_slot *slot, uint64_t amount,
		     struct decision_process *ret_process)
{
	memset(ret_process, 0, sizeof(*ret_process));
	if (!slot)
		return;
	ret_process->pid = slot->last.pid;
	ret_process->cgroup_id = slot->last.cgroup_id;
	ret_process->party = slot->party;
	ret_process->amount = amount;
	memcpy(ret_process->comm, slot->last.comm, sizeof(ret_process->comm));
}

/* Most stalled process of a class, leaving one pid out (0: nobody). */
static const struct attribution_slot *find_stalled(const struct attribution *attribution,
						   uint64_t now_ns, uint32_t stall_class,
						   uint32_t except_pid, uint64_t *ret_stall_ns)
{
	const struct attribution_slot *most = NULL;
	uint64_t most_ns = 0;

	for (uint32_t i = 0; i < ATTRIBUTION_SLOTS; i++) {
		const struct attribution_slot *slot = &attribution->slots[i];
		struct totals totals;

		if (!is_person(slot) || slot->last.pid == except_pid ||
		    slot->stall_class != stall_class)
			continue;
		sum_activity(slot, now_ns, VICTIM_SPAN_NS, &totals);
		if (totals.stall_ns <= most_ns)
			continue;
		most = slot;
		most_ns = totals.stall_ns;
	}
	*ret_stall_ns = most_ns;
	return most;
}

struct taken {
	const struct attribution_slot *slot;
	uint64_t bytes;
};

static bool is_more(const struct taken *a, const struct taken *b)
{
	if (!b->slot || a->bytes != b->bytes)
		return !b->slot || a->bytes > b->bytes;
	return a->slot->last.anon_bytes > b->slot->last.anon_bytes;
}

/*
 * Whether the victim itself is to blame, although its memory does not grow: it turned over more
 * than the model took or holds, or than somebody holds who takes none, as a reader of a file does
 * that does not fit.
 */
static bool is_turned_over(const struct taken *victim, const struct taken *most)
{
	if (!victim->slot || victim->slot->party == PARTY_MODEL)
		return false;
	if (most->bytes > 0 && most->slot->party != PARTY_MODEL)
		return false;
	return victim->bytes > units_max(most->bytes, most->slot->last.anon_bytes);
}

/* Who took most; the victim by its gain alone, and not for lack of anybody better. */
static struct taken find_taker(const struct attribution *attribution, uint64_t now_ns,
			       uint32_t stall_class, const struct attribution_slot *victim)
{
	uint64_t limit_cgroup_id = victim ? victim->limit_cgroup_id : 0;
	struct taken most = {0};
	struct taken most_other = {0};
	struct taken turned_over = {0}; /* by the victim, whose memory does not grow by it */

	for (uint32_t i = 0; i < ATTRIBUTION_SLOTS; i++) {
		struct taken taken = {.slot = &attribution->slots[i]};
		struct totals totals;
		uint64_t reclaimed_pages;

		if (!is_person(taken.slot) ||
		    (stall_class == STALL_GROUP &&
		     taken.slot->shared_depth > attribution->group_index) ||
		    (limit_cgroup_id && taken.slot->limit_cgroup_id != limit_cgroup_id))
			continue;
		sum_activity(taken.slot, now_ns, CULPRIT_SPAN_NS, &totals);
		if (totals.growth_pages > 0)
			taken.bytes = (uint64_t)totals.growth_pages * ATTRIBUTION_PAGE_BYTES;
		reclaimed_pages = totals.reclaim_pages;
		if (stall_class != STALL_HOST)
			reclaimed_pages += totals.limit_pages;
		if (taken.slot == victim) {
			turned_over.slot = victim;
			turned_over.bytes = reclaimed_pages * ATTRIBUTION_PAGE_BYTES;
			if (taken.bytes == 0)
				continue;
		} else {
			taken.bytes =
				units_max(taken.bytes, reclaimed_pages * ATTRIBUTION_PAGE_BYTES);
		}
		if (is_more(&taken, &most))
			most = taken;
		if (taken.slot->party != PARTY_MODEL && is_more(&taken, &most_other))
			most_other = taken;
	}
	/* What the model took was granted to it; who came to that is to blame, if it is anything.
	 */
	if (most.slot && most.slot->party == PARTY_MODEL && most_other.bytes &&
	    most_other.bytes >= most.bytes / MODEL_BLAME_DIVISOR)
		most = most_other;
	if (most.slot && is_turned_over(&turned_over, &most))
		return turned_over;
	/* Nobody takes any now: whoever holds most. */
	if (most.slot && most.bytes == 0)
		most.bytes = most.slot->last.anon_bytes;
	return most;
}

void attribution_find_memory(const struct attribution *attribution, uint64_t now_ns,
			     uint32_t stall_class, struct decision_process *ret_victim,
			     struct decision_process *ret_culprit)
{
	uint64_t stall_ns;
	uint64_t other_stall_ns;
	const struct attribution_slot *victim =
		find_stalled(attribution, now_ns, stall_class, 0, &stall_ns);
	struct taken taken = find_taker(attribution, now_ns, stall_class, victim);

	if (!taken.slot && victim) /* alone: it does it to itself */
		taken = (struct taken){.slot = victim, .bytes = victim->last.anon_bytes};
	describe(taken.slot, taken.bytes, ret_culprit);
	if (victim && taken.slot == victim) {
		const struct attribution_slot *other = find_stalled(
			attribution, now_ns, stall_class, victim->last.pid, &other_stall_ns);

		if (other) {
			victim = other;
			stall_ns = other_stall_ns;
		}
	}
	describe(victim, stall_ns, ret_victim);
}

void attribution_find_cpu(const struct attribution *attribution, uint64_t now_ns,
			  uint64_t window_ns, uint32_t party, struct decision_process *ret_victim,
			  struct decision_process *ret_culprit)
{
	const struct attribution_slot *victim = NULL;
	const struct attribution_slot *culprit = NULL;
	uint64_t wait_ns = 0;
	uint64_t cpu_ns = 0;

	for (uint32_t i = 0; i < ATTRIBUTION_SLOTS; i++) {
		const struct attribution_slot *slot = &attribution->slots[i];
		struct totals totals;
		uint64_t foreground_ns;

		if (!is_person(slot))
			continue;
		sum_activity(slot, now_ns, window_ns, &totals);
		foreground_ns = units_minus(totals.cpu_ns, totals.background_ns);
		if (slot->party == party && totals.wait_ns > wait_ns) {
			victim = slot;
			wait_ns = totals.wait_ns;
		}
		if (slot->party != party && foreground_ns > cpu_ns) {
			culprit = slot;
			cpu_ns = foreground_ns;
		}
	}
	describe(victim, wait_ns, ret_victim);
	describe(culprit, cpu_ns, ret_culprit);
}

/* ---- the last minute ---------------------------------------------------------------------------
 */

static uint64_t total_stall_ns(const struct status_process *process)
{
	return process->cpu_wait_ns + process->mem_stall_ns + process->io_stall_ns;
}

void attribution_find_stalled(const struct attribution *attribution, uint64_t now_ns,
			      uint32_t party, struct decision_process *ret_victim)
{
	const struct attribution_slot *most = NULL;
	uint64_t most_ns = 0;

	for (uint32_t i = 0; i < ATTRIBUTION_SLOTS; i++) {
		const struct attribution_slot *slot = &attribution->slots[i];
		struct totals totals;
		uint64_t stall_ns;

		if (!is_person(slot) || slot->party != party)
			continue;
		sum_activity(slot, now_ns, MINUTE_NS, &totals);
		stall_ns = totals.wait_ns + totals.stall_ns + totals.io_ns;
		if (stall_ns <= most_ns)
			continue;
		most = slot;
		most_ns = stall_ns;
	}
	describe(most, most_ns, ret_victim);
}

static uint32_t insert_ranked(struct status_process processes[STATUS_PROCESSES_MAX], uint32_t count,
			      const struct status_process *process)
{
	uint32_t place = count;

	while (place > 0 && total_stall_ns(&processes[place - 1]) < total_stall_ns(process))
		place--;
	if (place == STATUS_PROCESSES_MAX)
		return count;
	if (count < STATUS_PROCESSES_MAX)
		count++;
	memmove(&processes[place + 1], &processes[place],
		(count - place - 1) * sizeof(processes[0]));
	processes[place] = *process;
	return count;
}

uint32_t attribution_rank(const struct attribution *attribution, uint64_t now_ns,
			  struct status_process ret_processes[STATUS_PROCESSES_MAX])
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < ATTRIBUTION_SLOTS; i++) {
		const struct attribution_slot *slot = &attribution->slots[i];
		struct status_process process;
		struct totals totals;

		if (!slot->is_used || (slot->last.header.flags & PROCESS_KERNEL_THREAD))
			continue;
		sum_activity(slot, now_ns, MINUTE_NS, &totals);
		process = (struct status_process){
			.pid = slot->last.pid,
			.party = slot->party,
			.cgroup_id = slot->last.cgroup_id,
			.cpu_time_ns = totals.cpu_ns,
			.cpu_wait_ns = totals.wait_ns,
			.mem_stall_ns = totals.stall_ns,
			.io_stall_ns = totals.io_ns,
			.reclaim_count = totals.reclaim_count,
			.anon_bytes = slot->last.anon_bytes,
		};
		memcpy(process.comm, slot->last.comm, sizeof(process.comm));
		if (total_stall_ns(&process) > 0)
			count = insert_ranked(ret_processes, count, &process);
	}
	return count;
}
