/* SPDX-License-Identifier: BSD-2-Clause */
/* What a line of manager.fifo asks for, in words. Pure. */
#ifndef TIERD_APP_LISTEN_EXPLAIN_H
#define TIERD_APP_LISTEN_EXPLAIN_H

#include <stddef.h>

/*
 * line is without its newline, printable and NUL-terminated. Returns the length of the words;
 * -EMSGSIZE (and an empty buffer) if they do not fit.
 */
int listen_explain(const char *line, char *buffer, size_t size);

#endif
