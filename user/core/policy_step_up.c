/* SPDX-License-Identifier: BSD-2-Clause */
/* The plain rule for a step up, one rung at a time. */
#include "base/units.h"
#include "policy_rules.h"
#include "policy_use.h"

uint32_t policy_find_obstacle(const struct situation *s, const struct engine_config *c,
			      uint32_t target)
{
	uint32_t limit = (uint32_t)units_minus(c->degrade_above_permyriad, c->margin_permyriad);
	const struct tier *tier = &c->ladder.tiers[target];

	if (policy_use_permyriad(s, c) >= c->upgrade_below_permyriad ||
	    ladder_worst_permyriad(tier, &s->resources, LADDER_NOW) >= c->upgrade_below_permyriad)
		return REASON_USE_OVER_UPGRADE;
	if (s->pressure_calm_ns < s->stabilization_ns)
		return REASON_STABILIZING;
	if (s->calm_ns < s->stabilization_ns)
		return REASON_DATA_LOST;
	if (s->is_model_unseen && s->serving != TIER_OFF)
		return REASON_MODEL_UNSEEN;
	if (s->performance.resting & (1U << target))
		return REASON_TIER_RESTING;
	if (ladder_worst_permyriad(tier, &s->resources, LADDER_PEAK) > limit)
		return REASON_PEAK_DOES_NOT_FIT;
	if (ladder_worst_permyriad(tier, &s->resources, LADDER_TREND) >= limit)
		return REASON_TREND_RISING;
	if (policy_is_reserved(s, c, target))
		return REASON_RESERVED;
	return REASON_NONE;
}

bool policy_rule_step_up(const struct situation *s, const struct engine_config *c,
			 struct proposal *p)
{
	uint32_t target = s->serving + 1;
	uint32_t reason;

	if (!s->is_fresh || p->action != PROPOSE_NOTHING || target >= c->ladder.count)
		return false;
	reason = policy_find_obstacle(s, c, target);
	/* Nobody expects a step up then. */
	if (reason == REASON_USE_OVER_UPGRADE)
		return false;
	if (reason != REASON_NONE) {
		policy_hold(p, reason);
		p->is_step_up_hold = true;
		return false;
	}
	policy_order(p, REASON_CALM, SWITCH_PLANNED, target);
	return true;
}
