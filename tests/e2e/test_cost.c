// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the agent itself takes: memory, wakeups, CPU time. How much the programs in the kernel take
 * is measured by `make bench-cost`.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent_process.h"
#include "base/cleanup.h"
#include "base/units.h"
#include "collector.h"
#include "workload.h"

enum {
	MEASURE_S = 10,
	WAKEUPS_MAX = 4 * MEASURE_S,
	TRIES = 4,
	THREADS = 3000,
	CPU_PERMYRIAD_MAX = 500,
};

#define RSS_MAX (8 * MIB)
#define RSS_GROWTH_MAX (256 * KIB)

static struct agent_process agent;
static pid_t extra_pid;

/* Nothing that this host does presses, so that the agent is calm. */
static const char config[] = "[agent]\nsource = bpf\n%s\n"
			     "[policy]\nwarmup = 0\nstall_above = 100%%\nstall_urgent = 100%%\n"
			     "calm_stall = 100%%\ncpu_wait_above = 100%%\n"
			     "degrade_above = 100%%\nupgrade_below = 99%%\nmargin = 0\n"
			     "[tier small]\nmemory = 1M\n";

static int teardown(void **state)
{
	(void)state;
	if (extra_pid)
		workload_stop(extra_pid);
	extra_pid = 0;
	agent_discard(&agent);
	return 0;
}

static void start(const char *agent_lines)
{
	char text[1024];

	snprintf(text, sizeof(text), config, agent_lines);
	agent_start(&agent, text, NULL);
	test_sleep_ns(7 * NS_PER_S); /* to be calm takes five seconds without pressure */
}

static void lifetimes(unsigned int count)
{
	char path[512], command[1024];

	snprintf(command, sizeof(command), "%s --count %u",
		 build_path("tests/tools/spawn", path, sizeof(path)), count);
	assert_int_equal(system(command), 0);
}

static void memory_is_small_and_stays_so(void **state)
{
	(void)state;
	start("");
	lifetimes(1000);
	test_sleep_ns(NS_PER_S);
	uint64_t before = process_status_bytes(agent.pid, "VmRSS");

	lifetimes(4000);
	test_sleep_ns(NS_PER_S);
	uint64_t after = process_status_bytes(agent.pid, "VmRSS");

	print_message("    RSS %lu KiB, after 4000 processes %lu KiB\n", before / KIB, after / KIB);
	assert_in_range(after, 1, RSS_MAX);
	assert_true(after <= before + RSS_GROWTH_MAX);
	agent_stop(&agent, SIGTERM);
}

/* How often it went to sleep, which is as often as it woke up. */
static uint64_t sleeps(void)
{
	return process_status_bytes(agent.pid, "voluntary_ctxt_switches") / KIB;
}

/* Others of this host may wake it now and then, so the quietest of a few spans counts. */
static void sleeps_when_nothing_happens(void **state)
{
	(void)state;
	uint64_t least = UINT64_MAX;

	start("");
	for (int i = 0; i < TRIES && least > WAKEUPS_MAX; i++) {
		uint64_t before = sleeps();

		test_sleep_ns(MEASURE_S * NS_PER_S);
		least = units_min(least, sleeps() - before);
	}
	print_message("    %lu wakeups in %d s\n", least, MEASURE_S);
	assert_in_range(least, 1, WAKEUPS_MAX);
	agent_stop(&agent, SIGTERM);
}

static uint64_t agent_cpu_ns(void)
{
	char path[64], line[256] = "";

	snprintf(path, sizeof(path), "/proc/%d/schedstat", agent.pid);
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	return strtoull(line, NULL, 10);
}

/* With as short a window as can be had: the walks must make themselves rare. */
static void many_threads_are_walked_seldom(void **state)
{
	(void)state;
	const struct workload waiting = {.run = workload_pause,
					 .comm = "waiting",
					 .cpu = WORKLOAD_ANY_CPU,
					 .threads = THREADS};

	extra_pid = workload_start(&waiting);
	start("window = 10ms\nwindow_calm = 10ms");
	uint64_t before_ns = agent_cpu_ns(), begin_ns = test_now_ns();

	test_sleep_ns(5 * NS_PER_S);
	uint64_t used_ns = agent_cpu_ns() - before_ns;
	uint32_t share = units_permyriad(used_ns, test_now_ns() - begin_ns);

	print_message("    %u of 10000 of a CPU for %d threads\n", share, THREADS);
	assert_in_range(share, 1, CPU_PERMYRIAD_MAX);
	agent_stop(&agent, SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(memory_is_small_and_stays_so, teardown),
		cmocka_unit_test_teardown(sleeps_when_nothing_happens, teardown),
		cmocka_unit_test_teardown(many_threads_are_walked_seldom, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
