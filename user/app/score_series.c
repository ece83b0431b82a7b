/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host's past, held to one value a second: from a CSV as it is written, or from the samples of a
 * trace, of which others' use counts, not what the tier of then took.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "input.h"
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

/* One more point: it holds from its own second on. */
static int take_point(struct fill *fill, uint64_t time_ns, uint64_t memory_bytes, double share,
		      char *error, size_t error_size)
{
	uint64_t second;
	int result;

	if (!fill->series->memory_bytes) {
		fill->series->memory_bytes = memory_bytes;
		fill->first_ns = time_ns;
	}
	if (memory_bytes != fill->series->memory_bytes) {
		snprintf(error, error_size, "%s: the size of memory changes; score takes one host",
			 fill->series->name);
		return -EINVAL;
	}
	second = (time_ns - fill->first_ns + NS_PER_S - 1) / NS_PER_S;
	if (second >= SCORE_SECONDS_MAX) {
		snprintf(error, error_size, "%s: longer than %d days", fill->series->name,
			 SCORE_SECONDS_MAX / (24 * 3600));
		return -EINVAL;
	}
	result = hold(fill->series, &fill->capacity, second, fill->share);
	if (result < 0)
		snprintf(error, error_size, "out of memory");
	fill->share = share;
	return result;
}

static int finish_fill(struct fill *fill, char *error, size_t error_size)
{
	int result;

	if (!fill->series->memory_bytes) {
		snprintf(error, error_size, "%s: no sample in it", fill->series->name);
		return -EINVAL;
	}
	result = hold(fill->series, &fill->capacity, fill->series->count + 1, fill->share);
	if (result < 0)
		snprintf(error, error_size, "out of memory");
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
		result = take_point(&fill, row.time_ns, csv_row_bytes(&row, row.mem_total),
				    row.mem_others / row.mem_total, error, error_size);
		if (result < 0)
			break;
	}
	return result < 0 ? result : finish_fill(&fill, error, error_size);
}

/* The smallest memory that holds the model: its limited group, or the host. NULL if there is none.
 */
static const struct event_resource *find_memory(const struct event_sample *sample)
{
	const struct event_resource *smallest = NULL;

	for (uint32_t i = 0; i < sample->resource_count; i++) {
		const struct event_resource *resource = &sample->resources[i];

		if (resource->kind != RESOURCE_VRAM && resource->capacity_bytes > 0 &&
		    (!smallest || resource->capacity_bytes < smallest->capacity_bytes))
			smallest = resource;
	}
	return smallest;
}

static int load_samples(struct input *input, struct score_series *series, char *error,
			size_t error_size)
{
	struct fill fill = {.series = series};
	const struct event *event;
	int result;

	for (;;) {
		const struct event_resource *memory;

		result = input_next(input, &event, error, error_size);
		if (result <= 0)
			break;
		memory = event->kind == EVENT_SAMPLE ? find_memory(&event->sample) : NULL;
		if (!memory)
			continue;
		result = take_point(&fill, event->time_ns, memory->capacity_bytes,
				    (double)units_minus(memory->used_bytes, memory->model_bytes) /
					    (double)memory->capacity_bytes,
				    error, error_size);
		if (result < 0)
			break;
	}
	return result < 0 ? result : finish_fill(&fill, error, error_size);
}

void score_series_free(struct score_series *series)
{
	free(series->name);
	free(series->share);
	memset(series, 0, sizeof(*series));
}

static int load_csv(const char *path, uint64_t host_bytes, struct score_series *series, char *error,
		    size_t error_size)
{
	_cleanup_(close_rows) struct csv_rows *rows = NULL;
	int result = csv_rows_open(path, host_bytes, &rows, error, error_size);

	return result < 0 ? result : load_rows(rows, series, error, error_size);
}

int score_series_load(const char *path, const struct input_options *options,
		      struct score_series *ret_series, char *error, size_t error_size)
{
	_cleanup_(input_cleanup) struct input *input = NULL;
	_cleanup_(score_series_free) struct score_series series = {0};
	const char *slash = strrchr(path, '/');
	int result = input_open(path, options, &input, error, error_size);

	if (result < 0)
		return result;
	series.name = strdup(slash ? slash + 1 : path);
	if (!series.name) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	if (input_is_trace(input))
		result = load_samples(input, &series, error, error_size);
	else
		result = load_csv(path, options->host_bytes, &series, error, error_size);
	if (result < 0)
		return result;
	*ret_series = series;
	series = (struct score_series){0};
	return 0;
}
