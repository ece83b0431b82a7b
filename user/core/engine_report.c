/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes out: decisions with every number compared, lines for the manager, status. */
#include <string.h>

#include "base/units.h"
#include "engine_private.h"
#include "names.h"

static uint64_t absolute_ns(const struct engine *engine, uint64_t time_ns)
{
	return units_plus(engine->origin_ns, time_ns);
}

/* ---- decisions ---------------------------------------------------------------------------------
 */

static int32_t permyriad_per_min(const struct resource_view *view)
{
	bool is_falling = view->trend_bytes_per_min < 0;
	uint64_t bytes =
		(uint64_t)(is_falling ? -view->trend_bytes_per_min : view->trend_bytes_per_min);
	uint32_t permyriad = units_permyriad(bytes, view->capacity_bytes);
	int32_t rate = permyriad > INT32_MAX ? INT32_MAX : (int32_t)permyriad;

	return is_falling ? -rate : rate;
}

static void fill_use(const struct engine *engine, const struct situation *s, uint32_t target,
		     struct decision *d)
{
	const struct tier *tiers = engine->config.ladder.tiers;
	uint32_t use;
	const struct resource_view *worst =
		ladder_find_worst_held(s->in_place ? s->in_place : &tiers[s->serving],
				       &s->resources, s->is_measured, &use);
	bool is_measured = s->is_measured && target == s->serving;

	if (!worst)
		return;
	d->worst = (struct decision_use){
		.kind = worst->kind,
		.index = worst->index,
		.capacity_bytes = worst->capacity_bytes,
		.others_bytes = worst->others_bytes[LADDER_NOW],
		.use_permyriad = use,
		.target_permyriad =
			ladder_held_permyriad(&tiers[target], worst, LADDER_NOW, is_measured),
		.peak_permyriad =
			ladder_held_permyriad(&tiers[target], worst, LADDER_PEAK, is_measured),
	};
	d->trend_permyriad_per_min = permyriad_per_min(worst);
	d->model_share_permyriad = policy_share_permyriad(
		s, &engine->config,
		worst->kind == RESOURCE_GROUP_MEMORY ? STALL_GROUP : STALL_HOST);
}

static void fill_thresholds(const struct engine_config *c, struct decision *d)
{
	d->degrade_above_permyriad = c->degrade_above_permyriad;
	d->upgrade_below_permyriad = c->upgrade_below_permyriad;
	d->margin_permyriad = c->margin_permyriad;
	d->stall_urgent_permyriad = c->stall_urgent_permyriad;
	d->stall_above_permyriad = c->stall_above_permyriad;
	d->calm_stall_permyriad = c->calm_stall_permyriad;
	d->share_min_permyriad = c->share_min_permyriad;
	d->cpu_wait_above_permyriad = c->cpu_wait_above_permyriad;
	d->policy = c->policy;
}

static void fill_pressure(const struct situation *s, struct decision *d)
{
	d->model_stall_urgent_permyriad = policy_stall_permyriad(s, PARTY_MODEL, STALL_SPAN_URGENT);
	d->model_stall_above_permyriad = policy_stall_permyriad(s, PARTY_MODEL, STALL_SPAN_ABOVE);
	d->model_stall_calm_permyriad = policy_stall_permyriad(s, PARTY_MODEL, STALL_SPAN_CALM);
	d->others_stall_urgent_permyriad =
		policy_stall_permyriad(s, PARTY_OTHERS, STALL_SPAN_URGENT);
	d->others_stall_above_permyriad = policy_stall_permyriad(s, PARTY_OTHERS, STALL_SPAN_ABOVE);
	d->others_stall_calm_permyriad = policy_stall_permyriad(s, PARTY_OTHERS, STALL_SPAN_CALM);
	d->model_cpu_wait_permyriad = s->cpu.model_wait_permyriad;
	d->others_cpu_wait_permyriad = s->cpu.others_wait_permyriad;
	d->others_demand_permyriad = s->cpu.others_demand_permyriad;
	d->forecast_permyriad = s->advice.forecast_permyriad;
	d->trust_permyriad = s->advice.trust_permyriad;
	d->expected_calm_ns = s->advice.expected_calm_ns;
	d->gain_ms = s->advice.gain_ms;
	if (s->performance.tier == s->serving)
		d->performance = s->performance.numbers;
	d->calm_ns = s->calm_ns;
	d->stabilization_ns = s->stabilization_ns;
}

static void fill_losses(const struct engine *engine, struct decision *d)
{
	for (uint32_t cause = 0; cause < LOSS_CAUSE_COUNT; cause++) {
		uint64_t *sum = &d->lost_bulk;

		if (cause == LOSS_SAMPLE)
			sum = &d->lost_samples;
		else if (cause == LOSS_URGENT_RING)
			sum = &d->lost_urgent;
		*sum = units_plus(*sum, engine->lost[cause]);
	}
	d->is_data_degraded = stabilizer_is_degraded(&engine->stabilizer, engine->now_ns,
						     engine->config.stabilization_ns);
}

void engine_fill_numbers(const struct engine *engine, const struct situation *situation,
			 uint32_t target, struct decision *ret_decision)
{
	memset(ret_decision, 0, sizeof(*ret_decision));
	ret_decision->time_ns = absolute_ns(engine, engine->now_ns);
	ret_decision->source = engine->source;
	ret_decision->is_model_unseen = engine->is_model_unseen;
	ret_decision->is_tier_assumed = engine->transition.is_assumed;
	fill_use(engine, situation, target, ret_decision);
	fill_thresholds(&engine->config, ret_decision);
	fill_pressure(situation, ret_decision);
	fill_losses(engine, ret_decision);
	engine_fill_pin(engine, &ret_decision->pin);
}

/* The victim of an OOM kill is known from its record, also when it is gone from the table. */
static void name_oom_victim(const struct engine *engine, struct decision_process *ret_victim)
{
	memset(ret_victim, 0, sizeof(*ret_victim));
	ret_victim->pid = engine->oom.pid;
	ret_victim->cgroup_id = engine->oom.cgroup_id;
	ret_victim->party = engine->oom_party;
	memcpy(ret_victim->comm, engine->oom.comm, sizeof(ret_victim->comm));
}

void engine_find_blamed(const struct engine *engine, const struct proposal *proposal,
			struct decision *decision)
{
	if (proposal->blame == BLAME_MEMORY)
		attribution_find_memory(&engine->attribution, engine->now_ns, proposal->stall_class,
					&decision->victim, &decision->culprit);
	else if (proposal->blame == BLAME_CPU)
		attribution_find_cpu(&engine->attribution, engine->now_ns,
				     engine->config.cpu_wait_window_ns, proposal->party,
				     &decision->victim, &decision->culprit);
	else if (proposal->blame == BLAME_MODEL)
		attribution_find_stalled(&engine->attribution, engine->now_ns, PARTY_MODEL,
					 &decision->victim);
	if (engine->oom_reason != REASON_NONE)
		name_oom_victim(engine, &decision->victim);
}

void engine_push_decision(struct engine *engine, struct actions *out,
			  const struct decision *decision)
{
	engine->last = *decision;
	if (out->decision_count < ACTIONS_DECISIONS_MAX)
		out->decisions[out->decision_count++] = *decision;
}

/* ---- lines -------------------------------------------------------------------------------------
 */

static void copy_word(char *to, size_t size, const char *word)
{
	size_t length = strnlen(word, size - 1);

	memset(to, 0, size);
	memcpy(to, word, length);
}

static void name_tier(const struct engine *engine, uint32_t tier, char to[EVENT_TIER_NAME_LEN])
{
	copy_word(to, EVENT_TIER_NAME_LEN, engine->config.ladder.tiers[tier].name);
}

static void fill_line(const struct engine *engine, uint32_t verb, struct manager_line *ret_line)
{
	const struct transition *t = &engine->transition;

	memset(ret_line, 0, sizeof(*ret_line));
	ret_line->verb = verb;
	ret_line->seq = t->seq;
	ret_line->phase = t->state;
	ret_line->mode = t->mode;
	ret_line->is_paused = engine->is_paused;
	ret_line->is_actual_known = !t->is_assumed;
	ret_line->version = PROTOCOL_VERSION;
	copy_word(ret_line->reason, sizeof(ret_line->reason), decision_reason_name(t->reason));
}

static void push_line(struct actions *out, const struct manager_line *line)
{
	if (out->line_count < ACTIONS_LINES_MAX)
		out->lines[out->line_count++] = *line;
}

static void fill_order(struct engine *engine)
{
	const struct transition *t = &engine->transition;
	struct manager_line *order = &engine->order;

	fill_line(engine, MANAGER_SWITCH, order);
	name_tier(engine, t->from, order->from);
	name_tier(engine, t->to, order->to);
	if (t->mode == SWITCH_PLANNED)
		order->deadline_ms =
			units_minus(units_plus(t->began_ns, engine->config.drain_deadline_ns),
				    engine->now_ns) /
			NS_PER_MS;
	order->is_overlap_allowed = t->is_overlap_granted;
	order->culprit_pid = engine->order_culprit.pid;
	memcpy(order->culprit_comm, engine->order_culprit.comm, sizeof(order->culprit_comm));
}

void engine_push_order(struct engine *engine, struct actions *out, uint32_t verb, uint32_t reason)
{
	struct manager_line line;

	if (verb == MANAGER_SWITCH) {
		fill_order(engine);
		push_line(out, &engine->order);
		return;
	}
	fill_line(engine, verb, &line);
	name_tier(engine, engine->transition.from, line.from);
	name_tier(engine, engine->transition.to, line.to);
	copy_word(line.reason, sizeof(line.reason), decision_reason_name(reason));
	push_line(out, &line);
}

bool engine_get_state_line(const struct engine *engine, struct manager_line *ret_line)
{
	if (!engine->is_started)
		return false;
	fill_line(engine, MANAGER_STATE, ret_line);
	name_tier(engine, engine->transition.actual, ret_line->from);
	name_tier(engine, engine->transition.wanted, ret_line->to);
	return true;
}

void engine_push_state(struct engine *engine, struct actions *out)
{
	struct manager_line line;

	if (engine_get_state_line(engine, &line))
		push_line(out, &line);
}

bool engine_get_pending_switch(const struct engine *engine, struct manager_line *ret_line)
{
	if (!engine->is_started || !transition_is_pending(&engine->transition))
		return false;
	*ret_line = engine->order;
	return true;
}

/* ---- status ------------------------------------------------------------------------------------
 */

static void fill_last(const struct engine *engine, struct decision *ret_last)
{
	struct situation situation;

	engine_get_situation(engine, false, &situation);
	engine_fill_numbers(engine, &situation, situation.serving, ret_last);
	ret_last->action = engine->last.action;
	ret_last->reason = engine->last.reason;
	ret_last->mode = engine->last.mode;
	ret_last->seq = engine->last.seq;
	ret_last->from = engine->last.from;
	ret_last->to = engine->last.to;
	ret_last->victim = engine->last.victim;
	ret_last->culprit = engine->last.culprit;
}

static void fill_footprint(const struct engine *engine, uint32_t tier,
			   struct status_footprint *ret_footprint)
{
	const struct footprint_tier *learned = &engine->footprints.tiers[tier];
	const struct switch_costs *costs = &engine->footprints.costs;
	const struct tier *said = &engine->said.ladder.tiers[tier];
	const struct tier *used = &engine->config.ladder.tiers[tier];

	*ret_footprint = (struct status_footprint){
		.is_fixed = said->is_fixed,
		.is_measured = learned->memory.bytes > 0,
		.configured_bytes = said->memory_bytes,
		.bytes = used->memory_bytes,
		.seen_bytes = footprint_seen_bytes(&learned->memory),
		.drain_ns = costs->drain_ns[tier],
		.load_ns = costs->load_ns[tier],
		.is_drain_measured = learned->is_drain_measured,
		.is_load_measured = learned->is_load_measured,
	};
	memcpy(ret_footprint->vram_configured_bytes, said->vram_bytes, sizeof(said->vram_bytes));
	memcpy(ret_footprint->vram_bytes, used->vram_bytes, sizeof(used->vram_bytes));
}

void engine_get_status(const struct engine *engine, struct engine_status *ret_status)
{
	const struct transition *t = &engine->transition;

	memset(ret_status, 0, sizeof(*ret_status));
	ret_status->time_ns = absolute_ns(engine, engine->now_ns);
	ret_status->source = engine->source;
	ret_status->is_started = engine->is_started;
	ret_status->is_paused = engine->is_paused;
	ret_status->slots_max = ATTRIBUTION_SLOTS;
	if (!engine->is_configured)
		return;
	ret_status->wanted_tier = t->wanted;
	ret_status->actual_tier = t->actual;
	ret_status->is_tier_assumed = t->is_assumed;
	ret_status->is_model_unseen = engine->is_model_unseen;
	ret_status->switch_state = t->state;
	ret_status->seq = t->seq;
	fill_last(engine, &ret_status->last);
	ret_status->is_data_degraded = ret_status->last.is_data_degraded;
	memcpy(ret_status->lost, engine->lost, sizeof(ret_status->lost));
	ret_status->slots_used = engine->attribution.used;
	ret_status->sample = engine->sample;
	ret_status->host = engine->host;
	engine_fill_task_status(engine, ret_status);
	for (uint32_t tier = 0; tier < engine->config.ladder.count; tier++)
		fill_footprint(engine, tier, &ret_status->tiers[tier].footprint);
	ret_status->reservation_count = engine->preflight.count;
	ret_status->process_count =
		attribution_rank(&engine->attribution, engine->now_ns, ret_status->processes);
}
