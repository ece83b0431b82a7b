/* SPDX-License-Identifier: BSD-2-Clause */
/* What the model's processes hold in memory; used by sampler.c. */
#ifndef TIERD_IO_SAMPLER_MODEL_H
#define TIERD_IO_SAMPLER_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "io/model.h"

/* Of one process. */
struct model_size {
	uint64_t used_bytes; /* without pages of files that can be dropped */
	uint64_t kept_bytes; /* with all pages of files that it has mapped */
};

/* The proportional size of a process, and the plain size that it had when that was read. */
struct pss_entry {
	uint32_t pid;
	uint64_t start_ticks;
	uint64_t read_at_ns;
	struct model_size plain;
	struct model_size pss;
};

struct model_usage {
	unsigned int process_count; /* with memory: no zombies */
	/* By depth: what is held in the group that many levels above the model's own, or below. */
	uint64_t level_bytes[CGROUP_DEPTH_MAX];
	uint64_t total_bytes;
	uint64_t kept_bytes; /* with all pages of files that are mapped */
};

struct sampler_model {
	int proc_fd;
	unsigned int entry_count;
	struct pss_entry entries[MODEL_MEMBERS_MAX]; /* in the order of the members */
	struct pss_entry next[MODEL_MEMBERS_MAX];    /* only during a reading */
};

/*
 * Adds up what the members hold. buffer is room to read files into. Returns 0; -EBADMSG if a
 * process's status is garbled; or another negative errno. Processes that ended meanwhile are
 * skipped.
 */
int sampler_model_read(struct sampler_model *state, const struct model *model, uint64_t now_ns,
		       char *buffer, size_t size, struct model_usage *ret_usage);

#endif
