/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl check-config: whether the agent would take a config, and what can be said in one. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "io/run_dir.h"
#include "options.h"
#include "tierctl.h"

static int check_file(const char *path)
{
	_cleanup_free_ struct app_config *config = malloc(sizeof(*config));
	char error[CONFIG_ERROR_LEN];
	gid_t group;

	if (!config)
		return TIERCTL_NO;
	if (config_load_file(path, NULL, config, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s\n", error);
		return TIERCTL_USAGE;
	}
	if (run_dir_find_group(config->control_group, &group) < 0) {
		fprintf(stderr, "%s: agent.control_group: there is no group %s\n", path,
			config->control_group);
		return TIERCTL_USAGE;
	}
	const struct ladder *ladder = &config->engine.ladder;
	printf("%s: ok, tiers: off", path);
	for (uint32_t i = 1; i < ladder->count; i++) {
		char memory[UNITS_TEXT_LEN];

		printf(" < %s (%s)", ladder->tiers[i].name,
		       units_format_bytes_rounded(ladder->tiers[i].memory_bytes, memory));
	}
	putchar('\n');
	return TIERCTL_OK;
}

static int run(const struct tierctl *tierctl)
{
	if (tierctl_get(tierctl, TIERCTL_KEY_OPTIONS))
		return config_write_help(stdout) < 0 ? TIERCTL_NO : TIERCTL_OK;
	if (tierctl_get(tierctl, TIERCTL_KEY_EXAMPLE))
		return config_write_example(stdout) < 0 ? TIERCTL_NO : TIERCTL_OK;
	return check_file(tierctl->operand_count ? tierctl->operands[0] : CONFIG_DEFAULT_PATH);
}

static const struct argp_option OPTIONS[] = {
	{"options", TIERCTL_KEY_OPTIONS, NULL, 0, "Explain every option instead", 0},
	{"example", TIERCTL_KEY_EXAMPLE, NULL, 0, "Print a commented example instead", 0},
	{0},
};

const struct tierctl_command TIERCTL_CHECK_CONFIG = {
	.name = "check-config",
	.operands = "[FILE]",
	.operands_max = 1,
	.help = "Check a config file [" CONFIG_DEFAULT_PATH "].",
	.options = OPTIONS,
	.run = run,
};
