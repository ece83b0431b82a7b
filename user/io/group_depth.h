/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a process shares a memory limit with the model: how far up from the model's group the
 * nearest group is that holds the process too. The kernel's records tell a group's id only; its
 * path is read once per group, from /proc/PID/cgroup of the first process that is met in it.
 */
#ifndef TIERD_IO_GROUP_DEPTH_H
#define TIERD_IO_GROUP_DEPTH_H

#include <limits.h>
#include <stdint.h>

#include "io/cgroup.h"
#include "tierd/event.h"

enum {
	GROUP_DEPTH_ENTRIES = 256, /* a power of two; groups that collide are read again */
};

struct group_depth {
	int proc_fd;
	const struct cgroup_hierarchy *hierarchy;
	char group[PATH_MAX]; /* that the entries are relative to */
	struct {
		uint64_t cgroup_id; /* 0 = free */
		uint32_t depth;
	} entries[GROUP_DEPTH_ENTRIES];
};

/* hierarchy must outlive it. Returns 0, or a negative errno if there is no /proc. */
int group_depth_open(const struct cgroup_hierarchy *hierarchy, struct group_depth *ret_depths);
void group_depth_close(struct group_depth *depths);

/*
 * 0: the process is in the model's group or below it; 1: in the group above it, and so on.
 * model_group is the model's group now, NULL if there is none. EVENT_DEPTH_UNKNOWN without one, or
 * if the process is gone already.
 */
uint32_t group_depth_find(struct group_depth *depths, const char *model_group, uint32_t pid,
			  uint64_t cgroup_id);

/* The same for one process whose group's id is not known; nothing is remembered. */
uint32_t group_depth_find_process(const struct group_depth *depths, const char *model_group,
				  uint32_t pid);

#endif
