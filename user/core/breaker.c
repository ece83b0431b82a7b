/* SPDX-License-Identifier: BSD-2-Clause */
#include "breaker.h"

void breaker_trip(struct breaker *breaker, uint64_t now_ns, uint64_t wait_ns, uint32_t reason)
{
	if (breaker->state == BREAKER_OPEN)
		return;
	if (breaker->factor == 0 ||
	    (breaker->state == BREAKER_CLOSED && now_ns - breaker->closed_ns >= BREAKER_FORGET_NS))
		breaker->factor = 1;
	breaker->state = BREAKER_OPEN;
	breaker->reason = reason;
	breaker->until_ns = units_plus(now_ns, units_scale(wait_ns, breaker->factor, 1));
	breaker->factor = (uint32_t)units_min(breaker->factor * UINT64_C(2), BREAKER_FACTOR_MAX);
}

void breaker_pass(struct breaker *breaker, uint64_t now_ns)
{
	if (breaker->state != BREAKER_HALF_OPEN)
		return;
	breaker->state = BREAKER_CLOSED;
	breaker->closed_ns = now_ns;
}

bool breaker_advance(struct breaker *breaker, uint64_t now_ns)
{
	if (breaker->state != BREAKER_OPEN || now_ns < breaker->until_ns)
		return false;
	breaker->state = BREAKER_HALF_OPEN;
	return true;
}
