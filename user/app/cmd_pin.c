/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl pin, unpin: a person asks for exactly one tier, and takes that back. */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "option_table.h"
#include "tierctl.h"

static int complain(const char *what, const char *value)
{
	fprintf(stderr, "tierctl pin: %s: %s\n", value, what);
	return TIERCTL_USAGE;
}

static int run_pin(const struct tierctl *tierctl)
{
	const char *tier = tierctl->operands[0];
	const char *duration = tierctl_get(tierctl, TIERCTL_KEY_FOR);
	struct control_line line = {.verb = CONTROL_PIN};

	if (!option_is_tier_name(tier))
		return complain("not a tier's name", tier);
	memcpy(line.command.tier, tier, strlen(tier) + 1);
	if (duration && (units_parse_duration(duration, &line.command.for_ns) < 0 ||
			 line.command.for_ns < NS_PER_S))
		return complain("not a time of a second or more, such as 10m", duration);
	return tierctl_ask(tierctl, &line);
}

static int run_unpin(const struct tierctl *tierctl)
{
	const struct control_line line = {.verb = CONTROL_UNPIN};

	return tierctl_ask(tierctl, &line);
}

static const struct argp_option PIN_OPTIONS[] = {
	{"for", TIERCTL_KEY_FOR, "TIME", 0, "Ends by itself after that, such as 10m [at unpin]", 0},
	{0},
};

const struct tierctl_command TIERCTL_PIN = {
	.name = "pin",
	.operands = "TIER",
	.operands_min = 1,
	.operands_max = 1,
	.help = "Ask for exactly this tier. What protects the host goes before it."
		"\vRunning requests end first. Refused if the tier does not fit now. After an "
		"emergency "
		"the agent steps back up to it when it has been calm for long enough; status says "
		"so "
		"(overridden).",
	.options = PIN_OPTIONS,
	.run = run_pin,
};

const struct tierctl_command TIERCTL_UNPIN = {
	.name = "unpin",
	.help = "Take a pin back: the agent chooses the tier again.",
	.run = run_unpin,
};
