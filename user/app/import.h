/* SPDX-License-Identifier: BSD-2-Clause */
/* The events of an input, kept: as a trace, or as the plainest CSV there is. */
#ifndef TIERD_APP_IMPORT_H
#define TIERD_APP_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "input.h"

/*
 * Writes all of the input to a new trace at path: all of it or no file. Returns 0; -EEXIST if
 * something is there already and is_forced is false. Else negative errno; where it is the input
 * that is bad, with a line in error, which is untouched otherwise.
 */
int import_to_trace(struct input *input, const char *path, bool is_forced, char *error,
		    size_t error_size);

/* The same as a CSV file with the columns time_s, mem_total and mem_others, in bytes. */
int import_to_csv(struct input *input, const char *path, bool is_forced, char *error,
		  size_t error_size);

/* The same, into a file that is open. */
int import_print_csv(struct input *input, FILE *file, char *error, size_t error_size);

#endif
