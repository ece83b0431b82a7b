/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a CSV of a host, all the way: rows, events, the engine. */
#include "fuzz.h"

#include "app/replay.h"

static int count_step(void *context, const struct replay_step *step)
{
	uint64_t *last_ns = context;

	fuzz_assert(step->event->time_ns >= *last_ns);
	*last_ns = step->event->time_ns;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct input_options options = {.config = NULL};
	char error[CONFIG_ERROR_LEN] = "";
	struct input *input = NULL;
	uint64_t last_ns = 0;
	int fd = fuzz_open(data, size);
	int result = input_open(fuzz_path(fd), &options, &input, error, sizeof(error));

	if (result == 0)
		result = replay_run(input, count_step, &last_ns, error, sizeof(error));
	fuzz_assert(result <= 0);
	fuzz_check_error(result, error);
	input_close(input);
	close(fd);
	return 0;
}
