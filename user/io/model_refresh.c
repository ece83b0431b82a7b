/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding the model's processes. The next set is built beside the present one and takes its place
 * only when everything could be read.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "io/model_scan.h"
#include "io/model_set.h"

enum {
	GENERATIONS_MAX = 16, /* from a root of the model to its last descendant */
};

/* For the next set. */
static void add_pid(void *context, uint32_t pid)
{
	struct model *model = context;
	struct proc_stat stat;

	if (model_may_have(model, pid) && !model_find_member(&model->next, pid) &&
	    proc_read_stat(model->proc_fd, pid, &stat) == 0)
		model_add_member(model, &model->next, &stat);
}

static void add_matching(void *context, const struct proc_stat *stat)
{
	struct model *model = context;

	if (!model_may_have(model, stat->pid) || model_find_member(&model->next, stat->pid))
		return;
	if (model_find_member(&model->next, stat->parent_pid) ||
	    (model->program[0] && model_scan_is_program(model->proc_fd, stat, model->program)))
		model_add_member(model, &model->next, stat);
}

struct child_scan {
	struct model *model;
	bool has_added;
};

static void add_child(void *context, uint32_t pid)
{
	struct child_scan *scan = context;
	unsigned int count = scan->model->next.count;

	add_pid(scan->model, pid);
	scan->has_added |= scan->model->next.count != count;
}

/* One pass over the members. The set stays sorted while it grows, so a member may be skipped or
 * visited twice; the passes go on until none adds anything. */
static int add_children_once(struct model *model, bool *ret_has_added)
{
	struct child_scan scan = {.model = model};

	for (unsigned int i = 0; i < model->next.count; i++) {
		int err = model_scan_children(model->proc_fd, model->next.members[i].pid, add_child,
					      &scan);

		if (err)
			return err;
	}
	*ret_has_added = scan.has_added;
	return 0;
}

static int add_descendants(struct model *model)
{
	bool is_listed = true;
	bool has_added = true;

	for (int i = 0; has_added && i < GENERATIONS_MAX; i++) {
		unsigned int count = model->next.count;
		int err = is_listed ? add_children_once(model, &has_added) : -EOPNOTSUPP;

		if (err == -EOPNOTSUPP) {
			is_listed = false;
			err = model_scan_processes(model->proc_fd, add_matching, model);
			has_added = model->next.count != count;
		}
		if (err)
			return err;
	}
	return 0;
}

/* Members that still live; those that moved elsewhere are found out by the next full refresh. */
static void keep_living(struct model *model)
{
	for (unsigned int i = 0; i < model->now.count; i++) {
		const struct model_member *member = &model->now.members[i];
		struct proc_stat stat;

		if (proc_read_stat(model->proc_fd, member->pid, &stat) == 0 &&
		    stat.start_ticks == member->start_ticks &&
		    !model_find_member(&model->next, stat.pid))
			model_insert_member(&model->next, member);
	}
}

static void add_hello(struct model *model)
{
	struct proc_stat stat;

	if (model->hello.pid == 0 || proc_read_stat(model->proc_fd, model->hello.pid, &stat))
		return;
	if (model->hello.start_ticks == 0)
		model->hello = stat;
	if (stat.start_ticks == model->hello.start_ticks)
		add_pid(model, stat.pid);
}

static int add_group(struct model *model)
{
	struct model_scan_ids subgroups = {model->subgroups, 0, MODEL_SUBGROUPS_MAX};
	_cleanup_close_ int fd = -1;
	int err;

	if (!model->is_group_configured || model->chain.count == 0)
		return 0;
	fd = cgroup_open(model->hierarchy, model->group);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	err = model_scan_group(fd, add_pid, model, &subgroups);
	model->subgroup_count = subgroups.count;
	return err;
}

/* Opens the group's chain anew, unless the one that is open still is the group. */
static int refresh_chain(struct model *model)
{
	_cleanup_close_ int fd = -1;
	struct stat info;
	int err = -ENOENT;

	if (model->group[0])
		fd = cgroup_open(model->hierarchy, model->group);
	if (fd >= 0 && model->chain.count > 0 && fstat(fd, &info) == 0 &&
	    info.st_ino == model->chain.levels[0].id)
		return 0;
	cgroup_chain_close(&model->chain);
	model->subgroup_count = 0;
	if (fd >= 0)
		err = cgroup_chain_open(model->hierarchy, model->group, &model->chain);
	else if (model->group[0])
		err = fd;
	return err == -ENOENT ? 0 : err;
}

/* Where no group is configured it is the first member's, wherever that is now. */
static int derive_group(struct model *model)
{
	char path[PATH_MAX] = "";

	if (model->is_group_configured)
		return 0;
	if (model->next.count > 0)
		(void)cgroup_find_process(model->hierarchy, model->proc_fd,
					  model->next.members[0].pid, path);
	if (strcmp(path, model->group) == 0)
		return 0;
	memcpy(model->group, path, strlen(path) + 1);
	cgroup_chain_close(&model->chain);
	for (unsigned int i = 0; i < model->next.count; i++)
		model->next.members[i].group_depth =
			model_find_group_depth(model, model->next.members[i].pid);
	return refresh_chain(model);
}

static int build_next(struct model *model, bool is_full)
{
	uint32_t pid_file_pid = model->pid_file[0] ? model_scan_pid_file(model->pid_file) : 0;
	int err = refresh_chain(model);

	model->next.count = 0;
	model->next.overflows = 0;
	if (!err)
		err = add_group(model);
	if (err)
		return err;
	if (!is_full)
		keep_living(model);
	add_hello(model);
	if (pid_file_pid > 0)
		add_pid(model, pid_file_pid);
	if (is_full || pid_file_pid != model->pid_file_pid) {
		if (model->program[0])
			err = model_scan_processes(model->proc_fd, add_matching, model);
		if (!err)
			err = add_descendants(model);
	}
	model->pid_file_pid = pid_file_pid;
	return err ? err : derive_group(model);
}

int model_refresh(struct model *model, uint64_t now_ns)
{
	bool is_full = model->is_scan_wanted || now_ns >= model->scan_at_ns;
	int err = build_next(model, is_full);

	if (err)
		return err;
	model->now = model->next;
	if (is_full) {
		model->is_scan_wanted = false;
		model->scan_at_ns = now_ns + MODEL_SCAN_PERIOD_S * NS_PER_S;
	}
	return 0;
}
