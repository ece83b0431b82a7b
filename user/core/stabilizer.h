/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When it has been calm for long enough to step up: the calm clock, the hold after lost data, and
 * the longer wait after step ups that failed.
 *
 * Nothing here ever delays a step down, and nothing here waits for ever: the wait is at most
 * eight times the configured one, and lost data holds for at most eight times that in all (until
 * a whole stabilization without loss makes the account good again).
 */
#ifndef TIERD_CORE_STABILIZER_H
#define TIERD_CORE_STABILIZER_H

#include <stdbool.h>
#include <stdint.h>

enum {
	STABILIZER_FACTOR_MAX = 8,
};

enum loss_kind {
	LOSS_KIND_DECISIVE,    /* samples or urgent records: pressure may have gone unseen */
	LOSS_KIND_ATTRIBUTION, /* detail only: who it was is less sure, amounts come later */
	LOSS_KIND_COUNT,
};

struct stabilizer_episode {
	bool is_open; /* there was a loss, and no whole stabilization without one since */
	uint64_t began_ns;
	uint64_t last_ns;
};

struct stabilizer {
	uint64_t last_event_ns; /* the later of pressure, switch, and being told to start anew */
	bool is_step_up_on_trial;
	uint64_t trial_end_ns;
	uint32_t factor; /* of the configured wait; 1, 2, 4 or 8 */
	uint64_t factor_since_ns;
	struct stabilizer_episode loss[LOSS_KIND_COUNT];
};

void stabilizer_init(struct stabilizer *stabilizer, uint64_t now_ns);

/* Lets time pass: the longer wait decays, and accounts of losses are closed. */
void stabilizer_advance(struct stabilizer *stabilizer, uint64_t now_ns, uint64_t stabilization_ns);

/* Pressure was seen, or something after which calm has to be shown anew (resume). */
void stabilizer_restart(struct stabilizer *stabilizer, uint64_t now_ns);

/* A step up is in place: pressure within trial_ns makes it a failure. */
void stabilizer_note_step_up(struct stabilizer *stabilizer, uint64_t now_ns, uint64_t trial_ns);

/* Pressure forces a step down; doubles the wait if a step up is still on trial. */
void stabilizer_note_step_down(struct stabilizer *stabilizer, uint64_t now_ns,
			       uint64_t stabilization_ns);

/* A step up could not be carried out. */
void stabilizer_note_failed_step_up(struct stabilizer *stabilizer, uint64_t now_ns);

void stabilizer_note_loss(struct stabilizer *stabilizer, enum loss_kind kind, uint64_t now_ns,
			  uint64_t stabilization_ns);

/* The wait in force, with any lengthening. */
uint64_t stabilizer_wait_ns(const struct stabilizer *stabilizer, uint64_t stabilization_ns);

/* How long it has been calm, leaving losses out. */
uint64_t stabilizer_pressure_calm_ns(const struct stabilizer *stabilizer, uint64_t now_ns);

/* How long it has been calm and without (counted) losses. */
uint64_t stabilizer_calm_ns(const struct stabilizer *stabilizer, uint64_t now_ns,
			    uint64_t stabilization_ns);

/* Losses have held long enough: decisions go on without the lost data. */
bool stabilizer_is_degraded(const struct stabilizer *stabilizer, uint64_t now_ns,
			    uint64_t stabilization_ns);

#endif
