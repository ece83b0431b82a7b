/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two forms in which the BPF programs come, state in task storage or in preallocated tables, as
 * one: their programs, maps and globals have the same names.
 */
#ifndef TIERD_IO_SKELETON_H
#define TIERD_IO_SKELETON_H

#include <stdbool.h>
#include <stdint.h>

#include "tierd/record.h"

struct bpf_map;    /* libbpf */
struct bpf_object; /* libbpf */

struct skeleton {
	struct bpf_object *object;
	struct bpf_map *bulk_ring;
	struct bpf_map *urgent_ring;
	struct bpf_settings *settings; /* to be written before loading */
	struct host_counters *host;    /* from here on: to be used after loading */
	const uint64_t *losses;        /* LOSS_CAUSE_COUNT */
	uint32_t *walk_number;
	bool has_task_storage;
	void *generated;
};

/* 0 or negative errno; loads nothing and needs no privilege. */
int skeleton_open(struct skeleton *ret_skeleton, bool has_task_storage);
int skeleton_load(struct skeleton *skeleton);
void skeleton_close(struct skeleton *skeleton);

#endif
