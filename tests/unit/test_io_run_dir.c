/* SPDX-License-Identifier: BSD-2-Clause */
/* The run directory, its lock, what stands in the way of our FIFOs, and replies. */
#include "file_tree.h"

#include <errno.h>
#include <grp.h>
#include <sys/file.h>

#include "base/lock_file.h"
#include "base/units.h"
#include "io/loop.h"
#include "io/reply.h"
#include "io/run_dir.h"
#include "tierd/protocol.h"

struct fixture {
	struct file_tree tree;
	struct run_dir dir;
	struct loop *loop; /* ignores SIGPIPE */
	char error[256];
};

static int open_dir(struct fixture *fixture)
{
	return run_dir_open(file_tree_path(&fixture->tree, "run/tierd"), RUN_DIR_GROUP,
			    &fixture->dir, fixture->error, sizeof(fixture->error));
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	file_tree_create(&fixture->tree);
	assert_int_equal(loop_create(&fixture->loop), 0);
	fixture->dir = RUN_DIR_CLOSED;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	run_dir_close(&fixture->dir);
	loop_destroy(fixture->loop);
	file_tree_remove(&fixture->tree);
	free(fixture);
	return 0;
}

static mode_t mode_of(const struct fixture *fixture, const char *path)
{
	struct stat info;

	assert_int_equal(lstat(file_tree_path(&fixture->tree, path), &info), 0);
	return info.st_mode & 07777;
}

static void test_directory_is_made_and_removed(void **state)
{
	struct fixture *fixture = *state;
	bool has_group = getgrnam(RUN_DIR_GROUP) != NULL;
	mode_t old_umask = umask(077);

	assert_int_equal(open_dir(fixture), 0);
	umask(old_umask);
	assert_int_equal(mode_of(fixture, "run/tierd"), 0755);
	assert_int_equal(mode_of(fixture, "run/tierd/replies"), has_group ? 01730 : 0700);
	run_dir_close(&fixture->dir);
	assert_false(file_tree_has(&fixture->tree, "run/tierd"));
	assert_true(file_tree_has(&fixture->tree, "run"));
	run_dir_close(&fixture->dir); /* once more does nothing */
}

static void test_foreign_content_is_kept(void **state)
{
	struct fixture *fixture = *state;

	file_tree_write(&fixture->tree, "run/tierd/notes", "mine");
	assert_int_equal(open_dir(fixture), 0);
	file_tree_write(&fixture->tree, "run/tierd/replies/file", "mine");
	assert_int_equal(mkfifoat(fixture->dir.replies_fd, "stale", 0600), 0);
	run_dir_close(&fixture->dir);
	assert_true(file_tree_has(&fixture->tree, "run/tierd/notes"));
	assert_true(file_tree_has(&fixture->tree, "run/tierd/replies/file"));
	assert_false(file_tree_has(&fixture->tree, "run/tierd/replies/stale"));
	assert_false(file_tree_has(&fixture->tree, "run/tierd/tierd.lock"));
}

static void test_empty_directory_of_others_is_kept(void **state)
{
	struct fixture *fixture = *state;

	file_tree_write(&fixture->tree, "run/tierd/", "");
	assert_int_equal(open_dir(fixture), 0);
	run_dir_close(&fixture->dir);
	assert_true(file_tree_has(&fixture->tree, "run/tierd"));
	assert_false(file_tree_has(&fixture->tree, "run/tierd/replies"));
}

static void test_second_agent_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct run_dir second = RUN_DIR_CLOSED;

	assert_int_equal(open_dir(fixture), 0);
	assert_int_equal(run_dir_open(fixture->dir.path, RUN_DIR_GROUP, &second, fixture->error,
				      sizeof(fixture->error)),
			 -EBUSY);
	assert_non_null(strstr(fixture->error, "another agent"));
	assert_int_equal(second.fd, -1);
	assert_true(file_tree_has(&fixture->tree, "run/tierd/tierd.lock"));
	run_dir_close(&fixture->dir);
	assert_int_equal(open_dir(fixture), 0);
}

static void test_bad_directories_are_refused(void **state)
{
	struct fixture *fixture = *state;
	char longest[PATH_MAX + 8];

	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(run_dir_open("", RUN_DIR_GROUP, &fixture->dir, fixture->error,
				      sizeof(fixture->error)),
			 -EINVAL);
	assert_int_equal(run_dir_open(longest, RUN_DIR_GROUP, &fixture->dir, fixture->error,
				      sizeof(fixture->error)),
			 -EINVAL);
	file_tree_write(&fixture->tree, "run/tierd", "a file");
	assert_int_equal(open_dir(fixture), -ENOTDIR);
	assert_non_null(strstr(fixture->error, "run/tierd"));
}

static void test_planted_lock_and_replies_are_refused(void **state)
{
	struct fixture *fixture = *state;

	file_tree_write(&fixture->tree, "victim", "precious");
	file_tree_write(&fixture->tree, "run/tierd/tierd.lock", "-> ../../victim");
	assert_int_equal(open_dir(fixture), -EEXIST);
	file_tree_unlink(&fixture->tree, "run/tierd/tierd.lock");
	assert_int_equal(mkfifo(file_tree_path(&fixture->tree, "run/tierd/tierd.lock"), 0600), 0);
	assert_int_equal(open_dir(fixture), -EEXIST);
	file_tree_unlink(&fixture->tree, "run/tierd/tierd.lock");
	file_tree_write(&fixture->tree, "elsewhere/", "");
	file_tree_write(&fixture->tree, "run/tierd/replies", "-> ../../elsewhere");
	assert_int_equal(open_dir(fixture), -EEXIST);
	assert_true(file_tree_has(&fixture->tree, "run/tierd/replies"));
	file_tree_unlink(&fixture->tree, "run/tierd/replies");
	file_tree_write(&fixture->tree, "run/tierd/replies", "a file");
	assert_int_equal(open_dir(fixture), -EEXIST);
	assert_true(file_tree_has(&fixture->tree, "victim"));
}

/* The lock file is deleted under a waiting agent: the lock on the old one is worth nothing. */
static void test_lock_follows_the_name(void **state)
{
	struct fixture *fixture = *state;
	int first;
	int second;

	assert_int_equal(open_dir(fixture), 0);
	first = lock_file_take(fixture->dir.fd, "x.lock", O_RDWR | O_CREAT, 0600);
	assert_true(first >= 0);
	assert_int_equal(lock_file_take(fixture->dir.fd, "x.lock", O_RDONLY, 0), -EBUSY);
	file_tree_unlink(&fixture->tree, "run/tierd/x.lock");
	assert_int_equal(lock_file_take(fixture->dir.fd, "x.lock", O_RDONLY, 0), -ENOENT);
	second = lock_file_take(fixture->dir.fd, "x.lock", O_RDWR | O_CREAT, 0600);
	assert_true(second >= 0);
	file_tree_unlink(&fixture->tree, "run/tierd/x.lock");
	close(first);
	close(second);
}

/* Else root would lock, and give away, whatever a hard link leads to. */
static void test_hard_linked_lock_is_refused(void **state)
{
	struct fixture *fixture = *state;

	file_tree_write(&fixture->tree, "victim", "precious");
	file_tree_write(&fixture->tree, "run/tierd/", "");
	assert_int_equal(link(file_tree_path(&fixture->tree, "victim"),
			      file_tree_path(&fixture->tree, "run/tierd/tierd.lock")),
			 0);
	assert_int_equal(open_dir(fixture), -EEXIST);
	assert_true(file_tree_has(&fixture->tree, "run/tierd/tierd.lock"));
}

static void empty_dir(const struct fixture *fixture)
{
	file_tree_unlink(&fixture->tree, "run/tierd/tierd.lock");
	file_tree_remove_below(&fixture->tree, "run/tierd/replies");
}

static void test_deleted_content_comes_back(void **state)
{
	struct fixture *fixture = *state;
	struct run_dir second = RUN_DIR_CLOSED;
	int replies_fd;

	assert_int_equal(open_dir(fixture), 0);
	replies_fd = fixture->dir.replies_fd;
	assert_int_equal(run_dir_check(&fixture->dir), 0);
	assert_int_equal(fixture->dir.replies_fd, replies_fd);
	empty_dir(fixture);
	assert_int_equal(run_dir_check(&fixture->dir), 0);
	assert_int_equal(mkfifoat(fixture->dir.replies_fd, "r.1", 0600), 0);
	assert_true(file_tree_has(&fixture->tree, "run/tierd/replies/r.1"));
	assert_int_equal(run_dir_open(fixture->dir.path, RUN_DIR_GROUP, &second, fixture->error,
				      sizeof(fixture->error)),
			 -EBUSY);
	file_tree_unlink(&fixture->tree, "run/tierd/replies/r.1");
	empty_dir(fixture);
	file_tree_write(&fixture->tree, "run/tierd/replies", "a file");
	assert_int_equal(run_dir_check(&fixture->dir), -EEXIST);
	file_tree_unlink(&fixture->tree, "run/tierd/replies");
	run_dir_close(&fixture->dir);
	assert_false(file_tree_has(&fixture->tree, "run/tierd"));
}

static void test_another_agent_took_the_lock(void **state)
{
	struct fixture *fixture = *state;
	struct run_dir second = RUN_DIR_CLOSED;

	assert_int_equal(open_dir(fixture), 0);
	empty_dir(fixture);
	assert_int_equal(run_dir_open(fixture->dir.path, RUN_DIR_GROUP, &second, fixture->error,
				      sizeof(fixture->error)),
			 0);
	assert_int_equal(run_dir_check(&fixture->dir), -EBUSY);
	run_dir_close(&fixture->dir); /* removes nothing of the other one's */
	assert_int_equal(run_dir_check(&second), 0);
	assert_true(file_tree_has(&fixture->tree, "run/tierd/tierd.lock"));
	assert_true(file_tree_has(&fixture->tree, "run/tierd/replies"));
	run_dir_close(&second);
}

static void test_directory_itself_is_gone(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(open_dir(fixture), 0);
	file_tree_remove_below(&fixture->tree, "run/tierd");
	assert_int_equal(run_dir_check(&fixture->dir), -ENOENT);
}

static void test_fifo_modes_and_takeover(void **state)
{
	struct fixture *fixture = *state;
	bool has_group = getgrnam(RUN_DIR_GROUP) != NULL;
	struct run_fifo fifo;
	struct run_fifo again;

	assert_int_equal(open_dir(fixture), 0);
	assert_int_equal(run_fifo_make(&fixture->dir, "a.fifo", 0640, 0600, &fifo), 0);
	assert_int_equal(mode_of(fixture, "run/tierd/a.fifo"), has_group ? 0640 : 0600);
	/* As after a crash: the same FIFO is used again. */
	assert_int_equal(chmod(file_tree_path(&fixture->tree, "run/tierd/a.fifo"), 0666), 0);
	assert_int_equal(run_fifo_make(&fixture->dir, "a.fifo", 0640, 0600, &again), 0);
	assert_int_equal(fifo.inode, again.inode);
	assert_int_equal(mode_of(fixture, "run/tierd/a.fifo"), has_group ? 0640 : 0600);
	run_fifo_remove(&again);
	assert_false(file_tree_has(&fixture->tree, "run/tierd/a.fifo"));
	assert_false(run_fifo_is_current(&fifo));
	assert_int_equal(run_fifo_open(&fifo, O_RDONLY), -ESTALE);
}

static void test_foreign_fifos_are_refused(void **state)
{
	static const struct file_tree_entry IN_THE_WAY[] = {
		{"run/tierd/file", "precious"},
		{"run/tierd/link", "-> ../../fifo"},
		{"run/tierd/dangling", "-> nowhere"},
		{"run/tierd/directory/", ""},
	};
	static const char *const NAMES[] = {"file", "link", "dangling", "directory", "hard"};
	struct fixture *fixture = *state;
	struct run_fifo fifo;

	assert_int_equal(open_dir(fixture), 0);
	file_tree_fill(&fixture->tree, IN_THE_WAY, ARRAY_SIZE(IN_THE_WAY));
	assert_int_equal(mkfifo(file_tree_path(&fixture->tree, "fifo"), 0600), 0);
	assert_int_equal(link(file_tree_path(&fixture->tree, "fifo"),
			      file_tree_path(&fixture->tree, "run/tierd/hard")),
			 0);
	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		assert_int_equal(run_fifo_make(&fixture->dir, NAMES[i], 0640, 0600, &fifo),
				 -EEXIST);
		assert_int_equal(faccessat(fixture->dir.fd, NAMES[i], F_OK, AT_SYMLINK_NOFOLLOW),
				 0);
	}
	if (geteuid() != 0)
		return;
	assert_int_equal(mkfifo(file_tree_path(&fixture->tree, "run/tierd/theirs"), 0600), 0);
	assert_int_equal(chown(file_tree_path(&fixture->tree, "run/tierd/theirs"), 65534, 65534),
			 0);
	assert_int_equal(run_fifo_make(&fixture->dir, "theirs", 0640, 0600, &fifo), -EEXIST);
}

/* ---- replies --------------------------------------------------------------------------------- */

static int make_reply(const struct fixture *fixture, const char *name)
{
	int fd;

	assert_int_equal(mkfifoat(fixture->dir.replies_fd, name, 0600), 0);
	fd = openat(fixture->dir.replies_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void test_reply_arrives(void **state)
{
	struct fixture *fixture = *state;
	char text[16] = "";
	int fd;

	assert_int_equal(open_dir(fixture), 0);
	fd = make_reply(fixture, "r.1");
	assert_int_equal(reply_send(fixture->dir.replies_fd, "r.1", "ok\nend\n", 7), 0);
	assert_int_equal(read(fd, text, sizeof(text)), 7);
	assert_string_equal(text, "ok\nend\n");
	assert_int_equal(read(fd, text, sizeof(text)), 0); /* closed behind it */
	close(fd);
}

static void test_long_reply_enlarges_the_pipe(void **state)
{
	struct fixture *fixture = *state;
	size_t size = (size_t)300 * 1024;
	char *text = malloc(size);
	char *got = malloc(size);
	size_t len = 0;
	ssize_t part;
	int fd;

	assert_non_null(text);
	assert_non_null(got);
	memset(text, 'x', size);
	assert_int_equal(open_dir(fixture), 0);
	fd = make_reply(fixture, "long");
	assert_int_equal(reply_send(fixture->dir.replies_fd, "long", text, size), 0);
	while ((part = read(fd, got + len, size - len)) > 0)
		len += (size_t)part;
	assert_int_equal(len, size);
	assert_int_equal(reply_send(fixture->dir.replies_fd, "long", text, REPLY_MAX + 1),
			 -EMSGSIZE);
	close(fd);
	free(text);
	free(got);
}

static void test_full_reply_does_not_block(void **state)
{
	struct fixture *fixture = *state;
	char filler[4096] = "";
	int writer;
	int fd;

	assert_int_equal(open_dir(fixture), 0);
	fd = make_reply(fixture, "full");
	writer = openat(fixture->dir.replies_fd, "full", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	while (write(writer, filler, sizeof(filler)) > 0)
		;
	assert_int_equal(reply_send(fixture->dir.replies_fd, "full", "ok\n", 3), -EAGAIN);
	close(writer);
	close(fd);
}

static void test_bad_reply_names_are_refused(void **state)
{
	static const char *const NAMES[] = {
		"",
		".",
		"..",
		".hidden",
		"../tierd.lock",
		"a/b",
		"/etc/passwd",
		"1234567890123456789012345678901234567890123456789012345678901234",
	};
	struct fixture *fixture = *state;

	assert_int_equal(open_dir(fixture), 0);
	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++)
		assert_int_equal(reply_send(fixture->dir.replies_fd, NAMES[i], "x", 1), -EINVAL);
}

static void test_planted_replies_get_nothing(void **state)
{
	static const struct {
		const char *name;
		int err;
	} CASES[] = {
		{"missing", -ENOENT}, {"file", -EPERM}, {"link", -ELOOP},
		{"hard", -EPERM},     {"dir", -EISDIR}, {"unread", -ENXIO},
	};
	struct fixture *fixture = *state;
	struct stat info;
	int fd;

	assert_int_equal(open_dir(fixture), 0);
	file_tree_write(&fixture->tree, "victim", "");
	file_tree_write(&fixture->tree, "run/tierd/replies/file", "");
	file_tree_write(&fixture->tree, "run/tierd/replies/link", "-> ../../../victim");
	file_tree_write(&fixture->tree, "run/tierd/replies/dir/", "");
	assert_int_equal(mkfifoat(fixture->dir.replies_fd, "unread", 0600), 0);
	fd = make_reply(fixture, "hard");
	assert_int_equal(linkat(fixture->dir.replies_fd, "hard", fixture->dir.fd, "other", 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++)
		assert_int_equal(reply_send(fixture->dir.replies_fd, CASES[i].name, "x", 1),
				 CASES[i].err);
	assert_int_equal(stat(file_tree_path(&fixture->tree, "victim"), &info), 0);
	assert_int_equal(info.st_size, 0);
	assert_int_equal(stat(file_tree_path(&fixture->tree, "run/tierd/replies/file"), &info), 0);
	assert_int_equal(info.st_size, 0);
	close(fd);
}

#define RUN_DIR_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN_DIR_TEST(test_directory_is_made_and_removed),
		RUN_DIR_TEST(test_foreign_content_is_kept),
		RUN_DIR_TEST(test_empty_directory_of_others_is_kept),
		RUN_DIR_TEST(test_second_agent_is_refused),
		RUN_DIR_TEST(test_bad_directories_are_refused),
		RUN_DIR_TEST(test_planted_lock_and_replies_are_refused),
		RUN_DIR_TEST(test_lock_follows_the_name),
		RUN_DIR_TEST(test_hard_linked_lock_is_refused),
		RUN_DIR_TEST(test_deleted_content_comes_back),
		RUN_DIR_TEST(test_another_agent_took_the_lock),
		RUN_DIR_TEST(test_directory_itself_is_gone),
		RUN_DIR_TEST(test_fifo_modes_and_takeover),
		RUN_DIR_TEST(test_foreign_fifos_are_refused),
		RUN_DIR_TEST(test_reply_arrives),
		RUN_DIR_TEST(test_long_reply_enlarges_the_pipe),
		RUN_DIR_TEST(test_full_reply_does_not_block),
		RUN_DIR_TEST(test_bad_reply_names_are_refused),
		RUN_DIR_TEST(test_planted_replies_get_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
