/* SPDX-License-Identifier: BSD-2-Clause */
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "log.h"

#define HEALTH_PERIOD_NS (100 * NS_PER_MS)
#define HEALTH_TIMEOUT_NS (2 * NS_PER_S)
#define RESTART_DELAY_MAX_NS (60 * NS_PER_S)
#define RESTART_RESET_NS (60 * NS_PER_S)

enum {
	STATUS_TEXT_LEN = 64,
	RESTART_SHIFT_MAX = 20,
};

static void changed(struct server *server)
{
	server->owner->events.on_change(server->owner->events.context);
}

static void enter(struct server *server, enum tier_state state)
{
	server->state = state;
	loop_disarm(&server->timer);
}

/* ---- commands ----------------------------------------------------------------------------------
 */

/* At most one runs; when it has ended, on_command_end() looks at the state. */
static int run_command(struct server *server, const char *command, uint64_t timeout_ns)
{
	if (server->command.pid != 0)
		return -EBUSY;
	server->is_command_killed = false;
	int r = child_start(server->owner->children, &server->command, command, server->environment,
			    server->log.write_fd);
	if (r == 0)
		loop_arm_in(&server->command_timer, timeout_ns);
	else
		log_line("%s: cannot start a command: %s", server->config->name, strerror(-r));
	return r;
}

static void kill_command(struct server *server)
{
	server->is_command_killed = true;
	loop_disarm(&server->command_timer);
	child_signal(&server->command, SIGKILL);
}

static void on_command_timeout(void *context)
{
	kill_command(context);
}

static void begin_drain(struct server *server)
{
	server->is_drained = false;
	if (run_command(server, server->config->drain, UINT64_MAX / 2) != -EBUSY &&
	    server->command.pid == 0)
		server->is_drained = true; /* it cannot be asked */
}

/* ---- starting ----------------------------------------------------------------------------------
 */

static void become_up(struct server *server)
{
	enter(server, TIER_UP);
	server->up_ns = loop_now_ns();
	server->is_crashed = false;
	log_line("%s: up", server->config->name);
	changed(server);
}

static void take_health(struct server *server, bool is_healthy, const char *why)
{
	if (server->state != TIER_STARTING || server->process.pid == 0 || server->process.is_reaped)
		return;
	if (is_healthy) {
		become_up(server);
		return;
	}
	if (!server->is_health_told)
		log_line("%s: not healthy yet: %s", server->config->name, why);
	server->is_health_told = true;
	loop_arm_in(&server->timer, HEALTH_PERIOD_NS);
}

static void on_health_answer(void *context, const struct http_answer *answer)
{
	char status[STATUS_TEXT_LEN];

	snprintf(status, sizeof(status), "HTTP status %d", answer->status);
	take_health(context, answer->status >= 200 && answer->status < 300,
		    answer->status ? status : answer->error);
}

static bool is_url(const char *health)
{
	return strncmp(health, "http://", 7) == 0 || strncmp(health, "https://", 8) == 0;
}

static void ask_health(struct server *server)
{
	int r;

	if (is_url(server->config->health))
		r = http_begin(&server->http, server->owner->loop, NULL, server->config->health,
			       NULL, HEALTH_TIMEOUT_NS, on_health_answer, server);
	else
		r = run_command(server, server->config->health, HEALTH_TIMEOUT_NS);
	if (r < 0)
		loop_arm_in(&server->timer, HEALTH_PERIOD_NS);
}

static void launch(struct server *server)
{
	uint64_t now_ns = loop_now_ns();

	enter(server, TIER_STARTING);
	server->is_health_told = false;
	server->has_timed_out = false;
	server->deadline_ns = units_plus(now_ns, server->config->load_timeout_ns);
	int r = child_start(server->owner->children, &server->process, server->config->start,
			    server->environment, server->log.write_fd);
	if (r < 0)
		log_line("%s: cannot start: %s", server->config->name, strerror(-r));
	else
		log_line("%s: started, process %d", server->config->name, (int)server->process.pid);
	loop_arm_in(&server->timer, HEALTH_PERIOD_NS);
}

/* ---- stopping ----------------------------------------------------------------------------------
 */

static void kill_process(struct server *server)
{
	enter(server, TIER_STOPPING);
	child_signal(&server->process, SIGKILL);
}

static void become_down(struct server *server)
{
	enter(server, TIER_DOWN);
	server->is_crashed = false;
	http_cancel(&server->http);
	kill_command(server);
	log_line("%s: down", server->config->name);
	changed(server);
}

static void fail(struct server *server, const char *why)
{
	log_line("%s: failed: %s", server->config->name, why);
	enter(server, TIER_DOWN);
	server->is_crashed = false;
	server->restarts = 0;
	http_cancel(&server->http);
	kill_command(server);
	server->owner->events.on_failed(server->owner->events.context, server->tier);
}

static void stop_gently(struct server *server)
{
	enter(server, TIER_STOPPING);
	kill_command(server);
	http_cancel(&server->http);
	loop_arm_in(&server->timer, server->config->stop_timeout_ns);
	if (!server->config->stop[0] || server->command.pid != 0 ||
	    run_command(server, server->config->stop, server->config->stop_timeout_ns) < 0)
		child_signal(&server->process, SIGTERM);
}

/* ---- what happens ------------------------------------------------------------------------------
 */

static void crash(struct server *server, const char *why)
{
	uint64_t delay_ns;

	if (server->state == TIER_UP && loop_now_ns() - server->up_ns >= RESTART_RESET_NS)
		server->restarts = 0;
	if (server->restarts >= server->config->restart_limit) {
		fail(server, why);
		return;
	}
	delay_ns = units_scale(server->config->restart_delay_ns,
			       1ULL << units_min(server->restarts, RESTART_SHIFT_MAX), 1);
	delay_ns = units_min(delay_ns,
			     units_max(RESTART_DELAY_MAX_NS, server->config->restart_delay_ns));
	server->restarts++;
	log_line("%s: died: %s; restart %u of %u in %llu ms", server->config->name, why,
		 server->restarts, server->config->restart_limit,
		 (unsigned long long)(delay_ns / NS_PER_MS));
	enter(server, TIER_STARTING);
	server->is_crashed = true;
	server->door = DOOR_SHUT;
	server->deadline_ns = UINT64_MAX;
	http_cancel(&server->http);
	loop_arm_in(&server->timer, delay_ns);
	changed(server);
}

static void on_process_end(void *context, int status)
{
	struct server *server = context;
	char why[STATUS_TEXT_LEN];

	child_describe_status(status, why, sizeof(why));
	if (server->state == TIER_STOPPING && server->has_timed_out)
		fail(server, "it did not serve within load_timeout");
	else if (server->state == TIER_STOPPING)
		become_down(server);
	else if (server->state == TIER_UP || server->is_crashed)
		crash(server, why);
	else
		fail(server, why);
}

/* A load that took too long: failed only when its process is gone. */
static void give_up_loading(struct server *server)
{
	if (server->is_crashed) {
		/* Its end counts as another crash. */
		child_signal(&server->process, SIGKILL);
		return;
	}
	kill_process(server);
	server->has_timed_out = true;
}

static void on_starting_time(struct server *server)
{
	if (server->process.pid == 0 && server->deadline_ns != UINT64_MAX)
		fail(server, "it could not be started");
	else if (server->process.pid == 0)
		launch(server);
	else if (loop_now_ns() >= server->deadline_ns)
		give_up_loading(server);
	else if (!http_is_busy(&server->http) && server->command.pid == 0)
		ask_health(server);
	else
		loop_arm_in(&server->timer, HEALTH_PERIOD_NS);
}

static void on_time(void *context)
{
	struct server *server = context;

	if (server->state == TIER_STARTING) {
		on_starting_time(server);
	} else if (server->state == TIER_STOPPING) {
		log_line("%s: still there after stop_timeout: killed", server->config->name);
		kill_process(server);
	}
}

/* A drain that cannot tell is none: the agent's deadline would pass for nothing. */
static void end_drain(struct server *server, int status)
{
	char why[STATUS_TEXT_LEN];

	if (server->is_command_killed) {
		begin_drain(server); /* that was one that a cancel had ended */
		return;
	}
	if (status != 0)
		log_line("%s: drain: %s", server->config->name,
			 child_describe_status(status, why, sizeof(why)));
	server->is_drained = true;
	changed(server);
}

static void on_command_end(void *context, int status)
{
	struct server *server = context;
	char why[STATUS_TEXT_LEN];

	loop_disarm(&server->command_timer);
	child_describe_status(status, why, sizeof(why));
	if (server->state == TIER_STARTING)
		take_health(server, status == 0 && !server->is_command_killed, why);
	else if (server->state == TIER_STOPPING && server->config->stop[0])
		/* Whether the command did its work shows when the process ends; or at the timeout.
		 */
		child_signal(&server->process, status == 0 ? 0 : SIGTERM);
	else if (server->state == TIER_UP && server->door == DOOR_DRAINING)
		end_drain(server, status);
}

/* ---- backend -----------------------------------------------------------------------------------
 */

static void start(void *backend, uint32_t tier)
{
	struct server *server = &((struct servers *)backend)->server[tier];

	if (server->state != TIER_DOWN || server->process.pid != 0)
		return;
	server->is_crashed = false;
	server->restarts = 0;
	launch(server);
}

static void stop(void *backend, uint32_t tier, bool is_forced)
{
	struct server *server = &((struct servers *)backend)->server[tier];

	if (server->state == TIER_DOWN)
		return;
	server->door = DOOR_SHUT;
	if (server->process.pid == 0) {
		become_down(server); /* it waited to be started again */
		return;
	}
	if (server->state == TIER_STOPPING && !is_forced)
		return;
	server->has_timed_out = false;
	if (is_forced)
		kill_process(server);
	else
		stop_gently(server);
}

static enum tier_state get_state(const void *backend, uint32_t tier)
{
	return ((const struct servers *)backend)->server[tier].state;
}

/* Without a gate nobody can be kept out; but a command may wait until nothing runs. */
static void set_door(void *backend, uint32_t tier, enum door door)
{
	struct server *server = &((struct servers *)backend)->server[tier];

	if (server->door == door)
		return;
	server->door = door;
	if (server->state != TIER_UP || !server->config->drain[0])
		return;
	if (door == DOOR_DRAINING)
		begin_drain(server);
	else
		kill_command(server);
}

static enum door get_door(const void *backend, uint32_t tier)
{
	return ((const struct servers *)backend)->server[tier].door;
}

static uint32_t get_in_flight(const void *backend, uint32_t tier)
{
	const struct server *server = &((const struct servers *)backend)->server[tier];

	return !server->config->drain[0] || server->is_drained ? 0 : IN_FLIGHT_UNKNOWN;
}

const struct backend_ops SERVERS_OPS = {
	.start = start,
	.stop = stop,
	.get_state = get_state,
	.set_door = set_door,
	.get_door = get_door,
	.get_in_flight = get_in_flight,
	.is_ours = true,
};

/* ---- the whole ---------------------------------------------------------------------------------
 */

static void set_environment(struct server *server)
{
	char host[MANAGER_ADDRESS_LEN] = "";
	uint32_t port = 0;
	int i = 0;

	manager_address_split(server->config->address, host, sizeof(host), &port);
	snprintf(server->variables[i++], SERVER_VARIABLE_LEN, "TIER=%s", server->config->name);
	snprintf(server->variables[i++], SERVER_VARIABLE_LEN, "TIER_ADDRESS=%s",
		 server->config->address);
	snprintf(server->variables[i++], SERVER_VARIABLE_LEN, "TIER_HOST=%s", host);
	snprintf(server->variables[i++], SERVER_VARIABLE_LEN, "TIER_PORT=%u", port);
	snprintf(server->variables[i++], SERVER_VARIABLE_LEN, "TIER_MODEL=%s",
		 server->config->model);
	for (int j = 0; j < i; j++)
		server->environment[j] = server->variables[j];
	server->environment[i] = NULL;
}

static void init_server(struct servers *servers, uint32_t tier)
{
	struct server *server = &servers->server[tier];

	server->owner = servers;
	server->config = &servers->config->tiers[tier];
	server->tier = tier;
	server->process.on_end = on_process_end;
	server->process.context = server;
	server->command.on_end = on_command_end;
	server->command.context = server;
	server->log.write_fd = -1;
	loop_add_timer(servers->loop, &server->timer, on_time, server);
	loop_add_timer(servers->loop, &server->command_timer, on_command_timeout, server);
	set_environment(server);
}

int servers_open(struct servers *servers, struct loop *loop, struct children *children,
		 const struct manager_config *config, const struct backend_events *events,
		 char *error, size_t error_size)
{
	memset(servers, 0, sizeof(*servers));
	servers->loop = loop;
	servers->children = children;
	servers->config = config;
	servers->events = *events;
	for (uint32_t tier = 1; tier < config->tier_count; tier++) {
		struct server *server = &servers->server[tier];

		init_server(servers, tier);
		int r = child_log_open(&server->log, loop, config->log_dir, server->config->name,
				       config->log_max_bytes);
		if (r < 0) {
			snprintf(error, error_size, "%s: %s", server->log.path, strerror(-r));
			return r;
		}
	}
	return 0;
}

void servers_close(struct servers *servers)
{
	if (!servers->config)
		return;
	for (uint32_t tier = 1; tier < servers->config->tier_count; tier++) {
		http_cancel(&servers->server[tier].http);
		child_log_close(&servers->server[tier].log);
	}
}
