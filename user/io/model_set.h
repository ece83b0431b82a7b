/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of struct model, shared by model.c (questions) and model_refresh.c (the answers). */
#ifndef TIERD_IO_MODEL_SET_H
#define TIERD_IO_MODEL_SET_H

#include "io/model.h"
#include "io/proc.h"

/* Sorted by pid. */
struct member_set {
	unsigned int count;
	unsigned int overflows;
	struct model_member members[MODEL_MEMBERS_MAX];
};

struct model {
	const struct cgroup_hierarchy *hierarchy;
	int proc_fd;
	uint32_t own_pid;
	uint64_t tick_ns;
	bool is_group_configured;
	bool is_scan_wanted;
	uint64_t scan_at_ns;    /* the next full one */
	uint32_t pid_file_pid;  /* what it said last */
	struct proc_stat hello; /* pid 0 = none; start_ticks 0 = to be looked up */
	char group[PATH_MAX];   /* "" = none */
	char program[PATH_MAX];
	char pid_file[PATH_MAX];
	struct cgroup_chain chain;
	unsigned int subgroup_count;
	uint64_t subgroups[MODEL_SUBGROUPS_MAX];
	struct member_set now;
	struct member_set next; /* only during a refresh */
};

/* NULL if pid is not in the set. */
const struct model_member *model_find_member(const struct member_set *set, uint32_t pid);

/* pid is not in the set yet; when the set is full that is counted. */
void model_insert_member(struct member_set *set, const struct model_member *member);
void model_add_member(struct model *model, struct member_set *set, const struct proc_stat *stat);

/* As cgroup_common_depth() for the model's group; CGROUP_DEPTH_MAX if there is no such thing. */
unsigned int model_find_group_depth(const struct model *model, uint32_t pid);

/* Neither tierd itself nor init, whose descendants are everything, can be the model. */
bool model_may_have(const struct model *model, uint32_t pid);

#endif
