/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which processes are the model: those in a cgroup (and below it), those that run an executable of
 * a name or path, the one in a pid file, and the one that the manager named in its hello; each with
 * its descendants. tierd itself never is.
 *
 * Members are remembered with their start time, so that a reused pid is not taken for the model.
 * The set is found anew every MODEL_SCAN_PERIOD_S, or when asked; in between, the group and the pid
 * file are read, dead members dropped, and new children taken over from the kernel's records
 * (model_note_process()).
 */
#ifndef TIERD_IO_MODEL_H
#define TIERD_IO_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "io/cgroup.h"

enum {
	MODEL_MEMBERS_MAX = 256,
	MODEL_SUBGROUPS_MAX = 64, /* groups below the model's own */
	MODEL_SCAN_PERIOD_S = 5,
};

struct model;

/* Strings may be NULL or "" for "not configured"; they are copied. */
struct model_config {
	const char *proc_root;                    /* NULL = /proc */
	const struct cgroup_hierarchy *hierarchy; /* must outlive the model */
	const char *group;                        /* as cgroup_make_path() takes it */
	const char *program; /* base name of the executable; its whole path if there is a '/' */
	const char *pid_file;
};

struct model_member {
	uint32_t pid;
	uint32_t parent_pid;
	uint64_t start_ticks;     /* /proc/PID/stat, USER_HZ since boot */
	unsigned int group_depth; /* how far up from the model's group the process's group hangs;
				   * 0 = in it or below (cgroup_common_depth()) */
};

/* Returns 0; -EINVAL (group is no path); or another negative errno. */
int model_create(const struct model_config *config, struct model **ret_model);
void model_destroy(struct model *model);

/*
 * The process that the manager named; 0 = none any more. It is taken in at the next refresh, and
 * stays what it is: another that gets its pid is not. If there is no such process yet, the first
 * that has the pid is meant.
 */
void model_set_hello_pid(struct model *model, uint32_t pid);

/* Its start time as in struct model_member; 0 as long as none has been seen. */
uint64_t model_get_hello_start_ticks(const struct model *model);

/* The same of one that was named before. Returns 0; or -ESRCH, and nothing changes, if that process
 * is gone, whoever has its pid now. */
int model_restore_hello_pid(struct model *model, uint32_t pid, uint64_t start_ticks);

/* Makes the next refresh a full one. */
void model_request_scan(struct model *model);

/*
 * Finds the members; before each sample. now_ns is CLOCK_MONOTONIC. Returns 0, or a negative errno
 * if /proc or the group cannot be read; then the members stay as they were. A group or a process
 * that is not there is not an error.
 */
int model_refresh(struct model *model, uint64_t now_ns);

/* Ascending by pid. Valid until the next refresh or note. */
const struct model_member *model_get_members(const struct model *model, unsigned int *ret_count);

/* How often a process did not fit into MODEL_MEMBERS_MAX at the last refresh; 0 = all are known. */
unsigned int model_get_overflows(const struct model *model);

/*
 * For every record of a process: whether it is of the model. A process that is not known yet is, if
 * its parent is a member or its group is the model's configured one; it is then a member from now
 * on. start_ns as in the record (CLOCK_MONOTONIC), 0 = not known; cgroup_id 0 = not known.
 */
bool model_note_process(struct model *model, uint32_t pid, uint64_t start_ns, uint32_t parent_pid,
			uint64_t cgroup_id);

/* The same without making it a member. */
bool model_is_member(const struct model *model, uint32_t pid, uint64_t start_ns);

/*
 * The model's group: the configured one, or else that of the member with the lowest pid. Returns
 * NULL if there is none (now). Valid until the next refresh.
 */
const char *model_get_group(const struct model *model);

/* Whether that group is the configured one: then all that is in it is the model. */
bool model_is_group_configured(const struct model *model);

/* The id of that group; 0 if there is none. */
uint64_t model_get_group_id(const struct model *model);

/* Whether the group with this id holds the model, or part of it: it is the model's group, one of
 * its ancestors, or one below it. */
bool model_is_group_ours(const struct model *model, uint64_t cgroup_id);

/* The group and its ancestors, for reading limits and usage; count is 0 if there is none. A refresh
 * opens it anew when the group was removed and made again. */
const struct cgroup_chain *model_get_chain(const struct model *model);

#endif
