// SPDX-License-Identifier: BSD-2-Clause
/*
 * Lines come from our own reader, which checks them first, and go to libcsv one by one: so line
 * numbers are exact, a quote that is left open cannot swallow the rest of the file, and the
 * library's buffer never grows beyond a line.
 */
#include "csv_table.h"

#include <csv.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"

enum {
	PATH_LEN = 256,
	QUOTED_LEN = 48,
	BOM_LEN = 3,
};

struct csv_table {
	FILE *file;
	char path[PATH_LEN]; /* printable */
	uint64_t line;
	unsigned int column_count;
	char *header; /* the columns' names, one after the other */
	const char *columns[CSV_COLUMNS_MAX];

	struct csv_parser parser;
	/* The record in hand. */
	char line_text[CSV_LINE_MAX + 2]; /* with its newline */
	char fields_text[CSV_LINE_MAX + CSV_COLUMNS_MAX + 1];
	size_t fields_len;
	const char *fields[CSV_COLUMNS_MAX];
	unsigned int field_count; /* may be more than there is room for */
	unsigned int row_count;
};

/* ---- errors ------------------------------------------------------------------------------------
 */

static void write_error(const struct csv_table *table, int column, char *error, size_t error_size,
			const char *format, va_list arguments)
{
	char name[QUOTED_LEN] = "";
	int len;

	if (column >= 0)
		utf8_copy_printable(table->columns[column], strlen(table->columns[column]), name,
				    sizeof(name));
	len = snprintf(error, error_size, "%s:%llu: %s%s", table->path,
		       (unsigned long long)table->line, name, column >= 0 ? ": " : "");
	if (len >= 0 && (size_t)len < error_size)
		vsnprintf(error + len, error_size - (size_t)len, format, arguments);
}

int csv_table_refuse(const struct csv_table *table, int column, char *error, size_t error_size,
		     const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_error(table, column, error, error_size, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

int csv_table_refuse_field(const struct csv_table *table, int column, const char *field,
			   char *error, size_t error_size, const char *what)
{
	char quoted[QUOTED_LEN];

	return csv_table_refuse(table, column, error, error_size, "\"%s\" %s",
				utf8_copy_printable(field, strlen(field), quoted, sizeof(quoted)),
				what);
}

static int refuse_file(const struct csv_table *table, int result, const char *what, char *error,
		       size_t error_size)
{
	snprintf(error, error_size, "%s: %s", table->path, what);
	return result;
}

/* ---- lines -------------------------------------------------------------------------------------
 */

/*
 * Reads a line with its newline, which the last one of a file may lack. Returns its length; 0 at
 * the end; -EFBIG if it is too long; or -EIO and the like.
 */
static ssize_t read_line(struct csv_table *table)
{
	size_t len = 0;
	int c;

	errno = 0;
	while ((c = getc_unlocked(table->file)) != EOF) {
		if (len == CSV_LINE_MAX && c != '\n')
			return -EFBIG;
		table->line_text[len++] = (char)c;
		if (c == '\n')
			return (ssize_t)len;
	}
	if (ferror(table->file))
		return errno ? -errno : -EIO;
	return (ssize_t)len;
}

static int refuse_line(const struct csv_table *table, ssize_t result, char *error,
		       size_t error_size)
{
	if (result == -EFBIG)
		return csv_table_refuse(table, -1, error, error_size,
					"the line is too long; allowed: %d bytes", CSV_LINE_MAX);
	return refuse_file(table, (int)result, strerror((int)-result), error, error_size);
}

/* NULL if it is text: UTF-8 without control characters. */
static const char *find_fault(const char *line, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t char_len = utf8_char_len(line + i, len - i);
		unsigned char byte = (unsigned char)line[i];

		if (byte == '\0')
			return "a NUL byte: is this a text file?";
		if (char_len == 0)
			return "not UTF-8: is this a text file?";
		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			return "a control character: is this a text file?";
		i += char_len;
	}
	return NULL;
}

/* ---- records -----------------------------------------------------------------------------------
 */

static void take_field(void *text, size_t len, void *context)
{
	struct csv_table *table = context;
	char *copy = table->fields_text + table->fields_len;

	if (table->field_count < CSV_COLUMNS_MAX) {
		memcpy(copy, text, len);
		copy[len] = '\0';
		table->fields[table->field_count] = copy;
		table->fields_len += len + 1;
	}
	table->field_count++;
}

static void take_row(int end, void *context)
{
	struct csv_table *table = context;

	(void)end;
	table->row_count++;
}

static bool is_parsed(struct csv_table *table, size_t len)
{
	table->field_count = 0;
	table->fields_len = 0;
	table->row_count = 0;
	return csv_parse(&table->parser, table->line_text, len, take_field, take_row, table) ==
		       len &&
	       csv_fini(&table->parser, take_field, take_row, table) == 0;
}

/* The next line that is not blank, in fields. Returns 1, 0 at the end, or negative errno. */
static int read_record(struct csv_table *table, char *error, size_t error_size)
{
	const char *fault;
	ssize_t len;

	do {
		table->line++;
		len = read_line(table);
		if (len < 0)
			return refuse_line(table, len, error, error_size);
		if (len == 0)
			return 0;
		if (table->line_text[len - 1] == '\n')
			len--;
		if (len > 0 && table->line_text[len - 1] == '\r')
			len--;
		if (table->line == 1 && len >= BOM_LEN &&
		    memcmp(table->line_text, "\xef\xbb\xbf", BOM_LEN) == 0)
			memset(table->line_text, ' ', BOM_LEN);
		fault = find_fault(table->line_text, (size_t)len);
		if (fault)
			return csv_table_refuse(table, -1, error, error_size, "%s", fault);
		if (!is_parsed(table, (size_t)len))
			return csv_table_refuse(table, -1, error, error_size,
						"quotes that do not match within the line");
	} while (table->row_count == 0);
	return 1;
}

/* ---- the header --------------------------------------------------------------------------------
 */

static int check_header(struct csv_table *table, char *error, size_t error_size)
{
	for (unsigned int i = 0; i < table->column_count; i++) {
		for (unsigned int j = 0; j < i; j++) {
			if (strcmp(table->columns[i], table->columns[j]) == 0)
				return csv_table_refuse(table, (int)i, error, error_size,
							"the column is there twice");
		}
		if (!*table->columns[i])
			return csv_table_refuse(table, -1, error, error_size,
						"column %u has no name", i + 1);
	}
	return 0;
}

static int read_header(struct csv_table *table, char *error, size_t error_size)
{
	int result = read_record(table, error, error_size);

	if (result < 0)
		return result;
	if (result == 0)
		return refuse_file(table, -EINVAL, "empty", error, error_size);
	if (table->field_count > CSV_COLUMNS_MAX)
		return csv_table_refuse(table, -1, error, error_size,
					"%u columns; allowed: %d: is this a CSV file?",
					table->field_count, CSV_COLUMNS_MAX);
	table->header = malloc(table->fields_len);
	if (!table->header)
		return refuse_file(table, -ENOMEM, strerror(ENOMEM), error, error_size);
	memcpy(table->header, table->fields_text, table->fields_len);
	table->column_count = table->field_count;
	for (unsigned int i = 0; i < table->column_count; i++)
		table->columns[i] = table->header + (table->fields[i] - table->fields_text);
	return check_header(table, error, error_size);
}

/* ---- the door ----------------------------------------------------------------------------------
 */

int csv_table_open(const char *path, struct csv_table **ret_table, char *error, size_t error_size)
{
	struct csv_table *table = calloc(1, sizeof(*table));
	int result;

	if (!table) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	utf8_copy_printable(path, strlen(path), table->path, sizeof(table->path));
	csv_init(&table->parser, CSV_STRICT | CSV_STRICT_FINI);
	table->file = fopen(path, "re");
	if (!table->file)
		result = refuse_file(table, -errno, strerror(errno), error, error_size);
	else
		result = read_header(table, error, error_size);
	if (result < 0)
		csv_table_close(table);
	else
		*ret_table = table;
	return result < 0 ? result : 0;
}

void csv_table_close(struct csv_table *table)
{
	if (!table)
		return;
	csv_free(&table->parser);
	cleanup_fclose(&table->file);
	free(table->header);
	free(table);
}

unsigned int csv_table_column_count(const struct csv_table *table)
{
	return table->column_count;
}

const char *csv_table_column_name(const struct csv_table *table, unsigned int column)
{
	return column < table->column_count ? table->columns[column] : NULL;
}

int csv_table_find_column(const struct csv_table *table, const char *name)
{
	for (unsigned int i = 0; i < table->column_count; i++) {
		if (strcmp(table->columns[i], name) == 0)
			return (int)i;
	}
	return -ENOENT;
}

int csv_table_next(struct csv_table *table, const char *const **ret_fields, char *error,
		   size_t error_size)
{
	int result = read_record(table, error, error_size);

	if (result <= 0)
		return result;
	if (table->field_count != table->column_count)
		return csv_table_refuse(table, -1, error, error_size,
					"%u fields; the header line has %u", table->field_count,
					table->column_count);
	*ret_fields = table->fields;
	return 1;
}

uint64_t csv_table_line(const struct csv_table *table)
{
	return table->line;
}
