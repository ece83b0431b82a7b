/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory cgroups, version 1 and 2. */
#include "io/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "io/proc.h"

enum {
	CGROUP_FILE_SIZE = 8192, /* of /proc/PID/cgroup */
	NUMBER_SIZE = 64,
	PID_NAME_SIZE = 32,
	MOUNT_FIELDS = 5, /* of mountinfo, before the optional ones */
};

struct version_files {
	const char *limit;
	const char *high;
	const char *usage;
	const char *active_file;
	const char *inactive_file;
	const char *cache; /* of files, with shmem */
	const char *shmem;
	const char *unevictable;
	const char *mapped; /* of the cache and shmem, what somebody maps */
};

static const struct version_files FILES[] = {
	[CGROUP_V1] = {"memory.limit_in_bytes", NULL, "memory.usage_in_bytes", "total_active_file",
		       "total_inactive_file", "total_cache", "total_shmem", "total_unevictable",
		       "total_mapped_file"},
	[CGROUP_V2] = {"memory.max", "memory.high", "memory.current", "active_file",
		       "inactive_file", "file", "shmem", "unevictable", "file_mapped"},
};

/* ---- the mount ------------------------------------------------------------------------------- */

/* Undoes mountinfo's \ooo in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from;) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
		    from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
			*to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
				       (from[3] - '0'));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

/* Whether word is one of the comma-separated words of list. */
static bool has_word(const char *list, size_t list_len, const char *word)
{
	size_t word_len = strlen(word);

	for (size_t at = 0; at < list_len;) {
		size_t len = 0;

		while (at + len < list_len && list[at + len] != ',')
			len++;
		if (len == word_len && memcmp(list + at, word, len) == 0)
			return true;
		at += len + 1;
	}
	return false;
}

/*
 * One line of mountinfo: "31 23 0:28 /root /mount options [optional...] - type source superoptions"
 * (proc(5)). Returns the version that it is a memory hierarchy of, or CGROUP_NONE.
 */
static uint32_t parse_mount(char *line, struct cgroup_hierarchy *ret_hierarchy)
{
	char *tail = strstr(line, " - ");
	char *save = NULL;
	char *fields[MOUNT_FIELDS] = {NULL};
	const char *type;
	const char *options;
	uint32_t version = CGROUP_NONE;

	if (!tail)
		return CGROUP_NONE;
	*tail = '\0';
	for (size_t i = 0; i < MOUNT_FIELDS; i++)
		fields[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
	type = strtok_r(tail + 3, " ", &save);
	strtok_r(NULL, " ", &save);
	options = strtok_r(NULL, " \n", &save);
	if (!fields[MOUNT_FIELDS - 1] || !type || !options)
		return CGROUP_NONE;
	if (strcmp(type, "cgroup2") == 0)
		version = CGROUP_V2;
	else if (strcmp(type, "cgroup") == 0 && has_word(options, strlen(options), "memory"))
		version = CGROUP_V1;
	if (version == CGROUP_NONE || strlen(fields[3]) >= PATH_MAX ||
	    strlen(fields[4]) >= PATH_MAX)
		return CGROUP_NONE;
	ret_hierarchy->version = version;
	memcpy(ret_hierarchy->root, fields[3], strlen(fields[3]) + 1);
	memcpy(ret_hierarchy->mount, fields[4], strlen(fields[4]) + 1);
	unescape(ret_hierarchy->root);
	unescape(ret_hierarchy->mount);
	return version;
}

int cgroup_find_hierarchy(const char *proc_root, struct cgroup_hierarchy *ret_hierarchy)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	_cleanup_free_ struct cgroup_hierarchy *one = malloc(sizeof(*one));
	char path[PATH_MAX];
	size_t size = 0;

	if (!one)
		return -ENOMEM;
	if ((size_t)snprintf(path, sizeof(path), "%s/self/mountinfo", proc_root) >= sizeof(path))
		return -ENAMETOOLONG;
	file = fopen(path, "re");
	if (!file)
		return -errno;
	ret_hierarchy->version = CGROUP_NONE;
	while (getline(&line, &size, file) > 0) {
		uint32_t version = parse_mount(line, one);

		/* A memory controller on v1 is not on v2; the first mount of each is as good as
		 * any other. */
		if (version == CGROUP_V1 ||
		    (version == CGROUP_V2 && ret_hierarchy->version == CGROUP_NONE))
			*ret_hierarchy = *one;
		if (version == CGROUP_V1)
			break;
	}
	return 0;
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* The part of path below prefix; NULL if it is not at or below it. */
static const char *strip_prefix(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	if (len > 0 && prefix[len - 1] == '/')
		len--;
	if (strncmp(path, prefix, len) != 0 || (path[len] != '/' && path[len] != '\0'))
		return NULL;
	return path + len;
}

static bool has_dots(const char *path)
{
	for (const char *at = path; (at = strstr(at, "..")); at += 2) {
		if ((at == path || at[-1] == '/') && (at[2] == '/' || at[2] == '\0'))
			return true;
	}
	return false;
}

int cgroup_make_path(const struct cgroup_hierarchy *hierarchy, const char *text,
		     char ret_path[PATH_MAX])
{
	const char *below = strip_prefix(text, hierarchy->mount);
	size_t len;

	if (!below)
		below = text;
	while (*below == '/')
		below++;
	len = strlen(below);
	while (len > 0 && below[len - 1] == '/')
		len--;
	if (len + 2 > PATH_MAX || has_dots(below) || text[0] == '\0')
		return -EINVAL;
	ret_path[0] = '/';
	memcpy(ret_path + 1, below, len);
	ret_path[len + 1] = '\0';
	return 0;
}

int cgroup_find_process(const struct cgroup_hierarchy *hierarchy, int proc_fd, uint32_t pid,
			char ret_path[PATH_MAX])
{
	char text[CGROUP_FILE_SIZE];
	char name[PID_NAME_SIZE];
	char *save = NULL;
	int len;

	(void)snprintf(name, sizeof(name), "%u/cgroup", pid);
	len = proc_read_file(proc_fd, name, text, sizeof(text));
	if (len < 0)
		return len;
	/* hierarchy-id:controllers:path; v2 is 0 without controllers (cgroups(7)). */
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *controllers = strchr(line, ':');
		const char *path = controllers ? strchr(controllers + 1, ':') : NULL;
		size_t controllers_len;

		if (!path)
			return -EBADMSG;
		controllers++;
		controllers_len = (size_t)(path - controllers);
		path++;
		if (hierarchy->version == CGROUP_V1
			    ? has_word(controllers, controllers_len, "memory")
			    : controllers_len == 0) {
			path = strip_prefix(path, hierarchy->root);
			return path && !has_dots(path)
				       ? cgroup_make_path(hierarchy, *path ? path : "/", ret_path)
				       : -ENODATA;
		}
	}
	return -ENODATA;
}

unsigned int cgroup_common_depth(const char *path, const char *other)
{
	char prefix[PATH_MAX];
	unsigned int depth = 0;

	(void)snprintf(prefix, sizeof(prefix), "%s", path);
	while (!strip_prefix(other, prefix)) {
		char *slash = strrchr(prefix, '/');

		if (!slash)
			break;
		slash[slash == prefix ? 1 : 0] = '\0';
		depth++;
	}
	return depth;
}

int cgroup_open(const struct cgroup_hierarchy *hierarchy, const char *path)
{
	char full[2 * PATH_MAX];
	int fd;

	if (hierarchy->version == CGROUP_NONE)
		return -ENOENT;
	(void)snprintf(full, sizeof(full), "%s%s", hierarchy->mount, path);
	fd = open(full, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* ---- limits and usage ------------------------------------------------------------------------ */

static void close_level(struct cgroup_level *level)
{
	cleanup_close(&level->limit_fd);
	cleanup_close(&level->high_fd);
	cleanup_close(&level->usage_fd);
	cleanup_close(&level->stat_fd);
}

static int open_optional(int dir_fd, const char *name, int *ret_fd)
{
	*ret_fd = name ? openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
	return *ret_fd < 0 && name && errno != ENOENT ? -errno : 0;
}

static int open_level(const struct cgroup_hierarchy *hierarchy, const char *path,
		      struct cgroup_level *ret_level)
{
	const struct version_files *files = &FILES[hierarchy->version];
	_cleanup_close_ int dir_fd = cgroup_open(hierarchy, path);
	struct cgroup_level level = {.limit_fd = -1, .high_fd = -1, .usage_fd = -1, .stat_fd = -1};
	struct stat info;
	int err;

	if (dir_fd < 0)
		return dir_fd;
	if (fstat(dir_fd, &info))
		return -errno;
	level.id = info.st_ino;
	err = open_optional(dir_fd, files->limit, &level.limit_fd);
	if (!err)
		err = open_optional(dir_fd, files->high, &level.high_fd);
	if (!err)
		err = open_optional(dir_fd, files->usage, &level.usage_fd);
	if (!err)
		err = open_optional(dir_fd, "memory.stat", &level.stat_fd);
	if (err) {
		close_level(&level);
		return err;
	}
	*ret_level = level;
	return 0;
}

int cgroup_chain_open(const struct cgroup_hierarchy *hierarchy, const char *path,
		      struct cgroup_chain *ret_chain)
{
	struct cgroup_chain chain = {.version = hierarchy->version};
	char up[PATH_MAX];

	(void)snprintf(up, sizeof(up), "%s", path);
	while (chain.count < CGROUP_DEPTH_MAX) {
		char *slash;
		int err = open_level(hierarchy, up, &chain.levels[chain.count]);

		if (err) {
			cgroup_chain_close(&chain);
			return err;
		}
		chain.count++;
		slash = strrchr(up, '/');
		if (!slash || slash[1] == '\0')
			break;
		slash[slash == up ? 1 : 0] = '\0';
	}
	*ret_chain = chain;
	return 0;
}

void cgroup_chain_close(struct cgroup_chain *chain)
{
	for (unsigned int i = 0; i < chain->count; i++)
		close_level(&chain->levels[i]);
	chain->count = 0;
}

bool cgroup_chain_has(const struct cgroup_chain *chain, uint64_t id)
{
	for (unsigned int i = 0; i < chain->count; i++) {
		if (chain->levels[i].id == id)
			return true;
	}
	return false;
}

/* One number, or "max". */
static int read_bytes(int fd, uint64_t *ret_bytes)
{
	char text[NUMBER_SIZE];
	const char *rest;
	uint64_t bytes;
	int len = proc_read_fd(fd, text, sizeof(text));

	if (len < 0)
		return len;
	if (strcmp(text, "max\n") == 0) {
		*ret_bytes = CGROUP_UNLIMITED;
		return 0;
	}
	rest = proc_parse_number(text, &bytes);
	if (!rest || strcmp(rest, "\n") != 0)
		return -EBADMSG;
	*ret_bytes = bytes;
	return 0;
}

int cgroup_read_limit(const struct cgroup_level *level, uint64_t *ret_limit_bytes)
{
	uint64_t limit = CGROUP_UNLIMITED;
	uint64_t high = CGROUP_UNLIMITED;
	int err = 0;

	if (level->limit_fd >= 0)
		err = read_bytes(level->limit_fd, &limit);
	if (!err && level->high_fd >= 0)
		err = read_bytes(level->high_fd, &high);
	if (err)
		return err;
	*ret_limit_bytes = units_min(limit, high);
	return 0;
}

/* 0 for a line that this kernel does not have. */
static uint64_t find_or_zero(const char *text, const char *key)
{
	uint64_t number;

	return proc_find_number(text, key, &number) ? 0 : number;
}

/*
 * Page cache of files: what is on the lists of pages, or what was counted as cache when it was
 * charged, whichever is more. Pages come onto the lists in batches per CPU, and with large folios
 * a batch may be tens of megabytes that are charged already (mm/swap.c, lru_add). The second way
 * leaves out what cannot be reclaimed, locked anonymous memory included, so it may be too little.
 */
static int find_reclaimable_cache(const struct version_files *files, const char *text,
				  uint64_t *ret_bytes)
{
	uint64_t active, inactive, charged;

	if (proc_find_number(text, files->active_file, &active) ||
	    proc_find_number(text, files->inactive_file, &inactive))
		return -EBADMSG;
	charged = units_minus(find_or_zero(text, files->cache),
			      units_plus(find_or_zero(text, files->shmem),
					 find_or_zero(text, files->unevictable)));
	*ret_bytes = units_max(units_plus(active, inactive), charged);
	return 0;
}

int cgroup_read_used(const struct cgroup_chain *chain, const struct cgroup_level *level,
		     char *buffer, size_t size, uint64_t *ret_used_bytes)
{
	const struct version_files *files = &FILES[chain->version];
	uint64_t usage;
	uint64_t cache_bytes;
	int err;

	if (level->usage_fd < 0 || level->stat_fd < 0)
		return -ENODEV;
	err = read_bytes(level->usage_fd, &usage);
	if (err)
		return err;
	err = proc_read_fd(level->stat_fd, buffer, size);
	if (err < 0)
		return err;
	err = find_reclaimable_cache(files, buffer, &cache_bytes);
	if (err)
		return err;
	/* usage is batched per CPU and may lag behind the statistics. */
	*ret_used_bytes = units_minus(usage, cache_bytes);
	return 0;
}

int cgroup_read_kept(const struct cgroup_chain *chain, const struct cgroup_level *level,
		     char *buffer, size_t size, uint64_t *ret_kept_bytes)
{
	const struct version_files *files = &FILES[chain->version];
	uint64_t used;
	int err = cgroup_read_used(chain, level, buffer, size, &used);

	if (err)
		return err;
	/* The statistics are still in the buffer. Shared memory is in use, mapped or not. */
	*ret_kept_bytes = units_plus(used, units_minus(find_or_zero(buffer, files->mapped),
						       find_or_zero(buffer, files->shmem)));
	return 0;
}
