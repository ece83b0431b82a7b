// SPDX-License-Identifier: BSD-2-Clause
/*
 * Real pressure, the real agent, the line a manager would read.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector.h"
#include "scene.h"

enum {
	EPISODES = 40,
	QUIET_SECONDS = 12,
	READER_MIB = 1024,
};

#define OOM_LATENCY_LIMIT_NS (100 * NS_PER_MS)
/* With the load itself on every CPU. */
#define STALL_LATENCY_LIMIT_NS (250 * NS_PER_MS)

static struct scene scene;
static pid_t extra_pids[8];
static unsigned int extra_count;

static int teardown(void **state)
{
	(void)state;
	while (extra_count > 0)
		workload_stop(extra_pids[--extra_count]);
	scene_close(&scene);
	return 0;
}

static pid_t keep(pid_t pid)
{
	assert_true(extra_count < ARRAY_SIZE(extra_pids));
	extra_pids[extra_count++] = pid;
	return pid;
}

static void need_line(const char *prefix, uint64_t timeout_ns, struct agent_line *line)
{
	if (!agent_read_line(&scene.agent, prefix, timeout_ns, line)) {
		agent_print_log(&scene.agent);
		fail_msg("no line `%s`", prefix);
	}
	print_message("    %s\n", line->text);
}

/* The next order of a mode: on the way to the limit, use may be sampled in the planned band. */
static void need_switch(const char *mode, struct agent_line *line)
{
	char needle[64];

	snprintf(needle, sizeof(needle), " mode=%s ", mode);
	agent_need_match(&scene.agent, "switch ", needle, 5 * NS_PER_S, line);
}

static void assert_culprit(const struct agent_line *line, const char *comm, pid_t pid)
{
	char expected[64];

	snprintf(expected, sizeof(expected), "%s:%d", comm, pid);
	assert_line_value(line, "culprit", expected);
}

/* 140 MB of others and 100 of ours in 256: over 90 %, and medium is the largest that fits. */
static void hog_over_the_limit_steps_down_at_once(void **state)
{
	(void)state;
	struct agent_line line;

	scene_open(&scene, "", "stabilization = 3s");
	pid_t hog = scene_start_hog(&scene, "hungry hog", 140 * MIB);

	need_switch("immediate", &line);
	assert_line_value(&line, "from", "large");
	assert_line_value(&line, "to", "medium");
	assert_line_value(&line, "overlap", "0");
	assert_line_value(&line, "deadline_ms", "0");
	assert_culprit(&line, "hungry%20hog", hog);
	workload_stop(hog);

	/* And back up, one rung, not before three calm seconds. */
	uint64_t calm_ns = test_now_ns();

	need_line("switch ", 10 * NS_PER_S, &line);
	assert_line_value(&line, "from", "medium");
	assert_line_value(&line, "to", "large");
	assert_line_value(&line, "mode", "planned");
	assert_true(line.read_ns - calm_ns > 2500 * NS_PER_MS);
	agent_stop(&scene.agent, SIGTERM);
}

/* 60 MB more than medium leaves room for: several rungs in one step. */
static void immediate_step_takes_several_rungs(void **state)
{
	(void)state;
	struct agent_line line;

	scene_open(&scene, "", "stabilization = 60s");
	scene_start_hog(&scene, "hog", 150 * MIB);
	need_switch("immediate", &line);
	assert_line_value(&line, "to", "small");
	agent_stop(&scene.agent, SIGINT);
}

/* 82 %: drain first, one rung. */
static void hog_in_the_band_steps_down_with_a_drain(void **state)
{
	(void)state;
	struct agent_line line;

	scene_open(&scene, "", "stabilization = 60s");
	pid_t hog = scene_start_hog(&scene, "hog", 112 * MIB);

	need_line("switch ", 5 * NS_PER_S, &line);
	assert_line_value(&line, "to", "medium");
	assert_line_value(&line, "mode", "planned");
	assert_line_value(&line, "deadline_ms", "1000");
	assert_culprit(&line, "hog", hog);
	agent_stop(&scene.agent, SIGTERM);
}

/* Nearly all of the memory is page cache that can be had back: usage stays low, stall tells. */
static void thrash_that_usage_does_not_show_steps_down(void **state)
{
	(void)state;
	struct agent_line line;
	char value[64];

	scene_open(&scene, "", "stabilization = 60s");
	scene_start_thrash(&scene, "thrash", 300 * MIB, 4);
	need_line("switch ", 10 * NS_PER_S, &line);
	assert_line_value(&line, "from", "large");
	assert_non_null(strstr(line_value(&line, "reason", value, sizeof(value)), "stall"));
	agent_stop(&scene.agent, SIGTERM);
}

static int latency_compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void latencies_print(const char *what, uint64_t *latencies_ns, size_t count)
{
	size_t p50 = count / 2, p99 = count * 99 / 100;

	qsort(latencies_ns, count, sizeof(*latencies_ns), latency_compare);
	print_message("    %s: %zu episodes, p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", what, count,
		      (double)latencies_ns[p50] / (double)NS_PER_MS,
		      (double)latencies_ns[p99] / (double)NS_PER_MS,
		      (double)latencies_ns[count - 1] / (double)NS_PER_MS);
}

/* The first urgent record of pid that the kernel sent after since_ns; 0 if none did. */
static uint64_t first_urgent_ns(const struct collector *collector, pid_t pid, uint64_t since_ns)
{
	const struct process_record *record = collector_find(collector, pid);

	return record && record->header.time_ns >= since_ns ? record->header.time_ns : 0;
}

/*
 * From the kernel's record of accumulated stall to the reader's read() of the switch line, with
 * thresholds such that the first record decides. The record's time is taken from a second instance
 * of the same programs, which is not drained in between, so that it holds the first one.
 */
static bool stall_episode(uint64_t *ret_latency_ns)
{
	struct agent_line line;
	struct collector *collector = collector_open(0, 0);
	uint64_t begin_ns = test_now_ns();
	pid_t pid = scene_start_thrash(&scene, "thrash", 300 * MIB, 4);

	if (!agent_read_line(&scene.agent, "switch ", 10 * NS_PER_S, &line)) {
		agent_print_log(&scene.agent);
		fail_msg("no switch line");
	}
	assert_line_value(&line, "mode", "immediate");
	assert_true(probes_read_urgent(collector->probes) >= 0);
	uint64_t urgent_ns = first_urgent_ns(collector, pid, begin_ns);

	*ret_latency_ns = units_minus(line.read_ns, urgent_ns);
	workload_stop(pid);
	collector_close(collector);
	return urgent_ns > 0;
}

static void stall_reaches_the_manager_fast(void **state)
{
	(void)state;
	uint64_t latencies_ns[EPISODES];
	size_t count = 0;

	scene_open_groups(&scene);
	for (int i = 0; i < EPISODES; i++) {
		/*
		 * No walk in between, which would bring the stall sooner than the record; and
		 * nothing but stall decides, because page cache that waits in batches per CPU looks
		 * like memory in use for a moment.
		 */
		scene_start_agent(&scene, "window = 10s\nwindow_calm = 10s",
				  "degrade_above = 100%\nupgrade_below = 99%\nmargin = 0\n"
				  "stall_urgent = 4%\nstall_urgent_window = 1s\n"
				  "stall_above = 4%\nstall_above_window = 60s\n");
		count += stall_episode(&latencies_ns[count]);
		agent_stop(&scene.agent, SIGTERM);
		agent_discard(&scene.agent);
	}
	assert_true(count > EPISODES / 2);
	latencies_print("stall to line", latencies_ns, count);
	assert_true(latencies_ns[count * 99 / 100] < STALL_LATENCY_LIMIT_NS);
}

static void oom_kill_reaches_the_manager_fast(void **state)
{
	(void)state;
	enum { OOMS = 5 };
	uint64_t latencies_ns[OOMS];
	struct agent_line line;

	scene_open(&scene, "",
		   "stabilization = 300ms\ndegrade_above = 100%\nupgrade_below = 99%\n"
		   "margin = 0\nstall_urgent = 100%\nstall_above = 100%\n"
		   "calm_stall = 50%\ncalm_stall_window = 1s\n");
	for (int i = 0; i < OOMS; i++) {
		struct collector *collector = collector_open(0, 0);
		pid_t pid = scene_start_hog(&scene, "oom hog", 400 * MIB);

		agent_need_match(&scene.agent, "switch ", " reason=oom", 10 * NS_PER_S, &line);
		assert_line_value(&line, "mode", "immediate");
		assert_true(WIFSIGNALED(workload_wait(pid, 10)));
		collector_look(collector);
		assert_int_equal(collector->oom_count, 1);
		assert_int_equal(collector->ooms[0].record.pid, pid);
		latencies_ns[i] =
			units_minus(line.read_ns, collector->ooms[0].record.header.time_ns);
		collector_close(collector);
		agent_need_match(&scene.agent, "switch ", " to=large", 60 * NS_PER_S, &line);
	}
	latencies_print("OOM kill to line", latencies_ns, OOMS);
	assert_true(latencies_ns[OOMS - 1] < OOM_LATENCY_LIMIT_NS);
	agent_stop(&scene.agent, SIGTERM);
}

/* Compiles at nice 19 for ever, until killed with its group. */
static void build_run(const struct workload *workload)
{
	(void)workload;
	execl("/bin/sh", "sh", "-c",
	      "while :; do echo 'int f(int x){return x;} int main(void){return f(0);}' |"
	      " cc -O2 -x c - -o /dev/null; done",
	      (char *)NULL);
	_exit(94);
}

static void read_run(const struct workload *workload)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "while :; do dd if=%s of=/dev/null bs=1M status=none; done", workload->file);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(94);
}

/* A polite build on every CPU and a big reader of files hurt nobody: nothing may happen. */
static void polite_build_and_reader_cause_no_step(void **state)
{
	(void)state;
	static const char big_path[] = "/var/tmp/tierd-e2e-big";
	const struct workload build = {
		.run = build_run, .comm = "build", .cpu = WORKLOAD_ANY_CPU, .nice = 19};
	const struct workload reader = {
		.run = read_run, .comm = "reader", .cpu = WORKLOAD_ANY_CPU, .file = big_path};
	struct agent_line line;
	char status[65536];

	workload_make_file(big_path, READER_MIB * MIB);
	scene_open(&scene, "", "stabilization = 3s\ncpu_wait_window = 5s");
	const struct workload serving = {
		.run = workload_spin,
		.comm = "serving",
		.cpu = WORKLOAD_ANY_CPU,
		.memory_group = scene.model_group,
	};

	keep(workload_start(&serving)); /* the model answers requests all the time */
	for (int i = 0; i < 4; i++)
		keep(workload_start(&build));
	keep(workload_start(&reader));
	bool has_switched =
		agent_read_line(&scene.agent, "switch ", QUIET_SECONDS * NS_PER_S, &line);

	unlink(big_path);
	agent_tierctl(&scene.agent, "status", status, sizeof(status));
	print_message("%s", status);
	if (has_switched) {
		agent_print_log(&scene.agent);
		fail_msg("%s", line.text);
	}
	agent_stop(&scene.agent, SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(hog_over_the_limit_steps_down_at_once, teardown),
		cmocka_unit_test_teardown(immediate_step_takes_several_rungs, teardown),
		cmocka_unit_test_teardown(hog_in_the_band_steps_down_with_a_drain, teardown),
		cmocka_unit_test_teardown(thrash_that_usage_does_not_show_steps_down, teardown),
		cmocka_unit_test_teardown(stall_reaches_the_manager_fast, teardown),
		cmocka_unit_test_teardown(oom_kill_reaches_the_manager_fast, teardown),
		cmocka_unit_test_teardown(polite_build_and_reader_cause_no_step, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
