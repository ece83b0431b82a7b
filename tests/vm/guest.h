/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests in a guest of their own, which may be driven out of memory: the kernel's own counts of
 * what the probes count, and swap.
 */
#ifndef TIERD_TESTS_VM_GUEST_H
#define TIERD_TESTS_VM_GUEST_H

#include <stdint.h>

#include "collector.h"

/* The sum of the lines of /proc/vmstat whose name begins with prefix. */
uint64_t guest_vmstat(const char *prefix);

/* The number behind key in group/memory.events. */
uint64_t guest_memory_event(const char *group, const char *key);

/* `some` of a group's memory.pressure or io.pressure so far, in ns. */
uint64_t guest_pressure_ns(const char *group, const char *file);

/* Compressed memory as swap. */
void guest_swap_on(void);
void guest_swap_off(void);

/* Reclaim episodes of all processes so far, also of those that are gone. */
uint64_t guest_direct_reclaims(const struct collector *collector);
uint64_t guest_memcg_reclaims(const struct collector *collector);

#endif
