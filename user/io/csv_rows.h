/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host's past as CSV, one row per point in time, so that policies can be tried on data from
 * other tools. The header line names the columns, in any order:
 *
 *   time_s        required  seconds from anywhere, rising; the steps may differ
 *   mem_total     required  bytes of memory, not 0
 *   mem_others    required  bytes that everything but the model takes, without page cache
 *   mem_model               bytes that the model takes
 *   swap_total, swap_free   bytes
 *   vram_total, vram_others bytes of GPU 0; a total of 0 is no GPU
 *   cpus                    number of CPUs
 *   cpu_others              CPU time of others, as a share of all CPUs; over 1 is demand
 *   psi_cpu_some, psi_mem_some, psi_mem_full, psi_io_some
 *                           share of the time since the row before, 0 to 1
 *
 * An optional field may be empty: not known in that row. Numbers are decimal, exponents allowed.
 * Where the first row's mem_total is under 1 MiB, main memory (mem_*, swap_*) is in another unit,
 * such as shares of the host (mem_total 1), and is scaled to bytes; see csv_row_bytes().
 */
#ifndef TIERD_IO_CSV_ROWS_H
#define TIERD_IO_CSV_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "csv_table.h"

enum csv_column {
	CSV_COLUMN_TIME_S,
	CSV_COLUMN_MEM_TOTAL,
	CSV_COLUMN_MEM_OTHERS,
	CSV_COLUMN_MEM_MODEL,
	CSV_COLUMN_SWAP_TOTAL,
	CSV_COLUMN_SWAP_FREE,
	CSV_COLUMN_VRAM_TOTAL,
	CSV_COLUMN_VRAM_OTHERS,
	CSV_COLUMN_CPUS,
	CSV_COLUMN_CPU_OTHERS,
	CSV_COLUMN_PSI_CPU_SOME,
	CSV_COLUMN_PSI_MEM_SOME,
	CSV_COLUMN_PSI_MEM_FULL,
	CSV_COLUMN_PSI_IO_SOME,
	CSV_COLUMN_COUNT,
};

/* What a host's memory is taken for where it is given in another unit than bytes. */
#define CSV_HOST_BYTES_DEFAULT (UINT64_C(64) << 30)

struct csv_row {
	uint64_t line;
	uint32_t present;      /* 1U << enum csv_column */
	uint64_t time_ns;      /* time_s, exactly */
	double bytes_per_unit; /* of main memory, the same in all rows; 1 if it is in bytes */
	/* As they are in the file; 0 where not present. */
	double time_s;
	double mem_total;
	double mem_others;
	double mem_model;
	double swap_total;
	double swap_free;
	double vram_total;
	double vram_others;
	double cpus;
	double cpu_others;
	double psi_cpu_some;
	double psi_mem_some;
	double psi_mem_full;
	double psi_io_some;
};

struct csv_rows;

/*
 * Opens path and checks its header line. host_bytes: what the first row's mem_total is where it is
 * not in bytes; 0 is CSV_HOST_BYTES_DEFAULT. Returns 0, or negative errno with "FILE:LINE: what" in
 * error (CSV_ERROR_LEN is enough): -EINVAL where the file is not what it should be.
 */
int csv_rows_open(const char *path, uint64_t host_bytes, struct csv_rows **ret_rows, char *error,
		  size_t error_size);

/* The next row. Returns 1; 0 at the end, which is not before one row; negative errno as above. */
int csv_rows_next(struct csv_rows *rows, struct csv_row *ret_row, char *error, size_t error_size);

void csv_rows_close(struct csv_rows *rows);

/* Whether the file has the column. */
bool csv_rows_has(const struct csv_rows *rows, enum csv_column column);

/* Whether this row has the field. */
static inline bool csv_row_has(const struct csv_row *row, enum csv_column column)
{
	return row->present & (1U << column);
}

/* Bytes, to the nearest, of one of the row's mem_* or swap_*. */
uint64_t csv_row_bytes(const struct csv_row *row, double value);

#endif
