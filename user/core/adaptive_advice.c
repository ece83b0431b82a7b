/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Advice: what a step would be worth, in milliseconds at full quality (permyriad x ms inside).
 *
 * A step up pays if the better answers, for as long as it is expected to stay calm, outweigh the
 * drain, the loading, and the way back down. A step down pays before a crossing that is near and
 * likely, since cutting people off costs several drains.
 */
#include <string.h>

#include "actions.h"
#include "adaptive_private.h"

/* What is said of further ahead is not believed. */
#define CALM_MAX_NS (UINT64_C(86400) * NS_PER_S)
/* A tier that is left for has to last beyond being loaded. */
#define LANDING_NS (30 * NS_PER_S)
/* A rise is expected to be met this much before the drain has to end. */
#define RECURRENCE_AHEAD_NS (20 * NS_PER_S)

enum {
	/* A false alarm costs a step down and one up again, about three times what a true one
	 * saves: so three of four must be true, with a little for those that come late. */
	TRUST_MIN_PERMYRIAD = 7000,
	/* No wait for a gain is longer than this many stabilizations. */
	WAIT_FACTOR_MAX = 8,
};

static int64_t quality(const struct adaptive_input *in, uint32_t tier)
{
	return in->config->ladder.tiers[tier].quality_permyriad;
}

static int64_t to_ms(uint64_t time_ns)
{
	return (int64_t)(time_ns / NS_PER_MS);
}

/* ---- down --------------------------------------------------------------------------------------
 */

/* Takes less of what is short, and is not off: a forecast alone never takes the model away. */
static uint32_t find_landing(const struct adaptive_input *in)
{
	const struct engine_config *config = in->config;
	uint32_t lowest = (uint32_t)units_max(config->min_tier, 1);

	for (uint32_t tier = in->serving - 1; tier > lowest; tier--) {
		bool does_fit = true;

		for (uint32_t i = 0; i < in->resources->count && does_fit; i++) {
			const struct resource_view *view = &in->resources->view[i];
			uint64_t horizon_ns =
				units_plus(in->costs->drain_ns[in->serving],
					   units_plus(in->costs->load_ns[tier], LANDING_NS));
			uint64_t ahead;

			if (!view->drift)
				continue;
			ahead = units_plus(drift_ahead_bytes(view->drift, horizon_ns),
					   noise_bytes(view, FORECAST_NOISE_PERMILLE));
			ahead = units_plus(ahead, adaptive_held_bytes(in, view, tier));
			does_fit = units_permyriad(ahead, view->capacity_bytes) <
				   config->degrade_above_permyriad;
		}
		if (does_fit)
			return tier;
	}
	return lowest;
}

static bool is_trusted(const struct adaptive_level *level)
{
	return level->alarms_true_permyriad >=
	       units_scale(level->alarms_permyriad, TRUST_MIN_PERMYRIAD, PERMYRIAD);
}

/* The largest tier that fitted through the last breaks of the serving one. */
static uint32_t find_refuge(const struct adaptive_level *level, const struct adaptive_input *in)
{
	uint64_t refuge = in->serving - 1;

	for (uint32_t i = 0; i < level->refuge_count; i++)
		refuge = units_min(refuge, level->refuge[i]);
	return (uint32_t)units_max(refuge, units_max(in->config->min_tier, 1));
}

static bool is_break_due(const struct adaptive *adaptive, const struct adaptive_input *in)
{
	const struct spells *spells = &adaptive->levels[in->serving].spells;
	struct spell_answers answers;

	if (!spells->is_open)
		return false;
	spells_ask(spells, in->now_ns, &answers);
	return answers.is_known &&
	       spells_ends_permyriad(&answers, units_plus(in->costs->drain_ns[in->serving],
							  RECURRENCE_AHEAD_NS)) >=
		       TRUST_MIN_PERMYRIAD;
}

static void advise_leaving(const struct adaptive *adaptive, const struct adaptive_input *in,
			   struct advice *advice)
{
	const struct adaptive_level *level = &adaptive->levels[in->serving];

	advice->forecast_permyriad = adaptive_forecast_permyriad(in, in->serving);
	advice->trust_permyriad =
		units_permyriad(level->alarms_true_permyriad, level->alarms_permyriad);
	if (in->serving <= units_max(in->config->min_tier, 1))
		return;
	if (advice->forecast_permyriad >= in->config->degrade_above_permyriad &&
	    is_trusted(level)) {
		advice->leave_reason = REASON_FORECAST;
		advice->leave_target = find_landing(in);
	} else if (is_break_due(adaptive, in)) {
		advice->leave_reason = REASON_RECURRENCE;
		advice->leave_target = find_refuge(level, in);
	}
}

/* ---- up ----------------------------------------------------------------------------------------
 */

/* What a step up to a tier and back down costs, whatever comes between. */
struct round_trip {
	int64_t way_ms;   /* until it serves */
	int64_t drain_ms; /* the part of it in which the old tier still serves */
	int64_t up;       /* lost on the way up */
	int64_t caught;   /* lost on the way down when a crossing was not foreseen */
	int64_t foreseen; /* and when it was */
	int64_t penalty;  /* per ms over the limit */
	int64_t better;   /* per ms in place */
};

static void price_round_trip(const struct adaptive *adaptive, const struct adaptive_input *in,
			     uint32_t tier, struct round_trip *ret_trip)
{
	const struct engine_config *c = in->config;
	int64_t drain_ms = to_ms(in->costs->drain_ns[in->serving]);
	int64_t drain_back_ms = to_ms(in->costs->drain_ns[tier]);
	int64_t load_ms = to_ms(in->costs->load_ns[tier]);
	int64_t back_ms = to_ms(in->costs->load_ns[in->serving]);
	int64_t low = quality(in, in->serving);
	int64_t high = quality(in, tier);
	int64_t draining = c->cost_drain_quality_permyriad;
	int64_t penalty = (int64_t)adaptive->levels[tier].penalty_permyriad;
	int64_t drain_down = drain_back_ms * (low - high * draining / PERMYRIAD);

	*ret_trip = (struct round_trip){
		.way_ms = drain_ms + load_ms,
		.drain_ms = drain_ms,
		.up = drain_ms * low * (PERMYRIAD - draining) / PERMYRIAD + load_ms * low,
		.caught =
			to_ms(c->cost_abort_ns) * high + to_ms(NS_PER_S) * penalty + back_ms * low,
		.foreseen = (drain_down > 0 ? drain_down : 0) + back_ms * low,
		.penalty = penalty,
		.better = high - low,
	};
}

/* If it stays calm for calm_ms from now on. Every other break is taken to be foreseen. */
static int64_t trip_gain(const struct round_trip *trip, int64_t calm_ms)
{
	int64_t served_by_old_ms = calm_ms > trip->drain_ms ? calm_ms : trip->drain_ms;

	if (calm_ms < trip->way_ms)
		return -trip->up - trip->caught - (trip->way_ms - served_by_old_ms) * trip->penalty;
	return (calm_ms - trip->way_ms) * trip->better - trip->up -
	       (trip->caught + trip->foreseen) / 2;
}

/* Expected gain of a step up. */
static int64_t expected_gain(const struct adaptive *adaptive, const struct adaptive_input *in,
			     uint32_t tier, const struct spell_answers *answers)
{
	struct round_trip trip;
	__int128 sum = 0;
	uint64_t weight = 0;

	price_round_trip(adaptive, in, tier, &trip);
	for (uint32_t i = 0; i < answers->count; i++) {
		uint64_t calm_ns = units_min(answers->answer[i].remaining_ns, CALM_MAX_NS);

		sum += (__int128)trip_gain(&trip, to_ms(calm_ns)) * answers->answer[i].weight;
		weight += answers->answer[i].weight;
	}
	return weight ? (int64_t)(sum / (int64_t)weight) : 0;
}

/* Whether the room that the tier needs is there and will be; else the reason why not. */
static uint32_t find_obstacle(const struct adaptive_input *in, uint32_t tier)
{
	const struct engine_config *c = in->config;
	uint32_t limit = (uint32_t)units_minus(c->degrade_above_permyriad, c->margin_permyriad);

	if (ladder_worst_permyriad(&c->ladder.tiers[tier], in->resources, LADDER_PEAK) > limit)
		return REASON_PEAK_DOES_NOT_FIT;
	if (ladder_worst_permyriad(&c->ladder.tiers[tier], in->resources, LADDER_RESERVED) > limit)
		return REASON_RESERVED;
	for (uint32_t i = 0; i < in->resources->count; i++) {
		const struct resource_view *view = &in->resources->view[i];
		uint64_t held =
			ladder_footprint_bytes(&c->ladder.tiers[tier], view->kind, view->index);
		uint64_t ahead;
		uint64_t noisy;

		if (!view->drift)
			continue;
		ahead = units_plus(held, drift_ahead_bytes(view->drift, c->trend_horizon_ns));
		if (units_permyriad(ahead, view->capacity_bytes) >= limit)
			return REASON_TREND_RISING;
		noisy = units_plus(held, units_plus(drift_ahead_bytes(view->drift, 0),
						    noise_bytes(view, STEP_UP_NOISE_PERMILLE)));
		if (units_permyriad(noisy, view->capacity_bytes) >= c->degrade_above_permyriad)
			return REASON_PEAK_DOES_NOT_FIT;
	}
	return REASON_NONE;
}

/* A tier that has not been seen to break waits for the whole stabilization. */
static uint32_t judge_step_up(const struct adaptive *adaptive, const struct adaptive_input *in,
			      uint32_t tier, struct advice *ret_numbers)
{
	const struct spells *spells = &adaptive->levels[tier].spells;
	uint64_t age_ns = spells_sure_ns(spells, in->now_ns);
	uint64_t longest_ns = units_scale(in->config->stabilization_ns, WAIT_FACTOR_MAX, 1);
	struct spell_answers answers;
	uint32_t obstacle = find_obstacle(in, tier);
	int64_t gain;

	spells_ask(spells, in->now_ns, &answers);
	gain = expected_gain(adaptive, in, tier, &answers);
	ret_numbers->expected_calm_ns = spells_mean_ns(&answers, CALM_MAX_NS);
	ret_numbers->gain_ms = gain / (int64_t)PERMYRIAD;
	if (in->resting & (1U << tier))
		return REASON_TIER_RESTING;
	if (!spells->is_open)
		return REASON_PEAK_DOES_NOT_FIT;
	if (in->calm_ns < in->wait_ns ||
	    (spells->lengths.count == 0 && age_ns < in->config->stabilization_ns))
		return REASON_STABILIZING;
	if (obstacle != REASON_NONE)
		return obstacle;
	if (gain <= 0 && (age_ns < longest_ns || quality(in, tier) < quality(in, in->serving)))
		return REASON_GAIN_TOO_SMALL;
	return REASON_NONE;
}

static void advise_step_up(const struct adaptive *adaptive, const struct adaptive_input *in,
			   struct advice *advice)
{
	for (uint32_t tier = in->serving + 1; tier < in->config->ladder.count; tier++) {
		struct advice numbers = {0};
		uint32_t hold = judge_step_up(adaptive, in, tier, &numbers);
		bool is_first = tier == in->serving + 1;
		bool is_better = hold == REASON_NONE && (advice->up_hold != REASON_NONE ||
							 numbers.gain_ms > advice->gain_ms);

		if (!is_first && !is_better)
			continue;
		advice->up_target = tier;
		advice->up_hold = hold;
		advice->expected_calm_ns = numbers.expected_calm_ns;
		advice->gain_ms = numbers.gain_ms;
	}
}

void adaptive_advise(const struct adaptive *adaptive, const struct adaptive_input *in,
		     struct advice *ret_advice)
{
	memset(ret_advice, 0, sizeof(*ret_advice));
	ret_advice->leave_reason = REASON_NONE;
	ret_advice->up_target = in->serving;
	advise_leaving(adaptive, in, ret_advice);
	advise_step_up(adaptive, in, ret_advice);
}

uint32_t adaptive_ahead_permyriad(const struct switch_costs *costs,
				  const struct resource_view *view,
				  const struct engine_config *config, uint32_t tier)
{
	uint64_t bytes = view->others_bytes[LADDER_NOW];

	if (view->drift) {
		uint64_t horizon_ns = units_plus(costs->drain_ns[tier], costs->load_ns[tier]);

		/* The lowest model is not given up for what has not come yet. */
		if (tier > units_max(config->min_tier, 1))
			bytes = units_max(bytes, drift_ahead_bytes(view->drift, horizon_ns));
		bytes = units_plus(bytes, noise_bytes(view, LANDING_NOISE_PERMILLE));
	}
	bytes = units_plus(bytes, ladder_footprint_bytes(&config->ladder.tiers[tier], view->kind,
							 view->index));
	return units_permyriad(bytes, view->capacity_bytes);
}
