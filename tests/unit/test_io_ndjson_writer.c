/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decisions log and its thread: the same lines in the same order as without one, and nobody is
 * held up by what they are written to.
 */
#include "file_tree.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/units.h"
#include "io/loop.h"
#include "io/ndjson_sink.h"
#include "io/ndjson_writer.h"

enum {
	TRIES = 10000, /* of a millisecond */
	HUNG_LINES = 1000,
	/* With their lengths. */
	QUEUED_LINES = NDJSON_WRITER_QUEUE_BYTES / (NDJSON_LINE_MAX + 4),
};

struct fixture {
	struct file_tree tree;
	struct ndjson_writer *writer;
	int reader_fd; /* of what stands for standard output; -1 = none */
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	file_tree_create(&fixture->tree);
	fixture->reader_fd = -1;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	if (fixture->reader_fd >= 0)
		close(fixture->reader_fd);
	ndjson_writer_close(fixture->writer, -1, NULL);
	file_tree_remove(&fixture->tree);
	free(fixture);
	return 0;
}

static int open_writer(struct fixture *fixture, const char *path, uint64_t max_bytes)
{
	return ndjson_writer_open(file_tree_path(&fixture->tree, path), max_bytes,
				  &fixture->writer);
}

static void add_text(const struct fixture *fixture, const char *text)
{
	ndjson_writer_add(fixture->writer, text, strlen(text));
}

static struct ndjson_writer_stats get_stats(const struct fixture *fixture)
{
	struct ndjson_writer_stats stats;

	ndjson_writer_get_stats(fixture->writer, &stats);
	return stats;
}

static struct ndjson_writer_stats close_writer(struct fixture *fixture)
{
	struct ndjson_writer_stats stats;

	assert_int_equal(ndjson_writer_close(fixture->writer, -1, &stats), 0);
	fixture->writer = NULL;
	return stats;
}

static size_t read_all(const struct fixture *fixture, const char *path, char *buffer, size_t size)
{
	int fd = open(file_tree_path(&fixture->tree, path), O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, buffer, size);

	assert_true(len >= 0 && (size_t)len < size);
	buffer[len] = '\0';
	close(fd);
	return (size_t)len;
}

static void assert_content(const struct fixture *fixture, const char *path, const char *text)
{
	char buffer[256];

	read_all(fixture, path, buffer, sizeof(buffer));
	assert_string_equal(buffer, text);
}

static void wait_for_size(const struct fixture *fixture, const char *path, size_t bytes)
{
	struct stat info = {.st_size = 0};

	for (int i = 0; i < TRIES && (size_t)info.st_size < bytes; i++) {
		assert_int_equal(stat(file_tree_path(&fixture->tree, path), &info), 0);
		usleep(1000);
	}
	assert_int_equal(info.st_size, bytes);
}

/* ---- files -----------------------------------------------------------------------------------
 */

/* Several times what the queue holds, and the last of it is not waited for. */
static void test_all_lines_are_written_in_order(void **state)
{
	static char expected[4 * NDJSON_WRITER_QUEUE_BYTES];
	static char got[sizeof(expected)];
	struct fixture *fixture = *state;
	struct ndjson_writer_stats stats;
	size_t len = 0;

	assert_int_equal(open_writer(fixture, "log", GIB), 0);
	for (int round = 0; round < 8; round++) {
		wait_for_size(fixture, "log", len);
		for (int i = 0; i < 2500; i++) {
			char line[64];
			int line_len = snprintf(line, sizeof(line), "{\"line\":%d,\"x\":%.*s}\n",
						round * 10000 + i, i % 30,
						"000000000000000000000000000000");

			ndjson_writer_add(fixture->writer, line, (size_t)line_len);
			assert_true(len + (size_t)line_len < sizeof(expected));
			memcpy(expected + len, line, (size_t)line_len);
			len += (size_t)line_len;
		}
	}
	assert_true(len > 2 * (size_t)NDJSON_WRITER_QUEUE_BYTES);
	stats = close_writer(fixture);
	assert_int_equal(stats.dropped, 0);
	assert_false(stats.is_failing);
	assert_int_equal(read_all(fixture, "log", got, sizeof(got)), len);
	assert_memory_equal(got, expected, len);
}

static void test_what_does_not_fit_is_counted(void **state)
{
	static char overlong[NDJSON_LINE_MAX + 1];
	struct fixture *fixture = *state;
	struct ndjson_writer_stats stats = {.dropped = 0};

	file_tree_write(&fixture->tree, "log", "12345\n");
	assert_int_equal(open_writer(fixture, "log", 10), 0);
	add_text(fixture, "abcd\n");
	for (int i = 0; i < TRIES && stats.dropped == 0; i++) {
		stats = get_stats(fixture);
		usleep(1000);
	}
	assert_int_equal(stats.dropped, 1);
	assert_int_equal(stats.reason, -EFBIG);
	assert_true(stats.is_failing);
	ndjson_writer_add(fixture->writer, overlong, sizeof(overlong));
	stats = get_stats(fixture);
	assert_int_equal(stats.dropped, 2);
	assert_int_equal(stats.reason, -EMSGSIZE);
	add_text(fixture, "abc\n");
	stats = close_writer(fixture);
	assert_int_equal(stats.dropped, 2);
	assert_false(stats.is_failing);
	assert_content(fixture, "log", "12345\nabc\n");
}

static void test_rotation(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(open_writer(fixture, "log", MIB), 0);
	add_text(fixture, "1\n");
	assert_int_equal(rename(file_tree_path(&fixture->tree, "log"),
				file_tree_path(&fixture->tree, "log.1")),
			 0);
	add_text(fixture, "2\n");
	ndjson_writer_reopen(fixture->writer);
	add_text(fixture, "3\n");
	assert_int_equal(close_writer(fixture).reopen_failures, 0);
	assert_content(fixture, "log.1", "1\n2\n");
	assert_content(fixture, "log", "3\n");
}

/* Also where no line comes after it. */
static void test_rotation_that_fails_is_counted(void **state)
{
	struct fixture *fixture = *state;
	struct ndjson_writer_stats stats = {.dropped = 0};

	assert_int_equal(open_writer(fixture, "log", MIB), 0);
	assert_int_equal(rename(file_tree_path(&fixture->tree, "log"),
				file_tree_path(&fixture->tree, "log.1")),
			 0);
	file_tree_write(&fixture->tree, "log/", "");
	ndjson_writer_reopen(fixture->writer);
	for (int i = 0; i < TRIES && stats.reopen_failures == 0; i++) {
		stats = get_stats(fixture);
		usleep(1000);
	}
	assert_int_equal(stats.reopen_failures, 1);
	add_text(fixture, "1\n");
	assert_int_equal(close_writer(fixture).dropped, 0);
	assert_content(fixture, "log.1", "1\n");
}

static void test_bad_targets_are_refused(void **state)
{
	struct fixture *fixture = *state;

	file_tree_write(&fixture->tree, "victim", "");
	file_tree_write(&fixture->tree, "link", "-> victim");
	assert_int_equal(open_writer(fixture, "link", MIB), -ELOOP);
	assert_int_equal(open_writer(fixture, "no/such/log", MIB), -ENOENT);
	assert_null(fixture->writer);
}

/* ---- what hangs ------------------------------------------------------------------------------
 */

/* Standard output is a socket that takes a part of a line and then blocks, as a disk does. */
static void open_hanging_writer(struct fixture *fixture)
{
	int old_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
	int bytes = 1;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	assert_int_equal(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
	close(ends[1]);
	fixture->reader_fd = ends[0];
	assert_int_equal(ndjson_writer_open("-", 1, &fixture->writer), 0);
	assert_int_equal(dup2(old_stdout, STDOUT_FILENO), STDOUT_FILENO);
	close(old_stdout);
}

static void fill_queue(const struct fixture *fixture)
{
	static char line[NDJSON_LINE_MAX];
	uint64_t begin_ns = loop_now_ns();
	struct ndjson_writer_stats stats;

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < HUNG_LINES; i++)
		ndjson_writer_add(fixture->writer, line, sizeof(line));
	assert_true(loop_now_ns() - begin_ns < 10 * NS_PER_S);
	stats = get_stats(fixture);
	assert_int_equal(stats.dropped, HUNG_LINES - QUEUED_LINES);
	assert_int_equal(stats.reason, -ENOBUFS);
	assert_true(stats.is_failing);
}

static void test_what_hangs_holds_nobody_up(void **state)
{
	static struct ndjson_writer *abandoned; /* still its thread's */
	struct fixture *fixture = *state;
	struct ndjson_writer_stats stats;
	uint64_t begin_ns;

	open_hanging_writer(fixture);
	fill_queue(fixture);
	ndjson_writer_reopen(fixture->writer);
	abandoned = fixture->writer;
	fixture->writer = NULL;
	begin_ns = loop_now_ns();
	assert_int_equal(ndjson_writer_close(abandoned, 50, &stats), -ETIMEDOUT);
	assert_true(loop_now_ns() - begin_ns < 10 * NS_PER_S);
	assert_int_equal(stats.dropped, HUNG_LINES - QUEUED_LINES);
}

/* Lines that found no room are missing whole, and the trouble is over once all others are written.
 */
static void test_what_hung_goes_on(void **state)
{
	static char got[NDJSON_LINE_MAX * (QUEUED_LINES + 1)];
	struct fixture *fixture = *state;
	struct ndjson_writer_stats stats = {.is_failing = true};
	size_t len = 0;

	open_hanging_writer(fixture);
	fill_queue(fixture);
	for (int i = 0; i < TRIES && stats.is_failing; i++) {
		ssize_t part = recv(fixture->reader_fd, got + len, sizeof(got) - len, MSG_DONTWAIT);

		if (part > 0) {
			len += (size_t)part;
			continue;
		}
		usleep(1000);
		add_text(fixture, "y\n");
		usleep(1000);
		stats = get_stats(fixture);
	}
	assert_false(stats.is_failing);
	assert_true(len >= NDJSON_LINE_MAX);
	for (size_t i = 0; i < NDJSON_LINE_MAX - 1; i++)
		assert_int_equal(got[i], 'x');
	assert_int_equal(got[NDJSON_LINE_MAX - 1], '\n');
}

#define WRITER_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WRITER_TEST(test_all_lines_are_written_in_order),
		WRITER_TEST(test_what_does_not_fit_is_counted),
		WRITER_TEST(test_rotation),
		WRITER_TEST(test_rotation_that_fails_is_counted),
		WRITER_TEST(test_bad_targets_are_refused),
		WRITER_TEST(test_what_hangs_holds_nobody_up),
		WRITER_TEST(test_what_hung_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
