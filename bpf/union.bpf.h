/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The union over the threads of a process of the times in which they stall: PSI's "some", for one
 * process (kernel/sched/psi.c, PSI_MEM_SOME: NR_MEMSTALL != 0).
 *
 * One word holds both the number of stalled threads and when that number left zero, so that
 * threads on several CPUs can update them together with one compare-and-swap. Time is kept modulo
 * 2^50 units of 64 ns (more than two years), which is all that differences need; both ends of a
 * stall are cut the same way, so the error does not add up. Stall transitions are rare and a
 * process's threads seldom collide; after a bounded number of tries the transition is given up
 * and the caller counts LOSS_CONTENTION.
 */
#ifndef TIERD_UNION_BPF_H
#define TIERD_UNION_BPF_H

#include "state.bpf.h"

enum {
	UNION_COUNT_BITS = 14, /* up to 16383 threads stalled at once */
	UNION_UNIT_SHIFT = 6,  /* 64 ns */
	UNION_TRIES = 16,
};

#define UNION_COUNT_MASK ((1ULL << UNION_COUNT_BITS) - 1)
#define UNION_TIME_MASK (~0ULL >> UNION_COUNT_BITS)

static __always_inline __u64 union_pack(__u64 now_ns, __u64 count)
{
	return (now_ns >> UNION_UNIT_SHIFT) << UNION_COUNT_BITS | count;
}

/* Clocks of different CPUs may disagree a little: a negative span is none. */
static __always_inline __u64 union_elapsed_ns(__u64 word, __u64 now_ns)
{
	__u64 units = ((now_ns >> UNION_UNIT_SHIFT) - (word >> UNION_COUNT_BITS)) & UNION_TIME_MASK;

	return units > UNION_TIME_MASK >> 1 ? 0 : units << UNION_UNIT_SHIFT;
}

/* One more thread stalls. False if given up. */
static __always_inline bool union_enter(struct stall_union *stall, __u64 now_ns)
{
	for (int try = 0; try < UNION_TRIES; try++) {
		__u64 old = *(volatile __u64 *)&stall->word;
		__u64 count = old & UNION_COUNT_MASK;

		if (count == UNION_COUNT_MASK)
			return false;
		if (word_exchange(&stall->word, old, count ? old + 1 : union_pack(now_ns, 1)))
			return true;
	}
	return false;
}

/* One thread less stalls. False if given up; true if none did, as there is nothing to retry. */
static __always_inline bool union_leave(struct stall_union *stall, __u64 now_ns)
{
	for (int try = 0; try < UNION_TRIES; try++) {
		__u64 old = *(volatile __u64 *)&stall->word;
		__u64 count = old & UNION_COUNT_MASK;

		if (!count)
			return true;
		if (!word_exchange(&stall->word, old, count == 1 ? 0 : old - 1))
			continue;
		if (count == 1)
			__sync_fetch_and_add(&stall->total_ns, union_elapsed_ns(old, now_ns));
		return true;
	}
	return false;
}

/* The total up to now. */
static __always_inline __u64 union_total_ns(const struct stall_union *stall, __u64 now_ns)
{
	__u64 word = *(const volatile __u64 *)&stall->word;

	return stall->total_ns + (word & UNION_COUNT_MASK ? union_elapsed_ns(word, now_ns) : 0);
}

/* Brings total_ns up to now while threads are still stalled. */
static __always_inline void union_settle(struct stall_union *stall, __u64 now_ns)
{
	for (int try = 0; try < UNION_TRIES; try++) {
		__u64 old = *(volatile __u64 *)&stall->word;
		__u64 count = old & UNION_COUNT_MASK;
		__u64 elapsed_ns = union_elapsed_ns(old, now_ns);

		if (!count || !elapsed_ns)
			return;
		if (!word_exchange(&stall->word, old, union_pack(now_ns, count)))
			continue;
		__sync_fetch_and_add(&stall->total_ns, elapsed_ns);
		return;
	}
}

#endif
