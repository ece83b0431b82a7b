// SPDX-License-Identifier: BSD-2-Clause
#include "workload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "collector.h"

enum {
	GROUPS_MAX = 16,
	PAGE = 4096,
};

static char group_paths[GROUPS_MAX][256];
static unsigned int group_count;

/* ---- what threads do ---- */

void workload_spin(const struct workload *workload)
{
	(void)workload;
	for (volatile uint64_t turns = 0;; turns++)
		;
}

void workload_pause(const struct workload *workload)
{
	(void)workload;
	for (;;)
		pause();
}

void workload_reread(const struct workload *workload)
{
	int fd = open(workload->file, O_RDONLY | O_CLOEXEC);
	const volatile char *map = mmap(NULL, workload->bytes, PROT_READ, MAP_SHARED, fd, 0);

	if (fd < 0 || map == MAP_FAILED)
		_exit(99);
	for (;;)
		for (size_t offset = 0; offset < workload->bytes; offset += PAGE)
			(void)map[offset];
}

void workload_grow(const struct workload *workload)
{
	volatile char *map = mmap(NULL, workload->bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		_exit(99);
	for (size_t offset = 0; offset < workload->bytes; offset += PAGE)
		map[offset] = 1;
	workload_pause(workload);
}

void workload_leak(const struct workload *workload)
{
	enum {
		STEPS_PER_S = 20,
	};
	size_t step = workload->bytes_per_s / STEPS_PER_S / PAGE * PAGE;
	volatile char *map = mmap(NULL, workload->bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || step == 0)
		_exit(99);
	for (size_t offset = 0; offset < workload->bytes; offset += PAGE) {
		if (offset % step == 0)
			usleep(1000000 / STEPS_PER_S);
		map[offset] = 1;
	}
	workload_pause(workload);
}

/* ---- processes ---- */

static void *thread_run(void *context)
{
	const struct workload *workload = context;

	workload->run(workload);
	return NULL;
}

static void write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail_msg("%s: %s", path, strerror(errno));
}

static bool group_join(const char *group)
{
	char path[512];

	if (!group)
		return true;
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, "0", 1) == 1;
}

/* ready_fd is closed as soon as the process is where it belongs. */
static void child_run(const struct workload *workload, int ready_fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(WORKLOAD_SECONDS_MAX);
	if (workload->comm)
		prctl(PR_SET_NAME, workload->comm);
	if (!group_join(workload->memory_group) || !group_join(workload->pressure_group))
		_exit(98);
	if (workload->cpu != WORKLOAD_ANY_CPU) {
		cpu_set_t cpus;

		CPU_ZERO(&cpus);
		CPU_SET((unsigned int)workload->cpu, &cpus);
		if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
			_exit(97);
	}
	if (workload->nice && setpriority(PRIO_PROCESS, 0, workload->nice) < 0)
		_exit(96);
	close(ready_fd);
	for (int i = 1; i < workload->threads; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, thread_run, (void *)workload))
			_exit(95);
	}
	workload->run(workload);
	_exit(0);
}

pid_t workload_start(const struct workload *workload)
{
	int ready[2];
	char nothing;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		close(ready[0]);
		child_run(workload, ready[1]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &nothing, 1), 0);
	close(ready[0]);
	return pid;
}

int workload_stop(pid_t pid)
{
	int status = 0;

	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return status;
}

int workload_wait(pid_t pid, int seconds)
{
	int status = 0;

	for (int i = 0; i < seconds * 100; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		test_sleep_ns(10 * NS_PER_MS);
	}
	workload_stop(pid);
	fail_msg("process %d did not end within %d s", pid, seconds);
	return status;
}

void workload_make_file(const char *path, size_t bytes)
{
	static char block[MIB];

	/* Root, in a folder that anybody may put a link into. */
	unlink(path);
	_cleanup_close_ int fd =
		open(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	memset(block, 7, sizeof(block));
	for (size_t written = 0; written < bytes; written += sizeof(block))
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	assert_int_equal(fsync(fd), 0);
	/* Pages read outside the group are charged outside it and never reclaimed by it. */
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
}

/* ---- groups ---- */

static const char *hierarchy_root(enum group_kind kind)
{
	bool has_v1 = access("/sys/fs/cgroup/memory/memory.limit_in_bytes", F_OK) == 0 ||
		      access("/sys/fs/cgroup/memory/cgroup.procs", F_OK) == 0;

	if (kind == GROUP_MEMORY && has_v1)
		return "/sys/fs/cgroup/memory";
	return access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) == 0 ? "/sys/fs/cgroup/unified"
									: "/sys/fs/cgroup";
}

static const char *group_add(const char *path)
{
	assert_true(group_count < GROUPS_MAX);
	if (mkdir(path, 0755) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	snprintf(group_paths[group_count], sizeof(group_paths[0]), "%s", path);
	return group_paths[group_count++];
}

const char *group_make(enum group_kind kind, const char *name, uint64_t memory_limit_bytes)
{
	char file[512], text[32];

	snprintf(file, sizeof(file), "%s/tierd-test-%s-%d", hierarchy_root(kind), name, getpid());
	const char *path = group_add(file);

	if (memory_limit_bytes) {
		snprintf(file, sizeof(file), "%s/memory.limit_in_bytes", path);
		if (access(file, F_OK) < 0)
			snprintf(file, sizeof(file), "%s/memory.max", path);
		snprintf(text, sizeof(text), "%" PRIu64, memory_limit_bytes);
		write_text(file, text);
	}
	return path;
}

const char *group_make_below(const char *parent, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", parent, name);
	return group_add(path);
}

const char *group_make_pressure(const char *memory_group, const char *name)
{
	if (strcmp(hierarchy_root(GROUP_MEMORY), hierarchy_root(GROUP_PRESSURE)) == 0)
		return group_make_below(memory_group, name);
	return group_make(GROUP_PRESSURE, name, 0);
}

static void group_kill(const char *path)
{
	char file[512], line[32];

	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	_cleanup_fclose_ FILE *procs = fopen(file, "re");

	while (procs && fgets(line, sizeof(line), procs)) {
		pid_t pid = (pid_t)strtol(line, NULL, 10);

		if (pid > 0 && pid != getpid())
			kill(pid, SIGKILL);
	}
}

void group_remove_all(void)
{
	while (group_count > 0) {
		const char *path = group_paths[--group_count];

		group_kill(path);
		for (int tries = 0; rmdir(path) < 0 && errno == EBUSY && tries < 500; tries++) {
			while (waitpid(-1, NULL, WNOHANG) > 0)
				;
			test_sleep_ns(10 * NS_PER_MS);
		}
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

void group_write(const char *path, const char *file, const char *text)
{
	char name[512];

	snprintf(name, sizeof(name), "%s/%s", path, file);
	write_text(name, text);
}

uint64_t group_id(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_ino;
}

uint64_t group_read_key(const char *path, const char *file, const char *line, const char *key)
{
	char name[512], text[512];

	snprintf(name, sizeof(name), "%s/%s", path, file);
	_cleanup_fclose_ FILE *stream = fopen(name, "re");

	assert_non_null(stream);
	while (fgets(text, sizeof(text), stream)) {
		size_t length = strlen(key);

		if (line && strncmp(text, line, strlen(line)) != 0)
			continue;
		for (char *at = text; at; at = strchr(at, ' '), at = at ? at + 1 : NULL)
			if (strncmp(at, key, length) == 0 &&
			    (at[length] == ' ' || at[length] == '='))
				return strtoull(at + length + 1, NULL, 10);
	}
	fail_msg("%s: no %s", name, key);
	return 0;
}

uint64_t process_run_delay_ns(pid_t pid)
{
	char name[64];
	uint64_t sum_ns = 0;

	snprintf(name, sizeof(name), "/proc/%d/task", pid);
	_cleanup_closedir_ DIR *tasks = opendir(name);

	assert_non_null(tasks);
	for (const struct dirent *entry; (entry = readdir(tasks));) {
		char file[384], text[128], *run_end, *delay_end;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s/schedstat", name, entry->d_name);
		_cleanup_fclose_ FILE *stream = fopen(file, "re");

		assert_non_null(stream);
		assert_non_null(fgets(text, sizeof(text), stream));
		(void)strtoull(text, &run_end, 10);
		sum_ns += strtoull(run_end, &delay_end, 10);
		assert_true(run_end != text && delay_end != run_end);
	}
	return sum_ns;
}

uint64_t process_status_bytes(pid_t pid, const char *key)
{
	char name[64], line[256];

	snprintf(name, sizeof(name), "/proc/%d/status", pid);
	_cleanup_fclose_ FILE *status = fopen(name, "re");

	assert_non_null(status);
	while (fgets(line, sizeof(line), status))
		if (strncmp(line, key, strlen(key)) == 0)
			return strtoull(line + strlen(key) + 1, NULL, 10) * KIB;
	fail_msg("%s: no %s", name, key);
	return 0;
}
