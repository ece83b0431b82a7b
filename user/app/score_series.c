/* SPDX-License-Identifier: BSD-2-Clause */
/* A CSV of a host's past, held to one value a second. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "io/csv_rows.h"
#include "score_series.h"

enum {
	GROW_MIN = 4096,
};

static void close_rows(struct csv_rows **rows)
{
	if (*rows)
		csv_rows_close(*rows);
}

/* Makes the series reach up to second (not included), with share in what is new. */
static int hold(struct score_series *series, size_t *capacity, size_t second, double share)
{
	if (second > *capacity) {
		size_t larger = second + second / 2 + GROW_MIN;
		double *moved = realloc(series->share, larger * sizeof(*moved));

		if (!moved)
			return -ENOMEM;
		series->share = moved;
		*capacity = larger;
	}
	while (series->count < second)
		series->share[series->count++] = share;
	return 0;
}

struct fill {
	struct score_series *series;
	size_t capacity;
	uint64_t first_ns;
	double share; /* of the last row */
};

static int take_row(struct fill *fill, const struct csv_row *row, char *error, size_t error_size)
{
	uint64_t memory_bytes = csv_row_bytes(row, row->mem_total);
	uint64_t second;
	int result;

	if (!fill->series->memory_bytes) {
		fill->series->memory_bytes = memory_bytes;
		fill->first_ns = row->time_ns;
	}
	if (memory_bytes != fill->series->memory_bytes) {
		snprintf(error, error_size, "%s: mem_total changes; score takes one host",
			 fill->series->name);
		return -EINVAL;
	}
	second = (row->time_ns - fill->first_ns + NS_PER_S - 1) / NS_PER_S;
	if (second >= SCORE_SECONDS_MAX) {
		snprintf(error, error_size, "%s: longer than %d days", fill->series->name,
			 SCORE_SECONDS_MAX / (24 * 3600));
		return -EINVAL;
	}
	result = hold(fill->series, &fill->capacity, second, fill->share);
	if (result < 0)
		snprintf(error, error_size, "out of memory");
	fill->share = row->mem_others / row->mem_total;
	return result;
}

static int load_rows(struct csv_rows *rows, struct score_series *series, char *error,
		     size_t error_size)
{
	struct fill fill = {.series = series};
	struct csv_row row;
	int result;

	for (;;) {
		result = csv_rows_next(rows, &row, error, error_size);
		if (result <= 0)
			break;
		result = take_row(&fill, &row, error, error_size);
		if (result < 0)
			break;
	}
	if (result == 0)
		result = hold(series, &fill.capacity, series->count + 1, fill.share);
	return result;
}

void score_series_free(struct score_series *series)
{
	free(series->name);
	free(series->share);
	memset(series, 0, sizeof(*series));
}

int score_series_load(const char *path, uint64_t host_bytes, struct score_series *ret_series,
		      char *error, size_t error_size)
{
	_cleanup_(close_rows) struct csv_rows *rows = NULL;
	struct score_series series = {0};
	const char *slash = strrchr(path, '/');
	int result = csv_rows_open(path, host_bytes, &rows, error, error_size);

	if (result < 0)
		return result;
	series.name = strdup(slash ? slash + 1 : path);
	if (!series.name) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	result = load_rows(rows, &series, error, error_size);
	if (result < 0) {
		score_series_free(&series);
		return result;
	}
	*ret_series = series;
	return 0;
}
