/* SPDX-License-Identifier: BSD-2-Clause */
#include "score_suite.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "score_policies.h"

const struct score_policy *const SCORE_POLICIES[SCORE_POLICY_COUNT] = {
	[SCORE_ADAPTIVE] = &SCORE_POLICY_ADAPTIVE,
	[SCORE_THRESHOLD_SAFE] = &SCORE_POLICY_THRESHOLD_SAFE,
	[SCORE_THRESHOLD] = &SCORE_POLICY_THRESHOLD,
	[SCORE_THRESHOLD_PREFLIGHT] = &SCORE_POLICY_PREFLIGHT,
	[SCORE_HPA] = &SCORE_POLICY_HPA,
};

const char *const SCORE_POLICY_NAMES[SCORE_POLICY_COUNT] = {
	[SCORE_ADAPTIVE] = "adaptive",
	[SCORE_THRESHOLD_SAFE] = "threshold-safe",
	[SCORE_THRESHOLD] = "threshold",
	[SCORE_THRESHOLD_PREFLIGHT] = "threshold-preflight",
	[SCORE_HPA] = "hpa",
	[SCORE_STATIC_BEST] = "static-best",
	[SCORE_ORACLE] = "oracle",
};

/* ---- playing -----------------------------------------------------------------------------------
 */

static int play_all(const struct score_game *game, const struct score_series *series,
		    struct score_result *results)
{
	for (int i = 0; i < SCORE_POLICY_COUNT; i++) {
		int result;

		if (!SCORE_POLICIES[i])
			continue;
		result = score_play(game, series, SCORE_POLICIES[i], &results[i]);
		if (result < 0)
			return result;
	}
	score_play_static(game, series, &results[SCORE_STATIC_BEST]);
	return score_play_oracle(game, series, &results[SCORE_ORACLE]);
}

int score_suite_add(struct score_suite *suite, struct score_series *series)
{
	struct score_entry entry = {0};
	struct score_entry *moved;
	int result;

	score_fit_game(&suite->game, series->memory_bytes);
	result = play_all(&suite->game, series, entry.results);
	if (result < 0)
		return result;
	moved = reallocarray(suite->entries, suite->count + 1, sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	entry.name = TAKE_PTR(series->name);
	suite->entries = moved;
	suite->entries[suite->count++] = entry;
	return 0;
}

void score_suite_free(struct score_suite *suite)
{
	for (size_t i = 0; i < suite->count; i++)
		free(suite->entries[i].name);
	free(suite->entries);
	suite->entries = NULL;
	suite->count = 0;
}

/* ---- figures -----------------------------------------------------------------------------------
 */

static double mean_reward(const struct score_result *result)
{
	return result->reward / (double)result->seconds;
}

struct sums {
	double own;
	double oracle;
	double threshold;
	double quality;
	double hours;
	double switches;
	double aborts;
	double broken_ups;
};

static void add_entry(const struct score_entry *entry, enum score_policy_number policy,
		      struct sums *sums, struct score_figures *figures)
{
	const struct score_result *own = &entry->results[policy];
	double oracle = mean_reward(&entry->results[SCORE_ORACLE]);

	sums->own += mean_reward(own);
	sums->oracle += oracle;
	sums->threshold += mean_reward(&entry->results[SCORE_THRESHOLD]);
	sums->quality += own->quality;
	sums->hours += (double)own->seconds / 3600;
	sums->switches += (double)own->switches;
	sums->aborts += (double)own->aborts;
	sums->broken_ups += (double)own->broken_ups;
	figures->worst_regret = fmax(figures->worst_regret, oracle - mean_reward(own));
	figures->over_s += own->over_s;
	figures->full_s += own->full_s;
	figures->avoidable_s += own->avoidable_s;
}

static double quotient(double part, double whole)
{
	return whole == 0 ? NAN : part / whole;
}

struct score_figures score_suite_figures(const struct score_suite *suite, size_t first,
					 size_t count, enum score_policy_number policy)
{
	struct score_figures figures = {.worst_regret = -INFINITY};
	struct sums sums = {0};

	for (size_t i = first; i < first + count; i++)
		add_entry(&suite->entries[i], policy, &sums, &figures);
	figures.mean_reward = quotient(sums.own, (double)count);
	figures.ratio = quotient(sums.own, sums.oracle);
	figures.gap_closed = quotient(sums.own - sums.threshold, sums.oracle - sums.threshold);
	figures.mean_quality = quotient(sums.quality, sums.hours * 3600);
	figures.switches_per_hour = quotient(sums.switches, sums.hours);
	figures.aborts_per_hour = quotient(sums.aborts, sums.hours);
	figures.broken_ups_per_hour = quotient(sums.broken_ups, sums.hours);
	return figures;
}
