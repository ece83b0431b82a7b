/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of a recording: nothing that exists is harmed; rotation, and reading what it leaves. */
#include "trace_disk.h"

/* ---- files -----------------------------------------------------------------------------------
 */

static void test_a_trace_is_private(void **state)
{
	struct fixture *fixture = *state;
	struct stat info;

	umask(0);
	assert_int_equal(open_writer(fixture), 0);
	assert_int_equal(stat(fixture->path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	assert_int_equal(close_writer(fixture), 0);
	assert_true(rig_read(fixture->path).summary.is_ended);
}

static void test_what_is_in_the_way_stays(void **state)
{
	struct fixture *fixture = *state;
	struct stat info;

	assert_int_equal(mkdir(fixture->path, 0700), 0);
	assert_int_equal(open_writer(fixture), -EEXIST);
	assert_int_equal(rmdir(fixture->path), 0);

	assert_int_equal(mkfifo(fixture->path, 0600), 0);
	assert_int_equal(open_writer(fixture), -EEXIST);
	assert_int_equal(unlink(fixture->path), 0);

	file_tree_write(&fixture->tree, "precious", "data");
	assert_int_equal(symlink("precious", fixture->path), 0);
	assert_int_equal(open_writer(fixture), -EEXIST);
	assert_int_equal(unlink(fixture->path), 0);

	assert_int_equal(symlink("nowhere", fixture->path), 0);
	assert_int_equal(open_writer(fixture), -EEXIST);
	assert_int_equal(unlink(fixture->path), 0);

	file_tree_write(&fixture->tree, "trace", "data");
	assert_int_equal(open_writer(fixture), -EEXIST);
	assert_int_equal(stat(fixture->path, &info), 0);
	assert_int_equal(info.st_size, 4);
}

static void test_bad_paths_are_refused(void **state)
{
	struct fixture *fixture = *state;
	char name[300];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	fixture->options.path = "/nowhere/at/all";
	assert_int_equal(open_writer(fixture), -ENOENT);
	fixture->options.path = "";
	assert_int_equal(open_writer(fixture), -EINVAL);
	fixture->options.path = file_tree_path(&fixture->tree, "");
	assert_int_equal(open_writer(fixture), -EINVAL);
	fixture->options.path = file_tree_path(&fixture->tree, name);
	assert_int_equal(open_writer(fixture), -ENAMETOOLONG);
}

static void test_an_older_trace_is_put_aside(void **state)
{
	struct fixture *fixture = *state;

	rig_write_trace(fixture->path, 5);
	assert_int_equal(open_writer(fixture), 0);
	add(fixture, 0, 7);
	assert_int_equal(close_writer(fixture), 0);
	assert_int_equal(rig_read(fixture->path).count, 7);
	assert_int_equal(rig_read(file_tree_path(&fixture->tree, "trace.000001")).count, 5);
}

static void test_a_new_name_harms_nothing(void **state)
{
	struct fixture *fixture = *state;

	fixture->options.is_new_only = true;
	rig_write_trace(fixture->path, 5);
	assert_int_equal(open_writer(fixture), -EEXIST);
	assert_int_equal(rename(fixture->path, file_tree_path(&fixture->tree, "trace.000007")), 0);
	assert_int_equal(open_writer(fixture), -EEXIST);
	assert_int_equal(rename(file_tree_path(&fixture->tree, "trace.000007"),
				file_tree_path(&fixture->tree, "trace.7")),
			 0);
	assert_int_equal(open_writer(fixture), 0);
}

/* ---- rotation --------------------------------------------------------------------------------
 */

static uint64_t file_size(const struct fixture *fixture, const char *name)
{
	struct stat info;

	if (stat(file_tree_path(&fixture->tree, name), &info) < 0)
		return 0;
	return (uint64_t)info.st_size;
}

static void write_rotated(struct fixture *fixture, uint32_t *preambles)
{
	fixture->options.segment_max_bytes = SEGMENT_BYTES;
	fixture->options.is_waiting = true;
	fixture->options.on_segment = add_preamble;
	fixture->options.context = preambles;
	assert_int_equal(open_writer(fixture), 0);
	add(fixture, 0, MANY);
}

static void test_a_chain_reads_as_one(void **state)
{
	struct fixture *fixture = *state;
	struct trace_writer_stats stats;
	struct rig_reading reading;
	uint32_t preambles = 0;
	char name[32];

	write_rotated(fixture, &preambles);
	stats = settle(fixture);
	assert_int_equal(stats.written, MANY);
	assert_int_equal(close_writer(fixture), 0);
	assert_true(stats.segments > 4);
	assert_int_equal(preambles, stats.segments - 1);
	for (uint32_t i = 1; i < stats.segments; i++) {
		(void)snprintf(name, sizeof(name), "trace.%06u", i);
		assert_in_range(file_size(fixture, name), 1, SEGMENT_BYTES);
	}
	assert_in_range(file_size(fixture, "trace"), 1, SEGMENT_BYTES);
	reading = rig_read(fixture->path);
	assert_false(reading.is_wrong);
	assert_int_equal(reading.count, MANY);
	assert_int_equal(reading.summary.segments, stats.segments);
	assert_string_equal(reading.text, "");
	/* One from the middle: what is before it, and that there is more. */
	reading = rig_read(file_tree_path(&fixture->tree, "trace.000003"));
	assert_int_equal(reading.summary.segments, 3);
	assert_true(reading.has_notice[TRACE_NOTICE_CONTINUED]);
	assert_false(reading.is_wrong);
}

/* While the disk keeps up, segments are nearly full. */
static void test_segments_are_as_large_as_they_may_be(void **state)
{
	struct fixture *fixture = *state;
	uint32_t preambles = 0;

	fixture->options.segment_max_bytes = SEGMENT_BYTES;
	fixture->options.on_segment = add_preamble;
	fixture->options.context = &preambles;
	assert_int_equal(open_writer(fixture), 0);
	for (uint64_t n = 0; preambles < 2; n += 200) {
		add(fixture, n, n + 200);
		settle(fixture);
	}
	assert_int_equal(close_writer(fixture), 0);
	assert_in_range(file_size(fixture, "trace.000001"), SEGMENT_BYTES / 4UL * 3, SEGMENT_BYTES);
	assert_in_range(file_size(fixture, "trace.000002"), SEGMENT_BYTES / 4UL * 3, SEGMENT_BYTES);
}

static void test_a_chain_may_be_renamed(void **state)
{
	struct fixture *fixture = *state;
	uint32_t preambles = 0;
	char from[32];
	char to[32];

	write_rotated(fixture, &preambles);
	assert_int_equal(close_writer(fixture), 0);
	for (uint32_t i = 1; i <= preambles; i++) {
		(void)snprintf(from, sizeof(from), "trace.%06u", i);
		(void)snprintf(to, sizeof(to), "other.%06u", i);
		assert_int_equal(rename(file_tree_path(&fixture->tree, from),
					file_tree_path(&fixture->tree, to)),
				 0);
	}
	assert_int_equal(rename(fixture->path, file_tree_path(&fixture->tree, "other")), 0);
	assert_int_equal(rig_read(file_tree_path(&fixture->tree, "other")).count, MANY);
}

static void test_a_missing_link_is_a_cold_start(void **state)
{
	struct fixture *fixture = *state;
	struct rig_reading reading;
	uint32_t preambles = 0;

	write_rotated(fixture, &preambles);
	assert_int_equal(close_writer(fixture), 0);
	assert_int_equal(unlink(file_tree_path(&fixture->tree, "trace.000002")), 0);
	reading = rig_read(fixture->path);
	assert_true(reading.has_notice[TRACE_NOTICE_NO_BEGINNING]);
	assert_false(reading.is_wrong);
	assert_int_equal(reading.preamble_count, 2);
	assert_int_equal(reading.next, MANY);
	assert_int_equal(reading.summary.segments, preambles + 1 - 2);
	/* Another recording's file of that name is no link. */
	assert_int_equal(rename(file_tree_path(&fixture->tree, "trace.000001"),
				file_tree_path(&fixture->tree, "trace.000002")),
			 0);
	assert_int_equal(rig_read(fixture->path).summary.segments, preambles + 1 - 2);
}

static void test_only_so_many_are_kept(void **state)
{
	struct fixture *fixture = *state;
	uint32_t preambles = 0;

	/* An older recording is removed first; what is no trace never is. */
	rig_write_trace(fixture->path, 5);
	file_tree_write(&fixture->tree, "trace.000000", "data");
	file_tree_write(&fixture->tree, "trace.000002", "data");
	fixture->options.keep = 3;
	write_rotated(fixture, &preambles);
	assert_int_equal(close_writer(fixture), 0);
	assert_true(preambles > 4);
	assert_int_equal(file_size(fixture, "trace.000000"), 4);
	assert_int_equal(file_size(fixture, "trace.000001"), 0);
	assert_int_equal(file_size(fixture, "trace.000002"), 4);
	assert_int_equal(rig_read(fixture->path).summary.segments, 3);
	assert_int_equal(rig_read(fixture->path).next, MANY);
}

static void test_a_late_start_says_so(void **state)
{
	struct fixture *fixture = *state;
	struct trace_reader *reader;
	const struct trace_item *item;
	uint32_t preambles = 0;
	char error[256];

	fixture->options.metadata.flags = TRACE_STARTED_LATE;
	fixture->options.on_segment = add_preamble;
	fixture->options.context = &preambles;
	assert_int_equal(open_writer(fixture), 0);
	add(fixture, 1, 10);
	assert_int_equal(close_writer(fixture), 0);
	assert_int_equal(trace_reader_open(fixture->path, 0, &reader, error, sizeof(error)), 0);
	assert_int_equal(trace_reader_next(reader, &item), 1);
	assert_int_equal(item->kind, TRACE_ITEM_NOTICE);
	assert_int_equal(item->notice, TRACE_NOTICE_STARTED_LATE);
	assert_true(item->is_not_live);
	assert_int_equal(trace_reader_next(reader, &item), 1);
	assert_int_equal(item->event->kind, EVENT_CONFIG);
	assert_int_equal(item->config.len, 1);
	assert_int_equal(trace_reader_next(reader, &item), 1);
	assert_int_equal(item->event->kind, EVENT_LOSS);
	trace_reader_close(reader);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_trace_is_private),
		TEST(test_what_is_in_the_way_stays),
		TEST(test_bad_paths_are_refused),
		TEST(test_an_older_trace_is_put_aside),
		TEST(test_a_new_name_harms_nothing),
		TEST(test_a_chain_reads_as_one),
		TEST(test_segments_are_as_large_as_they_may_be),
		TEST(test_a_chain_may_be_renamed),
		TEST(test_a_missing_link_is_a_cold_start),
		TEST(test_only_so_many_are_kept),
		TEST(test_a_late_start_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
