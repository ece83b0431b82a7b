/* SPDX-License-Identifier: BSD-2-Clause */
/* What is learned; what follows from it is in adaptive_advice.c. */
#include "adaptive.h"

#include <string.h>

#include "adaptive_private.h"
#include "base/units.h"

/* Everything is learned from one point a second, the highest of it: so samples that come faster
 * when there is little room do not look like less noise. */
#define OBSERVE_NS (900 * NS_PER_MS)
/* What a drain should be ahead of: the time in which waiting for a crossing that will come costs
 * as much as being caught by it. An abort costs 30 s at full quality, a drain a quarter of that;
 * the rest pays for a fifth of the quality, which is a rung, for 100 s. */
#define ALARM_NS (100 * NS_PER_S)

enum {
	/* Three of four forecasts are taken to be right until they are tried: one more wrong than
	 * right, and they are not acted on. */
	ALARMS_TRUE_FIRST = 3,
	ALARMS_FIRST = 4,
	/* The account of forecasts halves with every seven of them. */
	ALARMS_DECAY_PERMYRIAD = 9000,
	PENALTY_MEMORY = 10, /* seconds of breaks */
};

static void reset_level(struct adaptive_level *level, const struct engine_config *config)
{
	memset(level, 0, sizeof(*level));
	level->alarms_true_permyriad = ALARMS_TRUE_FIRST * PERMYRIAD;
	level->alarms_permyriad = ALARMS_FIRST * PERMYRIAD;
	level->penalty_permyriad = permyriad_of_permille(config->cost_over_permille);
}

void adaptive_init(struct adaptive *adaptive, const struct engine_config *config)
{
	memset(adaptive, 0, sizeof(*adaptive));
	for (uint32_t tier = 0; tier < LADDER_TIERS_MAX; tier++)
		reset_level(&adaptive->levels[tier], config);
}

static bool is_same_ladder(const struct ladder *a, const struct ladder *b)
{
	return a->count == b->count &&
	       memcmp(a->tiers, b->tiers, a->count * sizeof(a->tiers[0])) == 0;
}

void adaptive_reconfigure(struct adaptive *adaptive, const struct engine_config *before,
			  const struct engine_config *config)
{
	if (!is_same_ladder(&before->ladder, &config->ladder) ||
	    before->degrade_above_permyriad != config->degrade_above_permyriad ||
	    before->policy != config->policy || before->cost_drain_ns != config->cost_drain_ns)
		adaptive_init(adaptive, config);
}

/* ---- forecasts ---------------------------------------------------------------------------------
 */

/* Whether a smaller model takes less of it: where not, no step makes it better. */
static bool is_relievable(const struct adaptive_input *in, const struct resource_view *view,
			  uint32_t tier)
{
	uint64_t lowest = units_max(in->config->min_tier, 1);

	return ladder_footprint_bytes(&in->config->ladder.tiers[lowest], view->kind, view->index) <
	       adaptive_held_bytes(in, view, tier);
}

uint32_t adaptive_forecast_permyriad(const struct adaptive_input *in, uint32_t tier)
{
	uint32_t highest = 0;

	for (uint32_t i = 0; i < in->resources->count; i++) {
		const struct resource_view *view = &in->resources->view[i];
		uint64_t ahead;

		if (!view->drift || view->drift->slope_kib_per_ks < 0 ||
		    !is_relievable(in, view, tier))
			continue;
		ahead = drift_ahead_bytes(view->drift, in->costs->drain_ns[tier]);
		ahead = units_plus(ahead, noise_bytes(view, FORECAST_NOISE_PERMILLE));
		ahead = units_plus(ahead, adaptive_held_bytes(in, view, tier));
		highest =
			(uint32_t)units_max(highest, units_permyriad(ahead, view->capacity_bytes));
	}
	return highest;
}

static void settle_alarm(struct adaptive_level *level, bool was_true)
{
	uint32_t *counts[] = {&level->alarms_true_permyriad, &level->alarms_permyriad};

	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++)
		*counts[i] = (uint32_t)units_scale(*counts[i], ALARMS_DECAY_PERMYRIAD, PERMYRIAD);
	level->alarms_permyriad += PERMYRIAD;
	if (was_true)
		level->alarms_true_permyriad += PERMYRIAD;
	level->is_alarmed = false;
}

static void watch_alarm(struct adaptive *adaptive, const struct adaptive_input *in, uint32_t tier)
{
	struct adaptive_level *level = &adaptive->levels[tier];

	if (level->is_alarmed) {
		if (in->now_ns - level->alarmed_ns > ALARM_NS)
			settle_alarm(level, false);
		return;
	}
	if (!level->spells.is_open ||
	    adaptive_forecast_permyriad(in, tier) < in->config->degrade_above_permyriad)
		return;
	level->is_alarmed = true;
	level->alarmed_ns = in->now_ns;
}

/* ---- breaks ------------------------------------------------------------------------------------
 */

uint64_t adaptive_held_bytes(const struct adaptive_input *in, const struct resource_view *view,
			     uint32_t tier)
{
	return ladder_held_bytes(&in->config->ladder.tiers[tier], view,
				 in->is_measured && tier == in->serving);
}

static uint32_t use_permyriad(const struct adaptive_input *in, uint32_t tier)
{
	uint32_t use;

	ladder_find_worst_held(&in->config->ladder.tiers[tier], in->resources,
			       in->is_measured && tier == in->serving, &use);
	return use;
}

static void break_level(struct adaptive *adaptive, const struct adaptive_input *in, uint32_t tier,
			uint32_t refuge)
{
	struct adaptive_level *level = &adaptive->levels[tier];

	if (level->spells.is_open || level->refuge_count == 0) {
		memmove(level->refuge + 1, level->refuge,
			(ADAPTIVE_REFUGES - 1) * sizeof(level->refuge[0]));
		level->refuge[0] = refuge;
		if (level->refuge_count < ADAPTIVE_REFUGES)
			level->refuge_count++;
	}
	level->refuge[0] = (uint32_t)units_min(level->refuge[0], refuge);
	if (level->is_alarmed)
		settle_alarm(level, true);
	spells_break(&level->spells, in->now_ns, adaptive_wait_min_ns(in->config));
}

static void learn_penalty(struct adaptive_level *level, const struct engine_config *config,
			  uint32_t use)
{
	uint64_t penalty = permyriad_of_permille(config->cost_over_permille);

	if (use > PERMYRIAD)
		penalty += permyriad_of_permille(config->cost_full_permille);
	level->penalty_permyriad =
		(level->penalty_permyriad * (PENALTY_MEMORY - 1) + penalty) / PENALTY_MEMORY;
}

void adaptive_note_pressure(struct adaptive *adaptive, const struct adaptive_input *in,
			    uint32_t tier)
{
	for (uint32_t i = tier; tier > TIER_OFF && i < in->config->ladder.count; i++)
		break_level(adaptive, in, i, tier - 1);
}

void adaptive_note_loss(struct adaptive *adaptive, uint64_t now_ns)
{
	for (uint32_t tier = 0; tier < LADDER_TIERS_MAX; tier++) {
		spells_restart(&adaptive->levels[tier].spells, now_ns);
		adaptive->levels[tier].is_alarmed = false;
	}
}

/* ---- one sample --------------------------------------------------------------------------------
 */

bool adaptive_is_due(const struct adaptive *adaptive, uint64_t now_ns)
{
	return !adaptive->has_observed || now_ns - adaptive->observed_ns >= OBSERVE_NS;
}

/*
 * One sample alone breaks nothing, as it starts no step: while a model is loaded, its pages may be
 * charged to a group for some tenths of a second before they are counted as cache.
 */
static bool is_over(struct adaptive_level *level, const struct adaptive_input *in, uint32_t use)
{
	if (use < in->config->degrade_above_permyriad) {
		level->is_over = false;
		return false;
	}

	bool is_sure = level->is_over || in->is_confirmed;

	level->is_over = true;
	return is_sure;
}

void adaptive_observe(struct adaptive *adaptive, const struct adaptive_input *in)
{
	const struct engine_config *config = in->config;
	bool is_due = adaptive_is_due(adaptive, in->now_ns);
	uint32_t refuge = TIER_OFF;

	for (uint32_t tier = 1; tier < config->ladder.count; tier++) {
		struct adaptive_level *level = &adaptive->levels[tier];
		uint32_t use = use_permyriad(in, tier);

		if (is_over(level, in, use)) {
			break_level(adaptive, in, tier, refuge);
			if (is_due)
				learn_penalty(level, config, use);
			continue;
		}
		if (level->is_over)
			continue;
		refuge = tier;
		if (use <= units_minus(config->degrade_above_permyriad, config->margin_permyriad))
			spells_open(&level->spells, in->now_ns);
		if (is_due)
			watch_alarm(adaptive, in, tier);
	}
	if (is_due)
		adaptive->observed_ns = in->now_ns;
	adaptive->has_observed = true;
}
