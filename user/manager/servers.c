/* SPDX-License-Identifier: BSD-2-Clause */
/* The exec backend: the servers of all tiers, without anything in front of them. */
#include <stdio.h>
#include <string.h>

#include "server.h"

static void start(void *backend, uint32_t tier)
{
	server_start(&((struct servers *)backend)->server[tier]);
}

static void stop(void *backend, uint32_t tier, bool is_forced)
{
	server_stop(&((struct servers *)backend)->server[tier], is_forced);
}

static enum tier_state get_state(const void *backend, uint32_t tier)
{
	return ((const struct servers *)backend)->server[tier].state;
}

/* Without a gate nobody can be kept out; but a command may wait until nothing runs. */
static void set_door(void *backend, uint32_t tier, enum door door)
{
	server_set_door(&((struct servers *)backend)->server[tier], door);
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

		server_init(server, servers, tier);
		int r = child_log_open(&server->log, loop, config->log_dir, server->config->name,
				       config->log_max_bytes);
		if (r < 0) {
			snprintf(error, error_size, "%s: %s", server->log.path, strerror(-r));
			return r;
		}
		server->health.output_fd = server->log.write_fd;
	}
	return 0;
}

void servers_note_served(struct servers *servers, uint32_t tier)
{
	server_note_good(&servers->server[tier]);
}

void servers_close(struct servers *servers)
{
	if (!servers->config)
		return;
	for (uint32_t tier = 1; tier < servers->config->tier_count; tier++) {
		health_cancel(&servers->server[tier].health);
		child_log_close(&servers->server[tier].log);
	}
}
