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

static __always_inline void mem_stall_begin(struct thread_state *thread,
					    struct process_state *process, __u64 now_ns)
{
	if (thread->is_mem_stalled || thread->has_exited)
		return;
	if (union_enter(&process->mem_stall, now_ns))
		thread->is_mem_stalled = 1;
	else
		loss_count(LOSS_CONTENTION);
}

static __always_inline void mem_stall_end(struct task_struct *task, struct thread_state *thread,
					  struct process_state *process, __u64 now_ns)
{
	if (!thread->is_mem_stalled)
		return;
	thread->is_mem_stalled = 0;
	if (!union_leave(&process->mem_stall, now_ns))
		loss_count(LOSS_CONTENTION);
	process_emit_if_urgent(task, process, now_ns);
}

static __always_inline void io_stall_begin(struct thread_state *thread,
					   struct process_state *process, __u64 now_ns)
{
	if (thread->is_io_stalled || thread->has_exited)
		return;
	if (union_enter(&process->io_stall, now_ns))
		thread->is_io_stalled = 1;
	else
		loss_count(LOSS_CONTENTION);
}

static __always_inline void io_stall_end(struct thread_state *thread, struct process_state *process,
					 __u64 now_ns)
{
	if (!thread->is_io_stalled)
		return;
	thread->is_io_stalled = 0;
	if (!union_leave(&process->io_stall, now_ns))
		loss_count(LOSS_CONTENTION);
}

#endif
