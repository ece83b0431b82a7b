/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as one line of control.fifo: it parses into bounded, terminated values that make the
 * round trip, or is refused with a message that is text and leaves the line untouched.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "tierd/protocol.h"

static void check_round_trip(const struct control_line *line)
{
	char first[PROTOCOL_LINE_MAX + 1], second[PROTOCOL_LINE_MAX + 1], error[256];
	struct control_line again;
	int len = protocol_format_control_line(line, first, sizeof(first));

	fuzz_assert(len > 0);
	fuzz_assert(protocol_parse_control_line(first, (size_t)len - 1, &again, error,
						sizeof(error)) == 0);
	fuzz_assert(protocol_format_control_line(&again, second, sizeof(second)) == len);
	fuzz_assert(strcmp(first, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_line line;
	unsigned char before[sizeof(line)];
	char error[256] = "";

	memset(&line, 0xa5, sizeof(line));
	memcpy(before, &line, sizeof(line));
	int result =
		protocol_parse_control_line((const char *)data, size, &line, error, sizeof(error));
	fuzz_check_error(result, error);
	if (result != 0) {
		fuzz_assert(result == -EINVAL);
		fuzz_assert(memcmp((const unsigned char *)&line, before, sizeof(line)) == 0);
		return 0;
	}
	fuzz_assert(memchr(line.name, '\0', sizeof(line.name)) != NULL);
	fuzz_assert(memchr(line.reply, '\0', sizeof(line.reply)) != NULL);
	fuzz_assert(memchr(line.command.id, '\0', sizeof(line.command.id)) != NULL);
	fuzz_assert(memchr(line.command.tier, '\0', sizeof(line.command.tier)) != NULL);
	check_round_trip(&line);
	return 0;
}
