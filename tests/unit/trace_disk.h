/* SPDX-License-Identifier: BSD-2-Clause */
/* A writer on a disk that can be made slow, full, or hang. */
#ifndef TIERD_TESTS_TRACE_DISK_H
#define TIERD_TESTS_TRACE_DISK_H

#include "trace_rig.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <sys/statvfs.h>

#include "io/trace_file.h"

enum {
	SEGMENT_BYTES = TRACE_SEGMENT_MIN_BYTES,
	MANY = 60000, /* events, more than all buffers hold */
};

struct fixture {
	struct file_tree tree;
	struct trace_writer *writer;
	struct trace_writer_options options;
	char path[PATH_MAX];
};

/* What the disk does; one for all, as the calls have no context. */
static struct {
	sem_t permits;        /* is_slow: one write each */
	_Atomic bool is_slow; /* waits for a permit */
	_Atomic bool is_full;
	_Atomic bool is_nearly_full;
	_Atomic bool is_partial; /* takes half of what it is given before it is full */
} disk;

RIG_FUNCTION ssize_t fake_pwrite(int fd, const void *buffer, size_t len, off_t offset)
{
	if (disk.is_slow)
		sem_wait(&disk.permits);
	if (disk.is_full) {
		if (disk.is_partial && len > 1) {
			disk.is_partial = false;
			return pwrite(fd, buffer, len / 2, offset);
		}
		errno = ENOSPC;
		return -1;
	}
	return pwrite(fd, buffer, len, offset);
}

RIG_FUNCTION int fake_fstatvfs(int fd, struct statvfs *ret_disk)
{
	(void)fd;
	*ret_disk = (struct statvfs){.f_blocks = 1000, .f_bavail = disk.is_nearly_full ? 49 : 50};
	return 0;
}

static const struct trace_file_calls FAKE_CALLS = {.pwrite = fake_pwrite,
						   .fstatvfs = fake_fstatvfs};

RIG_FUNCTION int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	file_tree_create(&fixture->tree);
	(void)snprintf(fixture->path, sizeof(fixture->path), "%s",
		       file_tree_path(&fixture->tree, "trace"));
	fixture->options = rig_options(fixture->path);
	fixture->options.calls = &FAKE_CALLS;
	fixture->options.keep = 1000;
	fixture->options.is_waiting = false;
	memset(&disk, 0, sizeof(disk));
	sem_init(&disk.permits, 0, 0);
	*state = fixture;
	return 0;
}

RIG_FUNCTION int tear_down(void **state)
{
	struct fixture *fixture = *state;

	trace_writer_close(fixture->writer, -1);
	file_tree_remove(&fixture->tree);
	free(fixture);
	return 0;
}

RIG_FUNCTION int open_writer(struct fixture *fixture)
{
	return trace_writer_open(&fixture->options, &fixture->writer);
}

RIG_FUNCTION int close_writer(struct fixture *fixture)
{
	int result = trace_writer_close(fixture->writer, -1);

	fixture->writer = NULL;
	return result;
}

RIG_FUNCTION void add(struct fixture *fixture, uint64_t begin, uint64_t end)
{
	for (uint64_t n = begin; n < end; n++)
		rig_add_nth(fixture->writer, n);
}

RIG_FUNCTION uint64_t sum_dropped(const struct trace_writer_stats *stats)
{
	return stats->dropped[TRACE_DROP_SLOW] + stats->dropped[TRACE_DROP_DISK] +
	       stats->dropped[TRACE_DROP_TOO_LARGE];
}

RIG_FUNCTION struct trace_writer_stats get_stats(const struct fixture *fixture)
{
	struct trace_writer_stats stats;

	trace_writer_get_stats(fixture->writer, &stats);
	return stats;
}

/* Waits until the thread has done what there is to do. */
RIG_FUNCTION struct trace_writer_stats settle(struct fixture *fixture)
{
	struct trace_writer_stats stats;

	trace_writer_flush(fixture->writer);
	for (int i = 0; i < 10000; i++) {
		stats = get_stats(fixture);
		if (stats.written + sum_dropped(&stats) == stats.fed)
			return stats;
		usleep(1000);
	}
	fail_msg("the thread does not end its work");
	return stats;
}

RIG_FUNCTION void add_preamble(void *context, struct trace_writer *writer, uint64_t time_ns)
{
	struct event config = {.kind = EVENT_CONFIG, .time_ns = time_ns};
	/* Such as no event of the run is by chance. */
	struct event loss = {
		.kind = EVENT_LOSS, .time_ns = time_ns, .loss.count[LOSS_SLOT] = 123456789};
	static const struct event_text text = {.name = "p", .name_len = 1, .text = "q", .len = 1};

	++*(uint32_t *)context;
	trace_writer_add_preamble(writer, &config, &text);
	trace_writer_add_preamble(writer, &loss, NULL);
}

#endif
