// SPDX-License-Identifier: BSD-2-Clause
#include "row_events.h"

#include <math.h>
#include <string.h>

#include "base/units.h"

void row_events_init(struct row_events *events)
{
	memset(events, 0, sizeof(*events));
	/* 0 is what a kernel without PSI says. */
	events->totals.psi_mem_some_ns = NS_PER_S;
}

/* Two rows may lie so far apart that the time of all CPUs is more than 64 bits hold. */
static void add_share(uint64_t *total_ns, double share, uint64_t step_ns)
{
	double added_ns = round(share * (double)step_ns);

	*total_ns = units_plus(*total_ns, added_ns < 0x1p64 ? (uint64_t)added_ns : UINT64_MAX);
}

static void add_totals(struct event_sample *totals, const struct csv_row *row, uint64_t step_ns)
{
	add_share(&totals->psi_cpu_some_ns, row->psi_cpu_some, step_ns);
	add_share(&totals->psi_mem_some_ns, row->psi_mem_some, step_ns);
	add_share(&totals->psi_mem_full_ns, row->psi_mem_full, step_ns);
	add_share(&totals->psi_io_some_ns, row->psi_io_some, step_ns);
	add_share(&totals->cpu_busy_ns, fmin(row->cpu_others, 1) * totals->cpu_count, step_ns);
	if (row->psi_mem_some > 0)
		totals->host_scan_pages++;
}

static void add_resources(struct event_sample *sample, const struct csv_row *row)
{
	struct event_resource *resource = &sample->resources[sample->resource_count++];
	uint64_t model_bytes = csv_row_bytes(row, row->mem_model);

	*resource = (struct event_resource){
		.kind = RESOURCE_HOST_MEMORY,
		.capacity_bytes = csv_row_bytes(row, row->mem_total),
		.used_bytes = units_plus(csv_row_bytes(row, row->mem_others), model_bytes),
		.model_bytes = model_bytes,
	};
	if (row->vram_total <= 0)
		return;
	resource = &sample->resources[sample->resource_count++];
	*resource = (struct event_resource){
		.kind = RESOURCE_VRAM,
		.capacity_bytes = (uint64_t)round(row->vram_total),
		.used_bytes = (uint64_t)round(row->vram_others),
	};
}

static uint32_t source_of(const struct csv_row *row)
{
	return csv_row_has(row, CSV_COLUMN_PSI_MEM_SOME) ? SOURCE_PSI : SOURCE_POLL;
}

unsigned int row_events_make(struct row_events *events, const struct csv_row *row,
			     struct event ret_events[ROW_EVENTS_MAX])
{
	struct event_sample *totals = &events->totals;
	struct event *event = ret_events;
	bool is_first = events->source == SOURCE_NONE;

	totals->cpu_count = row->cpus > 0 ? (uint32_t)row->cpus : 1;
	/* The shares are of the time since the row before: there is none yet. */
	if (!is_first)
		add_totals(totals, row, row->time_ns - events->last_ns);
	events->last_ns = row->time_ns;
	if (source_of(row) != events->source) {
		events->source = source_of(row);
		*event++ = (struct event){
			.time_ns = row->time_ns,
			.kind = EVENT_SOURCE,
			.source.source = events->source,
		};
	}
	*event = (struct event){
		.time_ns = row->time_ns,
		.kind = EVENT_SAMPLE,
		.sample = *totals,
	};
	event->sample.flags = SAMPLE_CONFIRMED;
	/* With a process of the model in sight, what is not the model's is others'. */
	event->sample.model_processes = 1;
	event->sample.swap_total_bytes = csv_row_bytes(row, row->swap_total);
	event->sample.swap_free_bytes = csv_row_bytes(row, row->swap_free);
	add_resources(&event->sample, row);
	return (unsigned int)(event - ret_events) + 1;
}
