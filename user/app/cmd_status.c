/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl status: the agent's own picture, as text or as one line of JSON. */
#include "tierctl.h"

static int run(const struct tierctl *tierctl)
{
	const struct control_line line = {.verb = CONTROL_STATUS,
					  .is_json = tierctl_get(tierctl, TIERCTL_KEY_JSON),
					  .is_cost_asked = tierctl_get(tierctl, TIERCTL_KEY_COST)};

	return tierctl_ask(tierctl, &line);
}

static const struct argp_option OPTIONS[] = {
	{"json", TIERCTL_KEY_JSON, NULL, 0, "As JSON, on one line", 0},
	{"cost", TIERCTL_KEY_COST, NULL, 0, "With what the agent costs, measured for a second", 0},
	{0},
};

const struct tierctl_command TIERCTL_STATUS = {
	.name = "status",
	.help = "Tier, pressure, losses, and the processes under most pressure.",
	.options = OPTIONS,
	.run = run,
};
