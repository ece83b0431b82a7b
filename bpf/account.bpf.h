/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * CPU time and run-queue wait of a thread, from the kernel's own counters into its process.
 *
 * sched_info.run_delay grows when a wait ends; what a still waiting thread has waited so far is
 * added to it, and the sum never counts a wait twice: only what exceeds the sum seen last is taken,
 * so that a clock read a little early or late is made good at the next look.
 *
 * sum_exec_runtime of a running thread lags by up to one scheduler tick, so a thread that exits
 * takes at most its last tick of CPU time unseen with it.
 */
#ifndef TIERD_ACCOUNT_BPF_H
#define TIERD_ACCOUNT_BPF_H

#include "state.bpf.h"

/* run_delay first: seen between its two updates the wait is then missed for now, never doubled. */
static __always_inline __u64 task_cpu_wait_ns(struct task_struct *task)
{
	__u64 ended_ns;

	if (!bpf_core_field_exists(task->sched_info.run_delay))
		return 0;
	ended_ns = *(volatile unsigned long long *)&task->sched_info.run_delay;
	return ended_ns + task_waiting_ns(task);
}

static __always_inline __u64 counter_take(__u64 now, __u64 *seen)
{
	__u64 delta = now > *seen ? now - *seen : 0;

	*seen += delta;
	return delta;
}

static __always_inline bool task_is_background(struct task_struct *task)
{
	return task->policy == SCHED_IDLE ||
	       task->static_prio > DEFAULT_PRIO + settings.ignore_nice;
}

static __always_inline void thread_account(struct task_struct *task, struct thread_state *thread,
					   struct process_state *process)
{
	__u64 cpu_time_ns, cpu_wait_ns;

	if (!thread->is_based) {
		thread->cpu_time_seen_ns = task->se.sum_exec_runtime;
		thread->cpu_wait_seen_ns = task_cpu_wait_ns(task);
		thread->is_based = 1;
		return;
	}
	cpu_time_ns = counter_take(task->se.sum_exec_runtime, &thread->cpu_time_seen_ns);
	cpu_wait_ns = counter_take(task_cpu_wait_ns(task), &thread->cpu_wait_seen_ns);
	__sync_fetch_and_add(&process->cpu_time_ns, cpu_time_ns);
	__sync_fetch_and_add(&process->cpu_wait_ns, cpu_wait_ns);
	if (task_is_background(task)) {
		__sync_fetch_and_add(&process->background_cpu_time_ns, cpu_time_ns);
		__sync_fetch_and_add(&process->background_cpu_wait_ns, cpu_wait_ns);
	}
}

#endif
