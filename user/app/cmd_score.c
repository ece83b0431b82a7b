/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl score: what each policy would have made of recorded days, against one who knew them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "offline.h"
#include "score_series.h"
#include "score_suite.h"
#include "tierctl.h"

enum {
	JSON_DIGITS = 9,
};

static int add_file(struct score_suite *suite, const struct input_options *options,
		    const char *path)
{
	_cleanup_(score_series_free) struct score_series series = {0};
	char error[CONFIG_ERROR_LEN];
	int result;

	if (score_series_load(path, options, &series, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s\n", error);
		return TIERCTL_BAD_INPUT;
	}
	result = score_suite_add(suite, &series);
	if (result == 0)
		return TIERCTL_OK;
	fprintf(stderr, "tierctl: %s: %s\n", path, strerror(-result));
	return TIERCTL_NO;
}

static int print_json(const struct score_suite *suite)
{
	json_t *object = score_suite_to_json(suite);
	int result = json_dumpf(object, stdout,
				JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(JSON_DIGITS));

	json_decref(object);
	putchar('\n');
	return result < 0 ? TIERCTL_NO : TIERCTL_OK;
}

/* A config without tiers, or none at all, is played with the ladder of the score suite. */
static int read_options(const struct tierctl *tierctl, struct offline *ret_offline)
{
	static const struct config_overrides OVERRIDES = {.is_ladder_optional = true};
	const char *path = tierctl_get(tierctl, TIERCTL_KEY_CONFIG);
	char error[CONFIG_ERROR_LEN];

	config_set_defaults(&ret_offline->config);
	ret_offline->options = (struct input_options){.config = &ret_offline->config};
	if (path &&
	    config_load_file(path, &OVERRIDES, &ret_offline->config, error, sizeof(error)) < 0) {
		fprintf(stderr, "tierctl: %s\n", error);
		return -EINVAL;
	}
	return offline_get_bytes(tierctl, TIERCTL_KEY_MEMORY, "--memory",
				 &ret_offline->options.host_bytes);
}

static int run(const struct tierctl *tierctl)
{
	_cleanup_(score_suite_free) struct score_suite suite = {0};
	_cleanup_free_ struct offline *offline = malloc(sizeof(*offline));
	int status = TIERCTL_OK;

	if (!offline)
		return TIERCTL_NO;
	if (read_options(tierctl, offline) < 0)
		return TIERCTL_USAGE;
	score_make_game(&offline->config.engine, &suite.game);
	for (unsigned int i = 0; i < tierctl->operand_count && status == TIERCTL_OK; i++)
		status = add_file(&suite, &offline->options, tierctl->operands[i]);
	if (status != TIERCTL_OK)
		return status;
	if (tierctl_get(tierctl, TIERCTL_KEY_JSON))
		return print_json(&suite);
	score_suite_print(&suite, stdout);
	return TIERCTL_OK;
}

static const struct argp_option OPTIONS[] = {
	{"config", TIERCTL_KEY_CONFIG, "FILE", 0,
	 "Options, costs, and a ladder if it is to be another than the score suite's", 0},
	{"memory", TIERCTL_KEY_MEMORY, "SIZE", 0,
	 "Memory of the host where a CSV has shares instead of bytes [64G]", 0},
	{"json", TIERCTL_KEY_JSON, NULL, 0, "Print JSON instead of a table", 0},
	{0},
};

const struct tierctl_command TIERCTL_SCORE = {
	.name = "score",
	.operands = "FILE...",
	.operands_min = 1,
	.operands_max = TIERCTL_OPERANDS_MAX,
	.help = "Compare policies on recorded days.",
	.options = OPTIONS,
	.run = run,
};
