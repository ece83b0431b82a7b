/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The servers that the manager runs itself, one for each tier: start, health, stop, and starting
 * again when one dies.
 *
 *   down -> starting (process runs, health is asked for) -> up -> stopping -> down
 *
 * A server that ends before it was healthy has failed. One that was healthy is started again after
 * restart_delay, doubled each time, restart_limit times at most unless it lasted a minute.
 */
#ifndef TIERD_MANAGER_SERVER_H
#define TIERD_MANAGER_SERVER_H

#include "backend.h"
#include "child.h"
#include "child_log.h"
#include "config.h"
#include "http.h"

enum {
	SERVER_VARIABLES = 6, /* with the NULL at the end */
	SERVER_VARIABLE_LEN = MANAGER_TEXT_LEN + 16,
};

struct servers;

struct server {
	struct servers *owner;
	const struct tier_config *config;
	uint32_t tier;
	enum tier_state state;
	enum door door;
	bool is_drained;     /* the drain command has ended since the door is draining */
	bool is_crashed;     /* starting again, after it was up */
	bool is_health_told; /* the log has said why it is not healthy yet */
	uint32_t restarts;   /* in a row */
	uint64_t up_ns;      /* since when it is up */
	uint64_t
		deadline_ns; /* starting: has failed then; UINT64_MAX = waits to be started again */
	bool has_timed_out;  /* stopping, because it did not come up */
	struct child process;
	struct child command; /* health, drain or stop: one at a time */
	bool is_command_killed;
	struct http http;
	struct loop_timer timer;         /* the next thing to do in this state */
	struct loop_timer command_timer; /* the command takes too long */
	struct child_log log;
	char variables[SERVER_VARIABLES][SERVER_VARIABLE_LEN];
	const char *environment[SERVER_VARIABLES];
};

struct servers {
	struct loop *loop;
	struct children *children;
	const struct manager_config *config;
	struct backend_events events;
	struct server server[MANAGER_TIERS_MAX];
};

extern const struct backend_ops SERVERS_OPS;

/* children and config must outlive it. 0, or a negative errno and what failed in error. */
int servers_open(struct servers *servers, struct loop *loop, struct children *children,
		 const struct manager_config *config, const struct backend_events *events,
		 char *error, size_t error_size);

/* Does not wait: what still runs is killed with children_close(). */
void servers_close(struct servers *servers);

#endif
