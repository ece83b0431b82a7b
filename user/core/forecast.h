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

/* The highest amount of the peak time. */
uint64_t forecast_peak_bytes(const struct forecast *forecast, uint64_t now_ns);

/*
 * By how much the series changes in over_ns if the trend goes on; 0 while there are fewer than
 * four buckets with data or they cover less than a quarter of the trend time.
 */
int64_t forecast_change_bytes(const struct forecast *forecast, uint64_t now_ns, uint64_t over_ns);

#endif
