/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the switcher wants of whatever operates the tiers. Everything is a level: the switcher says
 * what ought to be, looks at what is, and is called when that has changed.
 */
#ifndef TIERD_MANAGER_BACKEND_H
#define TIERD_MANAGER_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

enum tier_state {
	TIER_DOWN,     /* not in memory */
	TIER_STARTING, /* being loaded, or about to be loaded again after it died */
	TIER_UP,       /* it answers */
	TIER_STOPPING,
};

/* What becomes of new requests for a tier. */
enum door {
	DOOR_SHUT,
	DOOR_DRAINING, /* none come in, running ones end */
	DOOR_OPEN,
};

/* In flight: how many is not known, but some may run. */
#define IN_FLIGHT_UNKNOWN UINT32_MAX

struct backend_ops {
	/* Begins loading a tier that is down. */
	void (*start)(void *backend, uint32_t tier);
	/* Begins unloading; forced: at once, whatever runs. May be said again, more strongly. */
	void (*stop)(void *backend, uint32_t tier, bool is_forced);
	enum tier_state (*get_state)(const void *backend, uint32_t tier);
	void (*set_door)(void *backend, uint32_t tier, enum door door);
	/* What it is now: it may take a moment to follow. */
	enum door (*get_door)(const void *backend, uint32_t tier);
	/* Requests that run or wait on a tier whose door is draining. */
	uint32_t (*get_in_flight)(const void *backend, uint32_t tier);
	/* Whether requests without a tier wait for one (true) or fail. NULL: they fail. */
	void (*set_waiting)(void *backend, bool is_waiting);
	bool is_ours; /* the servers are children of the manager */
};

/* What a backend tells the switcher. */
struct backend_events {
	void (*on_change)(void *context);
	/* A tier that could not be loaded, or died too often; it is down now. */
	void (*on_failed)(void *context, uint32_t tier);
	void *context;
};

#endif
