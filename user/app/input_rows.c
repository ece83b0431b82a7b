// SPDX-License-Identifier: BSD-2-Clause
/*
 * CSV files, and logs of requests as if they were one with a row each second. The first row is read
 * when the file is opened: it says how large the host is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/units.h"
#include "detect.h"
#include "input_private.h"

/* ---- warnings ----------------------------------------------------------------------------------
 */

static void warn_of_size(const struct input *input, const struct csv_row *row)
{
	char text[CONFIG_ERROR_LEN];
	char bytes[UNITS_TEXT_LEN];

	if (row->bytes_per_unit == 1) {
		if (input->options.host_bytes)
			input_warn(input, "mem_total is in bytes: --memory changes nothing");
	} else if (!input->options.host_bytes) {
		snprintf(text, sizeof(text),
			 "%sthe host is taken to have %s; --memory says otherwise",
			 input->rows.csv ? "mem_total is not in bytes: " : "",
			 units_format_bytes_rounded(csv_row_bytes(row, row->mem_total), bytes));
		input_warn(input, text);
	}
}

static void warn_of_guess(const struct input *input, uint64_t host_bytes)
{
	const struct ladder *ladder = &input->config.engine.ladder;
	char buffer[CONFIG_ERROR_LEN];
	char bytes[UNITS_TEXT_LEN];
	struct text text;

	text_init(&text, buffer, sizeof(buffer));
	text_add(&text, "without a config, tiers are guessed for a host of %s:",
		 units_format_bytes_rounded(host_bytes, bytes));
	for (uint32_t i = 1; i < ladder->count; i++)
		text_add(&text, " %s %s", ladder->tiers[i].name,
			 units_format_bytes_rounded(ladder->tiers[i].memory_bytes, bytes));
	if (text_finish(&text) > 0)
		input_warn(input, buffer);
}

/* ---- rows --------------------------------------------------------------------------------------
 */

static int next_second(struct input_rows *rows, struct csv_row *ret_row)
{
	uint32_t second = rows->next_second;

	if (second == rows->series.count)
		return 0;
	rows->next_second++;
	ret_row->time_s = second;
	ret_row->time_ns = second * NS_PER_S;
	ret_row->mem_others = rows->series.others[second];
	return 1;
}

/* A row of shares of a host; its other fields are filled in. */
static struct csv_row share_row(uint64_t host_bytes)
{
	return (struct csv_row){
		.present = 1U << CSV_COLUMN_TIME_S | 1U << CSV_COLUMN_MEM_TOTAL |
			   1U << CSV_COLUMN_MEM_OTHERS,
		.mem_total = 1,
		.bytes_per_unit = (double)(host_bytes ? host_bytes : CSV_HOST_BYTES_DEFAULT),
	};
}

/* Reads a row into the queue. Returns 1, 0 at the end, or negative errno. */
static int read_row(struct input *input, struct csv_row *ret_row, char *error, size_t error_size)
{
	struct input_rows *rows = &input->rows;
	int result;

	if (rows->csv) {
		result = csv_rows_next(rows->csv, ret_row, error, error_size);
	} else {
		*ret_row = share_row(input->options.host_bytes);
		result = next_second(rows, ret_row);
	}
	if (result > 0)
		rows->queue_count +=
			row_events_make(&rows->events, ret_row, rows->queue + rows->queue_count);
	return result;
}

/* ---- the configuration -------------------------------------------------------------------------
 */

static int write_guess(const struct csv_row *row, char **ret_text, size_t *ret_len)
{
	_cleanup_free_ struct app_config *guess = malloc(sizeof(*guess));
	struct hardware hardware = {
		.memory_bytes = csv_row_bytes(row, row->mem_total),
		.cores_permille = (uint32_t)row->cpus * 1000,
	};
	FILE *file = guess ? open_memstream(ret_text, ret_len) : NULL;

	if (!file)
		return -ENOMEM;
	if (row->vram_total > 0)
		hardware.gpus[hardware.gpu_count++].memory_bytes = (uint64_t)row->vram_total;
	hardware_make_config(&hardware, false, guess);
	int result = config_write(file, guess, CONFIG_PLAIN, NULL);
	return fclose(file) != 0 || result < 0 ? -ENOMEM : 0;
}

/* What a person would begin with on the host of the first row. */
static int guess_config(struct input *input, const struct csv_row *row, char *error,
			size_t error_size)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int result = write_guess(row, &text, &len);

	if (result < 0) {
		snprintf(error, error_size, "out of memory");
		return result;
	}
	result = config_load_text(text, len, "(guess)", input->options.overrides, &input->config,
				  error, error_size);
	if (result == 0)
		warn_of_guess(input, csv_row_bytes(row, row->mem_total));
	return result;
}

/* ---- the kind ----------------------------------------------------------------------------------
 */

static int rows_open(struct input *input, const char *path, char *error, size_t error_size)
{
	const struct input_options *options = &input->options;
	struct input_rows *rows = &input->rows;
	struct csv_row row;
	int result;

	input->needs_ticks = true;
	row_events_init(&rows->events);
	if (options->requests)
		result = requests_load(path, options->requests, &rows->series, error, error_size);
	else
		result = csv_rows_open(path, options->host_bytes, &rows->csv, error, error_size);
	if (result < 0)
		return result;
	rows->queue_count = 1;
	result = read_row(input, &row, error, error_size);
	if (result < 0)
		return result;
	rows->queue[0] = (struct event){
		.time_ns = row.time_ns,
		.kind = EVENT_CONFIG,
		.config = &input->config.engine,
	};
	warn_of_size(input, &row);
	return options->config ? 0 : guess_config(input, &row, error, error_size);
}

static int rows_next(struct input *input, const struct event **ret_event, char *error,
		     size_t error_size)
{
	struct input_rows *rows = &input->rows;

	if (rows->queue_next == rows->queue_count) {
		struct csv_row row;
		int result;

		rows->queue_next = 0;
		rows->queue_count = 0;
		result = read_row(input, &row, error, error_size);
		if (result <= 0)
			return result;
	}
	*ret_event = &rows->queue[rows->queue_next++];
	return 1;
}

static void rows_close(struct input *input)
{
	csv_rows_close(input->rows.csv);
	requests_free(&input->rows.series);
}

const struct input_kind INPUT_ROWS = {
	.open = rows_open,
	.next = rows_next,
	.close = rows_close,
};
