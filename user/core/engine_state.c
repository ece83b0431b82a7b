/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is kept over a restart: taken out of an engine, and put into the next one.
 *
 * The rule for all of it: no step up comes earlier than it would have without the restart, and no
 * number of a switch is given twice.
 */
#include <string.h>

#include "base/units.h"
#include "engine_private.h"
#include "engine_state_private.h"

/*
 * Orders that may have been given after the state was taken, if nobody says that there were none:
 * one in each millisecond, as they never come faster; of another boot, whose time is not known, any
 * number that is more than those.
 */
#define SEQ_UNSEEN_OTHER_BOOT 1000000

/* ---- out ---------------------------------------------------------------------------------------
 */

static void copy_name(const struct engine *engine, uint32_t tier, char name[EVENT_TIER_NAME_LEN])
{
	memcpy(name, engine->config.ladder.tiers[tier].name, EVENT_TIER_NAME_LEN);
}

static void take_calm(const struct engine *engine, struct engine_state *state)
{
	const struct stabilizer *stabilizer = &engine->stabilizer;

	state->sample_ns = engine_outside_ns(engine, engine->last_sample_ns);
	state->pressure_ns = engine_outside_ns(engine, stabilizer->last_event_ns);
	for (int kind = 0; kind < LOSS_KIND_COUNT; kind++) {
		const struct stabilizer_episode *episode = &stabilizer->loss[kind];

		if (!episode->is_open)
			continue;
		state->loss_began_ns[kind] = engine_outside_ns(engine, episode->began_ns);
		state->loss_ns[kind] = engine_outside_ns(engine, episode->last_ns);
	}
	state->wait_factor = stabilizer->factor;
	state->wait_factor_ns = engine_outside_ns(engine, stabilizer->factor_since_ns);
	if (stabilizer->is_step_up_on_trial)
		state->trial_end_ns = engine_outside_ns(engine, stabilizer->trial_end_ns);
	for (int i = 0; i < EVENT_RESOURCES_MAX; i++) {
		const struct resource_track *track = &engine->tracks[i];
		struct resource_state *resource;

		if (!track->is_used)
			continue;
		resource = &state->resources[state->resource_count++];
		resource->kind = track->kind;
		resource->index = track->index;
		resource->peak_bytes = forecast_peak_bytes(&track->forecast, engine->now_ns);
		if (engine->config.policy == POLICY_ADAPTIVE)
			drift_get_noise(&track->drift, &resource->noise);
	}
}

static void take_switch(const struct engine *engine, struct engine_state *state)
{
	const struct transition *t = &engine->transition;

	state->seq = t->seq;
	copy_name(engine, t->wanted, state->wanted);
	copy_name(engine, t->actual, state->actual);
	copy_name(engine, t->from, state->from);
	copy_name(engine, t->to, state->to);
	state->phase = t->state;
	state->mode = t->mode;
	state->reason = t->reason;
	state->is_assumed = t->is_assumed;
	state->has_manager = t->has_manager;
	state->is_open = t->is_open;
	state->is_owed = t->is_owed;
	state->is_overlap_granted = t->is_overlap_granted;
	state->failure_count = t->failure_count;
	state->began_ns = engine_outside_ns(engine, t->began_ns);
	if (t->deadline_ns != UINT64_MAX)
		state->deadline_ns = engine_outside_ns(engine, t->deadline_ns);
	state->backoff_ns = t->backoff_ns;
}

static void take_pin(const struct engine *engine, struct engine_state *state)
{
	const struct pin *pin = &engine->pin;

	if (!pin->is_set)
		return;
	copy_name(engine, pin->tier, state->pin);
	if (pin->until_ns != UINT64_MAX)
		state->pin_until_ns = engine_outside_ns(engine, pin->until_ns);
	state->is_pin_due = pin->is_due;
	state->pin_reason = pin->reason;
}

static void take_learned(const struct engine *engine, struct engine_state *state)
{
	const struct ladder *ladder = &engine->said.ladder;

	state->tier_count = ladder->count;
	for (uint32_t i = 0; i < ladder->count; i++) {
		struct tier_state *tier = &state->tiers[i];

		copy_name(engine, i, tier->name);
		tier->memory_bytes = ladder->tiers[i].memory_bytes;
		footprint_export(&engine->footprints, i, &tier->learned);
		tier->breaker = engine->performance.tiers[i].breaker;
		if (tier->breaker.state == BREAKER_OPEN)
			tier->breaker.until_ns = engine_outside_ns(engine, tier->breaker.until_ns);
		else
			tier->breaker.until_ns = 0;
		if (tier->breaker.state == BREAKER_CLOSED && tier->breaker.factor > 0)
			tier->breaker.closed_ns =
				engine_outside_ns(engine, tier->breaker.closed_ns);
		else
			tier->breaker.closed_ns = 0;
	}
}

bool engine_get_state(const struct engine *engine, struct engine_state *ret_state)
{
	if (!engine->is_started)
		return false;
	memset(ret_state, 0, sizeof(*ret_state));
	ret_state->taken_ns = engine_outside_ns(engine, engine->now_ns);
	ret_state->is_same_boot = true;
	ret_state->is_paused = engine->is_paused;
	take_calm(engine, ret_state);
	take_pin(engine, ret_state);
	take_switch(engine, ret_state);
	take_learned(engine, ret_state);
	engine_take_calm_spells(engine, ret_state);
	return true;
}

/* ---- in ----------------------------------------------------------------------------------------
 */

static uint64_t future_ns(const struct engine *engine, uint64_t time_ns)
{
	return units_minus(time_ns, engine->origin_ns);
}

static void note_oldest(uint64_t *oldest_ns, uint64_t time_ns)
{
	if (time_ns)
		*oldest_ns = units_min(*oldest_ns, time_ns);
}

/* The engine's own clock starts at its first event: it is set to have started before all of this.
 */
static void set_origin(struct engine *engine, const struct engine_state *state)
{
	uint64_t oldest_ns = engine->origin_ns;

	note_oldest(&oldest_ns, state->sample_ns);
	note_oldest(&oldest_ns, state->pressure_ns);
	note_oldest(&oldest_ns, state->wait_factor_ns);
	note_oldest(&oldest_ns, state->began_ns);
	for (int kind = 0; kind < LOSS_KIND_COUNT; kind++)
		note_oldest(&oldest_ns, state->loss_began_ns[kind]);
	for (uint32_t i = 0; i < state->tier_count; i++) {
		note_oldest(&oldest_ns, state->tiers[i].breaker.closed_ns);
		note_oldest(&oldest_ns, state->tiers[i].calm.opened_ns);
		note_oldest(&oldest_ns, state->tiers[i].calm.broken_ns);
	}
	engine->now_ns = units_plus(engine->now_ns, engine->origin_ns - oldest_ns);
	engine->origin_ns = oldest_ns;
	engine->restless_ns = engine->now_ns;
}

static void put_peaks(struct engine *engine, const struct engine_state *state)
{
	for (uint32_t i = 0; i < state->resource_count; i++) {
		const struct resource_state *resource = &state->resources[i];
		const struct event_resource named = {.kind = resource->kind,
						     .index = resource->index};
		struct resource_track *track = engine_find_track(engine, &named);

		if (!track)
			continue;
		forecast_add_peak(&track->forecast, engine->now_ns, resource->peak_bytes);
		drift_set_noise(&track->drift, &resource->noise);
	}
}

/* Pressure may have gone unseen for as long as no sample was taken. */
static void put_calm(struct engine *engine, const struct engine_state *state)
{
	struct stabilizer *stabilizer = &engine->stabilizer;
	uint64_t sample_ns = engine_past_ns(engine, state->sample_ns);

	stabilizer_init(stabilizer, engine_past_ns(engine, state->pressure_ns));
	if (state->wait_factor > 1) {
		stabilizer->factor = state->wait_factor;
		stabilizer->factor_since_ns = engine_past_ns(engine, state->wait_factor_ns);
	}
	if (state->trial_end_ns) {
		stabilizer->is_step_up_on_trial = true;
		stabilizer->trial_end_ns = future_ns(engine, state->trial_end_ns);
	}
	for (int kind = 0; kind < LOSS_KIND_COUNT; kind++) {
		struct stabilizer_episode *episode = &stabilizer->loss[kind];

		episode->is_open = state->loss_ns[kind] > 0;
		episode->began_ns = engine_past_ns(engine, state->loss_began_ns[kind]);
		episode->last_ns = engine_past_ns(engine, state->loss_ns[kind]);
	}
	stabilizer_advance(stabilizer, engine->now_ns, engine->config.stabilization_ns);
	put_peaks(engine, state);
	if (units_minus(engine->now_ns, sample_ns) > engine_sample_gap_ns(engine))
		engine_note_loss(engine, LOSS_SAMPLE, 1);
	else if (engine->config.policy == POLICY_ADAPTIVE)
		/* The slope of others' use is not kept, and its wait has time for it. */
		stabilizer_note_loss(stabilizer, LOSS_KIND_DECISIVE, engine->now_ns,
				     engine->config.stabilization_ns);
}

static void put_breaker(const struct engine *engine, const struct breaker *from, struct breaker *to)
{
	*to = *from;
	to->until_ns = future_ns(engine, from->until_ns);
	to->closed_ns = engine_past_ns(engine, from->closed_ns);
}

static void put_learned(struct engine *engine, const struct engine_state *state, bool has_times)
{
	const struct ladder *ladder = &engine->said.ladder;
	uint32_t tier;

	for (uint32_t i = 0; i < state->tier_count; i++) {
		const struct tier_state *from = &state->tiers[i];

		if (!ladder_find_name(ladder, from->name, &tier) ||
		    ladder->tiers[tier].memory_bytes != from->memory_bytes)
			continue;
		footprint_import(&engine->footprints, &engine->said, tier, &from->learned);
		if (has_times)
			put_breaker(engine, &from->breaker,
				    &engine->performance.tiers[tier].breaker);
	}
	engine_apply_footprints(engine);
}

/* The same as for a ladder that has changed. */
static void put_order_tiers(struct engine *engine, const struct engine_state *state)
{
	const struct ladder *ladder = &engine->config.ladder;
	struct transition *t = &engine->transition;
	bool is_pair_kept = true;

	if (!ladder_find_name(ladder, state->actual, &t->actual)) {
		t->actual = TIER_OFF;
		t->is_assumed = true;
	} else {
		t->is_assumed = state->is_assumed;
	}
	if (!ladder_find_name(ladder, state->from, &t->from)) {
		t->from = t->actual;
		is_pair_kept = false;
	}
	if (!ladder_find_name(ladder, state->to, &t->to)) {
		t->to = t->actual;
		is_pair_kept = false;
	}
	t->is_overlap_granted =
		state->is_overlap_granted && is_pair_kept && state->mode == SWITCH_PLANNED;
	/* It may have ended just before, with both still in memory. */
	if (state->is_overlap_granted)
		engine->learn_after_ns = units_plus(engine->now_ns, engine->config.settle_ns);
}

/* What else of the order counts only while the manager that it was given to may be there. */
static void put_order(struct engine *engine, const struct engine_state *state)
{
	struct transition *t = &engine->transition;

	put_order_tiers(engine, state);
	t->state = state->phase;
	t->mode = state->mode;
	t->reason = state->reason;
	t->has_manager = state->has_manager;
	t->is_open = state->is_open;
	t->is_owed = state->is_owed;
	t->failure_count = state->failure_count;
	t->began_ns = engine_past_ns(engine, state->began_ns);
	t->backoff_ns = units_min(state->backoff_ns, INT64_MAX);
	if (state->deadline_ns)
		t->deadline_ns = future_ns(engine, state->deadline_ns);
	/* What is given again waits for samples, as any order at the start. */
	if (t->state == SWITCH_STEADY && t->wanted != t->actual)
		t->deadline_ns = units_max(state->deadline_ns ? t->deadline_ns : 0,
					   units_plus(engine->now_ns, engine->config.warmup_ns));
}

static uint64_t count_unseen(const struct engine *engine, const struct engine_state *state,
			     bool has_times)
{
	if (state->is_final)
		return 0;
	if (!has_times)
		return SEQ_UNSEEN_OTHER_BOOT;
	return units_minus(engine_outside_ns(engine, engine->now_ns), state->taken_ns) / NS_PER_MS +
	       1;
}

static void put_switch(struct engine *engine, const struct engine_state *state, bool has_times)
{
	struct transition *t = &engine->transition;
	uint32_t wanted;

	engine->is_tier_restored = ladder_find_name(&engine->config.ladder, state->wanted, &wanted);
	transition_init(t, engine->is_tier_restored ? wanted : TIER_OFF, true);
	t->seq = state->seq;
	t->seq_floor = units_plus(state->seq, count_unseen(engine, state, has_times));
	t->reason = REASON_RESTORED;
	if (engine->is_tier_restored && has_times)
		put_order(engine, state);
}

/* One that has run out meanwhile ends with the next event, and is told to have ended. */
static void put_pin(struct engine *engine, const struct engine_state *state, bool has_times)
{
	uint32_t tier;

	if (!state->pin[0] || !ladder_find_name(&engine->config.ladder, state->pin, &tier) ||
	    tier < engine->config.min_tier || (state->pin_until_ns && !has_times))
		return;
	engine->pin = (struct pin){
		.is_set = true,
		.is_due = state->is_pin_due,
		.tier = tier,
		.until_ns = state->pin_until_ns ? units_max(future_ns(engine, state->pin_until_ns),
							    engine->now_ns + 1)
						: UINT64_MAX,
		.reason = state->pin_reason,
	};
}

void engine_restore(struct engine *engine, const struct engine_state *state)
{
	uint64_t now_ns = units_plus(engine->origin_ns, engine->now_ns);
	bool has_times = state->is_same_boot && state->taken_ns <= now_ns;

	engine->is_restored = true;
	if (has_times) {
		set_origin(engine, state);
		put_calm(engine, state);
	} else {
		stabilizer_restart(&engine->stabilizer, engine->now_ns);
	}
	engine->is_paused = state->is_paused;
	put_pin(engine, state, has_times);
	put_switch(engine, state, has_times);
	put_learned(engine, state, has_times);
	engine_put_calm_spells(engine, state, has_times);
}

/* ---- the first sample --------------------------------------------------------------------------
 */

/* An order that was still to be carried out is given again; how long its parts take is not known.
 */
void engine_resume(struct engine *engine, struct actions *out)
{
	bool is_pending = transition_is_pending(&engine->transition);
	struct situation situation;
	struct transition_input input;

	engine_log_state(engine, out, DECISION_START, REASON_RESTORED);
	if (!is_pending)
		return;
	engine->is_phase_resumed = true;
	engine_get_situation(engine, false, &situation);
	engine_fill_input(engine, &situation, &input);
	engine_apply_transition(engine, out, TRANSITION_RESUME, &input, &situation, NULL);
}
