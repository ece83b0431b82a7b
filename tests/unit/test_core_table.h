/* SPDX-License-Identifier: BSD-2-Clause */
/* A process table for one test, and records to fill it with. */
#ifndef TIERD_TESTS_TEST_CORE_TABLE_H
#define TIERD_TESTS_TEST_CORE_TABLE_H

#include "test_core_rig.h"

#include "core/attribution.h"

static struct attribution *table;
static struct process_delta delta;

static int set_up(void **state)
{
	(void)state;
	table = malloc(sizeof(*table));
	assert_non_null(table);
	attribution_init(table);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(table);
	return 0;
}

static struct event_process process(uint32_t pid, uint32_t flags)
{
	struct event_process event = {.party = PARTY_OTHERS, .record = rig_process(pid, "proc")};

	event.record.header.flags = flags;
	event.record.header.time_ns = SECONDS(1000);
	return event;
}

static void record(uint64_t now_ns, const struct event_process *event)
{
	attribution_record(table, now_ns, event, &delta);
}

#endif
