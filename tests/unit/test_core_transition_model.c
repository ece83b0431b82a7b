/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The switch machine against a model of a manager that delays, loses, repeats, fails and restarts:
 * drawn histories of chaos, each followed by quiet. Through the chaos no order may cut a task that
 * it must not cut, and no two tiers are in memory but those that an order was granted it for; in
 * the quiet, agent and manager must come to agree.
 *
 * Whether two tiers fit at once is for the engine to say (engine_overlap.c): here it is drawn.
 */
#include "test_core_manager_model.h"

#include "core/transition.h"

enum {
	HISTORIES = 100000,
	TIERS = 5,
	STEP_MS = 250,
	CHAOS_STEPS = 160,
	QUIET_STEPS_MAX = 4 * 900,
	AGREED_STEPS = 4 * 11, /* longer than a heartbeat */
	TIMEOUTS_MAX = 3,
	GRANTS_MAX = 256, /* orders of a history: the test fails if there are more */
};

/* What two tiers may be in memory at once for an order; both 0: none. */
struct grant {
	uint32_t from;
	uint32_t to;
};

struct world {
	struct engine_config config;
	struct transition machine;
	struct transition_input input;
	struct manager_model model;
	struct wire to_manager;
	struct wire to_agent;
	struct model_faults faults;
	uint64_t now_ns;
	uint64_t heartbeat_at_ns;
	uint64_t drain_began_ns;
	bool is_overlap_never;
	struct grant grants[GRANTS_MAX]; /* by number of the order */
	uint32_t done_count;
	uint32_t overlap_count; /* steps with two tiers in memory */
};

static void send_switch(struct world *world)
{
	const struct transition *t = &world->machine;
	const struct message message = {
		.kind = MESSAGE_SWITCH,
		.seq = t->seq,
		.from = t->from,
		.tier = t->to,
		.mode = t->mode,
		.is_overlap_allowed = t->is_overlap_granted,
	};

	wire_send(&world->to_manager, &message, world->now_ns, &world->faults);
}

static void send_state(struct world *world)
{
	const struct transition *t = &world->machine;
	const struct message message = {
		.kind = MESSAGE_STATE, .seq = t->seq, .tier = t->wanted, .actual = t->actual};

	wire_send(&world->to_manager, &message, world->now_ns, &world->faults);
	world->heartbeat_at_ns = world->now_ns + world->config.heartbeat_ns;
}

static void print_world(const struct world *world, uint64_t seed)
{
	const struct transition *t = &world->machine;
	const struct manager_model *m = &world->model;

	print_error(
		"seed %llu: state %u wanted %u actual %u seq %llu %u->%u mode %u; manager phase "
		"%u loaded %u seq %llu\n",
		(unsigned long long)seed, t->state, t->wanted, t->actual,
		(unsigned long long)t->seq, t->from, t->to, t->mode, m->phase, m->loaded,
		(unsigned long long)m->seq);
}

/* What may cut a task: only a step down, in an emergency or when its drain had all its time. */
static void check_order(const struct world *world, enum transition_event event,
			const struct transition *before)
{
	const struct transition *t = &world->machine;

	if (t->mode != SWITCH_IMMEDIATE)
		return;
	/* Unless it replaces a larger step up, for which nothing runs any more. */
	assert_true(t->to < t->from || before->state == SWITCH_LOADING);
	if (event == TRANSITION_TIMEOUT && before->state == SWITCH_DRAINING) {
		assert_true(world->input.is_over_limit);
		assert_true(world->now_ns - world->drain_began_ns >=
			    world->config.drain_deadline_ns);
	} else if (event == TRANSITION_TIMEOUT && before->state == SWITCH_STEADY) {
		assert_true(before->is_owed || world->input.is_over_limit);
	}
}

/* As the engine does for each order: only planned ones of a manager that speaks may get it. */
static void draw_grant(struct world *world)
{
	struct transition *t = &world->machine;

	assert_true(t->seq < GRANTS_MAX);
	t->is_overlap_granted = !world->is_overlap_never && t->mode == SWITCH_PLANNED &&
				t->has_manager && !t->is_assumed && t->from != TIER_OFF &&
				t->to != TIER_OFF && model_below(2);
	if (t->is_overlap_granted)
		world->grants[t->seq] = (struct grant){.from = t->from, .to = t->to};
}

/* What is in memory is one tier, or the two that the order in hand was granted it for. */
static void check_loaded(struct world *world, uint64_t seed)
{
	const struct manager_model *model = &world->model;
	const struct grant *grant;

	if (model->beside == MODEL_NOTHING)
		return;
	assert_true(model->seq < GRANTS_MAX);
	grant = &world->grants[model->seq];
	world->overlap_count++;
	if (model->loaded == grant->from && model->beside == grant->to)
		return;
	print_error("seed %llu: order %llu was granted %u and %u, and %u and %u are loaded\n",
		    (unsigned long long)seed, (unsigned long long)model->seq, grant->from,
		    grant->to, model->loaded, model->beside);
	fail();
}

static void step(struct world *world, enum transition_event event)
{
	const struct transition before = world->machine;
	struct transition *t = &world->machine;
	struct transition_output out;

	world->input.now_ns = world->now_ns;
	world->input.config = &world->config;
	world->input.earliest_ns = 0;
	transition_step(t, event, &world->input, &out);
	if (out.action == DECISION_SWITCH)
		draw_grant(world);
	assert_true(t->wanted < TIERS && t->actual < TIERS && t->to < TIERS && t->from < TIERS);
	/* Nothing that is pending or owed waits for ever. */
	if (t->state != SWITCH_STEADY || t->wanted != t->actual)
		assert_true(t->deadline_ns != UINT64_MAX);
	if (out.line == MANAGER_SWITCH) {
		check_order(world, event, &before);
		if (t->mode == SWITCH_PLANNED && t->seq != before.seq)
			world->drain_began_ns = world->now_ns;
		send_switch(world);
	} else if (out.line == MANAGER_CANCEL) {
		const struct message message = {.kind = MESSAGE_CANCEL, .seq = t->seq};

		wire_send(&world->to_manager, &message, world->now_ns, &world->faults);
	}
	world->done_count += out.action == DECISION_DONE;
}

static void read_ack(struct world *world, const struct message *message)
{
	static const enum transition_event events[] = {
		[ACK_DRAINING] = TRANSITION_ACK_DRAINING,
		[ACK_LOADING] = TRANSITION_ACK_LOADING,
		[ACK_DONE] = TRANSITION_ACK_DONE,
		[ACK_FAILED] = TRANSITION_ACK_FAILED,
	};

	if (message->kind == MESSAGE_HELLO) {
		world->input.is_tier_named = true;
		world->input.target = message->tier;
		step(world, TRANSITION_HELLO);
	} else if (message->seq && message->seq == world->machine.seq) {
		step(world, events[message->ack]);
	}
}

static void run_step(struct world *world, uint64_t seed)
{
	struct message message;

	world->now_ns += MILLIS(STEP_MS);
	while (wire_take(&world->to_manager, world->now_ns, &message))
		model_read(&world->model, &message, &world->to_agent, world->now_ns,
			   &world->faults);
	if (world->model.phase == MANAGER_DOWN && world->model.phase_ends_ns <= world->now_ns) {
		/* As for any reader that has just come: how things stand, and what is pending. */
		world->model.phase = MANAGER_IDLE;
		world->to_manager.count = 0;
		model_hello(&world->model, &world->to_agent, world->now_ns, &world->faults);
		send_state(world);
		if (transition_is_pending(&world->machine))
			send_switch(world);
	}
	model_run(&world->model, &world->to_agent, world->now_ns, &world->faults);
	while (wire_take(&world->to_agent, world->now_ns, &message))
		read_ack(world, &message);
	for (int i = 0; i < TIMEOUTS_MAX && world->machine.deadline_ns <= world->now_ns; i++)
		step(world, TRANSITION_TIMEOUT);
	if (world->now_ns >= world->heartbeat_at_ns)
		send_state(world);
	check_loaded(world, seed);
}

/* ---- the policy: whatever it could come to ask --------------------------------------------------
 */

static void draw_situation(struct world *world)
{
	world->input.is_over_limit = model_below(3) == 0;
	world->input.is_clear = !world->input.is_over_limit && model_below(2);
	world->input.does_wanted_fit = model_below(2);
	world->input.does_named_fit = model_below(2);
}

static void draw_order(struct world *world)
{
	struct transition *t = &world->machine;
	uint32_t serving = transition_serving(t);
	bool is_resting = t->state == SWITCH_STEADY && t->wanted == t->actual;
	uint32_t target = (uint32_t)model_below(TIERS);

	world->input.target = target;
	world->input.reason = REASON_USE_OVER_UPGRADE;
	if (t->state == SWITCH_DRAINING && model_below(2))
		step(world, TRANSITION_CANCEL);
	else if (model_below(2) && target < serving && (is_resting || target < t->wanted))
		step(world, TRANSITION_ORDER_IMMEDIATE);
	else if (is_resting && target != serving)
		step(world, TRANSITION_ORDER_PLANNED);
}

static void run_chaos(struct world *world, uint64_t seed)
{
	for (int i = 0; i < CHAOS_STEPS; i++) {
		if (model_below(20) == 0)
			draw_situation(world);
		if (model_below(20) == 0)
			draw_order(world);
		if (model_below(200) == 0)
			model_crash(&world->model, world->now_ns);
		run_step(world, seed);
	}
}

static bool is_agreed(const struct world *world)
{
	const struct transition *t = &world->machine;

	return t->state == SWITCH_STEADY && t->wanted == t->actual &&
	       world->model.phase == MANAGER_IDLE && world->model.loaded == t->actual &&
	       world->to_agent.count == 0;
}

/* No losses, no new orders; but what is broken stays broken. */
static void run_quiet(struct world *world, uint64_t seed)
{
	int agreed = 0;

	world->faults = (struct model_faults){.delay_max_ns = MILLIS(300)};
	for (int i = 0; i < QUIET_STEPS_MAX && agreed < AGREED_STEPS; i++) {
		run_step(world, seed);
		agreed = is_agreed(world) ? agreed + 1 : 0;
	}
	if (agreed < AGREED_STEPS) {
		print_world(world, seed);
		fail();
	}
}

static void set_up_world(struct world *world, uint64_t seed)
{
	uint32_t tier;

	model_random = seed * 7919 + 1;
	memset(world, 0, sizeof(*world));
	world->config = rig_config();
	world->config.drain_deadline_ns = SECONDS(12);
	world->config.ack_timeout_ns = SECONDS(2);
	world->config.settle_ns = SECONDS(1);
	world->now_ns = SECONDS(1);
	world->is_overlap_never = seed % 4 == 0;
	world->faults = (struct model_faults){
		.lost_permille = (uint32_t)model_below(300),
		.repeated_permille = (uint32_t)model_below(300),
		.failed_permille = (uint32_t)model_below(300),
		.delay_max_ns = model_below(SECONDS(3)),
	};
	tier = (uint32_t)model_below(TIERS);
	transition_init(&world->machine, tier, true);
	world->model.loaded = model_below(2) ? tier : (uint32_t)model_below(TIERS);
	for (uint32_t i = 1; i < TIERS; i++)
		world->model.is_broken[i] = model_below(6) == 0;
	model_hello(&world->model, &world->to_agent, world->now_ns, &world->faults);
	draw_situation(world);
}

static void test_agent_and_manager_come_to_agree(void **state)
{
	static struct world world;
	uint64_t done_count = 0;
	uint64_t cut_count = 0;
	uint64_t overlap_count = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
		set_up_world(&world, seed);
		run_chaos(&world, seed);
		run_quiet(&world, seed);
		done_count += world.done_count;
		cut_count += world.model.cut_count;
		overlap_count += world.overlap_count;
		assert_true(!world.is_overlap_never || world.overlap_count == 0);
	}
	/* The histories are not empty. */
	assert_true(done_count > HISTORIES);
	assert_true(cut_count > HISTORIES / 10);
	assert_true(overlap_count > HISTORIES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agent_and_manager_come_to_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
