/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pin never makes an immediate step later: whatever the state and the event, if the engine would
 * order one at once with the pin taken back, it does so with the pin.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine.h"

/* Every step that the rig takes is taken by an unpinned twin first. */
static void step_with_twin(struct engine *engine, const struct event *event, struct actions *out);
#define engine_step step_with_twin
#include "test_core_random_host.h"
#undef engine_step

enum {
	HISTORIES = 25,
	HISTORY_SECONDS = 150,
};

static void *twin_memory;
static uint32_t pinned_count;    /* steps taken while pinned */
static uint32_t emergency_count; /* immediate steps of the twin */

static const struct decision *find_immediate(const struct actions *out)
{
	for (uint32_t i = 0; i < out->decision_count; i++) {
		const struct decision *decision = &out->decisions[i];

		if (decision->action == DECISION_SWITCH && decision->mode == SWITCH_IMMEDIATE)
			return decision;
	}
	return NULL;
}

static void step_with_twin(struct engine *engine, const struct event *event, struct actions *out)
{
	struct event unpin = {
		.kind = EVENT_COMMAND, .time_ns = event->time_ns, .command.verb = COMMAND_UNPIN};
	struct event_command pin;
	static struct actions twin_out;
	bool is_pinned = engine_get_pin(engine, event->time_ns, &pin);

	if (is_pinned) {
		memcpy(twin_memory, engine, engine_size());
		engine_step(twin_memory, &unpin, &twin_out);
		engine_step(twin_memory, event, &twin_out);
		pinned_count++;
	}
	engine_step(engine, event, out);
	if (!is_pinned || !find_immediate(&twin_out))
		return;
	emergency_count++;
	assert_non_null(find_immediate(out));
}

static void run_history(uint64_t seed, uint32_t policy)
{
	struct engine_config config = short_config();
	struct rig *rig;

	config.policy = policy;
	config.stabilization_min_ns = SECONDS(10);
	rig = new_random_rig(&config, seed, SECONDS(60));
	for (int s = 0; s < HISTORY_SECONDS; s++) {
		if (random_below(25) == 0)
			rig_pin(rig, config.ladder.tiers[random_below(config.ladder.count)].name,
				0);
		/* Room again, so that there is something to step down from. */
		if (random_below(10) == 0) {
			rig->others_bytes = random_below(45) * GB;
			rig_command(rig, COMMAND_RESUME, "", 0, ACK_DRAINING);
			rig_ack(rig, ACK_DONE);
		}
		random_second(rig, true);
	}
	rig_free(rig);
}

static void test_pin_never_delays_an_immediate_step(void **state)
{
	(void)state;
	twin_memory = malloc(engine_size());
	for (uint64_t seed = 1; seed <= HISTORIES; seed++)
		run_history(seed, seed % POLICY_COUNT);
	free(twin_memory);
	/* The histories are not empty. */
	assert_true(pinned_count > 10000);
	assert_true(emergency_count > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pin_never_delays_an_immediate_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
