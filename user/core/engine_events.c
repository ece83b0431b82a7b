/* SPDX-License-Identifier: BSD-2-Clause */
/* What each kind of event changes, before any rule is tried. */
#include <string.h>

#include "base/units.h"
#include "engine_private.h"

/* No shorter pause between two samples is a gap. */
#define GAP_MIN_NS (3 * NS_PER_S)

/* ---- data -------------------------------------------------------------------------------------
 */

/* Each returns whether the rules are to be tried. */
typedef bool event_function(struct engine *engine, const struct event *event, struct actions *out);

static bool on_config(struct engine *engine, const struct event *event, struct actions *out)
{
	engine_reconfigure(engine, event->config, out);
	if (engine->is_configured)
		engine_log_state(engine, out, DECISION_STATE, REASON_CONFIG_CHANGED);
	engine->is_configured = true;
	if (engine->is_started)
		engine->heartbeat_at_ns = engine->now_ns;
	return true;
}

void engine_note_loss(struct engine *engine, enum loss_cause cause, uint64_t count)
{
	enum loss_kind kind =
		cause == LOSS_SAMPLE || cause == LOSS_URGENT_RING || cause == LOSS_WALK
			? LOSS_KIND_DECISIVE
			: LOSS_KIND_ATTRIBUTION;

	if (count == 0)
		return;
	engine->lost[cause] = units_plus(engine->lost[cause], count);
	stabilizer_note_loss(&engine->stabilizer, kind, engine->now_ns,
			     engine->config.stabilization_ns);
	if (kind == LOSS_KIND_DECISIVE)
		engine_learn_loss(engine);
	if (cause == LOSS_SAMPLE) {
		engine->sample_base_ns = engine->now_ns;
		engine->is_sample_tried = true;
	}
}

static bool on_source(struct engine *engine, const struct event *event, struct actions *out)
{
	uint32_t source = event->source.source;
	bool is_worse = source < engine->source;

	if (source == engine->source)
		return false;
	engine->source = source;
	/* New programs count from zero; and what was seen by other means is not comparable. */
	attribution_init(&engine->attribution);
	pressure_restart(&engine->pressure);
	/* Between two sources pressure may have gone unseen. */
	if (is_worse) {
		stabilizer_note_loss(&engine->stabilizer, LOSS_KIND_DECISIVE, engine->now_ns,
				     engine->config.stabilization_ns);
		engine_learn_loss(engine);
	}
	if (engine->is_started)
		engine_log_state(engine, out, DECISION_STATE, REASON_SOURCE_CHANGED);
	return true;
}

static bool on_process(struct engine *engine, const struct event *event, struct actions *out)
{
	struct process_delta delta;

	(void)out;
	attribution_record(&engine->attribution, engine->now_ns, &event->process, &delta);
	pressure_add(&engine->pressure, &delta);
	if (delta.is_slot_lost)
		engine_note_loss(engine, LOSS_SLOT, 1);
	return event->process.record.header.flags & PROCESS_URGENT;
}

static bool on_window(struct engine *engine, const struct event *event, struct actions *out)
{
	(void)out;
	engine->host = event->window.host;
	pressure_close_window(&engine->pressure, engine->now_ns, &event->window,
			      &engine->attribution);
	return true;
}

static bool is_part_of_answered_oom(const struct engine *engine, const struct oom_record *record)
{
	uint64_t time_ns = record->header.time_ns;
	uint64_t answered_ns = engine->oom_answered_ns;
	uint64_t apart_ns =
		units_max(units_minus(time_ns, answered_ns), units_minus(answered_ns, time_ns));

	return engine->is_oom_answered && apart_ns < engine->config.confirm_ns;
}

static bool on_oom(struct engine *engine, const struct event *event, struct actions *out)
{
	const struct event_oom *oom = &event->oom;
	const struct proposal blame = {.blame = BLAME_MEMORY, .stall_class = STALL_FOREIGN};
	struct situation situation;
	uint32_t reason = REASON_NONE;

	if (oom->is_limit_ours || (oom->party == PARTY_MODEL && oom->record.limit_cgroup_id))
		reason = REASON_OOM_GROUP;
	else if (oom->record.limit_cgroup_id == 0)
		reason = REASON_OOM_HOST;
	attribution_note_oom(&engine->attribution, engine->now_ns, oom);
	engine->oom = oom->record;
	engine->oom_party = oom->party;
	if (reason != REASON_NONE) {
		stabilizer_restart(&engine->stabilizer, engine->now_ns);
		engine->restless_ns = engine->now_ns;
		/* A group that dies as a whole is one emergency, not one for each process. */
		if (!is_part_of_answered_oom(engine, &oom->record))
			engine->oom_reason = reason;
		return true;
	}
	if (engine->hold.foreign_oom_cgroup_id != oom->record.cgroup_id) {
		engine->oom_reason = REASON_NOT_OURS;
		engine_get_situation(engine, false, &situation);
		engine_log_foreign(engine, out, &situation, &blame);
		engine->oom_reason = REASON_NONE;
	}
	engine->hold.foreign_oom_cgroup_id = oom->record.cgroup_id;
	return true;
}

/* A manager is there, and has hello_tier loaded if it has named one. */
static void greet(struct engine *engine, bool is_tier_named, struct actions *out)
{
	struct situation situation;
	struct transition_input input;

	engine_get_situation(engine, false, &situation);
	engine_fill_input(engine, &situation, &input);
	input.is_tier_named = is_tier_named;
	input.target = engine->hello_tier;
	input.does_named_fit =
		ladder_worst_permyriad(&engine->config.ladder.tiers[engine->hello_tier],
				       &engine->resources,
				       LADDER_NOW) < engine->config.upgrade_below_permyriad;
	engine_apply_transition(engine, out, TRANSITION_HELLO, &input, &situation, NULL);
	engine->heartbeat_at_ns = engine->now_ns;
}

static void start_cold(struct engine *engine, struct actions *out)
{
	bool has_manager = engine->transition.has_manager;
	uint32_t tier = engine_find_first_tier(engine);
	uint64_t seq_floor = engine->transition.seq_floor;

	transition_init(&engine->transition, tier, !engine->is_hello_tier_known);
	engine->transition.has_manager = has_manager;
	engine->transition.seq_floor = seq_floor;
	engine->transition.reason = REASON_INITIAL;
	stabilizer_restart(&engine->stabilizer, engine->now_ns);
	engine_log_state(engine, out, DECISION_START, REASON_INITIAL);
}

/* As it was kept; what a manager has said since comes after that. */
static void start_again(struct engine *engine, struct actions *out)
{
	engine_resume(engine, out);
	if (engine->is_hello_tier_known)
		greet(engine, true, out);
}

static void start(struct engine *engine, struct actions *out)
{
	engine->is_started = true;
	engine->heartbeat_at_ns = engine->now_ns;
	if (engine->is_tier_restored)
		start_again(engine, out);
	else
		start_cold(engine, out);
}

uint64_t engine_sample_gap_ns(const struct engine *engine)
{
	return units_max(units_scale(engine->config.sample_period_ns, 3, 1), GAP_MIN_NS);
}

/*
 * Whether samples ought to have come since the last one, or since the last that is known to have
 * failed: the agent was stopped or starved. Imported rows are as far apart as somebody wrote them.
 */
static bool is_sample_missed(const struct engine *engine, const struct event_sample *sample)
{
	return engine->has_sample && !(sample->flags & SAMPLE_CONFIRMED) &&
	       units_minus(engine->now_ns, engine->sample_base_ns) > engine_sample_gap_ns(engine);
}

static bool on_sample(struct engine *engine, const struct event *event, struct actions *out)
{
	if (is_sample_missed(engine, &event->sample))
		engine_note_loss(engine, LOSS_SAMPLE, 1);
	engine_take_sample(engine, &event->sample);
	if (!engine->is_started)
		start(engine, out);
	engine_judge_performance(engine);
	return true;
}

static bool on_loss(struct engine *engine, const struct event *event, struct actions *out)
{
	(void)out;
	for (int cause = 0; cause < LOSS_CAUSE_COUNT; cause++)
		engine_note_loss(engine, (enum loss_cause)cause, event->loss.count[cause]);
	return true;
}

static bool on_tick(struct engine *engine, const struct event *event, struct actions *out)
{
	(void)engine;
	(void)event;
	(void)out;
	return true;
}

/* Only what comes before the first sample can be taken up again. */
static bool on_state(struct engine *engine, const struct event *event, struct actions *out)
{
	(void)out;
	if (!engine->is_started && !engine->is_restored)
		engine_restore(engine, event->state);
	return false;
}

/* ---- commands ----------------------------------------------------------------------------------
 */

static void on_hello(struct engine *engine, const struct event_command *command,
		     struct actions *out)
{
	bool is_tier_named =
		ladder_find_name(&engine->config.ladder, command->tier, &engine->hello_tier);

	/* Whoever ran tasks before is gone. */
	tasks_forget(&engine->performance.tasks);
	engine->transition.has_manager = true;
	if (engine->is_started)
		greet(engine, is_tier_named, out);
	else
		engine->is_hello_tier_known |= is_tier_named;
}

static void on_ack(struct engine *engine, const struct event_command *command, struct actions *out)
{
	static const enum transition_event events[] = {
		[ACK_DRAINING] = TRANSITION_ACK_DRAINING,
		[ACK_LOADING] = TRANSITION_ACK_LOADING,
		[ACK_DONE] = TRANSITION_ACK_DONE,
		[ACK_FAILED] = TRANSITION_ACK_FAILED,
	};
	struct situation situation;
	struct transition_input input;

	if (!engine->is_started || command->seq == 0 || command->seq != engine->transition.seq ||
	    command->ack_state >= ARRAY_SIZE(events))
		return;
	engine_get_situation(engine, false, &situation);
	engine_fill_input(engine, &situation, &input);
	engine_apply_transition(engine, out, events[command->ack_state], &input, &situation, NULL);
}

static void set_paused(struct engine *engine, bool is_paused, struct actions *out)
{
	if (engine->is_paused == is_paused)
		return;
	engine->is_paused = is_paused;
	/* Whoever resumes wants to see calm first, not a switch at once. */
	if (!is_paused)
		stabilizer_restart(&engine->stabilizer, engine->now_ns);
	engine_forget_holds(engine);
	engine_log_state(engine, out, DECISION_STATE, is_paused ? REASON_PAUSED : REASON_RESUMED);
	if (engine->is_started)
		engine->heartbeat_at_ns = engine->now_ns;
}

static void on_pause(struct engine *engine, const struct event_command *command,
		     struct actions *out)
{
	(void)command;
	set_paused(engine, true, out);
}

static void on_resume(struct engine *engine, const struct event_command *command,
		      struct actions *out)
{
	(void)command;
	set_paused(engine, false, out);
}

static void on_pin(struct engine *engine, const struct event_command *command, struct actions *out)
{
	engine_take_pin(engine, command, out);
}

static void on_unpin(struct engine *engine, const struct event_command *command,
		     struct actions *out)
{
	(void)command;
	engine_drop_pin(engine, out, REASON_UNPINNED);
}

static void on_task_begin(struct engine *engine, const struct event_command *command,
			  struct actions *out)
{
	(void)out;
	engine_begin_task(engine, command);
}

static void on_task_end(struct engine *engine, const struct event_command *command,
			struct actions *out)
{
	(void)out;
	engine_end_task(engine, command);
}

static void on_preflight(struct engine *engine, const struct event_command *command,
			 struct actions *out)
{
	engine_answer_preflight(engine, command, out);
}

typedef void command_function(struct engine *engine, const struct event_command *command,
			      struct actions *out);

static bool on_command(struct engine *engine, const struct event *event, struct actions *out)
{
	static command_function *const commands[] = {
		[COMMAND_HELLO] = on_hello,           [COMMAND_ACK] = on_ack,
		[COMMAND_PAUSE] = on_pause,           [COMMAND_RESUME] = on_resume,
		[COMMAND_TASK_BEGIN] = on_task_begin, [COMMAND_TASK_END] = on_task_end,
		[COMMAND_PREFLIGHT] = on_preflight,   [COMMAND_PIN] = on_pin,
		[COMMAND_UNPIN] = on_unpin,
	};
	uint32_t verb = event->command.verb;

	if (verb < ARRAY_SIZE(commands) && commands[verb])
		commands[verb](engine, &event->command, out);
	return true;
}

/* ---- all kinds ---------------------------------------------------------------------------------
 */

static event_function *const events[] = {
	[EVENT_CONFIG] = on_config, [EVENT_SOURCE] = on_source,   [EVENT_PROCESS] = on_process,
	[EVENT_WINDOW] = on_window, [EVENT_OOM] = on_oom,         [EVENT_SAMPLE] = on_sample,
	[EVENT_LOSS] = on_loss,     [EVENT_COMMAND] = on_command, [EVENT_TICK] = on_tick,
	[EVENT_STATE] = on_state,
};

bool engine_take_event(struct engine *engine, const struct event *event, struct actions *out)
{
	if (event->kind >= ARRAY_SIZE(events) || !events[event->kind])
		return false;
	if (!engine->is_configured && event->kind != EVENT_CONFIG)
		return false;
	return events[event->kind](engine, event, out);
}
