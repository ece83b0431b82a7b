/* SPDX-License-Identifier: BSD-2-Clause */
#include "notice.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "base/utf8.h"
#include "core/names.h"
#include "format.h"

enum {
	COMM_TEXT_LEN = 2 * RECORD_COMM_LEN, /* so that the whole always fits */
};

/* What the sentence says of whom the decision blames. */
enum blame {
	BLAMES_NOBODY,
	BLAMES_CULPRIT,
	BLAMES_VICTIM,
};

static const struct why {
	const char *text;
	enum blame blame;
} WHY[DECISION_REASON_COUNT] = {
	[REASON_USE_OVER_DEGRADE] = {"%s is nearly full", BLAMES_CULPRIT},
	[REASON_USE_OVER_UPGRADE] = {"%s is filling up", BLAMES_CULPRIT},
	[REASON_FORECAST] = {"%s is expected to be full soon", BLAMES_CULPRIT},
	[REASON_RECURRENCE] = {"%s was full at this point each time before", BLAMES_NOBODY},
	[REASON_STALL_OVER_URGENT] = {"programs stand still for want of memory", BLAMES_CULPRIT},
	[REASON_STALL_OVER_ABOVE] = {"programs wait for memory", BLAMES_CULPRIT},
	[REASON_OOM_GROUP] = {"a process was killed for want of memory", BLAMES_VICTIM},
	[REASON_OOM_HOST] = {"a process was killed for want of memory", BLAMES_VICTIM},
	[REASON_CPU_WAIT_MODEL] = {"the model waits for the CPU", BLAMES_CULPRIT},
	[REASON_CPU_WAIT_OTHERS] = {"other programs wait for the CPU", BLAMES_VICTIM},
	[REASON_TIER_FAILING] = {"too many of its requests fail", BLAMES_NOBODY},
	[REASON_TIER_SLOW] = {"its answers take too long", BLAMES_NOBODY},
	[REASON_CONFIG_CHANGED] = {"the configuration has changed", BLAMES_NOBODY},
	[REASON_PINNED] = {"somebody has asked for that", BLAMES_NOBODY},
};

static void add_why(struct text *text, const struct decision *decision)
{
	const struct why *why = &WHY[decision->reason];
	const char *resource =
		decision->worst.kind == RESOURCE_VRAM ? "memory of the GPU" : "memory";
	const char *slot;

	if (!why->text) {
		text_add(text, "%s", decision_reason_name(decision->reason));
		return;
	}
	slot = strstr(why->text, "%s");
	if (slot)
		text_add(text, "%.*s%s%s", (int)(slot - why->text), why->text, resource, slot + 2);
	else
		text_add(text, "%s", why->text);
}

static void add_blamed(struct text *text, const struct decision *decision)
{
	enum blame blame = WHY[decision->reason].blame;
	const struct decision_process *process =
		blame == BLAMES_VICTIM ? &decision->victim : &decision->culprit;
	char comm[COMM_TEXT_LEN];

	if (blame == BLAMES_NOBODY || process->pid == 0)
		return;
	utf8_copy_printable(process->comm, strnlen(process->comm, sizeof(process->comm)), comm,
			    sizeof(comm));
	text_add(text,
		 blame == BLAMES_VICTIM ? " (%s, process %" PRIu32 ")"
					: " (mostly because of %s, process %" PRIu32 ")",
		 comm, process->pid);
}

int notice_format(const struct decision *decision, const struct ladder *ladder, char *buffer,
		  size_t size)
{
	const char *from = format_tier_name(ladder, decision->from);
	const char *when = decision->mode == SWITCH_IMMEDIATE
				   ? "now"
				   : "when the requests that are running have ended";
	struct text text;

	text_init(&text, buffer, size);
	if (decision->action != DECISION_SWITCH || decision->to >= decision->from)
		return text_finish(&text);
	if (decision->to == TIER_OFF)
		text_add(&text, "The model %s is unloaded %s: ", from, when);
	else
		text_add(&text, "The model %s is replaced by the smaller %s %s: ", from,
			 format_tier_name(ladder, decision->to), when);
	add_why(&text, decision);
	add_blamed(&text, decision);
	text_add(&text, ".");
	return text_finish(&text);
}
