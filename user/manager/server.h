/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The servers that the manager runs itself, one for each tier: start, health, stop, and starting
 * again when one dies.
 *
 *   down -> starting (process runs, health is asked for) -> up -> stopping -> down
 *
 * A server that ends before it was healthy has failed. One that was healthy is started again after
 * restart_delay, doubled each time, restart_limit times at most unless it served for restart_reset.
 * So is one that hangs: that did not answer for its health health_limit times in a row, and no
 * request either.
 */
#ifndef TIERD_MANAGER_SERVER_H
#define TIERD_MANAGER_SERVER_H

#include "backend.h"
#include "child.h"
#include "child_log.h"
#include "config.h"
#include "health.h"

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
	uint64_t good_ns;    /* up: when it last answered, for its health or a request */
	uint64_t
		deadline_ns; /* starting: has failed then; UINT64_MAX = waits to be started again */
	const char
		*given_up; /* why it is being killed; NULL = it is not, or only to leave the tier */
	uint32_t misses;   /* up: so often in a row it did not answer for its health */
	struct child process;
	struct child command; /* drain or stop: one at a time */
	bool is_command_killed;
	struct health health;
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

/* Of one server, for the backend. */
void server_init(struct server *server, struct servers *servers, uint32_t tier);
void server_start(struct server *server);
void server_stop(struct server *server, bool is_forced);
void server_set_door(struct server *server, enum door door);
/* It answers: it does not hang. */
void server_note_good(struct server *server);

extern const struct backend_ops SERVERS_OPS;

/* children and config must outlive it. 0, or a negative errno and what failed in error. */
int servers_open(struct servers *servers, struct loop *loop, struct children *children,
		 const struct manager_config *config, const struct backend_events *events,
		 char *error, size_t error_size);

/* It has answered a request: so it does not hang, whatever becomes of the questions for its health.
 */
void servers_note_served(struct servers *servers, uint32_t tier);

/* Does not wait: what still runs is killed with children_close(). */
void servers_close(struct servers *servers);

#endif
