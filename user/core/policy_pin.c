/* SPDX-License-Identifier: BSD-2-Clause */
/* What a pin makes of the rules' proposals: pin.h. */
#include "policy_rules.h"
#include "policy_use.h"

static bool is_immediate(const struct proposal *p)
{
	return p->action == PROPOSE_SWITCH && p->mode == SWITCH_IMMEDIATE;
}

/* What the policy would do by itself is not done, and that it would have stepped is said. */
static void give_way(const struct situation *s, struct proposal *p)
{
	bool is_step_up = p->target > s->serving;

	if (p->action == PROPOSE_SWITCH) {
		p->action = PROPOSE_NOTHING;
		policy_hold(p, REASON_PINNED);
		p->is_step_up_hold = is_step_up;
	} else if (p->action == PROPOSE_CANCEL || p->is_step_up_hold) {
		p->action = PROPOSE_NOTHING;
		p->is_step_up_hold = false;
	}
	p->target = s->serving;
}

static void ask_for_tier(const struct situation *s, const struct engine_config *c,
			 struct proposal *p)
{
	if (s->pin.tier == s->serving)
		return;
	if (policy_find_unfit(s, c, s->pin.tier)) {
		policy_hold(p, REASON_PIN_DOES_NOT_FIT);
		p->is_step_up_hold = true;
		return;
	}
	p->blame = BLAME_NOBODY;
	policy_order(p, REASON_PINNED, SWITCH_PLANNED, s->pin.tier);
}

static void call_off(struct proposal *p, uint32_t reason)
{
	p->action = PROPOSE_CANCEL;
	p->reason = reason;
	p->is_step_up_hold = false;
}

/* A drain for another tier makes way; one for the pinned tier goes on while that fits. */
static void check_drain(const struct situation *s, const struct engine_config *c,
			struct proposal *p)
{
	if (s->target == s->pin.tier) {
		if (s->target > s->serving && policy_find_unfit(s, c, s->target))
			call_off(p, REASON_USE_OVER_DEGRADE);
	} else if (s->pin.is_due || s->pin.tier == s->serving) {
		call_off(p, REASON_PINNED);
	}
}

/* Back up, to the pinned tier or as near to it as may be, by the rule for any step up. */
static void find_way_back(const struct situation *s, const struct engine_config *c,
			  struct proposal *p)
{
	bool is_step_up = p->action == PROPOSE_SWITCH && p->target > s->serving;
	uint32_t lowest = is_step_up ? p->target : s->serving + 1;

	if (s->switch_state != SWITCH_STEADY || !s->is_fresh ||
	    (p->action != PROPOSE_NOTHING && !p->is_step_up_hold && !is_step_up))
		return;
	for (uint32_t tier = s->pin.tier; tier >= lowest; tier--) {
		if (policy_find_obstacle(s, c, tier) == REASON_NONE) {
			policy_order(p, REASON_PINNED, SWITCH_PLANNED, tier);
			return;
		}
	}
	if (p->action != PROPOSE_NOTHING)
		return;
	policy_hold(p, policy_find_obstacle(s, c, s->pin.tier));
	p->is_step_up_hold = true;
}

void policy_apply_pin(const struct situation *s, const struct engine_config *c, struct proposal *p)
{
	if (!s->pin.is_set || is_immediate(p))
		return;
	if (pin_is_overridden(&s->pin, s->serving)) {
		if (p->action == PROPOSE_SWITCH && p->target > s->pin.tier)
			p->target = s->pin.tier;
		find_way_back(s, c, p);
		return;
	}
	give_way(s, p);
	if (s->switch_state == SWITCH_STEADY)
		ask_for_tier(s, c, p);
	else if (s->switch_state == SWITCH_DRAINING)
		check_drain(s, c, p);
}
