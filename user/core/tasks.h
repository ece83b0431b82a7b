/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tasks that have begun and not ended: a fixed table. A manager that dies takes the ends of its
 * tasks with it, so every entry expires; what does not fit is counted and not followed. Nothing is
 * decided from this table: it says which tier a task ran on, and how many run.
 */
#ifndef TIERD_CORE_TASKS_H
#define TIERD_CORE_TASKS_H

#include <stdbool.h>
#include <stdint.h>

#include "tierd/event.h"

enum {
	TASKS_MAX = 256,
};

struct task {
	char id[EVENT_TASK_ID_LEN];
	uint32_t tier;
	uint64_t began_ns;
};

struct tasks {
	uint32_t count;
	uint64_t overflowed; /* began when the table was full */
	uint64_t expired;    /* did not end in time */
	uint64_t forgotten;  /* of a manager that has said hello anew */
	uint64_t unknown;    /* ended, but no beginning is known */
	struct task task[TASKS_MAX];
};

/* An id that is there already begins anew. */
void tasks_begin(struct tasks *tasks, uint64_t now_ns, const char *id, uint32_t tier);

/* Takes out the task; false, and *ret_task untouched, where none of that id has begun. */
bool tasks_end(struct tasks *tasks, const char *id, struct task *ret_task);

/* Takes out what began timeout_ns ago or longer. */
void tasks_expire(struct tasks *tasks, uint64_t now_ns, uint64_t timeout_ns);

/* Takes out all: whoever ran them is gone. */
void tasks_forget(struct tasks *tasks);

uint32_t tasks_count_on(const struct tasks *tasks, uint32_t tier);

#endif
