/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tierctl hello, ack: what a manager says, for scripts and for trying things out. The agent does
 * not answer these; what it makes of them shows in its log and status.
 */
#include <stdio.h>
#include <string.h>

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
