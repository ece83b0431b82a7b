/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text piece by piece into a fixed buffer. Never torn: what does not fit marks the text as full,
 * and text_finish() then returns -EMSGSIZE with an empty buffer.
 */
#ifndef TIERD_BASE_TEXT_H
#define TIERD_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
	char *buffer;
	size_t size;
	size_t len;
	bool is_full;
};

/* size > 0. */
void text_init(struct text *text, char *buffer, size_t size);

void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Returns the length without the NUL, or -EMSGSIZE. */
int text_finish(struct text *text);

#endif
