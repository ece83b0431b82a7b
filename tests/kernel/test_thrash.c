// SPDX-License-Identifier: BSD-2-Clause
/*
 * Refault thrashing is what percentage pollers never see: the pages that thrash count as free. A
 * real thrash is recorded and fed to the engine twice: once as it was, once without the stall
 * records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "collector.h"
#include "core/engine.h"
#include "core/names.h"
#include "event_recorder.h"
#include "workload.h"

#define LIMIT_BYTES (256 * MIB)
#define MODEL_BYTES (100 * MIB)
#define FILE_BYTES (320 * MIB)
#define RECORD_NS (8 * NS_PER_S)

static char file_path[] = "/var/tmp/tierd-test-refault";

static int teardown(void **state)
{
	(void)state;
	group_remove_all();
	unlink(file_path);
	return 0;
}

/* The defaults that matter here, as in the option table. */
static void config_fill(struct engine_config *config)
{
	static const struct tier tiers[] = {
		{.name = "off"},
		{.name = "small", .memory_bytes = 40 * MIB},
		{.name = "large", .memory_bytes = MODEL_BYTES},
	};

	*config = (struct engine_config){
		.degrade_above_permyriad = 9000,
		.upgrade_below_permyriad = 8000,
		.margin_permyriad = 500,
		.stabilization_ns = 300 * NS_PER_S,
		.confirm_ns = 100 * NS_PER_MS,
		.trend_ns = 60 * NS_PER_S,
		.trend_horizon_ns = 60 * NS_PER_S,
		.stall_above_permyriad = 1000,
		.stall_above_window_ns = 5 * NS_PER_S,
		.stall_urgent_permyriad = 4000,
		.stall_urgent_window_ns = 2 * NS_PER_S,
		.calm_stall_permyriad = 200,
		.calm_stall_window_ns = 10 * NS_PER_S,
		.share_min_permyriad = 2000,
		.cpu_wait_above_permyriad = 10000, /* of no interest here */
		.cpu_wait_window_ns = 5 * NS_PER_S,
		.drain_deadline_ns = NS_PER_S,
		.ack_timeout_ns = 60 * NS_PER_S,
		.settle_ns = NS_PER_S,
		.heartbeat_ns = 10 * NS_PER_S,
		.sample_period_ns = NS_PER_S,
		.sample_period_min_ns = 50 * NS_PER_MS,
		.fill_bytes_per_s = 6000000000,
	};
	memcpy(config->ladder.tiers, tiers, sizeof(tiers));
	config->ladder.count = ARRAY_SIZE(tiers);
}

struct outcome {
	unsigned int switches;
	struct decision first;
	uint32_t highest_use_permyriad;
};

static void outcome_take(struct outcome *outcome, const struct actions *actions)
{
	for (uint32_t i = 0; i < actions->decision_count; i++) {
		if (actions->decisions[i].action != DECISION_SWITCH)
			continue;
		if (!outcome->switches++)
			outcome->first = actions->decisions[i];
	}
}

static struct outcome recording_play(const struct event_recording *recording, bool has_records)
{
	struct outcome outcome = {0};
	struct engine_config config;
	struct actions actions;
	struct engine *engine = engine_init(malloc(engine_size()));
	struct event start = {.kind = EVENT_CONFIG, .time_ns = recording->events[0].time_ns};
	struct engine_status status;

	config_fill(&config);
	start.config = &config;
	engine_step(engine, &start, &actions);
	start.kind = EVENT_SOURCE;
	start.source.source = SOURCE_BPF;
	engine_step(engine, &start, &actions);
	for (size_t i = 0; i < recording->count; i++) {
		if (!has_records && recording->events[i].kind == EVENT_PROCESS)
			continue;
		engine_step(engine, &recording->events[i], &actions);
		outcome_take(&outcome, &actions);
		engine_get_status(engine, &status);
		if (!outcome.switches)
			outcome.highest_use_permyriad = (uint32_t)units_max(
				outcome.highest_use_permyriad, status.last.worst.use_permyriad);
	}
	free(engine);
	return outcome;
}

static void thrash_is_seen_by_its_stall_alone(void **state)
{
	(void)state;
	const char *group = group_make(GROUP_MEMORY, "refault", LIMIT_BYTES);
	const struct workload model = {
		.run = workload_grow,
		.comm = "model",
		.cpu = WORKLOAD_ANY_CPU,
		.memory_group = group_make_below(group, "model"),
		.bytes = MODEL_BYTES,
	};
	const struct workload thrash = {
		.run = workload_reread,
		.comm = "thrash",
		.cpu = WORKLOAD_ANY_CPU,
		.threads = 4,
		.memory_group = group_make_below(group, "others"),
		.file = file_path,
		.bytes = FILE_BYTES,
	};
	struct event_recording recording;

	workload_make_file(file_path, FILE_BYTES);
	pid_t model_pid = workload_start(&model);

	test_sleep_ns(300 * NS_PER_MS);
	pid_t pid = workload_start(&thrash);

	event_recorder_run(model.memory_group, RECORD_NS, &recording);
	workload_stop(pid);
	workload_stop(model_pid);

	struct outcome whole = recording_play(&recording, true);
	struct outcome blind = recording_play(&recording, false);

	print_message("    %zu events; use at most %u permyriad; %u and %u switches, first: %s\n",
		      recording.count, whole.highest_use_permyriad, whole.switches, blind.switches,
		      decision_reason_name(whole.first.reason));
	free(recording.events);
	assert_in_range(whole.highest_use_permyriad, 1, 6000); /* calm, for a poller */
	assert_true(whole.switches > 0);
	assert_true(whole.first.reason == REASON_STALL_OVER_ABOVE ||
		    whole.first.reason == REASON_STALL_OVER_URGENT);
	assert_string_equal(whole.first.culprit.comm, "thrash");
	assert_int_equal(blind.switches, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(thrash_is_seen_by_its_stall_alone, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
