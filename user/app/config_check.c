/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What no single row of the option table can check: the ladder as a whole, and options that
 * contradict each other. The orders between options are a table, too.
 */
#include <string.h>

#include "base/units.h"
#include "config_parse.h"
#include "core/ladder.h"

/* lower must be under upper (or at most equal to it). */
static const struct option_order {
	const char *section;
	const char *lower;
	const char *upper;
	bool may_be_equal;
} ORDERS[] = {
	{"policy", "upgrade_below", "degrade_above", false},
	{"policy", "margin", "upgrade_below", false},
	{"policy", "calm_stall", "stall_above", true},
	{"policy", "stall_above", "stall_urgent", true},
	{"agent", "window", "window_calm", true},
	{"agent", "report_floor", "urgent_stall", true},
	{"sampling", "period_min", "period", true},
};

static uint64_t read_number(const struct option_row *row, const struct app_config *config)
{
	const char *field = (const char *)config + row->offset;

	if (row->type == OPTION_BYTES || row->type == OPTION_DURATION)
		return *(const uint64_t *)field;
	return *(const uint32_t *)field;
}

static void check_order(struct config_draft *draft, const struct option_order *order)
{
	const struct option_row *lower = option_find(order->section, order->lower);
	const struct option_row *upper = option_find(order->section, order->upper);
	uint64_t lower_value = read_number(lower, &draft->config);
	uint64_t upper_value = read_number(upper, &draft->config);
	char lower_text[CONFIG_PATH_LEN];
	char upper_text[CONFIG_PATH_LEN];
	char message[CONFIG_ERROR_LEN];

	if (lower_value < upper_value || (order->may_be_equal && lower_value == upper_value))
		return;
	/* Blame the one that somebody set; that it was the default is no help to them. */
	const struct option_row *blamed =
		draft->line_of_option[lower - OPTION_TABLE] ? lower : upper;
	option_format(lower, &draft->config, lower_text, sizeof(lower_text));
	option_format(upper, &draft->config, upper_text, sizeof(upper_text));
	snprintf(message, sizeof(message), "%s is %.32s and %s is %.32s; allowed: %s %s %s",
		 lower->key, lower_text, upper->key, upper_text, lower->key,
		 order->may_be_equal ? "at most" : "under", upper->key);
	config_draft_fail_option(draft, blamed, message);
}

static void check_required(struct config_draft *draft, uint32_t tier)
{
	for (size_t i = 0; i < TIER_OPTION_COUNT; i++) {
		const struct option_row *row = &TIER_OPTION_TABLE[i];

		if ((row->flags & OPTION_REQUIRED) && draft->line_of_tier_option[tier][i] == 0)
			config_draft_fail(draft, draft->line_of_tier[tier],
					  "tier %s.%s: missing; every tier says it",
					  draft->config.engine.ladder.tiers[tier].name, row->key);
	}
}

static void swap_tiers(struct config_draft *draft, uint32_t a, uint32_t b)
{
	struct tier *tiers = draft->config.engine.ladder.tiers;
	struct tier tier = tiers[a];
	int line = draft->line_of_tier[a];

	tiers[a] = tiers[b];
	tiers[b] = tier;
	draft->line_of_tier[a] = draft->line_of_tier[b];
	draft->line_of_tier[b] = line;
}

/* Insertion sort by memory: at most 16 tiers, mostly in order. Keeps equals in order. */
static void sort_ladder(struct config_draft *draft)
{
	struct ladder *ladder = &draft->config.engine.ladder;

	for (uint32_t i = 2; i < ladder->count; i++) {
		for (uint32_t j = i; j > 1; j--) {
			if (ladder->tiers[j - 1].memory_bytes <= ladder->tiers[j].memory_bytes)
				break;
			swap_tiers(draft, j - 1, j);
		}
	}
}

static void check_ladder(struct config_draft *draft)
{
	struct ladder *ladder = &draft->config.engine.ladder;

	if (ladder->count == 1) {
		if (draft->is_ladder_optional)
			return;
		config_draft_fail(draft, 0, "no [tier NAME] section; at least one is needed");
		return;
	}
	for (uint32_t i = 1; i < ladder->count; i++)
		check_required(draft, i);
	sort_ladder(draft);
	for (uint32_t i = 2; i < ladder->count; i++) {
		const struct tier *tier = &ladder->tiers[i];
		const struct tier *below = &ladder->tiers[i - 1];
		char memory[UNITS_TEXT_LEN];

		if (tier->memory_bytes == below->memory_bytes)
			config_draft_fail(draft, draft->line_of_tier[i],
					  "tier %s.memory: %s is what tier %s takes, too; allowed: "
					  "tiers that differ in memory",
					  tier->name,
					  units_format_bytes(tier->memory_bytes, memory),
					  below->name);
	}
}

static void resolve_min_tier(struct config_draft *draft)
{
	struct app_config *config = &draft->config;
	char message[CONFIG_ERROR_LEN];

	if (ladder_find_name(&config->engine.ladder, config->min_tier, &config->engine.min_tier))
		return;
	snprintf(message, sizeof(message),
		 "there is no tier \"%s\"; allowed: off or the name of "
		 "a [tier NAME] section",
		 config->min_tier);
	config_draft_fail_option(draft, option_find("policy", "min_tier"), message);
}

void config_check(struct config_draft *draft)
{
	for (size_t i = 0; i < ARRAY_SIZE(ORDERS); i++)
		check_order(draft, &ORDERS[i]);
	check_ladder(draft);
	if (!draft->has_failed)
		resolve_min_tier(draft);
}
