/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl score: what each policy would have made of recorded days, against one who knew them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "options.h"
#include "score_series.h"
#include "score_suite.h"
#include "tierctl.h"

enum {
	JSON_DIGITS = 9,
};

static int load_config(const char *path, struct engine_config *ret_config)
{
	_cleanup_free_ struct app_config *config = malloc(sizeof(*config));
	char error[CONFIG_ERROR_LEN];

	if (!config)
		return TIERCTL_NO;
	config_set_defaults(config);
	if (path && config_load_file(path, NULL, config, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s\n", error);
		return TIERCTL_USAGE;
	}
	*ret_config = config->engine;
	return TIERCTL_OK;
}

static int add_file(struct score_suite *suite, const char *path)
{
	_cleanup_(score_series_free) struct score_series series = {0};
	char error[CONFIG_ERROR_LEN];
	int result;

	if (score_series_load(path, 0, &series, error, sizeof(error)) < 0) {
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

static int run(const struct tierctl *tierctl)
{
	_cleanup_(score_suite_free) struct score_suite suite = {0};
	_cleanup_free_ struct engine_config *config = malloc(sizeof(*config));
	int status =
		config ? load_config(tierctl_get(tierctl, TIERCTL_KEY_CONFIG), config) : TIERCTL_NO;

	if (status != TIERCTL_OK)
		return status;
	score_make_game(config, &suite.game);
	for (unsigned int i = 0; i < tierctl->operand_count; i++) {
		status = add_file(&suite, tierctl->operands[i]);
		if (status != TIERCTL_OK)
			return status;
	}
	if (tierctl_get(tierctl, TIERCTL_KEY_JSON))
		return print_json(&suite);
	score_suite_print(&suite, stdout);
	return TIERCTL_OK;
}

static const struct argp_option OPTIONS[] = {
	{"config", TIERCTL_KEY_CONFIG, "FILE", 0,
	 "Ladder, loading times, costs and options [the ladder of the score suite]", 0},
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
