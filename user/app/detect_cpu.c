/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPU quotas: cpu.max of v2 groups, cpu.cfs_quota_us of v1 groups. The CPU controller may be in
 * another hierarchy than memory, so the mounts are searched for it alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "detect.h"
#include "io/proc.h"

enum {
	NUMBER_TEXT_LEN = 64,
	PID_TEXT_LEN = 24,
	LEVELS_MAX = 64,
};

struct cpu_mount {
	bool is_v2;
	char mount[PATH_MAX];
	char root[PATH_MAX]; /* what of the hierarchy is mounted there */
};

/* Whether word is one of the comma-separated words of list. */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (; *list; list += strcspn(list, ","), list += *list == ',') {
		if (strncmp(list, word, len) == 0 && strchr(",\n", list[len]))
			return true;
	}
	return false;
}

/*
 * A line of mountinfo (proc(5)): "ID PARENT DEV ROOT MOUNT OPTIONS [...] - TYPE SOURCE SUPER".
 * Mounts with blanks in their names are left out.
 */
static bool parse_mount(const char *line, struct cpu_mount *ret_mount)
{
	const char *tail = strstr(line, " - ");
	char type[16];
	char super[512];

	if (!tail || sscanf(tail, " - %15s %*s %511s", type, super) != 2)
		return false;
	if (sscanf(line, "%*s %*s %*s %4095s %4095s", ret_mount->root, ret_mount->mount) != 2)
		return false;
	ret_mount->is_v2 = strcmp(type, "cgroup2") == 0;
	return ret_mount->is_v2 || (strcmp(type, "cgroup") == 0 && has_word(super, "cpu"));
}

/* A v1 mount with the controller wins: it is then not on v2. */
static bool find_mount(const char *proc_root, struct cpu_mount *ret_mount)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	_cleanup_free_ struct cpu_mount *one = malloc(sizeof(*one));
	char path[PATH_MAX];
	size_t size = 0;
	bool is_found = false;

	snprintf(path, sizeof(path), "%s/self/mountinfo", proc_root);
	file = fopen(path, "re");
	if (!file || !one)
		return false;
	while (getline(&line, &size, file) > 0) {
		if (!parse_mount(line, one) || (is_found && one->is_v2))
			continue;
		*ret_mount = *one;
		is_found = true;
		if (!one->is_v2)
			break;
	}
	return is_found;
}

/* The group's path from "ID:CONTROLLERS:PATH" (cgroups(7)). */
static bool find_group(const char *proc_root, pid_t pid, bool is_v2, char ret_path[PATH_MAX])
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	char path[PATH_MAX];
	char name[PID_TEXT_LEN];
	size_t size = 0;

	snprintf(name, sizeof(name), "%d", (int)pid);
	snprintf(path, sizeof(path), "%s/%s/cgroup", proc_root, pid > 0 ? name : "self");
	file = fopen(path, "re");
	if (!file)
		return false;
	while (getline(&line, &size, file) > 0) {
		char *controllers = strchr(line, ':');
		char *group = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!group)
			continue;
		*group++ = '\0';
		group[strcspn(group, "\n")] = '\0';
		if (is_v2 ? controllers[1] != '\0' : !has_word(controllers + 1, "cpu"))
			continue;
		return (size_t)snprintf(ret_path, PATH_MAX, "%s", group) < PATH_MAX;
	}
	return false;
}

static int read_number(int dir_fd, const char *name, int64_t *ret_number)
{
	char text[NUMBER_TEXT_LEN];
	long long number;
	int r = proc_read_file(dir_fd, name, text, sizeof(text));

	if (r < 0)
		return r;
	if (sscanf(text, "%lld", &number) != 1) /* NOLINT(cert-err34-c): range is checked below */
		return -EBADMSG;
	*ret_number = number;
	return 0;
}

/* Quota and period of one group; no quota is -ENODATA. */
static int read_quota(int dir_fd, bool is_v2, uint64_t *ret_quota_us, uint64_t *ret_period_us)
{
	char text[NUMBER_TEXT_LEN];
	int64_t quota = -1;
	int64_t period = 0;

	if (is_v2) {
		const char *rest;
		int r = proc_read_file(dir_fd, "cpu.max", text, sizeof(text));

		if (r < 0)
			return r;
		rest = proc_parse_number(text, ret_quota_us);
		if (!rest) /* "max" */
			return -ENODATA;
		return proc_parse_number(rest, ret_period_us) ? 0 : -EBADMSG;
	}
	if (read_number(dir_fd, "cpu.cfs_quota_us", &quota) < 0 ||
	    read_number(dir_fd, "cpu.cfs_period_us", &period) < 0)
		return -ENODATA;
	if (quota <= 0 || period <= 0)
		return -ENODATA;
	*ret_quota_us = (uint64_t)quota;
	*ret_period_us = (uint64_t)period;
	return 0;
}

/* The group's directory: its path without the part above the mount. */
static bool make_directory(const struct cpu_mount *mount, const char *group,
			   char ret_path[PATH_MAX])
{
	size_t root_len = strcmp(mount->root, "/") == 0 ? 0 : strlen(mount->root);

	if (strncmp(group, mount->root, root_len) != 0 || strstr(group, ".."))
		return false;
	return (size_t)snprintf(ret_path, PATH_MAX, "%s%s", mount->mount, group + root_len) <
	       PATH_MAX;
}

uint32_t hardware_read_cpu_quota(const char *proc_root, pid_t pid)
{
	_cleanup_free_ struct cpu_mount *mount = malloc(sizeof(*mount));
	char group[PATH_MAX];
	char path[PATH_MAX];
	uint64_t lowest = UINT32_MAX;

	if (!mount || !find_mount(proc_root, mount) ||
	    !find_group(proc_root, pid, mount->is_v2, group) || !make_directory(mount, group, path))
		return UINT32_MAX;
	for (int level = 0; level < LEVELS_MAX && strlen(path) >= strlen(mount->mount); level++) {
		_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		uint64_t quota_us = 0;
		uint64_t period_us = 0;

		if (fd >= 0 && read_quota(fd, mount->is_v2, &quota_us, &period_us) == 0)
			lowest = units_min(lowest, units_scale(quota_us, 1000, period_us));
		char *slash = strrchr(path, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	return (uint32_t)lowest;
}
