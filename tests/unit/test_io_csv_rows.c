/* SPDX-License-Identifier: BSD-2-Clause */
/* CSV files of hosts: what is taken, what it comes to, and the place and words of every error. */
#include "file_tree.h"

#include <errno.h>
#include <math.h>
#include <sys/resource.h>

#include "base/units.h"
#include "io/csv_rows.h"

#define HEADER "time_s,mem_total,mem_others\n"
#define FILE_NAME "host.csv"
#define TEXT(text) text, sizeof(text) - 1

enum {
	ROWS_MAX = 16,
};

static struct file_tree tree;
static struct csv_row rows[ROWS_MAX];
static char error[CSV_ERROR_LEN];

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

/* Reads the whole file. Returns how many rows there were, or negative errno. */
static int read_file(const char *path, uint64_t host_bytes)
{
	struct csv_rows *reader = NULL;
	int count = 0;
	int result;

	error[0] = '\0';
	memset(rows, 0x5a, sizeof(rows));
	result = csv_rows_open(path, host_bytes, &reader, error, sizeof(error));
	if (result < 0) {
		assert_null(reader);
		return result;
	}
	while ((result = csv_rows_next(reader, &rows[count], error, sizeof(error))) > 0)
		assert_true(++count < ROWS_MAX);
	csv_rows_close(reader);
	return result < 0 ? result : count;
}

static int read_bytes(const char *bytes, size_t len, uint64_t host_bytes)
{
	file_tree_write_bytes(&tree, FILE_NAME, bytes, len);
	return read_file(file_tree_path(&tree, FILE_NAME), host_bytes);
}

static int read_text(const char *text)
{
	return read_bytes(text, strlen(text), 0);
}

static void assert_refused_bytes(const char *bytes, size_t len, const char *expected)
{
	const char *path = file_tree_path(&tree, "");

	if (read_bytes(bytes, len, 0) != -EINVAL)
		fail_msg("taken: %s", bytes);
	assert_int_equal(strncmp(error, path, strlen(path)), 0);
	assert_string_equal(error + strlen(path), expected);
}

struct refusal {
	const char *text;
	const char *error; /* behind the folder */
};

static void assert_all_refused(const struct refusal *refusals, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_refused_bytes(refusals[i].text, strlen(refusals[i].text), refusals[i].error);
}

/* ---- what is taken -----------------------------------------------------------------------------
 */

static void test_columns_in_any_order(void **state)
{
	(void)state;
	assert_int_equal(read_text("mem_others,cpus,time_s,mem_total\n"
				   "1500000000,8,10,16000000000\n"
				   "1.6e9,8,11.5,1.6E+10\n"),
			 2);
	assert_int_equal(rows[0].line, 2);
	assert_int_equal(rows[0].time_ns, 10 * NS_PER_S);
	assert_true(rows[0].time_s == 10);
	assert_true(rows[0].mem_total == 16e9);
	assert_true(rows[0].mem_others == 1.5e9);
	assert_true(rows[0].cpus == 8);
	assert_int_equal(csv_row_bytes(&rows[0], rows[0].mem_others), 1500000000);
	assert_int_equal(rows[1].line, 3);
	assert_int_equal(rows[1].time_ns, 11500 * NS_PER_MS);
	assert_true(rows[1].mem_others == 1.6e9);
	assert_int_equal(csv_row_bytes(&rows[1], rows[1].mem_total), 16000000000);
}

static void test_every_optional_column(void **state)
{
	const struct csv_row *row = &rows[0];

	(void)state;
	assert_int_equal(
		read_text("time_s,mem_total,mem_others,mem_model,swap_total,swap_free,vram_total,"
			  "vram_others,cpus,cpu_others,psi_cpu_some,psi_mem_some,psi_mem_full,"
			  "psi_io_some\n"
			  "1,8e9,2e9,3e9,4e9,1e9,6e9,5e9,4,1.25,0.5,0.25,0.125,1\n"),
		1);
	assert_int_equal(row->present, (1U << CSV_COLUMN_COUNT) - 1);
	assert_true(row->mem_model == 3e9 && row->swap_total == 4e9 && row->swap_free == 1e9);
	assert_true(row->vram_total == 6e9 && row->vram_others == 5e9 && row->cpus == 4);
	assert_true(row->cpu_others == 1.25 && row->psi_cpu_some == 0.5);
	assert_true(row->psi_mem_some == 0.25 && row->psi_mem_full == 0.125);
	assert_true(row->psi_io_some == 1);
	assert_true(row->bytes_per_unit == 1);
}

static void test_optional_fields_may_be_empty(void **state)
{
	(void)state;
	assert_int_equal(read_text("time_s,mem_total,mem_others,psi_mem_some\n"
				   "1,8e9,2e9,\n2,8e9,2e9,0\n3,8e9,2e9,0.5\n"),
			 3);
	assert_false(csv_row_has(&rows[0], CSV_COLUMN_PSI_MEM_SOME));
	assert_true(csv_row_has(&rows[1], CSV_COLUMN_PSI_MEM_SOME));
	assert_true(csv_row_has(&rows[2], CSV_COLUMN_PSI_MEM_SOME));
	assert_true(rows[0].psi_mem_some == 0 && rows[2].psi_mem_some == 0.5);
	assert_false(csv_row_has(&rows[2], CSV_COLUMN_CPUS));
}

static void test_forms_that_are_taken(void **state)
{
	static const char *const TEXTS[] = {
		HEADER "5,8e9,2e9",
		HEADER "5,8e9,2e9\n\n",
		"time_s,mem_total,mem_others\r\n5,8e9,2e9\r\n",
		"\xef\xbb\xbf" HEADER "5,8e9,2e9\n",
		"\n" HEADER "\n  \n5,8e9,2e9\n",
		" time_s ,\tmem_total, mem_others\n 5 , 8e9,\t2e9 \n",
		"\"time_s\",\"mem_total\",\"mem_others\"\n\"5\",\"8e9\",\"2e9\"\n",
		HEADER "+5.000,08000000000.0,.2E10\n",
		HEADER "500e-2,8e9,2e+9\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		if (read_text(TEXTS[i]) != 1)
			fail_msg("%s: %s", TEXTS[i], error);
		assert_int_equal(rows[0].time_ns, 5 * NS_PER_S);
		assert_true(rows[0].mem_total == 8e9 && rows[0].mem_others == 2e9);
	}
}

/* Seconds since 1970 with decimals, which a double holds to 240 ns only. */
static void test_times_are_exact(void **state)
{
	(void)state;
	assert_int_equal(read_text(HEADER "0,1,0\n0.000000001,1,0\n1700000000.1,1,0\n"
					  "1700000000.123456789,1,0\n9999999999.999999999,1,0\n"),
			 5);
	assert_int_equal(rows[0].time_ns, 0);
	assert_int_equal(rows[1].time_ns, 1);
	assert_int_equal(rows[2].time_ns, UINT64_C(1700000000100000000));
	assert_int_equal(rows[3].time_ns, UINT64_C(1700000000123456789));
	assert_true(rows[4].time_ns == UINT64_C(9999999999999999999));
}

static void test_shares_of_a_host(void **state)
{
	const struct csv_row *row = &rows[0];

	(void)state;
	assert_int_equal(read_bytes(TEXT("time_s,mem_total,mem_others,mem_model,swap_total,"
					 "swap_free\n1,1,0.35,0.25,0.5,0.125\n"),
				    64 * GIB),
			 1);
	assert_true(row->mem_others == 0.35);
	assert_int_equal(csv_row_bytes(row, row->mem_total), 64 * GIB);
	assert_int_equal(csv_row_bytes(row, row->mem_others),
			 (uint64_t)round(0.35 * 64 * (double)GIB));
	assert_int_equal(csv_row_bytes(row, row->mem_model), 16 * GIB);
	assert_int_equal(csv_row_bytes(row, row->swap_free), 8 * GIB);
	/* Any other unit, too; the first row's total counts. */
	assert_int_equal(read_bytes(TEXT(HEADER "1,64,16\n2,32,16\n"), 64 * GIB), 2);
	assert_int_equal(csv_row_bytes(&rows[1], rows[1].mem_total), 32 * GIB);
	assert_int_equal(csv_row_bytes(&rows[1], rows[1].mem_others), 16 * GIB);
	assert_int_equal(read_text(HEADER "1,1,0.5\n"), 1);
	assert_int_equal(csv_row_bytes(row, row->mem_total), CSV_HOST_BYTES_DEFAULT);
	/* 1 MiB is one. */
	assert_int_equal(read_text(HEADER "1,1048576,1024\n"), 1);
	assert_int_equal(csv_row_bytes(row, row->mem_others), 1024);
	assert_int_equal(read_text(HEADER "1,1048575,1048575\n"), 1);
	assert_int_equal(csv_row_bytes(row, row->mem_others), CSV_HOST_BYTES_DEFAULT);
}

static void test_has_tells_columns(void **state)
{
	struct csv_rows *reader = NULL;

	(void)state;
	file_tree_write(&tree, FILE_NAME, "cpus," HEADER "4,1,1,1\n");
	assert_int_equal(
		csv_rows_open(file_tree_path(&tree, FILE_NAME), 0, &reader, error, sizeof(error)),
		0);
	assert_true(csv_rows_has(reader, CSV_COLUMN_CPUS));
	assert_true(csv_rows_has(reader, CSV_COLUMN_MEM_OTHERS));
	assert_false(csv_rows_has(reader, CSV_COLUMN_PSI_MEM_SOME));
	csv_rows_close(reader);
}

/* ---- what is not -------------------------------------------------------------------------------
 */

static void test_files_without_rows(void **state)
{
	(void)state;
	assert_refused_bytes(TEXT(HEADER), "host.csv:2: nothing follows the header line");
	assert_refused_bytes(TEXT(HEADER "\n\n"), "host.csv:4: nothing follows the header line");
}

static void test_headers_that_are_none(void **state)
{
	static const struct refusal REFUSALS[] = {
		{"time_s,mem_total\n1,2\n", "host.csv:1: there is no column mem_others"},
		{"mem_total,mem_others\n1,2\n", "host.csv:1: there is no column time_s"},
		{"time_s,mem_others\n1,2\n", "host.csv:1: there is no column mem_total"},
		{"cpus,time_s,mem_total,mem_others,cpus\n",
		 "host.csv:1: cpus: the column is there twice"},
		{"time_s,,mem_total,mem_others\n", "host.csv:1: column 2 has no name"},
		{"time_s,mem_total,mem_others,swap_free\n",
		 "host.csv:1: swap_free: there is no column swap_total beside it"},
		{"time_s,mem_total,mem_others,swap_total\n",
		 "host.csv:1: swap_total: there is no column swap_free beside it"},
		{"time_s,mem_total,mem_others,vram_total\n",
		 "host.csv:1: vram_total: there is no column vram_others beside it"},
		{"time_s,mem_total,mem_others,vram_others\n",
		 "host.csv:1: vram_others: there is no column vram_total beside it"},
		{"\"time_s,mem_total\n", "host.csv:1: quotes that do not match within the line"},
		{"\n\nTime_s,mem_total,mem_others\n",
		 "host.csv:3: Time_s: no such column; allowed: time_s, mem_total, mem_others, "
		 "mem_model, swap_total, swap_free, vram_total, vram_others, cpus, cpu_others, "
		 "psi_cpu_some, psi_mem_some, psi_mem_full, psi_io_some"},
		{"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,0,1,2,3,4,5,6\n",
		 "host.csv:1: 33 columns; allowed: 32: is this a CSV file?"},
	};

	(void)state;
	assert_all_refused(REFUSALS, ARRAY_SIZE(REFUSALS));
}

static void test_numbers_that_are_none(void **state)
{
	static const struct refusal REFUSALS[] = {
		{HEADER "1,8e9,x\n", "host.csv:2: mem_others: \"x\" is not a number"},
		{HEADER "1,8e9,\n", "host.csv:2: mem_others: \"\" is not a number"},
		{HEADER "1,8e9,\"\"\n", "host.csv:2: mem_others: \"\" is not a number"},
		{HEADER "1,8e9,nan\n", "host.csv:2: mem_others: \"nan\" is not a number"},
		{HEADER "1,8e9,inf\n", "host.csv:2: mem_others: \"inf\" is not a number"},
		{HEADER "1,8e9,0x10\n", "host.csv:2: mem_others: \"0x10\" is not a number"},
		{HEADER "1,8e9,1 2\n", "host.csv:2: mem_others: \"1 2\" is not a number"},
		{HEADER "1,8e9,1e\n", "host.csv:2: mem_others: \"1e\" is not a number"},
		{HEADER "1,8e9,.\n", "host.csv:2: mem_others: \".\" is not a number"},
		{HEADER "1,8e9,1.2.3\n", "host.csv:2: mem_others: \"1.2.3\" is not a number"},
		{HEADER "1,8e9,--1\n", "host.csv:2: mem_others: \"--1\" is not a number"},
		{HEADER "1,8G,1\n", "host.csv:2: mem_total: \"8G\" is not a number"},
		{HEADER "1,8e9,1e9\n12:00,8e9,1\n",
		 "host.csv:3: time_s: \"12:00\" is not a number"},
		{HEADER
		 "1,8e9,0.00000000000000000000000000000000000000000000000000000000000000000\n",
		 "host.csv:2: mem_others: \"0.000000000000000000000000000000000000000000...\" is "
		 "not "
		 "a number"},
		{HEADER "1,8e9,1e999\n", "host.csv:2: mem_others: \"1e999\" is too large"},
		{HEADER "1,2e18,1\n", "host.csv:2: mem_total: \"2e18\" is too large"},
		{HEADER "1700000000000,8e9,1\n",
		 "host.csv:2: time_s: \"1700000000000\" is too large"},
		{HEADER "1,8e9,-1\n", "host.csv:2: mem_others: \"-1\" is negative"},
		{HEADER "1,8e9,-0\n", "host.csv:2: mem_others: \"-0\" is negative"},
		{HEADER "-1,8e9,1\n", "host.csv:2: time_s: \"-1\" is negative"},
		{HEADER "1,0,0\n", "host.csv:2: mem_total: \"0\" must not be 0"},
		{HEADER "1,1e-400,0\n", "host.csv:2: mem_total: \"1e-400\" must not be 0"},
		{HEADER "1,1e-300,0\n", "host.csv:2: mem_total: is too small"},
		{"cpus," HEADER "0,1,8e9,1\n", "host.csv:2: cpus: \"0\" must not be 0"},
		{"cpus," HEADER "1.5,1,8e9,1\n", "host.csv:2: cpus: \"1.5\" is not a whole number"},
		{"cpus," HEADER "65537,1,8e9,1\n", "host.csv:2: cpus: \"65537\" is too large"},
		{"cpu_others," HEADER "1001,1,8e9,1\n",
		 "host.csv:2: cpu_others: \"1001\" is too large"},
		{"psi_mem_some," HEADER "1.01,1,8e9,1\n",
		 "host.csv:2: psi_mem_some: \"1.01\" is too large"},
		{"psi_mem_full," HEADER "1.01,1,8e9,1\n",
		 "host.csv:2: psi_mem_full: \"1.01\" is too large"},
		{"psi_cpu_some," HEADER "1.01,1,8e9,1\n",
		 "host.csv:2: psi_cpu_some: \"1.01\" is too large"},
		{"psi_io_some," HEADER "1.01,1,8e9,1\n",
		 "host.csv:2: psi_io_some: \"1.01\" is too large"},
	};

	(void)state;
	assert_all_refused(REFUSALS, ARRAY_SIZE(REFUSALS));
}

static void test_rows_that_are_none(void **state)
{
	static const struct refusal REFUSALS[] = {
		{HEADER "1,8e9\n", "host.csv:2: 2 fields; the header line has 3"},
		{HEADER "1,8e9,1,\n", "host.csv:2: 4 fields; the header line has 3"},
		{HEADER "1;8e9;1\n", "host.csv:2: 1 fields; the header line has 3"},
		{HEADER "1,8e9,\"1\n\"\n", "host.csv:2: quotes that do not match within the line"},
		{HEADER "1,8e9,1\"2\n", "host.csv:2: quotes that do not match within the line"},
		{HEADER "1,8e9,1\n\n1,8e9,1\n",
		 "host.csv:4: time_s: \"1\" is not after the row before"},
		{HEADER "1,8e9,1\n2,8e9,1\n1.5,8e9,1\n",
		 "host.csv:4: time_s: \"1.5\" is not after the row before"},
		{HEADER "1,8e9,1\n1.0000000001,8e9,1\n",
		 "host.csv:3: time_s: \"1.0000000001\" is not after the row before"},
		{HEADER "1,8e9,9e9\n", "host.csv:2: mem_others: is more than mem_total"},
		{"mem_model," HEADER "9e9,1,8e9,1\n",
		 "host.csv:2: mem_model: is more than mem_total"},
		{"swap_total,swap_free," HEADER "1,2,1,8e9,1\n",
		 "host.csv:2: swap_free: is more than swap_total"},
		{"vram_total,vram_others," HEADER "2e9,3e9,1,8e9,1\n",
		 "host.csv:2: vram_others: is more than vram_total"},
		{"vram_total,vram_others," HEADER "1,0.5,1,8e9,1\n",
		 "host.csv:2: vram_total: is under 1 MiB; bytes are expected"},
		{"psi_mem_some,psi_mem_full," HEADER "0.1,0.2,1,8e9,1\n",
		 "host.csv:2: psi_mem_full: is more than psi_mem_some"},
		{HEADER "1,1,0.5\n2,8e9,4e9\n",
		 "host.csv:3: mem_total: is in bytes, unlike in the first row"},
		{HEADER "1,8e9,4e9\n2,1,0.5\n",
		 "host.csv:3: mem_total: is under 1 MiB, unlike in the first row"},
	};

	(void)state;
	assert_all_refused(REFUSALS, ARRAY_SIZE(REFUSALS));
}

/* A row that is refused leaves the caller's as it was. */
static void test_refused_row_is_untouched(void **state)
{
	struct csv_row row;
	struct csv_row before;
	struct csv_rows *reader = NULL;

	(void)state;
	memset(&row, 0x77, sizeof(row));
	before = row;
	file_tree_write(&tree, FILE_NAME, HEADER "1,8e9,x\n");
	assert_int_equal(
		csv_rows_open(file_tree_path(&tree, FILE_NAME), 0, &reader, error, sizeof(error)),
		0);
	assert_int_equal(csv_rows_next(reader, &row, error, sizeof(error)), -EINVAL);
	assert_memory_equal(&row, &before, sizeof(row));
	csv_rows_close(reader);
}

/* Longer files take longer, not more. */
static void test_memory_is_bounded(void **state)
{
	enum {
		LINES = 200000,
		GROWTH_KIB_MAX = 512,
	};
	const char *path = file_tree_path(&tree, FILE_NAME);
	struct csv_rows *reader = NULL;
	struct rusage before;
	struct rusage after;
	struct csv_row row;
	FILE *file = fopen(path, "we");

	(void)state;
	assert_non_null(file);
	fputs(HEADER, file);
	for (int i = 0; i < LINES; i++)
		fprintf(file, "%d,16000000000,%d\n", i, i * 1000);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(csv_rows_open(path, 0, &reader, error, sizeof(error)), 0);
	assert_int_equal(csv_rows_next(reader, &row, error, sizeof(error)), 1);
	getrusage(RUSAGE_SELF, &before);
	for (int i = 1; i < LINES; i++)
		assert_int_equal(csv_rows_next(reader, &row, error, sizeof(error)), 1);
	assert_int_equal(csv_rows_next(reader, &row, error, sizeof(error)), 0);
	getrusage(RUSAGE_SELF, &after);
	assert_true(row.time_s == LINES - 1);
	assert_true(after.ru_maxrss - before.ru_maxrss <= GROWTH_KIB_MAX);
	csv_rows_close(reader);
}

int main(void)
{
#define WITH_TREE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_TREE(test_columns_in_any_order),
		WITH_TREE(test_every_optional_column),
		WITH_TREE(test_optional_fields_may_be_empty),
		WITH_TREE(test_forms_that_are_taken),
		WITH_TREE(test_times_are_exact),
		WITH_TREE(test_shares_of_a_host),
		WITH_TREE(test_has_tells_columns),
		WITH_TREE(test_files_without_rows),
		WITH_TREE(test_headers_that_are_none),
		WITH_TREE(test_numbers_that_are_none),
		WITH_TREE(test_rows_that_are_none),
		WITH_TREE(test_refused_row_is_untouched),
		WITH_TREE(test_memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
