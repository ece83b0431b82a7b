/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading traces, whole and damaged: what is yielded is always the beginning of what was written,
 * and whatever is missing is said.
 */
#include "trace_rig.h"

#include <zlib.h>

#include "base/bytes.h"

enum {
	FILE_MAX = 64 * 1024,
	SMALL_EVENTS = 24,
	BLOCK_EVENTS = 8,
#ifdef __SANITIZE_ADDRESS__
	BITS_STEP = 7, /* each costs ten times as much then; every place in a byte comes up */
#else
	BITS_STEP = 1,
#endif
};

struct fixture {
	struct file_tree tree;
	uint8_t bytes[FILE_MAX];
	size_t len;
};

/* A writer that hands over every BLOCK_EVENTS events makes a small file of several blocks. */
static void write_blocks(const char *path, uint64_t count)
{
	const struct trace_writer_options options = rig_options(path);
	struct trace_writer *writer;
	struct rig_event event;

	assert_int_equal(trace_writer_open(&options, &writer), 0);
	for (uint64_t n = 0; n < count; n++) {
		rig_nth_event(n, &event);
		rig_add_nth(writer, n);
		if (n % BLOCK_EVENTS == BLOCK_EVENTS - 1)
			trace_writer_flush(writer);
	}
	assert_int_equal(trace_writer_close(writer, -1), 0);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	FILE *file;

	assert_non_null(fixture);
	file_tree_create(&fixture->tree);
	write_blocks(file_tree_path(&fixture->tree, "whole"), SMALL_EVENTS);
	file = fopen(file_tree_path(&fixture->tree, "whole"), "re");
	assert_non_null(file);
	fixture->len = fread(fixture->bytes, 1, FILE_MAX, file);
	assert_in_range(fixture->len, 1000, FILE_MAX - 1);
	fclose(file);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	file_tree_remove(&fixture->tree);
	free(fixture);
	return 0;
}

static struct rig_reading read_bytes(struct fixture *fixture, size_t len)
{
	file_tree_write_bytes(&fixture->tree, "damaged", (const char *)fixture->bytes, len);
	return rig_read(file_tree_path(&fixture->tree, "damaged"));
}

static void test_what_was_written_is_read(void **state)
{
	struct fixture *fixture = *state;
	struct rig_reading reading = rig_read(file_tree_path(&fixture->tree, "whole"));

	assert_int_equal(reading.opened, 0);
	assert_false(reading.is_wrong);
	assert_int_equal(reading.count, SMALL_EVENTS);
	assert_string_equal(reading.text, "");
}

static void test_metadata_is_read(void **state)
{
	struct fixture *fixture = *state;
	const struct trace_metadata *metadata;
	struct trace_reader *reader;
	char error[512];

	assert_int_equal(trace_reader_open(file_tree_path(&fixture->tree, "whole"), 0, &reader,
					   error, sizeof(error)),
			 0);
	metadata = trace_reader_get_metadata(reader);
	assert_int_equal(metadata->segment, 1);
	assert_int_equal(metadata->cpu_count, 2);
	assert_int_equal(metadata->memory_bytes, 8 * GIB);
	assert_string_equal(metadata->clock, TRACE_CLOCK);
	assert_string_equal(metadata->kernel, "6.1.0");
	assert_string_equal(metadata->recorder, "test 1");
	assert_string_equal(metadata->predecessor, "");
	assert_true(metadata->wall_ns > 1700000000 * NS_PER_S);
	assert_true(metadata->time_ns > 0);
	trace_reader_close(reader);
}

static void test_truncated_at_every_byte(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before = 0;

	for (size_t len = 0; len < fixture->len; len++) {
		struct rig_reading reading = read_bytes(fixture, len);

		assert_false(reading.is_wrong);
		assert_true(reading.count >= before);
		before = reading.count;
		if (reading.opened < 0) {
			assert_int_equal(reading.opened, -EBADMSG);
			assert_non_null(strstr(reading.error, len ? "cut off" : "empty"));
			assert_true(len < TRACE_HEADER_MAX);
			continue;
		}
		assert_true(reading.has_notice[TRACE_NOTICE_TORN] ^
			    reading.has_notice[TRACE_NOTICE_NO_END]);
	}
	assert_int_equal(before, SMALL_EVENTS);
}

static void test_every_bit_flipped(void **state)
{
	struct fixture *fixture = *state;
	uint64_t partly = 0;

	const char *path = file_tree_path(&fixture->tree, "whole");
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	for (size_t bit = 0; bit < fixture->len * 8; bit += BITS_STEP) {
		uint8_t flipped = fixture->bytes[bit / 8] ^ (uint8_t)(1U << bit % 8);
		struct rig_reading reading;

		assert_int_equal(pwrite(fd, &flipped, 1, (off_t)(bit / 8)), 1);
		reading = rig_read(path);
		assert_int_equal(pwrite(fd, &fixture->bytes[bit / 8], 1, (off_t)(bit / 8)), 1);
		assert_false(reading.is_wrong);
		if (reading.opened < 0) {
			assert_true(reading.error[0]);
			continue;
		}
		assert_true(reading.is_damaged);
		partly += reading.count > 0 && reading.count < SMALL_EVENTS;
	}
	close(fd);
	assert_true(partly * BITS_STEP > fixture->len);
}

static void test_something_behind_the_end_is_said(void **state)
{
	struct fixture *fixture = *state;
	struct rig_reading reading;

	fixture->bytes[fixture->len] = 'x';
	reading = read_bytes(fixture, fixture->len + 1);
	assert_int_equal(reading.count, SMALL_EVENTS);
	assert_true(reading.has_notice[TRACE_NOTICE_TRAILING]);
}

/* Gives the header the checksum that it should have. */
static void seal_header(struct fixture *fixture)
{
	size_t len = bytes_get_le(fixture->bytes + 12, 4);
	uLong crc = crc32(0, fixture->bytes, 16);

	crc = crc32(crc, fixture->bytes + TRACE_HEADER_LEN, (uInt)len);
	bytes_put_le(fixture->bytes + 16, crc, 4);
}

static void test_another_major_version_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct rig_reading reading;

	fixture->bytes[8] = TRACE_VERSION_MAJOR + 1;
	seal_header(fixture);
	reading = read_bytes(fixture, fixture->len);
	assert_int_equal(reading.opened, -EPROTONOSUPPORT);
	assert_string_equal(reading.error, "damaged: a trace of version 2.2, which this program "
					   "(1.2) cannot read");
}

static void test_a_newer_minor_version_is_read(void **state)
{
	struct fixture *fixture = *state;
	struct rig_reading reading;

	fixture->bytes[10] = TRACE_VERSION_MINOR + 1;
	seal_header(fixture);
	reading = read_bytes(fixture, fixture->len);
	assert_int_equal(reading.count, SMALL_EVENTS);
	assert_true(reading.has_notice[TRACE_NOTICE_NEWER]);
}

/* A block by hand: raw records, as one block behind the header. Returns the length of the file. */
static size_t put_block(struct fixture *fixture, const uint8_t *raw, size_t len, uint32_t count,
			uint32_t raw_len)
{
	size_t at = TRACE_HEADER_LEN + bytes_get_le(fixture->bytes + 12, 4);
	uLongf compressed_len = FILE_MAX - 1024;
	struct trace_block block = {.raw_len = raw_len, .record_count = count, .first_ns = 77};
	uint8_t *payload = fixture->bytes + at + TRACE_BLOCK_LEN;

	assert_int_equal(compress2(payload, &compressed_len, raw, len, 9), Z_OK);
	block.compressed_len = (uint32_t)compressed_len;
	trace_encode_block(&block, payload, fixture->bytes + at);
	return at + TRACE_BLOCK_LEN + compressed_len;
}

static const uint8_t TICKS[] = {EVENT_TICK, 1, 0, 2, 0x30, 3, 0, 8, 1, 1, EVENT_TICK, 1, 0, 4};

/* Unknown records of a newer minor version are skipped, and their time counts for the next. */
static void test_unknown_records_are_skipped(void **state)
{
	struct fixture *fixture = *state;
	struct trace_reader *reader;
	const struct trace_item *item;
	char error[512];
	uint64_t times[2] = {0};
	size_t count = 0;
	size_t len;

	fixture->bytes[10] = TRACE_VERSION_MINOR + 1;
	seal_header(fixture);
	len = put_block(fixture, TICKS, sizeof(TICKS), 3, sizeof(TICKS));
	file_tree_write_bytes(&fixture->tree, "new", (const char *)fixture->bytes, len);
	assert_int_equal(trace_reader_open(file_tree_path(&fixture->tree, "new"), 0, &reader, error,
					   sizeof(error)),
			 0);
	while (trace_reader_next(reader, &item)) {
		if (item->kind == TRACE_ITEM_EVENT && count < 2)
			times[count++] = item->event->time_ns;
	}
	assert_int_equal(count, 2);
	assert_int_equal(times[0], 78);
	assert_int_equal(times[1], 84);
	assert_int_equal(trace_reader_get_summary(reader)->unknown_records, 1);
	trace_reader_close(reader);
}

static void expect_corrupt(struct fixture *fixture, size_t len, uint64_t events)
{
	struct trace_reader *reader;
	const struct trace_item *item;
	bool is_corrupt = false;
	char error[512];

	file_tree_write_bytes(&fixture->tree, "bad", (const char *)fixture->bytes, len);
	assert_int_equal(trace_reader_open(file_tree_path(&fixture->tree, "bad"), 0, &reader, error,
					   sizeof(error)),
			 0);
	while (trace_reader_next(reader, &item))
		is_corrupt = is_corrupt || (item->kind == TRACE_ITEM_NOTICE &&
					    item->notice == TRACE_NOTICE_CORRUPT);
	assert_true(is_corrupt);
	assert_int_equal(trace_reader_get_summary(reader)->events, events);
	trace_reader_close(reader);
}

/* Blocks whose checksums are right and whose contents are not. */
static void test_impossible_records_end_the_reading(void **state)
{
	struct fixture *fixture = *state;
	static uint8_t zeros[TRACE_BLOCK_MAX * 4];

	/* an unknown kind in our own version; more and fewer records than said; a cut record */
	expect_corrupt(fixture, put_block(fixture, TICKS, sizeof(TICKS), 3, sizeof(TICKS)), 1);
	expect_corrupt(fixture, put_block(fixture, TICKS, 4, 2, 4), 0);
	expect_corrupt(fixture, put_block(fixture, TICKS, 6, 1, 6), 0);
	expect_corrupt(fixture, put_block(fixture, TICKS, 3, 1, 3), 0);
	/* inflates to less, to more, and to far more than it says */
	expect_corrupt(fixture, put_block(fixture, TICKS, 4, 1, 5), 0);
	expect_corrupt(fixture, put_block(fixture, TICKS, 4, 1, 3), 0);
	expect_corrupt(fixture, put_block(fixture, zeros, sizeof(zeros), 1, TRACE_BLOCK_MAX), 0);
	expect_corrupt(fixture, put_block(fixture, zeros, sizeof(zeros), 1, TRACE_BLOCK_MAX + 1),
		       0);
}

static void test_other_things_are_no_traces(void **state)
{
	struct fixture *fixture = *state;
	static const struct {
		const char *path;
		int result;
	} cases[] = {
		{"nothing", -ENOENT},  {"fifo", -EINVAL},     {"directory", -EISDIR},
		{"text", -EBADMSG},    {"no/where", -ENOENT}, {"directory/", -EINVAL},
		{"whole/x", -ENOTDIR}, {"T", -EBADMSG},
	};

	assert_int_equal(mkfifo(file_tree_path(&fixture->tree, "fifo"), 0600), 0);
	assert_int_equal(mkdir(file_tree_path(&fixture->tree, "directory"), 0700), 0);
	file_tree_write(&fixture->tree, "text", "time_s,mem_total,mem_others\n");
	file_tree_write(&fixture->tree, "T", "T");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig_reading reading =
			rig_read(file_tree_path(&fixture->tree, cases[i].path));

		assert_int_equal(reading.opened, cases[i].result);
		assert_true(strlen(reading.error) > 10);
	}
}

/* Memory does not grow with the trace, and the name may be a link for a reader. */
static void test_a_link_is_followed(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(symlink("whole", file_tree_path(&fixture->tree, "link")), 0);
	assert_int_equal(rig_read(file_tree_path(&fixture->tree, "link")).count, SMALL_EVENTS);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_written_is_read),
		TEST(test_metadata_is_read),
		TEST(test_truncated_at_every_byte),
		TEST(test_every_bit_flipped),
		TEST(test_something_behind_the_end_is_said),
		TEST(test_another_major_version_is_refused),
		TEST(test_a_newer_minor_version_is_read),
		TEST(test_unknown_records_are_skipped),
		TEST(test_impossible_records_end_the_reading),
		TEST(test_other_things_are_no_traces),
		TEST(test_a_link_is_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
