/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A circuit breaker (M. Nygard, Release It!) for one tier: a tier that does badly is left alone for
 * a while, then tried once; each try that goes badly doubles the wait.
 *
 *   closed    -> open       it does badly
 *   open      -> half-open  the wait is over: the tier may be tried
 *   half-open -> open       it does badly again: twice the wait, up to BREAKER_FACTOR_MAX times
 *   half-open -> closed     it does well
 *
 * What was learned of the wait is forgotten after the tier has done well for BREAKER_FORGET_NS. So
 * nothing here bars a tier for ever.
 */
#ifndef TIERD_CORE_BREAKER_H
#define TIERD_CORE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

#define BREAKER_FORGET_NS (3600 * NS_PER_S)

enum {
	BREAKER_FACTOR_MAX = 16,
};

enum breaker_state {
	BREAKER_CLOSED,
	BREAKER_OPEN,
	BREAKER_HALF_OPEN,
	BREAKER_STATE_COUNT,
};

/* All zeros is closed, and never opened. */
struct breaker {
	uint32_t state;     /* enum breaker_state */
	uint32_t reason;    /* why it was opened: enum decision_reason */
	uint32_t factor;    /* of the next wait: 0 and 1, 2, 4, ... */
	uint64_t until_ns;  /* open: half-open from then on */
	uint64_t closed_ns; /* closed: since then */
};

/* The tier does badly: opens it from closed or half-open for wait_ns, lengthened. */
void breaker_trip(struct breaker *breaker, uint64_t now_ns, uint64_t wait_ns, uint32_t reason);

/* The tier does well: closes it if it is half-open. */
void breaker_pass(struct breaker *breaker, uint64_t now_ns);

/* Lets time pass. Returns whether it has become half-open by that. */
bool breaker_advance(struct breaker *breaker, uint64_t now_ns);

#endif
