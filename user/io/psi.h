/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PSI triggers: a descriptor that becomes ready (EPOLLPRI) when the stall on a resource, in the
 * "some" sense, exceeds a threshold within a window; at most one event per window. EPOLLERR means
 * that the trigger is gone for good: close it.
 *
 * Windows are 500 ms to 10 s. Without CAP_SYS_RESOURCE, kernels from 6.4 on take only multiples of
 * 2 s, and older ones nothing.
 */
#ifndef TIERD_IO_PSI_H
#define TIERD_IO_PSI_H

#include <stdint.h>

#define PSI_MEMORY_FILE "memory"
#define PSI_CPU_FILE "cpu"
#define PSI_IO_FILE "io"

/* The smallest window that this process may use. Returns 0; -EOPNOTSUPP if PSI is not there or off
 * (psi=1 at boot turns it on), -EPERM if this process may not use triggers, or another negative
 * errno. */
int psi_probe(uint64_t *ret_window_ns);

/*
 * Sets a trigger on /proc/pressure/FILE. Returns its descriptor, for the caller to close; -EINVAL
 * if the kernel does not take the window (threshold_ns must be above 0 and at most window_ns),
 * -EOPNOTSUPP, -EPERM, or another negative errno.
 */
int psi_trigger_open(const char *file, uint64_t threshold_ns, uint64_t window_ns);

#endif
