/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is kept per thread and per process, and the few things that every program shares.
 *
 * State lives in task storage: a thread's on the thread, a process's on its group leader, so it
 * goes when the task goes and no slot can leak. It is *created* only where the kernel may allocate:
 * at clone and exec (process context, no lock held) and by the walk, which runs on behalf of the
 * agent. Scheduler and reclaim programs only look it up: creating storage there can deadlock
 * kernels before 6.4 (GFP_ATOMIC allocation -> wakeup_kswapd() -> a run-queue lock that is held
 * already). A thread without state is counted as LOSS_UNTRACKED.
 *
 * With TIERD_PREALLOCATED (compat.bpf.h) it lives in preallocated hash tables instead, keyed by the
 * address of the task, and goes when the task is freed. Threads and processes beyond their size
 * are counted as LOSS_NO_MEMORY, and those that are there already stay.
 *
 * Thread state is written by programs that run on behalf of that thread or while it cannot run,
 * and by the walk; process totals are shared between CPUs and only ever added to atomically.
 */
#ifndef TIERD_STATE_BPF_H
#define TIERD_STATE_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "compat.bpf.h"
#include "tierd/record.h"

/* What keeps a thread in memory stall while it is on the CPU. */
enum stall_section {
	SECTION_DIRECT = 1 << 0,
	SECTION_MEMCG = 1 << 1,
	SECTION_NODE = 1 << 2,
	SECTION_COMPACTION = 1 << 3,
};

struct thread_state {
	__u64 cpu_time_seen_ns; /* already added to the process */
	__u64 cpu_wait_seen_ns;
	__u64 section_begin_ns; /* of the outermost section */
	__u32 sections;         /* enum stall_section */
	__u32 last_section;     /* the reclaim that ended last: why an OOM kill follows */
	__u32 is_mem_stalled;   /* counted in process_state.mem_stall; see stall_claim() */
	__u32 is_io_stalled;    /* counted in process_state.io_stall */
	__u8 is_based;          /* the seen values have a base */
	__u8 has_exited;
};

/* Time with at least one thread stalled: see union.bpf.h. */
struct stall_union {
	__u64 word;
	__u64 total_ns;
};

struct process_state {
	struct stall_union mem_stall;
	struct stall_union io_stall;
	__u64 cpu_time_ns;
	__u64 cpu_wait_ns;
	__u64 background_cpu_time_ns;
	__u64 background_cpu_wait_ns;
	struct reclaim_totals direct_reclaim;
	struct reclaim_totals memcg_reclaim;
	__u64 compaction_count;
	__u64 compaction_ns;
	__u64 reported_sum_ns;    /* process_sum_ns() at the last record */
	__u64 urgent_reported_ns; /* mem_stall.total_ns at the last record */
	__u64 limit_cgroup_id;    /* the group whose limit made it reclaim last, 0 = none yet */
	__u64 limit_seen_ns;      /* when that was */
	__u32 walk;               /* number of the last walk that met a thread of ours */
	__u32 walk_threads;       /* threads met in it */
	__u32 exited_mark;        /* set once, by the thread that reports the exit */
	__u32 oom_mark;           /* set once, by the first mark_victim */
	__u32 reported_mark;      /* set once, with the first record */
	__u8 is_walk_reported;    /* in that walk */
};

extern const volatile struct bpf_settings settings;

/* Shared with the agent through the mapped .bss. */
extern struct host_counters host;
extern __u64 losses[LOSS_CAUSE_COUNT];
extern __u32 walk_number; /* the agent adds one before each walk */

#ifdef TIERD_PREALLOCATED
enum {
	THREADS_MAX = 65536,
	PROCESSES_MAX = 16384,
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, THREADS_MAX);
	__type(key, __u64);
	__type(value, struct thread_state);
} thread_states __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROCESSES_MAX);
	__type(key, __u64);
	__type(value, struct process_state);
} process_states __weak SEC(".maps");
#else
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_state);
} thread_states __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct process_state);
} process_states __weak SEC(".maps");
#endif

/* Sizes are set by the agent before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} bulk_ring __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} urgent_ring __weak SEC(".maps");

static __always_inline void loss_count(enum loss_cause cause)
{
	__sync_fetch_and_add(&losses[cause], 1);
}

#ifdef TIERD_PREALLOCATED
static const struct thread_state no_thread_state;
static const struct process_state no_process_state;

static __always_inline struct thread_state *thread_state_look_up(struct task_struct *task)
{
	__u64 key = (__u64)task;

	return bpf_map_lookup_elem(&thread_states, &key);
}

static __always_inline struct process_state *process_state_look_up(struct task_struct *task)
{
	__u64 key = (__u64)task_read(task, group_leader);

	return bpf_map_lookup_elem(&process_states, &key);
}

static __always_inline struct thread_state *thread_state_add(struct task_struct *task)
{
	__u64 key = (__u64)task;
	struct thread_state *thread = bpf_map_lookup_elem(&thread_states, &key);

	if (thread)
		return thread;
	bpf_map_update_elem(&thread_states, &key, &no_thread_state, BPF_NOEXIST);
	return bpf_map_lookup_elem(&thread_states, &key);
}

static __always_inline struct process_state *process_state_add(struct task_struct *task)
{
	__u64 key = (__u64)task_read(task, group_leader);
	struct process_state *process = bpf_map_lookup_elem(&process_states, &key);

	if (process)
		return process;
	bpf_map_update_elem(&process_states, &key, &no_process_state, BPF_NOEXIST);
	return bpf_map_lookup_elem(&process_states, &key);
}

static __always_inline void state_forget(struct task_struct *task)
{
	__u64 key = (__u64)task;

	bpf_map_delete_elem(&thread_states, &key);
	bpf_map_delete_elem(&process_states, &key);
}
#else
static __always_inline struct thread_state *thread_state_look_up(struct task_struct *task)
{
	return bpf_task_storage_get(&thread_states, task, 0, 0);
}

static __always_inline struct process_state *process_state_look_up(struct task_struct *task)
{
	return bpf_task_storage_get(&process_states, task->group_leader, 0, 0);
}

static __always_inline struct thread_state *thread_state_add(struct task_struct *task)
{
	return bpf_task_storage_get(&thread_states, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline struct process_state *process_state_add(struct task_struct *task)
{
	return bpf_task_storage_get(&process_states, task->group_leader, 0,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
}
#endif

static __always_inline struct thread_state *thread_state_find(struct task_struct *task)
{
	struct thread_state *thread = thread_state_look_up(task);

	if (!thread)
		loss_count(LOSS_UNTRACKED);
	return thread;
}

static __always_inline struct process_state *process_state_find(struct task_struct *task)
{
	struct process_state *process = process_state_look_up(task);

	if (!process)
		loss_count(LOSS_UNTRACKED);
	return process;
}

/* Only where the kernel may allocate. */
static __always_inline struct thread_state *thread_state_create(struct task_struct *task)
{
	struct thread_state *thread = thread_state_add(task);

	if (!thread)
		loss_count(LOSS_NO_MEMORY);
	return thread;
}

/* Only where the kernel may allocate. */
static __always_inline struct process_state *process_state_create(struct task_struct *task)
{
	struct process_state *process = process_state_add(task);

	if (!process)
		loss_count(LOSS_NO_MEMORY);
	return process;
}

#endif
