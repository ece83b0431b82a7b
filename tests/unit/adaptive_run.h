/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine under the adaptive policy with the default options, on a host that does what a signal
 * says, with a manager that takes its time or with none. The rules that every single step must
 * obey are checked from outside at each of them, by what the host's use is and was.
 */
#ifndef TIERD_TEST_ADAPTIVE_RUN_H
#define TIERD_TEST_ADAPTIVE_RUN_H

#include <inttypes.h>

#include "adaptive_signals.h"
#include "core/engine_private.h"
#include "test_core_rig.h"

enum {
	SEEDS = 4, /* of every kind of signal, with and without a manager */
	RUN_SECONDS = 2400,
	DRAIN_SECONDS = 8,
};

/* As far as they matter here, the defaults of the options. */
static inline struct engine_config default_config(void)
{
	struct engine_config config = rig_config();

	config.policy = POLICY_ADAPTIVE;
	config.stabilization_min_ns = SECONDS(30);
	config.trend_ns = SECONDS(60);
	config.ack_timeout_ns = SECONDS(60);
	config.settle_ns = SECONDS(10);
	config.cost_drain_ns = SECONDS(15);
	config.cost_drain_quality_permyriad = 5000;
	config.cost_abort_ns = SECONDS(30);
	config.cost_over_permille = 2000;
	config.cost_full_permille = 20000;
	for (uint32_t tier = 1; tier < config.ladder.count; tier++)
		config.ladder.tiers[tier].load_ns = SECONDS(10 * tier);
	return config;
}

/* ---- a host, a manager, and what is seen of them -----------------------------------------------
 */

struct run {
	struct rig *rig;
	const struct signal *signal;
	bool has_manager;
	uint64_t begin_ns;
	/* The manager: what it is at, and until when. */
	uint32_t state;
	uint64_t seq;
	uint64_t due_ns;
	/* What the checks remember. */
	uint32_t seen; /* decisions */
	uint32_t over_count;
	uint64_t last_pressure_ns;
	uint64_t last_switch_ns;
	bool has_loss;
	uint64_t last_loss_ns;
};

static inline uint32_t use_permyriad(const struct rig *rig, uint32_t tier)
{
	return units_permyriad(rig->others_bytes + rig->config.ladder.tiers[tier].memory_bytes,
			       100 * GB);
}

/* Asked for at every step: engine_get_status() would rank processes each time. */
static const struct transition *transition_of(const struct rig *rig)
{
	return &rig->engine->transition;
}

static inline uint32_t serving_tier(const struct rig *rig)
{
	return transition_serving(transition_of(rig));
}

/* What overrides the loading of a large tier with a smaller one is a step down. */
static inline bool is_step_up(const struct decision *decision)
{
	return decision->action == DECISION_SWITCH && decision->mode == SWITCH_PLANNED &&
	       decision->to > decision->from;
}

static const struct decision *find_immediate(const struct run *run)
{
	for (uint32_t i = run->seen; i < run->rig->decision_count; i++) {
		const struct decision *decision = &run->rig->decisions[i];

		if (decision->action == DECISION_SWITCH && decision->mode == SWITCH_IMMEDIATE)
			return decision;
	}
	return NULL;
}

/* The step that confirms use over the limit orders less, and enough less. */
static inline void check_immediate(const struct run *run, uint32_t serving)
{
	const struct rig *rig = run->rig;
	const struct decision *decision = find_immediate(run);
	bool is_due = run->over_count >= 2 && serving > TIER_OFF &&
		      rig->now_ns - run->begin_ns >= rig->config.warmup_ns;

	assert_true(decision || !is_due);
	if (!decision)
		return;
	assert_true(decision->to < serving);
	assert_true(decision->to == TIER_OFF ||
		    use_permyriad(rig, decision->to) < rig->config.degrade_above_permyriad);
}

static inline void check_step_up(const struct run *run, const struct decision *decision)
{
	const struct engine_config *config = &run->rig->config;
	uint64_t now_ns = run->rig->now_ns;

	assert_true(now_ns - run->last_pressure_ns >= config->stabilization_min_ns);
	assert_true(now_ns - run->last_switch_ns >= config->stabilization_min_ns);
	assert_true(use_permyriad(run->rig, decision->from) < config->upgrade_below_permyriad);
	assert_true(use_permyriad(run->rig, decision->to) <=
		    config->degrade_above_permyriad - config->margin_permyriad);
	assert_true(!run->has_loss || now_ns - run->last_loss_ns >= config->stabilization_min_ns);
}

static inline void check_decisions(struct run *run)
{
	struct rig *rig = run->rig;

	for (; run->seen < rig->decision_count; run->seen++) {
		const struct decision *decision = &rig->decisions[run->seen];

		if (is_step_up(decision))
			check_step_up(run, decision);
		if (decision->action == DECISION_HOLD)
			continue;
		run->last_switch_ns = rig->now_ns;
		if (decision->action != DECISION_DONE)
			run->over_count = 0;
	}
}

/* Use of the serving tier as policy_find_pressure() is told to see it. */
static inline void note_pressure(struct run *run)
{
	struct rig *rig = run->rig;
	uint32_t state = transition_of(rig)->state;
	uint32_t use = use_permyriad(rig, serving_tier(rig));

	if (use >= rig->config.degrade_above_permyriad ||
	    (use >= rig->config.upgrade_below_permyriad && state != SWITCH_LOADING &&
	     state != SWITCH_SETTLING))
		run->last_pressure_ns = rig->now_ns;
}

static inline struct event sample_event(const struct rig *rig)
{
	uint64_t loaded = rig->config.ladder.tiers[transition_of(rig)->actual].memory_bytes;
	struct event event = {
		.kind = EVENT_SAMPLE,
		.sample = {.model_processes = loaded > 0, .resource_count = 1, .cpu_count = 4},
	};

	event.sample.resources[0] = (struct event_resource){
		.kind = RESOURCE_HOST_MEMORY,
		.capacity_bytes = 100 * GB,
		.used_bytes = rig->others_bytes + loaded,
		.model_bytes = loaded,
	};
	return event;
}

static inline void take_sample(struct run *run)
{
	struct rig *rig = run->rig;
	uint32_t serving = serving_tier(rig);
	struct event event;

	if (use_permyriad(rig, serving) >= rig->config.degrade_above_permyriad)
		run->over_count++;
	else
		run->over_count = 0;
	event = sample_event(rig);
	rig_step(rig, &event);
	check_immediate(run, serving);
	check_decisions(run);
	note_pressure(run);
}

static inline void manage(struct run *run)
{
	struct rig *rig = run->rig;
	const struct transition *transition = transition_of(rig);
	uint64_t took_ns = UINT64_MAX;

	if (!run->has_manager)
		return;
	if (transition->state != run->state || transition->seq != run->seq) {
		run->state = transition->state;
		run->seq = transition->seq;
		if (run->state == SWITCH_DRAINING)
			took_ns = SECONDS(DRAIN_SECONDS);
		if (run->state == SWITCH_LOADING)
			took_ns = rig->config.ladder.tiers[transition->wanted].load_ns;
		run->due_ns = units_plus(rig->now_ns, took_ns);
	}
	if (run->due_ns > rig->now_ns)
		return;
	run->due_ns = UINT64_MAX;
	rig_ack(rig, run->state == SWITCH_DRAINING ? ACK_LOADING : ACK_DONE);
	check_decisions(run);
}

/* Everything that is due until then, at its time: the manager first, then timers, then samples. */
static inline void run_until(struct run *run, uint64_t until_ns)
{
	struct rig *rig = run->rig;

	while (rig->now_ns < until_ns) {
		uint64_t next_ns = units_min(rig->out.wake_at_ns, rig->out.sample_at_ns);

		if (run->has_manager)
			next_ns = units_min(next_ns, run->due_ns);
		rig->now_ns = units_max(rig->now_ns, units_min(next_ns, until_ns));
		manage(run);
		if (rig->out.wake_at_ns <= rig->now_ns) {
			rig_tick(rig);
			check_decisions(run);
		}
		if (rig->out.sample_at_ns <= rig->now_ns)
			take_sample(run);
		manage(run);
	}
}

/* The largest tier that a step up could be to. */
static inline uint32_t largest_fitting(const struct rig *rig)
{
	const struct engine_config *config = &rig->config;
	uint32_t tier = config->ladder.count - 1;

	while (tier > TIER_OFF && use_permyriad(rig, tier) >= config->degrade_above_permyriad -
								      config->margin_permyriad)
		tier--;
	return tier;
}

static inline struct run run_start(const struct engine_config *config, const struct signal *signal,
				   bool has_manager, uint64_t begin_ns)
{
	struct run run = {
		.signal = signal,
		.has_manager = has_manager,
		.begin_ns = begin_ns,
		.due_ns = UINT64_MAX,
		.last_pressure_ns = begin_ns,
		.last_switch_ns = begin_ns,
		.rig = rig_new(config, begin_ns),
	};

	run.rig->others_bytes = signal->permille[0] * GB / 10;
	if (has_manager)
		rig_hello(run.rig, config->ladder.tiers[largest_fitting(run.rig)].name);
	take_sample(&run);
	return run;
}

static inline void run_second(struct run *run, uint32_t t)
{
	run->rig->others_bytes = run->signal->permille[t] * GB / 10;
	run_until(run, run->begin_ns + SECONDS(t + 1));
}

static inline void run_through(struct run *run)
{
	for (uint32_t t = 0; t < run->signal->seconds; t++)
		run_second(run, t);
}

/* Samples or urgent records: what pressure may hide in. */
static inline void lose(struct run *run, enum loss_cause cause)
{
	rig_loss(run->rig, cause);
	run->has_loss = true;
	run->last_loss_ns = run->rig->now_ns;
	check_decisions(run);
}

static inline struct rig *run_whole(const struct engine_config *config, const struct signal *signal,
				    bool has_manager, uint64_t begin_ns)
{
	struct run run = run_start(config, signal, has_manager, begin_ns);

	run_through(&run);
	return run.rig;
}

/* ---- for every signal --------------------------------------------------------------------------
 */

typedef void property(const struct signal *signal, bool has_manager);

/* What is being tried; told if it fails. */
static struct {
	struct signal signal;
	uint32_t kind;
	uint64_t seed;
	bool has_manager;
	bool is_open;
} tried;

static inline int tell_tried(void **state)
{
	(void)state;
	if (tried.is_open)
		print_message("signal kind %u, seed %" PRIu64 ", %s manager\n", tried.kind,
			      tried.seed, tried.has_manager ? "a" : "no");
	tried.is_open = false;
	return 0;
}

static inline void for_kind(enum signal_kind kind, uint64_t seeds, uint32_t seconds,
			    property *holds)
{
	tried.is_open = true;
	tried.kind = kind;
	for (tried.seed = 1; tried.seed <= seeds; tried.seed++) {
		signal_draw(&tried.signal, kind, tried.seed, seconds);
		for (int has_manager = 0; has_manager < 2; has_manager++) {
			tried.has_manager = has_manager;
			holds(&tried.signal, has_manager);
		}
	}
	tried.is_open = false;
}

static inline void for_all(uint32_t seconds, property *holds)
{
	for (int kind = 0; kind < SIGNAL_KIND_COUNT; kind++)
		for_kind((enum signal_kind)kind, SEEDS, seconds, holds);
}

#endif
