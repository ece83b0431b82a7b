/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CSV file with a header line, read record by record as text: commas, quotes as in RFC 4180, one
 * record a line, blank lines skipped. Memory is bounded by the longest line allowed. The file may
 * also be a pipe.
 *
 * Whatever is wrong is said once, in one printable line "FILE:LINE: what" in the caller's buffer.
 */
#ifndef TIERD_IO_CSV_TABLE_H
#define TIERD_IO_CSV_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum {
	CSV_LINE_MAX = 4096, /* bytes, without the newline */
	CSV_COLUMNS_MAX = 32,
	CSV_ERROR_LEN = 512,
};

struct csv_table;

/*
 * Opens path and reads its header line. Returns 0; -EINVAL if it is no CSV, is empty, has too many
 * columns, or one twice; or another negative errno, each with its line in error.
 */
int csv_table_open(const char *path, struct csv_table **ret_table, char *error, size_t error_size);

void csv_table_close(struct csv_table *table);

unsigned int csv_table_column_count(const struct csv_table *table);

/* NULL past the last one. */
const char *csv_table_column_name(const struct csv_table *table, unsigned int column);

/* Index of a column by its name; -ENOENT if there is none. */
int csv_table_find_column(const struct csv_table *table, const char *name);

/*
 * The next record: as many fields as there are columns, without the blanks around them, valid until
 * the next call. Returns 1; 0 at the end; -EINVAL or another negative errno with its line in error.
 */
int csv_table_next(struct csv_table *table, const char *const **ret_fields, char *error,
		   size_t error_size);

/* Line number of the last record, from 1; that of the header before the first. */
uint64_t csv_table_line(const struct csv_table *table);

/*
 * For who makes sense of the fields: writes "FILE:LINE: COLUMN: what" into error. column is -1 for
 * the record as a whole. Returns -EINVAL.
 */
int csv_table_refuse(const struct csv_table *table, int column, char *error, size_t error_size,
		     const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The same for a field, which is quoted in front of what: "FILE:LINE: COLUMN: "FIELD" what". */
int csv_table_refuse_field(const struct csv_table *table, int column, const char *field,
			   char *error, size_t error_size, const char *what);

#endif
