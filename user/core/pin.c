/* SPDX-License-Identifier: BSD-2-Clause */
#include "pin.h"

bool pin_is_overridden(const struct pin *pin, uint32_t serving)
{
	return pin->is_set && !pin->is_due && serving < pin->tier;
}

bool pin_is_in_force(const struct pin *pin, uint32_t serving)
{
	return pin->is_set && !pin_is_overridden(pin, serving);
}
