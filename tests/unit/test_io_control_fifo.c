/* SPDX-License-Identifier: BSD-2-Clause */
/* control.fifo with real writers: halves of lines, endless ones, floods, and a FIFO taken away. */
#include "file_tree.h"

#include <errno.h>

#include "base/units.h"
#include "io/control_fifo.h"
#include "io/loop.h"
#include "tierd/protocol.h"

#define FIFO_PATH "run/" PROTOCOL_CONTROL_FIFO

struct fixture {
	struct file_tree tree;
	struct run_dir dir;
	struct loop *loop;
	struct control_fifo *fifo;
	int writer;
	unsigned int lines;
	char last[PROTOCOL_LINE_MAX];
	size_t last_len;
	int result;
	unsigned int replaced;
	int replaced_result;
};

static int on_line(void *context, const char *line, size_t len)
{
	struct fixture *fixture = context;

	assert_true(len < PROTOCOL_LINE_MAX);
	assert_null(memchr(line, '\n', len));
	fixture->lines++;
	memcpy(fixture->last, line, len);
	fixture->last[len] = '\0';
	fixture->last_len = len;
	return fixture->result;
}

static int on_replaced(void *context, int result)
{
	struct fixture *fixture = context;

	fixture->replaced++;
	fixture->replaced_result = result;
	return 0;
}

static const struct control_fifo_callbacks CALLBACKS = {on_line, on_replaced};

static int open_writer(const struct fixture *fixture)
{
	int fd = open(file_tree_path(&fixture->tree, FIFO_PATH), O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	char error[256];

	assert_non_null(fixture);
	file_tree_create(&fixture->tree);
	assert_int_equal(loop_create(&fixture->loop), 0);
	assert_int_equal(run_dir_open(file_tree_path(&fixture->tree, "run"), &fixture->dir, error,
				      sizeof(error)),
			 0);
	assert_int_equal(control_fifo_create(&fixture->dir, fixture->loop, &CALLBACKS, fixture,
					     &fixture->fifo),
			 0);
	fixture->writer = open_writer(fixture);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	close(fixture->writer);
	control_fifo_destroy(fixture->fifo);
	run_dir_close(&fixture->dir);
	assert_false(file_tree_has(&fixture->tree, "run"));
	loop_destroy(fixture->loop);
	file_tree_remove(&fixture->tree);
	free(fixture);
	return 0;
}

static void write_text(const struct fixture *fixture, const char *text)
{
	assert_int_equal(write(fixture->writer, text, strlen(text)), strlen(text));
}

static void settle(const struct fixture *fixture)
{
	uint64_t end_ns = loop_now_ns() + 50 * NS_PER_MS;

	while (loop_now_ns() < end_ns)
		assert_int_equal(loop_run_once(fixture->loop, 10), 0);
}

static const struct control_fifo_counters *counters(const struct fixture *fixture)
{
	return control_fifo_get_counters(fixture->fifo);
}

static void test_lines_are_split(void **state)
{
	struct fixture *fixture = *state;

	write_text(fixture, "one\ntwo\n\nfour\n");
	settle(fixture);
	assert_int_equal(fixture->lines, 4);
	assert_string_equal(fixture->last, "four");
	/* A line comes as it is: what is in it is for the parser. */
	assert_int_equal(write(fixture->writer, "a\0b\xff\n", 5), 5);
	settle(fixture);
	assert_int_equal(fixture->last_len, 4);
	assert_memory_equal(fixture->last, "a\0b\xff", 4);
}

static void test_half_a_line_waits(void **state)
{
	struct fixture *fixture = *state;

	write_text(fixture, "pau");
	settle(fixture);
	assert_int_equal(fixture->lines, 0);
	/* Its writer leaves; no end of file, and the loop does not spin. */
	close(fixture->writer);
	settle(fixture);
	assert_int_equal(fixture->lines, 0);
	fixture->writer = open_writer(fixture);
	write_text(fixture, "se\n");
	settle(fixture);
	assert_int_equal(fixture->lines, 1);
	assert_string_equal(fixture->last, "pause");
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

static void test_overlong_line_is_discarded(void **state)
{
	static const size_t LENGTHS[] = {PROTOCOL_LINE_MAX, PROTOCOL_LINE_MAX + 1, 3 * 4096 + 5,
					 40000};
	struct fixture *fixture = *state;

	/* The longest that is allowed, with its newline. */
	write_run(fixture, PROTOCOL_LINE_MAX - 1);
	write_text(fixture, "\n");
	settle(fixture);
	assert_int_equal(fixture->lines, 1);
	assert_int_equal(fixture->last_len, PROTOCOL_LINE_MAX - 1);
	for (size_t i = 0; i < ARRAY_SIZE(LENGTHS); i++) {
		write_run(fixture, LENGTHS[i]);
		settle(fixture);
		write_text(fixture, "tail\nafter\n");
		settle(fixture);
		assert_int_equal(counters(fixture)->overlong, i + 1);
		assert_int_equal(fixture->lines, i + 2);
		assert_string_equal(fixture->last, "after");
	}
}

/* Other sources get their turn between wakes; nothing that is in the buffer is forgotten. */
static void test_budget_per_wake(void **state)
{
	struct fixture *fixture = *state;
	unsigned int expected = 0;

	for (int i = 0; i < 200; i++)
		write_text(fixture, "x\n");
	while (fixture->lines < 200) {
		unsigned int before = fixture->lines;

		assert_int_equal(loop_run_once(fixture->loop, 1000), 0);
		assert_true(fixture->lines - before <= CONTROL_LINES_PER_WAKE);
		assert_true(fixture->lines > before);
		expected++;
	}
	assert_true(expected >= 200 / CONTROL_LINES_PER_WAKE);
	settle(fixture);
	assert_int_equal(fixture->lines, 200);
	assert_int_equal(counters(fixture)->rate_limited, 0);
}

/* Invented time: no credit comes in while it stands still. */
static void test_rate_limit(void **state)
{
	struct fixture *fixture = *state;
	uint64_t now_ns = loop_now_ns() + NS_PER_S;

	for (int i = 0; i < 1500; i++)
		write_text(fixture, "x\n");
	for (int i = 0; i < 40; i++)
		assert_int_equal(control_fifo_read(fixture->fifo, now_ns), 0);
	assert_int_equal(counters(fixture)->lines, CONTROL_LINES_PER_S);
	assert_int_equal(counters(fixture)->rate_limited, 500);
	for (int i = 0; i < 20; i++)
		write_text(fixture, "x\n");
	now_ns += 10 * NS_PER_S / CONTROL_LINES_PER_S;
	assert_int_equal(control_fifo_read(fixture->fifo, now_ns), 0);
	assert_int_equal(counters(fixture)->lines, CONTROL_LINES_PER_S + 10);
	assert_int_equal(counters(fixture)->rate_limited, 510);
	/* Time that goes backwards gives no credit and takes none. */
	write_text(fixture, "x\n");
	assert_int_equal(control_fifo_read(fixture->fifo, 0), 0);
	assert_int_equal(counters(fixture)->rate_limited, 511);
}

struct flood {
	struct fixture *fixture;
	struct loop_timer *timer;
	unsigned int ticks;
};

static int on_tick(void *context, uint64_t now_ns)
{
	struct flood *flood = context;
	char text[512];

	memset(text, '\n', sizeof(text));
	while (write(flood->fixture->writer, text, sizeof(text)) > 0)
		;
	if (++flood->ticks == 20)
		loop_stop(flood->fixture->loop, 0);
	return loop_timer_set(flood->timer, now_ns + NS_PER_MS);
}

/* The pipe is full all the time; a timer still fires, and no line is lost uncounted. */
static void test_flood_starves_nobody(void **state)
{
	struct flood flood = {.fixture = *state};
	uint64_t begin_ns = loop_now_ns();

	assert_int_equal(loop_add_timer(flood.fixture->loop, on_tick, &flood, &flood.timer), 0);
	assert_int_equal(loop_timer_set(flood.timer, 1), 0);
	assert_int_equal(loop_run(flood.fixture->loop), 0);
	assert_int_equal(flood.ticks, 20);
	assert_true(loop_now_ns() - begin_ns < 2 * NS_PER_S);
	assert_int_equal(counters(flood.fixture)->lines, flood.fixture->lines);
	assert_true(counters(flood.fixture)->lines > 0);
}

static void test_callback_error_comes_back(void **state)
{
	struct fixture *fixture = *state;

	fixture->result = -EPROTO;
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
	write_text(fixture, "whole\n");
	settle(fixture);
	assert_string_equal(fixture->last, "whole");
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

#define FIFO_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIFO_TEST(test_lines_are_split),
		FIFO_TEST(test_half_a_line_waits),
		FIFO_TEST(test_overlong_line_is_discarded),
		FIFO_TEST(test_budget_per_wake),
		FIFO_TEST(test_rate_limit),
		FIFO_TEST(test_flood_starves_nobody),
		FIFO_TEST(test_callback_error_comes_back),
		FIFO_TEST(test_deleted_fifo_is_made_again),
		FIFO_TEST(test_foreign_file_in_its_place_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
