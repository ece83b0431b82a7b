// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sums are kept as changes from second to second, so that a request costs the same however long it
 * runs; integers throughout, until the one division at the end.
 */
#include "requests.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/units.h"
#include "io/csv_table.h"

enum {
	SECONDS_FIRST = 4096, /* room to start with */
	FRACTION_DIGITS_MAX = 9,
	TOKENS_MAX = 1000000000,
};

enum request_column {
	REQUEST_TIMESTAMP,
	REQUEST_CONTEXT,
	REQUEST_GENERATED,
	REQUEST_COLUMN_COUNT,
};

static const char *const COLUMNS[REQUEST_COLUMN_COUNT] = {
	[REQUEST_TIMESTAMP] = "TIMESTAMP",
	[REQUEST_CONTEXT] = "ContextTokens",
	[REQUEST_GENERATED] = "GeneratedTokens",
};

struct load {
	const struct requests_options *options;
	struct csv_table *table;
	int columns[REQUEST_COLUMN_COUNT];
	char *error;
	size_t error_size;

	bool has_first;
	uint64_t first_ns;
	uint64_t last_ns;
	uint32_t end_s;   /* behind the last second in flight */
	int64_t *changes; /* of the tokens held, by second */
	uint32_t capacity;
};

/* ---- timestamps --------------------------------------------------------------------------------
 */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ".979", at most nine digits; nothing is 0. */
static bool parse_fraction(const char **at, uint64_t *ret_ns)
{
	uint64_t ns = 0;
	int digits = 0;

	if (**at == '.') {
		(*at)++;
		for (; is_digit(**at) && digits < FRACTION_DIGITS_MAX; digits++)
			ns = ns * 10 + (uint64_t)(*(*at)++ - '0');
		if (digits == 0)
			return false;
	}
	for (; digits < FRACTION_DIGITS_MAX; digits++)
		ns *= 10;
	*ret_ns = ns;
	return true;
}

/* Nothing, Z, or +01:00: seconds that the clock is ahead of UTC. */
static bool parse_zone(const char *at, int64_t *ret_s)
{
	int64_t sign = *at == '-' ? -1 : 1;

	*ret_s = 0;
	if (*at == '\0' || strcmp(at, "Z") == 0)
		return true;
	if (*at != '+' && *at != '-')
		return false;
	if (strlen(at) != 6 || !is_digit(at[1]) || !is_digit(at[2]) || at[3] != ':' ||
	    !is_digit(at[4]) || !is_digit(at[5]))
		return false;
	*ret_s = sign * 60 *
		 (((at[1] - '0') * 10 + at[2] - '0') * 60 + (at[4] - '0') * 10 + at[5] - '0');
	return true;
}

/* Nanoseconds since 1970, which end in 2554. */
static bool parse_timestamp(const char *text, uint64_t *ret_ns)
{
	struct tm tm = {0};
	struct tm again;
	uint64_t fraction_ns;
	int64_t ahead_s;
	const char *at = strptime(text, "%Y-%m-%d", &tm);

	if (!at || (*at != ' ' && *at != 'T'))
		return false;
	at = strptime(at + 1, "%H:%M:%S", &tm);
	if (!at || !parse_fraction(&at, &fraction_ns) || !parse_zone(at, &ahead_s))
		return false;
	int day = tm.tm_mday;
	time_t time = timegm(&tm);
	/* There is no 30th of February. */
	if (!gmtime_r(&time, &again) || again.tm_mday != day)
		return false;
	int64_t seconds = (int64_t)time - ahead_s;
	if (seconds < 0 || seconds >= (int64_t)(UINT64_MAX / NS_PER_S))
		return false;
	*ret_ns = (uint64_t)seconds * NS_PER_S + fraction_ns;
	return true;
}

/* ---- requests ----------------------------------------------------------------------------------
 */

static int refuse_field(const struct load *load, const char *const *fields,
			enum request_column column, const char *what)
{
	int index = load->columns[column];

	return csv_table_refuse_field(load->table, index, fields[index], load->error,
				      load->error_size, what);
}

/* Seconds that a request is in flight. */
static uint64_t flight_s(const struct requests_options *options, uint64_t generated)
{
	uint64_t ns = units_scale(generated, options->ns_per_token, 1);
	uint64_t seconds = ns / NS_PER_S + (ns % NS_PER_S ? 1 : 0);

	return units_max(seconds, 1);
}

/* Room for changes in second `end_s` and all before it. */
static int make_room(struct load *load, uint32_t end_s)
{
	uint32_t capacity = load->capacity ? load->capacity : SECONDS_FIRST;
	int64_t *changes;

	if (end_s < load->capacity)
		return 0;
	while (capacity <= end_s)
		capacity *= 2;
	changes = realloc(load->changes, capacity * sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	memset(changes + load->capacity, 0, (capacity - load->capacity) * sizeof(*changes));
	load->changes = changes;
	load->capacity = capacity;
	return 0;
}

static int add_request(struct load *load, uint64_t time_ns, uint64_t context, uint64_t generated)
{
	uint64_t begin_s = (time_ns - load->first_ns) / NS_PER_S;
	uint64_t end_s = units_plus(begin_s, flight_s(load->options, generated));
	int64_t held = (int64_t)(context + generated);

	if (end_s > REQUESTS_SECONDS_MAX)
		return csv_table_refuse(load->table, -1, load->error, load->error_size,
					"this request ends over %d days after the first came",
					REQUESTS_SECONDS_MAX / (24 * 3600));
	if (make_room(load, (uint32_t)end_s) < 0) {
		csv_table_refuse(load->table, -1, load->error, load->error_size, "out of memory");
		return -ENOMEM;
	}
	load->changes[begin_s] += held;
	load->changes[end_s] -= held;
	if (end_s > load->end_s)
		load->end_s = (uint32_t)end_s;
	return 0;
}

static int take_request(struct load *load, const char *const *fields)
{
	uint64_t tokens[REQUEST_COLUMN_COUNT] = {0};
	uint64_t time_ns;

	if (!parse_timestamp(fields[load->columns[REQUEST_TIMESTAMP]], &time_ns))
		return refuse_field(load, fields, REQUEST_TIMESTAMP,
				    "is not a time like 2023-11-16 18:17:03.97");
	for (int i = REQUEST_CONTEXT; i <= REQUEST_GENERATED; i++) {
		if (units_parse_u64(fields[load->columns[i]], &tokens[i]) < 0 ||
		    tokens[i] > TOKENS_MAX)
			return refuse_field(load, fields, (enum request_column)i,
					    "is not a number of tokens");
	}
	if (!load->has_first)
		load->first_ns = time_ns;
	else if (time_ns < load->last_ns)
		return refuse_field(load, fields, REQUEST_TIMESTAMP, "is before the row before");
	load->has_first = true;
	load->last_ns = time_ns;
	return add_request(load, time_ns, tokens[REQUEST_CONTEXT], tokens[REQUEST_GENERATED]);
}

static int read_requests(struct load *load)
{
	const char *const *fields;
	int result;

	for (int i = 0; i < REQUEST_COLUMN_COUNT; i++) {
		load->columns[i] = csv_table_find_column(load->table, COLUMNS[i]);
		if (load->columns[i] < 0)
			return csv_table_refuse(load->table, -1, load->error, load->error_size,
						"there is no column %s", COLUMNS[i]);
	}
	while ((result = csv_table_next(load->table, &fields, load->error, load->error_size)) > 0) {
		result = take_request(load, fields);
		if (result < 0)
			return result;
	}
	if (result == 0 && !load->has_first)
		return csv_table_refuse(load->table, -1, load->error, load->error_size,
					"nothing follows the header line");
	return result;
}

/* ---- the series --------------------------------------------------------------------------------
 */

static int make_series(struct load *load, struct requests_series *ret_series)
{
	const struct requests_options *options = load->options;
	uint32_t count = options->duration_s;
	int64_t highest = 0;
	int64_t held = 0;
	double *others;

	if (count == 0)
		count = load->end_s > REQUESTS_SECONDS_MIN ? load->end_s : REQUESTS_SECONDS_MIN;
	others = calloc(count, sizeof(*others));
	if (!others || make_room(load, count) < 0) {
		free(others);
		snprintf(load->error, load->error_size, "out of memory");
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		held += load->changes[i];
		highest = held > highest ? held : highest;
		others[i] = (double)held;
	}
	for (uint32_t i = 0; i < count; i++) {
		double share = highest ? others[i] / (double)highest : 0;

		/* So that both ends come out exactly. */
		others[i] = options->low * (1 - share) + options->high * share;
	}
	*ret_series = (struct requests_series){count, others};
	return 0;
}

int requests_load(const char *path, const struct requests_options *options,
		  struct requests_series *ret_series, char *error, size_t error_size)
{
	struct load load = {.options = options, .error = error, .error_size = error_size};
	int result = csv_table_open(path, &load.table, error, error_size);

	if (result == 0)
		result = read_requests(&load);
	if (result == 0)
		result = make_series(&load, ret_series);
	csv_table_close(load.table);
	free(load.changes);
	return result;
}

void requests_free(struct requests_series *series)
{
	free(series->others);
	*series = (struct requests_series){0};
}
