/* SPDX-License-Identifier: BSD-2-Clause */
#include "switcher.h"

#include <string.h>

#include "base/units.h"
#include "log.h"

enum {
	NOTHING_SAID = UINT32_MAX,
};

/* The agent asks again when it hears nothing for ack_timeout [60 s, at least 1 s]. */
#define SAY_AGAIN_NS (500 * NS_PER_MS)
#define LOOK_AGAIN_NS (100 * NS_PER_MS)

static const char *name_of(const struct switcher *s, uint32_t tier)
{
	return s->config->tiers[tier].name;
}

static enum tier_state state_of(const struct switcher *s, uint32_t tier)
{
	return s->ops->get_state(s->backend, tier);
}

static enum door door_of(const struct switcher *s, uint32_t tier)
{
	return s->ops->get_door(s->backend, tier);
}

/* ---- what is said ------------------------------------------------------------------------------
 */

static void say(struct switcher *s, uint32_t state)
{
	static const char *const NAMES[] = {
		[ACK_DRAINING] = "draining",
		[ACK_LOADING] = "loading",
		[ACK_DONE] = "done",
		[ACK_FAILED] = "failed",
	};

	if (s->said != state)
		log_line("switch %llu to %s: %s", (unsigned long long)s->seq, name_of(s, s->target),
			 NAMES[state]);
	s->said = state;
	agent_link_ack(s->link, s->seq, state);
	loop_disarm(&s->said_timer);
	if (state == ACK_DRAINING || state == ACK_LOADING)
		loop_arm_in(&s->said_timer, SAY_AGAIN_NS);
}

/* A load may take longer than the agent waits for a word. */
static void say_again(void *context)
{
	struct switcher *s = context;

	if (s->is_open)
		say(s, s->said);
}

static void say_once(struct switcher *s, uint32_t state)
{
	if (s->is_open && s->said != state)
		say(s, state);
}

/* ---- steps -------------------------------------------------------------------------------------
 */

/* Lets the requests on a tier end, or not, and then stops it. True when it is down. */
static bool leave(struct switcher *s, uint32_t tier, bool *has_begun)
{
	enum tier_state state = state_of(s, tier);

	if (state == TIER_DOWN)
		return true;
	if (state == TIER_STOPPING) {
		*has_begun = true;
		if (s->is_cut)
			s->ops->stop(s->backend, tier, true);
		return state_of(s, tier) == TIER_DOWN;
	}
	if (s->is_cut || state == TIER_STARTING) {
		*has_begun = true;
		s->ops->stop(s->backend, tier, true);
		s->ops->set_door(s->backend, tier, DOOR_SHUT);
		return state_of(s, tier) == TIER_DOWN;
	}
	s->ops->set_door(s->backend, tier, DOOR_DRAINING);
	if (door_of(s, tier) == DOOR_DRAINING && s->ops->get_in_flight(s->backend, tier) == 0) {
		*has_begun = true;
		s->ops->set_door(s->backend, tier, DOOR_SHUT);
		s->ops->stop(s->backend, tier, false);
	}
	return state_of(s, tier) == TIER_DOWN;
}

static bool is_target_serving(const struct switcher *s)
{
	return s->target == MANAGER_TIER_OFF ||
	       (state_of(s, s->target) == TIER_UP && door_of(s, s->target) == DOOR_OPEN);
}

/* All but the target. True when all are down. */
static bool leave_others(struct switcher *s)
{
	bool are_down = true;
	bool is_draining = false;
	/* Where both may be in memory, the old one serves until the new one does. */
	bool is_new_awaited = s->is_overlap_allowed && !s->is_cut && !is_target_serving(s);

	for (uint32_t tier = 1; tier < s->config->tier_count; tier++) {
		bool has_begun = false;

		if (tier == s->target)
			continue;
		if (is_new_awaited && state_of(s, tier) == TIER_UP) {
			are_down = false;
			is_draining = true;
		} else if (!leave(s, tier, &has_begun)) {
			are_down = false;
			is_draining |= !has_begun;
		}
	}
	/* While the old tier still answers, the switch can be called off. */
	say_once(s, is_draining ? ACK_DRAINING : ACK_LOADING);
	return are_down;
}

static void approach_target(struct switcher *s, bool are_others_down)
{
	enum tier_state state;

	if (s->target == MANAGER_TIER_OFF)
		return;
	state = state_of(s, s->target);
	if (state == TIER_DOWN && (are_others_down || (s->is_overlap_allowed && !s->is_cut)))
		s->ops->start(s->backend, s->target);
	else if (state == TIER_UP)
		s->ops->set_door(s->backend, s->target, DOOR_OPEN);
}

static void settle(struct switcher *s)
{
	s->is_cut = false;
	s->is_overlap_allowed = false;
	if (s->is_open) {
		s->is_open = false;
		say(s, ACK_DONE);
		agent_link_note_belief(s->link, name_of(s, s->target));
	}
	if (!s->is_settled)
		agent_link_set_tier(s->link, name_of(s, s->target));
	s->is_settled = true;
}

static void step(struct switcher *s)
{
	bool are_others_down;

	/* A target that is up lets requests in before those before it are left. */
	approach_target(s, false);
	are_others_down = leave_others(s);
	approach_target(s, are_others_down);
	if (are_others_down && is_target_serving(s)) {
		if (s->ops->set_waiting)
			s->ops->set_waiting(s->backend, false);
		settle(s);
		return;
	}
	s->is_settled = false;
	agent_link_set_tier(s->link, NULL);
	if (s->ops->set_waiting)
		s->ops->set_waiting(s->backend, s->target != MANAGER_TIER_OFF);
	loop_arm_in(&s->step_timer, LOOK_AGAIN_NS);
}

/* A backend may call while it is being called. */
void switcher_step(void *context)
{
	struct switcher *s = context;

	s->is_step_due = true;
	if (s->is_stepping)
		return;
	s->is_stepping = true;
	while (s->is_step_due) {
		s->is_step_due = false;
		step(s);
	}
	s->is_stepping = false;
}

/* ---- orders ------------------------------------------------------------------------------------
 */

static void aim(struct switcher *s, uint32_t tier, bool is_cut, bool is_overlap_allowed)
{
	s->target = tier;
	s->is_cut = is_cut;
	s->is_overlap_allowed = is_overlap_allowed;
	s->is_settled = false;
	switcher_step(s);
}

void switcher_set_target(struct switcher *s, uint32_t tier, bool is_cut)
{
	s->is_open = false;
	aim(s, tier, is_cut, false);
}

/* Work is cut short only for a tier that takes less memory than one that is loaded. */
static bool is_smaller(const struct switcher *s, uint32_t tier)
{
	for (uint32_t other = 1; other < s->config->tier_count; other++) {
		if (other != tier && state_of(s, other) != TIER_DOWN &&
		    s->config->tiers[other].memory_bytes > s->config->tiers[tier].memory_bytes)
			return true;
	}
	return false;
}

/*
 * Also where what was cut is gone already and the same is ordered again, or less: what the memory
 * was taken from is not loaded instead if that fails.
 */
static bool is_cutting(const struct switcher *s, const struct manager_line *line, uint32_t tier)
{
	const struct tier_config *tiers = s->config->tiers;

	if (s->is_open && s->is_cut && tiers[tier].memory_bytes <= tiers[s->target].memory_bytes)
		return true;
	return line->mode == SWITCH_IMMEDIATE && is_smaller(s, tier);
}

/* What the agent has made room for: nothing is in memory but the tier that is to go. */
static bool is_only_loaded(const struct switcher *s, const char *from, uint32_t to)
{
	for (uint32_t tier = 1; tier < s->config->tier_count; tier++) {
		if (tier != to && state_of(s, tier) != TIER_DOWN &&
		    strcmp(name_of(s, tier), from) != 0)
			return false;
	}
	return true;
}

static bool is_repeated(const struct switcher *s, const struct manager_line *line, uint32_t tier)
{
	return s->said != NOTHING_SAID && line->seq == s->seq && tier == s->target &&
	       (s->is_open || s->is_settled) && line->mode == SWITCH_PLANNED;
}

static void take_order(struct switcher *s, const struct manager_line *line)
{
	int tier = manager_config_find_tier(s->config, line->to);
	bool is_cut;

	if (tier < 0) {
		log_rare("switch %llu: tier %s is not in the configuration",
			 (unsigned long long)line->seq, line->to);
		agent_link_ack(s->link, line->seq, ACK_FAILED);
		return;
	}
	if (is_repeated(s, line, (uint32_t)tier)) {
		/* While it is under way the next word comes in its turn: answers that call for the
		 * same order again would keep both sides busy with nothing else. */
		if (!s->is_open)
			say(s, s->said);
		return;
	}
	/* Of two orders in a row, what was there before the first is what there is to go back to.
	 */
	if (!s->is_open)
		s->previous = s->target;
	is_cut = is_cutting(s, line, (uint32_t)tier);
	s->seq = line->seq;
	s->is_open = true;
	s->said = NOTHING_SAID;
	log_line("switch %llu: %s to %s, %s%s, %s", (unsigned long long)line->seq,
		 name_of(s, s->target), name_of(s, (uint32_t)tier),
		 line->mode == SWITCH_IMMEDIATE ? "immediate" : "planned",
		 line->is_overlap_allowed ? ", both at once" : "", line->reason);
	aim(s, (uint32_t)tier, is_cut,
	    line->is_overlap_allowed && line->mode == SWITCH_PLANNED &&
		    is_only_loaded(s, line->from, (uint32_t)tier));
}

/* Only as long as the old tier still answers: later the way forward is the shorter one. */
static void cancel(struct switcher *s)
{
	bool is_old_there = s->previous == MANAGER_TIER_OFF || state_of(s, s->previous) == TIER_UP;

	if (!s->is_open)
		return;
	if (!is_old_there || s->is_cut) {
		log_line("switch %llu: too late to cancel", (unsigned long long)s->seq);
		return;
	}
	log_line("switch %llu: cancelled, back to %s", (unsigned long long)s->seq,
		 name_of(s, s->previous));
	s->is_open = false;
	loop_disarm(&s->said_timer);
	aim(s, s->previous, false, true);
}

/* The agent is where it was before the order, although we are at it: the cancel was lost. */
static void compare_state(struct switcher *s, const struct manager_line *line)
{
	if (s->is_open && line->seq == s->seq && strcmp(line->to, name_of(s, s->target)) != 0 &&
	    strcmp(line->to, name_of(s, s->previous)) == 0)
		cancel(s);
}

void switcher_take_line(struct switcher *s, const struct manager_line *line)
{
	switch (line->verb) {
	case MANAGER_SWITCH:
		take_order(s, line);
		break;
	case MANAGER_CANCEL:
		if (line->seq == s->seq)
			cancel(s);
		break;
	case MANAGER_STATE:
		compare_state(s, line);
		break;
	default:
		break; /* notify: for people */
	}
}

/* What is left to go back to after the target could not be loaded. */
static uint32_t fall_back(const struct switcher *s)
{
	if (s->is_cut || s->previous == s->target)
		return MANAGER_TIER_OFF;
	return s->previous;
}

void switcher_take_failure(void *context, uint32_t tier)
{
	struct switcher *s = context;
	uint32_t next;

	if (tier != s->target) {
		switcher_step(s);
		return;
	}
	next = s->is_open ? fall_back(s) : MANAGER_TIER_OFF;
	if (s->is_open) {
		s->is_open = false;
		say(s, ACK_FAILED);
		agent_link_note_belief(s->link, name_of(s, s->previous));
	}
	log_line("%s is not to be had: back to %s", name_of(s, tier), name_of(s, next));
	aim(s, next, false, true);
}

void switcher_open(struct switcher *s, struct loop *loop, const struct manager_config *config,
		   const struct backend_ops *ops, void *backend, struct agent_link *link)
{
	*s = (struct switcher){
		.config = config,
		.ops = ops,
		.backend = backend,
		.link = link,
		.said = NOTHING_SAID,
		.target = MANAGER_TIER_OFF,
	};
	loop_add_timer(loop, &s->said_timer, say_again, s);
	loop_add_timer(loop, &s->step_timer, switcher_step, s);
}
