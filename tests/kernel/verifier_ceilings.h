/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many instructions the verifier may process for each program, with room for what later kernels
 * count differently. A program that outgrows its ceiling may fail to load on a kernel that explores
 * it less well; the kernel's own limit is 1000000.
 */
#ifndef TIERD_TESTS_VERIFIER_CEILINGS_H
#define TIERD_TESTS_VERIFIER_CEILINGS_H

#include "io/probes.h"

/* Prints the numbers; fails the test if one is over its ceiling, zero, or has no ceiling. */
void verifier_check(const struct probes *probes);

#endif
