/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No server outlives its manager, however that ends: a small process beside it holds the read end
 * of a pipe that only the manager writes to. When the manager is gone, also by SIGKILL, the guard
 * kills every process group in a table that both share, and ends. PR_SET_PDEATHSIG alone reaches
 * only the direct child: not the server that a shell started.
 */
#ifndef TIERD_MANAGER_GUARD_H
#define TIERD_MANAGER_GUARD_H

#include <sys/types.h>

enum {
	GUARD_GROUPS_MAX = 64,
};

struct guard {
	pid_t pid;
	int write_fd;
	volatile pid_t *groups; /* shared with the guard; 0 = free */
};

/* Starts the guard. 0 or a negative errno. */
int guard_open(struct guard *guard);

/* Lets the guard end, which kills what is still in the table. */
void guard_close(struct guard *guard);

/* -ENOSPC if the table is full. */
int guard_add(struct guard *guard, pid_t group);
void guard_remove(struct guard *guard, pid_t group);

#endif
