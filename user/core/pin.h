/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pin: a person asks for exactly one tier, until they take it back, for some time, or for good.
 *
 * While it is in force the policy neither steps up nor down by itself; the pinned tier is stepped
 * to as planned, without waiting for calm, if use with it is under degrade_above. What protects the
 * host at once (OOM kill, use over degrade_above, urgent stall) goes before it, and so does a
 * manager that cannot load the tier. Then the pin is *overridden*: the policy decides as ever, but
 * never above the pinned tier, and that is stepped back up to after the usual calm.
 */
#ifndef TIERD_CORE_PIN_H
#define TIERD_CORE_PIN_H

#include <stdbool.h>
#include <stdint.h>

struct pin {
	bool is_set;
	bool is_due; /* asked for, and neither reached nor tried to the end so far */
	uint32_t tier;
	uint64_t until_ns; /* UINT64_MAX = until unpin */
	uint32_t reason;   /* what came before it last, enum decision_reason */
};

/* serving: as of transition_serving(). Not both; neither without a pin. */
bool pin_is_overridden(const struct pin *pin, uint32_t serving);
bool pin_is_in_force(const struct pin *pin, uint32_t serving);

#endif
