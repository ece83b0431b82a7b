/* SPDX-License-Identifier: BSD-2-Clause */
/* The set of the model's processes, and the questions about it. */
#include "io/model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "io/model_set.h"

/* start_ns of a record is exact, /proc counts in ticks and both are rounded. */
#define START_SLACK_NS (20 * NS_PER_MS)

/* Where pid is, or would be. */
static unsigned int find_place(const struct member_set *set, uint32_t pid)
{
	unsigned int low = 0;
	unsigned int high = set->count;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (set->members[middle].pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct model_member *model_find_member(const struct member_set *set, uint32_t pid)
{
	unsigned int place = find_place(set, pid);

	return place < set->count && set->members[place].pid == pid ? &set->members[place] : NULL;
}

void model_insert_member(struct member_set *set, const struct model_member *member)
{
	unsigned int place = find_place(set, member->pid);

	if (set->count == MODEL_MEMBERS_MAX) {
		set->overflows++;
		return;
	}
	memmove(&set->members[place + 1], &set->members[place],
		(set->count - place) * sizeof(set->members[0]));
	set->members[place] = *member;
	set->count++;
}

unsigned int model_find_group_depth(const struct model *model, uint32_t pid)
{
	char path[PATH_MAX];

	if (model->group[0] == '\0' ||
	    cgroup_find_process(model->hierarchy, model->proc_fd, pid, path))
		return CGROUP_DEPTH_MAX;
	return cgroup_common_depth(model->group, path);
}

bool model_may_have(const struct model *model, uint32_t pid)
{
	return pid > 1 && pid != model->own_pid;
}

void model_add_member(struct model *model, struct member_set *set, const struct proc_stat *stat)
{
	struct model_member member = {
		.pid = stat->pid,
		.parent_pid = stat->parent_pid,
		.start_ticks = stat->start_ticks,
		.group_depth = model_find_group_depth(model, stat->pid),
	};

	model_insert_member(set, &member);
}

static int copy_text(const char *text, char *buffer, size_t size)
{
	if (!text)
		text = "";
	if (strlen(text) >= size)
		return -EINVAL;
	memcpy(buffer, text, strlen(text) + 1);
	return 0;
}

int model_create(const struct model_config *config, struct model **ret_model)
{
	_cleanup_free_ struct model *model = calloc(1, sizeof(*model));
	int err;

	if (!model)
		return -ENOMEM;
	model->hierarchy = config->hierarchy;
	model->own_pid = (uint32_t)getpid();
	model->tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	model->is_group_configured = config->group && config->group[0];
	model->is_scan_wanted = true;
	err = copy_text(config->program, model->program, sizeof(model->program));
	if (!err)
		err = copy_text(config->pid_file, model->pid_file, sizeof(model->pid_file));
	if (!err && model->is_group_configured)
		err = cgroup_make_path(config->hierarchy, config->group, model->group);
	if (err)
		return err;
	model->proc_fd = open(config->proc_root ? config->proc_root : "/proc",
			      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (model->proc_fd < 0)
		return -errno;
	*ret_model = TAKE_PTR(model);
	return 0;
}

void model_destroy(struct model *model)
{
	if (!model)
		return;
	cgroup_chain_close(&model->chain);
	close(model->proc_fd);
	free(model);
}

void model_set_hello_pid(struct model *model, uint32_t pid)
{
	model->is_scan_wanted = true;
	if (pid == 0 || proc_read_stat(model->proc_fd, pid, &model->hello) < 0)
		model->hello = (struct proc_stat){.pid = pid};
}

uint64_t model_get_hello_start_ticks(const struct model *model)
{
	return model->hello.start_ticks;
}

int model_restore_hello_pid(struct model *model, uint32_t pid, uint64_t start_ticks)
{
	struct proc_stat stat;

	if (pid == 0 || proc_read_stat(model->proc_fd, pid, &stat) < 0 ||
	    stat.start_ticks != start_ticks)
		return -ESRCH;
	model->hello = stat;
	model->is_scan_wanted = true;
	return 0;
}

void model_request_scan(struct model *model)
{
	model->is_scan_wanted = true;
}

const struct model_member *model_get_members(const struct model *model, unsigned int *ret_count)
{
	*ret_count = model->now.count;
	return model->now.members;
}

unsigned int model_get_overflows(const struct model *model)
{
	return model->now.overflows;
}

static uint64_t read_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/*
 * /proc counts from boot with suspended time, a record without. How much of the suspended time was
 * before the process started is not known, only that it is at most all of it.
 */
static bool is_same_start(const struct model *model, uint64_t start_ticks, uint64_t start_ns)
{
	uint64_t suspended_ns =
		units_minus(read_clock_ns(CLOCK_BOOTTIME), read_clock_ns(CLOCK_MONOTONIC));
	uint64_t ticks_ns = start_ticks * model->tick_ns;

	return start_ns == 0 || (ticks_ns + START_SLACK_NS >= start_ns &&
				 ticks_ns <= start_ns + suspended_ns + START_SLACK_NS);
}

bool model_is_member(const struct model *model, uint32_t pid, uint64_t start_ns)
{
	const struct model_member *member = model_find_member(&model->now, pid);

	return member && is_same_start(model, member->start_ticks, start_ns);
}

static bool is_own_group(const struct model *model, uint64_t cgroup_id)
{
	if (cgroup_id == 0 || model->chain.count == 0)
		return false;
	if (model->chain.levels[0].id == cgroup_id)
		return true;
	for (unsigned int i = 0; i < model->subgroup_count; i++) {
		if (model->subgroups[i] == cgroup_id)
			return true;
	}
	return false;
}

bool model_note_process(struct model *model, uint32_t pid, uint64_t start_ns, uint32_t parent_pid,
			uint64_t cgroup_id)
{
	struct proc_stat stat;

	if (model_is_member(model, pid, start_ns))
		return true;
	if (!model_may_have(model, pid) ||
	    (!model_find_member(&model->now, parent_pid) &&
	     !(model->is_group_configured && is_own_group(model, cgroup_id))))
		return false;
	/* One that is gone already need not be remembered. One of a reused pid takes the place of
	 * its predecessor at the next refresh. */
	if (!model_find_member(&model->now, pid) &&
	    proc_read_stat(model->proc_fd, pid, &stat) == 0 &&
	    is_same_start(model, stat.start_ticks, start_ns))
		model_add_member(model, &model->now, &stat);
	return true;
}

const char *model_get_group(const struct model *model)
{
	return model->chain.count > 0 ? model->group : NULL;
}

bool model_is_group_configured(const struct model *model)
{
	return model->is_group_configured;
}

uint64_t model_get_group_id(const struct model *model)
{
	return model->chain.count > 0 ? model->chain.levels[0].id : 0;
}

bool model_is_group_ours(const struct model *model, uint64_t cgroup_id)
{
	return is_own_group(model, cgroup_id) ||
	       (cgroup_id != 0 && cgroup_chain_has(&model->chain, cgroup_id));
}

const struct cgroup_chain *model_get_chain(const struct model *model)
{
	return &model->chain;
}
