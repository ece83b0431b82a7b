/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes that the manager starts: a shell command in a session and process group of its own.
 *
 * A child has ended when its first process and every other of its group are gone (their memory
 * with them); what is left of the group when the first one ends is killed. The manager is the
 * subreaper, so that it sees grandchildren end. A process that leaves the group with setsid() and
 * survives is out of reach; do not start servers that daemonize.
 */
#ifndef TIERD_MANAGER_CHILD_H
#define TIERD_MANAGER_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "guard.h"
#include "loop.h"

struct child {
	pid_t pid;      /* of the first process, and of the group; 0 = there is none */
	bool is_reaped; /* the first process is gone, others of the group are not yet */
	int status;     /* as waitpid(2) gives it, then */
	void (*on_end)(void *context, int status);
	void *context;
	struct child *next;
};

struct children {
	struct loop *loop;
	struct guard guard;
	struct loop_source signal_source;
	struct loop_timer group_timer; /* while a group is waited for */
	struct child *first;
	void (*on_signal)(void *context, int signal_number); /* other than SIGCHLD */
	void *context;
};

/* Blocks SIGCHLD, SIGTERM, SIGINT and SIGHUP and takes them from a descriptor. */
int children_open(struct children *children, struct loop *loop,
		  void (*on_signal)(void *context, int signal_number), void *context);

/* Kills what is left. */
void children_close(struct children *children);

/*
 * Starts command with /bin/sh and the variables of environment besides ours. Its output goes to
 * output_fd (-1: to our standard error). The child must not have a process. 0 or a negative errno.
 */
int child_start(struct children *children, struct child *child, const char *command,
		const char *const *environment, int output_fd);

/* To the whole group; nothing if the first process has ended. */
void child_signal(const struct child *child, int signal_number);

/* "exit status 1", "killed by signal 9 (Killed)". */
const char *child_describe_status(int status, char *buffer, size_t size);

#endif
