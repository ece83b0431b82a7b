/* SPDX-License-Identifier: BSD-2-Clause */
/* Results of all policies over all traces, and what follows from them. */
#ifndef TIERD_APP_SCORE_SUITE_H
#define TIERD_APP_SCORE_SUITE_H

#include <jansson.h>
#include <stdio.h>

#include "score.h"

struct score_entry {
	char *name;
	struct score_result results[SCORE_POLICY_COUNT];
};

struct score_suite {
	struct score_game game;
	size_t count;
	struct score_entry *entries;
};

/* Of one policy, over one trace or all. Doubles that mean nothing (no hours, no gap) are NAN. */
struct score_figures {
	double mean_reward; /* J; over several traces their mean */
	double ratio;       /* sum(J) / sum(J of the oracle) */
	double gap_closed;  /* (J - threshold's) / (oracle's - threshold's), sums over traces */
	double worst_regret;
	double switches_per_hour;
	double aborts_per_hour;
	double broken_ups_per_hour;
	double mean_quality;
	uint64_t over_s;
	uint64_t full_s;
	uint64_t avoidable_s;
};

/* Plays one more trace with every policy. Takes the series' name. Returns 0 or negative errno. */
int score_suite_add(struct score_suite *suite, struct score_series *series);

void score_suite_free(struct score_suite *suite);

/* first and count: a range of traces. */
struct score_figures score_suite_figures(const struct score_suite *suite, size_t first,
					 size_t count, enum score_policy_number policy);

/* For scripts; NULL without memory. */
json_t *score_suite_to_json(const struct score_suite *suite);

/* For people. */
void score_suite_print(const struct score_suite *suite, FILE *file);

#endif
