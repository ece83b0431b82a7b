/* SPDX-License-Identifier: BSD-2-Clause */
/* control.fifo with real writers: halves of lines, endless ones, floods, and a FIFO taken away.
 * What a line says is the name in a `record`. */
#include "control_fifo_fixture.h"

static void test_lines_are_split(void **state)
{
	struct fixture *fixture = *state;

	write_text(fixture, "record name=one\nrecord name=two\n\n\nrecord name=four\n");
	settle(fixture);
	assert_int_equal(fixture->lines, 3);
	assert_int_equal(fixture->bad, 0); /* empty ones are nothing */
	assert_string_equal(fixture->last.name, "four");
}

static void test_bad_lines_are_told(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *error;
	} BAD[] = {
		{"pause\0\n", 7, "control character or invalid UTF-8"},
		{"pause x=\xff\n", 10, "control character or invalid UTF-8"},
		{"unknown\n", 8, "unknown verb 'unknown'"},
		{"pause reply=a reply=a\n", 22, "pause: reply: given twice"},
		{"record\n", 7, "record: name: missing"},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++) {
		assert_int_equal(write(fixture->writer, BAD[i].bytes, BAD[i].len), BAD[i].len);
		settle(fixture);
		assert_int_equal(fixture->bad, i + 1);
		assert_string_equal(fixture->error, BAD[i].error);
	}
	assert_int_equal(fixture->lines, 0);
	assert_int_equal(counters(fixture)->bad, ARRAY_SIZE(BAD));
}

static void test_half_a_line_waits(void **state)
{
	struct fixture *fixture = *state;

	write_text(fixture, "pau");
	settle(fixture);
	/* Its writer leaves; no end of file, and the loop does not spin. */
	close(fixture->writer);
	settle(fixture);
	assert_int_equal(fixture->lines + fixture->bad, 0);
	fixture->writer = open_writer(fixture);
	write_text(fixture, "se\n");
	settle(fixture);
	assert_int_equal(fixture->lines, 1);
	assert_int_equal(fixture->last.verb, CONTROL_PAUSE);
}

static void write_run(const struct fixture *fixture, size_t len)
{
	char text[1024];

	memset(text, 'x', sizeof(text));
	while (len > 0) {
		size_t part = units_min(len, sizeof(text));

		assert_int_equal(write(fixture->writer, text, part), part);
		len -= part;
	}
}

/* Whoever writes the next line after half a one of another finds both ruined, and the one after
 * that whole: that is why lines are written by one write(). */
static void test_half_a_line_ruins_one_other(void **state)
{
	struct fixture *fixture = *state;

	write_text(fixture, "record na");
	write_text(fixture, "pause\n");
	write_text(fixture, "resume\n");
	settle(fixture);
	assert_int_equal(fixture->bad, 1);
	assert_string_equal(fixture->error, "record: key: not of the form key=value");
	assert_int_equal(fixture->lines, 1);
	assert_int_equal(fixture->last.verb, CONTROL_RESUME);
	/* Not whoever begins with a newline. */
	write_text(fixture, "record na");
	write_text(fixture, "\npause\n");
	settle(fixture);
	assert_int_equal(fixture->bad, 2);
	assert_int_equal(fixture->lines, 2);
	assert_int_equal(fixture->last.verb, CONTROL_PAUSE);
	write_run(fixture, 12345);
	write_text(fixture, "\nresume\n");
	settle_until(fixture, 3);
	assert_int_equal(counters(fixture)->overlong, 1);
}

static void test_overlong_line_is_discarded(void **state)
{
	static const size_t LENGTHS[] = {PROTOCOL_LINE_MAX, PROTOCOL_LINE_MAX + 1, 3 * 4096 + 5,
					 40000};
	struct fixture *fixture = *state;

	/* The longest that is allowed, with its newline. */
	write_text(fixture, "pause  x=");
	write_run(fixture, PROTOCOL_LINE_MAX - 10);
	write_text(fixture, "\n");
	settle(fixture);
	assert_int_equal(fixture->lines, 1);
	for (size_t i = 0; i < ARRAY_SIZE(LENGTHS); i++) {
		write_run(fixture, LENGTHS[i]);
		settle(fixture);
		write_text(fixture, "tail\nrecord name=after\n");
		settle_until(fixture, i + 2);
		assert_int_equal(counters(fixture)->overlong, i + 1);
		assert_int_equal(fixture->lines, i + 2);
		assert_string_equal(fixture->last.name, "after");
	}
	assert_int_equal(fixture->bad, 0);
}

/* One wake reads little, so that other sources get their turn; nothing is forgotten. */
static void test_one_wake_reads_a_little(void **state)
{
	struct fixture *fixture = *state;
	unsigned int wakes = 0;

	for (int i = 0; i < 2000; i++)
		write_text(fixture, "task-begin id=1\n");
	while (fixture->lines < 2000) {
		unsigned int before = fixture->lines;

		assert_int_equal(loop_run_once(fixture->loop, 1000), 0);
		assert_true(fixture->lines - before <= PROTOCOL_LINE_MAX / 16);
		assert_true(fixture->lines > before);
		wakes++;
	}
	assert_true(wakes >= 2000 * 16 / PROTOCOL_LINE_MAX);
	assert_int_equal(counters(fixture)->rate_limited, 0);
}

static void test_callback_error_comes_back(void **state)
{
	struct fixture *fixture = *state;

	fixture->result = -EPROTO;
	write_text(fixture, "pause\n");
	assert_int_equal(loop_run(fixture->loop), -EPROTO);
	write_text(fixture, "x\n");
	assert_int_equal(loop_run(fixture->loop), -EPROTO);
}

static void test_deleted_fifo_is_made_again(void **state)
{
	struct fixture *fixture = *state;

	write_text(fixture, "half of a li");
	settle(fixture);
	file_tree_unlink(&fixture->tree, FIFO_PATH);
	settle(fixture);
	assert_int_equal(fixture->replaced, 1);
	assert_int_equal(fixture->replaced_result, 0);
	close(fixture->writer);
	fixture->writer = open_writer(fixture);
	write_text(fixture, "record name=whole\n");
	settle(fixture);
	assert_string_equal(fixture->last.name, "whole");
	assert_int_equal(control_fifo_check(fixture->fifo), 0);
	assert_int_equal(counters(fixture)->replaced, 1);
}

static void test_foreign_file_in_its_place_is_left_alone(void **state)
{
	struct fixture *fixture = *state;

	file_tree_unlink(&fixture->tree, FIFO_PATH);
	file_tree_write(&fixture->tree, FIFO_PATH, "precious");
	settle(fixture);
	assert_int_equal(fixture->replaced, 1);
	assert_int_equal(fixture->replaced_result, -EEXIST);
	assert_int_equal(control_fifo_check(fixture->fifo), 0);
	assert_int_equal(fixture->replaced, 1);
	file_tree_unlink(&fixture->tree, FIFO_PATH);
	settle(fixture);
	assert_int_equal(fixture->replaced, 2);
	assert_int_equal(fixture->replaced_result, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIFO_TEST(test_lines_are_split),
		FIFO_TEST(test_bad_lines_are_told),
		FIFO_TEST(test_half_a_line_waits),
		FIFO_TEST(test_half_a_line_ruins_one_other),
		FIFO_TEST(test_overlong_line_is_discarded),
		FIFO_TEST(test_one_wake_reads_a_little),
		FIFO_TEST(test_callback_error_comes_back),
		FIFO_TEST(test_deleted_fifo_is_made_again),
		FIFO_TEST(test_foreign_file_in_its_place_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
