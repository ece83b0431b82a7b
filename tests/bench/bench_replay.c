// SPDX-License-Identifier: BSD-2-Clause
/*
 * How fast a recording of real pressure replays, on one core, and in how much memory:
 *
 *   bench_replay TRACE [EVENTS]
 *
 * TRACE is repeated, later and with other processes each time, until there are EVENTS events; a
 * second file is twenty times as long, more than a day. Measured on those files, under both
 * policies: reading alone, `tierctl replay`'s own way with its decisions thrown away, one
 * engine_step() at a time, and peak memory, each in a process of its own. The exit status is 1 if a
 * goal is missed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/option_table.h"
#include "app/replay.h"
#include "base/cleanup.h"
#include "base/event_fields.h"
#include "base/units.h"
#include "io/trace_reader.h"
#include "io/trace_writer.h"

enum {
	EVENTS_DEFAULT = 300000,
	LONGER = 20, /* times: more than a day */
	ERROR_LEN = 512,
	PATH_LEN = 128,
	ROUNDS = 3, /* the best one counts */
	HISTOGRAM_STEP_NS = 10,
	HISTOGRAM_SIZE = 100000, /* up to 1 ms */
	PERCENT = 100,

	GOAL_EVENTS_PER_S = 1000000,
	GOAL_MEAN_NS = 400,
	GOAL_P99_NS = 2000,
	GOAL_GROWTH_KIB = 1024, /* of peak memory, from 1x to 20x */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "bench_replay: %s\n", what);
	exit(2);
}

/* ---- making long traces
 * ------------------------------------------------------------------------
 */

/* One pass over the trace. */
struct lap {
	uint64_t number;
	uint64_t shift_ns;
	uint64_t psi_shift_ns[5]; /* cumulative totals go on, too */
};

static void shift_sample(struct event_sample *sample, const struct lap *lap)
{
	sample->psi_cpu_some_ns += lap->psi_shift_ns[0];
	sample->psi_mem_some_ns += lap->psi_shift_ns[1];
	sample->psi_mem_full_ns += lap->psi_shift_ns[2];
	sample->psi_io_some_ns += lap->psi_shift_ns[3];
	sample->psi_io_full_ns += lap->psi_shift_ns[4];
}

/* The same, later: processes of the same numbers that began later are others.
 */
static void shift_event(struct event *event, const struct lap *lap)
{
	event->time_ns += lap->shift_ns;
	if (event->kind == EVENT_PROCESS) {
		event->process.record.header.time_ns += lap->shift_ns;
		event->process.record.start_ns += lap->shift_ns;
	} else if (event->kind == EVENT_OOM) {
		event->oom.record.header.time_ns += lap->shift_ns;
		event->oom.record.start_ns += lap->shift_ns;
	} else if (event->kind == EVENT_WINDOW) {
		event->window.begin_ns += lap->shift_ns;
		event->window.end_ns += lap->shift_ns;
	} else if (event->kind == EVENT_SAMPLE) {
		shift_sample(&event->sample, lap);
	}
}

static struct trace_reader *open_reader(const char *path)
{
	struct trace_reader *reader;
	char error[ERROR_LEN];

	if (trace_reader_open(path, 0, &reader, error, sizeof(error)) < 0)
		die(error);
	return reader;
}

/* Returns the number of events. */
static uint64_t add_lap(struct trace_writer *writer, const char *path, struct lap *lap)
{
	_cleanup_(trace_reader_cleanup) struct trace_reader *reader = open_reader(path);
	const struct trace_item *item;
	struct event_sample first = {0};
	struct event_sample last = {0};
	uint64_t count = 0;

	while (trace_reader_next(reader, &item)) {
		struct event *event = item->event;

		/* Once: the same again would be a reload. */
		if (item->kind != TRACE_ITEM_EVENT ||
		    (lap->number > 0 &&
		     (event->kind == EVENT_CONFIG || event->kind == EVENT_SOURCE)))
			continue;
		if (event->kind == EVENT_SAMPLE && !first.cpu_count)
			first = event->sample;
		if (event->kind == EVENT_SAMPLE)
			last = event->sample;
		shift_event(event, lap);
		trace_writer_add(writer, event, event_is_text(event->kind) ? &item->config : NULL);
		count++;
	}
	const struct trace_summary *summary = trace_reader_get_summary(reader);

	lap->number++;
	lap->shift_ns += summary->last_ns - summary->first_ns + 100 * NS_PER_MS;
	lap->psi_shift_ns[0] += last.psi_cpu_some_ns - first.psi_cpu_some_ns;
	lap->psi_shift_ns[1] += last.psi_mem_some_ns - first.psi_mem_some_ns;
	lap->psi_shift_ns[2] += last.psi_mem_full_ns - first.psi_mem_full_ns;
	lap->psi_shift_ns[3] += last.psi_io_some_ns - first.psi_io_some_ns;
	lap->psi_shift_ns[4] += last.psi_io_full_ns - first.psi_io_full_ns;
	return count;
}

static void make_long(const char *from, const char *to, uint64_t events)
{
	const struct trace_writer_options options = {
		.path = to,
		.segment_max_bytes = UINT64_MAX,
		.keep = 1,
		.is_waiting = true,
		.metadata = {.clock = TRACE_CLOCK, .recorder = "bench_replay"},
	};
	struct trace_writer *writer;
	struct lap lap = {0};
	uint64_t count = 0;

	if (trace_writer_open(&options, &writer) < 0)
		die("cannot make a trace");
	while (count < events) {
		uint64_t added = add_lap(writer, from, &lap);

		if (added == 0)
			die("there are no events in the trace");
		count += added;
	}
	if (trace_writer_close(writer, -1) < 0)
		die("cannot write a trace");
}

/* ---- measuring
 * ---------------------------------------------------------------------------------
 */

struct result {
	uint64_t events;
	uint64_t span_ns; /* of the trace */
	uint64_t duration_ns;
	uint64_t decisions;
	uint64_t peak_kib;
	uint64_t mean_ns;
	uint64_t p50_ns;
	uint64_t p99_ns;
	uint64_t max_ns;
};

typedef void measure_function(const char *path, struct result *result);

static void measure_reading(const char *path, struct result *result)
{
	_cleanup_(trace_reader_cleanup) struct trace_reader *reader = open_reader(path);
	const struct trace_item *item;

	while (trace_reader_next(reader, &item))
		continue;
	const struct trace_summary *summary = trace_reader_get_summary(reader);

	result->events = summary->events;
	result->span_ns = summary->last_ns - summary->first_ns;
}

static int count_step(void *context, const struct replay_step *step)
{
	struct result *result = context;

	result->events++;
	result->decisions += step->actions->decision_count;
	return 0;
}

static const char *policy;

static struct input *open_input(const char *path)
{
	static struct config_overrides overrides;
	const struct input_options options = {.overrides = &overrides};
	char error[CONFIG_ERROR_LEN];
	struct input *input;

	overrides.values[option_find("policy", "policy") - OPTION_TABLE] = policy;
	if (input_open(path, &options, &input, error, sizeof(error)) < 0)
		die(error);
	return input;
}

static void measure_replay(const char *path, struct result *result)
{
	_cleanup_(input_cleanup) struct input *input = open_input(path);
	char error[CONFIG_ERROR_LEN];

	if (replay_run(input, count_step, result, error, sizeof(error)) < 0)
		die(error);
}

/* What reading the clock twice costs is in every step that is timed. */
static uint64_t clock_cost_ns(void)
{
	enum {
		READS = 100000,
	};
	uint64_t begin_ns = now_ns();

	for (int i = 0; i < READS; i++)
		(void)now_ns();
	return (now_ns() - begin_ns) / READS;
}

static uint64_t find_quantile(const uint32_t *histogram, uint64_t count, uint64_t percent)
{
	uint64_t wanted = count * percent / PERCENT;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < HISTOGRAM_SIZE; i++) {
		sum += histogram[i];
		if (sum > wanted)
			return i * HISTOGRAM_STEP_NS;
	}
	return (uint64_t)HISTOGRAM_SIZE * HISTOGRAM_STEP_NS;
}

static void measure_steps(const char *path, struct result *result)
{
	static uint32_t histogram[HISTOGRAM_SIZE];
	static struct actions actions;
	_cleanup_(input_cleanup) struct input *input = open_input(path);
	_cleanup_free_ void *memory = aligned_alloc(64, (engine_size() + 63) / 64 * 64);
	uint64_t cost_ns = clock_cost_ns();
	uint64_t sum_ns = 0;
	const struct event *event;
	char error[CONFIG_ERROR_LEN];

	if (!memory)
		die("out of memory");
	struct engine *engine = engine_init(memory);
	while (input_next(input, &event, error, sizeof(error)) > 0) {
		uint64_t begin_ns = now_ns();

		engine_step(engine, event, &actions);
		uint64_t step_ns = units_minus(now_ns() - begin_ns, cost_ns);
		uint64_t bar = units_min(step_ns / HISTOGRAM_STEP_NS, HISTOGRAM_SIZE - 1);

		histogram[bar]++;
		sum_ns += step_ns;
		result->max_ns = units_max(result->max_ns, step_ns);
		result->events++;
	}
	if (result->events == 0)
		die("no events to measure");
	result->mean_ns = sum_ns / result->events;
	result->p50_ns = find_quantile(histogram, result->events, 50);
	result->p99_ns = find_quantile(histogram, result->events, 99);
}

/* In a process of its own, so that its peak memory is its own. */
static struct result measure_once(measure_function *measure, const char *path)
{
	struct result result = {0};
	struct rusage usage;
	int fds[2];
	int status;

	if (pipe(fds) < 0)
		die("cannot make a pipe");
	pid_t pid = fork();

	if (pid < 0)
		die("cannot fork");
	if (pid == 0) {
		uint64_t begin_ns = now_ns();

		measure(path, &result);
		result.duration_ns = now_ns() - begin_ns;
		getrusage(RUSAGE_SELF, &usage);
		result.peak_kib = (uint64_t)usage.ru_maxrss;
		_exit(write(fds[1], &result, sizeof(result)) == sizeof(result) ? 0 : 1);
	}
	close(fds[1]);
	bool is_whole = read(fds[0], &result, sizeof(result)) == sizeof(result);

	close(fds[0]);
	if (waitpid(pid, &status, 0) != pid || status != 0 || !is_whole)
		die("a measurement failed");
	return result;
}

/* The best of some rounds: what else runs on the machine makes none of them
 * faster. */
static struct result measure_best(measure_function *measure, const char *path)
{
	struct result best = measure_once(measure, path);

	for (int i = 1; i < ROUNDS; i++) {
		struct result result = measure_once(measure, path);

		if (result.duration_ns < best.duration_ns)
			best = result;
	}
	return best;
}

static uint64_t rate(const struct result *result)
{
	return units_scale(result->events, NS_PER_S, result->duration_ns);
}

static bool check(const char *what, uint64_t value, uint64_t goal, bool is_least)
{
	bool is_met = is_least ? value >= goal : value <= goal;

	printf("%-28s %10" PRIu64 "  %s %s %" PRIu64 "\n", what, value,
	       is_met ? "ok:" : "MISSED:", is_least ? "at least" : "at most", goal);
	return is_met;
}

static bool report_policy(const char *name, const char *path, const char *long_path)
{
	policy = name;
	struct result replay = measure_best(measure_replay, path);
	struct result steps = measure_best(measure_steps, path);
	struct result longer = measure_once(measure_replay, long_path);

	printf("\npolicy = %s: %" PRIu64 " events, %" PRIu64 " decisions\n", name, replay.events,
	       replay.decisions);
	bool is_good = check("events replayed per second", rate(&replay), GOAL_EVENTS_PER_S, true);

	is_good &= check("the same, 20x as long", rate(&longer), GOAL_EVENTS_PER_S, true);
	is_good &= check("mean step, ns", steps.mean_ns, GOAL_MEAN_NS, false);
	is_good &= check("p99 step, ns", steps.p99_ns, GOAL_P99_NS, false);
	is_good &= check("memory for 20x, KiB more", units_minus(longer.peak_kib, replay.peak_kib),
			 GOAL_GROWTH_KIB, false);
	printf("p50 step %" PRIu64 " ns, max %" PRIu64 " ns; peak memory %" PRIu64 " KiB\n",
	       steps.p50_ns, steps.max_ns, replay.peak_kib);
	return is_good;
}

static bool report(const char *path, const char *long_path)
{
	struct result reading = measure_best(measure_reading, path);

	printf("%.1f hours, and twenty times that; reading alone: %" PRIu64 " events per second\n",
	       (double)reading.span_ns / (double)NS_PER_HOUR, rate(&reading));
	bool is_good = report_policy("adaptive", path, long_path);

	return report_policy("threshold", path, long_path) && is_good;
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/tierd-bench-XXXXXX";
	char path[PATH_LEN];
	char long_path[PATH_LEN];
	uint64_t events = EVENTS_DEFAULT;

	if (argc < 2 || argc > 3 || (argc == 3 && units_parse_u64(argv[2], &events) < 0))
		die("usage: bench_replay TRACE [EVENTS]");
	if (!mkdtemp(dir))
		die("cannot make a directory in /tmp");
	snprintf(path, sizeof(path), "%s/1x", dir);
	snprintf(long_path, sizeof(long_path), "%s/20x", dir);
	make_long(argv[1], path, events);
	make_long(argv[1], long_path, events * LONGER);
	bool is_good = report(path, long_path);

	unlink(path);
	unlink(long_path);
	rmdir(dir);
	return is_good ? 0 : 1;
}
