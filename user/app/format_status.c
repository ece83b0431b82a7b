/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent's status as one line of JSON and as a page for people. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "base/utf8.h"
#include "core/names.h"
#include "format.h"
#include "version.h"

enum {
	COMM_TEXT_LEN = RECORD_COMM_LEN * 4 + 1,
};

static uint32_t resource_count(const struct engine_status *status)
{
	return (uint32_t)units_min(status->sample.resource_count, EVENT_RESOURCES_MAX);
}

static uint32_t process_count(const struct engine_status *status)
{
	return (uint32_t)units_min(status->process_count, STATUS_PROCESSES_MAX);
}

/* ---- JSON ---- */

static void add_state(struct json *json, const struct engine_status *status,
		      const struct ladder *ladder)
{
	json_add_u64(json, "time_ns", status->time_ns);
	json_add_bool(json, "started", status->is_started);
	json_add_string(json, "wanted", format_tier_name(ladder, status->wanted_tier));
	json_add_string(json, "actual", format_tier_name(ladder, status->actual_tier));
	json_add_bool(json, "tier_assumed", status->is_tier_assumed);
	json_add_string(json, "phase", switch_state_name(status->switch_state));
	json_add_u64(json, "seq", status->seq);
	json_add_string(json, "source", pressure_source_name(status->source));
	json_add_bool(json, "paused", status->is_paused);
	json_add_bool(json, "model_unseen", status->is_model_unseen);
	json_add_bool(json, "data_degraded", status->is_data_degraded);
}

static void add_resources(struct json *json, const struct event_sample *sample, uint32_t count)
{
	json_begin_array(json, "resources");
	for (uint32_t i = 0; i < count; i++) {
		const struct event_resource *resource = &sample->resources[i];

		json_begin_object(json, NULL);
		json_add_string(json, "resource", resource_kind_name(resource->kind));
		json_add_u64(json, "index", resource->index);
		json_add_u64(json, "capacity_bytes", resource->capacity_bytes);
		json_add_u64(json, "used_bytes", resource->used_bytes);
		json_add_u64(json, "model_bytes", resource->model_bytes);
		json_end_object(json);
	}
	json_end_array(json);
}

static void add_sample(struct json *json, const struct engine_status *status)
{
	const struct event_sample *sample = &status->sample;

	add_resources(json, sample, resource_count(status));
	json_begin_object(json, "system");
	json_add_u64(json, "cpus", sample->cpu_count);
	json_add_u64(json, "cpu_busy_ns", sample->cpu_busy_ns);
	json_add_u64(json, "swap_total_bytes", sample->swap_total_bytes);
	json_add_u64(json, "swap_free_bytes", sample->swap_free_bytes);
	json_add_u64(json, "psi_cpu_some_ns", sample->psi_cpu_some_ns);
	json_add_u64(json, "psi_mem_some_ns", sample->psi_mem_some_ns);
	json_add_u64(json, "psi_mem_full_ns", sample->psi_mem_full_ns);
	json_add_u64(json, "psi_io_some_ns", sample->psi_io_some_ns);
	json_add_u64(json, "psi_io_full_ns", sample->psi_io_full_ns);
	json_add_u64(json, "model_processes", sample->model_processes);
	json_end_object(json);
	json_begin_object(json, "own");
	json_add_u64(json, "cpu_ns", sample->own_cpu_ns);
	json_add_u64(json, "rss_bytes", sample->own_rss_bytes);
	json_end_object(json);
}

static void add_losses(struct json *json, const struct engine_status *status)
{
	json_begin_object(json, "lost");
	for (uint32_t cause = 0; cause < LOSS_CAUSE_COUNT; cause++)
		json_add_u64(json, loss_cause_name(cause), status->lost[cause]);
	json_end_object(json);
	json_begin_object(json, "slots");
	json_add_u64(json, "used", status->slots_used);
	json_add_u64(json, "max", status->slots_max);
	json_end_object(json);
}

static void add_host(struct json *json, const struct host_counters *host)
{
	json_begin_object(json, "host");
	json_add_u64(json, "forks", host->forks);
	json_add_u64(json, "execs", host->execs);
	json_add_u64(json, "exits", host->exits);
	json_add_u64(json, "kswapd_wakes", host->kswapd_wakes);
	json_add_u64(json, "kswapd_active_ms", host->kswapd_active_ns / NS_PER_MS);
	json_add_u64(json, "oom_victims", host->oom_victims);
	json_add_u64(json, "process_records", host->process_records);
	json_add_u64(json, "urgent_records", host->urgent_records);
	json_add_u64(json, "threads_walked", host->threads_walked);
	json_end_object(json);
}

static void add_agent(struct json *json, const struct status_agent *agent)
{
	json_begin_object(json, "agent");
	json_add_string(json, "version", TIERD_VERSION);
	json_add_string(json, "run_dir", agent->run_dir);
	json_add_bool(json, "dry_run", agent->is_dry_run);
	json_add_bool(json, "has_reader", agent->has_reader);
	json_add_u64(json, "lines_sent", agent->lines_sent);
	json_add_u64(json, "lines_dropped_full", agent->lines_dropped_full);
	json_add_u64(json, "lines_dropped_no_reader", agent->lines_dropped_no_reader);
	json_add_u64(json, "bad_lines", agent->bad_lines);
	json_add_u64(json, "rate_limited_lines", agent->rate_limited_lines);
	json_add_u64(json, "log_lines_dropped", agent->log_lines_dropped);
	json_add_u64(json, "preflights", agent->preflights);
	json_add_u64(json, "preflight_p99_us", agent->preflight_p99_us);
	json_add_u64(json, "preflight_max_us", agent->preflight_max_us);
	json_add_u64(json, "decisions_dropped", agent->decisions_dropped);
	json_add_u64(json, "model_processes_left_out", agent->model_processes_left_out);
	json_end_object(json);
}

static void add_record(struct json *json, const struct status_record *record)
{
	if (!record->path) {
		json_add_null(json, "recording");
		return;
	}
	json_begin_object(json, "recording");
	json_add_string(json, "path", record->path);
	json_add_u64(json, "bytes", record->bytes);
	json_add_u64(json, "files", record->files);
	json_add_u64(json, "events", record->events);
	json_add_u64(json, "dropped_slow", record->dropped[TRACE_DROP_SLOW]);
	json_add_u64(json, "dropped_disk", record->dropped[TRACE_DROP_DISK]);
	json_add_u64(json, "dropped_too_large", record->dropped[TRACE_DROP_TOO_LARGE]);
	json_add_bool(json, "failing", record->error < 0);
	json_end_object(json);
}

static void add_kept(struct json *json, const struct status_state *state, uint64_t now_ns)
{
	if (!state->path) {
		json_add_null(json, "state");
		return;
	}
	json_begin_object(json, "state");
	json_add_string(json, "path", state->path);
	json_add_u64(json, "saved", state->saved);
	if (state->saved)
		json_add_u64(json, "age_ms", units_minus(now_ns, state->saved_ns) / NS_PER_MS);
	else
		json_add_null(json, "age_ms");
	json_add_u64(json, "failed", state->failed);
	if (state->error < 0)
		json_add_string(json, "error", strerror(-state->error));
	else
		json_add_null(json, "error");
	json_end_object(json);
}

static void add_processes(struct json *json, const struct engine_status *status)
{
	json_begin_array(json, "processes");
	for (uint32_t i = 0; i < process_count(status); i++) {
		const struct status_process *process = &status->processes[i];

		json_begin_object(json, NULL);
		json_add_u64(json, "pid", process->pid);
		json_add_field(json, "comm", process->comm, sizeof(process->comm));
		json_add_string(json, "party", party_name(process->party));
		json_add_u64(json, "cgroup_id", process->cgroup_id);
		json_add_u64(json, "cpu_time_ms", process->cpu_time_ns / NS_PER_MS);
		json_add_u64(json, "cpu_wait_ms", process->cpu_wait_ns / NS_PER_MS);
		json_add_u64(json, "mem_stall_ms", process->mem_stall_ns / NS_PER_MS);
		json_add_u64(json, "io_stall_ms", process->io_stall_ns / NS_PER_MS);
		json_add_u64(json, "reclaim_count", process->reclaim_count);
		json_add_u64(json, "anon_bytes", process->anon_bytes);
		json_end_object(json);
	}
	json_end_array(json);
}

int format_status_json(const struct engine_status *status, const struct status_agent *agent,
		       const struct ladder *ladder, char *buffer, size_t size)
{
	struct json json;

	json_init(&json, buffer, size);
	json_begin_object(&json, NULL);
	add_state(&json, status, ladder);
	format_add_status_pin(&json, &status->last.pin, ladder);
	json_begin_array(&json, "ladder");
	for (uint32_t i = 0; i < ladder->count; i++)
		json_add_string(&json, NULL, ladder->tiers[i].name);
	json_end_array(&json);
	json_begin_object(&json, "last");
	format_add_decision(&json, &status->last, ladder);
	json_end_object(&json);
	add_sample(&json, status);
	add_losses(&json, status);
	add_host(&json, &status->host);
	add_agent(&json, agent);
	add_record(&json, &agent->record);
	add_kept(&json, &agent->state, status->time_ns);
	if (agent->cost)
		format_add_cost(&json, agent->cost, status->sample.own_rss_bytes);
	json_add_u64(&json, "reservations", status->reservation_count);
	format_add_footprints(&json, status, ladder);
	format_add_tasks(&json, status, ladder);
	add_processes(&json, status);
	json_end_object(&json);
	return json_finish(&json);
}

/* ---- text ---- */

static void text_state(struct text *text, const struct engine_status *status,
		       const struct ladder *ladder)
{
	text_add(text, "tier        wanted %s, actual %s%s, %s, %" PRIu32 " task%s running",
		 format_tier_name(ladder, status->wanted_tier),
		 format_tier_name(ladder, status->actual_tier),
		 status->is_tier_assumed ? " (assumed: no manager said so)" : "",
		 switch_state_name(status->switch_state), status->tasks.running,
		 status->tasks.running == 1 ? "" : "s");
	if (!status->is_started)
		text_add(text, ", warming up");
	if (status->is_paused)
		text_add(text, ", PAUSED");
	text_add(text, "\nladder      ");
	for (uint32_t i = 0; i < ladder->count; i++)
		text_add(text, "%s%s", i > 0 ? " < " : "", ladder->tiers[i].name);
	text_add(text, "\nsource      %s%s%s\n", pressure_source_name(status->source),
		 status->is_model_unseen ? ", no process of the model found" : "",
		 status->is_data_degraded ? ", too much was lost: samples only" : "");
}

static void text_resources(struct text *text, const struct engine_status *status)
{
	for (uint32_t i = 0; i < resource_count(status); i++) {
		const struct event_resource *resource = &status->sample.resources[i];
		char used[UNITS_TEXT_LEN];
		char capacity[UNITS_TEXT_LEN];
		char model[UNITS_TEXT_LEN];
		char share[UNITS_TEXT_LEN];
		uint32_t use = units_permyriad(resource->used_bytes, resource->capacity_bytes);

		text_add(text, "%-12s%" PRIu32 ": %s of %s used (%s), model %s\n",
			 resource_kind_name(resource->kind), resource->index,
			 units_format_bytes_rounded(resource->used_bytes, used),
			 units_format_bytes_rounded(resource->capacity_bytes, capacity),
			 units_format_permyriad(use, share),
			 units_format_bytes_rounded(resource->model_bytes, model));
	}
}

static void text_pressure(struct text *text, const struct decision *now)
{
	char model[UNITS_TEXT_LEN];
	char others[UNITS_TEXT_LEN];

	text_add(text, "memory stall model %s, others %s\n",
		 units_format_permyriad(now->model_stall_above_permyriad, model),
		 units_format_permyriad(now->others_stall_above_permyriad, others));
	text_add(text, "cpu wait    model %s, others %s\n",
		 units_format_permyriad(now->model_cpu_wait_permyriad, model),
		 units_format_permyriad(now->others_cpu_wait_permyriad, others));
	text_add(text, "calm        for %" PRIu64 " s, a step up needs %" PRIu64 " s\n",
		 now->calm_ns / NS_PER_S, now->stabilization_ns / NS_PER_S);
}

static void text_losses(struct text *text, const struct engine_status *status)
{
	bool is_any = false;

	text_add(text, "lost       ");
	for (uint32_t cause = 0; cause < LOSS_CAUSE_COUNT; cause++) {
		if (status->lost[cause] == 0)
			continue;
		text_add(text, " %s %" PRIu64, loss_cause_name(cause), status->lost[cause]);
		is_any = true;
	}
	text_add(text, "%s\n", is_any ? "" : " nothing");
}

static void text_agent(struct text *text, const struct engine_status *status,
		       const struct status_agent *agent)
{
	char rss[UNITS_TEXT_LEN];

	text_add(text,
		 "agent       tierd %s in %s%s, cpu %" PRIu64 " ms, memory %s, %" PRIu32
		 " of %" PRIu32 " slots\n",
		 TIERD_VERSION, agent->run_dir, agent->is_dry_run ? ", dry run" : "",
		 status->sample.own_cpu_ns / NS_PER_MS,
		 units_format_bytes_rounded(status->sample.own_rss_bytes, rss), status->slots_used,
		 status->slots_max);
	text_add(text,
		 "manager     %s, %" PRIu64 " lines sent, %" PRIu64 " had no reader, %" PRIu64
		 " no room\n",
		 agent->has_reader ? "listening" : "nobody listens", agent->lines_sent,
		 agent->lines_dropped_no_reader, agent->lines_dropped_full);
	if (agent->bad_lines + agent->rate_limited_lines + agent->log_lines_dropped +
		    agent->decisions_dropped >
	    0)
		text_add(text,
			 "dropped     %" PRIu64 " bad and %" PRIu64
			 " too frequent control lines, %" PRIu64 " log lines, %" PRIu64
			 " decisions\n",
			 agent->bad_lines, agent->rate_limited_lines, agent->log_lines_dropped,
			 agent->decisions_dropped);
	if (agent->model_processes_left_out > 0)
		text_add(text, "left out    %" PRIu64 " processes of the model\n",
			 agent->model_processes_left_out);
}

static void text_record(struct text *text, const struct status_record *record)
{
	uint64_t dropped = record->dropped[TRACE_DROP_SLOW] + record->dropped[TRACE_DROP_DISK] +
			   record->dropped[TRACE_DROP_TOO_LARGE];
	char bytes[UNITS_TEXT_LEN];

	if (!record->path)
		return;
	text_add(text,
		 "recording   %s, %s in %" PRIu32 " file%s, %" PRIu64 " events, %" PRIu64
		 " dropped%s\n",
		 record->path, units_format_bytes_rounded(record->bytes, bytes), record->files,
		 record->files == 1 ? "" : "s", record->events, dropped,
		 record->error < 0 ? ", THE DISK FAILS" : "");
}

static void text_kept(struct text *text, const struct status_state *state, uint64_t now_ns)
{
	uint64_t age_ns = units_minus(now_ns, state->saved_ns);

	if (!state->path)
		return;
	text_add(text, "state file  %s", state->path);
	if (state->saved)
		text_add(text, ", written %" PRIu64 " s ago", age_ns / NS_PER_S);
	else
		text_add(text, ", not yet written");
	if (state->error < 0)
		text_add(text, ", CANNOT BE WRITTEN: %s", strerror(-state->error));
	text_add(text, "\n");
}

static void text_processes(struct text *text, const struct engine_status *status)
{
	if (process_count(status) == 0) {
		text_add(text, "\nno process is under pressure\n");
		return;
	}
	text_add(text, "\nmost pressed in the last minute (ms)\n%10s %-7s %9s %9s %9s %9s  %s\n",
		 "pid", "party", "cpu wait", "memory", "io", "cpu", "name");
	for (uint32_t i = 0; i < process_count(status); i++) {
		const struct status_process *process = &status->processes[i];
		char comm[COMM_TEXT_LEN];

		utf8_copy_printable(process->comm, strnlen(process->comm, sizeof(process->comm)),
				    comm, sizeof(comm));
		text_add(text,
			 "%10" PRIu32 " %-7s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64
			 "  %s\n",
			 process->pid, party_name(process->party), process->cpu_wait_ns / NS_PER_MS,
			 process->mem_stall_ns / NS_PER_MS, process->io_stall_ns / NS_PER_MS,
			 process->cpu_time_ns / NS_PER_MS, comm);
	}
}

int format_status_text(const struct engine_status *status, const struct status_agent *agent,
		       const struct ladder *ladder, char *buffer, size_t size)
{
	struct text text;

	text_init(&text, buffer, size);
	text_state(&text, status, ladder);
	format_status_pin_text(&text, &status->last.pin, ladder);
	text_resources(&text, status);
	text_pressure(&text, &status->last);
	text_losses(&text, status);
	text_agent(&text, status, agent);
	text_record(&text, &agent->record);
	text_kept(&text, &agent->state, status->time_ns);
	if (agent->cost)
		format_cost_text(&text, agent->cost, status->sample.own_rss_bytes);
	text_add(&text, "last        %s: %s\n", decision_action_name(status->last.action),
		 decision_reason_name(status->last.reason));
	format_footprints_text(&text, status, ladder);
	format_tasks_text(&text, status, ladder);
	text_processes(&text, status);
	return text_finish(&text);
}
