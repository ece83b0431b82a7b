/* SPDX-License-Identifier: BSD-2-Clause */
/* PSI triggers; Documentation/accounting/psi.rst in the kernel. */
#include "io/psi.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"

enum {
	PATH_SIZE = 64,
	TEXT_SIZE = 64,
	PROBE_THRESHOLD_DIVISOR = 10, /* of the window: it never fires before it is closed */
};

int psi_trigger_open(const char *file, uint64_t threshold_ns, uint64_t window_ns)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_SIZE];
	char text[TEXT_SIZE];

	(void)snprintf(path, sizeof(path), "/proc/pressure/%s", file);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -EOPNOTSUPP : errno == EACCES ? -EPERM : -errno;
	(void)snprintf(text, sizeof(text), "some %" PRIu64 " %" PRIu64, threshold_ns / NS_PER_US,
		       window_ns / NS_PER_US);
	/* With its NUL: old kernels overwrite the last byte. */
	if (write(fd, text, strlen(text) + 1) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int psi_probe(uint64_t *ret_window_ns)
{
	static const uint64_t WINDOWS_NS[] = {500 * NS_PER_MS, 2 * NS_PER_S};
	int fd = -EOPNOTSUPP;

	for (size_t i = 0; i < ARRAY_SIZE(WINDOWS_NS); i++) {
		fd = psi_trigger_open(PSI_MEMORY_FILE, WINDOWS_NS[i] / PROBE_THRESHOLD_DIVISOR,
				      WINDOWS_NS[i]);
		if (fd >= 0) {
			close(fd);
			*ret_window_ns = WINDOWS_NS[i];
			return 0;
		}
		if (fd != -EINVAL && fd != -EPERM)
			return fd;
	}
	return fd == -EINVAL ? -EPERM : fd;
}
