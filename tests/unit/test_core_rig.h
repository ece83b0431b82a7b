/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bench for the engine: a host of 100 GB (so that 1 GB is one percent), a ladder of five tiers,
 * and a clock that the test moves. Every decision and line of the run so far is kept.
 */
#ifndef TIERD_TEST_CORE_RIG_H
#define TIERD_TEST_CORE_RIG_H

/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "core/engine.h"
#include "core/names.h"

#define GB UINT64_C(1000000000)
#define SECONDS(n) ((uint64_t)(n)*NS_PER_S)
#define MILLIS(n) ((uint64_t)(n)*NS_PER_MS)

enum {
	RIG_LOG_MAX = 4096,
	RIG_OTHER_PID = 1000,
	RIG_MODEL_PID = 2000,
};

struct rig {
	struct engine *engine;
	struct engine_config config;
	uint64_t now_ns;
	uint64_t walk_end_ns;
	struct actions out;
	uint64_t others_bytes;
	uint64_t psi_ns;
	uint64_t host_scan_pages;
	uint64_t footprint_bytes; /* of the model, with mapped files; 0 = not measured */
	bool is_model_hidden;     /* its processes are not found, but its memory is used */
	struct process_record other;
	struct process_record model;
	uint32_t decision_count;
	uint32_t line_count;
	struct decision decisions[RIG_LOG_MAX];
	struct manager_line lines[RIG_LOG_MAX];
};

static inline void rig_set_tier(struct engine_config *config, uint32_t tier, const char *name,
				uint64_t memory_bytes)
{
	struct tier *to = &config->ladder.tiers[tier];

	memset(to, 0, sizeof(*to));
	memcpy(to->name, name, strlen(name));
	to->memory_bytes = memory_bytes;
}

static inline struct engine_config rig_config(void)
{
	struct engine_config config = {
		.degrade_above_permyriad = 9000,
		.upgrade_below_permyriad = 8000,
		.margin_permyriad = 500,
		.stabilization_ns = SECONDS(300),
		.warmup_ns = SECONDS(10),
		.confirm_ns = MILLIS(100),
		.trend_ns = SECONDS(120),
		.trend_horizon_ns = SECONDS(60),
		.stall_above_permyriad = 1000,
		.stall_above_window_ns = SECONDS(5),
		.stall_urgent_permyriad = 4000,
		.stall_urgent_window_ns = SECONDS(2),
		.calm_stall_permyriad = 200,
		.calm_stall_window_ns = SECONDS(10),
		.share_min_permyriad = 2000,
		.cpu_wait_above_permyriad = 2500,
		.cpu_wait_window_ns = SECONDS(5),
		.performance_window_ns = SECONDS(300),
		.performance_retry_ns = SECONDS(300),
		.task_timeout_ns = SECONDS(3600),
		.performance_tasks_min = 20,
		.failure_above_permyriad = 5000,
		.drain_deadline_ns = SECONDS(120),
		.ack_timeout_ns = SECONDS(30),
		.settle_ns = SECONDS(5),
		.heartbeat_ns = SECONDS(10),
		.reservation_ns = SECONDS(30),
		.sample_period_ns = SECONDS(1),
		.sample_period_min_ns = MILLIS(50),
		.fill_bytes_per_s = 6 * GB,
	};

	config.ladder.count = 5;
	rig_set_tier(&config, 0, "off", 0);
	rig_set_tier(&config, 1, "tiny", 5 * GB);
	rig_set_tier(&config, 2, "small", 12 * GB);
	rig_set_tier(&config, 3, "medium", 25 * GB);
	rig_set_tier(&config, 4, "large", 40 * GB);
	return config;
}

static inline void rig_step(struct rig *rig, struct event *event)
{
	event->time_ns = rig->now_ns;
	engine_step(rig->engine, event, &rig->out);
	for (uint32_t i = 0; i < rig->out.decision_count; i++) {
		assert_true(rig->decision_count < RIG_LOG_MAX);
		rig->decisions[rig->decision_count++] = rig->out.decisions[i];
	}
	for (uint32_t i = 0; i < rig->out.line_count; i++) {
		assert_true(rig->line_count < RIG_LOG_MAX);
		rig->lines[rig->line_count++] = rig->out.lines[i];
	}
	assert_true(rig->out.wake_at_ns > rig->now_ns);
	assert_true(rig->out.sample_at_ns >= rig->now_ns || event->kind != EVENT_SAMPLE);
}

static inline void rig_configure(struct rig *rig)
{
	struct event event = {.kind = EVENT_CONFIG, .config = &rig->config};

	rig_step(rig, &event);
}

static inline void rig_source(struct rig *rig, enum pressure_source source)
{
	struct event event = {.kind = EVENT_SOURCE, .source.source = source};

	rig_step(rig, &event);
}

static inline struct process_record rig_process(uint32_t pid, const char *comm)
{
	struct process_record record = {
		.header = {.kind = RECORD_PROCESS, .size = sizeof(record), .flags = PROCESS_FIRST},
		.pid = pid,
		.start_ns = 1,
		.cgroup_id = pid,
		.anon_bytes = GB,
	};

	memcpy(record.comm, comm, strlen(comm));
	return record;
}

/* A rig at time start_ns with others at 30 %, configured, with nothing fed yet but the config. */
static inline struct rig *rig_new(const struct engine_config *config, uint64_t start_ns)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig->engine = engine_init(malloc(engine_size()));
	rig->config = *config;
	rig->now_ns = start_ns;
	rig->others_bytes = 30 * GB;
	rig->psi_ns = 1;
	rig->other = rig_process(RIG_OTHER_PID, "hog");
	rig->model = rig_process(RIG_MODEL_PID, "llama");
	rig_configure(rig);
	rig_source(rig, SOURCE_BPF);
	return rig;
}

static inline void rig_free(struct rig *rig)
{
	free(rig->engine);
	free(rig);
}

static inline struct engine_status *rig_status(struct rig *rig)
{
	static struct engine_status status;

	engine_get_status(rig->engine, &status);
	return &status;
}

static inline const char *rig_wanted(struct rig *rig)
{
	return rig->config.ladder.tiers[rig_status(rig)->wanted_tier].name;
}

static inline const char *rig_actual(struct rig *rig)
{
	return rig->config.ladder.tiers[rig_status(rig)->actual_tier].name;
}

/* The sample that a host with these others and the actual tier loaded gives. */
static inline struct event rig_sample_event(struct rig *rig)
{
	struct engine_status *status = rig_status(rig);
	uint64_t loaded =
		status->is_started ? rig->config.ladder.tiers[status->actual_tier].memory_bytes : 0;
	struct event event = {
		.kind = EVENT_SAMPLE,
		.sample = {.model_processes = loaded && !rig->is_model_hidden,
			   .resource_count = 1,
			   .cpu_count = 4,
			   .psi_mem_some_ns = rig->psi_ns,
			   .host_scan_pages = rig->host_scan_pages,
			   .model_footprint_bytes = rig->footprint_bytes},
	};

	event.sample.resources[0] = (struct event_resource){
		.kind = RESOURCE_HOST_MEMORY,
		.capacity_bytes = 100 * GB,
		.used_bytes = rig->others_bytes + loaded,
		.model_bytes = rig->is_model_hidden ? 0 : loaded,
	};
	return event;
}

static inline void rig_sample(struct rig *rig)
{
	struct event event = rig_sample_event(rig);

	rig_step(rig, &event);
}

static inline void rig_record(struct rig *rig, uint32_t party, struct process_record *record,
			      bool is_limit_ours)
{
	struct event event = {
		.kind = EVENT_PROCESS,
		.process = {.party = party, .is_limit_ours = is_limit_ours, .record = *record},
	};

	event.process.record.header.time_ns = rig->now_ns;
	rig_step(rig, &event);
	record->header.flags &= ~(uint32_t)PROCESS_FIRST;
}

static inline void rig_window(struct rig *rig, uint64_t length_ns)
{
	struct event event = {
		.kind = EVENT_WINDOW,
		.window = {.begin_ns = units_minus(rig->now_ns, length_ns), .end_ns = rig->now_ns},
	};

	rig_step(rig, &event);
}

static inline void rig_tick(struct rig *rig)
{
	struct event event = {.kind = EVENT_TICK};

	rig_step(rig, &event);
}

static inline void rig_loss(struct rig *rig, enum loss_cause cause)
{
	struct event event = {.kind = EVENT_LOSS};

	event.loss.count[cause] = 1;
	rig_step(rig, &event);
}

static inline void rig_command(struct rig *rig, enum command_verb verb, const char *tier,
			       uint64_t seq, enum ack_state state)
{
	struct event event = {
		.kind = EVENT_COMMAND,
		.command = {.verb = verb, .ack_state = state, .seq = seq},
	};

	memcpy(event.command.tier, tier, strlen(tier));
	rig_step(rig, &event);
}

static inline void rig_hello(struct rig *rig, const char *tier)
{
	rig_command(rig, COMMAND_HELLO, tier, 0, ACK_DRAINING);
}

static inline void rig_ack(struct rig *rig, enum ack_state state)
{
	rig_command(rig, COMMAND_ACK, "", rig_status(rig)->seq, state);
}

static inline void rig_task_begin(struct rig *rig, const char *id, const char *tier)
{
	struct event event = {.kind = EVENT_COMMAND, .command.verb = COMMAND_TASK_BEGIN};

	memcpy(event.command.id, id, strlen(id));
	memcpy(event.command.tier, tier, strlen(tier));
	rig_step(rig, &event);
}

/* Tasks that end now, on the serving tier for tier "". */
static inline void rig_task_ends(struct rig *rig, const char *tier, uint32_t count, bool is_ok,
				 uint64_t ms)
{
	struct event event = {
		.kind = EVENT_COMMAND,
		.command = {.verb = COMMAND_TASK_END, .id = "task", .is_ok = is_ok, .ms = ms},
	};

	memcpy(event.command.tier, tier, strlen(tier));
	for (uint32_t i = 0; i < count; i++)
		rig_step(rig, &event);
}

/* A question for a tier, or for amounts where tier is "". The answer is in rig->out. */
static inline const struct preflight_answer *
rig_preflight(struct rig *rig, const char *tier, uint64_t memory_bytes, uint64_t vram_bytes)
{
	struct event event = {
		.kind = EVENT_COMMAND,
		.command = {.verb = COMMAND_PREFLIGHT,
			    .memory_bytes = memory_bytes,
			    .vram_bytes = vram_bytes,
			    .shared_depth = EVENT_DEPTH_UNKNOWN},
	};

	memcpy(event.command.tier, tier, strlen(tier));
	rig_step(rig, &event);
	assert_true(rig->out.has_answer);
	return &rig->out.answer;
}

static inline void rig_oom(struct rig *rig, uint32_t party, uint64_t limit_cgroup_id,
			   bool is_limit_ours)
{
	struct event event = {
		.kind = EVENT_OOM,
		.oom = {.party = party,
			.is_limit_ours = is_limit_ours,
			.record = {.header.time_ns = rig->now_ns,
				   .pid = 77,
				   .cgroup_id = 7,
				   .limit_cgroup_id = limit_cgroup_id,
				   .comm = "victim"}},
	};

	rig_step(rig, &event);
}

/* What the two processes go through, per second. */
struct rig_load {
	uint64_t other_stall_ns, model_stall_ns;
	uint64_t other_cpu_ns, other_wait_ns;
	uint64_t other_background_cpu_ns, other_background_wait_ns;
	uint64_t model_cpu_ns, model_wait_ns;
	uint64_t psi_ns;
	uint64_t host_scan_pages;
	uint64_t limit_cgroup_id;
	bool is_limit_ours;
	bool is_unwatched; /* no process records and windows */
};

static inline void rig_run_window(struct rig *rig, const struct rig_load *load)
{
	rig->other.mem_stall_ns += load->other_stall_ns / 10;
	rig->other.cpu_time_ns += load->other_cpu_ns / 10;
	rig->other.cpu_wait_ns += load->other_wait_ns / 10;
	rig->other.background_cpu_time_ns += load->other_background_cpu_ns / 10;
	rig->other.background_cpu_wait_ns += load->other_background_wait_ns / 10;
	rig->model.mem_stall_ns += load->model_stall_ns / 10;
	rig->model.cpu_time_ns += load->model_cpu_ns / 10;
	rig->model.cpu_wait_ns += load->model_wait_ns / 10;
	rig->psi_ns += load->psi_ns / 10;
	rig->host_scan_pages += load->host_scan_pages / 10;
	rig->other.limit_cgroup_id = load->limit_cgroup_id;
	rig->model.limit_cgroup_id = load->limit_cgroup_id;
	rig->now_ns += MILLIS(100);
	if (load->is_unwatched)
		return;
	rig_record(rig, PARTY_OTHERS, &rig->other, load->is_limit_ours);
	rig_record(rig, PARTY_MODEL, &rig->model, load->is_limit_ours);
	rig_window(rig, MILLIS(100));
}

/* Windows ten times a second, samples when they are asked for, ticks when they are due. */
static inline void rig_run(struct rig *rig, uint64_t duration_ns, const struct rig_load *load)
{
	static const struct rig_load idle;
	uint64_t end_ns = rig->now_ns + duration_ns;

	while (rig->now_ns < end_ns) {
		rig_run_window(rig, load ? load : &idle);
		if (rig->out.wake_at_ns <= rig->now_ns)
			rig_tick(rig);
		if (rig->out.sample_at_ns <= rig->now_ns)
			rig_sample(rig);
	}
}

/* First decision from number `since` on with this action (and reason, if not REASON_NONE). */
static inline const struct decision *rig_find(const struct rig *rig, uint32_t since,
					      uint32_t action, uint32_t reason)
{
	for (uint32_t i = since; i < rig->decision_count; i++) {
		const struct decision *decision = &rig->decisions[i];

		if (decision->action == action &&
		    (reason == REASON_NONE || decision->reason == reason))
			return decision;
	}
	return NULL;
}

static inline uint32_t rig_count(const struct rig *rig, uint32_t since, uint32_t action,
				 uint32_t reason)
{
	uint32_t count = 0;

	for (uint32_t i = since; i < rig->decision_count; i++)
		count += rig->decisions[i].action == action &&
			 (reason == REASON_NONE || rig->decisions[i].reason == reason);
	return count;
}

static inline const struct manager_line *rig_find_line(const struct rig *rig, uint32_t since,
						       uint32_t verb)
{
	for (uint32_t i = since; i < rig->line_count; i++) {
		if (rig->lines[i].verb == verb)
			return &rig->lines[i];
	}
	return NULL;
}

/* For a test that fails: what happened. */
static inline void rig_print(const struct rig *rig)
{
	for (uint32_t i = 0; i < rig->decision_count; i++) {
		const struct decision *d = &rig->decisions[i];

		print_message("%12.3f %s %s %u->%u use=%u stall=%u/%u cpu=%u/%u calm=%.1f\n",
			      (double)d->time_ns / 1e9, decision_action_name(d->action),
			      decision_reason_name(d->reason), d->from, d->to,
			      d->worst.use_permyriad, d->model_stall_above_permyriad,
			      d->others_stall_above_permyriad, d->model_cpu_wait_permyriad,
			      d->others_cpu_wait_permyriad, (double)d->calm_ns / 1e9);
	}
}

#endif
