/* SPDX-License-Identifier: BSD-2-Clause */
/* What a line of manager.fifo asks for, in words. Pure. */
#ifndef TIERD_APP_LISTEN_EXPLAIN_H
#define TIERD_APP_LISTEN_EXPLAIN_H

#include <stddef.h>

#include "tierd/protocol.h"

/*
 * Returns the length of the words, which are harmless to a terminal; -EMSGSIZE (and an empty
 * buffer) if they do not fit.
 */
int listen_explain(const struct manager_line *line, char *buffer, size_t size);

#endif
