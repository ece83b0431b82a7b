/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tierctl hello, ack, task-begin, task-end: what a manager says, for scripts and for trying things
 * out. The agent does not answer these; what it makes of them shows in its log and status.
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "client/client.h"
#include "option_table.h"
#include "tierctl.h"
#include "tierd/protocol.h"

enum {
	ERROR_LEN = 256,
};

static int complain(const char *what, const char *value)
{
	fprintf(stderr, "tierctl: %s: %s\n", value, what);
	return TIERCTL_USAGE;
}

/* Nothing is written where the value is NULL: an option that was not given. */
static void add_pair(struct text *text, const char *key, const char *value)
{
	char word[PROTOCOL_LINE_MAX];

	if (!value)
		return;
	protocol_escape(value, strlen(value), word, sizeof(word));
	text_add(text, " %s=%s", key, word);
}

/* What the words mean, and whether they mean anything, is for the protocol's table to say. */
static int send_text(const struct tierctl *tierctl, struct text *text)
{
	const char *tier = tierctl_get(tierctl, TIERCTL_KEY_TIER);
	struct control_line line;
	char error[ERROR_LEN];
	int len = text_finish(text);

	if (tier && !option_is_tier_name(tier))
		return complain("not a tier's name", tier);
	if (len < 0)
		return complain("too long", tierctl->operands[0]);
	if (protocol_parse_control_line(text->buffer, (size_t)len, &line, error, sizeof(error)) <
	    0) {
		fprintf(stderr, "tierctl: %s\n", error);
		return TIERCTL_USAGE;
	}
	int r = tierd_send(tierctl->run_dir, &line, TIERD_CLIENT_TIMEOUT_MS);

	return r < 0 ? tierctl_complain(tierctl, r) : TIERCTL_OK;
}

static int run_hello(const struct tierctl *tierctl)
{
	char buffer[PROTOCOL_LINE_MAX];
	struct text text;

	text_init(&text, buffer, sizeof(buffer));
	text_add(&text, "hello version=%d", PROTOCOL_VERSION);
	add_pair(&text, "tier", tierctl_get(tierctl, TIERCTL_KEY_TIER));
	add_pair(&text, "pid", tierctl_get(tierctl, TIERCTL_KEY_PID));
	return send_text(tierctl, &text);
}

static int run_ack(const struct tierctl *tierctl)
{
	char buffer[PROTOCOL_LINE_MAX];
	struct text text;

	text_init(&text, buffer, sizeof(buffer));
	text_add(&text, "ack");
	add_pair(&text, "seq", tierctl->operands[0]);
	add_pair(&text, "state", tierctl->operands[1]);
	return send_text(tierctl, &text);
}

static int run_task_begin(const struct tierctl *tierctl)
{
	char buffer[PROTOCOL_LINE_MAX];
	struct text text;

	text_init(&text, buffer, sizeof(buffer));
	text_add(&text, "task-begin");
	add_pair(&text, "id", tierctl->operands[0]);
	add_pair(&text, "tier", tierctl_get(tierctl, TIERCTL_KEY_TIER));
	return send_text(tierctl, &text);
}

static int run_task_end(const struct tierctl *tierctl)
{
	const char *outcome = tierctl->operands[2];
	bool is_ok = strcmp(outcome, "ok") == 0;
	char buffer[PROTOCOL_LINE_MAX];
	struct text text;

	if (!is_ok && strcmp(outcome, "failed") != 0)
		return complain("not one of ok, failed", outcome);
	text_init(&text, buffer, sizeof(buffer));
	text_add(&text, "task-end ok=%d", is_ok);
	add_pair(&text, "id", tierctl->operands[0]);
	add_pair(&text, "ms", tierctl->operands[1]);
	add_pair(&text, "tier", tierctl_get(tierctl, TIERCTL_KEY_TIER));
	add_pair(&text, "tokens", tierctl_get(tierctl, TIERCTL_KEY_TOKENS));
	add_pair(&text, "ttft_ms", tierctl_get(tierctl, TIERCTL_KEY_TTFT_MS));
	return send_text(tierctl, &text);
}

static const struct argp_option HELLO_OPTIONS[] = {
	{"tier", TIERCTL_KEY_TIER, "TIER", 0, "The tier that is loaded", 0},
	{"pid", TIERCTL_KEY_PID, "PID", 0, "Process of the model, or of its manager", 0},
	{0},
};

const struct tierctl_command TIERCTL_HELLO = {
	.name = "hello",
	.help = "Tell the agent, as a manager, which tier is loaded and by which process.",
	.options = HELLO_OPTIONS,
	.run = run_hello,
};

const struct tierctl_command TIERCTL_ACK = {
	.name = "ack",
	.operands = "SEQ STATE",
	.operands_min = 2,
	.operands_max = 2,
	.help = "Tell the agent how a switch is getting on: draining, loading, done, failed.",
	.run = run_ack,
};

static const struct argp_option TASK_BEGIN_OPTIONS[] = {
	{"tier", TIERCTL_KEY_TIER, "TIER", 0, "The tier that it runs on [the one that serves]", 0},
	{0},
};

const struct tierctl_command TIERCTL_TASK_BEGIN = {
	.name = "task-begin",
	.operands = "ID",
	.operands_min = 1,
	.operands_max = 1,
	.help = "Tell the agent that a task of that name has begun.",
	.options = TASK_BEGIN_OPTIONS,
	.run = run_task_begin,
};

static const struct argp_option TASK_END_OPTIONS[] = {
	{"tier", TIERCTL_KEY_TIER, "TIER", 0, "The tier that it ran on, if its begin was not told",
	 0},
	{"tokens", TIERCTL_KEY_TOKENS, "N", 0, "Tokens that it made", 0},
	{"ttft-ms", TIERCTL_KEY_TTFT_MS, "MS", 0, "Time to its first token", 0},
	{0},
};

const struct tierctl_command TIERCTL_TASK_END = {
	.name = "task-end",
	.operands = "ID MS OUTCOME",
	.operands_min = 3,
	.operands_max = 3,
	.help = "Tell the agent that a task has ended, after how long, and how: ok or failed.",
	.options = TASK_END_OPTIONS,
	.run = run_task_end,
};
