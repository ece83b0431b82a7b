/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers in bytes: see bytes.h. */
#include "bytes.h"

uint64_t bytes_take_long_varint(struct bytes_cursor *cursor)
{
	const uint8_t *at = cursor->at;
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 64 && at < cursor->end; shift += 7) {
		uint64_t byte = *at++;

		value |= (byte & 0x7f) << shift;
		if (byte >= 0x80)
			continue;
		/* No zero byte at the end, and only one bit is left for the tenth byte. */
		if (byte == 0 || (shift == 63 && byte > 1))
			break;
		cursor->at = at;
		return value;
	}
	return bytes_fail(cursor);
}
