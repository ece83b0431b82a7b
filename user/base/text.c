/* SPDX-License-Identifier: BSD-2-Clause */
/* Text piece by piece: see text.h. */
#include "text.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

void text_init(struct text *text, char *buffer, size_t size)
{
	assert(size > 0 && size <= INT_MAX);
	*text = (struct text){.buffer = buffer, .size = size};
	buffer[0] = '\0';
}

void text_add(struct text *text, const char *format, ...)
{
	va_list arguments;

	if (text->is_full)
		return;
	va_start(arguments, format);
	int len = vsnprintf(text->buffer + text->len, text->size - text->len, format, arguments);
	va_end(arguments);
	if (len < 0 || (size_t)len >= text->size - text->len)
		text->is_full = true;
	else
		text->len += (size_t)len;
}

int text_finish(struct text *text)
{
	if (!text->is_full)
		return (int)text->len;
	text->len = 0;
	text->buffer[0] = '\0';
	return -EMSGSIZE;
}
