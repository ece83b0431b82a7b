/* SPDX-License-Identifier: BSD-2-Clause */
#include "drift.h"

#include <stdbool.h>

#include "base/units.h"

#define SLOPE_MAX (INT64_C(1) << 50)
#define CHANGE_MAX ((__int128)1 << 60) /* its square, times the points, fits 128 bits */
#define MS_PER_KS ((__int128)1000000)
#define NS_PER_KS ((__int128)1000 * (__int128)NS_PER_S)

enum {
	POINTS_MIN = 6, /* for a slope */
	Q4 = 16,
	DIFFERENCE_CUT = 4, /* means */
	/* For the first differences there is no mean to cut them by, but a jump is not noise even
	 * so: they count for this part of the capacity at most. */
	DIFFERENCES_FIRST = 8,
	FIRST_PART = 50,
	/* Two points in a row this far from the line, in deviations and in parts of the
	 * capacity, begin a stretch; and so does one that is far out. */
	OUTLIER_DEVIATIONS = 4,
	OUTLIER_PART = 500,
	FAR_DEVIATIONS = 10,
	FAR_PART = 100,
	NOISE_PART_MIN = 10000,
};

/* The mean absolute difference of two normal values is 2 / sqrt(pi) of their deviation. */
#define DEVIATION_PERMYRIAD 8862

/* The change over a stretch is noise unless it is more than three of its standard deviations:
 * change^2 * points > 9 * 12 * deviation^2, since a line through n evenly spaced points has a
 * slope whose deviation is deviation * sqrt(12 / n) over its whole length. */
#define SLOPE_SIGNIFICANCE 108

static const struct drift_point *point_at(const struct drift *drift, uint32_t age)
{
	return &drift->points[(drift->newest + DRIFT_POINTS - age) % DRIFT_POINTS];
}

static uint64_t noise_kib(const struct drift *drift, uint64_t capacity_bytes)
{
	uint64_t deviation_kib = drift->mean_difference_q4 * DEVIATION_PERMYRIAD / PERMYRIAD / Q4;

	return units_max(deviation_kib, capacity_bytes / KIB / NOISE_PART_MIN);
}

uint64_t drift_noise_bytes(const struct drift *drift, uint64_t capacity_bytes)
{
	return noise_kib(drift, capacity_bytes) * KIB;
}

void drift_get_noise(const struct drift *drift, struct drift_noise *ret_noise)
{
	ret_noise->mean_difference_q4 = drift->mean_difference_q4;
	ret_noise->differences = drift->differences;
}

void drift_set_noise(struct drift *drift, const struct drift_noise *noise)
{
	drift->mean_difference_q4 = units_min(noise->mean_difference_q4, DRIFT_MEAN_MAX_Q4);
	drift->differences = (uint32_t)units_min(noise->differences, DRIFT_DIFFERENCES_MAX);
}

void drift_restart(struct drift *drift)
{
	drift->count = 0;
	drift->outliers = 0;
}

static int64_t change_kib(const struct drift *drift, uint64_t over_ns)
{
	__int128 change = (__int128)drift->slope_kib_per_ks * over_ns / NS_PER_KS;

	if (change > CHANGE_MAX)
		return (int64_t)CHANGE_MAX;
	return change < -CHANGE_MAX ? (int64_t)-CHANGE_MAX : (int64_t)change;
}

static void learn_noise(struct drift *drift, int64_t kib, uint64_t capacity_bytes)
{
	int64_t before = point_at(drift, 0)->kib;
	uint64_t difference_q4 = (uint64_t)(kib > before ? kib - before : before - kib) * Q4;
	uint64_t mean_q4 = drift->mean_difference_q4;
	uint64_t cut_q4 = DIFFERENCE_CUT * mean_q4 + capacity_bytes / KIB * Q4 / NOISE_PART_MIN;

	if (drift->differences < DIFFERENCES_FIRST)
		cut_q4 = units_max(cut_q4, capacity_bytes / KIB * Q4 / FIRST_PART);
	difference_q4 = units_min(difference_q4, cut_q4);
	if (drift->differences < DRIFT_DIFFERENCES_MAX)
		drift->differences++;
	if (difference_q4 >= mean_q4)
		mean_q4 += (difference_q4 - mean_q4) / drift->differences;
	else
		mean_q4 -= (mean_q4 - difference_q4) / drift->differences;
	drift->mean_difference_q4 = mean_q4;
}

/* Whether a point does not belong to the stretch so far. */
static bool is_jump(struct drift *drift, uint64_t elapsed_ns, int64_t kib, uint64_t capacity_bytes)
{
	int64_t off = kib - drift->level_kib - change_kib(drift, elapsed_ns);
	uint64_t distance = (uint64_t)(off < 0 ? -off : off);
	uint64_t noise = noise_kib(drift, capacity_bytes);
	uint64_t capacity_kib = capacity_bytes / KIB;

	if (drift->count < POINTS_MIN / 2 ||
	    distance <= OUTLIER_DEVIATIONS * noise + capacity_kib / OUTLIER_PART) {
		drift->outliers = 0;
		return false;
	}
	drift->outliers += off > 0 ? 1 : -1;
	return drift->outliers >= 2 || drift->outliers <= -2 ||
	       distance > FAR_DEVIATIONS * noise + capacity_kib / FAR_PART;
}

static bool is_slope_noise(const struct drift *drift, uint64_t span_ns, uint64_t capacity_bytes)
{
	__int128 change = change_kib(drift, span_ns);
	__int128 noise = noise_kib(drift, capacity_bytes);

	return change * change * drift->count <= SLOPE_SIGNIFICANCE * noise * noise;
}

/* Times count in ms from the newest point, so that their squares stay small. */
static void fit_line(struct drift *drift, uint64_t capacity_bytes)
{
	uint64_t newest_ns = point_at(drift, 0)->time_ns;
	uint64_t span_ns = newest_ns - point_at(drift, drift->count - 1)->time_ns;
	__int128 n = drift->count;
	__int128 sum_x = 0;
	__int128 sum_xx = 0;
	__int128 sum_y = 0;
	__int128 sum_xy = 0;

	for (uint32_t age = 0; age < drift->count; age++) {
		const struct drift_point *point = point_at(drift, age);
		int64_t x = -(int64_t)((newest_ns - point->time_ns) / NS_PER_MS);

		sum_x += x;
		sum_xx += (__int128)x * x;
		sum_y += point->kib;
		sum_xy += (__int128)x * point->kib;
	}
	__int128 spread = n * sum_xx - sum_x * sum_x;
	__int128 slope = 0;

	if (drift->count >= POINTS_MIN && spread > 0)
		slope = (n * sum_xy - sum_x * sum_y) * MS_PER_KS / spread;
	if (slope > SLOPE_MAX)
		slope = SLOPE_MAX;
	if (slope < -SLOPE_MAX)
		slope = -SLOPE_MAX;
	drift->slope_kib_per_ks = (int64_t)slope;
	if (is_slope_noise(drift, span_ns, capacity_bytes))
		drift->slope_kib_per_ks = 0;
	drift->level_kib = (int64_t)((sum_y - drift->slope_kib_per_ks * sum_x / MS_PER_KS) / n);
}

void drift_add(struct drift *drift, uint64_t now_ns, uint64_t bytes, uint64_t capacity_bytes)
{
	int64_t kib = (int64_t)units_min(bytes / KIB, DRIFT_KIB_MAX);

	if (drift->count > 0) {
		uint64_t elapsed_ns = units_minus(now_ns, point_at(drift, 0)->time_ns);

		learn_noise(drift, kib, capacity_bytes);
		if (is_jump(drift, elapsed_ns, kib, capacity_bytes))
			drift_restart(drift);
	}
	drift->newest = (drift->newest + 1) % DRIFT_POINTS;
	drift->points[drift->newest] = (struct drift_point){.time_ns = now_ns, .kib = kib};
	if (drift->count < DRIFT_POINTS)
		drift->count++;
	fit_line(drift, capacity_bytes);
}

uint64_t drift_ahead_bytes(const struct drift *drift, uint64_t horizon_ns)
{
	int64_t kib = drift->level_kib;

	if (drift->slope_kib_per_ks > 0)
		kib += change_kib(drift, horizon_ns);
	return kib > 0 ? units_scale((uint64_t)kib, KIB, 1) : 0;
}
