/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the adaptive policy's two files only. */
#ifndef TIERD_CORE_ADAPTIVE_PRIVATE_H
#define TIERD_CORE_ADAPTIVE_PRIVATE_H

#include "adaptive.h"
#include "base/units.h"
#include "drift.h"

enum {
	/* One of 15 normal values is over 2.3 deviations with a probability of one in seven: about
	 * where waiting for another second costs more than going (a rung's quality for a second,
	 * against what an abort costs more than a drain). */
	FORECAST_NOISE_PERMILLE = 2300,
	/* A step up should last: one of the 60 values of its first minute is over 3.8 deviations
	 * once in 230 times. */
	STEP_UP_NOISE_PERMILLE = 3800,
	/* An immediate step leaves room for one deviation. */
	LANDING_NOISE_PERMILLE = 1000,
};

static inline uint64_t permyriad_of_permille(uint64_t permille)
{
	return permille * (PERMYRIAD / 1000);
}

static inline uint64_t noise_bytes(const struct resource_view *view, uint64_t deviations_permille)
{
	return units_scale(drift_noise_bytes(view->drift, view->capacity_bytes),
			   deviations_permille, 1000);
}

/* The least calm before any step up. */
static inline uint64_t adaptive_wait_min_ns(const struct engine_config *config)
{
	return units_min(config->stabilization_min_ns, config->stabilization_ns);
}

/* What the tier takes of the resource; of the serving one what was measured, if that is more. */
uint64_t adaptive_held_bytes(const struct adaptive_input *input, const struct resource_view *view,
			     uint32_t tier);

/* Use with the tier at the end of a drain that begins now, if nothing that rises falls first. */
uint32_t adaptive_forecast_permyriad(const struct adaptive_input *input, uint32_t tier);

#endif
