/* SPDX-License-Identifier: BSD-2-Clause */
/* Decisions as one line of JSON and as one line for people. */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "base/utf8.h"
#include "core/names.h"
#include "format.h"

enum {
	COMM_TEXT_LEN = RECORD_COMM_LEN * 4 + 1, /* every byte escaped */
	SHARE_LEN = UNITS_TEXT_LEN,
};

/* The numbers of a decision that are shares, in the order in which they are written. */
/* clang-format off */
static const struct decision_share {
	const char *key;
	size_t offset;
} SHARES[] = {
#define SHARE(field) {.key = #field, .offset = offsetof(struct decision, field)}
	SHARE(degrade_above_permyriad),
	SHARE(upgrade_below_permyriad),
	SHARE(margin_permyriad),
	SHARE(model_stall_urgent_permyriad),
	SHARE(others_stall_urgent_permyriad),
	SHARE(stall_urgent_permyriad),
	SHARE(model_stall_above_permyriad),
	SHARE(others_stall_above_permyriad),
	SHARE(stall_above_permyriad),
	SHARE(model_stall_calm_permyriad),
	SHARE(others_stall_calm_permyriad),
	SHARE(calm_stall_permyriad),
	SHARE(model_share_permyriad),
	SHARE(share_min_permyriad),
	SHARE(model_cpu_wait_permyriad),
	SHARE(others_cpu_wait_permyriad),
	SHARE(cpu_wait_above_permyriad),
	SHARE(others_demand_permyriad),
	SHARE(forecast_permyriad),
	SHARE(trust_permyriad),
#undef SHARE
};
/* clang-format on */

const char *format_tier_name(const struct ladder *ladder, uint32_t tier)
{
	return tier < ladder->count ? ladder->tiers[tier].name : "?";
}

static void add_use(struct json *json, const struct decision_use *use)
{
	json_begin_object(json, "worst");
	json_add_string(json, "resource", resource_kind_name(use->kind));
	json_add_u64(json, "index", use->index);
	json_add_u64(json, "capacity_bytes", use->capacity_bytes);
	json_add_u64(json, "others_bytes", use->others_bytes);
	json_add_u64(json, "use_permyriad", use->use_permyriad);
	json_add_u64(json, "target_permyriad", use->target_permyriad);
	json_add_u64(json, "peak_permyriad", use->peak_permyriad);
	json_end_object(json);
}

static void add_process(struct json *json, const char *key, const struct decision_process *process)
{
	if (process->pid == 0) {
		json_add_null(json, key);
		return;
	}
	json_begin_object(json, key);
	json_add_u64(json, "pid", process->pid);
	json_add_field(json, "comm", process->comm, sizeof(process->comm));
	json_add_u64(json, "cgroup_id", process->cgroup_id);
	json_add_string(json, "party", party_name(process->party));
	json_add_u64(json, "amount", process->amount);
	json_end_object(json);
}

void format_add_decision(struct json *json, const struct decision *decision,
			 const struct ladder *ladder)
{
	json_add_u64(json, "time_ns", decision->time_ns);
	json_add_string(json, "action", decision_action_name(decision->action));
	json_add_string(json, "reason", decision_reason_name(decision->reason));
	json_add_u64(json, "seq", decision->seq);
	json_add_string(json, "mode", switch_mode_name(decision->mode));
	json_add_string(json, "policy", policy_kind_name(decision->policy));
	json_add_string(json, "source", pressure_source_name(decision->source));
	json_add_string(json, "from", format_tier_name(ladder, decision->from));
	json_add_string(json, "to", format_tier_name(ladder, decision->to));
	add_use(json, &decision->worst);
	for (size_t i = 0; i < ARRAY_SIZE(SHARES); i++) {
		uint32_t share;

		memcpy(&share, (const char *)decision + SHARES[i].offset, sizeof(share));
		json_add_u64(json, SHARES[i].key, share);
	}
	json_add_i64(json, "trend_permyriad_per_min", decision->trend_permyriad_per_min);
	json_add_u64(json, "expected_calm_ns", decision->expected_calm_ns);
	json_add_i64(json, "gain_ms", decision->gain_ms);
	json_add_u64(json, "calm_ns", decision->calm_ns);
	json_add_u64(json, "stabilization_ns", decision->stabilization_ns);
	json_add_u64(json, "lost_bulk", decision->lost_bulk);
	json_add_u64(json, "lost_urgent", decision->lost_urgent);
	json_add_u64(json, "lost_samples", decision->lost_samples);
	json_add_bool(json, "data_degraded", decision->is_data_degraded);
	json_add_bool(json, "model_unseen", decision->is_model_unseen);
	json_add_bool(json, "tier_assumed", decision->is_tier_assumed);
	format_add_performance(json, &decision->performance);
	format_add_pin(json, &decision->pin, ladder);
	add_process(json, "victim", &decision->victim);
	add_process(json, "culprit", &decision->culprit);
}

int format_decision_json(const struct decision *decision, const struct ladder *ladder, char *buffer,
			 size_t size)
{
	struct json json;

	json_init(&json, buffer, size);
	json_begin_object(&json, NULL);
	format_add_decision(&json, decision, ladder);
	json_end_object(&json);
	return json_finish(&json);
}

/* What is done, in words. */
static void add_action(struct text *text, const struct decision *decision,
		       const struct ladder *ladder)
{
	const char *from = format_tier_name(ladder, decision->from);
	const char *to = format_tier_name(ladder, decision->to);
	const char *action = decision_action_name(decision->action);

	switch (decision->action) {
	case DECISION_SWITCH:
		text_add(text, "%s %s -> %s, %s", action, from, to,
			 switch_mode_name(decision->mode));
		break;
	case DECISION_CANCEL:
	case DECISION_DONE:
	case DECISION_FAILED:
		text_add(text, "%s %s -> %s", action, from, to);
		break;
	default:
		if (decision->from == decision->to)
			text_add(text, "%s %s", action, from);
		else
			text_add(text, "%s %s, not %s", action, from, to);
	}
	if (decision->seq > 0)
		text_add(text, " #%" PRIu64, decision->seq);
	text_add(text, ": %s", decision_reason_name(decision->reason));
}

/* "; host-memory 93.4% of 16.0 GiB, others 12.3 GiB, with small 71.2%". */
static void add_use_text(struct text *text, const struct decision *decision,
			 const struct ladder *ladder)
{
	const struct decision_use *use = &decision->worst;
	char number[UNITS_TEXT_LEN];
	char capacity[UNITS_TEXT_LEN];
	char share[SHARE_LEN];

	if (use->capacity_bytes == 0)
		return;
	text_add(text, "; %s", resource_kind_name(use->kind));
	if (use->kind == RESOURCE_VRAM)
		text_add(text, " %" PRIu32, use->index);
	text_add(text, " %s of %s, others %s", units_format_permyriad(use->use_permyriad, share),
		 units_format_bytes_rounded(use->capacity_bytes, capacity),
		 units_format_bytes_rounded(use->others_bytes, number));
	if (decision->to != decision->from)
		text_add(text, ", with %s %s", format_tier_name(ladder, decision->to),
			 units_format_permyriad(use->target_permyriad, share));
}

/* Two parties' shares against their threshold; nothing where nobody stalls. */
static void add_pair(struct text *text, const char *name, uint32_t model, uint32_t others,
		     uint32_t limit)
{
	char model_text[SHARE_LEN];
	char others_text[SHARE_LEN];
	char limit_text[SHARE_LEN];

	if (model == 0 && others == 0)
		return;
	text_add(text, "; %s model %s others %s (limit %s)", name,
		 units_format_permyriad(model, model_text),
		 units_format_permyriad(others, others_text),
		 units_format_permyriad(limit, limit_text));
}

static void add_pressure(struct text *text, const struct decision *decision)
{
	if (decision->reason == REASON_STALL_OVER_URGENT)
		add_pair(text, "memory stall", decision->model_stall_urgent_permyriad,
			 decision->others_stall_urgent_permyriad, decision->stall_urgent_permyriad);
	else
		add_pair(text, "memory stall", decision->model_stall_above_permyriad,
			 decision->others_stall_above_permyriad, decision->stall_above_permyriad);
	add_pair(text, "cpu wait", decision->model_cpu_wait_permyriad,
		 decision->others_cpu_wait_permyriad, decision->cpu_wait_above_permyriad);
}

/* The unit of a culprit's amount follows from what it is blamed for. */
static void add_culprit_amount(struct text *text, const struct decision *decision)
{
	char number[UNITS_TEXT_LEN];

	switch (decision->reason) {
	case REASON_CPU_WAIT_MODEL:
	case REASON_CPU_WAIT_OTHERS:
		text_add(text, " ran %" PRIu64 " ms", decision->culprit.amount / NS_PER_MS);
		break;
	case REASON_USE_OVER_DEGRADE:
	case REASON_USE_OVER_UPGRADE:
	case REASON_STALL_OVER_URGENT:
	case REASON_STALL_OVER_ABOVE:
	case REASON_OOM_GROUP:
	case REASON_OOM_HOST:
		text_add(text, " took %s",
			 units_format_bytes_rounded(decision->culprit.amount, number));
		break;
	default:
		break;
	}
}

static void add_blame(struct text *text, const struct decision *decision)
{
	const struct decision_process *victim = &decision->victim;
	const struct decision_process *culprit = &decision->culprit;
	char comm[COMM_TEXT_LEN];

	if (victim->pid) {
		utf8_copy_printable(victim->comm, strnlen(victim->comm, RECORD_COMM_LEN), comm,
				    sizeof(comm));
		text_add(text, "; victim %s:%" PRIu32, comm, victim->pid);
		if (victim->amount > 0)
			text_add(text, " stalled %" PRIu64 " ms", victim->amount / NS_PER_MS);
	}
	if (culprit->pid) {
		utf8_copy_printable(culprit->comm, strnlen(culprit->comm, RECORD_COMM_LEN), comm,
				    sizeof(comm));
		text_add(text, "; culprit %s:%" PRIu32, comm, culprit->pid);
		add_culprit_amount(text, decision);
	}
}

static void add_doubts(struct text *text, const struct decision *decision)
{
	uint64_t lost = units_plus(units_plus(decision->lost_bulk, decision->lost_urgent),
				   decision->lost_samples);

	if (decision->reason == REASON_STABILIZING || decision->reason == REASON_CALM)
		text_add(text, "; calm %" PRIu64 " of %" PRIu64 " s", decision->calm_ns / NS_PER_S,
			 decision->stabilization_ns / NS_PER_S);
	if (lost > 0)
		text_add(text, "; lost %" PRIu64, lost);
	if (decision->is_data_degraded)
		text_add(text, "; samples only");
	if (decision->is_model_unseen)
		text_add(text, "; model unseen");
}

int format_decision_text(const struct decision *decision, const struct ladder *ladder, char *buffer,
			 size_t size)
{
	struct text text;

	text_init(&text, buffer, size);
	add_action(&text, decision, ladder);
	add_use_text(&text, decision, ladder);
	add_pressure(&text, decision);
	format_performance_text(&text, decision, ladder);
	add_blame(&text, decision);
	format_pin_text(&text, &decision->pin, ladder);
	add_doubts(&text, decision);
	return text_finish(&text);
}
