/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine's inside, shared by its files only:
 *   engine.c         the door; timers, rules, holds, and what is carried out
 *   engine_events.c  what each kind of event changes
 *   engine_learn.c   what the adaptive policy learns from
 *   engine_pin.c     the tier that a person asks for
 *   engine_performance.c  how the tiers do, from what the manager tells of its tasks
 *   engine_state.c   what is kept over a restart of the agent
 *   engine_state_adaptive.c  of that, what the adaptive policy has learned
 *   engine_sample.c  samples: others' use, their past and trend, the first tier
 *   engine_preflight.c  questions whether something fits, and what they reserve
 *   engine_overlap.c  two tiers in memory at once: whether they may be, and their sum
 *   engine_view.c    the situation that decisions are made from
 *   engine_report.c  decisions, lines and status
 *
 * All times inside are counted from the first event, so that no decision depends on the clock's
 * absolute value; they become absolute again on the way out.
 */
#ifndef TIERD_CORE_ENGINE_PRIVATE_H
#define TIERD_CORE_ENGINE_PRIVATE_H

#include "adaptive.h"
#include "attribution.h"
#include "engine.h"
#include "footprint.h"
#include "forecast.h"
#include "performance.h"
#include "pin.h"
#include "policy.h"
#include "preflight.h"
#include "pressure.h"
#include "stabilizer.h"
#include "transition.h"

/* The past of one resource, whatever its place in the samples. */
struct resource_track {
	bool is_used;
	uint32_t kind;
	uint32_t index;
	struct forecast forecast;
	struct drift drift;
	uint64_t highest_bytes; /* others' use since the drift was last fed */
};

/* What was last held for, so that it is logged on change only. */
struct hold_log {
	uint32_t reason;
	bool is_step_up_hold;
	bool is_logged[DECISION_REASON_COUNT];
	uint64_t logged_ns[DECISION_REASON_COUNT];
	bool is_foreign_stalled;
	uint64_t foreign_oom_cgroup_id; /* group of the last OOM kill that was not ours */
};

struct engine {
	struct engine_config config; /* with footprints as they were learned */
	struct engine_config said;   /* as it was configured */
	uint64_t origin_ns;          /* absolute time of the first event */
	uint64_t now_ns;

	uint32_t source;
	bool is_started;
	bool is_restored;      /* from the state of an agent before */
	bool is_tier_restored; /* and the tier that it wanted is still there */
	bool is_paused;
	struct pin pin;

	bool is_configured;
	bool has_time;

	/* Samples. */
	bool has_sample;
	bool is_sample_tried; /* also when it failed */
	struct event_sample sample;
	uint64_t first_sample_ns;
	uint64_t last_sample_ns;
	uint64_t sample_base_ns;   /* the next sample is due so long after this */
	uint32_t over_limit_count; /* samples in a row with use over degrade_above */
	uint32_t over_band_count;  /* over upgrade_below */
	bool is_confirmed;
	bool is_band_confirmed;
	bool was_model_seen;
	bool is_model_unseen;
	bool was_vram_seen;  /* some of the model's, on any GPU */
	bool is_vram_unseen; /* although there are processes of it */
	struct resources resources;
	struct resource_track tracks[EVENT_RESOURCES_MAX];

	/* OOM kills. */
	uint32_t oom_reason; /* of the event in hand */
	struct oom_record oom;
	uint32_t oom_party;
	bool is_oom_answered;
	uint64_t oom_answered_ns; /* kernel time of the last kill that was stepped down for */

	bool is_hello_tier_known;
	uint32_t hello_tier;

	uint64_t lost[LOSS_CAUSE_COUNT];
	struct host_counters host;
	uint64_t restless_ns; /* when something last pressed */
	uint64_t heartbeat_at_ns;
	struct hold_log hold;
	struct decision last;
	struct manager_line order; /* the last switch line */
	struct decision_process order_victim;
	struct decision_process order_culprit;

	struct adaptive adaptive;
	struct advice advice;
	struct performance performance;
	struct performance_advice performance_advice;
	/* What was last said of a tier that does badly. */
	uint32_t fault_reason;
	uint32_t fault_tier;
	uint64_t fault_ns;
	uint64_t phase_began_ns; /* of the switch machine */
	struct tier in_place;    /* both tiers of a switch with overlap, while it is under way */
	uint64_t learn_after_ns; /* until then something of a switch may still be in memory */
	struct preflight preflight;
	struct footprints footprints;
	uint64_t footprint_ns; /* when it was last looked whether one can be measured ... */
	bool was_measured;     /* ... and whether it could */
	bool is_phase_resumed; /* the phase began before the agent was restarted */

	struct stabilizer stabilizer;
	struct transition transition;
	struct pressure pressure;
	struct attribution attribution;
};

/* engine_events.c: returns whether the rules are to be tried */
bool engine_take_event(struct engine *engine, const struct event *event, struct actions *out);

void engine_note_loss(struct engine *engine, enum loss_cause cause, uint64_t count);
/* Samples that come later than this after the last one were missed. */
uint64_t engine_sample_gap_ns(const struct engine *engine);

/* engine_state.c: before the first sample, and with it */
void engine_restore(struct engine *engine, const struct engine_state *state);
void engine_resume(struct engine *engine, struct actions *out);

/* engine.c */
void engine_apply_transition(struct engine *engine, struct actions *out,
			     enum transition_event event, const struct transition_input *input,
			     const struct situation *situation, const struct proposal *proposal);
void engine_fill_input(const struct engine *engine, const struct situation *situation,
		       struct transition_input *ret_input);
void engine_log_state(struct engine *engine, struct actions *out, uint32_t action, uint32_t reason);
void engine_log_foreign(struct engine *engine, struct actions *out,
			const struct situation *situation, const struct proposal *blame);
void engine_forget_holds(struct engine *engine);

/* engine_learn.c: but for costs and footprints, nothing is learned or advised under another policy
 */
void engine_learn_sample(struct engine *engine);
void engine_learn_drift(struct engine *engine, struct resource_track *track, uint64_t bytes,
			uint64_t capacity_bytes);
void engine_learn_loss(struct engine *engine);
void engine_learn_pressure(struct engine *engine, const struct situation *situation,
			   const struct proposal *proposal);
void engine_learn_costs(struct engine *engine, enum transition_event event, uint32_t state_before);
void engine_learn_footprint(struct engine *engine);
void engine_apply_footprints(struct engine *engine);
void engine_take_advice(struct engine *engine, struct situation *situation);

/* engine_performance.c */
void engine_judge_performance(struct engine *engine);
void engine_begin_task(struct engine *engine, const struct event_command *command);
void engine_end_task(struct engine *engine, const struct event_command *command);
void engine_fill_task_status(const struct engine *engine, struct engine_status *status);
void engine_note_fault(struct engine *engine, struct actions *out,
		       const struct situation *situation);

/* engine_overlap.c */
bool engine_is_overlapping(const struct engine *engine);
void engine_grant_overlap(struct engine *engine, const struct situation *situation);
/* Whether the order that the event led to is the one before, granted already. */
bool engine_keeps_overlap(const struct engine *engine, enum transition_event event);
void engine_add_up_in_place(struct engine *engine);

/* engine_preflight.c */
void engine_answer_preflight(struct engine *engine, const struct event_command *command,
			     struct actions *out);
void engine_see_reservations(struct engine *engine);

/* engine_pin.c: taking one fills out->refusal where it is refused */
void engine_take_pin(struct engine *engine, const struct event_command *command,
		     struct actions *out);
void engine_drop_pin(struct engine *engine, struct actions *out, uint32_t reason);
void engine_expire_pin(struct engine *engine, struct actions *out);
void engine_keep_pin(struct engine *engine, const struct ladder *before, struct actions *out);
void engine_note_pin(struct engine *engine, enum transition_event event,
		     const struct transition_output *output);
uint32_t engine_find_first_tier(struct engine *engine);
void engine_fill_pin(const struct engine *engine, struct decision_pin *ret_pin);

/* engine_sample.c */
void engine_take_sample(struct engine *engine, const struct event_sample *sample);
void engine_reconfigure(struct engine *engine, const struct engine_config *config,
			struct actions *out);
/* The one of that kind and index, begun if there is none; NULL if there are too many. */
struct resource_track *engine_find_track(struct engine *engine,
					 const struct event_resource *resource);
bool engine_is_tier_measured(const struct engine *engine);
uint64_t engine_others_bytes(const struct engine *engine, const struct event_resource *resource);
uint64_t engine_next_sample_ns(const struct engine *engine);

/* engine_view.c */
void engine_get_situation(const struct engine *engine, bool is_fresh,
			  struct situation *ret_situation);

/* engine_report.c */
void engine_fill_numbers(const struct engine *engine, const struct situation *situation,
			 uint32_t target, struct decision *ret_decision);
void engine_find_blamed(const struct engine *engine, const struct proposal *proposal,
			struct decision *decision);
void engine_push_decision(struct engine *engine, struct actions *out,
			  const struct decision *decision);
void engine_push_order(struct engine *engine, struct actions *out, uint32_t verb, uint32_t reason);
void engine_push_state(struct engine *engine, struct actions *out);

#endif
