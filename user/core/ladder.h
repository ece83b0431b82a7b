/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which tier fits: use of every resource as it would be with a tier in place (others' use plus
 * the tier's footprint). Pure arithmetic; the resource with the highest use counts.
 */
#ifndef TIERD_CORE_LADDER_H
#define TIERD_CORE_LADDER_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "drift.h"

/* Others' use at which time. */
enum ladder_basis {
	LADDER_NOW,
	LADDER_PEAK,     /* the highest of the recent past */
	LADDER_TREND,    /* if the trend goes on until the horizon; never less than now */
	LADDER_RESERVED, /* now, with what preflights have reserved */
	LADDER_BASIS_COUNT,
};

struct resource_view {
	uint32_t kind; /* enum resource_kind */
	uint32_t index;
	uint64_t capacity_bytes;
	uint64_t model_bytes; /* measured */
	uint64_t others_bytes[LADDER_BASIS_COUNT];
	int64_t trend_bytes_per_min;
	const struct drift *drift; /* of others' use; NULL = not known */
};

struct resources {
	uint32_t count;
	struct resource_view view[EVENT_RESOURCES_MAX];
};

/* Where no tier says how good it is, each rung is as much better as the one before. */
void ladder_fill_qualities(struct ladder *ladder);

/* What a tier takes of a resource of this kind. */
uint64_t ladder_footprint_bytes(const struct tier *tier, uint32_t kind, uint32_t index);

/* Use of one resource with the tier in place; 0 where capacity is unknown. */
uint32_t ladder_use_permyriad(const struct tier *tier, const struct resource_view *view,
			      enum ladder_basis basis);

/* Whether any tier takes anything of such a resource: if not, no choice of a tier matters to it. */
bool ladder_is_concerned(const struct ladder *ladder, uint32_t kind, uint32_t index);

/*
 * The same of the tier in place. Where is_measured says that what was measured is this tier's, the
 * larger of that and the footprint counts: a model may outgrow what it was said to take.
 */
uint64_t ladder_held_bytes(const struct tier *tier, const struct resource_view *view,
			   bool is_measured);
uint32_t ladder_held_permyriad(const struct tier *tier, const struct resource_view *view,
			       enum ladder_basis basis, bool is_measured);
const struct resource_view *ladder_find_worst_held(const struct tier *tier,
						   const struct resources *resources,
						   bool is_measured, uint32_t *ret_permyriad);

/* The view with the highest use, the first of equals; NULL if there is none. */
const struct resource_view *ladder_find_worst(const struct tier *tier,
					      const struct resources *resources,
					      enum ladder_basis basis, uint32_t *ret_permyriad);

/* Highest use of any resource; 0 if there is none. */
uint32_t ladder_worst_permyriad(const struct tier *tier, const struct resources *resources,
				enum ladder_basis basis);

/*
 * The largest tier in min_tier..max_tier that keeps every resource under below_permyriad now;
 * min_tier if none does.
 */
uint32_t ladder_find_largest(const struct ladder *ladder, const struct resources *resources,
			     uint32_t below_permyriad, uint32_t min_tier, uint32_t max_tier);

/* Index of the tier called name (which need not be terminated); false if there is none. */
bool ladder_find_name(const struct ladder *ladder, const char *name, uint32_t *ret_tier);

#endif
