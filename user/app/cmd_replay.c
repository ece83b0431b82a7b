// SPDX-License-Identifier: BSD-2-Clause
/* tierctl replay: what would have been decided, from a file, as NDJSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "format.h"
#include "offline.h"
#include "replay.h"
#include "tierctl.h"

enum {
	DECISION_TEXT_LEN = 8192,
};

/* What is printed: decisions from from_ns on, before to_ns, since the start. */
struct printer {
	uint64_t from_ns;
	uint64_t to_ns;
};

static int print_answer(const struct replay_step *step)
{
	char text[PREFLIGHT_TEXT_LEN];
	int len = format_preflight_json(&step->actions->answer, &step->config->ladder, text,
					sizeof(text));

	return len < 0 || fwrite(text, 1, (size_t)len, stdout) != (size_t)len ? -EIO : 0;
}

static int print_decisions(void *context, const struct replay_step *step)
{
	const struct printer *printer = context;
	const struct actions *actions = step->actions;
	char text[DECISION_TEXT_LEN];

	if (step->since_start_ns < printer->from_ns || step->since_start_ns >= printer->to_ns)
		return 0;
	for (uint32_t i = 0; i < actions->decision_count; i++) {
		int len = format_decision_json(&actions->decisions[i], &step->config->ladder, text,
					       sizeof(text));

		if (len < 0 || fwrite(text, 1, (size_t)len, stdout) != (size_t)len)
			return -EIO;
	}
	return actions->has_answer ? print_answer(step) : 0;
}

static int run(const struct tierctl *tierctl)
{
	_cleanup_free_ struct offline *offline = malloc(sizeof(*offline));
	_cleanup_(input_cleanup) struct input *input = NULL;
	char error[CONFIG_ERROR_LEN] = "";
	struct printer printer;
	int result;

	if (!offline)
		return TIERCTL_NO;
	if (offline_get_span(tierctl, &printer.from_ns, &printer.to_ns) < 0 ||
	    offline_read(tierctl, offline) < 0)
		return TIERCTL_USAGE;
	result = input_open(tierctl->operands[0], &offline->options, &input, error, sizeof(error));
	if (result == 0)
		result = replay_run(input, print_decisions, &printer, error, sizeof(error));
	if (result == 0)
		return TIERCTL_OK;
	/* Without a line it is the output that failed. */
	if (!error[0])
		return TIERCTL_NO;
	return offline_complain(result, error);
}

static const struct argp_option OPTIONS[] = {
	{"config", TIERCTL_KEY_CONFIG, "FILE", 0,
	 "Decide by this config instead of the recorded one", 0},
	{"policy", TIERCTL_KEY_POLICY, "NAME", 0, "Decide by this policy", 0},
	{"from", TIERCTL_KEY_FROM, "TIME", 0,
	 "Print decisions from this time after the start on; a bare number is seconds", 0},
	{"to", TIERCTL_KEY_TO, "TIME", 0, "Print decisions before this time after the start", 0},
	{"memory", TIERCTL_KEY_MEMORY, "SIZE", 0,
	 "What the first mem_total is, where a CSV is not in bytes [64G]", 0},
	{0},
};

const struct tierctl_command TIERCTL_REPLAY = {
	.name = "replay",
	.operands = "FILE",
	.operands_min = 1,
	.operands_max = 1,
	.help = "Print what is decided on a trace or CSV file, as NDJSON."
		"\vThe decisions of a recorded trace are those that were made live, byte for byte. "
		"Under another config or policy they are what would have been decided: switches "
		"are taken as carried out, whatever a manager said then. The same goes for a CSV "
		"file, whose columns `tierctl import --help` explains.",
	.options = OPTIONS,
	.run = run,
};
