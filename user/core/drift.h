/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where one series of bytes stands and moves just now: level, slope and noise, of the present
 * stretch only. A jump ends a stretch, so that it is neither averaged away nor taken for a slope
 * or for noise.
 *
 * Level and slope are a least-squares line through the last DRIFT_POINTS points of the stretch; a
 * slope that noise alone explains counts as none. Noise is the mean absolute difference of
 * neighbouring points, each cut to a few times the mean so far (differences do not see the slope,
 * and cut ones hardly see jumps), as the deviation of a normal distribution with that mean.
 *
 * Integers only: KiB, at most 2^44 of them; times in ns that never go backwards.
 */
#ifndef TIERD_CORE_DRIFT_H
#define TIERD_CORE_DRIFT_H

#include <stdint.h>

enum {
	/* A line through fewer points follows noise, one through more follows turns late. */
	DRIFT_POINTS = 45,
	/* A new difference counts as 1/33 of the mean: about half a minute of memory. */
	DRIFT_DIFFERENCES_MAX = 33,
};

#define DRIFT_KIB_MAX (INT64_C(1) << 44)
#define DRIFT_MEAN_MAX_Q4 ((uint64_t)DRIFT_KIB_MAX * 16)

struct drift_point {
	uint64_t time_ns;
	int64_t kib;
};

struct drift {
	struct drift_point points[DRIFT_POINTS]; /* a ring */
	uint32_t newest;
	uint32_t count;              /* of the present stretch */
	uint32_t differences;        /* seen so far, up to where it stops to matter */
	int32_t outliers;            /* in a row on one side of the line: above > 0, below < 0 */
	uint64_t mean_difference_q4; /* KiB / 16 */
	int64_t level_kib;
	int64_t slope_kib_per_ks; /* KiB in 1000 s */
};

/* Adds the amount at now_ns of something that can hold capacity_bytes. */
void drift_add(struct drift *drift, uint64_t now_ns, uint64_t bytes, uint64_t capacity_bytes);

/* Nothing before this belongs to what follows: the next point begins a stretch. */
void drift_restart(struct drift *drift);

/* The noise of a series, for a drift that goes on with it; what no drift has is cut. */
struct drift_noise {
	uint64_t mean_difference_q4; /* KiB / 16 */
	uint32_t differences;
};

void drift_get_noise(const struct drift *drift, struct drift_noise *ret_noise);
void drift_set_noise(struct drift *drift, const struct drift_noise *noise);

/* The deviation of the noise, at least 1/10000 of the capacity. */
uint64_t drift_noise_bytes(const struct drift *drift, uint64_t capacity_bytes);

/* The level after horizon_ns if a rise goes on; a fall is not counted on. */
uint64_t drift_ahead_bytes(const struct drift *drift, uint64_t horizon_ns);

#endif
