/* SPDX-License-Identifier: BSD-2-Clause */
/* tier-manager as a whole: wires the agent, the switcher and a backend together. */
#ifndef TIERD_MANAGER_MANAGER_H
#define TIERD_MANAGER_MANAGER_H

#include "agent_link.h"
#include "api.h"
#include "child.h"
#include "config.h"
#include "gate.h"
#include "loop.h"
#include "report.h"
#include "server.h"
#include "switcher.h"

struct manager {
	struct manager_config config;
	struct loop loop;
	struct children children;
	struct agent_link link;
	struct switcher switcher;
	struct gated_servers gated; /* exec: without the gate */
	struct report report;
	struct api api; /* llama-server, llama-swap, ollama */
	const struct backend_ops *ops;
	void *backend; /* one of those below */
	struct loop_timer shutdown_timer;
	bool is_stopping;
	bool is_lost; /* what it cannot go on without */
};

/* Runs until a signal ends it. Returns the exit status of the program. */
int manager_run(struct manager *manager);

#endif
