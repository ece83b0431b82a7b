/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long things took: a log-linear histogram, as HdrHistogram has it (G. Tene, hdrhistogram.org).
 *
 * Milliseconds below 32 have a bucket each; above, every power of two is cut into 16 buckets, and a
 * bucket stands for its middle. So a quantile is off by at most 1/32 of itself (3.125 %), whatever
 * the values, in constant memory; LATENCY_MAX_MS (about 70 minutes) and more are one value.
 */
#ifndef TIERD_CORE_LATENCY_H
#define TIERD_CORE_LATENCY_H

#include <stdint.h>

enum {
	LATENCY_SUB_BITS = 4, /* 16 buckets for a power of two */
	LATENCY_MAX_BITS = 22,
	LATENCY_BUCKETS = (LATENCY_MAX_BITS - LATENCY_SUB_BITS + 1) << LATENCY_SUB_BITS,
	LATENCY_ERROR_DIVISOR = 2 << LATENCY_SUB_BITS, /* a quantile is exact to 1 / this */
};

#define LATENCY_MAX_MS ((UINT64_C(1) << LATENCY_MAX_BITS) - 1)

/* An empty histogram is all zeros. */
struct latency {
	uint32_t total;
	uint32_t count[LATENCY_BUCKETS];
};

/* Counts one value; no more when UINT32_MAX have been. */
void latency_add(struct latency *latency, uint64_t ms);

/* Adds what is in other. */
void latency_merge(struct latency *latency, const struct latency *other);

/*
 * The smallest value that is not under permyriad of all values (nearest rank), in ms, to within
 * 1 / LATENCY_ERROR_DIVISOR of itself. 0 of an empty histogram.
 */
uint64_t latency_quantile_ms(const struct latency *latency, uint32_t permyriad);

#endif
