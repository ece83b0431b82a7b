/* SPDX-License-Identifier: BSD-2-Clause */
/* What a whole trace holds, in short: read to its end and then printed. */
#ifndef TIERD_APP_TRACE_INFO_H
#define TIERD_APP_TRACE_INFO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "io/trace_reader.h"

struct trace_info;

/* "gap", "torn", ...; "?" for an unknown one. */
const char *trace_notice_name(uint32_t notice);

/* Reads the trace to its end. The reader and path must outlive it. Returns NULL without memory. */
struct trace_info *trace_info_read(struct trace_reader *reader, const char *path);
void trace_info_free(struct trace_info *info);

bool trace_info_is_damaged(const struct trace_info *info);

/* One line of JSON; or a page. Return 0 or -EIO. */
int trace_info_print_json(const struct trace_info *info, FILE *file);
int trace_info_print_text(const struct trace_info *info, FILE *file);

#endif
