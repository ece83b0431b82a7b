/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HAProxy in front of the tiers: clients have one URL, requests wait while no tier is open, and
 * running ones end before their tier is stopped.
 *
 * What each server of the gate ought to be (open, draining, shut) is kept here; what it is comes
 * from `show stat`. One exchange on the runtime socket sets what differs and reads everything
 * anew, so a gate that was restarted, or that somebody else changed, is put right by itself.
 */
#ifndef TIERD_MANAGER_GATE_H
#define TIERD_MANAGER_GATE_H

#include "backend.h"
#include "child.h"
#include "child_log.h"
#include "config.h"
#include "gate_config.h"
#include "gate_stat.h"
#include "report.h"
#include "server.h"

enum {
	GATE_REQUEST_LEN = 4096,
	GATE_REPLY_MAX = 1024 * 1024,
	GATE_FAILURES_MAX = 5, /* in a row, without having answered once: it never will */
};

struct gate {
	struct loop *loop;
	struct children *children;
	const struct manager_config *config;
	void (*on_change)(void *context);
	void (*on_lost)(void *context); /* it cannot be started */
	/* A server has answered a request whole. */
	void (*on_served)(void *context, uint32_t tier);
	void *context;

	struct child process;
	struct child_log log;
	struct loop_timer start_timer;
	struct loop_timer keep_timer; /* the end of is_kept_waiting where no order comes */
	uint32_t failures;            /* of the process, since it has last answered */
	char path[GATE_PATH_LEN];
	int lock_fd; /* of work_dir */

	bool is_known; /* stat is what HAProxy has said since it was started */
	bool is_waiting_wanted;
	bool is_kept_waiting;
	enum door wanted[MANAGER_TIERS_MAX];
	struct gate_stat stat;

	/* The exchange under way. */
	struct loop_source socket;    /* fd -1 = none */
	struct loop_timer poll_timer; /* the next exchange, or the end of this one's patience */
	char request[GATE_REQUEST_LEN];
	size_t sent;
	char *reply;
	size_t reply_len;

	struct loop_source log_source; /* how requests ended */
	char log_path[GATE_PATH_LEN];
	struct report *report;
};

/* Writes the configuration, and starts HAProxy unless another is to be used. 0, or a negative
 * errno and what failed in error. */
int gate_open(struct gate *gate, char *error, size_t error_size);
void gate_close(struct gate *gate);

void gate_set_door(struct gate *gate, uint32_t tier, enum door door);
enum door gate_get_door(const struct gate *gate, uint32_t tier);
uint32_t gate_get_in_flight(const struct gate *gate, uint32_t tier);
void gate_set_waiting(struct gate *gate, bool is_waiting);
/*
 * From the end of one manager until the next has its orders requests wait in a gate that stays,
 * each for as long as `wait` says. One of our own ends with us.
 */
void gate_keep_waiting(struct gate *gate, bool is_kept);

/* The servers that the manager runs, behind a gate. */
struct gated_servers {
	struct servers servers;
	struct gate gate;
};

extern const struct backend_ops GATED_SERVERS_OPS;

#endif
