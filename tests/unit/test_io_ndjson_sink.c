/* SPDX-License-Identifier: BSD-2-Clause */
/* The decisions log: whole lines, its caps, rotation, and a standard output that nobody reads. */
#include "file_tree.h"

#include <errno.h>

#include "base/units.h"
#include "io/loop.h"
#include "io/ndjson_sink.h"

struct fixture {
	struct file_tree tree;
	struct loop *loop; /* ignores SIGPIPE */
	struct ndjson_sink *sink;
	int old_stdout;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	file_tree_create(&fixture->tree);
	assert_int_equal(loop_create(&fixture->loop), 0);
	fixture->old_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(dup2(fixture->old_stdout, STDOUT_FILENO), STDOUT_FILENO);
	close(fixture->old_stdout);
	ndjson_sink_close(fixture->sink);
	loop_destroy(fixture->loop);
	file_tree_remove(&fixture->tree);
	free(fixture);
	return 0;
}

static int open_file_sink(struct fixture *fixture, const char *path, uint64_t max_bytes)
{
	return ndjson_sink_open(file_tree_path(&fixture->tree, path), max_bytes, &fixture->sink);
}

static int write_text(const struct fixture *fixture, const char *text)
{
	return ndjson_sink_write(fixture->sink, text, strlen(text));
}

static void assert_content(const struct fixture *fixture, const char *path, const char *text)
{
	char buffer[256] = "";
	int fd = open(file_tree_path(&fixture->tree, path), O_RDONLY | O_CLOEXEC);

	assert_int_equal(read(fd, buffer, sizeof(buffer) - 1), strlen(text));
	assert_string_equal(buffer, text);
	close(fd);
}

static void test_lines_are_appended(void **state)
{
	struct fixture *fixture = *state;
	struct stat info;

	file_tree_write(&fixture->tree, "log", "{\"old\":1}\n");
	assert_int_equal(open_file_sink(fixture, "log", MIB), 0);
	assert_int_equal(write_text(fixture, "{\"a\":1}\n"), 0);
	assert_content(fixture, "log", "{\"old\":1}\n{\"a\":1}\n");
	ndjson_sink_close(fixture->sink);
	assert_int_equal(open_file_sink(fixture, "new", MIB), 0);
	assert_int_equal(stat(file_tree_path(&fixture->tree, "new"), &info), 0);
	assert_int_equal(info.st_mode & 0777 & ~0640U, 0);
}

static void test_cap_counts_what_was_there(void **state)
{
	struct fixture *fixture = *state;

	file_tree_write(&fixture->tree, "log", "12345\n");
	assert_int_equal(open_file_sink(fixture, "log", 10), 0);
	assert_int_equal(write_text(fixture, "abcd\n"), -EFBIG);
	assert_int_equal(write_text(fixture, "abc\n"), 0);
	assert_int_equal(write_text(fixture, "\n"), -EFBIG);
	assert_content(fixture, "log", "12345\nabc\n");
	assert_int_equal(ndjson_sink_get_dropped(fixture->sink), 2);
}

static void test_rotation(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(open_file_sink(fixture, "log", MIB), 0);
	assert_int_equal(write_text(fixture, "1\n"), 0);
	assert_int_equal(rename(file_tree_path(&fixture->tree, "log"),
				file_tree_path(&fixture->tree, "log.1")),
			 0);
	assert_int_equal(write_text(fixture, "2\n"), 0);
	assert_int_equal(ndjson_sink_reopen(fixture->sink), 0);
	assert_int_equal(write_text(fixture, "3\n"), 0);
	assert_content(fixture, "log.1", "1\n2\n");
	assert_content(fixture, "log", "3\n");
	/* It cannot be opened: the old one goes on. */
	file_tree_unlink(&fixture->tree, "log");
	file_tree_write(&fixture->tree, "log/", "");
	assert_int_equal(ndjson_sink_reopen(fixture->sink), -EISDIR);
	assert_int_equal(write_text(fixture, "4\n"), 0);
}

static void test_bad_targets_are_refused(void **state)
{
	struct fixture *fixture = *state;
	char longest[PATH_MAX + 1];

	file_tree_write(&fixture->tree, "victim", "");
	file_tree_write(&fixture->tree, "link", "-> victim");
	assert_int_equal(open_file_sink(fixture, "link", MIB), -ELOOP);
	assert_int_equal(mkfifo(file_tree_path(&fixture->tree, "fifo"), 0600), 0);
	assert_int_equal(open_file_sink(fixture, "fifo", MIB), -EINVAL);
	assert_int_equal(open_file_sink(fixture, "no/such/log", MIB), -ENOENT);
	memset(longest, 'x', sizeof(longest));
	longest[PATH_MAX] = '\0';
	assert_int_equal(ndjson_sink_open(longest, MIB, &fixture->sink), -ENAMETOOLONG);
	assert_null(fixture->sink);
}

static void test_full_disk(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(ndjson_sink_open("/dev/full", MIB, &fixture->sink), 0);
	assert_int_equal(write_text(fixture, "x\n"), -ENOSPC);
	assert_int_equal(ndjson_sink_get_dropped(fixture->sink), 1);
}

static void test_overlong_line(void **state)
{
	static char line[NDJSON_LINE_MAX + 1];
	struct fixture *fixture = *state;

	assert_int_equal(open_file_sink(fixture, "log", MIB), 0);
	assert_int_equal(ndjson_sink_write(fixture->sink, line, sizeof(line)), -EMSGSIZE);
	assert_int_equal(ndjson_sink_write(fixture->sink, line, sizeof(line) - 1), 0);
}

/* Lines longer than PIPE_BUF into a pipe that is read late: some are dropped, none is torn, and
 * what the shell gave us stays as it was. */
static void test_stdout_that_is_not_read(void **state)
{
	static char line[10000];
	static char got[1024 * 1024];
	struct fixture *fixture = *state;
	unsigned int written = 0;
	size_t len = 0;
	int ends[2];
	int flags;

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
	assert_int_equal(ndjson_sink_open("-", 1, &fixture->sink), 0);
	for (int round = 0; round < 10; round++) {
		ssize_t part;

		for (int i = 0; i < 20; i++) {
			if (ndjson_sink_write(fixture->sink, line, sizeof(line)) == 0)
				written++;
		}
		part = read(ends[0], got + len, 30000);
		assert_true(part > 0);
		len += (size_t)part;
	}
	flags = fcntl(STDOUT_FILENO, F_GETFL);
	assert_int_equal(dup2(fixture->old_stdout, STDOUT_FILENO), STDOUT_FILENO);
	assert_false(flags & O_NONBLOCK);
	assert_int_equal(ndjson_sink_get_dropped(fixture->sink), 200 - written);
	assert_true(written > 10 && written < 200);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	for (ssize_t part; (part = read(ends[0], got + len, sizeof(got) - len)) > 0;)
		len += (size_t)part;
	for (size_t i = 0; i < len; i++)
		assert_int_equal(got[i], line[i % sizeof(line)]);
	close(ends[0]);
	assert_int_equal(ndjson_sink_write(fixture->sink, line, sizeof(line)), -EPIPE);
	close(ends[1]);
}

static void test_stdout_to_a_file_is_capped(void **state)
{
	struct fixture *fixture = *state;
	int fd = open(file_tree_path(&fixture->tree, "out"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	close(fd);
	assert_int_equal(ndjson_sink_open("-", 4, &fixture->sink), 0);
	assert_int_equal(write_text(fixture, "1\n"), 0);
	assert_int_equal(write_text(fixture, "123\n"), -EFBIG);
	assert_int_equal(ndjson_sink_reopen(fixture->sink), 0);
	assert_int_equal(dup2(fixture->old_stdout, STDOUT_FILENO), STDOUT_FILENO);
	assert_content(fixture, "out", "1\n");
}

#define SINK_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SINK_TEST(test_lines_are_appended),
		SINK_TEST(test_cap_counts_what_was_there),
		SINK_TEST(test_rotation),
		SINK_TEST(test_bad_targets_are_refused),
		SINK_TEST(test_full_disk),
		SINK_TEST(test_overlong_line),
		SINK_TEST(test_stdout_that_is_not_read),
		SINK_TEST(test_stdout_to_a_file_is_capped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
