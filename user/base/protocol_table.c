/* SPDX-License-Identifier: BSD-2-Clause */
/* The grammar: one row per verb, one entry per key. Nothing else knows what a line may hold. */
#include "base/protocol_table.h"

#include "base/units.h"

#define KEY(line_type, is_required, name, type, field)                  \
	{                                                               \
		name, is_required, &(type), offsetof(line_type, field), \
			sizeof(((line_type *)NULL)->field)              \
	}

/* Of control.fifo: what must be there, and what may. */
#define NEEDS(name, type, field) KEY(struct control_line, true, name, type, field)
#define TAKES(name, type, field) KEY(struct control_line, false, name, type, field)
#define REPLY TAKES("reply", PROTOCOL_NAME, reply)

static const struct protocol_verb CONTROL_VERBS[] = {
	{"hello",
	 CONTROL_HELLO,
	 COMMAND_HELLO,
	 PROTOCOL_CLASS_SWITCH,
	 {TAKES("tier", PROTOCOL_TIER, command.tier), TAKES("pid", PROTOCOL_PID, command.pid),
	  TAKES("version", PROTOCOL_VERSION_SPOKEN, version)}},
	{"ack",
	 CONTROL_ACK,
	 COMMAND_ACK,
	 PROTOCOL_CLASS_SWITCH,
	 {NEEDS("seq", PROTOCOL_NUMBER, command.seq),
	  NEEDS("state", PROTOCOL_ACK_STATE, command.ack_state)}},
	{"task-begin",
	 CONTROL_TASK_BEGIN,
	 COMMAND_TASK_BEGIN,
	 PROTOCOL_CLASS_TASK,
	 {NEEDS("id", PROTOCOL_ID, command.id), TAKES("tier", PROTOCOL_TIER, command.tier)}},
	{"task-end",
	 CONTROL_TASK_END,
	 COMMAND_TASK_END,
	 PROTOCOL_CLASS_TASK,
	 {NEEDS("id", PROTOCOL_ID, command.id), NEEDS("ms", PROTOCOL_NUMBER, command.ms),
	  NEEDS("ok", PROTOCOL_BOOL, command.is_ok), TAKES("tier", PROTOCOL_TIER, command.tier),
	  TAKES("tokens", PROTOCOL_NUMBER, command.tokens),
	  TAKES("ttft_ms", PROTOCOL_NUMBER, command.ttft_ms)}},
	{"preflight",
	 CONTROL_PREFLIGHT,
	 COMMAND_PREFLIGHT,
	 PROTOCOL_CLASS_QUESTION,
	 {TAKES("tier", PROTOCOL_TIER, command.tier),
	  TAKES("memory", PROTOCOL_NUMBER, command.memory_bytes),
	  TAKES("vram", PROTOCOL_NUMBER, command.vram_bytes),
	  TAKES("millicpus", PROTOCOL_NUMBER, command.cpus_permille),
	  TAKES("pid", PROTOCOL_PID, command.pid),
	  TAKES("ask_only", PROTOCOL_BOOL, command.is_only_asked),
	  TAKES("format", PROTOCOL_FORMAT, is_json), NEEDS("reply", PROTOCOL_NAME, reply)}},
	{"status",
	 CONTROL_STATUS,
	 0,
	 PROTOCOL_CLASS_QUESTION,
	 {TAKES("format", PROTOCOL_FORMAT, is_json), TAKES("cost", PROTOCOL_BOOL, is_cost_asked),
	  NEEDS("reply", PROTOCOL_NAME, reply)}},
	{"watch",
	 CONTROL_WATCH,
	 0,
	 PROTOCOL_CLASS_QUESTION,
	 {TAKES("format", PROTOCOL_FORMAT, is_json), NEEDS("reply", PROTOCOL_NAME, reply)}},
	{"pin",
	 CONTROL_PIN,
	 COMMAND_PIN,
	 PROTOCOL_CLASS_COMMAND,
	 {NEEDS("tier", PROTOCOL_TIER, command.tier),
	  TAKES("for_s", PROTOCOL_SECONDS, command.for_ns), REPLY}},
	{"unpin", CONTROL_UNPIN, COMMAND_UNPIN, PROTOCOL_CLASS_COMMAND, {REPLY}},
	{"pause", CONTROL_PAUSE, COMMAND_PAUSE, PROTOCOL_CLASS_COMMAND, {REPLY}},
	{"resume", CONTROL_RESUME, COMMAND_RESUME, PROTOCOL_CLASS_COMMAND, {REPLY}},
	{"reload", CONTROL_RELOAD, 0, PROTOCOL_CLASS_COMMAND, {REPLY}},
	{"record",
	 CONTROL_RECORD,
	 0,
	 PROTOCOL_CLASS_COMMAND,
	 {NEEDS("name", PROTOCOL_NAME, name), REPLY}},
	{"record-stop", CONTROL_RECORD_STOP, 0, PROTOCOL_CLASS_COMMAND, {REPLY}},
};

const struct protocol_grammar PROTOCOL_CONTROL = {CONTROL_VERBS, ARRAY_SIZE(CONTROL_VERBS)};

/* Of manager.fifo. A key that an older agent does not say is optional for whoever reads. */
#define SAYS(name, type, field) KEY(struct manager_line, true, name, type, field)
#define MAY_SAY(name, type, field) KEY(struct manager_line, false, name, type, field)

static const struct protocol_verb MANAGER_VERBS[] = {
	{"switch",
	 MANAGER_SWITCH,
	 0,
	 0,
	 {SAYS("seq", PROTOCOL_NUMBER, seq), SAYS("from", PROTOCOL_TIER, from),
	  SAYS("to", PROTOCOL_TIER, to), SAYS("mode", PROTOCOL_MODE, mode),
	  SAYS("overlap", PROTOCOL_BOOL, is_overlap_allowed),
	  SAYS("deadline_ms", PROTOCOL_NUMBER, deadline_ms),
	  SAYS("reason", PROTOCOL_WORD_OR_DASH, reason),
	  SAYS("culprit", PROTOCOL_CULPRIT, culprit_comm)}},
	{"cancel", MANAGER_CANCEL, 0, 0, {SAYS("seq", PROTOCOL_NUMBER, seq)}},
	{"notify",
	 MANAGER_NOTIFY,
	 0,
	 0,
	 {SAYS("seq", PROTOCOL_NUMBER, seq), SAYS("text", PROTOCOL_TEXT, text)}},
	{"state",
	 MANAGER_STATE,
	 0,
	 0,
	 {SAYS("seq", PROTOCOL_NUMBER, seq), SAYS("wanted", PROTOCOL_TIER, to),
	  SAYS("actual", PROTOCOL_TIER_OR_UNKNOWN, from), SAYS("phase", PROTOCOL_PHASE, phase),
	  SAYS("paused", PROTOCOL_BOOL, is_paused), MAY_SAY("version", PROTOCOL_NUMBER, version)}},
};

const struct protocol_grammar PROTOCOL_MANAGER = {MANAGER_VERBS, ARRAY_SIZE(MANAGER_VERBS)};

const struct protocol_verb *protocol_find_verb(const struct protocol_grammar *grammar,
					       uint32_t verb)
{
	for (size_t i = 0; i < grammar->count; i++) {
		if (grammar->verbs[i].verb == verb)
			return &grammar->verbs[i];
	}
	return NULL;
}
