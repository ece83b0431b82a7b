/* SPDX-License-Identifier: BSD-2-Clause */
/* The world that policies are scored in. */
#include <string.h>

#include "base/units.h"
#include "core/ladder.h"
#include "score.h"

enum {
	BROKEN_WITHIN_S = 60,
};

/* ---- the game ----------------------------------------------------------------------------------
 */

static const struct suite_tier {
	const char *name;
	double footprint;
	double quality;
} SUITE_LADDER[] = {
	{"off", 0, 0},          {"tiny", 0.05, 0.40},  {"small", 0.12, 0.60},
	{"medium", 0.25, 0.80}, {"large", 0.40, 1.00},
};

/* What the ladder's tiers take in bytes of memory depends on the host: see score_fit_game(). */
static void use_suite_ladder(struct score_game *game)
{
	struct ladder *ladder = &game->config.ladder;

	game->is_suite_ladder = true;
	ladder->count = ARRAY_SIZE(SUITE_LADDER);
	for (uint32_t i = 0; i < ladder->count; i++) {
		const struct suite_tier *from = &SUITE_LADDER[i];
		double load_s = i == 0 ? 1 : 6 + 60 * from->footprint;

		memset(&ladder->tiers[i], 0, sizeof(ladder->tiers[i]));
		memcpy(ladder->tiers[i].name, from->name, strlen(from->name));
		ladder->tiers[i].quality_permyriad = (uint32_t)(from->quality * PERMYRIAD + 0.5);
		ladder->tiers[i].load_ns = (uint64_t)(load_s * (double)NS_PER_S + 0.5);
	}
}

void score_make_game(const struct engine_config *config, struct score_game *ret_game)
{
	struct score_game game = {.config = *config};
	const struct ladder *ladder = &game.config.ladder;

	if (ladder->count <= 1)
		use_suite_ladder(&game);
	ladder_fill_qualities(&game.config.ladder);
	game.tier_count = ladder->count;
	for (uint32_t i = 0; i < ladder->count; i++) {
		game.quality[i] = (double)ladder->tiers[i].quality_permyriad / PERMYRIAD;
		game.load_s[i] = (double)ladder->tiers[i].load_ns / (double)NS_PER_S;
	}
	game.drain_s = (double)config->cost_drain_ns / (double)NS_PER_S;
	game.drain_quality = (double)config->cost_drain_quality_permyriad / PERMYRIAD;
	game.abort_s = (double)config->cost_abort_ns / (double)NS_PER_S;
	game.over = (double)config->cost_over_permille / 1000;
	game.full = (double)config->cost_full_permille / 1000;
	game.limit = (double)config->degrade_above_permyriad / PERMYRIAD;
	game.band_above = (double)config->upgrade_below_permyriad / PERMYRIAD;
	*ret_game = game;
}

void score_fit_game(struct score_game *game, uint64_t memory_bytes)
{
	for (uint32_t i = 0; i < game->tier_count; i++) {
		struct tier *tier = &game->config.ladder.tiers[i];

		if (game->is_suite_ladder) {
			game->footprint[i] = SUITE_LADDER[i].footprint;
			tier->memory_bytes =
				(uint64_t)(game->footprint[i] * (double)memory_bytes + 0.5);
		} else {
			game->footprint[i] = (double)tier->memory_bytes / (double)memory_bytes;
		}
	}
}

uint32_t score_first_tier(const struct score_game *game, double share)
{
	uint32_t first = TIER_OFF;

	for (uint32_t i = 0; i < game->tier_count; i++) {
		if (share + game->footprint[i] <= game->band_above)
			first = i;
	}
	return first;
}

double score_penalty(const struct score_game *game, double use)
{
	return (use > game->limit ? game->over : 0) + (use > 1 ? game->full : 0);
}

/* ---- one second after another ------------------------------------------------------------------
 */

struct play {
	const struct score_game *game;
	struct score_world world;
	struct score_result result;
	bool is_up_on_trial;
	size_t up_second;
};

static uint32_t counted_tier(const struct score_world *world)
{
	return world->phase == SCORE_LOADING ? world->target : world->tier;
}

static double quality_now(const struct play *play)
{
	const struct score_game *game = play->game;

	switch (play->world.phase) {
	case SCORE_SERVING:
		return game->quality[play->world.tier];
	case SCORE_DRAINING:
		return game->drain_quality * game->quality[play->world.tier];
	default:
		return 0;
	}
}

static void accrue(struct play *play, size_t second, double share)
{
	double use = share + play->game->footprint[counted_tier(&play->world)];
	struct score_result *result = &play->result;

	result->quality += quality_now(play);
	result->reward += quality_now(play) - score_penalty(play->game, use);
	result->seconds++;
	if (use > 1)
		result->full_s++;
	if (use <= play->game->limit)
		return;
	result->over_s++;
	if (share <= play->game->limit)
		result->avoidable_s++;
	if (play->is_up_on_trial && second - play->up_second <= BROKEN_WITHIN_S)
		result->broken_ups++;
	play->is_up_on_trial = false;
}

static void begin_loading(struct score_world *world, const struct score_game *game)
{
	world->phase = SCORE_LOADING;
	world->left_s = game->load_s[world->target];
}

static void advance(struct play *play, size_t second)
{
	struct score_world *world = &play->world;

	if (world->phase == SCORE_SERVING)
		return;
	world->left_s -= 1;
	if (world->left_s > 0)
		return;
	if (world->phase == SCORE_DRAINING) {
		begin_loading(world, play->game);
		return;
	}
	play->is_up_on_trial = world->target > world->tier;
	play->up_second = second;
	world->phase = SCORE_SERVING;
	world->tier = world->target;
}

static void abort_to(struct play *play, uint32_t target)
{
	play->result.aborts++;
	play->result.reward -= play->game->abort_s * play->game->quality[play->world.tier];
	play->world.target = target;
	begin_loading(&play->world, play->game);
}

static void obey(struct play *play, struct score_command command)
{
	struct score_world *world = &play->world;

	if (command.kind == SCORE_STAY || command.target == world->tier ||
	    world->phase == SCORE_LOADING)
		return;
	if (world->phase == SCORE_DRAINING) {
		if (command.kind == SCORE_IMMEDIATE)
			abort_to(play,
				 command.target < world->target ? command.target : world->target);
		return;
	}
	play->result.switches++;
	if (command.kind == SCORE_IMMEDIATE) {
		abort_to(play, command.target);
		return;
	}
	world->phase = SCORE_DRAINING;
	world->target = command.target;
	world->left_s = play->game->drain_s;
	if (world->left_s <= 0)
		begin_loading(world, play->game);
}

int score_play(const struct score_game *game, const struct score_series *series,
	       const struct score_policy *policy, struct score_result *ret_result)
{
	struct play play = {.game = game};
	void *state;
	int result;

	play.world.tier = score_first_tier(game, series->share[0]);
	result = policy->open(game, series, play.world.tier, &state);
	if (result < 0)
		return result;
	for (size_t second = 0; second < series->count; second++) {
		double share = series->share[second];

		accrue(&play, second, share);
		advance(&play, second);
		obey(&play, policy->step(state, second, share, &play.world));
	}
	policy->close(state);
	*ret_result = play.result;
	return 0;
}

void score_play_static(const struct score_game *game, const struct score_series *series,
		       struct score_result *ret_result)
{
	for (uint32_t tier = 0; tier < game->tier_count; tier++) {
		struct play play = {.game = game, .world = {.tier = tier}};

		for (size_t second = 0; second < series->count; second++)
			accrue(&play, second, series->share[second]);
		if (tier == 0 || play.result.reward > ret_result->reward)
			*ret_result = play.result;
	}
}
