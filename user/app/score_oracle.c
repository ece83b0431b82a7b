/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The oracle: the best of all plans of {stay, planned to j, immediate to j} taken while serving, by
 * dynamic programming from the end over (second, tier). Cutting a drain short is not among them:
 * serving until then and switching at once is never worse.
 *
 * Only as many rows of values are kept as the longest switch looks ahead; of the choices one byte a
 * second and tier, for the way forward.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "score.h"

enum {
	CHOICE_STAY = 0xff,
	CHOICE_IMMEDIATE = 0x80, /* and the target in the other bits */
};

/* From one second on to the end. */
struct row {
	double value[LADDER_TIERS_MAX];   /* of the best plan */
	double penalty[LADDER_TIERS_MAX]; /* of staying for ever */
};

struct search {
	const struct score_game *game;
	const struct score_series *series;
	size_t row_count;
	struct row *rows; /* a ring, by second */
	uint8_t *choices;
	size_t drain_s;
	size_t load_s[LADDER_TIERS_MAX];
};

static size_t whole_seconds(double seconds)
{
	return seconds < 1.5 ? 1 : (size_t)(seconds + 0.5);
}

static struct row *row_at(const struct search *search, size_t second)
{
	return &search->rows[second % search->row_count];
}

static size_t later(const struct search *search, size_t second, size_t seconds)
{
	size_t end = second + seconds;

	return end < search->series->count ? end : search->series->count;
}

static double penalty_between(const struct search *search, size_t begin, size_t end, uint32_t tier)
{
	return row_at(search, begin)->penalty[tier] - row_at(search, end)->penalty[tier];
}

static double value_of_switch(const struct search *search, size_t second, uint32_t from,
			      uint32_t to, bool is_immediate)
{
	const struct score_game *game = search->game;
	size_t drained = is_immediate ? second : later(search, second, search->drain_s);
	size_t loaded = later(search, drained, search->load_s[to]);
	double value = -penalty_between(search, second, drained, from) -
		       penalty_between(search, drained, loaded, to);

	if (is_immediate)
		value -= game->abort_s * game->quality[from];
	else
		value += game->drain_quality * game->quality[from] * (double)(drained - second);
	return value + row_at(search, loaded)->value[to];
}

static void choose(const struct search *search, size_t second, uint32_t tier)
{
	struct row *row = row_at(search, second);
	const struct row *next = row_at(search, second + 1);
	double best = search->game->quality[tier] - (row->penalty[tier] - next->penalty[tier]) +
		      next->value[tier];
	uint8_t choice = CHOICE_STAY;

	for (uint32_t to = 0; to < search->game->tier_count; to++) {
		for (int is_immediate = 0; is_immediate < 2 && to != tier; is_immediate++) {
			double value = value_of_switch(search, second, tier, to, is_immediate);

			if (value <= best)
				continue;
			best = value;
			choice = (uint8_t)(to | (is_immediate ? CHOICE_IMMEDIATE : 0));
		}
	}
	row->value[tier] = best;
	search->choices[second * search->game->tier_count + tier] = choice;
}

static void search_backward(const struct search *search)
{
	const struct score_game *game = search->game;

	memset(row_at(search, search->series->count), 0, sizeof(struct row));
	for (size_t second = search->series->count; second-- > 0;) {
		struct row *row = row_at(search, second);
		const struct row *next = row_at(search, second + 1);

		for (uint32_t tier = 0; tier < game->tier_count; tier++)
			row->penalty[tier] = next->penalty[tier] +
					     score_penalty(game, search->series->share[second] +
									 game->footprint[tier]);
		for (uint32_t tier = 0; tier < game->tier_count; tier++)
			choose(search, second, tier);
	}
}

/* ---- the way forward ---------------------------------------------------------------------------
 */

/* Counts what staying in a tier's footprint from begin to end means. */
static void count_use(const struct search *search, size_t begin, size_t end, uint32_t tier,
		      struct score_result *result)
{
	const struct score_game *game = search->game;

	for (size_t second = begin; second < end; second++) {
		double share = search->series->share[second];
		double use = share + game->footprint[tier];

		result->reward -= score_penalty(game, use);
		result->full_s += use > 1;
		result->over_s += use > game->limit;
		result->avoidable_s += use > game->limit && share <= game->limit;
	}
}

static size_t carry_out(const struct search *search, size_t second, uint32_t *tier, uint8_t choice,
			struct score_result *result)
{
	const struct score_game *game = search->game;
	bool is_immediate = choice & CHOICE_IMMEDIATE;
	uint32_t to = choice & (CHOICE_IMMEDIATE - 1);
	size_t drained = is_immediate ? second : later(search, second, search->drain_s);
	size_t loaded = later(search, drained, search->load_s[to]);
	double quality = game->drain_quality * game->quality[*tier] * (double)(drained - second);

	count_use(search, second, drained, *tier, result);
	count_use(search, drained, loaded, to, result);
	result->quality += quality;
	result->reward += quality;
	result->switches++;
	if (is_immediate) {
		result->aborts++;
		result->reward -= game->abort_s * game->quality[*tier];
	}
	*tier = to;
	return loaded;
}

static void walk_forward(const struct search *search, struct score_result *result)
{
	const struct score_game *game = search->game;
	uint32_t tier = score_first_tier(game, search->series->share[0]);
	size_t second = 0;

	while (second < search->series->count) {
		uint8_t choice = search->choices[second * game->tier_count + tier];

		if (choice != CHOICE_STAY) {
			second = carry_out(search, second, &tier, choice, result);
			continue;
		}
		count_use(search, second, second + 1, tier, result);
		result->quality += game->quality[tier];
		result->reward += game->quality[tier];
		second++;
	}
	result->seconds = search->series->count;
}

int score_play_oracle(const struct score_game *game, const struct score_series *series,
		      struct score_result *ret_result)
{
	struct search search = {
		.game = game, .series = series, .drain_s = whole_seconds(game->drain_s)};
	struct score_result result = {0};
	size_t longest_s = 1;

	for (uint32_t tier = 0; tier < game->tier_count; tier++) {
		search.load_s[tier] = whole_seconds(game->load_s[tier]);
		if (search.load_s[tier] > longest_s)
			longest_s = search.load_s[tier];
	}
	if (series->count == 0 || game->tier_count == 0)
		return -EINVAL;
	search.row_count = search.drain_s + longest_s + 2;
	_cleanup_free_ struct row *rows = calloc(search.row_count, sizeof(*rows));
	_cleanup_free_ uint8_t *choices = calloc(series->count, game->tier_count);

	if (!rows || !choices)
		return -ENOMEM;
	search.rows = rows;
	search.choices = choices;
	search_backward(&search);
	walk_forward(&search, &result);
	*ret_result = result;
	return 0;
}
