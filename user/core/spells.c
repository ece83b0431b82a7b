/* SPDX-License-Identifier: BSD-2-Clause */
#include "spells.h"

#include <string.h>

#include "base/units.h"

enum {
	BLUR_COUNT = 3, /* each spell that was seen stands for itself, a shorter and a longer one */
	KNOWN_MIN = 3,  /* spells from which it can be told how alike they are */
	BLUR_UNKNOWN_PERMYRIAD = 1500,
	BLUR_MIN_PERMYRIAD = 200,
	BLUR_MAX_PERMYRIAD = 2500,
	/* Intervals are asked instead of lengths if they vary less, and by no more than this. */
	INTERVAL_VARIATION_MAX_PERMYRIAD = 2500,
	/* With one seen spell the age alone counts a quarter as much; with more, ever less. */
	SEEN_WEIGHT = 2,
};

static void history_add(struct spell_history *history, uint64_t length_ns)
{
	memmove(history->length_ns + 1, history->length_ns,
		(SPELLS_MAX - 1) * sizeof(history->length_ns[0]));
	history->length_ns[0] = length_ns;
	if (history->count < SPELLS_MAX)
		history->count++;
}

/* Mean absolute deviation as a share of the mean; UINT32_MAX with fewer than two. */
static uint32_t variation_permyriad(const struct spell_history *history)
{
	uint64_t sum_ns = 0;
	uint64_t off_ns = 0;

	if (history->count < 2)
		return UINT32_MAX;
	for (uint32_t i = 0; i < history->count; i++)
		sum_ns = units_plus(sum_ns, history->length_ns[i]);
	for (uint32_t i = 0; i < history->count; i++) {
		uint64_t mean_ns = sum_ns / history->count;

		off_ns += units_max(units_minus(history->length_ns[i], mean_ns),
				    units_minus(mean_ns, history->length_ns[i]));
	}
	return units_permyriad(off_ns, sum_ns);
}

void spells_open(struct spells *spells, uint64_t now_ns)
{
	if (spells->is_open)
		return;
	spells->is_open = true;
	spells->opened_ns = now_ns;
}

void spells_break(struct spells *spells, uint64_t now_ns, uint64_t min_ns)
{
	uint64_t length_ns = spells_sure_ns(spells, now_ns);

	if (!spells->is_open)
		return;
	spells->is_open = false;
	if (length_ns >= min_ns)
		history_add(&spells->lengths, length_ns);
	if (spells->has_broken && spells->broken_ns >= spells->restarted_ns &&
	    now_ns - spells->broken_ns >= min_ns)
		history_add(&spells->intervals, now_ns - spells->broken_ns);
	spells->has_broken = true;
	spells->broken_ns = now_ns;
}

void spells_restart(struct spells *spells, uint64_t now_ns)
{
	spells->restarted_ns = now_ns;
}

uint64_t spells_age_ns(const struct spells *spells, uint64_t now_ns)
{
	return spells->is_open ? units_minus(now_ns, spells->opened_ns) : 0;
}

uint64_t spells_sure_ns(const struct spells *spells, uint64_t now_ns)
{
	uint64_t since_ns = units_max(spells->opened_ns, spells->restarted_ns);

	return spells->is_open ? units_minus(now_ns, since_ns) : 0;
}

static void add_answer(struct spell_answers *answers, uint64_t remaining_ns, uint64_t weight)
{
	answers->answer[answers->count++] =
		(struct spell_answer){.remaining_ns = remaining_ns, .weight = weight};
}

static uint64_t blur_permyriad(const struct spell_history *history)
{
	if (history->count < KNOWN_MIN)
		return BLUR_UNKNOWN_PERMYRIAD;
	return units_min(
		units_max(UINT64_C(3) * variation_permyriad(history) / 2, BLUR_MIN_PERMYRIAD),
		BLUR_MAX_PERMYRIAD);
}

static void add_seen(const struct spell_history *history, uint64_t age_ns,
		     struct spell_answers *answers)
{
	uint64_t blur = blur_permyriad(history);
	const uint64_t scales[BLUR_COUNT] = {PERMYRIAD - blur, PERMYRIAD, PERMYRIAD + blur};

	for (uint32_t i = 0; i < history->count; i++) {
		for (int j = 0; j < BLUR_COUNT; j++) {
			uint64_t length_ns =
				units_scale(history->length_ns[i], scales[j], PERMYRIAD);

			if (length_ns > age_ns)
				add_answer(answers, length_ns - age_ns,
					   (uint64_t)SEEN_WEIGHT * (1 + history->count));
		}
	}
	answers->is_known = answers->count > 0 && history->count >= KNOWN_MIN;
}

/* The quartiles of what Gott's rule says. */
static void add_unseen(uint64_t age_ns, struct spell_answers *answers)
{
	add_answer(answers, age_ns / 3, 1);
	add_answer(answers, age_ns, 1);
	add_answer(answers, units_scale(age_ns, 3, 1), 1);
}

void spells_ask(const struct spells *spells, uint64_t now_ns, struct spell_answers *ret_answers)
{
	uint32_t length_variation = variation_permyriad(&spells->lengths);
	uint32_t interval_variation = variation_permyriad(&spells->intervals);

	ret_answers->count = 0;
	if (spells->has_broken && interval_variation < length_variation &&
	    interval_variation < INTERVAL_VARIATION_MAX_PERMYRIAD)
		add_seen(&spells->intervals, units_minus(now_ns, spells->broken_ns), ret_answers);
	else
		add_seen(&spells->lengths, spells_age_ns(spells, now_ns), ret_answers);
	add_unseen(spells_age_ns(spells, now_ns), ret_answers);
}

uint32_t spells_ends_permyriad(const struct spell_answers *answers, uint64_t within_ns)
{
	uint64_t ending = 0;
	uint64_t all = 0;

	for (uint32_t i = 0; i < answers->count; i++) {
		all += answers->answer[i].weight;
		if (answers->answer[i].remaining_ns < within_ns)
			ending += answers->answer[i].weight;
	}
	return units_permyriad(ending, all);
}

uint64_t spells_mean_ns(const struct spell_answers *answers, uint64_t max_ns)
{
	unsigned __int128 sum = 0;
	uint64_t all = 0;

	for (uint32_t i = 0; i < answers->count; i++) {
		all += answers->answer[i].weight;
		sum += (unsigned __int128)units_min(answers->answer[i].remaining_ns, max_ns) *
		       answers->answer[i].weight;
	}
	return all ? (uint64_t)(sum / all) : 0;
}
