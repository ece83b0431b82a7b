/* SPDX-License-Identifier: BSD-2-Clause */
/* control.fifo in a run directory of its own, with a real writer. */
#ifndef TIERD_TESTS_CONTROL_FIFO_FIXTURE_H
#define TIERD_TESTS_CONTROL_FIFO_FIXTURE_H

#include "file_tree.h"

#include <errno.h>

#include "base/protocol_table.h"
#include "base/units.h"
#include "io/control_fifo.h"
#include "io/loop.h"
#include "tierd/protocol.h"

#define FIXTURE_FUNCTION __attribute__((unused)) static

#define FIFO_PATH "run/" PROTOCOL_CONTROL_FIFO

struct fixture {
	struct file_tree tree;
	struct run_dir dir;
	struct loop *loop;
	struct control_fifo *fifo;
	int writer;
	unsigned int lines;
	unsigned int bad;
	struct control_line last;
	char error[256];
	int result;
	unsigned int replaced;
	int replaced_result;
};

FIXTURE_FUNCTION int on_line(void *context, const struct control_line *line)
{
	struct fixture *fixture = context;

	fixture->lines++;
	fixture->last = *line;
	return fixture->result;
}

FIXTURE_FUNCTION int on_bad_line(void *context, const char *error)
{
	struct fixture *fixture = context;

	fixture->bad++;
	(void)snprintf(fixture->error, sizeof(fixture->error), "%s", error);
	return fixture->result;
}

FIXTURE_FUNCTION int on_replaced(void *context, int result)
{
	struct fixture *fixture = context;

	fixture->replaced++;
	fixture->replaced_result = result;
	return 0;
}

static const struct control_fifo_callbacks CALLBACKS = {on_line, on_bad_line, on_replaced};

FIXTURE_FUNCTION int open_writer(const struct fixture *fixture)
{
	int fd = open(file_tree_path(&fixture->tree, FIFO_PATH), O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

FIXTURE_FUNCTION int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	char error[256];

	assert_non_null(fixture);
	file_tree_create(&fixture->tree);
	assert_int_equal(loop_create(&fixture->loop), 0);
	assert_int_equal(run_dir_open(file_tree_path(&fixture->tree, "run"), RUN_DIR_GROUP,
				      &fixture->dir, error, sizeof(error)),
			 0);
	assert_int_equal(control_fifo_create(&fixture->dir, fixture->loop, &CALLBACKS, fixture,
					     &fixture->fifo),
			 0);
	fixture->writer = open_writer(fixture);
	*state = fixture;
	return 0;
}

FIXTURE_FUNCTION int tear_down(void **state)
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

FIXTURE_FUNCTION void write_text(const struct fixture *fixture, const char *text)
{
	assert_int_equal(write(fixture->writer, text, strlen(text)), strlen(text));
}

FIXTURE_FUNCTION void settle(const struct fixture *fixture)
{
	uint64_t end_ns = loop_now_ns() + 50 * NS_PER_MS;

	while (loop_now_ns() < end_ns)
		assert_int_equal(loop_run_once(fixture->loop, 10), 0);
}

/* Runs the loop until so many lines have come. */
FIXTURE_FUNCTION void settle_until(const struct fixture *fixture, unsigned int lines)
{
	uint64_t end_ns = loop_now_ns() + 10 * NS_PER_S;

	while (fixture->lines < lines && loop_now_ns() < end_ns)
		assert_int_equal(loop_run_once(fixture->loop, 10), 0);
	assert_int_equal(fixture->lines, lines);
}

/* Into a pipe that may be full. */
FIXTURE_FUNCTION void write_pending(const struct fixture *fixture, const char *text)
{
	while (write(fixture->writer, text, strlen(text)) < 0)
		assert_int_equal(loop_run_once(fixture->loop, 10), 0);
}

FIXTURE_FUNCTION const struct control_fifo_counters *counters(const struct fixture *fixture)
{
	return control_fifo_get_counters(fixture->fifo);
}

#define FIFO_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
