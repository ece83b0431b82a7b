/* SPDX-License-Identifier: BSD-2-Clause */
/* The adaptive policy's own rules: advice, turned into proposals. */
#include "base/units.h"
#include "policy_rules.h"
#include "policy_use.h"

/* Before anything presses: a planned step down costs a quarter of an immediate one. */
bool policy_rule_leave(const struct situation *s, const struct engine_config *c, struct proposal *p)
{
	const struct advice *advice = &s->advice;

	if (!s->is_fresh || advice->leave_reason == REASON_NONE)
		return false;
	policy_blame_use(s, c, p);
	policy_order(p, advice->leave_reason, SWITCH_PLANNED, advice->leave_target);
	return true;
}

/*
 * A step down that was ordered for a rise to come is called off when none is in sight and use is
 * well below the limit; one that was ordered for pressure when that has cleared.
 */
bool policy_rule_cancel_leaving(const struct situation *s, const struct engine_config *c,
				struct proposal *p)
{
	uint32_t limit = (uint32_t)units_minus(c->degrade_above_permyriad, c->margin_permyriad);

	if (s->target > s->serving || !s->is_fresh || !policy_has_cleared(s, c) ||
	    policy_is_left_for_performance(s) || s->advice.leave_reason != REASON_NONE ||
	    s->advice.forecast_permyriad >= limit)
		return false;
	p->action = PROPOSE_CANCEL;
	p->reason = REASON_PRESSURE_CLEARED;
	return true;
}

bool policy_rule_gain(const struct situation *s, const struct engine_config *c, struct proposal *p)
{
	const struct advice *advice = &s->advice;
	uint32_t reason = advice->up_hold;

	if (!s->is_fresh || p->action != PROPOSE_NOTHING || advice->up_target <= s->serving ||
	    policy_use_permyriad(s, c) >= c->upgrade_below_permyriad)
		return false;
	if (s->pressure_calm_ns < s->stabilization_ns)
		reason = REASON_STABILIZING;
	else if (s->calm_ns < s->stabilization_ns)
		reason = REASON_DATA_LOST;
	else if (s->is_model_unseen && s->serving != TIER_OFF)
		reason = REASON_MODEL_UNSEEN;
	if (reason != REASON_NONE) {
		policy_hold(p, reason);
		p->is_step_up_hold = true;
		return false;
	}
	policy_order(p, REASON_GAIN, SWITCH_PLANNED, advice->up_target);
	return true;
}
