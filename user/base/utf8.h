/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing over U+10FFFF. Process
 * names, paths and config files may hold any bytes; what is not UTF-8 is found out here.
 */
#ifndef TIERD_BASE_UTF8_H
#define TIERD_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length (1..4) of the character at text, which has len > 0 bytes left; 0 if it is not valid. */
size_t utf8_char_len(const char *text, size_t len);

/* Whether it is one line of text: valid, and no control characters but tabs. */
bool utf8_is_line(const char *text, size_t len);

/*
 * Copies text for a terminal or an error message: printable characters as they are; control
 * characters and invalid bytes as \xNN. Always NUL-terminated, cut to whole characters with
 * "..." at the end where it does not fit. size must be at least 8. Returns buffer.
 */
const char *utf8_copy_printable(const char *text, size_t len, char *buffer, size_t size);

/*
 * Makes text harmless to a terminal in place: control characters (but newline and tab) and invalid
 * bytes become '?'.
 */
void utf8_scrub(char *text, size_t len);

#endif
