/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A thread begins and ends to stall. `thread` and `process` belong to `task`; the flags in the
 * thread make sure that it is counted once, however many causes overlap.
 */
#ifndef TIERD_STALL_BPF_H
#define TIERD_STALL_BPF_H

#include "emit.bpf.h"
#include "state.bpf.h"
#include "union.bpf.h"

/*
 * The thread's own CPU and the walk may both see that a stall has ended: whoever swaps the flag
 * counts. The flag comes back if the count could not be changed, so that the next switch or walk
 * tries again: a stall that nobody ends would count for ever.
 */
static __always_inline bool stall_claim(__u32 *flag, __u32 value)
{
	__u32 old;

	if (word_swap(flag, value, &old))
		return old != value;
	loss_count(LOSS_CONTENTION);
	return false;
}

static __always_inline void stall_begin(struct thread_state *thread, __u32 *flag,
					struct stall_union *stall, __u64 now_ns)
{
	if (thread->has_exited || *flag || !stall_claim(flag, 1))
		return;
	if (!union_enter(stall, now_ns)) {
		*(volatile __u32 *)flag = 0;
		loss_count(LOSS_CONTENTION);
	}
}

/* True if the thread was stalled until now. */
static __always_inline bool stall_end(__u32 *flag, struct stall_union *stall, __u64 now_ns)
{
	if (!*flag || !stall_claim(flag, 0))
		return false;
	if (!union_leave(stall, now_ns)) {
		*(volatile __u32 *)flag = 1;
		loss_count(LOSS_CONTENTION);
		return false;
	}
	return true;
}

static __always_inline void mem_stall_begin(struct thread_state *thread,
					    struct process_state *process, __u64 now_ns)
{
	stall_begin(thread, &thread->is_mem_stalled, &process->mem_stall, now_ns);
}

static __always_inline void mem_stall_end(struct task_struct *task, struct thread_state *thread,
					  struct process_state *process, __u64 now_ns)
{
	if (stall_end(&thread->is_mem_stalled, &process->mem_stall, now_ns))
		process_emit_if_urgent(task, process, now_ns);
}

static __always_inline void io_stall_begin(struct thread_state *thread,
					   struct process_state *process, __u64 now_ns)
{
	stall_begin(thread, &thread->is_io_stalled, &process->io_stall, now_ns);
}

static __always_inline void io_stall_end(struct thread_state *thread, struct process_state *process,
					 __u64 now_ns)
{
	stall_end(&thread->is_io_stalled, &process->io_stall, now_ns);
}

#endif
