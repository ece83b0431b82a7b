/* SPDX-License-Identifier: BSD-2-Clause */
/* How the tiers do, from what the manager tells of its tasks: in decisions and in the status. */
#include <inttypes.h>

#include "base/text.h"
#include "base/units.h"
#include "core/names.h"
#include "format.h"

/* ---- in decisions ---- */

void format_add_performance(struct json *json, const struct decision_performance *performance)
{
	if (performance->tasks == 0)
		return;
	json_begin_object(json, "performance");
	json_add_u64(json, "tasks", performance->tasks);
	json_add_u64(json, "tasks_min", performance->tasks_min);
	json_add_u64(json, "failed", performance->failed);
	json_add_u64(json, "failed_permyriad", performance->failed_permyriad);
	json_add_u64(json, "failure_above_permyriad", performance->failure_above_permyriad);
	json_add_u64(json, "p95_ms", performance->p95_ms);
	json_add_u64(json, "slo_ms", performance->slo_ms);
	json_add_u64(json, "target_p95_ms", performance->target_p95_ms);
	json_add_bool(json, "target_estimated", performance->is_target_estimated);
	json_end_object(json);
}

/* "; 12 of 20 tasks failed (limit 50%)" or "; p95 16000 ms (target 11000 ms), ..." */
void format_performance_text(struct text *text, const struct decision *decision,
			     const struct ladder *ladder)
{
	const struct decision_performance *performance = &decision->performance;
	char limit[UNITS_TEXT_LEN];

	if (decision->reason == REASON_TIER_FAILING)
		text_add(text, "; %" PRIu32 " of %" PRIu32 " tasks failed (limit %s)",
			 performance->failed, performance->tasks,
			 units_format_permyriad(performance->failure_above_permyriad, limit));
	if (decision->reason != REASON_TIER_SLOW && decision->reason != REASON_SLOW_UNPRESSED)
		return;
	text_add(text, "; p95 %" PRIu64 " ms (target %" PRIu32 " ms)", performance->p95_ms,
		 performance->slo_ms);
	if (performance->target_p95_ms > 0)
		text_add(text, ", %s %" PRIu64 " ms%s", format_tier_name(ladder, decision->to),
			 performance->target_p95_ms,
			 performance->is_target_estimated ? " expected" : "");
}

/* ---- in the status ---- */

static bool is_told_of(const struct status_tier *tier)
{
	return tier->hour.tasks > 0 || tier->running > 0 || tier->breaker != BREAKER_CLOSED;
}

static void add_tier(struct json *json, const char *name, const struct status_tier *tier)
{
	const struct task_figures *hour = &tier->hour;

	json_begin_object(json, NULL);
	json_add_string(json, "tier", name);
	json_add_u64(json, "running", tier->running);
	json_add_u64(json, "tasks", hour->tasks);
	json_add_u64(json, "failed", hour->failed);
	json_add_u64(json, "failed_permyriad", hour->failed_permyriad);
	json_add_u64(json, "span_ns", hour->span_ns);
	json_add_u64(json, "tasks_per_h", hour->tasks_per_h);
	json_add_u64(json, "p50_ms", hour->p50_ms);
	json_add_u64(json, "p95_ms", hour->p95_ms);
	json_add_u64(json, "p99_ms", hour->p99_ms);
	json_add_u64(json, "tokens", hour->tokens);
	json_add_u64(json, "tokens_per_s_permille", hour->tokens_per_s_permille);
	json_add_u64(json, "first_token_tasks", hour->first_token_tasks);
	json_add_u64(json, "first_token_p50_ms", hour->first_token_p50_ms);
	json_add_u64(json, "first_token_p95_ms", hour->first_token_p95_ms);
	json_add_u64(json, "first_token_p99_ms", hour->first_token_p99_ms);
	json_add_string(json, "breaker", breaker_state_name(tier->breaker));
	json_add_string(json, "breaker_reason", decision_reason_name(tier->reason));
	json_add_u64(json, "rest_ns", tier->rest_ns);
	json_end_object(json);
}

void format_add_tasks(struct json *json, const struct engine_status *status,
		      const struct ladder *ladder)
{
	json_begin_object(json, "tasks");
	json_add_u64(json, "running", status->tasks.running);
	json_add_u64(json, "overflowed", status->tasks.overflowed);
	json_add_u64(json, "expired", status->tasks.expired);
	json_add_u64(json, "forgotten", status->tasks.forgotten);
	json_add_u64(json, "unknown", status->tasks.unknown);
	json_end_object(json);
	json_begin_array(json, "performance");
	for (uint32_t i = 0; i < ladder->count; i++) {
		if (is_told_of(&status->tiers[i]))
			add_tier(json, ladder->tiers[i].name, &status->tiers[i]);
	}
	json_end_array(json);
}

static void tier_text(struct text *text, const char *name, const struct status_tier *tier)
{
	const struct task_figures *hour = &tier->hour;
	char failed[UNITS_TEXT_LEN];
	char tokens[UNITS_TEXT_LEN];
	uint32_t tokens_per_s =
		(uint32_t)units_min(hour->tokens_per_s_permille, UINT32_MAX) / 100 * 100;

	text_add(text, "%-12s%" PRIu32 " tasks of %" PRIu64 " min, %" PRIu64 " per hour, %s failed",
		 name, hour->tasks, hour->span_ns / (60 * NS_PER_S), hour->tasks_per_h,
		 units_format_permyriad(hour->failed_permyriad, failed));
	text_add(text, ", ms p50 %" PRIu64 " p95 %" PRIu64 " p99 %" PRIu64, hour->p50_ms,
		 hour->p95_ms, hour->p99_ms);
	if (hour->first_token_tasks > 0)
		text_add(text, ", first token p50 %" PRIu64 " p95 %" PRIu64 " p99 %" PRIu64,
			 hour->first_token_p50_ms, hour->first_token_p95_ms,
			 hour->first_token_p99_ms);
	if (hour->tokens > 0)
		text_add(text, ", %s tokens/s", units_format_permille(tokens_per_s, tokens));
	if (tier->running > 0)
		text_add(text, ", %" PRIu32 " running", tier->running);
	if (tier->breaker == BREAKER_OPEN)
		text_add(text, ", RESTS for %" PRIu64 " s: %s", tier->rest_ns / NS_PER_S,
			 decision_reason_name(tier->reason));
	else if (tier->breaker == BREAKER_HALF_OPEN)
		text_add(text, ", may be tried again after %s", decision_reason_name(tier->reason));
	text_add(text, "\n");
}

void format_tasks_text(struct text *text, const struct engine_status *status,
		       const struct ladder *ladder)
{
	bool is_any = false;

	for (uint32_t i = 0; i < ladder->count; i++) {
		if (!is_told_of(&status->tiers[i]))
			continue;
		if (!is_any)
			text_add(text, "\ntasks of the last hour\n");
		is_any = true;
		tier_text(text, ladder->tiers[i].name, &status->tiers[i]);
	}
	if (status->tasks.overflowed + status->tasks.expired > 0)
		text_add(text,
			 "%" PRIu64 " tasks were too many to follow, %" PRIu64
			 " did not end in time\n",
			 status->tasks.overflowed, status->tasks.expired);
}
