/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sliding sum over the last minute: 100 ms buckets, constant memory; a sum of any length takes
 * the same time.
 *
 * Times count from any fixed point that is the same for all calls on one window, and never go
 * backwards. An empty window is all zeros.
 */
#ifndef TIERD_CORE_WINDOW_H
#define TIERD_CORE_WINDOW_H

#include <stdint.h>

#include "base/units.h"

#define WINDOW_BUCKET_NS (100 * NS_PER_MS)

enum {
	/* A minute, and the bucket that the oldest edge of the minute cuts. */
	WINDOW_BUCKETS = 601,
	WINDOW_TOTALS = WINDOW_BUCKETS + 1,
};

/* The longest length that can be asked for; longer ones are cut to it. */
#define WINDOW_MAX_NS ((WINDOW_BUCKETS - 1) * WINDOW_BUCKET_NS)

struct window {
	uint64_t newest; /* number of the newest bucket, counted from time 0 */
	/* Running totals: of all buckets before each one, so that any sum is a difference. They may
	 * wrap; differences are right all the same. */
	uint64_t totals[WINDOW_TOTALS];
};

/*
 * Adds amount, spread evenly over begin_ns..end_ns (at end_ns where the two are equal). No bucket
 * grows over bucket_max: the most that a whole bucket can hold; nor, in any case, over 2^53.
 */
void window_add(struct window *window, uint64_t begin_ns, uint64_t end_ns, uint64_t amount,
		uint64_t bucket_max);

/* What was added for the last length_ns before now_ns. */
uint64_t window_sum(const struct window *window, uint64_t now_ns, uint64_t length_ns);

/* The same, plus open_ns that is not in the window yet, as a share of length_ns; at most all. */
uint32_t window_share_permyriad(const struct window *window, uint64_t now_ns, uint64_t length_ns,
				uint64_t open_ns);

#endif
