/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the BPF programs send to the agent.
 *
 * Every amount in a process record is *cumulative* since the agent began to follow the process
 * (PROCESS_FIRST marks the first record, whose base is zero). A lost record therefore loses
 * detail in time but never an amount, records of the two ring buffers may be read in either
 * order, and the reader only has to clamp differences at zero.
 *
 * Times are CLOCK_MONOTONIC nanoseconds (bpf_ktime_get_ns()). Sizes are in bytes unless the
 * name says pages. The layout has no padding and only grows at the end.
 */
#ifndef TIERD_RECORD_H
#define TIERD_RECORD_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum {
	RECORD_COMM_LEN = 16, /* TASK_COMM_LEN, include/linux/sched.h */
};

enum record_kind {
	RECORD_PROCESS = 1, /* struct process_record */
	RECORD_OOM = 2,     /* struct oom_record */
};

struct record_header {
	__u16 kind;  /* enum record_kind */
	__u16 size;  /* of the whole record, so that an older reader can skip a longer one */
	__u32 flags; /* enum process_flag or enum oom_flag */
	__u64 time_ns;
};

enum process_flag {
	PROCESS_FIRST = 1U << 0,         /* no earlier record of this process was sent */
	PROCESS_EXITED = 1U << 1,        /* the last thread is gone; this record is the final one */
	PROCESS_KERNEL_THREAD = 1U << 2, /* PF_KTHREAD: never a victim nor a culprit */
	PROCESS_URGENT = 1U << 3,        /* sent at once, because of accumulated memory stall */
};

struct reclaim_totals {
	__u64 count; /* episodes ended */
	__u64 time_ns;
	__u64 pages; /* pages reclaimed by them */
};

struct process_record {
	struct record_header header;
	__u32 pid;             /* thread group id in the initial PID namespace */
	__u32 parent_pid;      /* thread group id of the real parent */
	__u64 start_ns;        /* task_struct.start_time: with pid, names the process */
	__u64 cgroup_id;       /* memory cgroup where that controller is on v1, else the v2 group;
				* equals the inode number of the group's directory */
	__u64 limit_cgroup_id; /* nearest memory cgroup, upwards from the process's own, that is
				* at its limit now; 0 if none: the host itself is short */
	__u64 cpu_time_ns;     /* CPU time used, all threads */
	__u64 cpu_wait_ns;     /* run-queue wait (sched_info.run_delay), sum over threads */
	__u64 background_cpu_time_ns; /* the part of cpu_time_ns used at a background priority */
	__u64 background_cpu_wait_ns; /* the part of cpu_wait_ns waited at a background priority */
	__u64 mem_stall_ns; /* time with at least one thread in memstall (PSI's meaning) */
	__u64 io_stall_ns;  /* time with at least one thread blocked in iowait */
	struct reclaim_totals direct_reclaim; /* global: the host is short of memory */
	struct reclaim_totals memcg_reclaim;  /* a memory cgroup reached its limit */
	__u64 compaction_count;
	__u64 compaction_ns;
	__u64 anon_bytes; /* anonymous, shmem and swapped out, now (not cumulative) */
	char comm[RECORD_COMM_LEN];
};

enum oom_flag {
	OOM_GROUP_LIMIT =
		1U << 0, /* limit_cgroup_id is set: that group's limit explains the kill */
};

struct oom_record {
	struct record_header header;
	__u32 pid; /* thread group id of the victim */
	__u32 parent_pid;
	__u64 start_ns;
	__u64 cgroup_id;       /* as in process_record */
	__u64 limit_cgroup_id; /* the group whose limit led to the kill; 0 if the host was short */
	__u64 anon_bytes;
	char comm[RECORD_COMM_LEN];
};

/*
 * Host-wide counters, kept in the program's memory and read by the agent after each walk over the
 * threads: they cannot be lost, even when the ring buffers overflow.
 */
struct host_counters {
	__u64 forks; /* processes, not threads */
	__u64 execs;
	__u64 exits; /* processes, not threads */
	__u64 kswapd_wakes;
	__u64 kswapd_active_ns; /* summed over nodes */
	__u64 oom_victims;
	__u64 process_records; /* handed to the bulk ring buffer, or lost */
	__u64 urgent_records;  /* handed to the urgent ring buffer, or lost */
	__u64 threads_walked;
};

/* What the agent tells the programs before it loads them; its option table explains each. */
struct bpf_settings {
	__u64 report_floor_ns;
	__u64 urgent_stall_ns;
	__u64 bulk_wakeup_bytes; /* wake the agent when this much of the bulk ring is unread */
	__u32 page_bytes;
	__s32 ignore_nice; /* threads nicer than this are background work */
	/* PSI is on, so the kernel keeps task_struct.in_memstall. Without it only reclaim and
	 * compaction count as memory stall. */
	__u32 is_memstall_kept;
	__u32 reserved;
};

/* Why something was lost. Append only: the numbers are stored in traces. */
enum loss_cause {
	LOSS_BULK_RING,      /* the bulk ring buffer was full */
	LOSS_URGENT_RING,    /* the urgent ring buffer was full */
	LOSS_UNTRACKED,      /* an event of a thread that has no state (yet) */
	LOSS_NO_MEMORY,      /* the state of a new thread or process could not be allocated */
	LOSS_CONTENTION,     /* a stall transition gave up after too many concurrent updates */
	LOSS_PROGRAM_MISSED, /* the kernel skipped a program (recursion), from bpf_prog_info */
	LOSS_SAMPLE,         /* a system sample could not be read */
	LOSS_SLOT,           /* the agent's process table was full */
	LOSS_WALK,           /* a walk over the threads failed */
	LOSS_CAUSE_COUNT,
};

#endif
