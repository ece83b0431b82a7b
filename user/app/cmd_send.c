/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tierctl hello, ack, task-begin, task-end: what a manager says, for scripts and for trying things
 * out. The agent does not answer these; what it makes of them shows in its log and status.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "control_client.h"
#include "option_table.h"
#include "tierctl.h"
#include "tierd/protocol.h"

static int complain(const char *what, const char *value)
{
	fprintf(stderr, "tierctl: %s: %s\n", value, what);
	return TIERCTL_USAGE;
}

static int send_line(const struct tierctl *tierctl, const char *line)
{
	int r = control_send(tierctl->run_dir, line, CONTROL_TIMEOUT_MS);

	return r < 0 ? tierctl_complain(tierctl, r) : TIERCTL_OK;
}

static int run_hello(const struct tierctl *tierctl)
{
	const char *tier = tierctl_get(tierctl, TIERCTL_KEY_TIER);
	const char *pid = tierctl_get(tierctl, TIERCTL_KEY_PID);
	char line[PROTOCOL_LINE_MAX];
	uint64_t number = 0;

	if (tier && !option_is_tier_name(tier))
		return complain("not a tier's name", tier);
	if (pid && (units_parse_u64(pid, &number) < 0 || number == 0 || number > INT32_MAX))
		return complain("not a process id", pid);
	snprintf(line, sizeof(line), "hello version=%d%s%s%s%s", PROTOCOL_VERSION,
		 tier ? " tier=" : "", tier ? tier : "", pid ? " pid=" : "", pid ? pid : "");
	return send_line(tierctl, line);
}

static int run_ack(const struct tierctl *tierctl)
{
	static const char *const STATES[] = {"draining", "loading", "done", "failed"};
	const char *seq = tierctl->operands[0];
	const char *state = tierctl->operands[1];
	char line[PROTOCOL_LINE_MAX];
	uint64_t number = 0;

	if (units_parse_u64(seq, &number) < 0)
		return complain("not the number of a switch line", seq);
	for (size_t i = 0; i < ARRAY_SIZE(STATES); i++) {
		if (strcmp(STATES[i], state) != 0)
			continue;
		snprintf(line, sizeof(line), "ack seq=%s state=%s", seq, state);
		return send_line(tierctl, line);
	}
	return complain("not one of draining, loading, done, failed", state);
}

/* Writes " KEY=VALUE" where the option was given. */
static int add_number(const struct tierctl *tierctl, enum tierctl_key key, const char *name,
		      struct text *line)
{
	const char *value = tierctl_get(tierctl, key);
	uint64_t number;

	if (!value)
		return 0;
	if (units_parse_u64(value, &number) < 0)
		return -EINVAL;
	text_add(line, " %s=%s", name, value);
	return 0;
}

static int add_task(const struct tierctl *tierctl, struct text *line)
{
	const char *id = tierctl->operands[0];
	const char *tier = tierctl_get(tierctl, TIERCTL_KEY_TIER);
	char word[3 * EVENT_TASK_ID_LEN]; /* every byte may become %XX */

	if (!id[0] || strlen(id) >= EVENT_TASK_ID_LEN)
		return complain("not a task's name of up to 63 bytes", id);
	if (tier && !option_is_tier_name(tier))
		return complain("not a tier's name", tier);
	protocol_escape(id, strlen(id), word, sizeof(word));
	text_add(line, " id=%s%s%s", word, tier ? " tier=" : "", tier ? tier : "");
	return TIERCTL_OK;
}

static int run_task_begin(const struct tierctl *tierctl)
{
	char buffer[PROTOCOL_LINE_MAX];
	struct text line;
	int status;

	text_init(&line, buffer, sizeof(buffer));
	text_add(&line, "task-begin");
	status = add_task(tierctl, &line);
	return status == TIERCTL_OK ? send_line(tierctl, buffer) : status;
}

static int run_task_end(const struct tierctl *tierctl)
{
	const char *ms = tierctl->operands[1];
	const char *outcome = tierctl->operands[2];
	bool is_ok = strcmp(outcome, "ok") == 0;
	char buffer[PROTOCOL_LINE_MAX];
	struct text line;
	uint64_t number;
	int status;

	if (units_parse_u64(ms, &number) < 0)
		return complain("not a number of milliseconds", ms);
	if (!is_ok && strcmp(outcome, "failed") != 0)
		return complain("not one of ok, failed", outcome);
	text_init(&line, buffer, sizeof(buffer));
	text_add(&line, "task-end");
	status = add_task(tierctl, &line);
	if (status != TIERCTL_OK)
		return status;
	text_add(&line, " ms=%s ok=%d", ms, is_ok);
	if (add_number(tierctl, TIERCTL_KEY_TOKENS, "tokens", &line) < 0)
		return complain("not a number of tokens", tierctl_get(tierctl, TIERCTL_KEY_TOKENS));
	if (add_number(tierctl, TIERCTL_KEY_TTFT_MS, "ttft_ms", &line) < 0)
		return complain("not a number of milliseconds",
				tierctl_get(tierctl, TIERCTL_KEY_TTFT_MS));
	return send_line(tierctl, buffer);
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
