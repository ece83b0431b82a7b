/* SPDX-License-Identifier: BSD-2-Clause */
#include "forecast.h"

#include <string.h>

#include "base/units.h"

enum {
	POINTS_MIN = 4,
	COVERED_MIN = FORECAST_SPANS / 4,
};

#define KIB_MAX (UINT64_C(1) << 44)

static uint64_t previous_slot(uint64_t slot)
{
	return slot > 0 ? slot - 1 : FORECAST_BUCKETS - 1;
}

static uint64_t bucket_length_ns(uint64_t span_ns)
{
	return units_max(span_ns / FORECAST_SPANS, 1);
}

void forecast_init(struct forecast *forecast, uint64_t trend_ns, uint64_t peak_ns)
{
	memset(forecast, 0, sizeof(*forecast));
	forecast->trend_bucket_ns = bucket_length_ns(trend_ns);
	forecast->peak_bucket_ns = bucket_length_ns(peak_ns);
}

static void advance_trend(struct forecast *forecast, uint64_t newest)
{
	uint64_t steps = units_min(units_minus(newest, forecast->trend_newest), FORECAST_BUCKETS);

	for (uint64_t i = 0; i < steps; i++) {
		uint64_t slot = (newest - i) % FORECAST_BUCKETS;

		forecast->sum_kib[slot] = 0;
		forecast->sum_count[slot] = 0;
	}
	forecast->trend_newest = units_max(newest, forecast->trend_newest);
}

static void advance_peak(struct forecast *forecast, uint64_t newest)
{
	uint64_t steps = units_min(units_minus(newest, forecast->peak_newest), FORECAST_BUCKETS);

	for (uint64_t i = 0; i < steps; i++)
		forecast->peak_bytes[(newest - i) % FORECAST_BUCKETS] = 0;
	forecast->peak_newest = units_max(newest, forecast->peak_newest);
}

void forecast_add_peak(struct forecast *forecast, uint64_t now_ns, uint64_t bytes)
{
	uint64_t *peak;

	advance_peak(forecast, now_ns / forecast->peak_bucket_ns);
	peak = &forecast->peak_bytes[forecast->peak_newest % FORECAST_BUCKETS];
	*peak = units_max(*peak, bytes);
}

void forecast_configure(struct forecast *forecast, uint64_t now_ns, uint64_t trend_ns,
			uint64_t peak_ns)
{
	uint64_t trend_bucket_ns = bucket_length_ns(trend_ns);
	uint64_t peak_bucket_ns = bucket_length_ns(peak_ns);

	if (trend_bucket_ns != forecast->trend_bucket_ns) {
		memset(forecast->sum_kib, 0, sizeof(forecast->sum_kib));
		memset(forecast->sum_count, 0, sizeof(forecast->sum_count));
		forecast->trend_bucket_ns = trend_bucket_ns;
		forecast->trend_newest = now_ns / trend_bucket_ns;
	}
	if (peak_bucket_ns != forecast->peak_bucket_ns) {
		uint64_t peak = forecast_peak_bytes(forecast, now_ns);

		memset(forecast->peak_bytes, 0, sizeof(forecast->peak_bytes));
		forecast->peak_bucket_ns = peak_bucket_ns;
		forecast->peak_newest = now_ns / peak_bucket_ns;
		forecast_add_peak(forecast, now_ns, peak);
	}
}

void forecast_add(struct forecast *forecast, uint64_t now_ns, uint64_t bytes)
{
	uint64_t slot;

	advance_trend(forecast, now_ns / forecast->trend_bucket_ns);
	slot = forecast->trend_newest % FORECAST_BUCKETS;
	forecast->sum_kib[slot] += units_min(bytes / KIB, KIB_MAX);
	forecast->sum_count[slot]++;
	forecast_add_peak(forecast, now_ns, bytes);
}

uint64_t forecast_peak_bytes(const struct forecast *forecast, uint64_t now_ns)
{
	uint64_t now_bucket = now_ns / forecast->peak_bucket_ns;
	uint64_t newest = forecast->peak_newest;
	uint64_t slot = newest % FORECAST_BUCKETS;
	uint64_t peak = 0;

	for (uint64_t age = 0; age < FORECAST_BUCKETS && age <= newest;
	     age++, slot = previous_slot(slot)) {
		if (units_minus(now_bucket, newest - age) < FORECAST_BUCKETS)
			peak = units_max(peak, forecast->peak_bytes[slot]);
	}
	return peak;
}

struct regression {
	int64_t n, sum_x, sum_xx, sum_y, sum_xy, oldest_x, newest_x;
};

/* Amounts are at most 2^44 KiB, so that 61 of them times 61 fit 64 bits. */
static void collect(const struct forecast *forecast, uint64_t now_bucket, struct regression *r)
{
	uint64_t newest = forecast->trend_newest;
	uint64_t slot = newest % FORECAST_BUCKETS;

	memset(r, 0, sizeof(*r));
	for (uint64_t age = 0; age < FORECAST_BUCKETS && age <= newest;
	     age++, slot = previous_slot(slot)) {
		int64_t x = FORECAST_BUCKETS - (int64_t)age;
		int64_t y;

		if (forecast->sum_count[slot] == 0 ||
		    units_minus(now_bucket, newest - age) >= FORECAST_BUCKETS)
			continue;
		y = (int64_t)(forecast->sum_kib[slot] / forecast->sum_count[slot]);
		if (r->n == 0)
			r->newest_x = x;
		r->oldest_x = x;
		r->n++;
		r->sum_x += x;
		r->sum_xx += x * x;
		r->sum_y += y;
		r->sum_xy += x * y;
	}
}

void forecast_get_slope(const struct forecast *forecast, uint64_t now_ns,
			struct forecast_slope *ret_slope)
{
	struct regression r;

	*ret_slope = (struct forecast_slope){.denominator = 0};
	collect(forecast, now_ns / forecast->trend_bucket_ns, &r);
	if (r.n < POINTS_MIN || r.newest_x - r.oldest_x < COVERED_MIN)
		return;
	ret_slope->numerator = (__int128)r.n * r.sum_xy - (__int128)r.sum_x * r.sum_y;
	ret_slope->denominator =
		(__int128)(r.n * r.sum_xx - r.sum_x * r.sum_x) * forecast->trend_bucket_ns;
}

int64_t forecast_change_bytes(const struct forecast_slope *slope, uint64_t over_ns)
{
	__int128 change;

	if (slope->denominator == 0)
		return 0;
	change = slope->numerator * (__int128)units_min(over_ns, INT64_MAX) / slope->denominator;
	if (change > (__int128)(INT64_MAX / (int64_t)KIB))
		return INT64_MAX;
	if (change < -(__int128)(INT64_MAX / (int64_t)KIB))
		return -INT64_MAX;
	return (int64_t)change * (int64_t)KIB;
}
