/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bounded, real load in processes and memory cgroups of the test's own. Everything ends with the
 * test, also when an assertion fails: children die with their parent (PR_SET_PDEATHSIG), and
 * groups are removed by group_remove_all() in every test's teardown.
 */
#ifndef TIERD_TESTS_WORKLOAD_H
#define TIERD_TESTS_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	WORKLOAD_ANY_CPU = -1,
	WORKLOAD_SECONDS_MAX = 180,
};

struct workload {
	void (*run)(const struct workload *workload); /* in each thread, until the process ends */
	const char *comm;
	int threads; /* 0 = 1 */
	int cpu;     /* of the process; WORKLOAD_ANY_CPU */
	int nice;
	const char *memory_group; /* path of a directory whose cgroup.procs it joins, or NULL */
	const char *pressure_group;
	const char *file;   /* for workload_reread() */
	size_t bytes;       /* for workload_grow(), workload_leak() and workload_reread() */
	size_t bytes_per_s; /* for workload_leak() */
};

/* What threads can do. */
void workload_spin(const struct workload *workload);   /* burn CPU */
void workload_reread(const struct workload *workload); /* re-read file, mapped, for ever */
void workload_grow(const struct workload *workload);   /* touch bytes of new memory, then pause */
void workload_leak(const struct workload *workload);   /* the same, but slowly */
void workload_pause(const struct workload *workload);  /* wait */

/* Forks; returns when the child has joined its groups and pinned itself. Fails the test on error.
 */
pid_t workload_start(const struct workload *workload);

/* Kills and reaps. Returns the wait status. */
int workload_stop(pid_t pid);

/* Reaps without killing, within seconds. Returns the wait status. */
int workload_wait(pid_t pid, int seconds);

/* A new file of so many bytes, in place of what has that name, that is not in the page cache of any
 * group. */
void workload_make_file(const char *path, size_t bytes);

enum group_kind {
	GROUP_MEMORY,   /* a memory cgroup: v1 where it is mounted, else v2 */
	GROUP_PRESSURE, /* a v2 group: memory.pressure needs no controller */
};

/* Makes a group below that hierarchy's root; limit 0 = none. Removed by group_remove_all(). */
const char *group_make(enum group_kind kind, const char *name, uint64_t memory_limit_bytes);

/* A group without a limit of its own below another one. */
const char *group_make_below(const char *parent, const char *name);

/*
 * A group that tells the pressure of its processes: in a hierarchy of its own, or, where there is
 * only one, below the memory group that they share.
 */
const char *group_make_pressure(const char *memory_group, const char *name);

void group_remove_all(void);
void group_write(const char *path, const char *file, const char *text);
uint64_t group_id(const char *path);

/* The number behind `key ` (or `key=`, after the line that starts with `line `) in group/file. */
uint64_t group_read_key(const char *path, const char *file, const char *line, const char *key);

/* Sum over the threads of pid of the second field of schedstat: run-queue wait, in ns. */
uint64_t process_run_delay_ns(pid_t pid);

/* A line `KEY: N kB` of /proc/PID/status, in bytes. */
uint64_t process_status_bytes(pid_t pid, const char *key);

#endif
