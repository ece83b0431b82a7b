/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl record: the agent records, until it is told to stop. */
#include <stdio.h>
#include <string.h>

#include "tierctl.h"
#include "tierd/protocol.h"

static int run(const struct tierctl *tierctl)
{
	const char *name = tierctl->operand_count > 0 ? tierctl->operands[0] : NULL;
	bool is_stop = tierctl_get(tierctl, TIERCTL_KEY_STOP);
	struct control_line line = {.verb = is_stop ? CONTROL_RECORD_STOP : CONTROL_RECORD};

	if (is_stop == (name != NULL)) {
		fprintf(stderr, "tierctl record: a name, or --stop\n");
		return TIERCTL_USAGE;
	}
	if (is_stop)
		return tierctl_ask(tierctl, &line);
	if (name[0] == '\0' || strlen(name) >= PROTOCOL_NAME_LEN || strchr(name, '/')) {
		fprintf(stderr,
			"tierctl record: %s: not a plain name of 1 to %d bytes; the agent "
			"chooses the directory (its option record_dir)\n",
			name, PROTOCOL_NAME_LEN - 1);
		return TIERCTL_USAGE;
	}
	memcpy(line.name, name, strlen(name) + 1);
	return tierctl_ask(tierctl, &line);
}

static const struct argp_option OPTIONS[] = {
	{"stop", TIERCTL_KEY_STOP, NULL, 0, "End the recording", 0},
	{0},
};

const struct tierctl_command TIERCTL_RECORD = {
	.name = "record",
	.operands = "NAME",
	.operands_max = 1,
	.help = "Record what the agent decides on, for replay, into its record_dir.",
	.options = OPTIONS,
	.run = run,
};
