/* SPDX-License-Identifier: BSD-2-Clause */
/* CSV as such: lines, quotes, fields; and files that are no CSV at all. */
#include "file_tree.h"

#include <errno.h>

#include "base/units.h"
#include "io/csv_table.h"

#define FILE_NAME "t.csv"
#define TEXT(text) text, sizeof(text) - 1

enum {
	JOINED_LEN = 256,
};

static struct file_tree tree;
static char error[CSV_ERROR_LEN];
static char joined[JOINED_LEN];

static int setup(void **state)
{
	(void)state;
	file_tree_create(&tree);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	file_tree_remove(&tree);
	return 0;
}

static void join(const char *text, const char *separator)
{
	size_t len = strlen(joined);

	assert_true(len + strlen(text) + strlen(separator) < JOINED_LEN);
	snprintf(joined + len, JOINED_LEN - len, "%s%s", text, separator);
}

/* Reads the whole file into joined: "a|b|" for the header, then "N:1|2|" with each line number. */
static int read_path(const char *path)
{
	struct csv_table *table = NULL;
	const char *const *fields;
	char line[32];
	int result;

	error[0] = joined[0] = '\0';
	result = csv_table_open(path, &table, error, sizeof(error));
	if (result < 0) {
		assert_null(table);
		return result;
	}
	unsigned int count = csv_table_column_count(table);
	for (unsigned int i = 0; i < count; i++)
		join(csv_table_column_name(table, i), "|");
	assert_null(csv_table_column_name(table, count));
	while ((result = csv_table_next(table, &fields, error, sizeof(error))) > 0) {
		snprintf(line, sizeof(line), " %d:", (int)csv_table_line(table));
		join(line, "");
		for (unsigned int i = 0; i < count; i++)
			join(fields[i], "|");
	}
	csv_table_close(table);
	return result;
}

static int read_bytes(const char *bytes, size_t len)
{
	file_tree_write_bytes(&tree, FILE_NAME, bytes, len);
	return read_path(file_tree_path(&tree, FILE_NAME));
}

static void assert_refused(const char *bytes, size_t len, const char *expected)
{
	const char *path = file_tree_path(&tree, "");

	if (read_bytes(bytes, len) != -EINVAL)
		fail_msg("taken: %s", bytes);
	assert_int_equal(strncmp(error, path, strlen(path)), 0);
	assert_string_equal(error + strlen(path), expected);
}

static void test_records(void **state)
{
	static const struct {
		const char *text;
		const char *joined;
	} FILES[] = {
		{"a,b\n1,2\n3,4\n", "a|b| 2:1|2| 3:3|4|"},
		{"a,b\n1,2", "a|b| 2:1|2|"},
		{"a,b\r\n1,2\r\n", "a|b| 2:1|2|"},
		{"\xef\xbb\xbf"
		 "a,b\n1,2\n",
		 "a|b| 2:1|2|"},
		{"\n \na,b\n\n1,2\n\t\n3,4\n\n", "a|b| 5:1|2| 7:3|4|"},
		{" a ,\tb\n 1 2 , \n,\n", "a|b| 2:1 2|| 3:||"},
		{"\"a\",\"b,c\"\n\"1\"\"\" , \" 2 \"\n", "a|b,c| 2:1\"| 2 |"},
		{"a\n\"\"\n", "a| 2:|"},
		{"caf\xc3\xa9,b\n1,2\n", "caf\xc3\xa9|b| 2:1|2|"},
		{"a,b\n", "a|b|"},
		{"a", "a|"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(FILES); i++) {
		if (read_bytes(FILES[i].text, strlen(FILES[i].text)) != 0)
			fail_msg("%s: %s", FILES[i].text, error);
		assert_string_equal(joined, FILES[i].joined);
	}
}

static void test_find_column(void **state)
{
	struct csv_table *table = NULL;

	(void)state;
	file_tree_write(&tree, FILE_NAME, "a,b,c\n");
	assert_int_equal(
		csv_table_open(file_tree_path(&tree, FILE_NAME), &table, error, sizeof(error)), 0);
	assert_int_equal(csv_table_find_column(table, "c"), 2);
	assert_int_equal(csv_table_find_column(table, "d"), -ENOENT);
	csv_table_close(table);
}

static void test_files_that_are_none(void **state)
{
	(void)state;
	assert_refused(TEXT(""), "t.csv: empty");
	assert_refused(TEXT("\n \n"), "t.csv: empty");
	assert_refused(TEXT("a,b\0,c\n"), "t.csv:1: a NUL byte: is this a text file?");
	assert_refused(TEXT("a,b\n1,\xff\n"), "t.csv:2: not UTF-8: is this a text file?");
	assert_refused(TEXT("a,b\n1,\xc3"), "t.csv:2: not UTF-8: is this a text file?");
	assert_refused(TEXT("a,b\n1,\x1b[0m\n"),
		       "t.csv:2: a control character: is this a text file?");
	assert_refused(TEXT("a,b\r1,2\r"), "t.csv:1: a control character: is this a text file?");
	assert_int_equal(read_path(file_tree_path(&tree, "none.csv")), -ENOENT);
	assert_non_null(strstr(error, "none.csv: No such file or directory"));
	assert_int_equal(read_path(tree.root), -EISDIR);
	assert_non_null(strstr(error, ": Is a directory"));
	assert_int_equal(read_path("/dev/zero"), -EINVAL);
	assert_string_equal(error, "/dev/zero:1: the line is too long; allowed: 4096 bytes");
}

static void test_records_that_are_none(void **state)
{
	(void)state;
	assert_refused(TEXT("a,b,a\n"), "t.csv:1: a: the column is there twice");
	assert_refused(TEXT("a,,b\n"), "t.csv:1: column 2 has no name");
	assert_refused(TEXT("\"a,b\n"), "t.csv:1: quotes that do not match within the line");
	assert_refused(TEXT("a,b\n1,\"2\n\"\n"),
		       "t.csv:2: quotes that do not match within the line");
	assert_refused(TEXT("a,b\n1,2\"3\n"), "t.csv:2: quotes that do not match within the line");
	assert_refused(TEXT("a,b\n1,\"2\"3\n"),
		       "t.csv:2: quotes that do not match within the line");
	assert_refused(TEXT("a,b\n1\n"), "t.csv:2: 1 fields; the header line has 2");
	assert_refused(TEXT("a,b\n\n1,2,\n"), "t.csv:3: 3 fields; the header line has 2");
	assert_refused(TEXT("a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,0,1,2,3,4,5,6\n"),
		       "t.csv:1: 33 columns; allowed: 32: is this a CSV file?");
}

static void test_lines_that_are_too_long(void **state)
{
	static char text[2 * CSV_LINE_MAX];

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, TEXT("a,b\n1,2"));
	text[4 + CSV_LINE_MAX] = '\n';
	assert_int_equal(read_bytes(text, 4 + CSV_LINE_MAX + 1), 0);
	assert_string_equal(joined, "a|b| 2:1|2|");
	text[4 + CSV_LINE_MAX] = ' ';
	text[4 + CSV_LINE_MAX + 1] = '\n';
	assert_refused(text, 4 + CSV_LINE_MAX + 2,
		       "t.csv:2: the line is too long; allowed: 4096 bytes");
	memset(text, ',', sizeof(text));
	assert_refused(text, sizeof(text), "t.csv:1: the line is too long; allowed: 4096 bytes");
	assert_refused(text, CSV_LINE_MAX,
		       "t.csv:1: 4097 columns; allowed: 32: is this a CSV file?");
	memcpy(text, TEXT("a,b\n"));
	assert_refused(text, CSV_LINE_MAX, "t.csv:2: 4093 fields; the header line has 2");
}

/* What is in a file, or its name, must not do harm in a terminal. */
static void test_errors_are_printable(void **state)
{
	struct csv_table *table = NULL;
	const char *const *fields;

	(void)state;
	assert_int_equal(read_path("/nowhere/\x1b[2J\n"), -ENOENT);
	assert_string_equal(error, "/nowhere/\\x1b[2J\\x0a: No such file or directory");
	file_tree_write(&tree, FILE_NAME, "\xc2\x9b\x31\n\xc2\x9b\x32\n");
	assert_int_equal(
		csv_table_open(file_tree_path(&tree, FILE_NAME), &table, error, sizeof(error)), 0);
	assert_int_equal(csv_table_next(table, &fields, error, sizeof(error)), 1);
	assert_int_equal(
		csv_table_refuse_field(table, 0, fields[0], error, sizeof(error), "is bad"),
		-EINVAL);
	assert_non_null(strstr(error, "t.csv:2: \\xc2\\x9b1: \"\\xc2\\x9b2\" is bad"));
	csv_table_close(table);
}

/* A small buffer cuts the message, and nothing else. */
static void test_small_error_buffer(void **state)
{
	struct csv_table *table = NULL;
	char small[16];

	(void)state;
	memset(small, '#', sizeof(small));
	file_tree_write(&tree, FILE_NAME, "a,a\n");
	assert_int_equal(csv_table_open(file_tree_path(&tree, FILE_NAME), &table, small, 10),
			 -EINVAL);
	assert_int_equal(strlen(small), 9);
	assert_int_equal(small[10], '#');
}

int main(void)
{
#define WITH_TREE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_TREE(test_records),
		WITH_TREE(test_find_column),
		WITH_TREE(test_files_that_are_none),
		WITH_TREE(test_records_that_are_none),
		WITH_TREE(test_lines_that_are_too_long),
		WITH_TREE(test_errors_are_printable),
		WITH_TREE(test_small_error_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
