// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Birth, exec, death and the OOM killer.
 *
 * task_newtask fires at the end of copy_process(), for every thread (also io_uring's workers,
 * which sched_process_fork misses), in process context with no lock held: state may be created.
 */
#include "account.bpf.h"
#include "stall.bpf.h"

SEC("tp_btf/task_newtask")
int BPF_PROG(lifecycle_newtask, struct task_struct *task, unsigned long clone_flags)
{
	struct thread_state *thread = thread_state_create(task);

	if (thread)
		thread->is_based = 1; /* at zero */
	if (clone_flags & CLONE_THREAD)
		return 0;
	process_state_create(task);
	__sync_fetch_and_add(&host.forks, 1);
	return 0;
}

/*
 * exec by a thread that was not the leader makes it the leader (fs/exec.c, de_thread()); the old
 * leader takes the process state with it, so totals begin again at zero with a first record. The
 * thread has no state yet if it was there before these programs, or if its clone went unseen, as
 * that of some children of init did on a 6.18 host.
 */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(lifecycle_exec, struct task_struct *task)
{
	thread_state_create(task);
	process_state_create(task);
	__sync_fetch_and_add(&host.execs, 1);
	return 0;
}

/* Fires in every thread; signal->live has then been decremented (kernel/exit.c, do_exit()). */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(lifecycle_exit, struct task_struct *task)
{
	struct thread_state *thread = thread_state_find(task);
	struct process_state *process = process_state_find(task);
	__u64 now_ns = bpf_ktime_get_ns();
	__u32 old;

	if (!thread || !process)
		return 0;
	thread_account(task, thread, process);
	mem_stall_end(task, thread, process, now_ns);
	io_stall_end(thread, process, now_ns);
	thread->has_exited = 1;
	if (BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	/* Two last threads may both see zero: only one of them reports. */
	if (word_swap(&process->exited_mark, 1, &old) && old)
		return 0;
	__sync_fetch_and_add(&host.exits, 1);
	if (process->reported_mark || process_sum_ns(process) >= settings.report_floor_ns)
		process_emit(task, process, now_ns, PROCESS_EXITED);
	return 0;
}

#ifdef TIERD_PREALLOCATED
/*
 * Nobody can find the task any more (kernel/exit.c, delayed_put_task_struct()): what is keyed by
 * its address goes. A grace period has passed since the exit, so that no walk can add it again.
 */
SEC("tp_btf/sched_process_free")
int BPF_PROG(lifecycle_free, struct task_struct *task)
{
	state_forget(task);
	return 0;
}
#endif

static __always_inline struct oom_record *oom_reserve(void)
{
	struct oom_record *record;

	__sync_fetch_and_add(&host.oom_victims, 1);
	__sync_fetch_and_add(&host.urgent_records, 1);
	record = bpf_ringbuf_reserve(&urgent_ring, sizeof(*record), 0);
	if (!record) {
		loss_count(LOSS_URGENT_RING);
		return 0;
	}
	__builtin_memset(record, 0, sizeof(*record));
	record->header.kind = RECORD_OOM;
	record->header.size = sizeof(*record);
	record->header.time_ns = bpf_ktime_get_ns();
	return record;
}

/*
 * Whose limit made the kernel kill: 0 is the host's. The killer runs in the task that could not
 * allocate, right after it had reclaimed in vain: for a group (mm/memcontrol.c, try_charge_memcg)
 * or for the host (mm/page_alloc.c, __alloc_pages_slowpath). The victim's own group may be at its
 * limit in both cases, so it is asked only where the allocating task is not known.
 */
static __always_inline __u64 oom_limit_cgroup_id(struct task_struct *victim)
{
	struct task_struct *task = current_task();
	struct thread_state *thread = thread_state_look_up(task);
	struct process_state *process;

	if (!thread || !thread->last_section)
		return task_limit_cgroup_id(victim);
	if (thread->last_section != SECTION_MEMCG)
		return 0;
	process = process_state_look_up(task);
	if (process && process->limit_cgroup_id)
		return process->limit_cgroup_id;
	return task_limit_cgroup_id(victim);
}

/*
 * mark_victim passes the task since 6.8 (72ba14deb40a) and in later releases of older series
 * (5.10 and 6.1, too). A victim is marked once per thread.
 */
SEC("tp_btf/mark_victim")
int BPF_PROG(oom_mark_victim_task, struct task_struct *task)
{
	struct process_state *process = process_state_find(task);
	struct oom_record *record;
	__u32 old;

	if (process && word_swap(&process->oom_mark, 1, &old) && old)
		return 0;
	record = oom_reserve();
	if (!record)
		return 0;
	record->pid = task->tgid;
	record->parent_pid = BPF_CORE_READ(task, real_parent, tgid);
	record->start_ns = BPF_CORE_READ(task, group_leader, start_time);
	record->cgroup_id = task_cgroup_id(task);
	record->limit_cgroup_id = oom_limit_cgroup_id(task);
	if (record->limit_cgroup_id)
		record->header.flags |= OOM_GROUP_LIMIT;
	record->anon_bytes = task_anon_bytes(task);
	BPF_CORE_READ_STR_INTO(&record->comm, task, group_leader, comm);
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* Before 6.8 only the PID: the agent completes the record from /proc while the victim dies. */
SEC("tp_btf/mark_victim")
int BPF_PROG(oom_mark_victim_pid, int pid)
{
	struct oom_record *record = oom_reserve();

	if (!record)
		return 0;
	record->pid = pid;
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
