// SPDX-License-Identifier: BSD-2-Clause
/* tierctl import: other tools' data as a trace. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "import.h"
#include "offline.h"
#include "requests.h"
#include "tierctl.h"

#define TOKEN_NS_MAX (3600 * NS_PER_S)

static int complain(const char *text)
{
	fprintf(stderr, "tierctl: %s\n", text);
	return -EINVAL;
}

/* Options of request logs that are given for another file would have no effect. */
static int check_requests_only(const struct tierctl *tierctl)
{
	static const struct {
		enum tierctl_key key;
		const char *text;
	} ONLY[] = {
		{TIERCTL_KEY_LOW, "--low: only with --requests"},
		{TIERCTL_KEY_HIGH, "--high: only with --requests"},
		{TIERCTL_KEY_TOKEN_TIME, "--seconds-per-token: only with --requests"},
		{TIERCTL_KEY_DURATION, "--duration: only with --requests"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ONLY); i++) {
		if (tierctl_get(tierctl, ONLY[i].key))
			return complain(ONLY[i].text);
	}
	return 0;
}

static int read_requests(const struct tierctl *tierctl, struct requests_options *ret_options)
{
	struct requests_options options = REQUESTS_DEFAULTS;
	uint64_t duration_ns = 0;

	if (offline_get_share(tierctl, TIERCTL_KEY_LOW, "--low", &options.low) < 0 ||
	    offline_get_share(tierctl, TIERCTL_KEY_HIGH, "--high", &options.high) < 0 ||
	    offline_get_duration(tierctl, TIERCTL_KEY_TOKEN_TIME, "--seconds-per-token",
				 &options.ns_per_token) < 0 ||
	    offline_get_duration(tierctl, TIERCTL_KEY_DURATION, "--duration", &duration_ns) < 0)
		return -EINVAL;
	if (options.low > options.high)
		return complain("--high: must not be less than --low");
	if (options.ns_per_token > TOKEN_NS_MAX)
		return complain("--seconds-per-token: at most an hour");
	if (tierctl_get(tierctl, TIERCTL_KEY_DURATION) &&
	    (duration_ns == 0 || duration_ns % NS_PER_S ||
	     duration_ns > REQUESTS_SECONDS_MAX * NS_PER_S))
		return complain("--duration: whole seconds, from 1 to 366 days");
	options.duration_s = (uint32_t)(duration_ns / NS_PER_S);
	*ret_options = options;
	return 0;
}

static int read_options(const struct tierctl *tierctl, struct offline *ret_offline,
			struct requests_options *ret_requests)
{
	const char *output = tierctl_get(tierctl, TIERCTL_KEY_OUTPUT);

	if (!output || !*output)
		return complain("-o FILE says where to");
	if (strcmp(output, "-") == 0 && !tierctl_get(tierctl, TIERCTL_KEY_CSV))
		return complain("-o -: only a CSV can be printed; see --csv");
	if (tierctl_get(tierctl, TIERCTL_KEY_CSV) && tierctl_get(tierctl, TIERCTL_KEY_CONFIG))
		return complain("--config: a CSV holds none");
	if (offline_read(tierctl, ret_offline) < 0)
		return -EINVAL;
	/* Nor does it need one: any will do. */
	if (tierctl_get(tierctl, TIERCTL_KEY_CSV))
		ret_offline->options.config = &ret_offline->config;
	if (!tierctl_get(tierctl, TIERCTL_KEY_REQUESTS))
		return check_requests_only(tierctl);
	ret_offline->options.requests = ret_requests;
	return read_requests(tierctl, ret_requests);
}

static int convert(const struct tierctl *tierctl, struct input *input, char *error,
		   size_t error_size)
{
	const char *output = tierctl_get(tierctl, TIERCTL_KEY_OUTPUT);
	bool is_forced = tierctl_get(tierctl, TIERCTL_KEY_FORCE) != NULL;

	if (!tierctl_get(tierctl, TIERCTL_KEY_CSV))
		return import_to_trace(input, output, is_forced, error, error_size);
	if (strcmp(output, "-") == 0)
		return import_print_csv(input, stdout, error, error_size);
	return import_to_csv(input, output, is_forced, error, error_size);
}

static int run(const struct tierctl *tierctl)
{
	_cleanup_free_ struct offline *offline = malloc(sizeof(*offline));
	_cleanup_(input_cleanup) struct input *input = NULL;
	const char *output = tierctl_get(tierctl, TIERCTL_KEY_OUTPUT);
	struct requests_options requests;
	char error[CONFIG_ERROR_LEN] = "";
	int result;

	if (!offline)
		return TIERCTL_NO;
	if (read_options(tierctl, offline, &requests) < 0)
		return TIERCTL_USAGE;
	result = input_open(tierctl->operands[0], &offline->options, &input, error, sizeof(error));
	if (result == 0 && input_is_trace(input)) {
		fprintf(stderr, "tierctl: %s: is a trace already\n", tierctl->operands[0]);
		return TIERCTL_BAD_INPUT;
	}
	if (result == 0)
		result = convert(tierctl, input, error, sizeof(error));
	if (result == 0)
		return TIERCTL_OK;
	if (error[0])
		return offline_complain(result, error);
	fprintf(stderr, "tierctl: %s: %s%s\n", output, strerror(-result),
		result == -EEXIST ? "; --force replaces a file" : "");
	return TIERCTL_NO;
}

static const struct argp_option OPTIONS[] = {
	{"output", 'o', "FILE", 0, "Write there; needed", 0},
	{"force", TIERCTL_KEY_FORCE, NULL, 0, "Replace FILE if there is one", 0},
	{"csv", TIERCTL_KEY_CSV, NULL, 0,
	 "Write a CSV (time_s,mem_total,mem_others) instead of a trace; FILE may be -", 0},
	{"memory", TIERCTL_KEY_MEMORY, "SIZE", 0,
	 "Memory of the host, where the file is not in bytes [64G]", 0},
	{"config", TIERCTL_KEY_CONFIG, "FILE", 0,
	 "Config that the trace is to hold [a guess for a host of that size]", 0},
	{"requests", TIERCTL_KEY_REQUESTS, NULL, 0,
	 "The file is a log of requests: TIMESTAMP,ContextTokens,GeneratedTokens. Each is in "
	 "flight for max(1, ceil(seconds per token x GeneratedTokens)) seconds and holds "
	 "ContextTokens + GeneratedTokens; the sums are scaled to shares of the host's memory",
	 0},
	{"low", TIERCTL_KEY_LOW, "SHARE", 0, "Share of a second without requests [30%]", 0},
	{"high", TIERCTL_KEY_HIGH, "SHARE", 0, "Share of the busiest second [85%]", 0},
	{"seconds-per-token", TIERCTL_KEY_TOKEN_TIME, "TIME", 0,
	 "Time that a generated token takes [0.03]", 0},
	{"duration", TIERCTL_KEY_DURATION, "TIME", 0,
	 "Length of the result [until the last request has ended, at least 59m]", 0},
	{0},
};

const struct tierctl_command TIERCTL_IMPORT = {
	.name = "import",
	.operands = "FILE",
	.operands_min = 1,
	.operands_max = 1,
	.help = "Make a trace out of a CSV file."
		"\vThe header line of the CSV names its columns, in any order: time_s (seconds, "
		"rising), mem_total and mem_others (bytes, or both in any other unit, such as 1 "
		"and a share); and, where they are known, mem_model, swap_total, swap_free, "
		"vram_total, vram_others (bytes), cpus, cpu_others (share of all CPUs), "
		"psi_cpu_some, psi_mem_some, psi_mem_full and psi_io_some (share of the time since "
		"the row before). Optional fields may be empty.",
	.options = OPTIONS,
	.run = run,
};
