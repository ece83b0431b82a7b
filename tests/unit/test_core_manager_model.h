/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A manager as a model: it does what the protocol asks of one, over two wires that delay, lose and
 * repeat lines, and it fails and restarts as often as the test says. One task at most runs at a
 * time. It cuts one only for an immediate order, and only for less than it has loaded. It has two
 * tiers in memory only for an order that says that these two may be.
 */
#ifndef TIERD_TEST_CORE_MANAGER_MODEL_H
#define TIERD_TEST_CORE_MANAGER_MODEL_H

#include "test_core_rig.h"

enum {
	WIRE_MAX = 128,    /* more than ever waits: the test fails if it does */
	MODEL_NOTHING = 0, /* while one tier is exchanged for another */
};

enum message_kind {
	MESSAGE_SWITCH,
	MESSAGE_CANCEL,
	MESSAGE_STATE,
	MESSAGE_ACK,
	MESSAGE_HELLO,
};

struct message {
	uint64_t due_ns;
	uint64_t seq;
	uint32_t kind;
	uint32_t tier;           /* switch: to; state: wanted; hello: loaded */
	uint32_t from;           /* switch */
	uint32_t actual;         /* state */
	uint32_t mode;           /* switch */
	uint32_t ack;            /* enum ack_state */
	bool is_overlap_allowed; /* switch */
};

/* In order, as a pipe is. */
struct wire {
	struct message messages[WIRE_MAX];
	uint32_t first;
	uint32_t count;
	uint64_t last_due_ns;
};

enum manager_phase {
	MANAGER_IDLE,
	MANAGER_DRAINS,
	MANAGER_LOADS,
	MANAGER_LOADS_BESIDE, /* the old tier serves until the new one can */
	MANAGER_DOWN,
};

struct manager_model {
	uint32_t phase;
	uint32_t loaded;   /* and serves */
	uint32_t beside;   /* in memory, too, or being loaded; MODEL_NOTHING */
	uint32_t fallback; /* what comes back when a load fails */
	uint32_t target;
	uint64_t seq; /* of the order in hand or the last one */
	bool is_last_failed;
	bool is_last_cancelled;
	uint64_t phase_ends_ns;
	uint64_t task_ends_ns; /* 0 = none runs */
	uint32_t cut_count;
	bool is_broken[LADDER_TIERS_MAX]; /* never loads */
};

struct model_faults {
	uint32_t lost_permille;
	uint32_t repeated_permille;
	uint32_t failed_permille;
	uint64_t delay_max_ns;
};

static uint64_t model_random;

static inline uint64_t model_below(uint64_t limit)
{
	model_random = model_random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (model_random >> 33) % limit;
}

static inline void wire_push(struct wire *wire, const struct message *message, uint64_t due_ns)
{
	assert_true(wire->count < WIRE_MAX);
	wire->last_due_ns = units_max(wire->last_due_ns, due_ns);
	wire->messages[(wire->first + wire->count) % WIRE_MAX] = *message;
	wire->messages[(wire->first + wire->count) % WIRE_MAX].due_ns = wire->last_due_ns;
	wire->count++;
}

static inline void wire_send(struct wire *wire, const struct message *message, uint64_t now_ns,
			     const struct model_faults *faults)
{
	uint64_t due_ns = now_ns;

	if (model_below(1000) < faults->lost_permille)
		return;
	if (faults->delay_max_ns)
		due_ns += model_below(faults->delay_max_ns);
	wire_push(wire, message, due_ns);
	if (model_below(1000) < faults->repeated_permille)
		wire_push(wire, message, due_ns);
}

static inline bool wire_take(struct wire *wire, uint64_t now_ns, struct message *ret_message)
{
	if (wire->count == 0 || wire->messages[wire->first].due_ns > now_ns)
		return false;
	*ret_message = wire->messages[wire->first];
	wire->first = (wire->first + 1) % WIRE_MAX;
	wire->count--;
	return true;
}

static inline void model_ack(struct manager_model *model, struct wire *to_agent, uint32_t ack,
			     uint64_t now_ns, const struct model_faults *faults)
{
	const struct message message = {.kind = MESSAGE_ACK, .seq = model->seq, .ack = ack};

	wire_send(to_agent, &message, now_ns, faults);
}

static inline void model_hello(struct manager_model *model, struct wire *to_agent, uint64_t now_ns,
			       const struct model_faults *faults)
{
	const struct message message = {.kind = MESSAGE_HELLO, .tier = model->loaded};

	wire_send(to_agent, &message, now_ns, faults);
}

static inline void model_draw_load_time(struct manager_model *model, uint64_t now_ns)
{
	model->phase_ends_ns = now_ns + MILLIS(200) + model_below(SECONDS(6));
}

static inline void model_load(struct manager_model *model, struct wire *to_agent, uint64_t now_ns,
			      const struct model_faults *faults)
{
	if (model->phase != MANAGER_LOADS)
		model->fallback = model->loaded;
	model->loaded = MODEL_NOTHING;
	model->phase = MANAGER_LOADS;
	model_draw_load_time(model, now_ns);
	model_ack(model, to_agent, ACK_LOADING, now_ns, faults);
}

/* Some say that they load, others that the old tier still serves: both are true. */
static inline void model_load_beside(struct manager_model *model, struct wire *to_agent,
				     uint64_t now_ns, const struct model_faults *faults)
{
	model->beside = model->target;
	model->phase = MANAGER_LOADS_BESIDE;
	model_draw_load_time(model, now_ns);
	model_ack(model, to_agent, model_below(2) ? ACK_LOADING : ACK_DRAINING, now_ns, faults);
}

/* The new tier answers and nothing runs on the old one any more. */
static inline void model_leave_old(struct manager_model *model, struct wire *to_agent,
				   uint64_t now_ns, const struct model_faults *faults)
{
	model->loaded = model->beside;
	model->beside = MODEL_NOTHING;
	model->phase = MANAGER_IDLE;
	model_ack(model, to_agent, ACK_DONE, now_ns, faults);
}

/* A line may come again: then what it led to is said again. */
static inline void model_repeat(struct manager_model *model, struct wire *to_agent, uint64_t now_ns,
				const struct model_faults *faults)
{
	static const enum ack_state acks[] = {
		[MANAGER_IDLE] = ACK_DONE,
		[MANAGER_DRAINS] = ACK_DRAINING,
		[MANAGER_LOADS] = ACK_LOADING,
		[MANAGER_LOADS_BESIDE] = ACK_DRAINING,
	};

	if (model->is_last_cancelled)
		return;
	if (model->phase == MANAGER_IDLE && model->is_last_failed)
		model_ack(model, to_agent, ACK_FAILED, now_ns, faults);
	else
		model_ack(model, to_agent, acks[model->phase], now_ns, faults);
}

static inline void model_order(struct manager_model *model, const struct message *message,
			       struct wire *to_agent, uint64_t now_ns,
			       const struct model_faults *faults)
{
	if (message->seq == model->seq) {
		model_repeat(model, to_agent, now_ns, faults);
		return;
	}
	model->seq = message->seq;
	model->target = message->tier;
	model->is_last_failed = false;
	model->is_last_cancelled = false;
	if (message->mode == SWITCH_IMMEDIATE && model->task_ends_ns &&
	    model->target < model->loaded) {
		model->cut_count++;
		model->task_ends_ns = 0;
	}
	model->beside = MODEL_NOTHING; /* whatever an order before this one has begun */
	if (model->phase != MANAGER_LOADS && model->loaded == model->target) {
		model->phase = MANAGER_IDLE;
		model_ack(model, to_agent, ACK_DONE, now_ns, faults);
	} else if (message->is_overlap_allowed && message->from == model->loaded) {
		model_load_beside(model, to_agent, now_ns, faults);
	} else if (model->task_ends_ns) {
		model->phase = MANAGER_DRAINS;
		model_ack(model, to_agent, ACK_DRAINING, now_ns, faults);
	} else {
		model_load(model, to_agent, now_ns, faults);
	}
}

/* One line from the agent. */
static inline void model_read(struct manager_model *model, const struct message *message,
			      struct wire *to_agent, uint64_t now_ns,
			      const struct model_faults *faults)
{
	if (model->phase == MANAGER_DOWN)
		return;
	if (message->kind == MESSAGE_SWITCH) {
		model_order(model, message, to_agent, now_ns, faults);
	} else if (message->kind == MESSAGE_CANCEL) {
		if ((model->phase != MANAGER_DRAINS && model->phase != MANAGER_LOADS_BESIDE) ||
		    message->seq != model->seq)
			return;
		model->phase = MANAGER_IDLE;
		model->beside = MODEL_NOTHING;
		model->is_last_cancelled = true;
	} else if (model->phase == MANAGER_IDLE &&
		   (message->tier != model->loaded || message->actual != model->loaded)) {
		/* The agent is wrong about what is loaded, or wants something that was not heard.
		 */
		model_hello(model, to_agent, now_ns, faults);
	}
}

static inline void model_end_load(struct manager_model *model, struct wire *to_agent,
				  uint64_t now_ns, const struct model_faults *faults)
{
	bool is_beside = model->phase == MANAGER_LOADS_BESIDE;

	model->is_last_failed = model->is_broken[model->target] ||
				(model->target && model_below(1000) < faults->failed_permille);
	if (is_beside && !model->is_last_failed) {
		model->phase = MANAGER_DRAINS;
		return;
	}
	model->beside = MODEL_NOTHING;
	if (!is_beside)
		model->loaded = model->is_last_failed ? model->fallback : model->target;
	model->phase = MANAGER_IDLE;
	model_ack(model, to_agent, model->is_last_failed ? ACK_FAILED : ACK_DONE, now_ns, faults);
}

/* Everything is forgotten; the old tier may have survived it. */
static inline void model_crash(struct manager_model *model, uint64_t now_ns)
{
	uint32_t survivor = model->phase == MANAGER_LOADS ? model->fallback : model->loaded;

	model->loaded = model_below(2) ? survivor : TIER_OFF;
	model->beside = MODEL_NOTHING;
	model->phase = MANAGER_DOWN;
	model->phase_ends_ns = now_ns + model_below(SECONDS(8));
	model->task_ends_ns = 0;
	model->seq = 0;
}

/* Time goes on. */
static inline void model_run(struct manager_model *model, struct wire *to_agent, uint64_t now_ns,
			     const struct model_faults *faults)
{
	if (model->task_ends_ns && model->task_ends_ns <= now_ns)
		model->task_ends_ns = 0;
	if (model->phase == MANAGER_DRAINS && !model->task_ends_ns && model->beside)
		model_leave_old(model, to_agent, now_ns, faults);
	else if (model->phase == MANAGER_DRAINS && !model->task_ends_ns)
		model_load(model, to_agent, now_ns, faults);
	else if ((model->phase == MANAGER_LOADS || model->phase == MANAGER_LOADS_BESIDE) &&
		 model->phase_ends_ns <= now_ns)
		model_end_load(model, to_agent, now_ns, faults);
	else if (model->phase == MANAGER_IDLE && model->loaded && !model->task_ends_ns &&
		 model_below(20) == 0)
		model->task_ends_ns = now_ns + MILLIS(100) + model_below(SECONDS(30));
}

#endif
