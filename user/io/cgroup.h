/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory cgroups: where the hierarchy is mounted, which group a process is in, and what a group and
 * its ancestors are allowed and use. Version 1 (also on a hybrid host, where the v2 mount has no
 * memory controller) and version 2.
 *
 * A group's path is relative to the mount, starts with '/', and is "/" for the root. A group's id
 * is the inode number of its directory: the same number that the BPF programs report.
 */
#ifndef TIERD_IO_CGROUP_H
#define TIERD_IO_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CGROUP_DEPTH_MAX = 16, /* a group and its ancestors; deeper ones lack the topmost */
};

enum cgroup_version {
	CGROUP_NONE, /* no memory cgroups on this host */
	CGROUP_V1,
	CGROUP_V2,
};

struct cgroup_hierarchy {
	uint32_t version; /* enum cgroup_version */
	char mount[PATH_MAX];
	char root[PATH_MAX]; /* what of the hierarchy is mounted there: "/" but in containers */
};

/*
 * Finds the hierarchy in PROC/self/mountinfo: a v1 mount with the memory controller, else a v2
 * mount, else CGROUP_NONE. Returns 0, -EBADMSG, or another negative errno.
 */
int cgroup_find_hierarchy(const char *proc_root, struct cgroup_hierarchy *ret_hierarchy);

/*
 * The path of the group that text means: a path in the file system under the mount, or one relative
 * to the mount, with or without a '/' before it. -EINVAL if it is neither or holds "..".
 */
int cgroup_make_path(const struct cgroup_hierarchy *hierarchy, const char *text,
		     char ret_path[PATH_MAX]);

/* The path of the group that a process is in. -ENOENT or -ESRCH: no such process; -ENODATA: it is
 * in no group of this hierarchy (that is mounted here). */
int cgroup_find_process(const struct cgroup_hierarchy *hierarchy, int proc_fd, uint32_t pid,
			char ret_path[PATH_MAX]);

/*
 * How far up from path the nearest group is that holds the group `other` too: 0 if other is path or
 * below it, 1 if it is below path's parent, and so on.
 */
unsigned int cgroup_common_depth(const char *path, const char *other);

/* An open descriptor (O_RDONLY, a directory) of the group; -ENOENT if there is no such group. */
int cgroup_open(const struct cgroup_hierarchy *hierarchy, const char *path);

/* A group and its ancestors, nearest first, with their files open where they have any. */
struct cgroup_level {
	uint64_t id;
	int limit_fd; /* v1 memory.limit_in_bytes, v2 memory.max; -1 at the root of v2 */
	int high_fd;  /* v2 memory.high; -1 where there is none */
	int usage_fd;
	int stat_fd;
};

struct cgroup_chain {
	uint32_t version;
	unsigned int count;
	struct cgroup_level levels[CGROUP_DEPTH_MAX];
};

/* Returns 0; -ENOENT if there is no such group; or another negative errno. */
int cgroup_chain_open(const struct cgroup_hierarchy *hierarchy, const char *path,
		      struct cgroup_chain *ret_chain);
void cgroup_chain_close(struct cgroup_chain *chain);

bool cgroup_chain_has(const struct cgroup_chain *chain, uint64_t id);

#define CGROUP_UNLIMITED UINT64_MAX

/* The lower of the hard limit and v2's memory.high, over which the kernel throttles.
 * CGROUP_UNLIMITED if there is none. -ENODEV: the group was removed. */
int cgroup_read_limit(const struct cgroup_level *level, uint64_t *ret_limit_bytes);

/* Usage without the page cache of files that can be reclaimed, with all groups below. buffer is
 * room to read into. -ENODEV: the group was removed; -EBADMSG: garbled. */
int cgroup_read_used(const struct cgroup_chain *chain, const struct cgroup_level *level,
		     char *buffer, size_t size, uint64_t *ret_used_bytes);

/* The same with the page cache that somebody has mapped: what the group's processes work with. */
int cgroup_read_kept(const struct cgroup_chain *chain, const struct cgroup_level *level,
		     char *buffer, size_t size, uint64_t *ret_kept_bytes);

#endif
