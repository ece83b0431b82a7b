/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the series that are scored come from. */
#ifndef TIERD_APP_SCORE_SERIES_H
#define TIERD_APP_SCORE_SERIES_H

#include "score.h"

/*
 * Reads a file and holds it to one value a second: each row counts from its own second on, until
 * the next. host_bytes: what mem_total is where the file has shares instead of bytes, 0 for the
 * default. Returns 0, or negative errno with one line in error; *ret_series is untouched then.
 */
int score_series_load(const char *path, uint64_t host_bytes, struct score_series *ret_series,
		      char *error, size_t error_size);

void score_series_free(struct score_series *series);

#endif
