/* SPDX-License-Identifier: BSD-2-Clause */
/* How full things are, and which tier makes that better: for the rules in policy.c. */
#ifndef TIERD_CORE_POLICY_USE_H
#define TIERD_CORE_POLICY_USE_H

#include "policy.h"

/*
 * Highest use of what can be relieved, and the next rung down that takes less of it; 0 and
 * *ret_tier as it was where nothing can be.
 */
uint32_t policy_find_relievable(const struct situation *situation,
				const struct engine_config *config, uint32_t *ret_tier);

/* Whether a tier would not be stepped down from next: what no tier relieves it leaves as it is. */
bool policy_does_fit(const struct situation *situation, const struct engine_config *config,
		     uint32_t tier);

/* Whether the tier would take what preflights have reserved for others. */
bool policy_is_reserved(const struct situation *situation, const struct engine_config *config,
			uint32_t tier);

/*
 * The fullest resource that would be over degrade_above with the tier, and of which it takes more
 * than the serving one; NULL if there is none.
 */
const struct resource_view *policy_find_unfit(const struct situation *situation,
					      const struct engine_config *config, uint32_t tier);

#endif
