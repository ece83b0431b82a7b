// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One look at every thread per window, on behalf of the agent (a task iterator, in process
 * context): CPU time and run-queue wait go from the kernel's counters into the process, also of
 * threads that wait or stall right now, and each process that has something to tell sends one
 * record once all its threads were met.
 *
 * Doing this per window instead of per switch keeps the cost of a context switch flat and next to
 * nothing; the walk costs a fraction of a microsecond per thread and window.
 */
#include "account.bpf.h"
#include "stall.bpf.h"

const volatile struct bpf_settings settings;
struct host_counters host;
__u64 losses[LOSS_CAUSE_COUNT];
__u32 walk_number;

enum {
	SECTION_EXPIRES_NS = 1000000000, /* an end that was missed: close after a second */
};

/* A section or stall whose end went unseen (a program was skipped) must not stay open for ever. */
static __always_inline void thread_repair(struct task_struct *task, struct thread_state *thread,
					  struct process_state *process, __u64 now_ns)
{
	if (thread->sections && settings.is_memstall_kept && !task_in_memstall(task) &&
	    now_ns - thread->section_begin_ns > SECTION_EXPIRES_NS)
		thread->sections = 0;
	if (thread->is_mem_stalled && !thread->sections && !task_in_memstall(task))
		mem_stall_end(task, thread, process, now_ns);
	if (thread->is_io_stalled && !task_in_iowait(task))
		io_stall_end(thread, process, now_ns);
}

/*
 * A byte for the reader of the walk, who asks for one at a time: the walk rests until the ring has
 * been read, so that its size bounds no host.
 */
static __always_inline void walk_rest_if_full(struct seq_file *seq)
{
	__u8 byte = 0;

	if (bpf_ringbuf_query(&bulk_ring, BPF_RB_AVAIL_DATA) >= settings.bulk_wakeup_bytes)
		bpf_seq_write(seq, &byte, sizeof(byte));
}

static __always_inline void process_report(struct task_struct *task, struct process_state *process,
					   struct seq_file *seq, __u64 now_ns)
{
	process->is_walk_reported = 1;
	union_settle(&process->mem_stall, now_ns);
	union_settle(&process->io_stall, now_ns);
	if (process_sum_ns(process) - process->reported_sum_ns >= settings.report_floor_ns) {
		process_emit(task, process, now_ns, 0);
		walk_rest_if_full(seq);
	}
}

/*
 * Counts the threads met in this walk. A process whose threads came and went during the last walk
 * may have been left without a record then: it is reported at once.
 */
static __always_inline void process_meet(struct task_struct *task, struct process_state *process,
					 struct seq_file *seq, __u64 now_ns)
{
	if (process->walk != walk_number) {
		bool is_overdue = process->walk && !process->is_walk_reported;

		process->walk = walk_number;
		process->walk_threads = 0;
		process->is_walk_reported = 0;
		if (is_overdue)
			process_report(task, process, seq, now_ns);
	}
	process->walk_threads++;
	if (!process->is_walk_reported && process->walk_threads >= (__u32)task->signal->nr_threads)
		process_report(task, process, seq, now_ns);
}

SEC("iter/task")
int walk_thread(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct thread_state *thread;
	struct process_state *process;
	__u64 now_ns;

	if (!task || task->flags & PF_EXITING)
		return 0;
	thread = thread_state_create(task);
	process = process_state_create(task);
	if (!thread || !process)
		return 0;
	now_ns = bpf_ktime_get_ns();
	thread_account(task, thread, process);
	thread_repair(task, thread, process, now_ns);
	process_meet(task, process, context->meta->seq, now_ns);
	__sync_fetch_and_add(&host.threads_walked, 1);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
