// SPDX-License-Identifier: BSD-2-Clause
#include "input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/units.h"
#include "detect.h"
#include "row_events.h"

enum {
	QUEUE_MAX = ROW_EVENTS_MAX + 1, /* and the configuration before the first row */
};

struct input {
	struct input_options options;
	struct app_config config;
	struct csv_rows *rows;
	struct row_events row_events;
	struct event queue[QUEUE_MAX];
	unsigned int queue_count;
	unsigned int queue_next;
};

static void warn(const struct input *input, const char *text)
{
	if (input->options.on_warning)
		input->options.on_warning(input->options.context, text);
}

/* ---- CSV ---------------------------------------------------------------------------------------
 */

static void warn_of_unit(const struct input *input, const struct csv_row *row)
{
	char text[CONFIG_ERROR_LEN];
	char bytes[UNITS_TEXT_LEN];

	if (row->bytes_per_unit == 1) {
		if (input->options.host_bytes)
			warn(input, "mem_total is in bytes: --memory changes nothing");
	} else if (!input->options.host_bytes) {
		snprintf(text, sizeof(text),
			 "mem_total is not in bytes: the host is taken to have %s; --memory says "
			 "otherwise",
			 units_format_bytes_rounded(csv_row_bytes(row, row->mem_total), bytes));
		warn(input, text);
	}
}

static void describe_ladder(const struct input *input, uint64_t host_bytes)
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
		warn(input, buffer);
}

/* The config that a person would begin with on the host of the first row. */
static int guess_config(struct input *input, const struct csv_row *row, char *error,
			size_t error_size)
{
	_cleanup_free_ struct app_config *guess = malloc(sizeof(*guess));
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	struct hardware hardware = {
		.memory_bytes = csv_row_bytes(row, row->mem_total),
		.cores_permille = (uint32_t)row->cpus * 1000,
	};
	FILE *file = guess ? open_memstream(&text, &len) : NULL;
	int result = -ENOMEM;

	if (row->vram_total > 0)
		hardware.gpus[hardware.gpu_count++].memory_bytes = (uint64_t)row->vram_total;
	if (file) {
		hardware_make_config(&hardware, false, guess);
		result = config_write(file, guess, CONFIG_PLAIN, NULL);
		if (fclose(file) != 0 || result < 0)
			result = -ENOMEM;
	}
	if (result < 0) {
		snprintf(error, error_size, "out of memory");
		return result;
	}
	result = config_load_text(text, len, "(guess)", input->options.overrides, &input->config,
				  error, error_size);
	if (result == 0)
		describe_ladder(input, hardware.memory_bytes);
	return result;
}

/* Reads a row into the queue. Returns 1, 0 at the end, or negative errno. */
static int read_row(struct input *input, struct csv_row *ret_row, char *error, size_t error_size)
{
	int result = csv_rows_next(input->rows, ret_row, error, error_size);

	if (result <= 0)
		return result;
	input->queue_count +=
		row_events_make(&input->row_events, ret_row, input->queue + input->queue_count);
	return 1;
}

static int open_csv(struct input *input, const char *path, char *error, size_t error_size)
{
	struct csv_row row;
	int result =
		csv_rows_open(path, input->options.host_bytes, &input->rows, error, error_size);

	if (result < 0)
		return result;
	row_events_init(&input->row_events);
	input->queue_count = 1;
	result = read_row(input, &row, error, error_size);
	if (result < 0)
		return result;
	input->queue[0] = (struct event){
		.time_ns = row.time_ns,
		.kind = EVENT_CONFIG,
		.config = &input->config.engine,
	};
	warn_of_unit(input, &row);
	if (input->options.config) {
		input->config = *input->options.config;
		return 0;
	}
	return guess_config(input, &row, error, error_size);
}

/* ---- the door ----------------------------------------------------------------------------------
 */

int input_open(const char *path, const struct input_options *options, struct input **ret_input,
	       char *error, size_t error_size)
{
	struct input *input = calloc(1, sizeof(*input));
	int result;

	if (!input) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	input->options = *options;
	result = open_csv(input, path, error, error_size);
	if (result < 0)
		input_close(input);
	else
		*ret_input = input;
	return result;
}

int input_next(struct input *input, const struct event **ret_event, char *error, size_t error_size)
{
	if (input->queue_next == input->queue_count) {
		struct csv_row row;
		int result;

		input->queue_next = 0;
		input->queue_count = 0;
		result = read_row(input, &row, error, error_size);
		if (result <= 0)
			return result;
	}
	*ret_event = &input->queue[input->queue_next++];
	return 1;
}

bool input_needs_ticks(const struct input *input)
{
	return input->rows;
}

void input_close(struct input *input)
{
	if (!input)
		return;
	csv_rows_close(input->rows);
	free(input);
}
