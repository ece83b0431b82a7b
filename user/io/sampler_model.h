/* SPDX-License-Identifier: BSD-2-Clause */
/* What the model's processes hold in memory; used by sampler.c. */
#ifndef TIERD_IO_SAMPLER_MODEL_H
#define TIERD_IO_SAMPLER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/model.h"
#include "io/pss_reader.h"

struct model_usage {
	unsigned int process_count; /* with memory: no zombies */
	/* By depth: what is held in the group that many levels above the model's own, or below. */
	uint64_t level_bytes[CGROUP_DEPTH_MAX];
	uint64_t total_bytes;
	uint64_t kept_bytes; /* with all pages of files that are mapped */
	/* Of one at least it is not yet known how much it shares: it counts with its plain size. */
	bool is_share_unknown;
};

struct sampler_model {
	int proc_fd;
	struct pss_reader *reader;
	uint64_t wait_max_ns;   /* how long a reading may wait for shares */
	uint64_t no_wait_ns;    /* none waits before this time */
	uint64_t asked_ns;      /* when shares were asked for */
	uint64_t rest_until_ns; /* what was asked for is not again before this time */
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
