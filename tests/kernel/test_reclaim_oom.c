// SPDX-License-Identifier: BSD-2-Clause
/*
 * Counts that the kernel keeps too: memory cgroup reclaims (perf's count of the tracepoint) and
 * OOM kills (the group's own count).
 */
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "collector.h"
#include "workload.h"

#define LIMIT_BYTES (48 * MIB)
#define FILE_BYTES (96 * MIB)
#define OOM_LATENCY_NS (100 * NS_PER_MS)

static char file_path[] = "/var/tmp/tierd-test-reclaim";
static bool is_tracefs_ours;

static int teardown(void **state)
{
	(void)state;
	group_remove_all();
	unlink(file_path);
	if (is_tracefs_ours)
		umount("/sys/kernel/tracing");
	is_tracefs_ours = false;
	return 0;
}

/* perf needs tracefs to find a tracepoint's number. */
static void tracefs_need(void)
{
	if (access("/sys/kernel/tracing/events/vmscan", F_OK) == 0)
		return;
	assert_int_equal(mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL), 0);
	is_tracefs_ours = true;
}

/* Starts perf stat on all CPUs; it counts until its sleep ends. */
static FILE *perf_start(const char *event, int seconds)
{
	char command[256];

	snprintf(command, sizeof(command), "exec perf stat -a -x, -e %s sleep %d 2>&1", event,
		 seconds);
	FILE *perf = popen(command, "re");

	assert_non_null(perf);
	return perf;
}

static uint64_t perf_read(FILE *perf, const char *event)
{
	char line[256];
	uint64_t count = UINT64_MAX;

	while (fgets(line, sizeof(line), perf)) {
		if (strstr(line, event))
			count = strtoull(line, NULL, 10);
		else
			print_message("    perf: %s", line);
	}
	assert_int_equal(pclose(perf), 0);
	assert_true(count != UINT64_MAX);
	return count;
}

static uint64_t reclaims_seen(const struct collector *collector)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < collector->process_count; i++)
		sum += collector->processes[i].memcg_reclaim.count;
	return sum;
}

static void memcg_reclaims_equal_perfs_count(void **state)
{
	(void)state;
	const struct workload reread = {
		.run = workload_reread,
		.comm = "reread",
		.threads = 2,
		.cpu = WORKLOAD_ANY_CPU,
		.memory_group = group_make(GROUP_MEMORY, "reclaim", LIMIT_BYTES),
		.file = file_path,
		.bytes = FILE_BYTES,
	};

	tracefs_need();
	workload_make_file(file_path, FILE_BYTES);

	struct collector *collector = collector_open(0, 0);
	FILE *perf = perf_start("vmscan:mm_vmscan_memcg_reclaim_begin", 4);

	test_sleep_ns(NS_PER_S); /* perf has attached by then, and ends well after the load */
	pid_t pid = workload_start(&reread);

	collector_watch(collector, 1500 * NS_PER_MS);
	workload_stop(pid);

	uint64_t counted = perf_read(perf, "mm_vmscan_memcg_reclaim_begin");

	collector_look(collector);
	print_message("    perf %" PRIu64 ", ours %" PRIu64 "\n", counted,
		      reclaims_seen(collector));
	assert_true(counted > 100);
	assert_int_equal(reclaims_seen(collector), counted);

	const struct process_record *record = collector_find(collector, pid);

	assert_true(record->memcg_reclaim.pages > FILE_BYTES / 4096);
	assert_true(record->memcg_reclaim.time_ns > 0);
	assert_true(record->memcg_reclaim.time_ns < record->mem_stall_ns * 2);
	assert_int_equal(record->direct_reclaim.count, 0);
	collector_close(collector);
}

/* Kills in the group so far: memory.oom_control (v1) or memory.events (v2). */
static uint64_t group_oom_kills(const char *group)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/memory.oom_control", group);
	return group_read_key(group, access(path, F_OK) ? "memory.events" : "memory.oom_control",
			      "oom_kill ", "oom_kill");
}

static void oom_victims_are_reported_once_and_at_once(void **state)
{
	(void)state;
	const char *group = group_make(GROUP_MEMORY, "oom", LIMIT_BYTES);
	const struct workload hog = {
		.run = workload_grow,
		.comm = "oom hog",
		.threads = 3,
		.cpu = WORKLOAD_ANY_CPU,
		.memory_group = group,
		.bytes = 2 * LIMIT_BYTES,
	};
	struct collector *collector = collector_open(0, 0);
	pid_t pids[5];

	for (int i = 0; i < 5; i++) {
		pids[i] = workload_start(&hog);
		collector_watch(collector, 500 * NS_PER_MS);

		int status = workload_wait(pids[i], 10);

		assert_true(WIFSIGNALED(status));
	}
	collector_watch(collector, 200 * NS_PER_MS);
	assert_int_equal(collector->oom_count, group_oom_kills(group));
	assert_int_equal(collector->oom_count, 5);
	for (int i = 0; i < 5; i++) {
		const struct collector_oom *oom = &collector->ooms[i];

		assert_int_equal(oom->record.pid, pids[i]);
		assert_int_equal(oom->record.cgroup_id, group_id(group));
		assert_true(oom->record.header.flags & OOM_GROUP_LIMIT);
		assert_int_equal(oom->record.limit_cgroup_id, group_id(group));
		assert_string_equal(oom->record.comm, "oom hog");
		assert_true(oom->record.anon_bytes > LIMIT_BYTES / 2);
		print_message("    victim %u read after %" PRIu64 " us\n", oom->record.pid,
			      units_minus(oom->read_ns, oom->record.header.time_ns) / NS_PER_US);
		assert_true(oom->read_ns - oom->record.header.time_ns < OOM_LATENCY_NS);
	}
	collector_close(collector);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(memcg_reclaims_equal_perfs_count, teardown),
		cmocka_unit_test_teardown(oom_victims_are_reported_once_and_at_once, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
