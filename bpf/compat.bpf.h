/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every difference between kernels that the programs meet, each with the version or commit that
 * brought it. All are resolved by BTF; nothing is tried at run time. Signatures of tracepoints that
 * changed have one program each, of which the agent loads the right one (user/io/program_table.c).
 *
 * The programs are compiled twice. With TIERD_PREALLOCATED they need nothing newer than 5.10 and
 * never allocate once they are loaded: state is in preallocated hash tables. The agent takes these
 * where task storage is missing (before 5.12: a10787e6d58c let tracing programs use it) or takes
 * memory from the kernel's general pools while it holds a lock that a scheduler program may want
 * (before 6.4: 08a7ce384e33 gave it pools of its own).
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

/*
 * The current task as a pointer that fields can be read from (3ca1032ab7ab, 5.11); before, it is
 * a mere number, and fields of what may be the current task are read with the helper.
 */
#ifdef TIERD_PREALLOCATED
#define current_task() ((struct task_struct *)bpf_get_current_task())
#define task_read(task, field) BPF_CORE_READ(task, field)
#define task_read_bit(task, field) BPF_CORE_READ_BITFIELD_PROBED(task, field)
#else
#define current_task() bpf_get_current_task_btf()
#define task_read(task, field) ((task)->field)
#define task_read_bit(task, field) BPF_CORE_READ_BITFIELD(task, field)
#endif

/*
 * Atomic operations that return the old value came in 5.12 (5ffa25502b5a); before, the verifier
 * refuses them even where they are never reached. There an entry in a table of locks guards the
 * word: programs cannot be preempted, so a lock is held for less than a microsecond, and there are
 * never more of them than CPUs. All return false where the word stayed locked by others.
 */
#ifdef TIERD_PREALLOCATED
enum {
	WORD_LOCKS_MAX = 1024,
	WORD_LOCK_TRIES = 16,
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WORD_LOCKS_MAX);
	__type(key, __u64);
	__type(value, __u8);
} word_locks __weak SEC(".maps");

/* The key is the word's address, read back as a number: a pointer may not be one. */
static __always_inline bool word_lock(volatile void *word, __u64 *key)
{
	__u8 held = 1;

	bpf_probe_read_kernel(key, sizeof(*key), &word);
	for (int try = 0; try < WORD_LOCK_TRIES; try++)
		if (bpf_map_update_elem(&word_locks, key, &held, BPF_NOEXIST) == 0)
			return true;
	return false;
}

static __always_inline void word_unlock(__u64 *key)
{
	bpf_map_delete_elem(&word_locks, key);
}

static __always_inline bool word_swap(volatile __u32 *word, __u32 value, __u32 *ret_old)
{
	__u64 key;

	if (!word_lock(word, &key))
		return false;
	*ret_old = *word;
	*word = value;
	word_unlock(&key);
	return true;
}

/* True if the word was old and is value now. */
static __always_inline bool word_exchange(volatile __u64 *word, __u64 old, __u64 value)
{
	__u64 key;
	bool is_old;

	if (!word_lock(word, &key))
		return false;
	is_old = *word == old;
	if (is_old)
		*word = value;
	word_unlock(&key);
	return is_old;
}
#else
static __always_inline bool word_swap(volatile __u32 *word, __u32 value, __u32 *ret_old)
{
	*ret_old = __sync_lock_test_and_set(word, value);
	return true;
}

static __always_inline bool word_exchange(volatile __u64 *word, __u64 old, __u64 value)
{
	return __sync_val_compare_and_swap(word, old, value) == old;
}
#endif

/* in_memstall is there with CONFIG_PSI, since 5.7 (1066d1b6974e). */
static __always_inline bool task_in_memstall(struct task_struct *task)
{
	if (!bpf_core_field_exists(task->in_memstall))
		return false;
	return BPF_CORE_READ_BITFIELD(task, in_memstall);
}

/* The same for what current_task() gave. */
static __always_inline bool current_in_memstall(struct task_struct *task)
{
	if (!bpf_core_field_exists(task->in_memstall))
		return false;
	return task_read_bit(task, in_memstall);
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
