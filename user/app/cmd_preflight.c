/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl preflight: whether something can be loaded now; the exit status says so. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "option_table.h"
#include "tierctl.h"
#include "tierd/protocol.h"

static int complain(const char *what)
{
	fprintf(stderr, "tierctl: preflight: %s\n", what);
	return TIERCTL_USAGE;
}

static int take_bytes(const struct tierctl *tierctl, enum tierctl_key key, uint64_t *ret_bytes)
{
	const char *value = tierctl_get(tierctl, key);

	if (value && (units_parse_bytes(value, ret_bytes) < 0 || *ret_bytes == 0))
		return complain("not a size such as 8G or 512M");
	return TIERCTL_OK;
}

static int take_amounts(const struct tierctl *tierctl, struct event_command *command)
{
	const char *cpus = tierctl_get(tierctl, TIERCTL_KEY_CPUS);
	int status = take_bytes(tierctl, TIERCTL_KEY_MEMORY, &command->memory_bytes);

	if (status == TIERCTL_OK)
		status = take_bytes(tierctl, TIERCTL_KEY_VRAM, &command->vram_bytes);
	if (status != TIERCTL_OK)
		return status;
	if (cpus && (units_parse_permille(cpus, &command->cpus_permille) < 0 ||
		     command->cpus_permille == 0))
		return complain("not a number of cores such as 4 or 0.5");
	return TIERCTL_OK;
}

/* Whoever runs this is in the control group of who will take it, more often than not. */
static int take_pid(const struct tierctl *tierctl, struct event_command *command)
{
	const char *value = tierctl_get(tierctl, TIERCTL_KEY_PID);
	uint64_t pid = (uint64_t)getpid();

	if (value && (units_parse_u64(value, &pid) < 0 || pid == 0 || pid > INT32_MAX))
		return complain("not a process id");
	command->pid = (uint32_t)pid;
	return TIERCTL_OK;
}

static int take_question(const struct tierctl *tierctl, struct event_command *command)
{
	bool has_amount = tierctl_get(tierctl, TIERCTL_KEY_MEMORY) ||
			  tierctl_get(tierctl, TIERCTL_KEY_VRAM) ||
			  tierctl_get(tierctl, TIERCTL_KEY_CPUS);

	if (tierctl->operand_count == 0 && !tierctl_get(tierctl, TIERCTL_KEY_MEMORY))
		return complain("TIER or --memory must be given");
	if (tierctl->operand_count == 0)
		return take_amounts(tierctl, command);
	if (has_amount)
		return complain("a tier says itself what it takes: no amounts beside it");
	if (!option_is_tier_name(tierctl->operands[0]))
		return complain("not a tier's name");
	memcpy(command->tier, tierctl->operands[0], strlen(tierctl->operands[0]) + 1);
	return TIERCTL_OK;
}

/* Both forms of the answer hold the verdict first: "yes: ..." and {..., "fits":true, ...}. */
static bool is_yes(const char *text, bool is_json)
{
	static const char KEY[] = "\"fits\":";
	const char *verdict = is_json ? strstr(text, KEY) : text;
	const char *yes = is_json ? "true" : "yes";

	if (!verdict)
		return false;
	if (is_json)
		verdict += sizeof(KEY) - 1;
	return strncmp(verdict, yes, strlen(yes)) == 0;
}

static int run(const struct tierctl *tierctl)
{
	struct control_line line = {
		.verb = CONTROL_PREFLIGHT,
		.is_json = tierctl_get(tierctl, TIERCTL_KEY_JSON),
		.command.is_only_asked = tierctl_get(tierctl, TIERCTL_KEY_ASK_ONLY),
	};
	_cleanup_free_ char *answer = NULL;
	int status = take_question(tierctl, &line.command);

	if (status == TIERCTL_OK)
		status = take_pid(tierctl, &line.command);
	if (status != TIERCTL_OK)
		return status;
	status = tierctl_ask_for_text(tierctl, &line, &answer);
	/* Refused, such as for a tier that is not there: no answer to the question. */
	if (status == TIERCTL_NO)
		return TIERCTL_USAGE;
	if (status != TIERCTL_OK)
		return status;
	fputs(answer, stdout);
	return is_yes(answer, line.is_json) ? TIERCTL_OK : TIERCTL_NO;
}

static const struct argp_option OPTIONS[] = {
	{"memory", TIERCTL_KEY_MEMORY, "SIZE", 0, "Ask for this much memory beside what runs", 0},
	{"vram", TIERCTL_KEY_VRAM, "SIZE", 0, "And for this much memory of one GPU", 0},
	{"cpus", TIERCTL_KEY_CPUS, "N", 0, "And for so many CPU cores, such as 4 or 0.5", 0},
	{"pid", TIERCTL_KEY_PID, "PID", 0,
	 "The process that is to take it, for the limits of its control groups [this one]", 0},
	{"ask-only", TIERCTL_KEY_ASK_ONLY, NULL, 0, "Reserve nothing after a yes", 0},
	{"json", TIERCTL_KEY_JSON, NULL, 0, "As JSON, on one line", 0},
	{0},
};

const struct tierctl_command TIERCTL_PREFLIGHT = {
	.name = "preflight",
	.operands = "[TIER]",
	.operands_max = 1,
	.help = "Ask whether a tier, or --memory, can be loaded now; 0 is yes, 1 is no."
		"\vA tier is asked for instead of the one in place, an amount of memory beside it. "
		"A "
		"yes reserves what was asked for until it is seen taken, or for the time that "
		"[preflight] reservation says: so two who ask at once are not both told yes for "
		"the "
		"same memory. Exit status: 0 it fits, 1 it does not, 2 wrong usage, 3 no agent.",
	.options = OPTIONS,
	.run = run,
};
