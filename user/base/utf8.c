/* SPDX-License-Identifier: BSD-2-Clause */
/* UTF-8: see utf8.h. */
#include "utf8.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Lead byte ranges, and what the second byte may be (RFC 3629, section 4). */
static const struct utf8_form {
	uint8_t lead_min, lead_max;
	uint8_t second_min, second_max;
	uint8_t len;
} FORMS[] = {
	{0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
	{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static int form_matches(const struct utf8_form *form, const uint8_t *bytes, size_t len)
{
	if (bytes[0] < form->lead_min || bytes[0] > form->lead_max || len < form->len)
		return 0;
	if (form->len > 1 && (bytes[1] < form->second_min || bytes[1] > form->second_max))
		return 0;
	for (size_t i = 2; i < form->len; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	}
	return 1;
}

size_t utf8_char_len(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(FORMS) / sizeof(FORMS[0]); i++) {
		if (form_matches(&FORMS[i], (const uint8_t *)text, len))
			return FORMS[i].len;
	}
	return 0;
}

/* C0, DEL and C1: a terminal obeys them. */
static int is_control(const uint8_t *bytes)
{
	return bytes[0] < 0x20 || bytes[0] == 0x7f || (bytes[0] == 0xc2 && bytes[1] < 0xa0);
}

const char *utf8_copy_printable(const char *text, size_t len, char *buffer, size_t size)
{
	static const char CUT[] = "...";
	size_t out = 0;
	size_t cut_at = 0; /* the last place where CUT still fits */

	assert(size >= 8);
	for (size_t in = 0; in < len;) {
		char escaped[8];
		const char *piece = text + in;
		size_t char_len = utf8_char_len(piece, len - in);
		size_t piece_len = char_len;

		if (char_len == 0 || is_control((const uint8_t *)piece)) {
			snprintf(escaped, sizeof(escaped), "\\x%02x", (uint8_t)text[in]);
			piece = escaped;
			piece_len = 4;
			char_len = 1;
		}
		if (out + sizeof(CUT) <= size)
			cut_at = out;
		if (out + piece_len + 1 > size) {
			memcpy(buffer + cut_at, CUT, sizeof(CUT));
			return buffer;
		}
		memcpy(buffer + out, piece, piece_len);
		out += piece_len;
		in += char_len;
	}
	buffer[out] = '\0';
	return buffer;
}

bool utf8_is_line(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t char_len = utf8_char_len(text + i, len - i);
		unsigned char byte = (unsigned char)text[i];

		if (char_len == 0 || byte == 0x7f || (byte < 0x20 && byte != '\t'))
			return false;
		i += char_len;
	}
	return true;
}

void utf8_scrub(char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t char_len = utf8_char_len(text + i, len - i);

		if (text[i] == '\n' || text[i] == '\t') {
			i++;
		} else if (char_len == 0 || is_control((const uint8_t *)text + i)) {
			memset(text + i, '?', char_len ? char_len : 1);
			i += char_len ? char_len : 1;
		} else {
			i += char_len;
		}
	}
}
