/* SPDX-License-Identifier: BSD-2-Clause */
/* A pin, for decisions and status; and why a command was refused. */
#include <inttypes.h>

#include "base/units.h"
#include "core/names.h"
#include "format.h"

static void add_pin(struct json *json, const struct decision_pin *pin, const struct ladder *ladder)
{
	json_begin_object(json, "pin");
	json_add_string(json, "tier", format_tier_name(ladder, pin->tier));
	json_add_bool(json, "overridden", pin->is_overridden);
	json_add_bool(json, "waiting", pin->is_waiting);
	json_add_string(json, "reason", decision_reason_name(pin->reason));
	if (pin->left_ns == UINT64_MAX)
		json_add_null(json, "left_ns");
	else
		json_add_u64(json, "left_ns", pin->left_ns);
	json_end_object(json);
}

void format_add_pin(struct json *json, const struct decision_pin *pin, const struct ladder *ladder)
{
	if (pin->is_set)
		add_pin(json, pin, ladder);
}

void format_add_status_pin(struct json *json, const struct decision_pin *pin,
			   const struct ladder *ladder)
{
	if (pin->is_set)
		add_pin(json, pin, ladder);
	else
		json_add_null(json, "pin");
}

void format_pin_text(struct text *text, const struct decision_pin *pin, const struct ladder *ladder)
{
	if (!pin->is_set)
		return;
	text_add(text, "; pin %s%s", format_tier_name(ladder, pin->tier),
		 pin->is_overridden ? " overridden" : "");
}

void format_status_pin_text(struct text *text, const struct decision_pin *pin,
			    const struct ladder *ladder)
{
	char left[UNITS_TEXT_LEN];
	uint64_t left_ns = pin->left_ns / NS_PER_S * NS_PER_S;

	if (!pin->is_set)
		return;
	text_add(text, "pin         %s, ", format_tier_name(ladder, pin->tier));
	if (pin->left_ns == UINT64_MAX)
		text_add(text, "until unpin");
	else
		text_add(text, "%s left", units_format_duration(left_ns, left));
	if (pin->is_overridden)
		text_add(text, ", OVERRIDDEN (%s): back after calm",
			 decision_reason_name(pin->reason));
	else if (pin->is_waiting)
		text_add(text, ", waiting");
	text_add(text, "\n");
}

int format_refusal(const struct refusal *refusal, const char *tier, const struct ladder *ladder,
		   uint32_t min_tier, char *buffer, size_t size)
{
	char need[UNITS_TEXT_LEN];
	char have[UNITS_TEXT_LEN];
	struct text text;

	text_init(&text, buffer, size);
	if (refusal->reason == REASON_MIN_TIER)
		text_add(&text, "tier %s is below min_tier %s", tier,
			 format_tier_name(ladder, min_tier));
	else
		text_add(&text, "tier %s does not fit now: %s %" PRIu32 ": needs %s, has %s", tier,
			 resource_kind_name(refusal->kind), refusal->index,
			 units_format_bytes_rounded(refusal->need_bytes, need),
			 units_format_bytes_rounded(refusal->have_bytes, have));
	return text_finish(&text);
}
