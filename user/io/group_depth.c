// SPDX-License-Identifier: BSD-2-Clause
#include "io/group_depth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int group_depth_open(const struct cgroup_hierarchy *hierarchy, struct group_depth *ret_depths)
{
	int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	memset(ret_depths, 0, sizeof(*ret_depths));
	ret_depths->proc_fd = fd;
	ret_depths->hierarchy = hierarchy;
	return 0;
}

void group_depth_close(struct group_depth *depths)
{
	if (depths->hierarchy)
		close(depths->proc_fd);
	depths->hierarchy = NULL;
}

uint32_t group_depth_find(struct group_depth *depths, const char *model_group, uint32_t pid,
			  uint64_t cgroup_id)
{
	char path[PATH_MAX];
	unsigned int slot = (unsigned int)(cgroup_id & (GROUP_DEPTH_ENTRIES - 1));

	if (!model_group || !cgroup_id)
		return EVENT_DEPTH_UNKNOWN;
	if (strcmp(depths->group, model_group) != 0) {
		snprintf(depths->group, sizeof(depths->group), "%s", model_group);
		memset(depths->entries, 0, sizeof(depths->entries));
	}
	if (depths->entries[slot].cgroup_id == cgroup_id)
		return depths->entries[slot].depth;
	if (cgroup_find_process(depths->hierarchy, depths->proc_fd, pid, path) < 0)
		return EVENT_DEPTH_UNKNOWN;
	depths->entries[slot].cgroup_id = cgroup_id;
	depths->entries[slot].depth = cgroup_common_depth(model_group, path);
	return depths->entries[slot].depth;
}

uint32_t group_depth_find_process(const struct group_depth *depths, const char *model_group,
				  uint32_t pid)
{
	char path[PATH_MAX];

	if (!model_group || cgroup_find_process(depths->hierarchy, depths->proc_fd, pid, path) < 0)
		return EVENT_DEPTH_UNKNOWN;
	return cgroup_common_depth(model_group, path);
}
