/* SPDX-License-Identifier: BSD-2-Clause */
/* A state with something in every member. */
#ifndef TIERD_TESTS_STATE_RIG_H
#define TIERD_TESTS_STATE_RIG_H

#include <string.h>

#include "app/state_text.h"
#include "base/units.h"

#define STATE_RIG_TAKEN_NS (5000 * NS_PER_S)
#define STATE_RIG_FUNCTION __attribute__((unused)) static

STATE_RIG_FUNCTION void state_rig_fill_calm(struct calm_state *calm)
{
	*calm = (struct calm_state){
		.vram_bytes = 3 * GIB,
		.opened_ns = STATE_RIG_TAKEN_NS - 70 * NS_PER_S,
		.broken_ns = STATE_RIG_TAKEN_NS - 90 * NS_PER_S,
		.lengths = {.count = 3, .length_ns = {600 * NS_PER_S, 601 * NS_PER_S, 5}},
		.intervals = {.count = 2, .length_ns = {700 * NS_PER_S, 701 * NS_PER_S}},
		.alarms_permyriad = 80000,
		.alarms_true_permyriad = 50001,
		.penalty_permyriad = 30000,
		.refuges = {.count = 2, .name = {"off", "medium"}},
	};
}

STATE_RIG_FUNCTION void state_rig_fill_tier(struct tier_state *tier, const char *name,
					    uint64_t memory_bytes)
{
	*tier = (struct tier_state){
		.memory_bytes = memory_bytes,
		.learned = {.used_ns = 3 * NS_PER_S,
			    .memory = {.bytes = 9 * GIB, .seen = {4 * GIB, 5 * GIB, 6, 7}},
			    .drain_ns = 13 * NS_PER_S,
			    .load_ns = 7 * NS_PER_S,
			    .is_drain_measured = true,
			    .is_load_measured = true},
		.breaker = {.state = BREAKER_OPEN,
			    .reason = REASON_TIER_SLOW,
			    .factor = 4,
			    .until_ns = STATE_RIG_TAKEN_NS + 60 * NS_PER_S},
	};
	state_rig_fill_calm(&tier->calm);
	tier->learned.vram[1] = (struct footprint_peak){.bytes = 2 * GIB, .seen = {1, 2, 3, 4}};
	memcpy(tier->name, name, strnlen(name, sizeof(tier->name) - 1));
}

/* Zeroed before, so that two of them can be compared as bytes. */
STATE_RIG_FUNCTION void state_rig_fill(struct engine_state *state)
{
	memset(state, 0, sizeof(*state));
	state->taken_ns = STATE_RIG_TAKEN_NS;
	state->is_same_boot = true;
	state->is_final = true;
	state->sample_ns = STATE_RIG_TAKEN_NS - 1;
	state->pressure_ns = STATE_RIG_TAKEN_NS - 200 * NS_PER_S;
	for (uint64_t kind = 0; kind < LOSS_KIND_COUNT; kind++) {
		state->loss_began_ns[kind] = STATE_RIG_TAKEN_NS - (30 + kind) * NS_PER_S;
		state->loss_ns[kind] = STATE_RIG_TAKEN_NS - (20 + kind) * NS_PER_S;
	}
	state->resource_count = 2;
	state->resources[0] = (struct resource_state){RESOURCE_HOST_MEMORY, 0, 30 * GIB, {77, 33}};
	state->resources[1] = (struct resource_state){RESOURCE_VRAM, 1, 4 * GIB, {5, 2}};
	state->is_paused = true;
	strcpy(state->pin, "large");
	state->pin_until_ns = STATE_RIG_TAKEN_NS + 600 * NS_PER_S;
	state->is_pin_due = true;
	state->pin_reason = REASON_USE_OVER_DEGRADE;
	state->wait_factor = 4;
	state->wait_factor_ns = STATE_RIG_TAKEN_NS - 300 * NS_PER_S;
	state->trial_end_ns = STATE_RIG_TAKEN_NS + 100 * NS_PER_S;
	state->seq = 41;
	strcpy(state->wanted, "medium");
	strcpy(state->actual, "large");
	strcpy(state->from, "large");
	strcpy(state->to, "medium");
	state->phase = SWITCH_DRAINING;
	state->mode = SWITCH_IMMEDIATE;
	state->reason = REASON_STALL_OVER_ABOVE;
	state->is_assumed = true;
	state->has_manager = true;
	state->is_open = true;
	state->is_owed = true;
	state->is_overlap_granted = true;
	state->failure_count = 3;
	state->began_ns = STATE_RIG_TAKEN_NS - 9 * NS_PER_S;
	state->deadline_ns = STATE_RIG_TAKEN_NS + 111 * NS_PER_S;
	state->backoff_ns = 120 * NS_PER_S;
	state->degrade_above_permyriad = 9000;
	state->cost_drain_ns = 15 * NS_PER_S;
	state->hello_pid = 4711;
	state->hello_start_ticks = 123456;
	state->tier_count = 3;
	state_rig_fill_tier(&state->tiers[0], "off", 0);
	state_rig_fill_tier(&state->tiers[1], "medium", 25 * GIB);
	state_rig_fill_tier(&state->tiers[2], "large", 40 * GIB);
	state->tiers[1].breaker = (struct breaker){.state = BREAKER_CLOSED,
						   .reason = REASON_TIER_FAILING,
						   .factor = 2,
						   .closed_ns = STATE_RIG_TAKEN_NS - NS_PER_S};
}

#endif
