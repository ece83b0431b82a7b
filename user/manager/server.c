/* SPDX-License-Identifier: BSD-2-Clause */
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "log.h"

#define START_PERIOD_NS (100 * NS_PER_MS)
#define START_TIMEOUT_NS (2 * NS_PER_S)
#define RESTART_DELAY_MAX_NS (60 * NS_PER_S)

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

static void plan_watch(struct server *server)
{
	if (server->config->health_limit > 0)
		loop_arm_in(&server->timer, server->config->health_period_ns);
}

static void become_up(struct server *server)
{
	enter(server, TIER_UP);
	server->up_ns = loop_now_ns();
	server->good_ns = server->up_ns;
	server->is_crashed = false;
	server->misses = 0;
	log_line("%s: up", server->config->name);
	plan_watch(server);
	changed(server);
}

static void take_start_health(struct server *server, enum health_answer answer, const char *why)
{
	if (answer == HEALTH_GOOD) {
		become_up(server);
		return;
	}
	if (!server->is_health_told)
		log_line("%s: not healthy yet: %s", server->config->name, why);
	server->is_health_told = true;
	loop_arm_in(&server->timer, START_PERIOD_NS);
}

static void launch(struct server *server)
{
	uint64_t now_ns = loop_now_ns();

	enter(server, TIER_STARTING);
	server->is_health_told = false;
	server->given_up = NULL;
	server->deadline_ns = units_plus(now_ns, server->config->load_timeout_ns);
	int r = child_start(server->owner->children, &server->process, server->config->start,
			    server->environment, server->log.write_fd);
	if (r < 0)
		log_line("%s: cannot start: %s", server->config->name, strerror(-r));
	else
		log_line("%s: started, process %d", server->config->name, (int)server->process.pid);
	loop_arm_in(&server->timer, START_PERIOD_NS);
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
	health_cancel(&server->health);
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
	health_cancel(&server->health);
	kill_command(server);
	server->owner->events.on_failed(server->owner->events.context, server->tier);
}

static void stop_gently(struct server *server)
{
	enter(server, TIER_STOPPING);
	kill_command(server);
	health_cancel(&server->health);
	loop_arm_in(&server->timer, server->config->stop_timeout_ns);
	if (!server->config->stop[0] || server->command.pid != 0 ||
	    run_command(server, server->config->stop, server->config->stop_timeout_ns) < 0)
		child_signal(&server->process, SIGTERM);
}

/* ---- what happens ------------------------------------------------------------------------------
 */

/* end_ns: until when it served. */
static void forget_old_restarts(struct server *server, uint64_t end_ns)
{
	if (server->state == TIER_UP && end_ns - server->up_ns >= server->config->restart_reset_ns)
		server->restarts = 0;
}

static void await_restart(struct server *server)
{
	enter(server, TIER_STARTING);
	server->is_crashed = true;
	server->door = DOOR_SHUT;
	server->deadline_ns = UINT64_MAX;
	health_cancel(&server->health);
}

static void crash(struct server *server, const char *why)
{
	uint64_t delay_ns;

	forget_old_restarts(server, loop_now_ns());
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
	await_restart(server);
	loop_arm_in(&server->timer, delay_ns);
	changed(server);
}

/*
 * What hangs does not hear a SIGTERM either. Its end counts as a crash. How long it hung until that
 * was sure says nothing for it.
 */
static void give_up_hanging(struct server *server)
{
	forget_old_restarts(server, server->good_ns);
	await_restart(server);
	server->given_up = "it did not answer when it was asked for its health";
	child_signal(&server->process, SIGKILL);
	changed(server);
}

void server_note_good(struct server *server)
{
	server->misses = 0;
	server->good_ns = loop_now_ns();
}

static void take_watch_health(struct server *server, enum health_answer answer, const char *why)
{
	const struct tier_config *config = server->config;

	plan_watch(server);
	if (answer == HEALTH_UNSURE) {
		log_rare("%s: %s; not counted: the manager was late itself", config->name, why);
	} else if (answer == HEALTH_BAD) {
		server->misses++;
		log_line("%s: no health: %s, %u of %u", config->name, why, server->misses,
			 config->health_limit);
		if (server->misses >= config->health_limit)
			give_up_hanging(server);
	} else {
		server_note_good(server);
	}
}

static void on_process_end(void *context, int status)
{
	struct server *server = context;
	char why[STATUS_TEXT_LEN];

	child_describe_status(status, why, sizeof(why));
	if (server->state == TIER_STOPPING && server->given_up)
		fail(server, server->given_up);
	else if (server->state == TIER_STOPPING)
		become_down(server);
	else if (server->state == TIER_UP || server->is_crashed)
		crash(server, server->given_up ? server->given_up : why);
	else
		fail(server, why);
}

/* A load that took too long: failed only when its process is gone. */
static void give_up_loading(struct server *server)
{
	server->given_up = "it did not serve within load_timeout";
	if (server->is_crashed)
		child_signal(&server->process, SIGKILL); /* its end counts as another crash */
	else
		kill_process(server);
}

static void ask_health(struct server *server, uint64_t timeout_ns)
{
	if (health_ask(&server->health, timeout_ns) < 0)
		loop_arm_in(&server->timer, START_PERIOD_NS);
}

static void on_starting_time(struct server *server)
{
	if (server->process.pid == 0 && server->deadline_ns != UINT64_MAX)
		fail(server, "it could not be started");
	else if (server->process.pid == 0)
		launch(server);
	else if (loop_now_ns() >= server->deadline_ns)
		give_up_loading(server);
	else
		ask_health(server, START_TIMEOUT_NS);
}

static void on_time(void *context)
{
	struct server *server = context;

	if (server->state == TIER_STARTING) {
		on_starting_time(server);
	} else if (server->state == TIER_UP) {
		ask_health(server, server->config->health_timeout_ns);
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

	loop_disarm(&server->command_timer);
	if (server->state == TIER_STOPPING && server->config->stop[0])
		/* Whether the command did its work shows when the process ends; or at the timeout.
		 */
		child_signal(&server->process, status == 0 ? 0 : SIGTERM);
	else if (server->state == TIER_UP && server->door == DOOR_DRAINING)
		end_drain(server, status);
}

static void on_health(void *context, enum health_answer answer, const char *why)
{
	struct server *server = context;

	if (server->process.pid == 0 || server->process.is_reaped)
		return;
	if (server->state == TIER_STARTING)
		take_start_health(server, answer, why);
	else if (server->state == TIER_UP)
		take_watch_health(server, answer, why);
}

/* ---- what the backend asks for -----------------------------------------------------------------
 */

void server_start(struct server *server)
{
	if (server->state != TIER_DOWN || server->process.pid != 0)
		return;
	server->is_crashed = false;
	server->restarts = 0;
	launch(server);
}

void server_stop(struct server *server, bool is_forced)
{
	if (server->state == TIER_DOWN)
		return;
	server->door = DOOR_SHUT;
	if (server->process.pid == 0) {
		become_down(server); /* it waited to be started again */
		return;
	}
	if (server->state == TIER_STOPPING && !is_forced)
		return;
	server->given_up = NULL;
	if (is_forced)
		kill_process(server);
	else
		stop_gently(server);
}

void server_set_door(struct server *server, enum door door)
{
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

void server_init(struct server *server, struct servers *servers, uint32_t tier)
{
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
	server->health = (struct health){
		.loop = servers->loop,
		.children = servers->children,
		.question = server->config->health,
		.environment = server->environment,
		.output_fd = -1,
		.on_answer = on_health,
		.context = server,
	};
	health_open(&server->health);
}
