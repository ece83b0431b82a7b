/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A log of requests to language models as the memory use of others: each request holds memory in
 * proportion to its tokens for as long as it runs. The log is a CSV file with the columns
 *
 *   TIMESTAMP        when it came: 2023-11-16 18:17:03.9799600, in rising order; T instead of the
 *                    blank, and Z or an offset such as +01:00 at the end, may be there
 *   ContextTokens    of its prompt
 *   GeneratedTokens  of its answer
 *
 * and others, which are not looked at. In seconds since the first arrival: a request that arrived
 * in second s = floor(arrival - first arrival) is in flight for n = max(1, ceil(time per token x
 * GeneratedTokens)) whole seconds, s to s + n - 1, and holds ContextTokens + GeneratedTokens in
 * each of them. The sum of each second is scaled linearly, so that 0 becomes `low` and the highest
 * sum `high`.
 */
#ifndef TIERD_APP_REQUESTS_H
#define TIERD_APP_REQUESTS_H

#include <stddef.h>
#include <stdint.h>

enum {
	REQUESTS_SECONDS_MAX = 366 * 24 * 3600,
	/* What an hour of the Azure LLM inference traces is scored over: 59 minutes. */
	REQUESTS_SECONDS_MIN = 3540,
};

struct requests_options {
	uint64_t ns_per_token;
	double low; /* shares of the host's memory, low <= high */
	double high;
	/* Of the series, in seconds; 0: until the last request has ended, and at least
	 * REQUESTS_SECONDS_MIN. */
	uint32_t duration_s;
};

#define REQUESTS_DEFAULTS           \
	((struct requests_options){ \
		.ns_per_token = 30000000, .low = 0.30, .high = 0.85, .duration_s = 0})

/* Others' use in each second, as a share of the host's memory. */
struct requests_series {
	uint32_t count;
	double *others;
};

/*
 * Reads the log at path. Returns 0; or negative errno and one line in error (CSV_ERROR_LEN is
 * enough), -EINVAL where the file is not what it should be. requests_free() frees the series.
 */
int requests_load(const char *path, const struct requests_options *options,
		  struct requests_series *ret_series, char *error, size_t error_size);

void requests_free(struct requests_series *series);

#endif
