/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows of a CSV file as the events that a live agent would have fed. Each row becomes one sample,
 * marked as confirmed, whose use is made so that others' use is exactly mem_others, whatever tier
 * the engine thinks is loaded. Shares of time become running totals.
 *
 * A CSV tells of a host as a whole: where memory was stalled, the host is taken to have been short.
 * Where psi_mem_some is missing the source is `poll`, else `psi`; a change is an event.
 */
#ifndef TIERD_APP_ROW_EVENTS_H
#define TIERD_APP_ROW_EVENTS_H

#include "io/csv_rows.h"
#include "tierd/event.h"

enum {
	ROW_EVENTS_MAX = 2, /* of one row */
};

struct row_events {
	uint32_t source; /* enum pressure_source; SOURCE_NONE before the first row */
	uint64_t last_ns;
	struct event_sample totals; /* what runs on from row to row */
};

void row_events_init(struct row_events *events);

/* Makes the events of the next row. Returns how many. */
unsigned int row_events_make(struct row_events *events, const struct csv_row *row,
			     struct event ret_events[ROW_EVENTS_MAX]);

#endif
