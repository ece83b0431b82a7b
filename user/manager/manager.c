/* SPDX-License-Identifier: BSD-2-Clause */
#include "manager.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/units.h"
#include "log.h"

enum {
	EXIT_TROUBLE = 1,
};

/* ---- the end -----------------------------------------------------------------------------------
 */

static void cut(void *context)
{
	struct manager *manager = context;

	switcher_set_target(&manager->switcher, MANAGER_TIER_OFF, true);
}

/* The first signal lets running requests end, the second does not. */
static void on_signal(void *context, int signal_number)
{
	struct manager *manager = context;

	if (!manager->ops->is_ours) {
		log_line("signal %d: ending; the server keeps what it has loaded", signal_number);
		manager->loop.is_ending = true;
		return;
	}
	if (manager->config.backend == BACKEND_HAPROXY)
		gate_keep_waiting(&manager->gated.gate, true);
	log_line("signal %d: %s", signal_number,
		 manager->is_stopping ? "ending at once" : "ending when the requests have ended");
	if (manager->is_stopping || manager->config.shutdown_drain_ns == 0) {
		manager->is_stopping = true;
		cut(manager);
	} else {
		manager->is_stopping = true;
		loop_arm_in(&manager->shutdown_timer, manager->config.shutdown_drain_ns);
		switcher_set_target(&manager->switcher, MANAGER_TIER_OFF, false);
	}
	if (manager->switcher.is_settled)
		manager->loop.is_ending = true;
}

/* A server that died is shut until it is up again: requests wait meanwhile. */
static void shut_what_is_not_up(struct manager *manager)
{
	struct gated_servers *gated = &manager->gated;

	if (manager->config.backend != BACKEND_HAPROXY)
		return;
	for (uint32_t tier = 1; tier < manager->config.tier_count; tier++) {
		if (SERVERS_OPS.get_state(&gated->servers, tier) != TIER_UP)
			gate_set_door(&gated->gate, tier, DOOR_SHUT);
	}
}

static void on_change(void *context)
{
	struct manager *manager = context;

	shut_what_is_not_up(manager);
	switcher_step(&manager->switcher);
	if (manager->is_stopping && manager->switcher.is_settled)
		manager->loop.is_ending = true;
}

static void on_failed(void *context, uint32_t tier)
{
	struct manager *manager = context;

	switcher_take_failure(&manager->switcher, tier);
	on_change(manager);
}

static void on_gate_lost(void *context)
{
	struct manager *manager = context;

	log_line("the gate cannot be kept running: giving up");
	manager->is_lost = true;
	manager->loop.is_ending = true;
}

static void on_served(void *context, uint32_t tier)
{
	struct manager *manager = context;

	servers_note_served(&manager->gated.servers, tier);
}

static void on_line(void *context, const struct manager_line *line)
{
	struct manager *manager = context;

	if (manager->is_stopping)
		return;
	switcher_take_line(&manager->switcher, line);
	/* Before the first order nothing is known of what the agent wants. */
	if (manager->config.backend == BACKEND_HAPROXY && line->verb == MANAGER_SWITCH)
		gate_keep_waiting(&manager->gated.gate, false);
}

static void on_hello(void *context)
{
	struct manager *manager = context;

	report_forget(&manager->report);
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static int begin(struct manager *manager, uint32_t tier)
{
	const struct agent_link_events events = {on_line, on_hello, manager};
	int r = agent_link_open(&manager->link, &manager->loop, &manager->config,
				manager->ops->is_ours, &events);

	if (r == 0)
		switcher_set_target(&manager->switcher, tier, false);
	return r;
}

/* What is loaded already is kept, unless the configuration wants another. */
static void on_found(void *context, uint32_t tier)
{
	struct manager *manager = context;
	uint32_t initial = manager->config.initial_tier;
	int r = begin(manager, initial != MANAGER_TIER_OFF ? initial : tier);

	if (r == 0)
		return;
	log_line("no connection to the agent can be made: %s", strerror(-r));
	manager->is_lost = true;
	manager->loop.is_ending = true;
}

static int open_gate(struct manager *manager, char *error, size_t error_size)
{
	report_open(&manager->report, &manager->config, &manager->link);
	manager->gated.gate = (struct gate){
		.loop = &manager->loop,
		.children = &manager->children,
		.config = &manager->config,
		.on_change = on_change,
		.on_lost = on_gate_lost,
		.on_served = on_served,
		.context = manager,
		.report = &manager->report,
	};
	return gate_open(&manager->gated.gate, error, error_size);
}

static int open_api(struct manager *manager)
{
	manager->api = (struct api){
		.loop = &manager->loop,
		.config = &manager->config,
		.events = {on_change, on_failed, manager},
		.on_found = on_found,
	};
	return api_open(&manager->api);
}

static int open_servers(struct manager *manager, char *error, size_t error_size)
{
	struct backend_events events = {on_change, on_failed, manager};
	int r = servers_open(&manager->gated.servers, &manager->loop, &manager->children,
			     &manager->config, &events, error, error_size);

	if (r == 0 && manager->config.backend == BACKEND_HAPROXY)
		r = open_gate(manager, error, error_size);
	return r;
}

static int open_backend(struct manager *manager, char *error, size_t error_size)
{
	switch (manager->config.backend) {
	case BACKEND_EXEC:
		manager->ops = &SERVERS_OPS;
		manager->backend = &manager->gated.servers;
		return open_servers(manager, error, error_size);
	case BACKEND_HAPROXY:
		manager->ops = &GATED_SERVERS_OPS;
		manager->backend = &manager->gated;
		return open_servers(manager, error, error_size);
	default:
		manager->ops = &API_OPS;
		manager->backend = &manager->api;
		return open_api(manager);
	}
}

static int open_all(struct manager *manager, char *error, size_t error_size)
{
	int r = loop_open(&manager->loop);

	if (r == 0)
		r = children_open(&manager->children, &manager->loop, on_signal, manager);
	if (r == 0)
		r = open_backend(manager, error, error_size);
	if (r < 0)
		return r;
	loop_add_timer(&manager->loop, &manager->shutdown_timer, cut, manager);
	switcher_open(&manager->switcher, &manager->loop, &manager->config, manager->ops,
		      manager->backend, &manager->link);
	/* With a server of somebody else: when it answers, see on_found(). */
	return manager->ops->is_ours ? begin(manager, manager->config.initial_tier) : 0;
}

static void close_all(struct manager *manager)
{
	agent_link_close(&manager->link);
	api_close(&manager->api);
	gate_close(&manager->gated.gate);
	servers_close(&manager->gated.servers);
	children_close(&manager->children);
	loop_close(&manager->loop);
}

int manager_run(struct manager *manager)
{
	char error[MANAGER_ERROR_LEN] = "";
	int r = open_all(manager, error, sizeof(error));

	if (r < 0)
		log_line("cannot start: %s", error[0] ? error : strerror(-r));
	else
		r = loop_run(&manager->loop);
	close_all(manager);
	return r < 0 || manager->is_lost ? EXIT_TROUBLE : 0;
}
