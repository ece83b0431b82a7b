/* SPDX-License-Identifier: BSD-2-Clause */
/* manager.fifo with real readers: they come, die, hang, are two, and the FIFO is taken away. */
#include "file_tree.h"

#include <errno.h>
#include <poll.h>
#include <sys/wait.h>

#include "base/lock_file.h"
#include "base/units.h"
#include "io/loop.h"
#include "io/manager_fifo.h"
#include "tierd/protocol.h"

#define FIFO_PATH "run/" PROTOCOL_MANAGER_FIFO

struct fixture {
	struct file_tree tree;
	struct run_dir dir;
	struct loop *loop;
	struct manager_fifo *fifo;
	unsigned int readers;
	unsigned int writable;
	unsigned int replaced;
	int replaced_result;
};

static int on_reader(void *context)
{
	struct fixture *fixture = context;

	fixture->readers++;
	return 0;
}

static int on_writable(void *context)
{
	struct fixture *fixture = context;

	fixture->writable++;
	return 0;
}

static int on_replaced(void *context, int result)
{
	struct fixture *fixture = context;

	fixture->replaced++;
	fixture->replaced_result = result;
	return 0;
}

/* As a reader takes it. */
static int lock_reader(const struct fixture *fixture)
{
	return lock_file_take(fixture->dir.fd, PROTOCOL_MANAGER_LOCK, O_RDONLY, 0);
}

static const struct manager_fifo_callbacks CALLBACKS = {on_reader, on_writable, on_replaced};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	char error[256];

	assert_non_null(fixture);
	file_tree_create(&fixture->tree);
	assert_int_equal(loop_create(&fixture->loop), 0);
	assert_int_equal(run_dir_open(file_tree_path(&fixture->tree, "run"), RUN_DIR_GROUP,
				      &fixture->dir, error, sizeof(error)),
			 0);
	assert_int_equal(manager_fifo_create(&fixture->dir, fixture->loop, &CALLBACKS, fixture,
					     &fixture->fifo),
			 0);
	assert_true(manager_fifo_is_watched(fixture->fifo));
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	manager_fifo_destroy(fixture->fifo);
	run_dir_close(&fixture->dir);
	assert_false(file_tree_has(&fixture->tree, "run"));
	loop_destroy(fixture->loop);
	file_tree_remove(&fixture->tree);
	free(fixture);
	return 0;
}

static int open_reader(const struct fixture *fixture, int flags)
{
	int fd = open(file_tree_path(&fixture->tree, FIFO_PATH), flags | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Runs the loop until nothing has happened for a while. */
static void settle(const struct fixture *fixture)
{
	uint64_t end_ns = loop_now_ns() + 50 * NS_PER_MS;

	while (loop_now_ns() < end_ns)
		assert_int_equal(loop_run_once(fixture->loop, 10), 0);
}

static int send_text(const struct fixture *fixture, const char *text)
{
	return manager_fifo_send(fixture->fifo, text, strlen(text));
}

static void assert_reads(int fd, const char *text)
{
	char buffer[256] = "";
	ssize_t got = read(fd, buffer, sizeof(buffer) - 1);

	assert_int_equal(got, strlen(text));
	assert_string_equal(buffer, text);
}

static const struct manager_fifo_counters *counters(const struct fixture *fixture)
{
	return manager_fifo_get_counters(fixture->fifo);
}

static void test_no_reader(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(send_text(fixture, "x\n"), -ENOTCONN);
	assert_int_equal(manager_fifo_check(fixture->fifo), 0);
	settle(fixture);
	assert_int_equal(fixture->readers, 0);
	assert_int_equal(counters(fixture)->dropped_no_reader, 1);
	assert_int_equal(manager_fifo_send(fixture->fifo, "", 0), -EMSGSIZE);
}

static void test_reader_is_noticed_and_gets_lines(void **state)
{
	struct fixture *fixture = *state;
	int fd = open_reader(fixture, O_RDONLY | O_NONBLOCK);

	settle(fixture);
	assert_int_equal(fixture->readers, 1);
	assert_true(manager_fifo_has_reader(fixture->fifo));
	assert_int_equal(send_text(fixture, "state seq=1\n"), 0);
	assert_reads(fd, "state seq=1\n");
	close(fd);
	settle(fixture);
	assert_false(manager_fifo_has_reader(fixture->fifo));
	assert_int_equal(send_text(fixture, "state seq=2\n"), -ENOTCONN);
	assert_int_equal(fixture->readers, 1);
	assert_int_equal(fixture->replaced, 0);
	assert_int_equal(counters(fixture)->sent, 1);
}

/* A shell's `cat` blocks in open() until there is a writer. */
static void test_blocking_reader_does_not_hang(void **state)
{
	struct fixture *fixture = *state;
	int status;
	pid_t child = fork();

	if (child == 0) {
		char line[64] = "";
		int fd;

		alarm(10);
		fd = open(file_tree_path(&fixture->tree, FIFO_PATH), O_RDONLY | O_CLOEXEC);
		_exit(fd >= 0 && read(fd, line, sizeof(line)) == 6 && !strcmp(line, "hello\n") ? 0
											       : 1);
	}
	for (int i = 0; i < 500 && fixture->readers == 0; i++)
		assert_int_equal(loop_run_once(fixture->loop, 10), 0);
	assert_int_equal(fixture->readers, 1);
	assert_int_equal(send_text(fixture, "hello\n"), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_reader_before_the_loop_is_found_by_check(void **state)
{
	struct fixture *fixture = *state;
	int fd = open_reader(fixture, O_RDONLY | O_NONBLOCK);

	assert_int_equal(manager_fifo_check(fixture->fifo), 0);
	assert_int_equal(fixture->readers, 1);
	assert_int_equal(manager_fifo_check(fixture->fifo), 0);
	assert_int_equal(fixture->readers, 1);
	close(fd);
}

/* What the dead reader left must not reach the next one: it begins in the middle of a line. */
static void test_next_reader_gets_no_torn_line(void **state)
{
	struct fixture *fixture = *state;
	char part[4];
	int fd = open_reader(fixture, O_RDONLY | O_NONBLOCK);

	settle(fixture);
	assert_int_equal(send_text(fixture, "switch seq=1\n"), 0);
	assert_int_equal(send_text(fixture, "switch seq=2\n"), 0);
	assert_int_equal(read(fd, part, sizeof(part)), 4);
	close(fd);
	settle(fixture);
	fd = open_reader(fixture, O_RDONLY | O_NONBLOCK);
	settle(fixture);
	assert_int_equal(fixture->readers, 2);
	assert_int_equal(counters(fixture)->readers, 2);
	assert_int_equal(read(fd, part, sizeof(part)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(send_text(fixture, "state seq=2\n"), 0);
	assert_reads(fd, "state seq=2\n");
	close(fd);
}

static void test_reader_that_is_exchanged_at_once(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 50; i++) {
		int fd = open_reader(fixture, O_RDONLY | O_NONBLOCK);

		if (i % 3)
			assert_int_equal(loop_run_once(fixture->loop, 0), 0);
		close(fd);
	}
	{
		int fd = open_reader(fixture, O_RDONLY | O_NONBLOCK);

		settle(fixture);
		assert_true(manager_fifo_has_reader(fixture->fifo));
		assert_int_equal(send_text(fixture, "last\n"), 0);
		assert_reads(fd, "last\n");
		close(fd);
	}
	settle(fixture);
	assert_false(manager_fifo_has_reader(fixture->fifo));
}

static void test_full_pipe(void **state)
{
	static const char LINE[] = "state seq=1 wanted=large actual=large phase=steady paused=0\n";
	struct fixture *fixture = *state;
	int fd = open_reader(fixture, O_RDONLY | O_NONBLOCK);
	size_t sent = 0;
	size_t got = 0;
	char byte = '\n';
	char last = 0;

	settle(fixture);
	while (send_text(fixture, LINE) == 0)
		sent++;
	assert_int_equal(send_text(fixture, LINE), -EAGAIN);
	assert_int_equal(counters(fixture)->dropped_full, 2);
	assert_int_equal(counters(fixture)->sent, sent);
	settle(fixture);
	assert_int_equal(fixture->writable, 0);
	while (read(fd, &byte, 1) == 1) {
		got++;
		last = byte;
	}
	assert_int_equal(got, sent * strlen(LINE)); /* whole lines only */
	assert_int_equal(last, '\n');
	settle(fixture);
	assert_int_equal(fixture->writable, 1);
	assert_int_equal(send_text(fixture, "x\n"), 0);
	close(fd);
}

static void test_reader_dies_with_a_full_pipe(void **state)
{
	struct fixture *fixture = *state;
	int fd = open_reader(fixture, O_RDONLY | O_NONBLOCK);

	settle(fixture);
	while (send_text(fixture, "filler\n") == 0)
		;
	close(fd);
	settle(fixture);
	assert_int_equal(fixture->writable, 0);
	fd = open_reader(fixture, O_RDONLY | O_NONBLOCK);
	settle(fixture);
	assert_int_equal(fixture->readers, 2);
	assert_int_equal(send_text(fixture, "fresh\n"), 0);
	assert_reads(fd, "fresh\n");
	close(fd);
}

static void test_deleted_fifo_is_made_again(void **state)
{
	struct fixture *fixture = *state;
	int old = open_reader(fixture, O_RDONLY | O_NONBLOCK);
	int fd;
	char byte;

	settle(fixture);
	file_tree_unlink(&fixture->tree, FIFO_PATH);
	settle(fixture);
	assert_int_equal(fixture->replaced, 1);
	assert_int_equal(fixture->replaced_result, 0);
	assert_int_equal(read(old, &byte, 1), 0); /* its reader sees the end */
	fd = open_reader(fixture, O_RDONLY | O_NONBLOCK);
	settle(fixture);
	assert_int_equal(fixture->readers, 2);
	assert_int_equal(send_text(fixture, "x\n"), 0);
	assert_reads(fd, "x\n");
	close(old);
	close(fd);
}

static void test_replaced_fifo_is_taken_over(void **state)
{
	struct fixture *fixture = *state;
	const char *other = file_tree_path(&fixture->tree, "run/other");
	int fd;

	assert_int_equal(mkfifo(other, 0600), 0);
	assert_int_equal(rename(other, file_tree_path(&fixture->tree, FIFO_PATH)), 0);
	settle(fixture);
	assert_int_equal(fixture->replaced, 1);
	assert_int_equal(fixture->replaced_result, 0);
	fd = open_reader(fixture, O_RDONLY | O_NONBLOCK);
	settle(fixture);
	assert_int_equal(send_text(fixture, "x\n"), 0);
	assert_reads(fd, "x\n");
	close(fd);
}

static void test_foreign_file_in_its_place_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	struct stat info;

	file_tree_write(&fixture->tree, "run/file", "precious");
	assert_int_equal(rename(file_tree_path(&fixture->tree, "run/file"),
				file_tree_path(&fixture->tree, FIFO_PATH)),
			 0);
	settle(fixture);
	assert_int_equal(fixture->replaced, 1);
	assert_int_equal(fixture->replaced_result, -EEXIST);
	assert_int_equal(manager_fifo_check(fixture->fifo), 0);
	assert_int_equal(fixture->replaced, 1); /* told once */
	assert_int_equal(send_text(fixture, "x\n"), -ENOTCONN);
	assert_int_equal(stat(file_tree_path(&fixture->tree, FIFO_PATH), &info), 0);
	assert_int_equal(info.st_size, strlen("precious"));
	file_tree_unlink(&fixture->tree, FIFO_PATH);
	settle(fixture);
	assert_int_equal(fixture->replaced, 2);
	assert_int_equal(fixture->replaced_result, 0);
	assert_int_equal(counters(fixture)->replaced, 1);
}

static void test_deleted_lock_file_is_made_again(void **state)
{
	struct fixture *fixture = *state;
	int fd;

	file_tree_unlink(&fixture->tree, "run/" PROTOCOL_MANAGER_LOCK);
	assert_int_equal(manager_fifo_check(fixture->fifo), 0);
	fd = lock_reader(fixture);
	assert_true(fd >= 0);
	assert_int_equal(manager_fifo_check(fixture->fifo), 0);
	assert_int_equal(lock_reader(fixture), -EBUSY);
	close(fd);
}

/* Else root would give away whatever a hard link leads to. */
static void test_hard_linked_lock_file_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	struct stat info;

	file_tree_write(&fixture->tree, "victim", "precious");
	assert_int_equal(fchmodat(fixture->dir.fd, "../victim", 0604, 0), 0);
	file_tree_unlink(&fixture->tree, "run/" PROTOCOL_MANAGER_LOCK);
	assert_int_equal(
		linkat(fixture->dir.fd, "../victim", fixture->dir.fd, PROTOCOL_MANAGER_LOCK, 0), 0);
	assert_int_equal(manager_fifo_check(fixture->fifo), 0);
	assert_int_equal(lock_reader(fixture), -EEXIST);
	manager_fifo_destroy(fixture->fifo);
	fixture->fifo = NULL;
	assert_int_equal(fstatat(fixture->dir.fd, PROTOCOL_MANAGER_LOCK, &info, 0),
			 0); /* still there */
	assert_int_equal(info.st_mode & 07777, 0604);
	assert_int_equal(manager_fifo_create(&fixture->dir, fixture->loop, &CALLBACKS, fixture,
					     &fixture->fifo),
			 -EEXIST);
	file_tree_unlink(&fixture->tree, "run/" PROTOCOL_MANAGER_LOCK);
}

static int refuse(void *context)
{
	(void)context;
	return -EPROTO;
}

static void test_callback_error_comes_back(void **state)
{
	static const struct manager_fifo_callbacks REFUSING = {refuse, on_writable, on_replaced};
	struct fixture *fixture = *state;
	int fd;

	manager_fifo_destroy(fixture->fifo);
	assert_int_equal(manager_fifo_create(&fixture->dir, fixture->loop, &REFUSING, fixture,
					     &fixture->fifo),
			 0);
	fd = open_reader(fixture, O_RDONLY | O_NONBLOCK);
	assert_int_equal(loop_run(fixture->loop), -EPROTO);
	close(fd);
}

#define FIFO_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIFO_TEST(test_no_reader),
		FIFO_TEST(test_reader_is_noticed_and_gets_lines),
		FIFO_TEST(test_blocking_reader_does_not_hang),
		FIFO_TEST(test_reader_before_the_loop_is_found_by_check),
		FIFO_TEST(test_next_reader_gets_no_torn_line),
		FIFO_TEST(test_reader_that_is_exchanged_at_once),
		FIFO_TEST(test_full_pipe),
		FIFO_TEST(test_reader_dies_with_a_full_pipe),
		FIFO_TEST(test_deleted_fifo_is_made_again),
		FIFO_TEST(test_replaced_fifo_is_taken_over),
		FIFO_TEST(test_foreign_file_in_its_place_is_left_alone),
		FIFO_TEST(test_deleted_lock_file_is_made_again),
		FIFO_TEST(test_hard_linked_lock_file_is_left_alone),
		FIFO_TEST(test_callback_error_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
