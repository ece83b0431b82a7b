/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the engine takes a pin, tells whether it is carried out, and lets it end: pin.h. */
#include <string.h>

#include "base/units.h"
#include "engine_private.h"
#include "policy_use.h"

/* Of the fullest resource that speaks against the tier: what it takes, and what is there for it. */
static void refuse_unfit(const struct engine_config *config, uint32_t tier,
			 const struct resource_view *view, struct refusal *ret_refusal)
{
	uint64_t limit =
		units_scale(view->capacity_bytes, config->degrade_above_permyriad, PERMYRIAD);

	*ret_refusal = (struct refusal){
		.reason = REASON_PIN_DOES_NOT_FIT,
		.kind = view->kind,
		.index = view->index,
		.need_bytes = ladder_footprint_bytes(&config->ladder.tiers[tier], view->kind,
						     view->index),
		.have_bytes = units_minus(limit, view->others_bytes[LADDER_RESERVED]),
	};
}

static bool is_refused(const struct engine *engine, const struct situation *situation,
		       uint32_t tier, struct refusal *ret_refusal)
{
	const struct engine_config *config = &engine->config;
	const struct resource_view *view;

	if (tier < config->min_tier) {
		*ret_refusal = (struct refusal){.reason = REASON_MIN_TIER};
		return true;
	}
	view = engine->is_started ? policy_find_unfit(situation, config, tier) : NULL;
	if (view)
		refuse_unfit(config, tier, view, ret_refusal);
	return view;
}

static void log_pin(struct engine *engine, struct actions *out, const struct situation *situation,
		    uint32_t action, uint32_t reason, uint32_t tier)
{
	struct decision decision;

	engine_fill_numbers(engine, situation, tier, &decision);
	decision.action = action;
	decision.reason = reason;
	decision.from = situation->serving;
	decision.to = tier;
	engine_push_decision(engine, out, &decision);
}

void engine_take_pin(struct engine *engine, const struct event_command *command,
		     struct actions *out)
{
	struct situation situation;
	uint32_t tier;

	if (!ladder_find_name(&engine->config.ladder, command->tier, &tier))
		return;
	engine_get_situation(engine, false, &situation);
	if (!command->is_continued && is_refused(engine, &situation, tier, &out->refusal)) {
		log_pin(engine, out, &situation, DECISION_HOLD, out->refusal.reason, tier);
		return;
	}
	engine->pin = (struct pin){
		.is_set = true,
		.is_due = !command->is_continued &&
			  !(engine->is_started && tier == situation.serving),
		.tier = tier,
		.until_ns =
			command->for_ns ? units_plus(engine->now_ns, command->for_ns) : UINT64_MAX,
	};
	engine_forget_holds(engine);
	log_pin(engine, out, &situation, DECISION_STATE, REASON_PINNED, situation.serving);
}

/* What is under way is left to the policy. */
void engine_drop_pin(struct engine *engine, struct actions *out, uint32_t reason)
{
	struct situation situation;

	if (!engine->pin.is_set)
		return;
	memset(&engine->pin, 0, sizeof(engine->pin));
	engine_forget_holds(engine);
	engine_get_situation(engine, false, &situation);
	log_pin(engine, out, &situation, DECISION_STATE, reason, situation.serving);
}

void engine_expire_pin(struct engine *engine, struct actions *out)
{
	if (engine->pin.is_set && engine->pin.until_ns <= engine->now_ns)
		engine_drop_pin(engine, out, REASON_PIN_EXPIRED);
}

void engine_keep_pin(struct engine *engine, const struct ladder *before, struct actions *out)
{
	struct pin *pin = &engine->pin;
	const char *name = before->tiers[pin->tier].name;

	if (pin->is_set && (!ladder_find_name(&engine->config.ladder, name, &pin->tier) ||
			    pin->tier < engine->config.min_tier))
		engine_drop_pin(engine, out, REASON_UNPINNED);
}

/* What a step of the switch machine means for the pin: reached, or tried to the end. */
void engine_note_pin(struct engine *engine, enum transition_event event,
		     const struct transition_output *output)
{
	const struct transition *t = &engine->transition;
	struct pin *pin = &engine->pin;
	bool is_for_pin = t->to == pin->tier;

	if (output->action == DECISION_DONE && is_for_pin) {
		pin->is_due = false;
		pin->reason = REASON_NONE;
	}
	if ((is_for_pin &&
	     (output->action == DECISION_FAILED || output->action == DECISION_CANCEL)) ||
	    (!is_for_pin && output->action == DECISION_SWITCH && t->mode == SWITCH_IMMEDIATE)) {
		pin->is_due = false;
		pin->reason = output->reason;
	}
	/* It was reached, and a manager says that something else is loaded. */
	if (event == TRANSITION_HELLO && pin->is_set && t->wanted == pin->tier &&
	    t->actual != pin->tier)
		pin->is_due = true;
}

/* What a manager says is loaded; else the largest that fits, but nothing above a pin. */
uint32_t engine_find_first_tier(struct engine *engine)
{
	const struct engine_config *config = &engine->config;
	struct pin *pin = &engine->pin;
	uint32_t tier = engine->hello_tier;

	if (!engine->is_hello_tier_known)
		tier = ladder_find_largest(&config->ladder, &engine->resources,
					   config->upgrade_below_permyriad, config->min_tier,
					   pin->is_set ? pin->tier : config->ladder.count - 1);
	pin->is_due &= tier != pin->tier;
	return tier;
}

void engine_fill_pin(const struct engine *engine, struct decision_pin *ret_pin)
{
	const struct transition *t = &engine->transition;
	const struct pin *pin = &engine->pin;

	if (!pin->is_set)
		return;
	*ret_pin = (struct decision_pin){
		.is_set = true,
		.is_overridden = engine->is_started && t->wanted != pin->tier &&
				 pin_is_overridden(pin, transition_serving(t)),
		.is_waiting = pin->is_due && !(transition_is_pending(t) && t->to == pin->tier),
		.tier = pin->tier,
		.reason = pin->reason,
		.left_ns = pin->until_ns == UINT64_MAX ? UINT64_MAX
						       : units_minus(pin->until_ns, engine->now_ns),
	};
}

bool engine_get_pin(const struct engine *engine, uint64_t time_ns, struct event_command *ret_pin)
{
	const struct pin *pin = &engine->pin;
	uint64_t until_ns = units_plus(engine->origin_ns, pin->until_ns);
	struct event_command command = {.verb = COMMAND_PIN, .is_continued = !pin->is_due};

	if (!pin->is_set)
		return false;
	memcpy(command.tier, engine->config.ladder.tiers[pin->tier].name, sizeof(command.tier));
	/* 0 would be for good. */
	if (pin->until_ns != UINT64_MAX)
		command.for_ns = units_max(units_minus(until_ns, time_ns), 1);
	*ret_pin = command;
	return true;
}
