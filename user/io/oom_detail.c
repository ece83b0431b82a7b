// SPDX-License-Identifier: BSD-2-Clause
#include "io/oom_detail.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "io/proc.h"

enum {
	LIMIT_SLACK_SHIFT = 5, /* as in bpf/emit.bpf.h */
};

static bool level_is_at_limit(const struct cgroup_level *level)
{
	char text[32];
	uint64_t usage_bytes, limit_bytes;

	if (cgroup_read_limit(level, &limit_bytes) < 0 || limit_bytes == CGROUP_UNLIMITED ||
	    proc_read_fd(level->usage_fd, text, sizeof(text)) < 0 ||
	    !proc_parse_number(text, &usage_bytes))
		return false;
	return usage_bytes + (limit_bytes >> LIMIT_SLACK_SHIFT) >= limit_bytes;
}

static void group_fill(const struct cgroup_hierarchy *hierarchy, int proc_fd,
		       struct oom_record *record)
{
	char path[PATH_MAX];
	struct cgroup_chain chain;

	if (cgroup_find_process(hierarchy, proc_fd, record->pid, path) < 0 ||
	    cgroup_chain_open(hierarchy, path, &chain) < 0)
		return;
	record->cgroup_id = chain.levels[0].id;
	for (unsigned int i = 0; i < chain.count && !record->limit_cgroup_id; i++)
		if (level_is_at_limit(&chain.levels[i]))
			record->limit_cgroup_id = chain.levels[i].id;
	if (record->limit_cgroup_id)
		record->header.flags |= OOM_GROUP_LIMIT;
	cgroup_chain_close(&chain);
}

void oom_detail_complete(const struct cgroup_hierarchy *hierarchy, struct oom_record *record)
{
	_cleanup_close_ int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct proc_stat stat;

	if (proc_fd < 0)
		return;
	if (proc_read_stat(proc_fd, record->pid, &stat) >= 0) {
		record->parent_pid = stat.parent_pid;
		memcpy(record->comm, stat.comm, sizeof(record->comm) - 1);
	}
	group_fill(hierarchy, proc_fd, record);
}
