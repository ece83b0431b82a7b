/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate_socket.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

static int set_path(struct sockaddr_un *address, const char *path)
{
	address->sun_family = AF_UNIX;
	return snprintf(address->sun_path, sizeof(address->sun_path), "%s", path) >=
			       (int)sizeof(address->sun_path)
		       ? -ENAMETOOLONG
		       : 0;
}

int gate_socket_connect(const char *path)
{
	struct sockaddr_un address = {0};
	int r = set_path(&address, path);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (r < 0 || fd < 0)
		return r < 0 ? r : -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int remove_old(const char *path)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	return unlink(path) < 0 ? -errno : 0;
}

int gate_socket_bind_log(const char *path)
{
	struct sockaddr_un address = {0};
	int r = set_path(&address, path);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (r < 0 || fd < 0)
		return r < 0 ? r : -errno;
	r = remove_old(path);
	if (r < 0)
		return r;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}
