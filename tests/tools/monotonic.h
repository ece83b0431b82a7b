/* SPDX-License-Identifier: BSD-2-Clause */
/* The clock of the tools, which are linked to nothing of ours. */
#ifndef TIERD_TESTS_MONOTONIC_H
#define TIERD_TESTS_MONOTONIC_H

#include <stdint.h>
#include <time.h>

#include "base/units.h"

/* CLOCK_MONOTONIC */
static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

#endif
