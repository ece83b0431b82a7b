/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests on the running kernel: the product's probes, with the last record of every process
 * kept, so that a test can ask what was measured. Records are cumulative: the last one is all.
 */
#ifndef TIERD_TESTS_COLLECTOR_H
#define TIERD_TESTS_COLLECTOR_H

#include <stdint.h>
#include <sys/types.h>

#include "io/probes.h"

enum {
	COLLECTOR_PROCESSES_MAX = 16384,
	COLLECTOR_OOMS_MAX = 64,
};

struct collector_oom {
	struct oom_record record;
	uint64_t read_ns; /* CLOCK_MONOTONIC, when the record was read */
};

struct collector {
	struct probes *probes;
	struct process_record *processes; /* the last of each, COLLECTOR_PROCESSES_MAX */
	unsigned int process_count;
	struct collector_oom ooms[COLLECTOR_OOMS_MAX];
	unsigned int oom_count;
	uint64_t records_read;
	uint64_t urgent_read;
	uint64_t exits_read;
	uint64_t went_back; /* cumulative values that shrank, or impossible ones: must stay 0 */
};

/* Ring sizes 0 = the product's defaults. Fails the test on error. */
struct collector *collector_open(uint64_t bulk_ring_bytes, uint64_t urgent_ring_bytes);

/* As above, with another report floor than the product's 1 ms. */
struct collector *collector_open_floor(uint64_t bulk_ring_bytes, uint64_t report_floor_ns);

/* As the agent does it: a walk rests, and the ring is read, when half of it is full. No floor. */
struct collector *collector_open_draining(uint64_t bulk_ring_bytes);

/* Has not looked yet: of who is there already nothing is known. */
struct collector *collector_open_blind(void);

/* Every process sends a record in every walk and at its exit, so that sums over them are exact. */
struct collector *collector_open_exact(void);
void collector_close(struct collector *collector);

/* Walks, then reads both rings. */
void collector_look(struct collector *collector);

/* Looks every 100 ms for so long, reading urgent records as they come. */
void collector_watch(struct collector *collector, uint64_t duration_ns);

/* The last record of pid, NULL if there was none. */
const struct process_record *collector_find(const struct collector *collector, pid_t pid);

uint64_t test_now_ns(void);
void test_sleep_ns(uint64_t duration_ns);

/* |a - b| <= permille / 1000 of b. */
#define assert_within_permille(a, b, permille) \
	test_assert_within((a), (b), (permille), #a, __FILE__, __LINE__)
void test_assert_within(uint64_t a, uint64_t b, uint64_t permille, const char *what,
			const char *file, int line);

#endif
