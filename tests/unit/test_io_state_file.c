/* SPDX-License-Identifier: BSD-2-Clause */
/* The state file on a real disk: whole or not at all, and nobody else's files. */
#include "file_tree.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/units.h"
#include "io/state_file.h"
#include "io/state_keeper.h"

#define TEXT STATE_FILE_MAGIC "1,\"seq\":7}\n"

static struct file_tree tree;
static int dir_fd;
static char buffer[STATE_FILE_MAX];
static char error[128];

static int set_up(void **state)
{
	(void)state;
	file_tree_create(&tree);
	dir_fd = open(tree.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir_fd >= 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(dir_fd);
	file_tree_remove(&tree);
	return 0;
}

static int read_it(const char *name)
{
	return state_file_read(dir_fd, name, buffer, error, sizeof(error));
}

static void write_it(const char *text)
{
	assert_int_equal(state_file_write(dir_fd, "state", text, strlen(text), true), 0);
}

static bool exists(const char *name)
{
	return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_what_was_written_is_read(void **state)
{
	struct stat info;

	(void)state;
	assert_int_equal(read_it("state"), -ENOENT);
	write_it(TEXT);
	assert_int_equal(read_it("state"), strlen(TEXT));
	assert_string_equal(buffer, TEXT);
	write_it(STATE_FILE_MAGIC "2}\n");
	assert_true(read_it("state") > 0);
	assert_string_equal(buffer, STATE_FILE_MAGIC "2}\n");
	assert_int_equal(fstatat(dir_fd, "state", &info, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	assert_false(exists("state.new"));
}

/* Whatever becomes of a byte: it is noticed. */
static void test_every_byte_is_checked(void **state)
{
	int len;

	(void)state;
	write_it(TEXT);
	len = (int)strlen(TEXT) + 15;
	for (int i = 0; i < len; i++) {
		char path[PATH_MAX];
		char byte;
		int fd;

		write_it(TEXT);
		(void)snprintf(path, sizeof(path), "%s/state", tree.root);
		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_int_equal(pread(fd, &byte, 1, i), 1);
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, i), 1);
		close(fd);
		assert_int_equal(read_it("state"), -EBADMSG);
		assert_true(error[0] != '\0');
	}
}

static void test_a_cut_off_file_is_damaged(void **state)
{
	size_t len = strlen(TEXT) + 15;

	(void)state;
	for (size_t kept = sizeof(STATE_FILE_MAGIC) - 1; kept < len; kept++) {
		write_it(TEXT);
		assert_int_equal(truncate(file_tree_path(&tree, "state"), (off_t)kept), 0);
		assert_int_equal(read_it("state"), -EBADMSG);
	}
	assert_int_equal(truncate(file_tree_path(&tree, "state"), 0), 0);
	assert_int_equal(read_it("state"), -EBADMSG);
	assert_string_equal(error, "it is empty");
}

static void test_what_is_not_ours_is_left_alone(void **state)
{
	(void)state;
	file_tree_write(&tree, "passwd", "root:x:0:0:root:/root:/bin/bash\n");
	assert_int_equal(read_it("passwd"), -EEXIST);
	write_it(TEXT);
	file_tree_write(&tree, "link", "-> state");
	assert_int_equal(symlinkat("state", dir_fd, "linked"), 0);
	assert_int_equal(read_it("linked"), -EEXIST);
	assert_string_equal(error, "it is a symbolic link");
	assert_int_equal(mkdirat(dir_fd, "dir", 0700), 0);
	assert_int_equal(read_it("dir"), -EEXIST);
	assert_int_equal(mkfifoat(dir_fd, "fifo", 0600), 0);
	assert_int_equal(read_it("fifo"), -EEXIST);
}

static void test_what_others_could_have_written_is_not_believed(void **state)
{
	(void)state;
	write_it(TEXT);
	assert_int_equal(fchmodat(dir_fd, "state", 0620, 0), 0);
	assert_int_equal(read_it("state"), -EPERM);
	assert_int_equal(fchmodat(dir_fd, "state", 0602, 0), 0);
	assert_int_equal(read_it("state"), -EPERM);
	assert_int_equal(fchmodat(dir_fd, "state", 0644, 0), 0);
	assert_true(read_it("state") > 0);
	assert_int_equal(linkat(dir_fd, "state", dir_fd, "second", 0), 0);
	assert_int_equal(read_it("state"), -EPERM);
	assert_int_equal(unlinkat(dir_fd, "second", 0), 0);
	if (geteuid() == 0) {
		assert_int_equal(fchownat(dir_fd, "state", 65534, (gid_t)-1, 0), 0);
		assert_int_equal(read_it("state"), -EPERM);
	}
}

static void test_too_large_is_refused_both_ways(void **state)
{
	static char large[STATE_FILE_MAX + 1];

	(void)state;
	memset(large, ' ', sizeof(large) - 1);
	memcpy(large, STATE_FILE_MAGIC, sizeof(STATE_FILE_MAGIC) - 1);
	file_tree_write(&tree, "state", large);
	assert_int_equal(fchmodat(dir_fd, "state", 0600, 0), 0);
	assert_int_equal(read_it("state"), -EBADMSG);
	assert_string_equal(error, "it is too large");
	assert_int_equal(state_file_write(dir_fd, "other", large, STATE_FILE_MAX, true), -EFBIG);
	assert_false(exists("other"));
}

static void test_setting_aside_makes_room(void **state)
{
	(void)state;
	write_it(TEXT);
	assert_int_equal(state_file_set_aside(dir_fd, "state"), 0);
	assert_false(exists("state"));
	assert_true(exists("state.bad"));
	write_it(TEXT);
	assert_int_equal(state_file_set_aside(dir_fd, "state"), 0); /* in the place of the other */
	assert_int_equal(state_file_set_aside(dir_fd, "state"), -ENOENT);
}

/* A link that somebody has put in the place of the temporary file leads nowhere. */
static void test_a_planted_link_is_not_followed(void **state)
{
	(void)state;
	file_tree_write(&tree, "precious", "precious");
	assert_int_equal(symlinkat("precious", dir_fd, "state.new"), 0);
	assert_int_equal(symlinkat("precious", dir_fd, "state"), 0);
	write_it(TEXT);
	assert_true(read_it("state") > 0);
	int fd = openat(dir_fd, "precious", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, buffer, sizeof(buffer)), 8);
	close(fd);
}

static void write_for_ever(void)
{
	static char text[STATE_FILE_MAX / 2];

	for (unsigned int i = 0;; i++) {
		int len = snprintf(text, sizeof(text), STATE_FILE_MAGIC "%u,\"fill\":\"%0*u\"}\n",
				   i, 20000, i);

		(void)state_file_write(dir_fd, "state", text, (size_t)len, false);
	}
}

/* Killed anywhere between two writes: one of the two is there, and whole. */
static void test_a_kill_leaves_the_old_or_the_new_one(void **state)
{
	(void)state;
	write_it(TEXT);
	for (unsigned int i = 0; i < 100; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			write_for_ever();
		usleep(500 + i * 37 % 3000);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		if (read_it("state") <= 0)
			fail_msg("after kill %u: %s", i, error);
	}
}

static void test_a_failure_leaves_it_as_it_was(void **state)
{
	(void)state;
	write_it(TEXT);
	assert_int_equal(mkdirat(dir_fd, "state.new", 0700), 0);
	assert_true(state_file_write(dir_fd, "state", "x\n", 2, true) < 0);
	assert_true(read_it("state") > 0);
	assert_string_equal(buffer, TEXT);
}

/* ---- the keeper --------------------------------------------------------------------------------
 */

static struct state_keeper *start_keeper(int run_fd)
{
	const struct state_keeper_options options = {
		.dir_fd = dir_fd,
		.name = "state",
		.run_fd = run_fd,
		.snapshot_name = "snapshot",
	};
	struct state_keeper *keeper;

	assert_int_equal(state_keeper_start(&options, &keeper), 0);
	return keeper;
}

static void save(struct state_keeper *keeper, const char *text, bool is_lasting)
{
	for (int i = 0; !state_keeper_save(keeper, text, strlen(text), is_lasting); i++) {
		assert_true(i < 10000);
		usleep(100);
	}
}

/* Waits until the thread has done something about the last save. */
static void wait_for(struct state_keeper *keeper, uint64_t saved, uint64_t failed)
{
	struct state_keeper_stats stats;

	for (int i = 0; i < 10000; i++) {
		state_keeper_get_stats(keeper, &stats);
		if (stats.saved >= saved && stats.failed >= failed)
			return;
		usleep(1000);
	}
	fail_msg("%u saved, %u failed", (unsigned)stats.saved, (unsigned)stats.failed);
}

static void test_the_keeper_writes_both_places(void **state)
{
	struct state_keeper *keeper = start_keeper(dir_fd);
	struct state_keeper_stats stats;

	(void)state;
	save(keeper, TEXT, true);
	wait_for(keeper, 1, 0);
	for (int i = 0; !exists("snapshot"); i++) {
		assert_true(i < 10000);
		usleep(1000);
	}
	save(keeper, STATE_FILE_MAGIC "2}\n", false);
	for (int i = 0; strcmp(buffer, STATE_FILE_MAGIC "2}\n") != 0; i++) {
		assert_true(i < 10000);
		usleep(1000);
		read_it("snapshot");
	}
	assert_true(read_it("state") > 0);
	assert_string_equal(buffer, TEXT);
	state_keeper_get_stats(keeper, &stats);
	assert_int_equal(stats.saved, 1);
	assert_true(stats.saved_ns > 0);
	/* The snapshot knows more than the file: it stays. */
	assert_int_equal(state_keeper_stop(keeper, 5000), 0);
	assert_true(exists("snapshot"));
}

static void test_what_was_saved_last_is_there_at_the_end(void **state)
{
	struct state_keeper *keeper = start_keeper(dir_fd);
	char text[64];

	(void)state;
	for (int i = 0; i < 200; i++) {
		(void)snprintf(text, sizeof(text), STATE_FILE_MAGIC "%d}\n", i);
		save(keeper, text, true);
	}
	assert_int_equal(state_keeper_stop(keeper, 5000), 0);
	assert_true(read_it("state") > 0);
	assert_string_equal(buffer, text);
	assert_false(exists("snapshot"));
}

static void test_a_disk_that_fails_is_told_and_tried_again(void **state)
{
	struct state_keeper *keeper = start_keeper(dir_fd);
	struct state_keeper_stats stats;

	(void)state;
	assert_int_equal(mkdirat(dir_fd, "state.new", 0700), 0);
	save(keeper, TEXT, true);
	wait_for(keeper, 0, 1);
	/* A snapshot that can be written does not hide it. */
	save(keeper, TEXT, false);
	for (int i = 0; !exists("snapshot"); i++) {
		assert_true(i < 10000);
		usleep(1000);
	}
	state_keeper_get_stats(keeper, &stats);
	assert_true(stats.error < 0);
	assert_int_equal(unlinkat(dir_fd, "state.new", AT_REMOVEDIR), 0);
	save(keeper, TEXT, true);
	wait_for(keeper, 1, 1);
	assert_int_equal(state_keeper_stop(keeper, 5000), 0);
	assert_true(read_it("state") > 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_written_is_read),
		TEST(test_every_byte_is_checked),
		TEST(test_a_cut_off_file_is_damaged),
		TEST(test_what_is_not_ours_is_left_alone),
		TEST(test_what_others_could_have_written_is_not_believed),
		TEST(test_too_large_is_refused_both_ways),
		TEST(test_setting_aside_makes_room),
		TEST(test_a_planted_link_is_not_followed),
		TEST(test_a_kill_leaves_the_old_or_the_new_one),
		TEST(test_a_failure_leaves_it_as_it_was),
		TEST(test_the_keeper_writes_both_places),
		TEST(test_what_was_saved_last_is_there_at_the_end),
		TEST(test_a_disk_that_fails_is_told_and_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
