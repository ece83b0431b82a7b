/* SPDX-License-Identifier: BSD-2-Clause */
#include "log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "base/utf8.h"
#include "loop.h"

enum {
	LINE_LEN = 1024,
	RARE_LINES = 10,
};

#define RARE_NS (60 * NS_PER_S)

static const char PREFIX[] = "tier-manager: ";

__attribute__((format(printf, 1, 0))) static void write_line(const char *format, va_list arguments)
{
	char line[LINE_LEN];
	size_t len = sizeof(PREFIX) - 1;
	ssize_t written;

	memcpy(line, PREFIX, len);
	vsnprintf(line + len, sizeof(line) - len - 1, format, arguments);
	len = strlen(line);
	utf8_scrub(line, len);
	line[len++] = '\n';
	/* Whether anybody can read it changes nothing. */
	written = write(STDERR_FILENO, line, len);
	(void)written;
}

void log_line(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(format, arguments);
	va_end(arguments);
}

void log_rare(const char *format, ...)
{
	static uint64_t window_ns;
	static uint32_t count;
	uint64_t now_ns = loop_now_ns();
	va_list arguments;

	if (window_ns == 0 || now_ns - window_ns >= RARE_NS) {
		if (count > RARE_LINES)
			log_line("%u more such lines were held back", count - RARE_LINES);
		window_ns = now_ns;
		count = 0;
	}
	if (++count > RARE_LINES)
		return;
	va_start(arguments, format);
	write_line(format, arguments);
	va_end(arguments);
}
