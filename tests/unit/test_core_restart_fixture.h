/* SPDX-License-Identifier: BSD-2-Clause */
/* An engine that goes on from what the one before has left, on top of the engine's fixture. */
#ifndef TIERD_TEST_CORE_RESTART_FIXTURE_H
#define TIERD_TEST_CORE_RESTART_FIXTURE_H

#include "test_core_engine_fixture.h"

#include "core/state.h"

static struct engine_state kept;

static inline void feed_state(const struct engine_state *from)
{
	struct event event = {.kind = EVENT_STATE, .state = from};

	rig_step(rig, &event);
}

/* Another engine, after down_ns, with the state that was kept. */
static inline void start_again(uint64_t down_ns)
{
	rig->engine = engine_init(rig->engine);
	rig->now_ns += down_ns;
	rig->other.header.flags |= PROCESS_FIRST;
	rig->model.header.flags |= PROCESS_FIRST;
	rig_configure(rig);
	feed_state(&kept);
	rig_source(rig, SOURCE_BPF);
}

static inline void keep(bool is_final)
{
	assert_true(engine_get_state(rig->engine, &kept));
	kept.is_final = is_final;
}

/* What was measured before the first sample is the tier that was loaded. */
static inline void sample_loaded(const char *tier)
{
	struct event event = rig_sample_event(rig);
	uint32_t index;

	for (index = 0; strcmp(rig->config.ladder.tiers[index].name, tier) != 0;)
		index++;
	event.sample.model_processes = 1;
	event.sample.resources[0].model_bytes = rig->config.ladder.tiers[index].memory_bytes;
	event.sample.resources[0].used_bytes =
		rig->others_bytes + event.sample.resources[0].model_bytes;
	rig_step(rig, &event);
}

static inline void restart(uint64_t down_ns, const char *loaded)
{
	keep(false);
	start_again(down_ns);
	sample_loaded(loaded);
}

/* Seconds in which a manager does what it is told at once. */
static inline void pass(uint64_t seconds)
{
	for (uint64_t i = 0; i < seconds; i++) {
		rig_run(rig, SECONDS(1), NULL);
		if (rig_status(rig)->switch_state == SWITCH_DRAINING ||
		    rig_status(rig)->switch_state == SWITCH_LOADING) {
			rig_ack(rig, ACK_LOADING);
			rig_ack(rig, ACK_DONE);
		}
	}
}

/* The manager is there all the time, and so is what it has loaded. */
static inline void start_after(uint64_t down_ns, const char *loaded)
{
	start_again(down_ns);
	sample_loaded(loaded);
	rig_hello(rig, loaded);
}

static inline void pass_restart(uint64_t down_s)
{
	const char *loaded = rig_actual(rig);

	keep(false);
	start_after(SECONDS(down_s), loaded);
}

static inline uint64_t last_seq(void)
{
	return rig_status(rig)->seq;
}

/* A planned step down to medium, which the manager has carried out. */
static inline void step_down(void)
{
	start("large");
	rig->others_bytes = 45 * GB;
	rig_run(rig, SECONDS(2), NULL);
	rig_ack(rig, ACK_DONE);
	rig->others_bytes = 20 * GB;
	rig_run(rig, SECONDS(8), NULL);
	assert_string_equal(rig_actual(rig), "medium");
	assert_int_equal(rig_status(rig)->switch_state, SWITCH_STEADY);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
