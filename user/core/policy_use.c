/* SPDX-License-Identifier: BSD-2-Clause */
#include "policy_use.h"

#include "base/units.h"

static const struct tier *serving_tier(const struct situation *s, const struct engine_config *c)
{
	return s->in_place ? s->in_place : &c->ladder.tiers[s->serving];
}

uint32_t policy_use_permyriad(const struct situation *s, const struct engine_config *c)
{
	uint32_t use;

	ladder_find_worst_held(serving_tier(s, c), &s->resources, s->is_measured, &use);
	return use;
}

/* The next rung down that takes less of this resource; false if there is none. */
static bool find_relief(const struct situation *s, const struct engine_config *c,
			const struct resource_view *view, uint32_t *ret_tier)
{
	uint64_t held = ladder_held_bytes(serving_tier(s, c), view, s->is_measured);

	for (uint32_t tier = s->serving; tier-- > c->min_tier;) {
		if (ladder_footprint_bytes(&c->ladder.tiers[tier], view->kind, view->index) <
		    held) {
			*ret_tier = tier;
			return true;
		}
	}
	return false;
}

uint32_t policy_find_relievable(const struct situation *s, const struct engine_config *c,
				uint32_t *ret_tier)
{
	uint32_t highest = 0;

	for (uint32_t i = 0; i < s->resources.count; i++) {
		const struct resource_view *view = &s->resources.view[i];
		uint32_t use =
			ladder_held_permyriad(serving_tier(s, c), view, LADDER_NOW, s->is_measured);
		uint32_t tier;

		if (use <= highest || !find_relief(s, c, view, &tier))
			continue;
		highest = use;
		*ret_tier = tier;
	}
	return highest;
}

uint32_t policy_relievable_permyriad(const struct situation *s, const struct engine_config *c)
{
	uint32_t tier;

	return policy_find_relievable(s, c, &tier);
}

uint32_t policy_share_permyriad(const struct situation *s, const struct engine_config *c,
				uint32_t stall_class)
{
	uint32_t kind = stall_class == STALL_GROUP ? RESOURCE_GROUP_MEMORY : RESOURCE_HOST_MEMORY;
	const struct resource_view *tightest = NULL;
	uint32_t tightest_permyriad = 0;
	uint64_t ours;

	if (s->serving == TIER_OFF)
		return 0;
	for (uint32_t i = 0; i < s->resources.count; i++) {
		const struct resource_view *view = &s->resources.view[i];
		uint32_t use =
			ladder_held_permyriad(serving_tier(s, c), view, LADDER_NOW, s->is_measured);

		if (view->kind != kind || (tightest && use <= tightest_permyriad))
			continue;
		tightest = view;
		tightest_permyriad = use;
	}
	if (!tightest)
		return PERMYRIAD;
	ours = units_max(ladder_footprint_bytes(serving_tier(s, c), kind, tightest->index),
			 tightest->model_bytes);
	/* Of the whole: where memory stalls it is full, with page cache that others need, too. */
	return units_permyriad(ours, tightest->capacity_bytes);
}

/* Whether the tier keeps the resource out of reach of the next step down. */
static bool is_room(const struct situation *s, const struct engine_config *c,
		    const struct resource_view *view, uint32_t tier)
{
	if (c->policy == POLICY_ADAPTIVE)
		return adaptive_ahead_permyriad(s->costs, view, c, tier) <
		       c->degrade_above_permyriad;
	return ladder_use_permyriad(&c->ladder.tiers[tier], view, LADDER_NOW) <
	       c->upgrade_below_permyriad;
}

bool policy_does_fit(const struct situation *s, const struct engine_config *c, uint32_t tier)
{
	for (uint32_t i = 0; i < s->resources.count; i++) {
		const struct resource_view *view = &s->resources.view[i];
		uint64_t held = ladder_held_bytes(serving_tier(s, c), view, s->is_measured);
		uint64_t footprint =
			ladder_footprint_bytes(&c->ladder.tiers[tier], view->kind, view->index);
		uint32_t relief;

		if (is_room(s, c, view, tier))
			continue;
		if (footprint > held || find_relief(s, c, view, &relief))
			return false;
	}
	return true;
}

bool policy_is_reserved(const struct situation *s, const struct engine_config *c, uint32_t tier)
{
	return ladder_worst_permyriad(&c->ladder.tiers[tier], &s->resources, LADDER_RESERVED) >=
	       c->upgrade_below_permyriad;
}

const struct resource_view *policy_find_unfit(const struct situation *s,
					      const struct engine_config *c, uint32_t tier)
{
	const struct tier *wanted = &c->ladder.tiers[tier];
	const struct resource_view *fullest = NULL;
	uint32_t highest = 0;

	for (uint32_t i = 0; i < s->resources.count; i++) {
		const struct resource_view *view = &s->resources.view[i];
		uint64_t held = ladder_held_bytes(serving_tier(s, c), view, s->is_measured);
		uint32_t use = ladder_use_permyriad(wanted, view, LADDER_RESERVED);

		if (use < c->degrade_above_permyriad || use <= highest ||
		    ladder_footprint_bytes(wanted, view->kind, view->index) <= held)
			continue;
		fullest = view;
		highest = use;
	}
	return fullest;
}
