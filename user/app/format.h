/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decisions and status as NDJSON and as text for people. Pure: the same struct gives the same
 * bytes, and all times in decisions are event times, so that a replay's output can be compared
 * with cmp(1).
 *
 * Each function returns the length without the NUL; or -EMSGSIZE and an empty buffer.
 */
#ifndef TIERD_APP_FORMAT_H
#define TIERD_APP_FORMAT_H

#include <stddef.h>

#include "base/json.h"
#include "base/text.h"
#include "core/engine.h"
#include "io/bpf_cost.h"
#include "tierd/trace_format.h"

/* One line with its newline: every number compared, in a fixed order of keys. */
int format_decision_json(const struct decision *decision, const struct ladder *ladder, char *buffer,
			 size_t size);

/* One readable line, without a newline and without control characters. */
int format_decision_text(const struct decision *decision, const struct ladder *ladder, char *buffer,
			 size_t size);

enum {
	PREFLIGHT_TEXT_LEN = 16 * 1024, /* of any answer to a preflight */
};

/* The answer to a preflight: one line of JSON with its newline; several lines for people. */
int format_preflight_json(const struct preflight_answer *answer, const struct ladder *ladder,
			  char *buffer, size_t size);
int format_preflight_text(const struct preflight_answer *answer, const struct ladder *ladder,
			  char *buffer, size_t size);

/* What becomes of a recording. */
struct status_record {
	const char *path; /* NULL = there is none */
	uint64_t bytes;
	uint32_t files;
	uint64_t events;
	uint64_t dropped[TRACE_DROP_COUNT];
	int error; /* of the disk, now; negative errno or 0 */
};

/* What becomes of the state file. */
struct status_state {
	const char *path; /* NULL = nothing is kept */
	uint64_t saved;   /* times that it was written */
	uint64_t failed;
	uint64_t saved_ns; /* when it was last; 0 = not yet */
	int error;         /* of the last time; negative errno or 0 */
};

/* What the agent cost, where somebody asked. */
struct status_cost {
	uint64_t span_ns; /* the time over which it was measured */
	uint64_t user_ns; /* CPU time of the process in it */
	uint64_t system_ns;
	uint64_t life_ns; /* since the agent started, and CPU time in that */
	uint64_t life_cpu_ns;
	const char *problem; /* why the cost of the programs is not known; NULL = it is */
	struct bpf_cost bpf; /* runs and time in the span */
};

/* The agent's own share of a status; the engine does not know of these. */
struct status_agent {
	const char *run_dir;
	bool has_reader; /* of manager.fifo */
	bool is_dry_run;
	uint64_t lines_sent; /* to manager.fifo */
	uint64_t lines_dropped_full;
	uint64_t lines_dropped_no_reader;
	uint64_t bad_lines; /* from control.fifo */
	uint64_t rate_limited_lines;
	uint64_t log_lines_dropped;
	uint64_t preflights; /* answered, and how long that took in the agent */
	uint64_t preflight_p99_us;
	uint64_t preflight_max_us;
	uint64_t decisions_dropped;
	uint64_t model_processes_left_out;
	struct status_record record;
	struct status_state state;
	const struct status_cost *cost; /* NULL = not asked for */
};

/* One line of JSON, with its newline. */
int format_status_json(const struct engine_status *status, const struct status_agent *agent,
		       const struct ladder *ladder, char *buffer, size_t size);

/* Several lines, each with its newline. */
int format_status_text(const struct engine_status *status, const struct status_agent *agent,
		       const struct ladder *ladder, char *buffer, size_t size);

/* Why a tier that was asked for is refused: one line without its newline. */
int format_refusal(const struct refusal *refusal, const char *tier, const struct ladder *ladder,
		   uint32_t min_tier, char *buffer, size_t size);

/* ---- shared by the files of this module ---- */

/* "?" for an index outside the ladder. */
const char *format_tier_name(const struct ladder *ladder, uint32_t tier);

/* The tiers' tasks, for a status: members of the object that is open; lines. */
void format_add_tasks(struct json *json, const struct engine_status *status,
		      const struct ladder *ladder);
void format_tasks_text(struct text *text, const struct engine_status *status,
		       const struct ladder *ladder);

/* What the tiers take, likewise. */
void format_add_footprints(struct json *json, const struct engine_status *status,
			   const struct ladder *ladder);
void format_footprints_text(struct text *text, const struct engine_status *status,
			    const struct ladder *ladder);

/* What the agent costs. */
void format_add_cost(struct json *json, const struct status_cost *cost, uint64_t rss_bytes);
void format_cost_text(struct text *text, const struct status_cost *cost, uint64_t rss_bytes);

/* What a person has pinned. In a decision and in text, nothing where nothing is. */
void format_add_pin(struct json *json, const struct decision_pin *pin, const struct ladder *ladder);
void format_pin_text(struct text *text, const struct decision_pin *pin,
		     const struct ladder *ladder);
void format_add_status_pin(struct json *json, const struct decision_pin *pin,
			   const struct ladder *ladder);
void format_status_pin_text(struct text *text, const struct decision_pin *pin,
			    const struct ladder *ladder);

/* How the serving tier does, for a decision. Nothing where no task has been told of. */
void format_add_performance(struct json *json, const struct decision_performance *performance);
void format_performance_text(struct text *text, const struct decision *decision,
			     const struct ladder *ladder);

/* Adds the members of a decision to the object that is open. */
void format_add_decision(struct json *json, const struct decision *decision,
			 const struct ladder *ladder);

#endif
