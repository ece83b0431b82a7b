/* SPDX-License-Identifier: BSD-2-Clause */
/* What both policies make of how the serving tier does: performance.h's advice, as proposals. */
#include "policy_rules.h"

bool policy_is_left_for_performance(const struct situation *s)
{
	const struct performance_advice *advice = &s->performance;

	return advice->tier == s->serving && advice->reason != REASON_NONE &&
	       advice->target < s->serving;
}

uint32_t policy_find_fault(const struct situation *s, const struct engine_config *c)
{
	const struct performance_advice *advice = &s->performance;

	if (advice->tier != s->serving || s->switch_state != SWITCH_STEADY ||
	    advice->target != s->serving)
		return REASON_NONE;
	if (advice->reason != REASON_TIER_SLOW)
		return advice->reason;
	/* What presses explains it, and has rules of its own. */
	return policy_find_pressure(s, c) == REASON_NONE ? REASON_SLOW_UNPRESSED : REASON_NONE;
}

/* Planned, and after all that is about pressure. */
bool policy_rule_performance(const struct situation *s, const struct engine_config *c,
			     struct proposal *p)
{
	(void)c;
	if (!policy_is_left_for_performance(s))
		return false;
	if (p->blame == BLAME_NOBODY)
		p->blame = BLAME_MODEL;
	policy_order(p, s->performance.reason, SWITCH_PLANNED, s->performance.target);
	return true;
}
