/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a log of requests. */
#include "fuzz.h"

#include "app/options.h"
#include "app/requests.h"

#define EPSILON 1e-12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A short series, so that most of the time goes into reading. */
	struct requests_options options = REQUESTS_DEFAULTS;
	struct requests_series series = {0};
	char error[CONFIG_ERROR_LEN] = "";
	int fd = fuzz_open(data, size);

	options.duration_s = 100;
	int result = requests_load(fuzz_path(fd), &options, &series, error, sizeof(error));
	fuzz_check_error(result, error);
	if (result == 0)
		fuzz_assert(series.count == options.duration_s);
	for (uint32_t i = 0; i < series.count; i++)
		fuzz_assert(series.others[i] >= options.low - EPSILON &&
			    series.others[i] <= options.high + EPSILON);
	requests_free(&series);
	close(fd);
	return 0;
}
