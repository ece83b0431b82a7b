// SPDX-License-Identifier: BSD-2-Clause
/*
 * `status --cost` of a real agent: figures that can be, the kernel's statistics on for that second
 * only, everybody served who asks meanwhile, and the agent not held up.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "agent_process.h"
#include "base/cleanup.h"
#include "base/units.h"
#include "collector.h"

enum {
	OUTPUT_LEN = 64 * 1024,
	COMMAND_LEN = 1024,
	TRIES = 5, /* a busy host may take the second that the measuring takes */
	ASKERS_MAX = 8,
};

static const char CONFIG[] = "[policy]\nwarmup = 0\n[tier small]\nmemory = 20M\n";

static struct agent_process agent;
static char output[OUTPUT_LEN];

static int teardown(void **state)
{
	(void)state;
	agent_discard(&agent);
	return 0;
}

static void start(const char *source)
{
	const char *const extra[] = {"--source", source, NULL};
	struct agent_line line;

	agent_start(&agent, CONFIG, extra);
	agent_need_match(&agent, "state ", "", 20 * NS_PER_S, &line);
}

/* Runs of all of the agent's programs, as the kernel has counted them. */
static uint64_t count_runs(void)
{
	char command[COMMAND_LEN], text[64], *end;

	snprintf(command, sizeof(command),
		 "cat /proc/%d/fdinfo/* 2>/dev/null | awk '/^run_cnt/ { sum += $2 } END { print "
		 "sum + 0 }'",
		 agent.pid);
	FILE *pipe = popen(command, "re");

	assert_non_null(pipe);
	assert_non_null(fgets(text, sizeof(text), pipe));
	pclose(pipe);
	uint64_t runs = strtoull(text, &end, 10);

	assert_true(end != text);
	return runs;
}

static bool has_someone_else_turned_it_on(void)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/sys/kernel/bpf_stats_enabled", "re");

	return file && fgetc(file) != '0';
}

/* The programs run all the time: what does not grow is not counted. */
static void assert_statistics_are_off(void)
{
	uint64_t before = count_runs();

	test_sleep_ns(300 * NS_PER_MS);
	if (!has_someone_else_turned_it_on())
		assert_int_equal(count_runs(), before);
}

static FILE *ask(void)
{
	char path[512], command[COMMAND_LEN];

	snprintf(command, sizeof(command), "exec %s --run-dir %s status --cost --json 2>&1",
		 build_path("tierctl", path, sizeof(path)), agent.run_dir);
	FILE *pipe = popen(command, "re");

	assert_non_null(pipe);
	return pipe;
}

static bool is_answered(FILE *asker)
{
	struct pollfd poller = {fileno(asker), POLLIN, 0};

	return poll(&poller, 1, 0) > 0;
}

static int read_answer(FILE *asker)
{
	output[fread(output, 1, sizeof(output) - 1, asker)] = '\0';
	return WEXITSTATUS(pclose(asker));
}

/* The member `cost` of the answer; for json_decref(). */
static json_t *need_cost(FILE *asker)
{
	json_error_t error;

	if (read_answer(asker) != 0)
		fail_msg("status: %s", output);
	json_t *status = json_loads(output, 0, &error);
	json_t *cost = json_incref(json_object_get(status, "cost"));

	if (!cost)
		fail_msg("no cost in: %s", output);
	json_decref(status);
	return cost;
}

static uint64_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		fail_msg("no number %s", key);
	return (uint64_t)json_integer_value(value);
}

static void assert_plausible(const json_t *cost)
{
	uint64_t span_ns = number(cost, "span_ns"), switches = 0, bpf_ns = 0;
	const json_t *program;
	size_t i;

	assert_in_range(span_ns, NS_PER_S, 20 * NS_PER_S);
	assert_in_range(number(cost, "user_ns") + number(cost, "system_ns"), 1, span_ns);
	assert_in_range(number(cost, "life_ns"), span_ns, 60 * NS_PER_S);
	assert_in_range(number(cost, "life_cpu_ns"), 1, number(cost, "life_ns"));
	assert_in_range(number(cost, "rss_bytes"), MIB, 16 * MIB);
	/* The bulk ring alone is 256 KiB. */
	assert_in_range(number(cost, "map_bytes"), 256 * KIB, 256 * MIB);
	json_array_foreach(json_object_get(cost, "programs"), i, program)
	{
		const char *tracepoint = json_string_value(json_object_get(program, "tracepoint"));

		bpf_ns += number(program, "run_ns");
		if (strcmp(tracepoint, "sched_switch") != 0)
			continue;
		switches = number(program, "runs");
		assert_in_range(number(program, "ns_per_run"), 10, 100 * NS_PER_US);
	}
	assert_true(i > 5);
	assert_true(switches > 0);
	assert_int_equal(number(cost, "switches"), switches);
	assert_int_equal(number(cost, "bpf_ns"), bpf_ns);
	assert_int_equal(number(cost, "bpf_ns_per_switch"), bpf_ns / switches);
}

/* Two ask, and while they wait a third one gets a plain status. False if that came too late. */
static bool has_answered_in_between(void)
{
	FILE *first = ask();
	bool is_in_between, has_counted;

	test_sleep_ns(200 * NS_PER_MS);
	uint64_t runs = count_runs();
	FILE *second = ask();
	json_t *plain = agent_read_status(&agent);

	assert_null(json_object_get(plain, "cost"));
	json_decref(plain);
	test_sleep_ns(100 * NS_PER_MS);
	has_counted = count_runs() > runs;
	is_in_between = !is_answered(first) && !is_answered(second);
	json_t *cost = need_cost(first);
	json_t *same = need_cost(second);

	assert_plausible(cost);
	/* Of the same second, to the nanosecond. */
	if (is_in_between)
		assert_true(has_counted && json_equal(cost, same));
	json_decref(cost);
	json_decref(same);
	return is_in_between;
}

static void cost_is_measured_while_it_is_asked_for(void **state)
{
	int tries = 0;

	(void)state;
	start("bpf");
	assert_statistics_are_off();
	while (!has_answered_in_between())
		assert_true(++tries < TRIES);
	assert_statistics_are_off();
	assert_int_equal(agent_tierctl(&agent, "status --cost", output, sizeof(output)), 0);
	print_message("%s", output);
	assert_non_null(strstr(output, "\ncost        of the programs in the kernel "));
	agent_stop(&agent, SIGTERM);
}

/* Eight that nobody reads, and a ninth. */
static bool is_ninth_refused(void)
{
	char lines[COMMAND_LEN] = "";

	for (int i = 0; i < ASKERS_MAX; i++)
		snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines),
			 "status cost=1 reply=nobody%d\n", i);
	agent_control(&agent, lines);
	FILE *ninth = ask();

	return read_answer(ninth) == 1 && strstr(output, "as many wait for the cost as may");
}

static void number_of_askers_is_bounded(void **state)
{
	int tries = 0;

	(void)state;
	start("bpf");
	while (!is_ninth_refused()) {
		assert_true(++tries < TRIES);
		test_sleep_ns(1200 * NS_PER_MS);
	}
	test_sleep_ns(1200 * NS_PER_MS);
	json_decref(need_cost(ask()));
	/* Who still waits when the agent ends is told. */
	FILE *last = ask();

	test_sleep_ns(300 * NS_PER_MS);
	agent_stop(&agent, SIGTERM);
	if (read_answer(last) != 0)
		assert_non_null(strstr(output, "the agent ends"));
}

static void cost_without_programs_says_so(void **state)
{
	(void)state;
	start("poll");
	json_t *cost = need_cost(ask());

	assert_string_equal(json_string_value(json_object_get(cost, "problem")),
			    "the source is not bpf");
	assert_true(number(cost, "span_ns") >= NS_PER_S);
	json_decref(cost);
	agent_stop(&agent, SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(cost_is_measured_while_it_is_asked_for, teardown),
		cmocka_unit_test_teardown(number_of_askers_is_bounded, teardown),
		cmocka_unit_test_teardown(cost_without_programs_says_so, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
