// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the probes count against what the kernel itself counts, in a guest that is driven out of
 * memory. Counts must be equal, not close: a wrong argument, a missed program or a wrong signature
 * shows here.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/units.h"
#include "guest.h"
#include "workload.h"

#define GUEST_BYTES (256 * MIB)
#define LIMIT_BYTES (32 * MIB)

enum {
	GROUP_VICTIMS = 3,
	WAIT_SECONDS = 150, /* on a busy host; a few seconds on an idle one */
};

static struct collector *collector;
static pid_t hog_pid; /* while there is one: swap cannot be switched off beside it */
static bool has_swap;

static int teardown(void **state)
{
	(void)state;
	if (hog_pid)
		workload_stop(hog_pid);
	hog_pid = 0;
	group_remove_all();
	if (collector)
		collector_close(collector);
	collector = NULL;
	if (has_swap)
		guest_swap_off();
	has_swap = false;
	return 0;
}

static void need_swap(void)
{
	guest_swap_on();
	has_swap = true;
}

/*
 * Kernels since 7.0 let a program be preempted, and skip it for whoever comes then; they count it.
 * Nothing else may be lost, and nothing at all on the others.
 */
static void assert_count(uint64_t ours, uint64_t kernels)
{
	const char *kernel = getenv("TIERD_VM_KERNEL");
	bool may_skip = kernel && strcmp(kernel, "newest") == 0;
	uint64_t losses[LOSS_CAUSE_COUNT];

	probes_read_missed(collector->probes);
	probes_get_losses(collector->probes, losses);
	for (int cause = 0; cause < LOSS_CAUSE_COUNT; cause++) {
		if (losses[cause])
			print_message("    loss %d: %" PRIu64 "\n", cause, losses[cause]);
		assert_true(!losses[cause] || (may_skip && cause == LOSS_PROGRAM_MISSED));
	}
	assert_int_equal(collector->went_back, 0);
	assert_in_range(ours, units_minus(kernels, losses[LOSS_PROGRAM_MISSED]), kernels);
}

/* Grows until it has all its memory, the guest needs to reclaim for it, and is stopped again. */
static void grow(const char *group, const char *comm, size_t bytes)
{
	const struct workload hog = {
		.run = workload_grow,
		.comm = comm,
		.cpu = WORKLOAD_ANY_CPU,
		.memory_group = group,
		.bytes = bytes,
	};
	pid_t pid = workload_start(&hog);

	hog_pid = pid;
	for (uint64_t end_ns = test_now_ns() + WAIT_SECONDS * NS_PER_S;
	     process_status_bytes(pid, "VmRSS") + process_status_bytes(pid, "VmSwap") < bytes;) {
		assert_true(test_now_ns() < end_ns);
		collector_watch(collector, 200 * NS_PER_MS);
	}
	workload_stop(pid);
	hog_pid = 0;
}

static void direct_reclaims_equal_allocstall(void **state)
{
	(void)state;
	need_swap();
	collector = collector_open_exact();

	uint64_t stalls = guest_vmstat("allocstall_"), reclaims = guest_direct_reclaims(collector);

	grow(NULL, "hog", GUEST_BYTES - 24 * MIB);
	stalls = guest_vmstat("allocstall_") - stalls;
	collector_look(collector);
	reclaims = guest_direct_reclaims(collector) - reclaims;
	print_message("    allocstall %" PRIu64 ", ours %" PRIu64 "\n", stalls, reclaims);
	assert_true(stalls > 0);
	assert_int_equal(guest_memcg_reclaims(collector), 0);
	assert_count(reclaims, stalls);
}

static void memcg_reclaims_equal_max_events(void **state)
{
	(void)state;
	const char *group = group_make(GROUP_MEMORY, "max", LIMIT_BYTES);

	need_swap();
	collector = collector_open_exact();
	grow(group, "grow", 2 * LIMIT_BYTES);

	uint64_t events = guest_memory_event(group, "max");

	collector_look(collector);
	print_message("    max %" PRIu64 ", ours %" PRIu64 "\n", events,
		      guest_memcg_reclaims(collector));
	assert_true(events > 0);
	assert_count(guest_memcg_reclaims(collector), events);
}

/* Starts a hog that will be killed, and reads what was said about it. */
static pid_t hog_to_death(const char *group, size_t bytes)
{
	const struct workload hog = {
		.run = workload_grow,
		.comm = "oom hog",
		.cpu = WORKLOAD_ANY_CPU,
		.memory_group = group,
		.bytes = bytes,
	};
	pid_t pid = workload_start(&hog);
	int status;

	do
		collector_watch(collector, 100 * NS_PER_MS);
	while (!collector->oom_count);
	status = workload_wait(pid, WAIT_SECONDS);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	collector_watch(collector, 200 * NS_PER_MS);
	return pid;
}

/* Kernels before 6.8 tell only the pid; the rest would be zero. */
static void assert_victim(const struct oom_record *record, pid_t pid, uint64_t limit_cgroup_id)
{
	assert_int_equal(record->pid, pid);
	if (!record->start_ns)
		return;
	assert_string_equal(record->comm, "oom hog");
	assert_true(record->anon_bytes > LIMIT_BYTES / 2);
	assert_int_equal(record->limit_cgroup_id, limit_cgroup_id);
}

static void global_oom_victims_equal_vmstat(void **state)
{
	(void)state;
	collector = collector_open_exact();

	uint64_t kills = guest_vmstat("oom_kill ");
	pid_t pid = hog_to_death(NULL, 2 * GUEST_BYTES);

	kills = guest_vmstat("oom_kill ") - kills;
	print_message("    oom_kill %" PRIu64 ", ours %u\n", kills, collector->oom_count);
	assert_int_equal(kills, 1);
	assert_count(collector->oom_count, kills);
	assert_victim(&collector->ooms[0].record, pid, 0);
}

static void memcg_oom_victims_equal_memory_events(void **state)
{
	(void)state;
	const char *group = group_make(GROUP_MEMORY, "oom", LIMIT_BYTES);

	collector = collector_open_exact();
	pid_t pid = hog_to_death(group, 2 * LIMIT_BYTES);
	uint64_t kills = guest_memory_event(group, "oom_kill");

	print_message("    oom_kill %" PRIu64 ", ours %u\n", kills, collector->oom_count);
	assert_int_equal(kills, 1);
	assert_count(collector->oom_count, kills);
	assert_victim(&collector->ooms[0].record, pid, group_id(group));
}

/*
 * memory.oom.group: one OOM kills every process of the group, and each is a victim. The kernel
 * counts the first one twice: when it is chosen, and as a member (mm/oom_kill.c,
 * oom_kill_process()).
 */
static void group_wide_oom_victims_equal_memory_events(void **state)
{
	(void)state;
	const char *group = group_make(GROUP_MEMORY, "oom-group", LIMIT_BYTES);
	const struct workload bystander = {
		.run = workload_grow,
		.comm = "bystander",
		.cpu = WORKLOAD_ANY_CPU,
		.memory_group = group,
		.bytes = 2 * MIB,
	};
	pid_t pids[GROUP_VICTIMS];

	group_write(group, "memory.oom.group", "1");
	collector = collector_open_exact();
	for (int i = 1; i < GROUP_VICTIMS; i++)
		pids[i] = workload_start(&bystander);
	test_sleep_ns(300 * NS_PER_MS);
	pids[0] = hog_to_death(group, 2 * LIMIT_BYTES);

	uint64_t kills = guest_memory_event(group, "oom_kill");

	print_message("    oom_kill %" PRIu64 ", ours %u\n", kills, collector->oom_count);
	assert_int_equal(kills, GROUP_VICTIMS + 1);
	assert_count(collector->oom_count, kills - 1);
	for (int i = 0; i < GROUP_VICTIMS; i++) {
		unsigned int found = 0;

		for (unsigned int j = 0; j < collector->oom_count; j++)
			found += collector->ooms[j].record.pid == (uint32_t)pids[i];
		assert_in_range(found, collector->oom_count == kills - 1, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(direct_reclaims_equal_allocstall, teardown),
		cmocka_unit_test_teardown(memcg_reclaims_equal_max_events, teardown),
		cmocka_unit_test_teardown(global_oom_victims_equal_vmstat, teardown),
		cmocka_unit_test_teardown(memcg_oom_victims_equal_memory_events, teardown),
		cmocka_unit_test_teardown(group_wide_oom_victims_equal_memory_events, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
