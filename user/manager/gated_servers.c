/* SPDX-License-Identifier: BSD-2-Clause */
/* The haproxy backend: the servers of server.c, with the gate as their doors. */
#include "gate.h"

static void start(void *backend, uint32_t tier)
{
	SERVERS_OPS.start(&((struct gated_servers *)backend)->servers, tier);
}

static void stop(void *backend, uint32_t tier, bool is_forced)
{
	SERVERS_OPS.stop(&((struct gated_servers *)backend)->servers, tier, is_forced);
}

static enum tier_state get_state(const void *backend, uint32_t tier)
{
	return SERVERS_OPS.get_state(&((const struct gated_servers *)backend)->servers, tier);
}

static void set_door(void *backend, uint32_t tier, enum door door)
{
	gate_set_door(&((struct gated_servers *)backend)->gate, tier, door);
}

static enum door get_door(const void *backend, uint32_t tier)
{
	return gate_get_door(&((const struct gated_servers *)backend)->gate, tier);
}

static uint32_t get_in_flight(const void *backend, uint32_t tier)
{
	return gate_get_in_flight(&((const struct gated_servers *)backend)->gate, tier);
}

static void set_waiting(void *backend, bool is_waiting)
{
	gate_set_waiting(&((struct gated_servers *)backend)->gate, is_waiting);
}

const struct backend_ops GATED_SERVERS_OPS = {
	.start = start,
	.stop = stop,
	.get_state = get_state,
	.set_door = set_door,
	.get_door = get_door,
	.get_in_flight = get_in_flight,
	.set_waiting = set_waiting,
	.is_ours = true,
};
