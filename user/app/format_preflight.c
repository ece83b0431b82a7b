// SPDX-License-Identifier: BSD-2-Clause
/* The answer to a preflight: as one line of JSON, and as a few lines for people. */
#include <inttypes.h>

#include "base/units.h"
#include "core/names.h"
#include "format.h"

enum {
	SENTENCE_LEN = 512,
};

static bool is_for_tier(const struct preflight_answer *answer)
{
	return answer->question.tier != PREFLIGHT_TIER_NONE;
}

/* ---- the sentence ------------------------------------------------------------------------------
 */

static const char *noun(uint32_t kind)
{
	static const char *const nouns[RESOURCE_KIND_COUNT] = {
		[RESOURCE_HOST_MEMORY] = "memory",
		[RESOURCE_GROUP_MEMORY] = "memory in control group",
		[RESOURCE_VRAM] = "memory of GPU",
	};

	return nouns[kind];
}

static void add_resource_name(struct text *text, const struct preflight_need *need)
{
	text_add(text, "%s", noun(need->kind));
	if (need->kind != RESOURCE_HOST_MEMORY)
		text_add(text, " %" PRIu32, need->index);
}

static void add_subject(struct text *text, const struct preflight_answer *answer,
			const struct ladder *ladder)
{
	char bytes[UNITS_TEXT_LEN];

	if (is_for_tier(answer)) {
		text_add(text, "%s", format_tier_name(ladder, answer->question.tier));
		return;
	}
	text_add(text, "%s of memory",
		 units_format_bytes_rounded(answer->question.memory_bytes, bytes));
	if (answer->question.vram_bytes > 0)
		text_add(text, " with %s of a GPU",
			 units_format_bytes_rounded(answer->question.vram_bytes, bytes));
}

static void add_worst(struct text *text, const struct preflight_answer *answer)
{
	const struct preflight_need *worst = &answer->needs[answer->worst];
	char need[UNITS_TEXT_LEN];
	char have[UNITS_TEXT_LEN];

	if (answer->need_count == 0) {
		text_add(text, ": nothing more is needed");
		return;
	}
	text_add(text, ": %s of ", units_format_bytes_rounded(worst->need_bytes, need));
	add_resource_name(text, worst);
	text_add(text, " needed, %s left under upgrade_below",
		 units_format_bytes_rounded(worst->have_bytes, have));
}

static void add_reserved(struct text *text, const struct preflight_answer *answer)
{
	char bytes[UNITS_TEXT_LEN];

	add_worst(text, answer);
	text_add(text, "; %s more are reserved for earlier questions, the first for %" PRIu64 " s",
		 units_format_bytes_rounded(answer->needs[answer->worst].reserved_bytes, bytes),
		 answer->first_end_ns / NS_PER_S);
}

static void add_cpu_short(struct text *text, const struct preflight_answer *answer)
{
	char need[UNITS_TEXT_LEN];
	char have[UNITS_TEXT_LEN];

	text_add(text, ": %s cores needed, %s left",
		 units_format_permille(answer->cpu.need_permille, need),
		 units_format_permille(answer->cpu.have_permille, have));
}

static void add_reason(struct text *text, const struct preflight_answer *answer)
{
	switch ((enum preflight_reason)answer->reason) {
	case PREFLIGHT_FITS:
	case PREFLIGHT_SHORT:
		add_worst(text, answer);
		break;
	case PREFLIGHT_RESERVED:
		add_reserved(text, answer);
		break;
	case PREFLIGHT_CPU_SHORT:
		add_cpu_short(text, answer);
		break;
	case PREFLIGHT_NO_SAMPLE:
		text_add(text, ": nothing has been measured yet");
		break;
	case PREFLIGHT_NO_GPU:
		text_add(text, ": no GPU is measured here");
		break;
	case PREFLIGHT_STALLED:
		text_add(text, ": processes wait for memory right now, whatever is free");
		break;
	case PREFLIGHT_TOO_MANY:
		text_add(text,
			 ": it would, but %d reservations are open already, the first for %" PRIu64
			 " s",
			 PREFLIGHT_RESERVATIONS_MAX, answer->first_end_ns / NS_PER_S);
		break;
	case PREFLIGHT_REASON_COUNT:
		break;
	}
}

/* "medium fits: 4.0 GiB of memory needed, ..." */
static void add_sentence(struct text *text, const struct preflight_answer *answer,
			 const struct ladder *ladder)
{
	add_subject(text, answer, ladder);
	text_add(text, "%s", answer->does_fit ? " fits" : " does not fit");
	add_reason(text, answer);
}

/* ---- JSON --------------------------------------------------------------------------------------
 */

static void add_tier(struct json *json, const char *key, const struct ladder *ladder, uint32_t tier)
{
	if (tier == PREFLIGHT_TIER_NONE)
		json_add_null(json, key);
	else
		json_add_string(json, key, format_tier_name(ladder, tier));
}

static void add_needs(struct json *json, const struct preflight_answer *answer)
{
	json_begin_array(json, "resources");
	for (uint32_t i = 0; i < answer->need_count; i++) {
		const struct preflight_need *need = &answer->needs[i];

		json_begin_object(json, NULL);
		json_add_string(json, "resource", resource_kind_name(need->kind));
		json_add_u64(json, "index", need->index);
		json_add_bool(json, "fits", need->does_fit);
		json_add_u64(json, "need_bytes", need->need_bytes);
		json_add_u64(json, "have_bytes", need->have_bytes);
		json_add_u64(json, "capacity_bytes", need->capacity_bytes);
		json_add_u64(json, "limit_bytes", need->limit_bytes);
		json_add_u64(json, "others_bytes", need->others_bytes);
		json_add_u64(json, "model_bytes", need->model_bytes);
		json_add_u64(json, "reserved_bytes", need->reserved_bytes);
		json_add_u64(json, "use_permyriad", need->use_permyriad);
		json_end_object(json);
	}
	json_end_array(json);
}

static void add_cpu(struct json *json, const struct preflight_cpu *cpu)
{
	if (!cpu->is_asked) {
		json_add_null(json, "cpu");
		return;
	}
	json_begin_object(json, "cpu");
	json_add_bool(json, "fits", cpu->does_fit);
	json_add_bool(json, "measured", cpu->is_measured);
	json_add_u64(json, "need_millicpus", cpu->need_permille);
	json_add_u64(json, "have_millicpus", cpu->have_permille);
	json_add_u64(json, "capacity_millicpus", cpu->capacity_permille);
	json_add_u64(json, "others_millicpus", cpu->others_permille);
	json_add_u64(json, "model_millicpus", cpu->model_permille);
	json_add_u64(json, "reserved_millicpus", cpu->reserved_permille);
	json_end_object(json);
}

int format_preflight_json(const struct preflight_answer *answer, const struct ladder *ladder,
			  char *buffer, size_t size)
{
	char sentence[SENTENCE_LEN];
	struct text text;
	struct json json;

	text_init(&text, sentence, sizeof(sentence));
	add_sentence(&text, answer, ladder);
	text_finish(&text);
	json_init(&json, buffer, size);
	json_begin_object(&json, NULL);
	json_add_u64(&json, "time_ns", answer->time_ns);
	json_add_string(&json, "action", "preflight");
	json_add_bool(&json, "fits", answer->does_fit);
	json_add_string(&json, "reason", preflight_reason_name(answer->reason));
	json_add_string(&json, "why", sentence);
	add_tier(&json, "tier", ladder, answer->question.tier);
	json_add_u64(&json, "memory_bytes", answer->question.memory_bytes);
	json_add_u64(&json, "vram_bytes", answer->question.vram_bytes);
	json_add_u64(&json, "millicpus", answer->question.cpus_permille);
	add_tier(&json, "serving", ladder, answer->serving);
	add_tier(&json, "largest", ladder, answer->largest);
	json_add_u64(&json, "reserved_ns", answer->reserved_ns);
	add_needs(&json, answer);
	add_cpu(&json, &answer->cpu);
	json_end_object(&json);
	return json_finish(&json);
}

/* ---- text --------------------------------------------------------------------------------------
 */

static void need_text(struct text *text, const struct preflight_need *need)
{
	char bytes[6][UNITS_TEXT_LEN];

	text_add(text, "%-12s%" PRIu32 ": need %s, have %s", resource_kind_name(need->kind),
		 need->index, units_format_bytes_rounded(need->need_bytes, bytes[0]),
		 units_format_bytes_rounded(need->have_bytes, bytes[1]));
	text_add(text, " (others %s, model %s, reserved %s, limit %s)%s\n",
		 units_format_bytes_rounded(need->others_bytes, bytes[2]),
		 units_format_bytes_rounded(need->model_bytes, bytes[3]),
		 units_format_bytes_rounded(need->reserved_bytes, bytes[4]),
		 units_format_bytes_rounded(need->limit_bytes, bytes[5]),
		 need->does_fit ? "" : " SHORT");
}

static void cpu_text(struct text *text, const struct preflight_cpu *cpu)
{
	char cores[5][UNITS_TEXT_LEN];

	if (!cpu->is_asked)
		return;
	text_add(text,
		 "cpu          need %s cores, have %s (others %s%s, model %s, reserved %s)%s\n",
		 units_format_permille(cpu->need_permille, cores[0]),
		 units_format_permille(cpu->have_permille, cores[1]),
		 units_format_permille(cpu->others_permille, cores[2]),
		 cpu->is_measured ? "" : ": not measured",
		 units_format_permille(cpu->model_permille, cores[3]),
		 units_format_permille(cpu->reserved_permille, cores[4]),
		 cpu->does_fit ? "" : " SHORT");
}

int format_preflight_text(const struct preflight_answer *answer, const struct ladder *ladder,
			  char *buffer, size_t size)
{
	struct text text;

	text_init(&text, buffer, size);
	text_add(&text, "%s: ", answer->does_fit ? "yes" : "no");
	add_sentence(&text, answer, ladder);
	text_add(&text, "\n%s %s\n",
		 is_for_tier(answer) ? "largest tier that fits now:"
				     : "largest tier that fits beside it:",
		 answer->largest == PREFLIGHT_TIER_NONE
			 ? "none"
			 : format_tier_name(ladder, answer->largest));
	for (uint32_t i = 0; i < answer->need_count; i++)
		need_text(&text, &answer->needs[i]);
	cpu_text(&text, &answer->cpu);
	if (answer->reserved_ns > 0)
		text_add(&text, "reserved     for %" PRIu64 " ms, or until it is taken\n",
			 answer->reserved_ns / NS_PER_MS);
	return text_finish(&text);
}
