/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the BPF programs cost: time and runs, as the kernel counts them while its statistics are on,
 * and the kernel memory of their maps. Nobody pays for the statistics but while they are asked for:
 * they are on as long as the descriptor is open (BPF_ENABLE_STATS, kernels from 5.8 on).
 */
#ifndef TIERD_IO_BPF_COST_H
#define TIERD_IO_BPF_COST_H

#include <stdint.h>

#include "io/probes.h"

enum {
	BPF_COST_PROGRAMS_MAX = 32,
};

/* Of one program since it was loaded, for as long as statistics were on. */
struct bpf_cost_program {
	const char *name; /* these two as in struct probes_program */
	const char *tracepoint;
	uint64_t runs;
	uint64_t run_ns;
};

struct bpf_cost {
	uint32_t count;
	struct bpf_cost_program programs[BPF_COST_PROGRAMS_MAX];
	uint64_t map_bytes;
};

/* Turns statistics on. Returns the descriptor, which turns them off when it is closed; -EINVAL if
 * this kernel cannot, -EPERM, or another negative errno. */
int bpf_cost_enable(void);

/* Programs that are not loaded are left out. Returns 0, or a negative errno. */
int bpf_cost_read(const struct probes *probes, struct bpf_cost *ret_cost);

#endif
