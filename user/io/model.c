/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The set of the model's processes: an array sorted by pid. A refresh builds the next set beside
 * the present one and takes it over only when everything could be read.
 */
#include "io/model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "io/model_scan.h"

enum {
	PROGRAM_MAX = 256,
	GENERATIONS_MAX = 16, /* passes over /proc where children are not listed */
};

/* start_ns of a record is exact, /proc counts in ticks and both are rounded. */
#define START_SLACK_NS (20 * NS_PER_MS)

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
	char program[PROGRAM_MAX];
	char pid_file[PATH_MAX];
	struct cgroup_chain chain;
	unsigned int subgroup_count;
	uint64_t subgroups[MODEL_SUBGROUPS_MAX];
	struct member_set now;
	struct member_set next; /* only during a refresh */
};

/* ---- the set --------------------------------------------------------------------------------- */

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

static const struct model_member *find_member(const struct member_set *set, uint32_t pid)
{
	unsigned int place = find_place(set, pid);

	return place < set->count && set->members[place].pid == pid ? &set->members[place] : NULL;
}

static void insert_member(struct member_set *set, const struct model_member *member)
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

static unsigned int find_group_depth(const struct model *model, uint32_t pid)
{
	char path[PATH_MAX];

	if (model->group[0] == '\0' ||
	    cgroup_find_process(model->hierarchy, model->proc_fd, pid, path))
		return CGROUP_DEPTH_MAX;
	return cgroup_common_depth(model->group, path);
}

/* Neither tierd itself nor init, whose descendants are everything, can be the model. */
static bool may_be_member(const struct model *model, uint32_t pid)
{
	return pid > 1 && pid != model->own_pid;
}

static void add_stat(struct model *model, struct member_set *set, const struct proc_stat *stat)
{
	struct model_member member = {
		.pid = stat->pid,
		.parent_pid = stat->parent_pid,
		.start_ticks = stat->start_ticks,
		.group_depth = find_group_depth(model, stat->pid),
	};

	insert_member(set, &member);
}

/* For the next set. */
static void add_pid(void *context, uint32_t pid)
{
	struct model *model = context;
	struct proc_stat stat;

	if (may_be_member(model, pid) && !find_member(&model->next, pid) &&
	    proc_read_stat(model->proc_fd, pid, &stat) == 0)
		add_stat(model, &model->next, &stat);
}

/* ---- refresh --------------------------------------------------------------------------------- */

static void add_matching(void *context, const struct proc_stat *stat)
{
	struct model *model = context;

	if (!may_be_member(model, stat->pid) || find_member(&model->next, stat->pid))
		return;
	if (find_member(&model->next, stat->parent_pid) ||
	    (model->program[0] && model_scan_is_program(model->proc_fd, stat, model->program)))
		add_stat(model, &model->next, stat);
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
		    stat.start_ticks == member->start_ticks && !find_member(&model->next, stat.pid))
			insert_member(&model->next, member);
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
			find_group_depth(model, model->next.members[i].pid);
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

/* ---- set-up and questions -------------------------------------------------------------------- */

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
	model->hello = (struct proc_stat){.pid = pid};
	model->is_scan_wanted = true;
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
	const struct model_member *member = find_member(&model->now, pid);

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
	if (!may_be_member(model, pid) ||
	    (!find_member(&model->now, parent_pid) &&
	     !(model->is_group_configured && is_own_group(model, cgroup_id))))
		return false;
	/* One that is gone already need not be remembered. One of a reused pid takes the place of
	 * its predecessor at the next refresh. */
	if (!find_member(&model->now, pid) && proc_read_stat(model->proc_fd, pid, &stat) == 0 &&
	    is_same_start(model, stat.start_ticks, start_ns))
		add_stat(model, &model->now, &stat);
	return true;
}

const char *model_get_group(const struct model *model)
{
	return model->chain.count > 0 ? model->group : NULL;
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
