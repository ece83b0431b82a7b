/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as one line of manager.fifo: it parses into bounded, terminated values that make the
 * round trip, or is refused with a message that is text and leaves the line untouched.
 */
#include "fuzz.h"

#include <errno.h>

#include "tierd/protocol.h"

static void check_round_trip(const struct manager_line *line)
{
	char first[PROTOCOL_LINE_MAX + 1], second[PROTOCOL_LINE_MAX + 1], error[256];
	struct manager_line again;
	int len = protocol_format_manager_line(line, first, sizeof(first));

	fuzz_assert(len > 0);
	fuzz_assert(protocol_parse_manager_line(first, (size_t)len - 1, &again, error,
						sizeof(error)) == 0);
	fuzz_assert(protocol_format_manager_line(&again, second, sizeof(second)) == len);
	fuzz_assert(strcmp(first, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct manager_line line;
	unsigned char before[sizeof(line)];
	char error[256] = "";

	memset(&line, 0xa5, sizeof(line));
	memcpy(before, &line, sizeof(line));
	int result =
		protocol_parse_manager_line((const char *)data, size, &line, error, sizeof(error));
	fuzz_check_error(result, error);
	if (result != 0) {
		fuzz_assert(result == -EINVAL);
		fuzz_assert(memcmp((const unsigned char *)&line, before, sizeof(line)) == 0);
		return 0;
	}
	fuzz_assert(memchr(line.from, '\0', sizeof(line.from)) != NULL);
	fuzz_assert(memchr(line.to, '\0', sizeof(line.to)) != NULL);
	fuzz_assert(memchr(line.reason, '\0', sizeof(line.reason)) != NULL);
	fuzz_assert(memchr(line.text, '\0', sizeof(line.text)) != NULL);
	fuzz_assert(memchr(line.culprit_comm, '\0', sizeof(line.culprit_comm)) != NULL);
	check_round_trip(&line);
	return 0;
}
