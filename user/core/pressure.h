/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pressure per party over the last minute: memory stall by whose limit it comes from, and CPU
 * time and run-queue wait. Fed by process records as they come; a window of records is put in
 * when the walk that ends it is reported. Urgent records count before that (stall_now), without
 * being counted twice when the window closes.
 *
 * The agent's own and kernel threads' amounts count as CPU use only.
 */
#ifndef TIERD_CORE_PRESSURE_H
#define TIERD_CORE_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "attribution.h"
#include "window.h"

enum cpu_series {
	CPU_MODEL_TIME, /* without what ran or waited in the background */
	CPU_MODEL_WAIT,
	CPU_OTHERS_TIME,
	CPU_OTHERS_WAIT,
	CPU_ALL_TIME, /* of everybody, with the background */
	CPU_SERIES_COUNT,
};

/* Parties that can suffer: others and the model. */
enum {
	PRESSURE_PARTIES = PARTY_MODEL + 1,
};

struct pressure {
	struct window stall[PRESSURE_PARTIES][STALL_CLASS_COUNT];
	struct window cpu[CPU_SERIES_COUNT];
	uint64_t open_cpu_ns[CPU_SERIES_COUNT];
	/* Largest stall of one process in the open window: a lower bound of the party's. */
	uint64_t open_stall_ns[PRESSURE_PARTIES][STALL_CLASS_COUNT];
	bool is_walked;        /* a window has been closed since the start */
	uint64_t walk_end_ns;  /* kernel time */
	uint64_t cpu_since_ns; /* CPU amounts are complete from here on */
};

struct cpu_pressure {
	/* Share of the wanted CPU time that was waited for, throughout the window: the least of the
	 * whole and of each fifth of it, so that a short burst after idling is none. 0 also while
	 * it is not known, and when less than a tenth of a core was wanted. */
	uint32_t model_wait_permyriad;
	/* The same, as far as it overlaps the model's running; 0 while CPUs are free. */
	uint32_t others_wait_permyriad;
	uint32_t others_demand_permyriad; /* time and wait, of all cores */
};

void pressure_init(struct pressure *pressure);

/* Forgets what was seen: the source changed, or a new tier has settled. */
void pressure_restart(struct pressure *pressure);

void pressure_add(struct pressure *pressure, const struct process_delta *delta);

/* Closes the window that a walk ended; takes the stalls out of the table. */
void pressure_close_window(struct pressure *pressure, uint64_t now_ns,
			   const struct event_window *window, struct attribution *attribution);

/* Stall of others between two samples, where there are no process records. */
void pressure_add_total_stall(struct pressure *pressure, uint64_t begin_ns, uint64_t end_ns,
			      enum stall_class stall_class, uint64_t stall_ns);

/* Memory stall of a party as a share of the last length_ns, with the open window's. */
uint32_t pressure_stall_permyriad(const struct pressure *pressure, uint64_t now_ns, uint32_t party,
				  uint32_t stall_class, uint64_t length_ns);

/* CPU pressure over the last length_ns; all 0 while there is less data than that. */
void pressure_get_cpu(const struct pressure *pressure, uint64_t now_ns, uint64_t length_ns,
		      uint32_t cpu_count, struct cpu_pressure *ret_cpu);

#endif
