// SPDX-License-Identifier: BSD-2-Clause
#include "import.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "io/new_file.h"
#include "io/trace_writer.h"
#include "version.h"

/* ---- traces ------------------------------------------------------------------------------------
 */

/* A trace keeps the configuration as text. */
static int add_config(struct trace_writer *writer, const struct event *event,
		      const struct app_config *config)
{
	static const char NAME[] = "(imported)";
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);

	if (!file)
		return -ENOMEM;
	int result = config_write(file, config, CONFIG_PLAIN, NULL);
	if (fclose(file) != 0 || result < 0)
		return -ENOMEM;
	const struct event_text record = {NAME, sizeof(NAME) - 1, text, len};
	trace_writer_add(writer, event, &record);
	return 0;
}

static int add_events(struct trace_writer *writer, struct input *input, char *error,
		      size_t error_size)
{
	const struct event *event;
	int result;

	while ((result = input_next(input, &event, error, error_size)) > 0) {
		if (event->kind != EVENT_CONFIG)
			trace_writer_add(writer, event, NULL);
		else if (add_config(writer, event, input_get_config(input)) < 0)
			return -ENOMEM;
	}
	return result;
}

static int write_trace(struct input *input, const char *path, char *error, size_t error_size)
{
	struct trace_writer_options options = {
		.path = path,
		.metadata = {.flags = TRACE_IMPORTED,
			     .clock = "time_s",
			     .recorder = "tierctl " TIERD_VERSION " import"},
		.segment_max_bytes = UINT64_MAX,
		.keep = 1,
		.is_new_only = true,
		.is_waiting = true,
	};
	struct trace_writer *writer;
	int result = trace_writer_open(&options, &writer);

	if (result < 0)
		return result;
	result = add_events(writer, input, error, error_size);
	int closed = trace_writer_close(writer, -1);
	return result < 0 ? result : closed;
}

int import_to_trace(struct input *input, const char *path, bool is_forced, char *error,
		    size_t error_size)
{
	struct new_file file;
	int fd = new_file_create(path, is_forced, &file);
	int result;

	if (fd < 0)
		return fd;
	/* The writer makes its file itself. */
	close(fd);
	new_file_drop(&file);
	result = write_trace(input, file.temporary, error, error_size);
	if (result == 0)
		return new_file_keep(&file);
	new_file_drop(&file);
	return result;
}

/* ---- CSV ---------------------------------------------------------------------------------------
 */

/* Seconds, with as many decimals as there are. */
static void print_time(FILE *file, uint64_t time_ns)
{
	uint64_t rest_ns = time_ns % NS_PER_S;
	int digits = 9;

	fprintf(file, "%" PRIu64, time_ns / NS_PER_S);
	if (rest_ns == 0)
		return;
	for (; rest_ns % 10 == 0; digits--)
		rest_ns /= 10;
	fprintf(file, ".%0*" PRIu64, digits, rest_ns);
}

int import_print_csv(struct input *input, FILE *file, char *error, size_t error_size)
{
	const struct event *event;
	int result;

	fputs("time_s,mem_total,mem_others\n", file);
	while ((result = input_next(input, &event, error, error_size)) > 0) {
		const struct event_resource *host = &event->sample.resources[0];

		if (event->kind != EVENT_SAMPLE)
			continue;
		print_time(file, event->time_ns);
		fprintf(file, ",%" PRIu64 ",%" PRIu64 "\n", host->capacity_bytes,
			units_minus(host->used_bytes, host->model_bytes));
	}
	if (result == 0 && (fflush(file) != 0 || ferror(file)))
		return -EIO;
	return result;
}

int import_to_csv(struct input *input, const char *path, bool is_forced, char *error,
		  size_t error_size)
{
	struct new_file new_file;
	int fd = new_file_create(path, is_forced, &new_file);
	int result;

	if (fd < 0)
		return fd;
	FILE *file = fdopen(fd, "w");
	if (!file) {
		close(fd);
		new_file_drop(&new_file);
		return -ENOMEM;
	}
	result = import_print_csv(input, file, error, error_size);
	if (fclose(file) != 0 && result == 0)
		result = -EIO;
	if (result == 0)
		return new_file_keep(&new_file);
	new_file_drop(&new_file);
	return result;
}
