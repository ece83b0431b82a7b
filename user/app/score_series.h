/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the series that are scored come from. */
#ifndef TIERD_APP_SCORE_SERIES_H
#define TIERD_APP_SCORE_SERIES_H

#include "input.h"
#include "score.h"

/*
 * Reads a trace or CSV file and holds it to one value a second: each row or sample counts from its
 * own second on, until the next. Of a trace the smallest memory that holds the model counts.
 * Returns 0, or negative errno with one line in error; *ret_series is untouched then.
 */
int score_series_load(const char *path, const struct input_options *options,
		      struct score_series *ret_series, char *error, size_t error_size);

void score_series_free(struct score_series *series);

#endif
