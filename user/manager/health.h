/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks one server whether it serves: by a URL or by a command, each time anew. */
#ifndef TIERD_MANAGER_HEALTH_H
#define TIERD_MANAGER_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "child.h"
#include "http.h"

enum health_answer {
	HEALTH_GOOD,   /* status 2xx, or the command ended with 0 */
	HEALTH_BUSY,   /* status 429 or 503: alive, but it does not want work now */
	HEALTH_BAD,    /* anything else, no answer in time, or nobody there */
	HEALTH_UNSURE, /* we were late ourselves: nothing follows for the server */
};

struct health {
	struct loop *loop;
	struct children *children;
	const char *question; /* URL or command */
	const char *const *environment;
	int output_fd;
	void (*on_answer)(void *context, enum health_answer answer, const char *why);
	void *context;

	bool is_asked;
	uint64_t asked_ns;
	uint64_t timeout_ns;
	struct http http;
	struct child command;
	struct loop_timer command_timer; /* the command takes too long */
};

/* The members before is_asked must be set, the others zero. What they point to must outlive it. */
void health_open(struct health *health);

/* One question at a time; on_answer comes later. 0, -EBUSY or another negative errno. */
int health_ask(struct health *health, uint64_t timeout_ns);

/* Nothing more comes of it. A command may take a moment to end: until then asking is -EBUSY. */
void health_cancel(struct health *health);

#endif
