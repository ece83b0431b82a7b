/* SPDX-License-Identifier: BSD-2-Clause */
#include "policy.h"

#include <string.h>

#include "base/units.h"
#include "policy_rules.h"
#include "policy_use.h"

#define STATE(state) (1U << (state))
#define STATES_ALL                                                               \
	(STATE(SWITCH_STEADY) | STATE(SWITCH_DRAINING) | STATE(SWITCH_LOADING) | \
	 STATE(SWITCH_SETTLING))

/* Classes of stall that a smaller tier may relieve. */
static const uint32_t relievable[] = {STALL_GROUP, STALL_HOST};

/* ---- what is seen ------------------------------------------------------------------------------
 */

static const struct tier *serving_tier(const struct situation *s, const struct engine_config *c)
{
	return s->in_place ? s->in_place : &c->ladder.tiers[s->serving];
}

uint32_t policy_stall_permyriad(const struct situation *s, uint32_t party, enum stall_span span)
{
	uint32_t highest = 0;

	for (int kind = 0; kind < STALL_CLASS_COUNT; kind++) {
		uint32_t stall = s->stall_permyriad[party][kind][span];

		highest = stall > highest ? stall : highest;
	}
	return highest;
}

static uint32_t class_stall_permyriad(const struct situation *s, uint32_t stall_class,
				      enum stall_span span)
{
	uint32_t others = s->stall_permyriad[PARTY_OTHERS][stall_class][span];
	uint32_t model = s->stall_permyriad[PARTY_MODEL][stall_class][span];

	return others > model ? others : model;
}

static bool is_stalled(const struct situation *s, enum stall_span span, uint32_t threshold)
{
	for (size_t i = 0; i < ARRAY_SIZE(relievable); i++) {
		if (class_stall_permyriad(s, relievable[i], span) >= threshold)
			return true;
	}
	return false;
}

static uint32_t cpu_wait_reason(const struct situation *s, const struct engine_config *c)
{
	if (s->serving == TIER_OFF)
		return REASON_NONE;
	if (s->cpu.model_wait_permyriad >= c->cpu_wait_above_permyriad)
		return REASON_CPU_WAIT_MODEL;
	if (s->cpu.others_wait_permyriad >= c->cpu_wait_above_permyriad)
		return REASON_CPU_WAIT_OTHERS;
	return REASON_NONE;
}

uint32_t policy_find_pressure(const struct situation *s, const struct engine_config *c)
{
	bool is_own_effect =
		s->switch_state == SWITCH_LOADING || s->switch_state == SWITCH_SETTLING;
	uint32_t use = policy_use_permyriad(s, c);

	if (s->oom != REASON_NONE)
		return s->oom;
	if (use >= c->degrade_above_permyriad)
		return REASON_USE_OVER_DEGRADE;
	if (is_own_effect)
		return REASON_NONE;
	if (use >= c->upgrade_below_permyriad)
		return REASON_USE_OVER_UPGRADE;
	if (is_stalled(s, STALL_SPAN_CALM, c->calm_stall_permyriad))
		return REASON_STALL_OVER_ABOVE;
	return cpu_wait_reason(s, c);
}

/* ---- what is asked for -------------------------------------------------------------------------
 */

void policy_hold(struct proposal *p, uint32_t reason)
{
	if (p->action != PROPOSE_NOTHING)
		return;
	p->action = PROPOSE_HOLD;
	p->reason = reason;
}

void policy_order(struct proposal *p, uint32_t reason, enum switch_mode mode, uint32_t target)
{
	p->action = PROPOSE_SWITCH;
	p->reason = reason;
	p->mode = mode;
	p->target = target;
	p->is_step_up_hold = false;
}

static void blame_memory(struct proposal *p, uint32_t stall_class)
{
	if (p->blame != BLAME_NOBODY)
		return;
	p->blame = BLAME_MEMORY;
	p->stall_class = stall_class;
}

/* Memory of the worst resource has a culprit; that of a GPU has none that is known here. */
void policy_blame_use(const struct situation *s, const struct engine_config *c, struct proposal *p)
{
	uint32_t use;
	const struct resource_view *worst =
		ladder_find_worst_held(serving_tier(s, c), &s->resources, s->is_measured, &use);

	if (worst && worst->kind != RESOURCE_VRAM)
		blame_memory(p, worst->kind == RESOURCE_GROUP_MEMORY ? STALL_GROUP : STALL_HOST);
}

/* At once, to the largest tier that will not be stepped down from next; at least one rung. */
static void order_immediate(const struct situation *s, const struct engine_config *c,
			    struct proposal *p, uint32_t reason, uint32_t highest)
{
	if (s->serving <= c->min_tier) {
		policy_hold(p, REASON_MIN_TIER);
		return;
	}
	/* A step down that is under way already is only hurried. */
	if (s->switch_state == SWITCH_DRAINING && s->target < s->serving)
		highest = (uint32_t)units_min(highest, s->target);
	while (highest > c->min_tier && !policy_does_fit(s, c, highest))
		highest--;
	policy_order(p, reason, SWITCH_IMMEDIATE, (uint32_t)units_max(highest, c->min_tier));
}

static bool rule_oom(const struct situation *s, const struct engine_config *c, struct proposal *p)
{
	if (s->oom == REASON_NONE)
		return false;
	blame_memory(p, s->oom == REASON_OOM_GROUP ? STALL_GROUP : STALL_HOST);
	order_immediate(s, c, p, s->oom, units_minus(s->serving, 1));
	return p->action == PROPOSE_SWITCH;
}

static bool rule_use_over_degrade(const struct situation *s, const struct engine_config *c,
				  struct proposal *p)
{
	if (policy_use_permyriad(s, c) < c->degrade_above_permyriad)
		return false;
	policy_blame_use(s, c, p);
	if (!s->is_confirmed && !is_stalled(s, STALL_SPAN_ABOVE, c->stall_above_permyriad)) {
		policy_hold(p, REASON_UNCONFIRMED);
		return false;
	}
	if (s->serving > c->min_tier &&
	    policy_relievable_permyriad(s, c) < c->degrade_above_permyriad) {
		policy_hold(p, REASON_NOT_OURS);
		return false;
	}
	order_immediate(s, c, p, REASON_USE_OVER_DEGRADE, (uint32_t)units_minus(s->serving, 1));
	return p->action == PROPOSE_SWITCH;
}

/* The next rung down that takes less memory; false if there is none. */
static bool find_lighter(const struct situation *s, const struct engine_config *c,
			 uint32_t *ret_tier)
{
	for (uint32_t tier = s->serving; tier-- > c->min_tier;) {
		if (c->ladder.tiers[tier].memory_bytes < serving_tier(s, c)->memory_bytes) {
			*ret_tier = tier;
			return true;
		}
	}
	return false;
}

static bool step_for_stall(const struct situation *s, const struct engine_config *c,
			   struct proposal *p, uint32_t stall_class, enum switch_mode mode)
{
	uint32_t target;

	blame_memory(p, stall_class);
	if (policy_share_permyriad(s, c, stall_class) < c->share_min_permyriad ||
	    s->serving == TIER_OFF) {
		policy_hold(p, REASON_NOT_OURS);
		return false;
	}
	if (s->serving <= c->min_tier) {
		policy_hold(p, REASON_MIN_TIER);
		return false;
	}
	if (!find_lighter(s, c, &target)) {
		policy_hold(p, REASON_NOT_OURS);
		return false;
	}
	if (mode == SWITCH_IMMEDIATE)
		order_immediate(s, c, p, REASON_STALL_OVER_URGENT, target);
	else
		policy_order(p, REASON_STALL_OVER_ABOVE, SWITCH_PLANNED, target);
	return true;
}

static bool rule_stall(const struct situation *s, const struct engine_config *c, struct proposal *p,
		       enum stall_span span, uint32_t threshold, enum switch_mode mode)
{
	for (size_t i = 0; i < ARRAY_SIZE(relievable); i++) {
		if (class_stall_permyriad(s, relievable[i], span) >= threshold &&
		    step_for_stall(s, c, p, relievable[i], mode))
			return true;
	}
	return false;
}

static bool rule_stall_over_urgent(const struct situation *s, const struct engine_config *c,
				   struct proposal *p)
{
	return rule_stall(s, c, p, STALL_SPAN_URGENT, c->stall_urgent_permyriad, SWITCH_IMMEDIATE);
}

static bool rule_stall_over_above(const struct situation *s, const struct engine_config *c,
				  struct proposal *p)
{
	return rule_stall(s, c, p, STALL_SPAN_ABOVE, c->stall_above_permyriad, SWITCH_PLANNED);
}

static bool rule_use_over_upgrade(const struct situation *s, const struct engine_config *c,
				  struct proposal *p)
{
	uint32_t target = s->serving;
	uint32_t use = policy_find_relievable(s, c, &target);

	/* Over degrade_above but not confirmed: one sample alone starts nothing. */
	if (policy_use_permyriad(s, c) < c->upgrade_below_permyriad ||
	    use >= c->degrade_above_permyriad)
		return false;
	policy_blame_use(s, c, p);
	if (s->serving <= c->min_tier) {
		policy_hold(p, REASON_MIN_TIER);
		return false;
	}
	if (use < c->upgrade_below_permyriad) {
		policy_hold(p, REASON_NOT_OURS);
		return false;
	}
	if (!s->is_band_confirmed) {
		policy_hold(p, REASON_UNCONFIRMED);
		return false;
	}
	policy_order(p, REASON_USE_OVER_UPGRADE, SWITCH_PLANNED, target);
	return true;
}

/* Fewer cores where both tiers say how many they use; else less memory to read per token. */
static bool needs_less_cpu(const struct tier *target, const struct tier *serving)
{
	if (target->cores_permille && serving->cores_permille &&
	    target->cores_permille < serving->cores_permille)
		return true;
	return target->memory_bytes < serving->memory_bytes;
}

static bool rule_cpu_wait(const struct situation *s, const struct engine_config *c,
			  struct proposal *p)
{
	uint32_t reason = cpu_wait_reason(s, c);

	if (reason == REASON_NONE)
		return false;
	if (p->blame == BLAME_NOBODY) {
		p->blame = BLAME_CPU;
		p->party = reason == REASON_CPU_WAIT_MODEL ? PARTY_MODEL : PARTY_OTHERS;
	}
	if (s->serving <= c->min_tier || s->serving - 1 == TIER_OFF) {
		policy_hold(p, REASON_MIN_TIER);
		return false;
	}
	if (!needs_less_cpu(&c->ladder.tiers[s->serving - 1], serving_tier(s, c))) {
		policy_hold(p, REASON_NOT_OURS);
		return false;
	}
	policy_order(p, reason, SWITCH_PLANNED, s->serving - 1);
	return true;
}

/* ---- while draining ----------------------------------------------------------------------------
 */

/*
 * What started a drain must have cleared, not only dropped by a hair, or orders and cancels would
 * take turns around a threshold: use by the margin, stall and CPU wait by half.
 */
bool policy_has_cleared(const struct situation *s, const struct engine_config *c)
{
	uint32_t clear_permyriad =
		(uint32_t)units_minus(c->upgrade_below_permyriad, c->margin_permyriad);
	uint32_t clear_wait_permyriad = c->cpu_wait_above_permyriad / 2;

	return policy_use_permyriad(s, c) < clear_permyriad &&
	       !is_stalled(s, STALL_SPAN_ABOVE, (c->stall_above_permyriad + 1) / 2) &&
	       s->cpu.model_wait_permyriad <= clear_wait_permyriad &&
	       s->cpu.others_wait_permyriad <= clear_wait_permyriad;
}

static bool rule_cancel_step_down(const struct situation *s, const struct engine_config *c,
				  struct proposal *p)
{
	if (s->target > s->serving || !policy_has_cleared(s, c) ||
	    policy_is_left_for_performance(s))
		return false;
	p->action = PROPOSE_CANCEL;
	p->reason = REASON_PRESSURE_CLEARED;
	return true;
}

static bool rule_cancel_step_up(const struct situation *s, const struct engine_config *c,
				struct proposal *p)
{
	uint32_t reason = policy_find_pressure(s, c);
	uint32_t limit = c->upgrade_below_permyriad;

	if (s->target <= s->serving)
		return false;
	if (c->policy == POLICY_ADAPTIVE)
		limit = (uint32_t)units_minus(c->degrade_above_permyriad, c->margin_permyriad);
	if (reason == REASON_NONE &&
	    ladder_worst_permyriad(&c->ladder.tiers[s->target], &s->resources, LADDER_NOW) >= limit)
		reason = REASON_USE_OVER_UPGRADE;
	if (reason == REASON_NONE)
		return false;
	p->action = PROPOSE_CANCEL;
	p->reason = reason;
	return true;
}

/* ---- all together ------------------------------------------------------------------------------
 */

struct rule {
	uint32_t states;
	rule_function *rule;
};

enum {
	RULES_MAX = 11,
};

/* A rule that is NULL ends the table. */
static const struct rule rules[POLICY_COUNT][RULES_MAX] = {
	[POLICY_THRESHOLD] =
		{
			{STATES_ALL, rule_oom},
			{STATES_ALL, rule_use_over_degrade},
			{STATE(SWITCH_STEADY) | STATE(SWITCH_DRAINING), rule_stall_over_urgent},
			{STATE(SWITCH_DRAINING), rule_cancel_step_down},
			{STATE(SWITCH_DRAINING), rule_cancel_step_up},
			{STATE(SWITCH_STEADY), rule_use_over_upgrade},
			{STATE(SWITCH_STEADY), rule_stall_over_above},
			{STATE(SWITCH_STEADY), rule_cpu_wait},
			{STATE(SWITCH_STEADY), policy_rule_performance},
			{STATE(SWITCH_STEADY), policy_rule_step_up},
		},
	[POLICY_ADAPTIVE] =
		{
			{STATES_ALL, rule_oom},
			{STATES_ALL, rule_use_over_degrade},
			{STATE(SWITCH_STEADY) | STATE(SWITCH_DRAINING), rule_stall_over_urgent},
			{STATE(SWITCH_DRAINING), policy_rule_cancel_leaving},
			{STATE(SWITCH_DRAINING), rule_cancel_step_up},
			{STATE(SWITCH_STEADY), rule_stall_over_above},
			{STATE(SWITCH_STEADY), rule_cpu_wait},
			{STATE(SWITCH_STEADY), policy_rule_leave},
			{STATE(SWITCH_STEADY), policy_rule_performance},
			{STATE(SWITCH_STEADY), policy_rule_gain},
		},
};

/* What stands in the way of any switch. */
static void gate(const struct situation *s, struct proposal *p)
{
	uint32_t reason = s->is_paused ? REASON_PAUSED : REASON_WARMUP;

	if (p->action != PROPOSE_SWITCH || (s->is_warm && !s->is_paused))
		return;
	p->is_step_up_hold = p->target > s->serving;
	p->action = PROPOSE_NOTHING;
	policy_hold(p, reason);
}

void policy_propose(const struct situation *s, const struct engine_config *c,
		    struct proposal *ret_proposal)
{
	struct proposal p = {.target = s->serving};

	p.is_foreign_stalled = class_stall_permyriad(s, STALL_FOREIGN, STALL_SPAN_ABOVE) >=
			       c->stall_above_permyriad;
	if (s->source == SOURCE_NONE) {
		policy_hold(&p, REASON_SOURCE_LOST);
	} else {
		const struct rule *rule = rules[c->policy];

		while (rule->rule &&
		       !((rule->states & STATE(s->switch_state)) && rule->rule(s, c, &p)))
			rule++;
		policy_apply_pin(s, c, &p);
		gate(s, &p);
	}
	*ret_proposal = p;
}
