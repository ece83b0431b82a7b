/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's one door: an event changes what is known; then due timers run; then the rules are
 * tried on the situation, and what they propose is carried out and logged.
 */
#include "engine.h"

#include <string.h>

#include "base/units.h"
#include "engine_private.h"

/* Nothing has pressed for this long: calm enough to look less often. */
#define QUIET_NS (5 * NS_PER_S)
/* A hold for the same reason is not logged again sooner. */
#define HOLD_REPEAT_NS (10 * NS_PER_S)

enum {
	/* An order may be assumed done at once, and settled at once. */
	TIMERS_PER_STEP_MAX = 3,
};

size_t engine_size(void)
{
	return sizeof(struct engine);
}

struct engine *engine_init(void *memory)
{
	struct engine *engine = memory;

	memset(engine, 0, sizeof(*engine));
	engine->source = SOURCE_POLL; /* until a better one is reported */
	engine->heartbeat_at_ns = UINT64_MAX;
	attribution_init(&engine->attribution);
	pressure_init(&engine->pressure);
	stabilizer_init(&engine->stabilizer, 0);
	transition_init(&engine->transition, TIER_OFF, true);
	return engine;
}

/* ---- logging -----------------------------------------------------------------------------------
 */

void engine_log_state(struct engine *engine, struct actions *out, uint32_t action, uint32_t reason)
{
	struct situation situation;
	struct decision decision;

	engine_get_situation(engine, false, &situation);
	engine_fill_numbers(engine, &situation, engine->transition.wanted, &decision);
	decision.action = action;
	decision.reason = reason;
	decision.from = engine->transition.actual;
	decision.to = engine->transition.wanted;
	engine_push_decision(engine, out, &decision);
}

static void log_hold(struct engine *engine, struct actions *out, const struct situation *situation,
		     const struct proposal *proposal)
{
	struct hold_log *log = &engine->hold;
	uint32_t reason = proposal->reason;
	uint32_t target = situation->serving + (proposal->is_step_up_hold ? 1 : 0);
	struct decision decision;

	if (reason == log->reason ||
	    (log->is_logged[reason] &&
	     units_minus(engine->now_ns, log->logged_ns[reason]) < HOLD_REPEAT_NS))
		return;
	log->reason = reason;
	log->is_step_up_hold = proposal->is_step_up_hold;
	log->is_logged[reason] = true;
	log->logged_ns[reason] = engine->now_ns;
	engine_fill_numbers(engine, situation, target, &decision);
	engine_find_blamed(engine, proposal, &decision);
	decision.action = DECISION_HOLD;
	decision.reason = reason;
	decision.from = situation->serving;
	decision.to = target;
	engine_push_decision(engine, out, &decision);
}

/* After a switch every hold is news again. */
void engine_forget_holds(struct engine *engine)
{
	bool is_foreign_stalled = engine->hold.is_foreign_stalled;
	uint64_t cgroup_id = engine->hold.foreign_oom_cgroup_id;

	memset(&engine->hold, 0, sizeof(engine->hold));
	engine->hold.is_foreign_stalled = is_foreign_stalled;
	engine->hold.foreign_oom_cgroup_id = cgroup_id;
}

void engine_log_foreign(struct engine *engine, struct actions *out,
			const struct situation *situation, const struct proposal *blame)
{
	struct decision decision;

	engine_fill_numbers(engine, situation, situation->serving, &decision);
	engine_find_blamed(engine, blame, &decision);
	decision.action = DECISION_HOLD;
	decision.reason = REASON_NOT_OURS;
	decision.from = situation->serving;
	decision.to = situation->serving;
	engine_push_decision(engine, out, &decision);
}

/* Others thrash at a limit of their own: said once, and nothing else comes of it. */
static void note_foreign_stall(struct engine *engine, struct actions *out,
			       const struct situation *situation, bool is_stalled)
{
	const struct proposal blame = {.blame = BLAME_MEMORY, .stall_class = STALL_FOREIGN};

	if (is_stalled && !engine->hold.is_foreign_stalled)
		engine_log_foreign(engine, out, situation, &blame);
	engine->hold.is_foreign_stalled = is_stalled;
}

/* ---- switching ---------------------------------------------------------------------------------
 */

/*
 * Pressure within this time of a step up makes it a failure. The plain rule asks of a longer wait
 * that it be followed by as long a calm; the adaptive one has weighed that already.
 */
static uint64_t trial_ns(const struct engine *engine)
{
	uint64_t stabilization_ns = engine->config.stabilization_ns;

	if (engine->config.policy == POLICY_ADAPTIVE)
		return stabilization_ns;
	return stabilizer_wait_ns(&engine->stabilizer, stabilization_ns);
}

/* What a step of the switch machine means for the calm clock. */
static void note_transition(struct engine *engine, const struct transition_output *output,
			    bool was_stepping_up)
{
	const struct transition *t = &engine->transition;
	uint64_t stabilization_ns = engine->config.stabilization_ns;
	bool is_step_up = t->to > t->from;
	bool is_step_down = output->action == DECISION_SWITCH && !is_step_up;
	/* A tier that was left in time, or because a person said so, has not failed. */
	bool is_foreseen = t->mode == SWITCH_PLANNED &&
			   (output->reason == REASON_FORECAST ||
			    output->reason == REASON_RECURRENCE || output->reason == REASON_PINNED);
	/* Called off under pressure: it would have failed if it had been quicker. */
	bool is_given_up = was_stepping_up && output->action == DECISION_CANCEL &&
			   output->reason != REASON_DRAIN_DEADLINE &&
			   output->reason != REASON_PINNED;

	if (output->is_step_up_failed || is_given_up || (is_step_down && was_stepping_up))
		stabilizer_note_failed_step_up(&engine->stabilizer, engine->now_ns);
	if (output->action == DECISION_ACTION_COUNT)
		return;
	stabilizer_restart(&engine->stabilizer, engine->now_ns);
	if (is_step_down && !is_foreseen)
		stabilizer_note_step_down(&engine->stabilizer, engine->now_ns, stabilization_ns);
	if (output->action == DECISION_DONE && is_step_up)
		stabilizer_note_step_up(&engine->stabilizer, engine->now_ns, trial_ns(engine));
}

/* An order that is given again, or turned into an immediate one, keeps whom it was given for. */
static void find_blamed(struct engine *engine, const struct transition_output *output,
			const struct proposal *proposal, struct decision *decision)
{
	if (proposal) {
		engine_find_blamed(engine, proposal, decision);
	} else if (output->action == DECISION_SWITCH && output->reason != REASON_INITIAL &&
		   output->reason != REASON_CONFIG_CHANGED) {
		decision->victim = engine->order_victim;
		decision->culprit = engine->order_culprit;
	}
	if (output->action == DECISION_SWITCH) {
		engine->order_victim = decision->victim;
		engine->order_culprit = decision->culprit;
	}
}

void engine_apply_transition(struct engine *engine, struct actions *out,
			     enum transition_event event, const struct transition_input *input,
			     const struct situation *situation, const struct proposal *proposal)
{
	struct transition *t = &engine->transition;
	uint32_t state_before = t->state;
	bool was_stepping_up = transition_is_pending(t) && t->to > t->from;
	struct transition_output output;
	struct decision decision;

	bool was_overlapping = engine_is_overlapping(engine);

	transition_step(t, event, input, &output);
	if (output.action == DECISION_SWITCH && !engine_keeps_overlap(engine, event))
		engine_grant_overlap(engine, situation);
	if (was_overlapping && !engine_is_overlapping(engine))
		engine->learn_after_ns = units_plus(engine->now_ns, engine->config.settle_ns);
	engine_learn_costs(engine, event, state_before);
	/* What is in place needs no reservation any more. */
	if (!transition_is_pending(t))
		preflight_end_tier(&engine->preflight, t->actual);
	note_transition(engine, &output, was_stepping_up);
	engine_note_pin(engine, event, &output);
	engine_fill_numbers(engine, situation, t->to, &decision);
	if (output.action != DECISION_ACTION_COUNT) {
		find_blamed(engine, &output, proposal, &decision);
		decision.action = output.action;
		decision.reason = output.reason;
		decision.seq = t->seq;
		decision.mode = t->mode;
		decision.from = t->from;
		decision.to = t->to;
		engine_push_decision(engine, out, &decision);
	}
	if (output.line)
		engine_push_order(engine, out, output.line, output.reason);
	if (output.action == DECISION_SWITCH || output.action == DECISION_CANCEL) {
		engine->over_limit_count = 0;
		engine->over_band_count = 0;
		engine->is_confirmed = false;
		engine->is_band_confirmed = false;
		engine_forget_holds(engine);
	}
	/* What the new tier's loading did is not held against it. */
	if (state_before == SWITCH_SETTLING && t->state == SWITCH_STEADY)
		pressure_restart(&engine->pressure);
}

void engine_fill_input(const struct engine *engine, const struct situation *situation,
		       struct transition_input *ret_input)
{
	const struct engine_config *config = &engine->config;
	uint32_t use = policy_relievable_permyriad(situation, config);
	uint32_t wanted = engine->transition.wanted;
	uint32_t wanted_use = ladder_worst_permyriad(&config->ladder.tiers[wanted],
						     &engine->resources, LADDER_RESERVED);
	bool is_pinned = pin_is_in_force(&engine->pin, situation->serving);

	*ret_input = (struct transition_input){
		.now_ns = engine->now_ns,
		.config = config,
		.is_over_limit = use >= config->degrade_above_permyriad,
		.is_clear = policy_find_pressure(situation, config) == REASON_NONE &&
			    !policy_is_left_for_performance(situation) &&
			    !(is_pinned && engine->pin.tier < situation->serving),
		.does_wanted_fit = wanted_use < (engine->pin.is_set && engine->pin.tier == wanted
							 ? config->degrade_above_permyriad
							 : config->upgrade_below_permyriad),
		.is_paused = engine->is_paused,
		.earliest_ns = units_plus(engine->first_sample_ns, config->warmup_ns),
	};
}

static bool is_timer_due(const struct engine *engine)
{
	const struct transition *t = &engine->transition;

	if (!engine->is_started || (engine->is_paused && t->state == SWITCH_STEADY))
		return false;
	return t->deadline_ns <= engine->now_ns;
}

static void run_timers(struct engine *engine, struct actions *out)
{
	for (int i = 0; i < TIMERS_PER_STEP_MAX && is_timer_due(engine); i++) {
		struct situation situation;
		struct transition_input input;

		engine_get_situation(engine, false, &situation);
		engine_fill_input(engine, &situation, &input);
		engine_apply_transition(engine, out, TRANSITION_TIMEOUT, &input, &situation, NULL);
	}
}

/* ---- the rules ---------------------------------------------------------------------------------
 */

/* While an order waits to be given again, only what is more urgent comes before it. */
static bool is_waiting_to_retry(const struct engine *engine, const struct proposal *proposal)
{
	const struct transition *t = &engine->transition;

	if (t->state != SWITCH_STEADY || t->wanted == t->actual)
		return false;
	return proposal->mode != SWITCH_IMMEDIATE ||
	       (proposal->target >= t->wanted && t->mode == SWITCH_IMMEDIATE);
}

static void carry_out(struct engine *engine, struct actions *out, const struct situation *situation,
		      const struct proposal *proposal)
{
	enum transition_event event = TRANSITION_CANCEL;
	struct transition_input input;

	if (proposal->action == PROPOSE_SWITCH)
		event = proposal->mode == SWITCH_IMMEDIATE ? TRANSITION_ORDER_IMMEDIATE
							   : TRANSITION_ORDER_PLANNED;
	if (is_waiting_to_retry(engine, proposal))
		return;
	engine_fill_input(engine, situation, &input);
	input.target = proposal->target;
	input.reason = proposal->reason;
	engine_learn_pressure(engine, situation, proposal);
	engine_apply_transition(engine, out, event, &input, situation, proposal);
	if (situation->oom != REASON_NONE) {
		engine->is_oom_answered = true;
		engine->oom_answered_ns = engine->oom.header.time_ns;
	}
}

static void note_restlessness(struct engine *engine, struct situation *situation)
{
	const struct engine_config *config = &engine->config;
	uint32_t foreign = situation->stall_permyriad[PARTY_OTHERS][STALL_FOREIGN][STALL_SPAN_CALM];
	bool is_pressed = policy_find_pressure(situation, config) != REASON_NONE;

	/* Without any sensor there is nothing to be calm about. */
	if (is_pressed || engine->source == SOURCE_NONE) {
		stabilizer_restart(&engine->stabilizer, engine->now_ns);
		situation->calm_ns = 0;
		situation->pressure_calm_ns = 0;
	}
	if (is_pressed || situation->switch_state != SWITCH_STEADY ||
	    foreign >= config->calm_stall_permyriad)
		engine->restless_ns = engine->now_ns;
}

static void decide(struct engine *engine, struct actions *out, bool is_fresh)
{
	struct situation situation;
	struct proposal proposal;

	engine_get_situation(engine, is_fresh, &situation);
	note_restlessness(engine, &situation);
	if (is_fresh)
		engine_take_advice(engine, &situation);
	policy_propose(&situation, &engine->config, &proposal);
	note_foreign_stall(engine, out, &situation, proposal.is_foreign_stalled);
	engine_note_fault(engine, out, &situation);
	if (proposal.action == PROPOSE_HOLD)
		log_hold(engine, out, &situation, &proposal);
	else if (proposal.action == PROPOSE_SWITCH || proposal.action == PROPOSE_CANCEL)
		carry_out(engine, out, &situation, &proposal);
	else if (!engine->hold.is_step_up_hold && engine->hold.reason != REASON_PINNED)
		engine->hold.reason = REASON_NONE;
	run_timers(engine, out);
}

/* ---- the door ----------------------------------------------------------------------------------
 */

static void advance(struct engine *engine, uint64_t time_ns)
{
	if (!engine->has_time)
		engine->origin_ns = time_ns;
	engine->has_time = true;
	engine->now_ns = units_max(engine->now_ns, units_minus(time_ns, engine->origin_ns));
	preflight_expire(&engine->preflight, engine->now_ns);
	stabilizer_advance(&engine->stabilizer, engine->now_ns, engine->config.stabilization_ns);
}

static void beat(struct engine *engine, struct actions *out)
{
	if (!engine->is_started || engine->now_ns < engine->heartbeat_at_ns)
		return;
	engine_push_state(engine, out);
	engine->heartbeat_at_ns = engine->config.heartbeat_ns
					  ? units_plus(engine->now_ns, engine->config.heartbeat_ns)
					  : UINT64_MAX;
}

static void finish(const struct engine *engine, struct actions *out)
{
	uint64_t wake_ns = engine->heartbeat_at_ns;

	if (engine->pin.is_set)
		wake_ns = units_min(wake_ns, engine->pin.until_ns);
	/* What was restored may be overdue, and waits for the first sample. */
	if (engine->is_started && !(engine->is_paused && engine->transition.state == SWITCH_STEADY))
		wake_ns = units_min(wake_ns, engine->transition.deadline_ns);
	out->wake_at_ns = units_plus(engine->origin_ns, wake_ns);
	out->sample_at_ns = units_plus(engine->origin_ns, engine_next_sample_ns(engine));
	out->is_calm =
		engine->is_started && units_minus(engine->now_ns, engine->restless_ns) >= QUIET_NS;
}

void engine_step(struct engine *engine, const struct event *event, struct actions *out)
{
	bool is_decision_due;

	/* The rest of it counts only as far as these say. */
	out->decision_count = 0;
	out->line_count = 0;
	out->has_answer = false;
	out->refusal = (struct refusal){0};
	advance(engine, event->time_ns);
	engine_expire_pin(engine, out);
	is_decision_due = engine_take_event(engine, event, out);
	run_timers(engine, out);
	if (is_decision_due && engine->is_started)
		decide(engine, out, event->kind == EVENT_SAMPLE);
	engine->oom_reason = REASON_NONE;
	beat(engine, out);
	finish(engine, out);
}
