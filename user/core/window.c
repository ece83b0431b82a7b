/* SPDX-License-Identifier: BSD-2-Clause */
#include "window.h"

/* More than any real amount (104 days in ns), and so little that no sum over a window overflows. */
#define BUCKET_AMOUNT_MAX (UINT64_C(1) << 53)

static uint64_t *slot_of(struct window *window, uint64_t number)
{
	return &window->totals[number % WINDOW_TOTALS];
}

static uint64_t oldest_bucket(const struct window *window)
{
	return units_minus(window->newest + 1, WINDOW_BUCKETS);
}

/* Total of the buckets before that one, as far as the window reaches back. */
static uint64_t total_before(const struct window *window, uint64_t number)
{
	number = units_max(units_min(number, window->newest + 1), oldest_bucket(window));
	return window->totals[number % WINDOW_TOTALS];
}

static void advance(struct window *window, uint64_t newest)
{
	uint64_t count = units_min(units_minus(newest, window->newest), WINDOW_TOTALS);
	uint64_t total = *slot_of(window, window->newest + 1);

	for (uint64_t number = newest + 2 - count; count > 0; count--, number++)
		*slot_of(window, number) = total;
	window->newest = units_max(window->newest, newest);
}

static void put(struct window *window, uint64_t number, uint64_t amount, uint64_t bucket_max,
		uint64_t *added)
{
	uint64_t *total = slot_of(window, number + 1);
	uint64_t room;

	*total += *added;
	if (number < oldest_bucket(window))
		return;
	room = units_minus(units_min(bucket_max, BUCKET_AMOUNT_MAX),
			   *total - *slot_of(window, number));
	amount = units_min(amount, room);
	*total += amount;
	*added += amount;
}

void window_add(struct window *window, uint64_t begin_ns, uint64_t end_ns, uint64_t amount,
		uint64_t bucket_max)
{
	uint64_t length_ns = units_minus(end_ns, begin_ns);
	uint64_t from_ns = units_max(begin_ns, units_minus(end_ns, WINDOW_MAX_NS));
	uint64_t number = (length_ns ? from_ns : end_ns) / WINDOW_BUCKET_NS;
	/* Parts are differences of running totals, so that rounding loses nothing. */
	uint64_t before = units_scale(amount, units_minus(from_ns, begin_ns), length_ns);
	uint64_t added = 0;

	advance(window, end_ns / WINDOW_BUCKET_NS);
	if (end_ns / WINDOW_BUCKET_NS < oldest_bucket(window))
		return;
	for (; number <= window->newest; number++) {
		uint64_t to_ns =
			units_min(end_ns, units_plus(number * WINDOW_BUCKET_NS, WINDOW_BUCKET_NS));
		uint64_t after = amount;

		if (to_ns < end_ns)
			after = units_scale(amount, to_ns - begin_ns, length_ns);
		put(window, number, after - before, bucket_max, &added);
		before = after;
	}
}

uint64_t window_sum(const struct window *window, uint64_t now_ns, uint64_t length_ns)
{
	uint64_t count = units_max(units_min(length_ns, WINDOW_MAX_NS) / WINDOW_BUCKET_NS, 1);
	uint64_t end = now_ns / WINDOW_BUCKET_NS + 1;
	uint64_t first = units_minus(end, count);
	uint64_t before_first = total_before(window, first);
	uint64_t sum = total_before(window, end) - before_first;

	/* The bucket before those counts by the part that the window still covers. */
	if (first > 0)
		sum += units_scale(before_first - total_before(window, first - 1),
				   WINDOW_BUCKET_NS - now_ns % WINDOW_BUCKET_NS, WINDOW_BUCKET_NS);
	return sum;
}

uint32_t window_share_permyriad(const struct window *window, uint64_t now_ns, uint64_t length_ns,
				uint64_t open_ns)
{
	uint64_t sum = units_plus(window_sum(window, now_ns, length_ns), open_ns);

	return units_permyriad(units_min(sum, length_ns), length_ns);
}
