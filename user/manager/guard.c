/* SPDX-License-Identifier: BSD-2-Clause */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The descriptors of the manager would keep its FIFOs and sockets alive. */
static void close_others(int kept_fd)
{
	if (kept_fd > 3)
		close_range(3, (unsigned int)kept_fd - 1, 0);
	close_range((unsigned int)kept_fd + 1, ~0U, 0);
}

static _Noreturn void watch(const struct guard *guard, int read_fd)
{
	sigset_t all;
	char byte;

	setsid();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	prctl(PR_SET_NAME, "tier-guard");
	close_others(read_fd);
	while (read(read_fd, &byte, 1) != 0) {
		if (errno != EINTR)
			break;
	}
	for (int i = 0; i < GUARD_GROUPS_MAX; i++) {
		if (guard->groups[i] > 1)
			kill(-guard->groups[i], SIGKILL);
	}
	_exit(0);
}

int guard_open(struct guard *guard)
{
	_cleanup_close_ int read_fd = -1;
	_cleanup_close_ int write_fd = -1;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	read_fd = fds[0];
	write_fd = fds[1];
	void *groups = mmap(NULL, GUARD_GROUPS_MAX * sizeof(pid_t), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (groups == MAP_FAILED)
		return -errno;
	guard->groups = groups;
	guard->pid = fork();
	if (guard->pid < 0) {
		int r = -errno;

		munmap(groups, GUARD_GROUPS_MAX * sizeof(pid_t));
		guard->groups = NULL;
		return r;
	}
	if (guard->pid == 0) {
		close(write_fd);
		watch(guard, read_fd);
	}
	guard->write_fd = TAKE_FD(write_fd);
	return 0;
}

void guard_close(struct guard *guard)
{
	if (!guard->groups)
		return;
	close(guard->write_fd);
	waitpid(guard->pid, NULL, 0);
	munmap((void *)guard->groups, GUARD_GROUPS_MAX * sizeof(pid_t));
	guard->groups = NULL;
}

int guard_add(struct guard *guard, pid_t group)
{
	for (int i = 0; i < GUARD_GROUPS_MAX; i++) {
		if (guard->groups[i] == 0) {
			guard->groups[i] = group;
			return 0;
		}
	}
	return -ENOSPC;
}

void guard_remove(struct guard *guard, pid_t group)
{
	for (int i = 0; i < GUARD_GROUPS_MAX; i++) {
		if (guard->groups[i] == group)
			guard->groups[i] = 0;
	}
}
