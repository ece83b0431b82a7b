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
	manager->is_gate_lost = true;
	manager->loop.is_ending = true;
}

static void on_line(void *context, const struct manager_line *line)
{
	struct manager *manager = context;

	if (!manager->is_stopping)
		switcher_take_line(&manager->switcher, line);
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static int open_gate(struct manager *manager, char *error, size_t error_size)
{
	report_open(&manager->report, &manager->config, &manager->link);
	manager->gated.gate = (struct gate){
		.loop = &manager->loop,
		.children = &manager->children,
		.config = &manager->config,
		.on_change = on_change,
		.on_lost = on_gate_lost,
		.context = manager,
		.report = &manager->report,
	};
	return gate_open(&manager->gated.gate, error, error_size);
}

static int open_backend(struct manager *manager, const struct backend_ops **ret_ops,
			void **ret_backend, char *error, size_t error_size)
{
	struct backend_events events = {on_change, on_failed, manager};
	bool is_gated = manager->config.backend == BACKEND_HAPROXY;
	int r = servers_open(&manager->gated.servers, &manager->loop, &manager->children,
			     &manager->config, &events, error, error_size);

	*ret_ops = is_gated ? &GATED_SERVERS_OPS : &SERVERS_OPS;
	*ret_backend = is_gated ? (void *)&manager->gated : (void *)&manager->gated.servers;
	if (r == 0 && is_gated)
		r = open_gate(manager, error, error_size);
	return r;
}

static int open_all(struct manager *manager, char *error, size_t error_size)
{
	const struct backend_ops *ops = NULL;
	void *backend = NULL;
	int r = loop_open(&manager->loop);

	if (r == 0)
		r = children_open(&manager->children, &manager->loop, on_signal, manager);
	if (r == 0)
		r = open_backend(manager, &ops, &backend, error, error_size);
	if (r == 0)
		r = agent_link_open(&manager->link, &manager->loop, &manager->config, ops->is_ours,
				    on_line, manager);
	if (r < 0)
		return r;
	loop_add_timer(&manager->loop, &manager->shutdown_timer, cut, manager);
	switcher_open(&manager->switcher, &manager->loop, &manager->config, ops, backend,
		      &manager->link);
	switcher_set_target(&manager->switcher, manager->config.initial_tier, false);
	return 0;
}

static void close_all(struct manager *manager)
{
	agent_link_close(&manager->link);
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
	return r < 0 || manager->is_gate_lost ? EXIT_TROUBLE : 0;
}
