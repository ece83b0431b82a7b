// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * For tests only: reports every single memory stall of every thread of one process, so that the
 * union over the threads can be computed outside the kernel and compared with the product's. Far
 * too much data for production, and it allocates where the product never does.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "../../bpf/compat.bpf.h"
#include "interval.h"

struct open_interval {
	__u64 begin_ns;
	__u32 sections; /* depth of reclaim and compaction */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct open_interval);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} intervals SEC(".maps");

__u32 target_pid;
__u64 intervals_lost;

static __always_inline struct open_interval *thread_find(struct task_struct *task)
{
	static const struct open_interval none = {0};
	__u32 tid = task->pid;

	if ((__u32)task->tgid != target_pid)
		return 0;
	bpf_map_update_elem(&threads, &tid, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&threads, &tid);
}

static __always_inline void interval_begin(struct open_interval *open)
{
	if (!open->begin_ns)
		open->begin_ns = bpf_ktime_get_ns();
}

static __always_inline void interval_end(struct open_interval *open)
{
	struct stall_interval *interval;

	if (!open->begin_ns)
		return;
	interval = bpf_ringbuf_reserve(&intervals, sizeof(*interval), 0);
	if (interval) {
		interval->begin_ns = open->begin_ns;
		interval->end_ns = bpf_ktime_get_ns();
		bpf_ringbuf_submit(interval, 0);
	} else {
		__sync_fetch_and_add(&intervals_lost, 1);
	}
	open->begin_ns = 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(interval_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct open_interval *open = task_in_memstall(prev) ? thread_find(prev) : 0;

	if (open)
		interval_begin(open);
	open = task_in_memstall(next) ? thread_find(next) : 0;
	if (open && !open->sections)
		interval_end(open);
	return 0;
}

static __always_inline int section_change(int change)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct open_interval *open = task_in_memstall(task) ? thread_find(task) : 0;

	if (!open)
		return 0;
	if (change > 0) {
		open->sections++;
		interval_begin(open);
	} else if (open->sections && --open->sections == 0) {
		interval_end(open);
	}
	return 0;
}

#define SECTION(tracepoint, change)                                    \
	SEC("tp_btf/" #tracepoint) int BPF_PROG(interval_##tracepoint) \
	{                                                              \
		return section_change(change);                         \
	}

SECTION(mm_vmscan_direct_reclaim_begin, 1)
SECTION(mm_vmscan_direct_reclaim_end, -1)
SECTION(mm_vmscan_memcg_reclaim_begin, 1)
SECTION(mm_vmscan_memcg_reclaim_end, -1)
SECTION(mm_compaction_begin, 1)
SECTION(mm_compaction_end, -1)

SEC("tp_btf/sched_process_exit")
int BPF_PROG(interval_exit, struct task_struct *task)
{
	struct open_interval *open = thread_find(task);

	if (open)
		interval_end(open);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
