/* SPDX-License-Identifier: BSD-2-Clause */
#include "transition.h"

#include <string.h>

#include "base/units.h"

/* How long a drain is taken to last when nobody is there to say. */
#define ASSUMED_DRAIN_NS (5 * NS_PER_S)
/* Nobody is asked again more often than this, however short the timeout. */
#define BACKOFF_MIN_NS (100 * NS_PER_MS)

enum {
	BACKOFF_FACTOR_MAX = 8,
	/* A step down that fails so often goes one rung further down. */
	FAILURES_PER_RUNG = 2,
};

void transition_init(struct transition *transition, uint32_t tier, bool is_assumed)
{
	*transition = (struct transition){.wanted = tier,
					  .actual = tier,
					  .from = tier,
					  .to = tier,
					  .is_assumed = is_assumed,
					  .deadline_ns = UINT64_MAX};
}

uint32_t transition_serving(const struct transition *t)
{
	if (t->state == SWITCH_LOADING || t->state == SWITCH_SETTLING)
		return t->wanted;
	return t->actual;
}

bool transition_is_pending(const struct transition *t)
{
	return t->state == SWITCH_DRAINING || t->state == SWITCH_LOADING;
}

/* ---- parts -------------------------------------------------------------------------------------
 */

static void tell(struct transition_output *out, uint32_t action, uint32_t reason)
{
	out->action = action;
	out->reason = reason;
}

static void enter(struct transition *t, uint32_t state, uint64_t deadline_ns)
{
	t->state = state;
	t->deadline_ns = deadline_ns;
}

static uint64_t drain_deadline_ns(const struct transition *t, const struct transition_input *in)
{
	uint64_t drain_ns = in->config->drain_deadline_ns;

	if (!t->has_manager)
		drain_ns = units_min(drain_ns, ASSUMED_DRAIN_NS);
	return units_plus(t->began_ns, drain_ns);
}

static void enter_loading(struct transition *t, const struct transition_input *in)
{
	t->is_silence_told = false;
	enter(t, SWITCH_LOADING,
	      t->has_manager ? units_plus(in->now_ns, t->backoff_ns) : in->now_ns);
}

static uint64_t first_backoff_ns(const struct transition_input *in)
{
	return units_max(in->config->ack_timeout_ns, BACKOFF_MIN_NS);
}

static void take_number(struct transition *t)
{
	t->seq = units_plus(units_max(t->seq, t->seq_floor), 1);
}

static void give_order(struct transition *t, const struct transition_input *in, uint32_t target,
		       uint32_t mode, uint32_t reason, struct transition_output *out)
{
	take_number(t);
	t->from = t->actual;
	t->to = target;
	t->wanted = target;
	t->mode = mode;
	t->reason = reason;
	t->is_open = true;
	t->is_owed = false;
	t->began_ns = in->now_ns;
	/* The first order of all may be one that a hello leads to. */
	t->backoff_ns = units_max(t->backoff_ns, first_backoff_ns(in));
	if (mode == SWITCH_IMMEDIATE)
		enter_loading(t, in);
	else
		enter(t, SWITCH_DRAINING, drain_deadline_ns(t, in));
	out->line = MANAGER_SWITCH;
	tell(out, DECISION_SWITCH, reason);
}

static void call_off(struct transition *t, uint32_t reason, struct transition_output *out)
{
	t->wanted = t->actual;
	enter(t, SWITCH_STEADY, UINT64_MAX);
	out->line = MANAGER_CANCEL;
	tell(out, DECISION_CANCEL, reason);
}

static void finish(struct transition *t, const struct transition_input *in, bool is_assumed,
		   struct transition_output *out)
{
	t->actual = t->to;
	t->wanted = t->to;
	t->is_assumed = is_assumed;
	t->is_owed = false;
	t->failure_count = 0;
	t->is_open = is_assumed; /* a manager may speak up late */
	enter(t, SWITCH_SETTLING, units_plus(in->now_ns, in->config->settle_ns));
	tell(out, DECISION_DONE, is_assumed ? REASON_ASSUMED : REASON_ACKNOWLEDGED);
}

static uint64_t longest_backoff_ns(const struct transition_input *in)
{
	return units_scale(first_backoff_ns(in), BACKOFF_FACTOR_MAX, 1);
}

static void lengthen_backoff(struct transition *t, const struct transition_input *in)
{
	t->backoff_ns = units_min(units_plus(t->backoff_ns, t->backoff_ns), longest_backoff_ns(in));
}

/* ---- handlers ----------------------------------------------------------------------------------
 */

typedef void handler(struct transition *t, const struct transition_input *in,
		     struct transition_output *out);

static void order_planned(struct transition *t, const struct transition_input *in,
			  struct transition_output *out)
{
	t->backoff_ns = first_backoff_ns(in);
	t->failure_count = 0;
	give_order(t, in, in->target, SWITCH_PLANNED, in->reason, out);
}

static void order_immediate(struct transition *t, const struct transition_input *in,
			    struct transition_output *out)
{
	t->backoff_ns = first_backoff_ns(in);
	t->failure_count = 0;
	give_order(t, in, in->target, SWITCH_IMMEDIATE, in->reason, out);
}

/* Overrides what is being loaded only to load less. */
static void order_less(struct transition *t, const struct transition_input *in,
		       struct transition_output *out)
{
	if (in->target < t->wanted)
		order_immediate(t, in, out);
}

static void cancel(struct transition *t, const struct transition_input *in,
		   struct transition_output *out)
{
	call_off(t, in->reason, out);
}

/* The manager is there: the drain may take its full time. */
static void extend_drain(struct transition *t, const struct transition_input *in,
			 struct transition_output *out)
{
	(void)out;
	t->deadline_ns = drain_deadline_ns(t, in);
}

static void start_loading(struct transition *t, const struct transition_input *in,
			  struct transition_output *out)
{
	(void)out;
	t->wanted = t->to;
	enter_loading(t, in);
}

/* Said after we had called it off or taken it for done: the manager is still at it. */
static void start_loading_late(struct transition *t, const struct transition_input *in,
			       struct transition_output *out)
{
	if (!t->is_open)
		return;
	t->actual = t->from;
	start_loading(t, in, out);
}

static void acknowledge(struct transition *t, const struct transition_input *in,
			struct transition_output *out)
{
	if (t->is_open)
		finish(t, in, false, out);
}

/* What cannot be loaded, however often it is tried, is passed over: less is loaded instead. */
static uint32_t next_try(struct transition *t, const struct transition_input *in)
{
	t->failure_count++;
	if (t->failure_count < FAILURES_PER_RUNG || t->to <= in->config->min_tier)
		return t->to;
	t->failure_count = 0;
	return t->to - 1;
}

/* The old tier stays. A step up is given up; a step down is ordered again after a pause. */
static void fail(struct transition *t, const struct transition_input *in,
		 struct transition_output *out)
{
	bool is_step_up = t->to > t->from;

	if (!t->is_open)
		return;
	t->is_open = false;
	t->is_owed = !is_step_up;
	t->actual = t->from;
	t->wanted = is_step_up ? t->from : next_try(t, in);
	enter(t, SWITCH_STEADY, is_step_up ? UINT64_MAX : units_plus(in->now_ns, t->backoff_ns));
	lengthen_backoff(t, in);
	out->is_step_up_failed = is_step_up;
	tell(out, DECISION_FAILED, REASON_MANAGER_FAILED);
}

/* Failed after it was called off: that is what we wanted. */
static void fail_late(struct transition *t, const struct transition_input *in,
		      struct transition_output *out)
{
	if (t->wanted == t->to)
		fail(t, in, out);
	t->is_open = false;
}

static void learn_actual(struct transition *t, const struct transition_input *in)
{
	if (!in->is_tier_named)
		return;
	t->actual = in->target;
	t->is_assumed = false;
}

/* What was ordered is in place; of an emergency less is enough, too. */
static bool is_enough(const struct transition *t, uint32_t tier)
{
	return tier == t->to || (t->mode == SWITCH_IMMEDIATE && tier < t->to);
}

/* That use is low now says nothing of the next OOM kill. */
static bool is_for_oom(const struct transition *t)
{
	return t->reason == REASON_OOM_GROUP || t->reason == REASON_OOM_HOST;
}

static void order_again(struct transition *t, const struct transition_input *in,
			struct transition_output *out)
{
	out->line = MANAGER_SWITCH;
	if (t->mode == SWITCH_IMMEDIATE) {
		enter_loading(t, in);
		return;
	}
	/* It may have taken up work again, which has to end first. */
	if (t->state == SWITCH_LOADING)
		t->began_ns = in->now_ns;
	enter(t, SWITCH_DRAINING, drain_deadline_ns(t, in));
}

/* A manager that starts during a switch: it is done already, or is told again. */
static void hello_pending(struct transition *t, const struct transition_input *in,
			  struct transition_output *out)
{
	learn_actual(t, in);
	if (in->is_tier_named && is_enough(t, in->target)) {
		t->to = in->target;
		finish(t, in, false, out);
		return;
	}
	if (in->is_tier_named && t->to < t->actual && in->does_named_fit && in->is_clear &&
	    !is_for_oom(t)) {
		call_off(t, REASON_PRESSURE_CLEARED, out);
		return;
	}
	t->is_overlap_granted &= t->from == t->actual; /* of another pair nothing is known */
	t->from = t->actual;
	order_again(t, in, out);
}

/* To the manager a new order. A drain that is over is for its timeout. */
static void resume(struct transition *t, const struct transition_input *in,
		   struct transition_output *out)
{
	if (t->state == SWITCH_DRAINING && t->deadline_ns <= in->now_ns)
		return;
	take_number(t);
	order_again(t, in, out);
	tell(out, DECISION_SWITCH, t->reason);
}

static void hello_idle(struct transition *t, const struct transition_input *in,
		       struct transition_output *out)
{
	(void)out;
	learn_actual(t, in);
	t->is_open = false;
	if (t->actual != t->wanted)
		enter(t, SWITCH_STEADY, units_max(in->now_ns, in->earliest_ns));
	else
		t->is_owed = false;
}

static void drain_timeout(struct transition *t, const struct transition_input *in,
			  struct transition_output *out)
{
	if (!t->has_manager)
		finish(t, in, true, out);
	else if (t->to < t->from && in->is_over_limit && !in->is_paused)
		give_order(t, in, t->to, SWITCH_IMMEDIATE, REASON_USE_OVER_DEGRADE, out);
	else
		call_off(t, REASON_DRAIN_DEADLINE, out);
}

static void loading_timeout(struct transition *t, const struct transition_input *in,
			    struct transition_output *out)
{
	if (!t->has_manager) {
		finish(t, in, true, out);
		return;
	}
	if (t->to > t->from && t->backoff_ns >= longest_backoff_ns(in)) {
		call_off(t, REASON_MANAGER_SILENT, out);
		out->is_step_up_failed = true;
		return;
	}
	lengthen_backoff(t, in);
	t->deadline_ns = units_plus(in->now_ns, t->backoff_ns);
	out->line = MANAGER_SWITCH;
	if (!t->is_silence_told)
		tell(out, DECISION_FAILED, REASON_MANAGER_SILENT);
	t->is_silence_told = true;
}

static void settle_timeout(struct transition *t, const struct transition_input *in,
			   struct transition_output *out)
{
	(void)in;
	(void)out;
	enter(t, SWITCH_STEADY, UINT64_MAX);
}

/* An emergency that was answered is none any more: what a hello leads to is planned. */
static uint32_t retry_mode(const struct transition *t, const struct transition_input *in)
{
	if (t->wanted > t->actual)
		return SWITCH_PLANNED;
	if (t->is_owed)
		return t->mode;
	return in->is_over_limit ? SWITCH_IMMEDIATE : SWITCH_PLANNED;
}

/* The time to give an order again has come. */
static void retry_timeout(struct transition *t, const struct transition_input *in,
			  struct transition_output *out)
{
	bool is_planned_step_down = t->mode == SWITCH_PLANNED && t->wanted < t->actual;

	if (in->is_paused)
		return;
	t->deadline_ns = UINT64_MAX;
	if (t->wanted == t->actual)
		return;
	if (is_planned_step_down && in->is_clear) {
		t->wanted = t->actual;
		/* Where a hello has named a larger tier there is no order to cancel. */
		if (t->is_owed)
			tell(out, DECISION_CANCEL, REASON_PRESSURE_CLEARED);
		t->is_owed = false;
		return;
	}
	if (t->wanted > t->actual && !in->does_wanted_fit) {
		t->wanted = t->actual;
		tell(out, DECISION_CANCEL, REASON_USE_OVER_UPGRADE);
		return;
	}
	give_order(t, in, t->wanted, retry_mode(t, in), t->seq ? t->reason : REASON_INITIAL, out);
}

static handler *const handlers[SWITCH_STATE_COUNT][TRANSITION_EVENT_COUNT] = {
	[SWITCH_STEADY] =
		{
			[TRANSITION_ORDER_PLANNED] = order_planned,
			[TRANSITION_ORDER_IMMEDIATE] = order_immediate,
			[TRANSITION_ACK_LOADING] = start_loading_late,
			[TRANSITION_ACK_DONE] = acknowledge,
			[TRANSITION_ACK_FAILED] = fail_late,
			[TRANSITION_HELLO] = hello_idle,
			[TRANSITION_TIMEOUT] = retry_timeout,
		},
	[SWITCH_DRAINING] =
		{
			[TRANSITION_ORDER_IMMEDIATE] = order_immediate,
			[TRANSITION_CANCEL] = cancel,
			[TRANSITION_ACK_DRAINING] = extend_drain,
			[TRANSITION_ACK_LOADING] = start_loading,
			[TRANSITION_ACK_DONE] = acknowledge,
			[TRANSITION_ACK_FAILED] = fail,
			[TRANSITION_HELLO] = hello_pending,
			[TRANSITION_TIMEOUT] = drain_timeout,
			[TRANSITION_RESUME] = resume,
		},
	[SWITCH_LOADING] =
		{
			[TRANSITION_ORDER_IMMEDIATE] = order_less,
			[TRANSITION_ACK_LOADING] = start_loading,
			[TRANSITION_ACK_DONE] = acknowledge,
			[TRANSITION_ACK_FAILED] = fail,
			[TRANSITION_HELLO] = hello_pending,
			[TRANSITION_TIMEOUT] = loading_timeout,
			[TRANSITION_RESUME] = resume,
		},
	[SWITCH_SETTLING] =
		{
			[TRANSITION_ORDER_IMMEDIATE] = order_immediate,
			[TRANSITION_ACK_LOADING] = start_loading_late,
			[TRANSITION_ACK_DONE] = acknowledge,
			[TRANSITION_ACK_FAILED] = fail,
			[TRANSITION_HELLO] = hello_idle,
			[TRANSITION_TIMEOUT] = settle_timeout,
		},
};

void transition_step(struct transition *t, enum transition_event event,
		     const struct transition_input *in, struct transition_output *ret_output)
{
	handler *handle = handlers[t->state][event];

	memset(ret_output, 0, sizeof(*ret_output));
	ret_output->action = DECISION_ACTION_COUNT;
	if (event == TRANSITION_HELLO ||
	    (event >= TRANSITION_ACK_DRAINING && event <= TRANSITION_ACK_FAILED))
		t->has_manager = true;
	if (handle)
		handle(t, in, ret_output);
}
