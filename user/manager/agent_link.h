/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent, as the manager sees it: lines come in through the client library, and what is loaded,
 * what was done and what became of requests goes out. The agent may be absent: then everything
 * stays as it is, and the log says so.
 */
#ifndef TIERD_MANAGER_AGENT_LINK_H
#define TIERD_MANAGER_AGENT_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "client/client.h"
#include "config.h"
#include "loop.h"

struct agent_link_events {
	void (*on_line)(void *context, const struct manager_line *line);
	/* A hello was said: the agent forgets every task that has begun. */
	void (*on_hello)(void *context);
	void *context;
};

struct agent_link {
	struct loop *loop;
	struct tierd_client *client;
	struct loop_source source;
	struct loop_timer silence_timer; /* heartbeats are missing */
	struct loop_timer hello_timer;   /* the agent has not heard what is loaded */
	struct loop_timer turn_timer;    /* more events are there than one turn takes */
	uint64_t silence_ns;
	bool is_silent;
	bool is_pid_told;                   /* the servers are our children */
	int last_error;                     /* of connecting; told once */
	const char *tier;                   /* what is in place; NULL while that is changing */
	char believed[EVENT_TIER_NAME_LEN]; /* what the agent takes to be loaded; "" = unknown */
	struct agent_link_events events;
};

/* 0 or a negative errno; that there is no agent yet is none. */
int agent_link_open(struct agent_link *link, struct loop *loop, const struct manager_config *config,
		    bool is_pid_told, const struct agent_link_events *events);
void agent_link_close(struct agent_link *link);

/* What is loaded and answers, "off" included; NULL while that is changing. Says hello where the
 * agent takes something else to be loaded. name must stay. */
void agent_link_set_tier(struct agent_link *link, const char *name);

/* What the agent now takes to be loaded, because it was acknowledged. */
void agent_link_note_belief(struct agent_link *link, const char *name);

/* state: enum ack_state. */
void agent_link_ack(struct agent_link *link, uint64_t seq, uint32_t state);

void agent_link_task_begin(struct agent_link *link, const char *id, const char *tier);
void agent_link_task_end(struct agent_link *link, const struct tierd_task *task);

#endif
