/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose group the run directory's FIFOs belong to. */
#include "file_tree.h"

#include <errno.h>
#include <grp.h>

#include "io/run_dir.h"

/* Every system has a group 0; only the one that need not be there may be missing. */
static void test_only_the_default_may_be_missing(void **state)
{
	const struct group *first = getgrgid(0);
	const struct group *ours;
	gid_t group = 77;

	(void)state;
	assert_non_null(first);
	assert_int_equal(run_dir_find_group(first->gr_name, &group), 0);
	assert_int_equal(group, 0);
	assert_int_equal(run_dir_find_group("", &group), 0);
	assert_int_equal(group, (gid_t)-1);
	ours = getgrnam(RUN_DIR_GROUP);
	assert_int_equal(run_dir_find_group(RUN_DIR_GROUP, &group), 0);
	assert_int_equal(group, ours ? ours->gr_gid : (gid_t)-1);
	group = 77;
	assert_int_equal(run_dir_find_group("no such group", &group), -ESRCH);
	assert_int_equal(group, 77);
}

static void test_directory_gets_the_one_that_is_named(void **state)
{
	struct file_tree tree = {0};
	struct run_dir dir = RUN_DIR_CLOSED;
	char error[256] = "";
	const char *path;

	(void)state;
	file_tree_create(&tree);
	path = file_tree_path(&tree, "run");
	assert_int_equal(run_dir_open(path, "no such group", &dir, error, sizeof(error)), -ESRCH);
	assert_string_equal(error, "there is no group no such group");
	assert_int_equal(dir.fd, -1);
	assert_false(file_tree_has(&tree, "run"));
	path = file_tree_path(&tree, "run");
	assert_int_equal(run_dir_open(path, "", &dir, error, sizeof(error)), 0);
	assert_int_equal(dir.group, (gid_t)-1);
	run_dir_close(&dir);
	file_tree_remove(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_the_default_may_be_missing),
		cmocka_unit_test(test_directory_gets_the_one_that_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
