/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzz targets share: bytes as a file, and what must hold whatever they are. */
#ifndef TIERD_TESTS_FUZZ_H
#define TIERD_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FUZZ_FUNCTION __attribute__((unused)) static

/* Called by libFuzzer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Also in builds without assert(). */
#define fuzz_assert(condition)                                                                  \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

/* A file in memory; the caller closes it. */
FUZZ_FUNCTION int fuzz_open(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	fuzz_assert(fd >= 0);
	fuzz_assert(write(fd, data, size) == (ssize_t)size);
	return fd;
}

/* A path that opens it anew. */
FUZZ_FUNCTION const char *fuzz_path(int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

/* A failure says why, in one line that does no harm to a terminal; a success says nothing. */
FUZZ_FUNCTION void fuzz_check_error(int result, const char *error)
{
	fuzz_assert((result < 0) == (*error != '\0'));
	for (const char *at = error; *at; at++)
		fuzz_assert((unsigned char)*at >= 0x20 && *at != 0x7f);
}

#endif
