/* SPDX-License-Identifier: BSD-2-Clause */
/* What a line of manager.fifo asks for, in words. One row per verb. */
#include "listen_explain.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "base/utf8.h"
#include "core/names.h"

enum {
	COMM_TEXT_LEN = 4 * RECORD_COMM_LEN + 1, /* every byte may become \xNN */
	MS_PER_S = NS_PER_S / NS_PER_MS,
};

static void explain_culprit(const struct manager_line *line, struct text *text)
{
	char comm[COMM_TEXT_LEN];

	if (line->culprit_pid == 0)
		return;
	utf8_copy_printable(line->culprit_comm, strlen(line->culprit_comm), comm, sizeof(comm));
	text_add(text, ", because of %s:%" PRIu32, comm, line->culprit_pid);
}

static void explain_switch(const struct manager_line *line, struct text *text)
{
	if (line->mode == SWITCH_IMMEDIATE)
		text_add(text, "at once: ");
	else
		text_add(text, "let running requests end (within %" PRIu64 " s), then: ",
			 line->deadline_ms / MS_PER_S);
	if (strcmp(line->from, "off") != 0)
		text_add(text, "unload %s%s", line->from, strcmp(line->to, "off") != 0 ? ", " : "");
	if (strcmp(line->to, "off") != 0)
		text_add(text, "load %s", line->to);
	text_add(text, "; why: %s", line->reason[0] ? line->reason : "not said");
	explain_culprit(line, text);
	if (line->is_overlap_allowed)
		text_add(text, "; both may be in memory at once");
}

static void explain_cancel(const struct manager_line *line, struct text *text)
{
	text_add(text, "switch %" PRIu64 " is called off: keep what is loaded", line->seq);
}

static void explain_state(const struct manager_line *line, struct text *text)
{
	if (!line->is_actual_known)
		text_add(text, "%s should be loaded; no manager has said what is", line->to);
	else if (strcmp(line->from, line->to) == 0)
		text_add(text, "%s is loaded, as it should be", line->to);
	else
		text_add(text, "%s should be loaded, %s is", line->to, line->from);
	text_add(text, " (%s%s)", switch_state_name(line->phase),
		 line->is_paused ? ", paused" : "");
}

/* The sentence is for people already. */
static void explain_notify(const struct manager_line *line, struct text *text)
{
	text_add(text, "%s", line->text);
}

static void (*const EXPLAIN[])(const struct manager_line *line, struct text *text) = {
	[MANAGER_SWITCH] = explain_switch,
	[MANAGER_CANCEL] = explain_cancel,
	[MANAGER_STATE] = explain_state,
	[MANAGER_NOTIFY] = explain_notify,
};

int listen_explain(const struct manager_line *line, char *buffer, size_t size)
{
	struct text text;

	text_init(&text, buffer, size);
	if (line->verb < ARRAY_SIZE(EXPLAIN) && EXPLAIN[line->verb])
		EXPLAIN[line->verb](line, &text);
	else
		text_add(&text, "this version does not know what that means");
	return text_finish(&text);
}
