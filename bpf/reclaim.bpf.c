// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reclaim and compaction: stalls that begin and end on the CPU, which sched_switch never sees.
 *
 * The begin tracepoints' arguments were reordered in 7.1, so none of them is read; the end ones
 * carry the number of pages reclaimed, unchanged since 3.x. Reclaim that someone asked for
 * (memory.reclaim) is not a stall: it runs outside memstall.
 */
#include "stall.bpf.h"

static __always_inline void section_begin(__u32 section)
{
	struct task_struct *task = current_task();
	struct thread_state *thread;
	struct process_state *process;
	__u64 now_ns;

	if (task_read(task, flags) & PF_KTHREAD)
		return;
	thread = thread_state_find(task);
	process = process_state_find(task);
	if (!thread || !process)
		return;
	now_ns = bpf_ktime_get_ns();
	if (!thread->sections)
		thread->section_begin_ns = now_ns;
	thread->sections |= section;
	if (section == SECTION_MEMCG)
		process_note_limit(task, process, now_ns);
	if (current_in_memstall(task) || !settings.is_memstall_kept)
		mem_stall_begin(thread, process, now_ns);
}

/* Adds the episode to the totals at (count, time_ns, pages) if its begin was seen. */
static __always_inline void section_end(__u32 section, __u64 pages)
{
	struct task_struct *task = current_task();
	struct thread_state *thread;
	struct process_state *process;
	__u64 now_ns, episode_ns;

	if (task_read(task, flags) & PF_KTHREAD)
		return;
	thread = thread_state_find(task);
	process = process_state_find(task);
	if (!thread || !process || !(thread->sections & section))
		return;
	now_ns = bpf_ktime_get_ns();
	episode_ns = now_ns > thread->section_begin_ns ? now_ns - thread->section_begin_ns : 0;
	thread->sections &= ~section;
	if (section != SECTION_COMPACTION)
		thread->last_section = section;
	if (section == SECTION_COMPACTION) {
		__sync_fetch_and_add(&process->compaction_count, 1);
		__sync_fetch_and_add(&process->compaction_ns, episode_ns);
	} else {
		struct reclaim_totals *totals = section == SECTION_MEMCG ? &process->memcg_reclaim
									 : &process->direct_reclaim;

		__sync_fetch_and_add(&totals->count, 1);
		__sync_fetch_and_add(&totals->time_ns, episode_ns);
		__sync_fetch_and_add(&totals->pages, pages);
	}
	if (!thread->sections)
		mem_stall_end(task, thread, process, now_ns);
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int BPF_PROG(direct_reclaim_begin)
{
	section_begin(SECTION_DIRECT);
	return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(direct_reclaim_end, unsigned long pages)
{
	section_end(SECTION_DIRECT, pages);
	return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int BPF_PROG(memcg_reclaim_begin)
{
	section_begin(SECTION_MEMCG);
	return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(memcg_reclaim_end, unsigned long pages)
{
	section_end(SECTION_MEMCG, pages);
	return 0;
}

SEC("tp_btf/mm_vmscan_node_reclaim_begin")
int BPF_PROG(node_reclaim_begin)
{
	section_begin(SECTION_NODE);
	return 0;
}

SEC("tp_btf/mm_vmscan_node_reclaim_end")
int BPF_PROG(node_reclaim_end, unsigned long pages)
{
	section_end(SECTION_NODE, pages);
	return 0;
}

SEC("tp_btf/mm_compaction_begin")
int BPF_PROG(compaction_begin)
{
	section_begin(SECTION_COMPACTION);
	return 0;
}

SEC("tp_btf/mm_compaction_end")
int BPF_PROG(compaction_end)
{
	section_end(SECTION_COMPACTION, 0);
	return 0;
}

enum {
	KSWAPD_NODES = 64, /* a power of two; nodes beyond share entries, which only blurs time */
};

static __u64 kswapd_woken_ns[KSWAPD_NODES];

static __always_inline __u64 *kswapd_woken(int node)
{
	return &kswapd_woken_ns[(__u32)node & (KSWAPD_NODES - 1)];
}

SEC("tp_btf/mm_vmscan_kswapd_wake")
int BPF_PROG(kswapd_wake, int node)
{
	__u64 *woken_ns = kswapd_woken(node);

	__sync_fetch_and_add(&host.kswapd_wakes, 1);
	if (!*woken_ns)
		*woken_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/mm_vmscan_kswapd_sleep")
int BPF_PROG(kswapd_sleep, int node)
{
	__u64 *woken_ns = kswapd_woken(node);
	__u64 now_ns = bpf_ktime_get_ns();

	if (*woken_ns && now_ns > *woken_ns)
		__sync_fetch_and_add(&host.kswapd_active_ns, now_ns - *woken_ns);
	*woken_ns = 0;
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
