/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From state to records. Every record that cannot be sent is counted; nothing here allocates.
 */
#ifndef TIERD_EMIT_BPF_H
#define TIERD_EMIT_BPF_H

#include "state.bpf.h"
#include "union.bpf.h"

enum {
	MEMCG_DEPTH_MAX = 8,
	/* A group counts as being at its limit within 1/32 of it: reclaim frees a little at a time
	 * (SWAP_CLUSTER_MAX pages), so usage hovers just under the limit. */
	MEMCG_SLACK_SHIFT = 5,
	/* How long a limit that made a process reclaim stands for why it stalls. */
	LIMIT_VALID_NS = 1000000000,
	/* Under constant reclaim, look again only this often. */
	LIMIT_LOOK_NS = 20000000,
};

/* The memory cgroup's state where that controller exists, else the v2 group's. */
static __always_inline struct cgroup_subsys_state *task_memcg_css(struct task_struct *task)
{
	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return 0;
	return BPF_CORE_READ(task, cgroups,
			     subsys[bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id)]);
}

static __always_inline __u64 task_cgroup_id(struct task_struct *task)
{
	struct cgroup_subsys_state *css = task_memcg_css(task);

	if (css)
		return BPF_CORE_READ(css, cgroup, kn, id);
	return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

/*
 * The nearest group, upwards from the task's own, that is at its limit (memory.max,
 * memory.limit_in_bytes) or over memory.high; 0 if none: then the host itself is short.
 * Source: mm/page_counter.c, mm/memcontrol.c (try_charge_memcg).
 */
static __always_inline __u64 task_limit_cgroup_id(struct task_struct *task)
{
	struct cgroup_subsys_state *css = task_memcg_css(task);
	struct page_counter *counter;

	if (!css)
		return 0;
	counter = (void *)css - bpf_core_field_offset(struct mem_cgroup, css) +
		  bpf_core_field_offset(struct mem_cgroup, memory);
	for (int depth = 0; depth < MEMCG_DEPTH_MAX && counter; depth++) {
		__u64 usage = BPF_CORE_READ(counter, usage.counter);
		__u64 limit = BPF_CORE_READ(counter, max);

		if (bpf_core_field_exists(counter->high)) {
			__u64 high = BPF_CORE_READ(counter, high);

			limit = high < limit ? high : limit;
		}
		if (usage + (limit >> MEMCG_SLACK_SHIFT) >= limit) {
			struct mem_cgroup *group =
				(void *)counter - bpf_core_field_offset(struct mem_cgroup, memory);

			return BPF_CORE_READ(group, css.cgroup, kn, id);
		}
		counter = BPF_CORE_READ(counter, parent);
	}
	return 0;
}

/* On memcg reclaim: usage is at the limit just now, and may not be when the record is made. */
static __always_inline void process_note_limit(struct task_struct *task,
					       struct process_state *process, __u64 now_ns)
{
	__u64 limit_cgroup_id;

	if (process->limit_cgroup_id && now_ns - process->limit_seen_ns < LIMIT_LOOK_NS)
		return;
	limit_cgroup_id = task_limit_cgroup_id(task);
	if (!limit_cgroup_id)
		return;
	process->limit_cgroup_id = limit_cgroup_id;
	process->limit_seen_ns = now_ns;
}

static __always_inline __u64 process_limit_cgroup_id(struct task_struct *task,
						     const struct process_state *process,
						     __u64 now_ns)
{
	if (process->limit_cgroup_id && now_ns - process->limit_seen_ns < LIMIT_VALID_NS)
		return process->limit_cgroup_id;
	return task_limit_cgroup_id(task);
}

static __always_inline __u64 task_anon_bytes(struct task_struct *task)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);

	if (!mm)
		return 0;
	return (rss_pages(mm, RSS_ANON) + rss_pages(mm, RSS_SWAP) + rss_pages(mm, RSS_SHMEM)) *
	       settings.page_bytes;
}

/* What makes a process worth a record. */
static __always_inline __u64 process_sum_ns(const struct process_state *process)
{
	return process->mem_stall.total_ns + process->io_stall.total_ns + process->cpu_time_ns +
	       process->cpu_wait_ns;
}

static __always_inline void process_record_fill(struct process_record *record,
						struct task_struct *task,
						const struct process_state *process, __u64 now_ns)
{
	struct task_struct *leader = task_read(task, group_leader);

	record->header.kind = RECORD_PROCESS;
	record->header.size = sizeof(*record);
	record->header.time_ns = now_ns;
	record->pid = task_read(task, tgid);
	record->parent_pid = BPF_CORE_READ(task, real_parent, tgid);
	record->start_ns = BPF_CORE_READ(leader, start_time);
	record->cgroup_id = task_cgroup_id(task);
	record->limit_cgroup_id = process_limit_cgroup_id(task, process, now_ns);
	record->cpu_time_ns = process->cpu_time_ns;
	record->cpu_wait_ns = process->cpu_wait_ns;
	record->background_cpu_time_ns = process->background_cpu_time_ns;
	record->background_cpu_wait_ns = process->background_cpu_wait_ns;
	record->mem_stall_ns = process->mem_stall.total_ns;
	record->io_stall_ns = process->io_stall.total_ns;
	record->direct_reclaim = process->direct_reclaim;
	record->memcg_reclaim = process->memcg_reclaim;
	record->compaction_count = process->compaction_count;
	record->compaction_ns = process->compaction_ns;
	record->anon_bytes = task_anon_bytes(task);
	BPF_CORE_READ_STR_INTO(&record->comm, leader, comm);
}

/* Sends what is known of the process of task. flags: enum process_flag, without FIRST. */
static __always_inline void process_emit(struct task_struct *task, struct process_state *process,
					 __u64 now_ns, __u32 flags)
{
	bool is_urgent = flags & PROCESS_URGENT;
	struct process_record *record;
	__u32 old;

	/* One call each: the verifier wants to see the map as a constant. */
	if (is_urgent) {
		__sync_fetch_and_add(&host.urgent_records, 1);
		record = bpf_ringbuf_reserve(&urgent_ring, sizeof(*record), 0);
	} else {
		__sync_fetch_and_add(&host.process_records, 1);
		record = bpf_ringbuf_reserve(&bulk_ring, sizeof(*record), 0);
	}
	if (!record) {
		loss_count(is_urgent ? LOSS_URGENT_RING : LOSS_BULK_RING);
		/* Not again at every switch: after another quarter of the limit. */
		if (is_urgent)
			process->urgent_reported_ns =
				process->mem_stall.total_ns - settings.urgent_stall_ns / 4 * 3;
		return;
	}
	process->reported_sum_ns = process_sum_ns(process);
	process->urgent_reported_ns = process->mem_stall.total_ns;
	process_record_fill(record, task, process, now_ns);
	record->header.flags = flags;
	/* Two CPUs may both be at its first record: only one of the two begins its account. */
	if (!process->reported_mark && word_swap(&process->reported_mark, 1, &old) && !old)
		record->header.flags |= PROCESS_FIRST;
	if (task_read(task, flags) & PF_KTHREAD)
		record->header.flags |= PROCESS_KERNEL_THREAD;
	if (is_urgent ||
	    bpf_ringbuf_query(&bulk_ring, BPF_RB_AVAIL_DATA) >= settings.bulk_wakeup_bytes)
		bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
	else
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

/*
 * Accumulated stall over the limit since the last record: tell the agent now. Where one or another
 * thread is always stalled, the sum would only be brought up to date when none is.
 */
static __always_inline void process_emit_if_urgent(struct task_struct *task,
						   struct process_state *process, __u64 now_ns)
{
	__u64 limit_ns = process->urgent_reported_ns + settings.urgent_stall_ns;

	if (union_total_ns(&process->mem_stall, now_ns) < limit_ns)
		return;
	union_settle(&process->mem_stall, now_ns);
	if (process->mem_stall.total_ns >= limit_ns)
		process_emit(task, process, now_ns, PROCESS_URGENT);
}

#endif
