/* SPDX-License-Identifier: BSD-2-Clause */
/* Process ids from groups whose files answer with errors. */
#include "file_tree.h"

#include <errno.h>
#include <sys/syscall.h>

#include "base/units.h"
#include "io/model_scan.h"

enum {
	PIDS_MAX = 8,
};

struct fixture {
	struct file_tree tree;
	uint32_t pids[PIDS_MAX];
	unsigned int pid_count;
	uint64_t ids[PIDS_MAX];
	struct model_scan_ids subgroups;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	file_tree_create(&fixture->tree);
	fixture->subgroups = (struct model_scan_ids){fixture->ids, 0, PIDS_MAX};
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

/* As the kernel answers for a threaded group, where the file says so. */
// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
ssize_t read(int fd, void *buffer, size_t size)
{
	static const char MARK[] = "threaded";
	ssize_t got = syscall(SYS_read, fd, buffer, size);

	if (got < (ssize_t)strlen(MARK) || memcmp(buffer, MARK, strlen(MARK)) != 0)
		return got;
	errno = EOPNOTSUPP;
	return -1;
}

static void on_pid(void *context, uint32_t pid)
{
	struct fixture *fixture = context;

	assert_true(fixture->pid_count < PIDS_MAX);
	fixture->pids[fixture->pid_count++] = pid;
}

static int scan(struct fixture *fixture)
{
	int fd = open(file_tree_path(&fixture->tree, "llm"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	assert_true(fd >= 0);
	err = model_scan_group(fd, on_pid, fixture, &fixture->subgroups);
	close(fd);
	return err;
}

static void test_threaded_groups_below_are_skipped(void **state)
{
	static const struct file_tree_entry GROUPS[] = {
		{"llm/cgroup.procs", "40\n"},
		{"llm/sub/cgroup.procs", "threaded"},
		{"llm/sub/deeper/cgroup.procs", "threaded"},
	};
	struct fixture *fixture = *state;

	file_tree_fill(&fixture->tree, GROUPS, ARRAY_SIZE(GROUPS));
	assert_int_equal(scan(fixture), 0);
	assert_int_equal(fixture->pid_count, 1);
	assert_int_equal(fixture->pids[0], 40);
	assert_int_equal(fixture->subgroups.count, 2); /* their threads are the model's */
}

/* The model's own group must not look empty because nobody can say who is in it. */
static void test_threaded_group_itself_is_an_error(void **state)
{
	struct fixture *fixture = *state;

	file_tree_write(&fixture->tree, "llm/cgroup.procs", "threaded");
	assert_int_equal(scan(fixture), -EOPNOTSUPP);
	assert_int_equal(fixture->pid_count, 0);
}

#define SCAN_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCAN_TEST(test_threaded_groups_below_are_skipped),
		SCAN_TEST(test_threaded_group_itself_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
