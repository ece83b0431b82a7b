/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as one line of control.fifo: it parses into bounded, terminated values, or is refused
 * with a message that is text and leaves the line untouched.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "tierd/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_line line;
	unsigned char before[sizeof(line)];
	char error[256] = "";

	memset(&line, 0xa5, sizeof(line));
	memcpy(before, &line, sizeof(line));
	int result =
		protocol_parse_control_line((const char *)data, size, &line, error, sizeof(error));
	fuzz_assert(memchr(error, '\0', sizeof(error)) != NULL);
	if (result != 0) {
		fuzz_assert(result == -EINVAL);
		fuzz_assert(error[0] != '\0');
		for (const char *c = error; *c != '\0'; c++)
			fuzz_assert((unsigned char)*c >= 0x20 && (unsigned char)*c < 0x7f);
		fuzz_assert(memcmp((const unsigned char *)&line, before, sizeof(line)) == 0);
		return 0;
	}
	fuzz_assert(line.verb >= CONTROL_HELLO && line.verb <= CONTROL_TASK_END);
	fuzz_assert(memchr(line.name, '\0', sizeof(line.name)) != NULL);
	fuzz_assert(memchr(line.reply, '\0', sizeof(line.reply)) != NULL);
	fuzz_assert(memchr(line.command.id, '\0', sizeof(line.command.id)) != NULL);
	fuzz_assert(memchr(line.command.tier, '\0', sizeof(line.command.tier)) != NULL);
	return 0;
}
