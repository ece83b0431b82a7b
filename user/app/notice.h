/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A step down, told to people: one plain sentence for the notify line, which a manager can show.
 */
#ifndef TIERD_APP_NOTICE_H
#define TIERD_APP_NOTICE_H

#include <stddef.h>

#include "core/actions.h"

/*
 * Writes the sentence: printable characters only, under PROTOCOL_NOTICE_LEN bytes. Returns its
 * length; 0, and an empty buffer, where the decision is no order to step down; -EMSGSIZE if it does
 * not fit into size.
 */
int notice_format(const struct decision *decision, const struct ladder *ladder, char *buffer,
		  size_t size);

#endif
