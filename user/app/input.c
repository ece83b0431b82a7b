// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "input_private.h"
#include "tierd/trace_format.h"

void input_warn(const struct input *input, const char *text)
{
	if (input->options.on_warning)
		input->options.on_warning(input->options.context, text);
}

/*
 * By the first byte of its magic, which begins no text in UTF-8: so what is left of a damaged trace
 * is still taken for one. Only a CSV may come out of a pipe, which must not be opened twice: its
 * writer would find nobody at the other end in between.
 */
static bool is_trace(const char *path)
{
	struct stat info;
	char first;

	if (stat(path, &info) < 0 || !S_ISREG(info.st_mode))
		return false;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd >= 0 && read(fd, &first, 1) == 1 && first == TRACE_MAGIC[0];
}

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
	if (options->config)
		input->config = *options->config;
	input->kind = !options->requests && is_trace(path) ? &INPUT_TRACE : &INPUT_ROWS;
	result = input->kind->open(input, path, error, error_size);
	if (result < 0)
		input_close(input);
	else
		*ret_input = input;
	return result;
}

int input_next(struct input *input, const struct event **ret_event, char *error, size_t error_size)
{
	return input->kind->next(input, ret_event, error, error_size);
}

bool input_needs_ticks(const struct input *input)
{
	return input->needs_ticks;
}

bool input_is_trace(const struct input *input)
{
	return input->kind == &INPUT_TRACE;
}

const struct app_config *input_get_config(const struct input *input)
{
	return &input->config;
}

void input_close(struct input *input)
{
	if (!input)
		return;
	input->kind->close(input);
	free(input);
}
