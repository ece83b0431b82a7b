/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where one series of bytes is going (least-squares slope over the trend time) and how high it
 * has been (peak over the peak time). Constant memory: both times are cut into 60 buckets.
 *
 * Times never go backwards. Integers only: amounts are taken in KiB, at most 2^44 of them, so
 * that no intermediate overflows 128 bits.
 */
#ifndef TIERD_CORE_FORECAST_H
#define TIERD_CORE_FORECAST_H

#include <stdint.h>

enum {
	FORECAST_SPANS = 60,
	FORECAST_BUCKETS = FORECAST_SPANS + 1, /* and the one that is being filled */
};

struct forecast {
	uint64_t trend_bucket_ns;
	uint64_t peak_bucket_ns;
	uint64_t trend_newest; /* bucket numbers, counted from time 0 */
	uint64_t peak_newest;
	uint64_t sum_kib[FORECAST_BUCKETS];
	uint32_t sum_count[FORECAST_BUCKETS];
	uint64_t peak_bytes[FORECAST_BUCKETS];
};

/* Starts a series. */
void forecast_init(struct forecast *forecast, uint64_t trend_ns, uint64_t peak_ns);

/*
 * Changes the times. A changed trend time starts the trend anew; a changed peak time keeps the
 * peak, as if it had been seen at now_ns: it may count for too long, never too short.
 */
void forecast_configure(struct forecast *forecast, uint64_t now_ns, uint64_t trend_ns,
			uint64_t peak_ns);

void forecast_add(struct forecast *forecast, uint64_t now_ns, uint64_t bytes);

/* Only for the peak: as high it has been, nobody knows exactly when. */
void forecast_add_peak(struct forecast *forecast, uint64_t now_ns, uint64_t bytes);

/* The highest amount of the peak time. */
uint64_t forecast_peak_bytes(const struct forecast *forecast, uint64_t now_ns);

/* A slope in KiB per ns, as a fraction; denominator 0: there is none. */
struct forecast_slope {
	__int128 numerator;
	__int128 denominator;
};

/* There is no slope while fewer than four buckets have data or they cover less than a quarter of
 * the trend time. */
void forecast_get_slope(const struct forecast *forecast, uint64_t now_ns,
			struct forecast_slope *ret_slope);

/* By how much the series changes in over_ns if it goes on like that; 0 without a slope. */
int64_t forecast_change_bytes(const struct forecast_slope *slope, uint64_t over_ns);

#endif
