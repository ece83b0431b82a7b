/* SPDX-License-Identifier: BSD-2-Clause */
/* Damage to a text that a parser takes, the same in every run: what is almost right goes deep. */
#ifndef TIERD_TESTS_UNIT_MUTATE_H
#define TIERD_TESTS_UNIT_MUTATE_H

#include <stdlib.h>
#include <string.h>

enum {
	MUTATE_ROUNDS = 3000,
	MUTATE_LEN = 2048,
};

static inline size_t mutate_pick(size_t below)
{
	return below > 0 ? (size_t)rand() % below : 0;
}

/* One to four times: a byte becomes another, a piece is left out or said again, or the end is
 * missing. */
static inline size_t mutate_text(const char *text, char buffer[MUTATE_LEN])
{
	static const char BYTES[] = "\"{}[],:\n\\ 0-9e\x80";
	size_t len = strlen(text);

	memcpy(buffer, text, len + 1);
	for (size_t times = 1 + mutate_pick(4); times > 0 && len > 0; times--) {
		size_t at = mutate_pick(len);
		size_t piece = 1 + mutate_pick(len - at < 16 ? len - at : 16);

		switch (mutate_pick(4)) {
		case 0:
			buffer[at] = BYTES[mutate_pick(sizeof(BYTES))];
			break;
		case 1:
			memmove(buffer + at, buffer + at + piece, len - at - piece);
			len -= piece;
			break;
		case 2:
			if (len + piece >= MUTATE_LEN)
				break;
			memmove(buffer + at + piece, buffer + at, len - at);
			len += piece;
			break;
		default:
			len = at;
		}
	}
	buffer[len] = '\0';
	return len;
}

#endif
