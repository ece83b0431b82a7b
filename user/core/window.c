/* SPDX-License-Identifier: BSD-2-Clause */
#include "window.h"

#include <string.h>

static uint64_t *bucket_of(struct window *window, uint64_t number)
{
	return &window->buckets[number % WINDOW_BUCKETS];
}

static void advance(struct window *window, uint64_t newest)
{
	if (newest <= window->newest)
		return;
	if (newest - window->newest >= WINDOW_BUCKETS) {
		memset(window->buckets, 0, sizeof(window->buckets));
	} else {
		for (uint64_t number = window->newest + 1; number <= newest; number++)
			*bucket_of(window, number) = 0;
	}
	window->newest = newest;
}

static void put(struct window *window, uint64_t number, uint64_t amount, uint64_t bucket_max)
{
	uint64_t *bucket = bucket_of(window, number);

	*bucket = units_min(units_plus(*bucket, amount), units_max(*bucket, bucket_max));
}

void window_add(struct window *window, uint64_t begin_ns, uint64_t end_ns, uint64_t amount,
		uint64_t bucket_max)
{
	uint64_t oldest_ns = units_minus(end_ns, WINDOW_MAX_NS);
	uint64_t length_ns = units_minus(end_ns, begin_ns);

	advance(window, end_ns / WINDOW_BUCKET_NS);
	if (length_ns == 0) {
		put(window, end_ns / WINDOW_BUCKET_NS, amount, bucket_max);
		return;
	}

	/* Parts are differences of running totals, so that rounding loses nothing. */
	uint64_t from_ns = units_max(begin_ns, oldest_ns);
	uint64_t before = units_scale(amount, from_ns - begin_ns, length_ns);

	while (from_ns < end_ns) {
		uint64_t number = from_ns / WINDOW_BUCKET_NS;
		uint64_t to_ns =
			units_min(end_ns, units_plus(number * WINDOW_BUCKET_NS, WINDOW_BUCKET_NS));
		uint64_t after = units_scale(amount, to_ns - begin_ns, length_ns);

		put(window, number, after - before, bucket_max);
		before = after;
		from_ns = to_ns;
	}
}

uint64_t window_sum(const struct window *window, uint64_t now_ns, uint64_t length_ns)
{
	uint64_t count = units_min(length_ns, WINDOW_MAX_NS) / WINDOW_BUCKET_NS;
	uint64_t now_bucket = now_ns / WINDOW_BUCKET_NS;
	uint64_t sum = 0;

	if (count == 0)
		count = 1;
	for (uint64_t age = 0; age <= count && age <= now_bucket; age++) {
		uint64_t number = now_bucket - age;
		uint64_t amount;

		if (number > window->newest || window->newest - number >= WINDOW_BUCKETS)
			continue;
		amount = window->buckets[number % WINDOW_BUCKETS];
		/* The oldest bucket counts by the part that the window still covers. */
		if (age == count)
			amount = units_scale(amount, WINDOW_BUCKET_NS - now_ns % WINDOW_BUCKET_NS,
					     WINDOW_BUCKET_NS);
		sum = units_plus(sum, amount);
	}
	return sum;
}

uint32_t window_share_permyriad(const struct window *window, uint64_t now_ns, uint64_t length_ns,
				uint64_t open_ns)
{
	uint64_t sum = units_plus(window_sum(window, now_ns, length_ns), open_ns);

	return units_permyriad(units_min(sum, length_ns), length_ns);
}
