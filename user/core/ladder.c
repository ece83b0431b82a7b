/* SPDX-License-Identifier: BSD-2-Clause */
#include "ladder.h"

#include <string.h>

#include "base/units.h"

void ladder_fill_qualities(struct ladder *ladder)
{
	for (uint32_t tier = 1; tier < ladder->count; tier++) {
		if (ladder->tiers[tier].quality_permyriad > 0)
			return;
	}
	for (uint32_t tier = 1; tier < ladder->count; tier++)
		ladder->tiers[tier].quality_permyriad = PERMYRIAD * tier / (ladder->count - 1);
}

uint64_t ladder_footprint_bytes(const struct tier *tier, uint32_t kind, uint32_t index)
{
	if (kind != RESOURCE_VRAM)
		return tier->memory_bytes;
	return index < LADDER_GPUS_MAX ? tier->vram_bytes[index] : 0;
}

bool ladder_is_concerned(const struct ladder *ladder, uint32_t kind, uint32_t index)
{
	for (uint32_t tier = 0; tier < ladder->count; tier++) {
		if (ladder_footprint_bytes(&ladder->tiers[tier], kind, index) > 0)
			return true;
	}
	return false;
}

uint64_t ladder_held_bytes(const struct tier *tier, const struct resource_view *view,
			   bool is_measured)
{
	uint64_t footprint = ladder_footprint_bytes(tier, view->kind, view->index);

	return is_measured ? units_max(footprint, view->model_bytes) : footprint;
}

uint32_t ladder_held_permyriad(const struct tier *tier, const struct resource_view *view,
			       enum ladder_basis basis, bool is_measured)
{
	return units_permyriad(
		units_plus(view->others_bytes[basis], ladder_held_bytes(tier, view, is_measured)),
		view->capacity_bytes);
}

uint32_t ladder_use_permyriad(const struct tier *tier, const struct resource_view *view,
			      enum ladder_basis basis)
{
	return ladder_held_permyriad(tier, view, basis, false);
}

static const struct resource_view *find_worst(const struct tier *tier,
					      const struct resources *resources,
					      enum ladder_basis basis, bool is_measured,
					      uint32_t *ret_permyriad)
{
	const struct resource_view *worst = NULL;
	uint32_t worst_permyriad = 0;

	for (uint32_t i = 0; i < resources->count; i++) {
		uint32_t use = ladder_held_permyriad(tier, &resources->view[i], basis, is_measured);

		if (worst && use <= worst_permyriad)
			continue;
		worst = &resources->view[i];
		worst_permyriad = use;
	}
	*ret_permyriad = worst_permyriad;
	return worst;
}

const struct resource_view *ladder_find_worst(const struct tier *tier,
					      const struct resources *resources,
					      enum ladder_basis basis, uint32_t *ret_permyriad)
{
	return find_worst(tier, resources, basis, false, ret_permyriad);
}

const struct resource_view *ladder_find_worst_held(const struct tier *tier,
						   const struct resources *resources,
						   bool is_measured, uint32_t *ret_permyriad)
{
	return find_worst(tier, resources, LADDER_NOW, is_measured, ret_permyriad);
}

uint32_t ladder_worst_permyriad(const struct tier *tier, const struct resources *resources,
				enum ladder_basis basis)
{
	uint32_t permyriad;

	ladder_find_worst(tier, resources, basis, &permyriad);
	return permyriad;
}

uint32_t ladder_find_largest(const struct ladder *ladder, const struct resources *resources,
			     uint32_t below_permyriad, uint32_t min_tier, uint32_t max_tier)
{
	for (uint32_t tier = max_tier; tier > min_tier; tier--) {
		if (ladder_worst_permyriad(&ladder->tiers[tier], resources, LADDER_NOW) <
		    below_permyriad)
			return tier;
	}
	return min_tier;
}

bool ladder_find_name(const struct ladder *ladder, const char *name, uint32_t *ret_tier)
{
	for (uint32_t tier = 0; tier < ladder->count; tier++) {
		if (strncmp(ladder->tiers[tier].name, name, EVENT_TIER_NAME_LEN) == 0) {
			*ret_tier = tier;
			return true;
		}
	}
	return false;
}
