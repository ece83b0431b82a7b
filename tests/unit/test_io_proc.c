/* SPDX-License-Identifier: BSD-2-Clause */
/* /proc parsing: process names that look like fields, numbers that do not fit, files that lie. */
#include "file_tree.h"

#include <errno.h>

#include "base/units.h"
#include "io/proc.h"

struct fixture {
	struct file_tree tree;
	int proc_fd;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	file_tree_create(&fixture->tree);
	file_tree_write(&fixture->tree, "proc/self/", "");
	fixture->proc_fd = open(file_tree_path(&fixture->tree, "proc"), O_RDONLY | O_CLOEXEC);
	assert_true(fixture->proc_fd >= 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	close(fixture->proc_fd);
	file_tree_remove(&fixture->tree);
	free(fixture);
	return 0;
}

#define STAT_TAIL " S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %s 1000 10\n"

static int read_stat(const struct fixture *fixture, const char *text, struct proc_stat *ret_stat)
{
	file_tree_write(&fixture->tree, "proc/42/stat", text);
	return proc_read_stat(fixture->proc_fd, 42, ret_stat);
}

static void test_stat_with_hostile_names(void **state)
{
	static const char *const NAMES[] = {
		"plain",     "",         "a b",  "(x)",  ") R 1 1",
		"new\nline", "\xff\x01", "((((", "))))", "kworker/u64:3-events_unbound",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		struct proc_stat stat;
		char text[512];

		(void)snprintf(text, sizeof(text), "42 (%s)" STAT_TAIL, NAMES[i], "123456");
		assert_int_equal(read_stat(fixture, text, &stat), 0);
		assert_int_equal(stat.pid, 42);
		assert_int_equal(stat.parent_pid, 7);
		assert_int_equal(stat.start_ticks, 123456);
		assert_string_equal(stat.comm, NAMES[i]);
	}
}

static void test_garbled_stat_is_refused(void **state)
{
	static const char *const TEXTS[] = {
		"",
		"\n",
		"42",
		"42 (a",
		"42 a)",
		")42 (",
		"42 (a)",
		"42 (a) ",
		"42 (a) S",
		"42 (a) S 7",
		"x (a) S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 5 1000 10",
		"42 (a) S x 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 5 1000 10",
		"42 (a) S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99999999999999999999999 1",
		"99999999999 (a) S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 5 1000 10",
	};
	struct fixture *fixture = *state;
	struct proc_stat stat = {.pid = 5};

	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		assert_int_equal(read_stat(fixture, TEXTS[i], &stat), -EBADMSG);
		assert_int_equal(stat.pid, 5);
	}
	assert_int_equal(proc_read_stat(fixture->proc_fd, 43, &stat), -ENOENT);
}

static void test_find_number(void **state)
{
	static const struct {
		const char *text;
		const char *key;
		int err;
		uint64_t number;
	} CASES[] = {
		{"A: 1\nB: 2 kB\n", "B", 0, 2048},
		{"A: 1\nB:\t  2\n", "B", 0, 2},
		{"total_b 3\nb 4\n", "b", 0, 4},
		{"\n\nb 4", "b", 0, 4},
		{"b 18446744073709551615\n", "b", 0, UINT64_MAX},
		{"b 18446744073709551616\n", "b", -EBADMSG, 0},
		{"b 18446744073709551615 kB\n", "b", -EBADMSG, 0},
		{"b -1\n", "b", -EBADMSG, 0},
		{"b\n", "b", -ENOENT, 0},
		{"b", "b", -EBADMSG, 0},
		{"b \n3", "b", -EBADMSG, 0},
		{"bb 1\n", "b", -ENOENT, 0},
		{"", "b", -ENOENT, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		uint64_t number = 0;

		assert_int_equal(proc_find_number(CASES[i].text, CASES[i].key, &number),
				 CASES[i].err);
		assert_true(number == CASES[i].number);
	}
}

static void test_pid_names(void **state)
{
	static const struct {
		const char *name;
		uint32_t pid;
	} CASES[] = {
		{"1", 1},
		{"4194304", 4194304},
		{"", 0},
		{"self", 0},
		{"1x", 0},
		{"-1", 0},
		{" 1", 0},
		{"0", 0},
		{"99999999999999999999999", 0},
		{"2147483648", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++)
		assert_int_equal(proc_parse_pid(CASES[i].name), CASES[i].pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stat_with_hostile_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_garbled_stat_is_refused, set_up, tear_down),
		cmocka_unit_test(test_find_number),
		cmocka_unit_test(test_pid_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
