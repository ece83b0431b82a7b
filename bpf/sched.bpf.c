// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Memory and I/O stall of threads that leave and re-enter the CPU.
 *
 * Only threads inside psi_memstall_enter()/psi_memstall_leave() or io_schedule() matter here, and
 * a thread's own flags say so while it is switched: in_memstall and in_iowait change only on the
 * thread itself. All other switches, nearly all of them, cost four flag reads. CPU time and
 * run-queue wait are kept by the kernel (sched_info) and picked up by the walk (walk.bpf.c).
 *
 * A memory stall lasts from being switched out inside a memstall section until being switched in
 * again (the time in the run queue included, as in PSI), or through a section of reclaim.
 * An I/O stall lasts from blocking in iowait until the thread runs again.
 */
#include "stall.bpf.h"

static __always_inline bool task_may_stall(struct task_struct *task)
{
	return task_in_memstall(task) || task_in_iowait(task);
}

static __always_inline void thread_switched_out(struct task_struct *task, bool is_preempted,
						__u64 now_ns)
{
	struct thread_state *thread;
	struct process_state *process;

	if (!task->pid || task->flags & PF_KTHREAD)
		return;
	thread = thread_state_find(task);
	process = process_state_find(task);
	if (!thread || !process)
		return;
	if (task_in_memstall(task))
		mem_stall_begin(thread, process, now_ns);
	if (task_in_iowait(task) && !is_preempted && !task_is_runnable(task))
		io_stall_begin(thread, process, now_ns);
}

static __always_inline void thread_switched_in(struct task_struct *task, __u64 now_ns)
{
	struct thread_state *thread;
	struct process_state *process;

	if (!task->pid || task->flags & PF_KTHREAD)
		return;
	thread = thread_state_find(task);
	process = process_state_find(task);
	if (!thread || !process)
		return;
	if (!thread->sections)
		stall_end(&thread->is_mem_stalled, &process->mem_stall, now_ns);
	/* Also amid a section of reclaim, which may be long. */
	process_emit_if_urgent(task, process, now_ns);
	io_stall_end(thread, process, now_ns);
}

/* prev and next keep their places on all kernels; prev_state was added behind in 5.18. */
SEC("tp_btf/sched_switch")
int BPF_PROG(stall_sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	bool is_out = task_may_stall(prev);
	bool is_in = task_may_stall(next);
	__u64 now_ns;

	if (!is_out && !is_in)
		return 0;
	now_ns = bpf_ktime_get_ns();
	if (is_out)
		thread_switched_out(prev, preempt, now_ns);
	if (is_in)
		thread_switched_in(next, now_ns);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
