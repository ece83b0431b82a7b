// SPDX-License-Identifier: BSD-2-Clause
/*
 * The columns are rows of a table. Text becomes numbers as IEEE doubles, correctly rounded, so that
 * every machine reads the same; and time_s exactly in nanoseconds, which a double cannot hold for
 * seconds since 1970.
 */
#include "csv_rows.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"

/* No host and no GPU has less: a smaller total is in another unit than bytes. */
#define TOTAL_BYTES_MIN ((double)MIB)
/* Keeps the scale to bytes finite. */
#define TOTAL_UNITS_MIN 1e-6
#define BYTES_MAX 1152921504606846976.0 /* 2^60 */
/* In the year 2286; milliseconds since 1970 are over it. */
#define TIME_S_MAX 1e10
#define DEMAND_MAX 1000.0
#define CPUS_MAX 65536.0

/* No number needs more digits. */
#define NUMBER_LEN_MAX 64

struct column {
	const char *name;
	size_t offset;
	double max; /* the least is 0 */
	bool is_required;
	bool is_positive;
	bool is_whole;
};

#define AT(field) .name = #field, .offset = offsetof(struct csv_row, field)

static const struct column COLUMNS[CSV_COLUMN_COUNT] = {
	[CSV_COLUMN_TIME_S] = {AT(time_s), .max = TIME_S_MAX, .is_required = true},
	[CSV_COLUMN_MEM_TOTAL] = {AT(mem_total), .max = BYTES_MAX, .is_required = true,
				  .is_positive = true},
	[CSV_COLUMN_MEM_OTHERS] = {AT(mem_others), .max = BYTES_MAX, .is_required = true},
	[CSV_COLUMN_MEM_MODEL] = {AT(mem_model), .max = BYTES_MAX},
	[CSV_COLUMN_SWAP_TOTAL] = {AT(swap_total), .max = BYTES_MAX},
	[CSV_COLUMN_SWAP_FREE] = {AT(swap_free), .max = BYTES_MAX},
	[CSV_COLUMN_VRAM_TOTAL] = {AT(vram_total), .max = BYTES_MAX},
	[CSV_COLUMN_VRAM_OTHERS] = {AT(vram_others), .max = BYTES_MAX},
	[CSV_COLUMN_CPUS] = {AT(cpus), .max = CPUS_MAX, .is_positive = true, .is_whole = true},
	[CSV_COLUMN_CPU_OTHERS] = {AT(cpu_others), .max = DEMAND_MAX},
	[CSV_COLUMN_PSI_CPU_SOME] = {AT(psi_cpu_some), .max = 1},
	[CSV_COLUMN_PSI_MEM_SOME] = {AT(psi_mem_some), .max = 1},
	[CSV_COLUMN_PSI_MEM_FULL] = {AT(psi_mem_full), .max = 1},
	[CSV_COLUMN_PSI_IO_SOME] = {AT(psi_io_some), .max = 1},
};

/* The first may not be more than the second, where a row has both. */
static const struct {
	enum csv_column part;
	enum csv_column whole;
} PARTS[] = {
	{CSV_COLUMN_MEM_OTHERS, CSV_COLUMN_MEM_TOTAL},
	{CSV_COLUMN_MEM_MODEL, CSV_COLUMN_MEM_TOTAL},
	{CSV_COLUMN_SWAP_FREE, CSV_COLUMN_SWAP_TOTAL},
	{CSV_COLUMN_VRAM_OTHERS, CSV_COLUMN_VRAM_TOTAL},
	{CSV_COLUMN_PSI_MEM_FULL, CSV_COLUMN_PSI_MEM_SOME},
};

/* Columns that mean nothing without another. */
static const struct {
	enum csv_column column;
	enum csv_column needed;
} NEEDS[] = {
	{CSV_COLUMN_SWAP_TOTAL, CSV_COLUMN_SWAP_FREE},
	{CSV_COLUMN_SWAP_FREE, CSV_COLUMN_SWAP_TOTAL},
	{CSV_COLUMN_VRAM_TOTAL, CSV_COLUMN_VRAM_OTHERS},
	{CSV_COLUMN_VRAM_OTHERS, CSV_COLUMN_VRAM_TOTAL},
};

struct csv_rows {
	struct csv_table *table;
	int indices[CSV_COLUMN_COUNT]; /* in the file; negative = not there */
	double host_bytes;
	double bytes_per_unit;
	bool is_in_bytes;
	bool has_row;
	uint64_t last_ns;
};

static double *field_of(struct csv_row *row, size_t column)
{
	return (void *)((char *)row + COLUMNS[column].offset);
}

/* ---- the header --------------------------------------------------------------------------------
 */

static const char *list_columns(char *buffer, size_t size)
{
	struct text text;

	text_init(&text, buffer, size);
	for (size_t i = 0; i < CSV_COLUMN_COUNT; i++)
		text_add(&text, "%s%s", i ? ", " : "", COLUMNS[i].name);
	text_finish(&text);
	return buffer;
}

static int find_known(const char *name)
{
	for (int i = 0; i < CSV_COLUMN_COUNT; i++) {
		if (strcmp(COLUMNS[i].name, name) == 0)
			return i;
	}
	return -ENOENT;
}

static int check_columns(const struct csv_rows *rows, char *error, size_t error_size)
{
	for (size_t i = 0; i < CSV_COLUMN_COUNT; i++) {
		if (COLUMNS[i].is_required && rows->indices[i] < 0)
			return csv_table_refuse(rows->table, -1, error, error_size,
						"there is no column %s", COLUMNS[i].name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(NEEDS); i++) {
		if (csv_rows_has(rows, NEEDS[i].column) && !csv_rows_has(rows, NEEDS[i].needed))
			return csv_table_refuse(rows->table, rows->indices[NEEDS[i].column], error,
						error_size, "there is no column %s beside it",
						COLUMNS[NEEDS[i].needed].name);
	}
	return 0;
}

static int read_columns(struct csv_rows *rows, char *error, size_t error_size)
{
	char known[CSV_ERROR_LEN];

	for (size_t i = 0; i < CSV_COLUMN_COUNT; i++)
		rows->indices[i] = -ENOENT;
	for (unsigned int i = 0; i < csv_table_column_count(rows->table); i++) {
		int column = find_known(csv_table_column_name(rows->table, i));

		if (column < 0)
			return csv_table_refuse(rows->table, (int)i, error, error_size,
						"no such column; allowed: %s",
						list_columns(known, sizeof(known)));
		rows->indices[column] = (int)i;
	}
	return check_columns(rows, error, error_size);
}

/* ---- fields ------------------------------------------------------------------------------------
 */

/* strtod() also takes blanks, hexadecimal numbers, names and more. */
static bool is_decimal(const char *field)
{
	size_t len = strlen(field);

	return len > 0 && len <= NUMBER_LEN_MAX && strspn(field, "0123456789+-.eE") == len;
}

/* What is wrong with the field, NULL if nothing is. */
static const char *parse_field(const struct column *column, const char *field, double *ret_value)
{
	char *end = NULL;
	double value;

	if (!is_decimal(field))
		return "is not a number";
	value = strtod(field, &end);
	if (*end)
		return "is not a number";
	if (value < 0 || (value == 0 && *field == '-'))
		return "is negative";
	if (!isfinite(value) || value > column->max)
		return "is too large";
	if (column->is_positive && value == 0)
		return "must not be 0";
	if (column->is_whole && value != floor(value))
		return "is not a whole number";
	*ret_value = value;
	return NULL;
}

static int read_field(const struct csv_rows *rows, size_t column, const char *field,
		      struct csv_row *row, char *error, size_t error_size)
{
	const char *fault;

	if (!*field && !COLUMNS[column].is_required)
		return 0;
	fault = parse_field(&COLUMNS[column], field, field_of(row, column));
	if (fault)
		return csv_table_refuse_field(rows->table, rows->indices[column], field, error,
					      error_size, fault);
	row->present |= 1U << column;
	return 0;
}

/* ---- rows --------------------------------------------------------------------------------------
 */

static int check_parts(const struct csv_rows *rows, struct csv_row *row, char *error,
		       size_t error_size)
{
	for (size_t i = 0; i < ARRAY_SIZE(PARTS); i++) {
		if (csv_row_has(row, PARTS[i].part) && csv_row_has(row, PARTS[i].whole) &&
		    *field_of(row, PARTS[i].part) > *field_of(row, PARTS[i].whole))
			return csv_table_refuse(rows->table, rows->indices[PARTS[i].part], error,
						error_size, "is more than %s",
						COLUMNS[PARTS[i].whole].name);
	}
	if (row->vram_total > 0 && row->vram_total < TOTAL_BYTES_MIN)
		return csv_table_refuse(rows->table, rows->indices[CSV_COLUMN_VRAM_TOTAL], error,
					error_size, "is under 1 MiB; bytes are expected");
	return 0;
}

/* A long double has at least 64 bits of fraction, more than nanoseconds up to TIME_S_MAX need. */
static int read_time(struct csv_rows *rows, const char *field, struct csv_row *row, char *error,
		     size_t error_size)
{
	row->time_ns = (uint64_t)roundl(strtold(field, NULL) * (long double)NS_PER_S);
	if (rows->has_row && row->time_ns <= rows->last_ns)
		return csv_table_refuse_field(rows->table, rows->indices[CSV_COLUMN_TIME_S], field,
					      error, error_size, "is not after the row before");
	return 0;
}

static int read_row(struct csv_rows *rows, const char *const *fields, struct csv_row *row,
		    char *error, size_t error_size)
{
	int result = 0;

	for (size_t i = 0; i < CSV_COLUMN_COUNT && result == 0; i++) {
		if (rows->indices[i] >= 0)
			result = read_field(rows, i, fields[rows->indices[i]], row, error,
					    error_size);
	}
	if (result == 0)
		result = read_time(rows, fields[rows->indices[CSV_COLUMN_TIME_S]], row, error,
				   error_size);
	if (result == 0)
		result = check_parts(rows, row, error, error_size);
	return result;
}

/* The first row says which unit it is in all. */
static int check_unit(struct csv_rows *rows, struct csv_row *row, char *error, size_t error_size)
{
	bool is_in_bytes = row->mem_total >= TOTAL_BYTES_MIN;
	int index = rows->indices[CSV_COLUMN_MEM_TOTAL];

	if (row->mem_total < TOTAL_UNITS_MIN)
		return csv_table_refuse(rows->table, index, error, error_size, "is too small");
	if (!rows->has_row) {
		rows->is_in_bytes = is_in_bytes;
		rows->bytes_per_unit = is_in_bytes ? 1 : rows->host_bytes / row->mem_total;
	}
	if (is_in_bytes != rows->is_in_bytes)
		return csv_table_refuse(rows->table, index, error, error_size,
					"is %s, unlike in the first row",
					is_in_bytes ? "in bytes" : "under 1 MiB");
	row->bytes_per_unit = rows->bytes_per_unit;
	return 0;
}

int csv_rows_next(struct csv_rows *rows, struct csv_row *ret_row, char *error, size_t error_size)
{
	const char *const *fields;
	struct csv_row row = {0};
	int result = csv_table_next(rows->table, &fields, error, error_size);

	if (result == 0 && !rows->has_row)
		return csv_table_refuse(rows->table, -1, error, error_size,
					"nothing follows the header line");
	if (result <= 0)
		return result;
	row.line = csv_table_line(rows->table);
	result = read_row(rows, fields, &row, error, error_size);
	if (result == 0)
		result = check_unit(rows, &row, error, error_size);
	if (result < 0)
		return result;
	rows->has_row = true;
	rows->last_ns = row.time_ns;
	*ret_row = row;
	return 1;
}

/* ---- the door ----------------------------------------------------------------------------------
 */

int csv_rows_open(const char *path, uint64_t host_bytes, struct csv_rows **ret_rows, char *error,
		  size_t error_size)
{
	struct csv_rows *rows = calloc(1, sizeof(*rows));
	int result;

	if (!rows) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	rows->host_bytes = (double)(host_bytes ? host_bytes : CSV_HOST_BYTES_DEFAULT);
	result = csv_table_open(path, &rows->table, error, error_size);
	if (result == 0)
		result = read_columns(rows, error, error_size);
	if (result < 0)
		csv_rows_close(rows);
	else
		*ret_rows = rows;
	return result;
}

void csv_rows_close(struct csv_rows *rows)
{
	if (!rows)
		return;
	csv_table_close(rows->table);
	free(rows);
}

bool csv_rows_has(const struct csv_rows *rows, enum csv_column column)
{
	return rows->indices[column] >= 0;
}

uint64_t csv_row_bytes(const struct csv_row *row, double value)
{
	double bytes = round(value * row->bytes_per_unit);

	return bytes < 2 * BYTES_MAX ? (uint64_t)bytes : UINT64_C(2) << 60;
}
