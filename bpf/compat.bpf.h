/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every difference between kernels that the programs meet, each with the version or commit that
 * brought it. All are resolved by BTF at load time; nothing is tried at run time. Signatures of
 * tracepoints that changed have one program each, of which the agent loads the right one
 * (user/io/probes.c).
 */
#ifndef TIERD_COMPAT_BPF_H
#define TIERD_COMPAT_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define TASK_RUNNING 0
#define PF_EXITING 0x00000004   /* include/linux/sched.h */
#define PF_KTHREAD 0x00200000   /* include/linux/sched.h */
#define SCHED_IDLE 5            /* include/uapi/linux/sched.h */
#define CLONE_THREAD 0x00010000 /* include/uapi/linux/sched.h */
#define DEFAULT_PRIO 120        /* include/linux/sched/prio.h: static_prio of nice 0 */

/* task_struct.state became __state in 5.14 (2f064a59a11f). */
struct task_struct___before_5_14 {
	volatile long state;
} __attribute__((preserve_access_index));

static __always_inline bool task_is_runnable(struct task_struct *task)
{
	struct task_struct___before_5_14 *old = (void *)task;

	if (bpf_core_field_exists(task->__state))
		return task->__state == TASK_RUNNING;
	return BPF_CORE_READ(old, state) == TASK_RUNNING;
}

/* in_memstall is there with CONFIG_PSI, since 5.7 (1066d1b6974e). */
static __always_inline bool task_in_memstall(struct task_struct *task)
{
	if (!bpf_core_field_exists(task->in_memstall))
		return false;
	return BPF_CORE_READ_BITFIELD(task, in_memstall);
}

static __always_inline bool task_in_iowait(struct task_struct *task)
{
	return BPF_CORE_READ_BITFIELD(task, in_iowait);
}

/* mm_struct.rss_stat was a struct of atomics before 6.2 (f1a7941243c1). */
struct mm_rss_stat___before_6_2 {
	atomic_long_t count[4];
} __attribute__((preserve_access_index));

struct mm_struct___before_6_2 {
	struct mm_rss_stat___before_6_2 rss_stat;
} __attribute__((preserve_access_index));

enum {
	RSS_ANON = 1, /* include/linux/mm_types_task.h: MM_ANONPAGES */
	RSS_SWAP = 2,
	RSS_SHMEM = 3,
};

/*
 * A macro, because the index must be a constant where CO-RE sees it: computed at run time it would
 * be scaled by the size of the trimmed struct percpu_counter, not of the kernel's.
 */
#define rss_pages(mm, member)                                                         \
	({                                                                            \
		struct mm_struct___before_6_2 *old_ = (void *)(mm);                   \
		__s64 pages_;                                                         \
                                                                                      \
		if (bpf_core_field_exists(old_->rss_stat.count))                      \
			pages_ = BPF_CORE_READ(old_, rss_stat.count[member].counter); \
		else                                                                  \
			pages_ = BPF_CORE_READ((mm), rss_stat[member].count);         \
		/* the per-CPU parts are left out: may be a little negative */        \
		pages_ > 0 ? (__u64)pages_ : 0;                                       \
	})

/* How long the thread has waited in its run queue, by that queue's own clock; 0 = it does not. */
static __always_inline __u64 task_waiting_ns(struct task_struct *task)
{
	__u64 queued_ns, clock_ns;

	if (!bpf_core_field_exists(task->sched_info.last_queued) ||
	    !bpf_core_field_exists(task->se.cfs_rq))
		return 0;
	queued_ns = task->sched_info.last_queued;
	if (!queued_ns)
		return 0;
	clock_ns = BPF_CORE_READ(task, se.cfs_rq, rq, clock);
	return clock_ns > queued_ns ? clock_ns - queued_ns : 0;
}

#endif
