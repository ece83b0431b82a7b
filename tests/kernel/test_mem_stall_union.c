// SPDX-License-Identifier: BSD-2-Clause
/*
 * Memory stall of a process whose threads run on two CPUs: the product's union, kept in one word
 * by compare-and-swap, against the union computed here from every single interval.
 */
#include <bpf/libbpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "collector.h"
#include "interval.h"
#include "workload.h"

#include "intervals.skel.h"

enum {
	TOLERANCE_PERMILLE = 30,
	THREADS = 6,
};

#define LIMIT_BYTES (64 * MIB)
#define FILE_BYTES (160 * MIB)

struct interval_list {
	struct stall_interval *items;
	size_t count;
	size_t room;
};

static char file_path[] = "/var/tmp/tierd-test-union";

static int teardown(void **state)
{
	(void)state;
	group_remove_all();
	unlink(file_path);
	return 0;
}

static int interval_keep(void *context, void *data, size_t size)
{
	struct interval_list *list = context;

	assert_int_equal(size, sizeof(struct stall_interval));
	if (list->count == list->room) {
		list->room = list->room ? 2 * list->room : 4096;
		list->items = realloc(list->items, list->room * sizeof(*list->items));
		assert_non_null(list->items);
	}
	list->items[list->count++] = *(struct stall_interval *)data;
	return 0;
}

static int interval_compare(const void *a, const void *b)
{
	const struct stall_interval *left = a, *right = b;

	return left->begin_ns < right->begin_ns ? -1 : left->begin_ns > right->begin_ns;
}

static uint64_t interval_union_ns(struct interval_list *list)
{
	uint64_t union_ns = 0, until_ns = 0;

	qsort(list->items, list->count, sizeof(*list->items), interval_compare);
	for (size_t i = 0; i < list->count; i++) {
		const struct stall_interval *interval = &list->items[i];
		uint64_t begin_ns = units_max(interval->begin_ns, until_ns);

		union_ns += units_minus(interval->end_ns, begin_ns);
		until_ns = units_max(until_ns, interval->end_ns);
	}
	return union_ns;
}

static void union_over_threads_on_two_cpus(void **state)
{
	(void)state;
	struct interval_list list = {0};
	uint64_t losses_before[LOSS_CAUSE_COUNT];
	struct collector *collector = collector_open(0, 0);
	struct intervals *oracle = intervals__open_and_load();
	const struct workload thrash = {
		.run = workload_reread,
		.comm = "thrash",
		.threads = THREADS,
		.cpu = WORKLOAD_ANY_CPU,
		.memory_group = group_make(GROUP_MEMORY, "union", LIMIT_BYTES),
		.file = file_path,
		.bytes = FILE_BYTES,
	};

	/* Threads of this host that stalled before the first walk had met them are no loss of ours.
	 */
	probes_read_missed(collector->probes);
	probes_get_losses(collector->probes, losses_before);
	assert_non_null(oracle);
	workload_make_file(file_path, FILE_BYTES);
	assert_int_equal(intervals__attach(oracle), 0);

	struct ring_buffer *ring =
		ring_buffer__new(bpf_map__fd(oracle->maps.intervals), interval_keep, &list, NULL);
	pid_t pid = workload_start(&thrash);

	oracle->bss->target_pid = (uint32_t)pid;
	assert_non_null(ring);
	for (int i = 0; i < 30; i++) {
		collector_watch(collector, 100 * NS_PER_MS);
		assert_true(ring_buffer__consume(ring) >= 0);
	}
	workload_stop(pid);
	test_sleep_ns(100 * NS_PER_MS);
	assert_true(ring_buffer__consume(ring) >= 0);
	collector_look(collector);

	const struct process_record *record = collector_find(collector, pid);
	uint64_t losses[LOSS_CAUSE_COUNT];

	assert_non_null(record);
	assert_int_equal(oracle->bss->intervals_lost, 0);
	print_message("    %zu intervals\n", list.count);
	assert_true(list.count > 1000);
	assert_within_permille(record->mem_stall_ns, interval_union_ns(&list), TOLERANCE_PERMILLE);
	probes_read_missed(collector->probes);
	probes_get_losses(collector->probes, losses);
	assert_int_equal(losses[LOSS_CONTENTION], losses_before[LOSS_CONTENTION]);
	assert_int_equal(losses[LOSS_UNTRACKED], losses_before[LOSS_UNTRACKED]);
	ring_buffer__free(ring);
	intervals__destroy(oracle);
	free(list.items);
	collector_close(collector);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(union_over_threads_on_two_cpus, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
