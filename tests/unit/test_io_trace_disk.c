/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recording on a disk that is slow, full or hangs: whoever adds events never waits, and everything
 * that was added is either in the trace or said to be missing where it is.
 */
#include "trace_disk.h"

#include <malloc.h>
#include <time.h>

/* ---- disks -----------------------------------------------------------------------------------
 */

/* Everything that was fed is either there or said to be missing, at its place. */
static void check_account(struct fixture *fixture, uint64_t fed, uint64_t dropped)
{
	struct rig_reading reading = rig_read(fixture->path);

	assert_false(reading.is_damaged);
	assert_false(reading.is_wrong);
	assert_true(reading.summary.is_ended);
	assert_int_equal(reading.gap_count, dropped);
	assert_int_equal(reading.count + reading.gap_count, fed);
}

static void test_a_slow_disk_loses_events_and_says_where(void **state)
{
	struct fixture *fixture = *state;
	struct trace_writer_stats stats;

	assert_int_equal(open_writer(fixture), 0);
	disk.is_slow = true;
	add(fixture, 0, MANY);
	stats = get_stats(fixture);
	assert_int_equal(stats.written, 0);
	assert_in_range(stats.dropped[TRACE_DROP_SLOW], MANY / 10, MANY - 1);
	assert_int_equal(stats.dropped[TRACE_DROP_DISK], 0);
	/* It goes on, with gaps wherever it falls behind again. */
	for (uint64_t n = MANY; n < 2UL * MANY; n++) {
		if (n % 1000 == 0)
			sem_post(&disk.permits);
		rig_add_nth(fixture->writer, n);
	}
	disk.is_slow = false;
	sem_post(&disk.permits);
	stats = settle(fixture);
	assert_int_equal(stats.error, 0);
	assert_int_equal(close_writer(fixture), -ENODATA);
	check_account(fixture, 2UL * MANY, stats.dropped[TRACE_DROP_SLOW]);
}

static void test_a_full_disk_loses_events_and_says_where(void **state)
{
	struct fixture *fixture = *state;
	struct trace_writer_stats stats;

	assert_int_equal(open_writer(fixture), 0);
	add(fixture, 0, 1000);
	assert_int_equal(settle(fixture).error, 0);
	disk.is_full = true;
	disk.is_partial = true;
	add(fixture, 1000, 2000);
	assert_int_equal(settle(fixture).error, -ENOSPC);
	add(fixture, 2000, 3000);
	settle(fixture);
	disk.is_full = false;
	add(fixture, 3000, 4000);
	stats = settle(fixture);
	assert_int_equal(stats.error, 0);
	assert_int_equal(stats.dropped[TRACE_DROP_DISK], 2000);
	assert_int_equal(close_writer(fixture), -ENODATA);
	check_account(fixture, 4000, 2000);
}

static void test_little_room_is_left_to_others(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(open_writer(fixture), 0);
	add(fixture, 0, 1000);
	settle(fixture);
	disk.is_nearly_full = true;
	add(fixture, 1000, 1500);
	assert_int_equal(settle(fixture).error, -ENOSPC);
	/* Until the end: the end mark and what is missing are still said. */
	assert_int_equal(close_writer(fixture), -ENOSPC);
	check_account(fixture, 1500, 500);
}

/* A segment that cannot be begun is tried again, with all that a cold reader needs. */
static void test_rotation_on_a_full_disk(void **state)
{
	struct fixture *fixture = *state;
	struct rig_reading reading;
	uint32_t preambles = 0;
	uint64_t n = 0;

	fixture->options.segment_max_bytes = SEGMENT_BYTES;
	fixture->options.on_segment = add_preamble;
	fixture->options.context = &preambles;
	assert_int_equal(open_writer(fixture), 0);
	for (; get_stats(fixture).bytes < SEGMENT_BYTES / 10UL * 8; n += 100) {
		add(fixture, n, n + 100);
		settle(fixture);
	}
	disk.is_full = true;
	add(fixture, n, n + 10000);
	n += 10000;
	assert_int_equal(settle(fixture).error, -ENOSPC);
	disk.is_full = false;
	/* The first is of the segment that could not be begun; then it is known that it has to be.
	 */
	for (int i = 0; i < 3; i++, n += 100) {
		add(fixture, n, n + 100);
		settle(fixture);
	}
	assert_int_equal(get_stats(fixture).segments, 2);
	assert_int_equal(close_writer(fixture), -ENODATA);
	reading = rig_read(fixture->path);
	assert_false(reading.is_wrong);
	assert_int_equal(reading.count + reading.gap_count, n);
	assert_int_equal(unlink(file_tree_path(&fixture->tree, "trace.000001")), 0);
	reading = rig_read(fixture->path);
	assert_int_equal(reading.preamble_count, 2);
	assert_int_equal(reading.next, n);
}

static void test_a_hanging_disk_holds_nobody_up(void **state)
{
	static struct trace_writer *abandoned; /* still its thread's */
	struct fixture *fixture = *state;
	struct timespec begin;
	struct timespec end;

	assert_int_equal(open_writer(fixture), 0);
	disk.is_slow = true;
	add(fixture, 0, 100);
	trace_writer_finish(fixture->writer);
	assert_false(trace_writer_is_finished(fixture->writer));
	clock_gettime(CLOCK_MONOTONIC, &begin);
	assert_int_equal(trace_writer_close(fixture->writer, 50), -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - begin.tv_sec < 30);
	abandoned = fixture->writer;
	fixture->writer = NULL;
	disk.is_slow = false;
	sem_post(&disk.permits);
	for (int i = 0; i < 10000 && !trace_writer_is_finished(abandoned); i++)
		usleep(1000);
	assert_int_equal(rig_read(fixture->path).count, 100);
}

static void test_a_program_may_wait_for_the_disk(void **state)
{
	struct fixture *fixture = *state;

	fixture->options.is_waiting = true;
	assert_int_equal(open_writer(fixture), 0);
	add(fixture, 0, MANY);
	assert_int_equal(close_writer(fixture), 0);
	check_account(fixture, MANY, 0);
}

static void test_a_large_config_is_dropped(void **state)
{
	struct fixture *fixture = *state;
	static char text[TRACE_CONFIG_MAX + 1];
	const struct event_text config = {
		.name = "n", .name_len = 1, .text = text, .len = sizeof(text)};
	struct event event = {.kind = EVENT_CONFIG, .time_ns = 1000 * NS_PER_S};

	assert_int_equal(open_writer(fixture), 0);
	trace_writer_add(fixture->writer, &event, &config);
	add(fixture, 1, 10);
	assert_int_equal(get_stats(fixture).dropped[TRACE_DROP_TOO_LARGE], 1);
	assert_int_equal(close_writer(fixture), -ENODATA);
	check_account(fixture, 10, 1);
}

/* ---- cost ------------------------------------------------------------------------------------
 */

/* An event is in the file soon, even if nobody asks for it. */
static void test_little_is_lost_in_a_crash(void **state)
{
	struct fixture *fixture = *state;
	uint64_t count = TRACE_FLUSH_NS / (10 * NS_PER_MS) + 1;

	assert_int_equal(open_writer(fixture), 0);
	add(fixture, 0, count);
	for (int i = 0; i < 10000 && get_stats(fixture).written < count; i++)
		usleep(1000);
	assert_int_equal(rig_read(fixture->path).count, count);
	assert_true(rig_read(fixture->path).has_notice[TRACE_NOTICE_NO_END]);
}

static void test_adding_allocates_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct mallinfo2 before;

	assert_int_equal(open_writer(fixture), 0);
	disk.is_slow = true;
	add(fixture, 0, 10);
	before = mallinfo2();
	add(fixture, 10, MANY);
	assert_int_equal(mallinfo2().uordblks, before.uordblks);
	assert_int_equal(mallinfo2().hblkhd, before.hblkhd);
	disk.is_slow = false;
	sem_post(&disk.permits);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_slow_disk_loses_events_and_says_where),
		TEST(test_a_full_disk_loses_events_and_says_where),
		TEST(test_little_room_is_left_to_others),
		TEST(test_rotation_on_a_full_disk),
		TEST(test_a_hanging_disk_holds_nobody_up),
		TEST(test_a_program_may_wait_for_the_disk),
		TEST(test_a_large_config_is_dropped),
		TEST(test_little_is_lost_in_a_crash),
		TEST(test_adding_allocates_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
