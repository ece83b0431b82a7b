/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What became of the requests, for the agent: one task for each, from what the gate logs when it
 * has ended. How many run is known from its counters only, not which; so the tasks that are begun
 * here are as many as run, and each request that ends takes the place of any of them.
 */
#ifndef TIERD_MANAGER_REPORT_H
#define TIERD_MANAGER_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "agent_link.h"
#include "config.h"

enum {
	REPORT_OPEN_MAX = 32, /* more that run at once are not told */
};

struct request_end {
	uint32_t tier; /* MANAGER_TIER_OFF: it came to none */
	bool is_ok;
	bool is_served; /* the tier has answered it, to the end */
	uint64_t ms;
	uint64_t ttft_ms; /* 0 = not known */
};

struct report {
	struct agent_link *link;
	const struct manager_config *config;
	uint64_t next_id;
	uint64_t second_ns; /* in which `told` is counted */
	uint32_t told;
	uint64_t held_back;
	uint32_t open_count[MANAGER_TIERS_MAX];
	uint64_t open[MANAGER_TIERS_MAX][REPORT_OPEN_MAX];
};

void report_open(struct report *report, const struct manager_config *config,
		 struct agent_link *link);

/* Parses one line of the gate's log. 0, or -EBADMSG. */
int report_parse(const struct manager_config *config, const char *line,
		 struct request_end *ret_end);

void report_running(struct report *report, uint32_t tier, uint32_t count);
void report_end(struct report *report, const struct request_end *end);

/* The agent knows of no task any more: those that run are told again by the next count. */
void report_forget(struct report *report);

#endif
