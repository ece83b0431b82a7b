/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where process ids come from: cgroups, children, all of /proc, pid files. Used by model.c.
 * Processes and groups that vanish while being read are not errors: they have no pids.
 */
#ifndef TIERD_IO_MODEL_SCAN_H
#define TIERD_IO_MODEL_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/proc.h"

typedef void (*model_scan_pid_callback)(void *context, uint32_t pid);
typedef void (*model_scan_stat_callback)(void *context, const struct proc_stat *stat);

/* Ids of groups; what does not fit is left out. */
struct model_scan_ids {
	uint64_t *ids;
	unsigned int count;
	unsigned int max;
};

/* The processes of the group and of all groups below, whose ids are added to subgroups. Returns 0,
 * -EBADMSG, -EOPNOTSUPP (the group itself is threaded), or another negative errno. */
int model_scan_group(int group_fd, model_scan_pid_callback callback, void *context,
		     struct model_scan_ids *subgroups);

/* The children of all threads of pid. Returns 0; -EOPNOTSUPP if this kernel does not list them
 * (CONFIG_PROC_CHILDREN). */
int model_scan_children(int proc_fd, uint32_t pid, model_scan_pid_callback callback, void *context);

/* All processes. Returns 0 or a negative errno. */
int model_scan_processes(int proc_fd, model_scan_stat_callback callback, void *context);

/* Whether /proc/PID/exe has that base name, or is program itself if there is a '/' in it. The name
 * of the process is not asked: everybody chooses their own. */
bool model_scan_is_program(int proc_fd, const struct proc_stat *stat, const char *program);

/* The pid in the first line, which white space may follow. 0 if there is no such file, or anything
 * else in that line. */
uint32_t model_scan_pid_file(const char *path);

#endif
