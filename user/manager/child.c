/* SPDX-License-Identifier: BSD-2-Clause */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"

enum {
	ENVIRONMENT_MAX = 16,
};

#define GROUP_POLL_NS (20 * NS_PER_MS)

static void block_signals(int how)
{
	static const int SIGNALS[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(SIGNALS); i++)
		sigaddset(&set, SIGNALS[i]);
	sigprocmask(how, &set, NULL);
}

/* ---- the end of children -----------------------------------------------------------------------
 */

static struct child *find_child(const struct children *children, pid_t pid)
{
	struct child *child = children->first;

	while (child && (child->pid != pid || child->is_reaped))
		child = child->next;
	return child;
}

/*
 * The first process has ended, and still is a zombie: its number cannot belong to anybody else, so
 * the group can be killed safely. From its reaping on, no signal but 0 is sent.
 */
static void reap_first(struct child *child)
{
	kill(-child->pid, SIGKILL);
	while (waitpid(child->pid, &child->status, 0) < 0 && errno == EINTR)
		;
	child->is_reaped = true;
}

static void reap_all(struct children *children)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		struct child *child = find_child(children, info.si_pid);

		if (child)
			reap_first(child);
		else
			waitpid(info.si_pid, NULL, WNOHANG);
	}
}

static bool is_group_gone(pid_t group)
{
	return kill(-group, 0) < 0 && errno == ESRCH;
}

static void take_out(struct children *children, struct child *child)
{
	struct child **link = &children->first;

	while (*link && *link != child)
		link = &(*link)->next;
	if (*link)
		*link = child->next;
}

/* A callback may start children anew, so the list is walked from its beginning after each. */
static bool end_one(struct children *children)
{
	for (struct child *child = children->first; child; child = child->next) {
		if (!child->is_reaped || !is_group_gone(child->pid))
			continue;
		take_out(children, child);
		guard_remove(&children->guard, child->pid);
		child->pid = 0;
		if (child->on_end)
			child->on_end(child->context, child->status);
		return true;
	}
	return false;
}

static void look_for_ends(void *context)
{
	struct children *children = context;

	reap_all(children);
	while (end_one(children))
		;
	for (const struct child *child = children->first; child; child = child->next) {
		if (child->is_reaped)
			loop_arm_in(&children->group_timer, GROUP_POLL_NS);
	}
}

static void on_signal_ready(void *context, short events)
{
	struct children *children = context;
	struct signalfd_siginfo info;

	(void)events;
	while (read(children->signal_source.fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			look_for_ends(children);
		else
			children->on_signal(children->context, (int)info.ssi_signo);
	}
}

int children_open(struct children *children, struct loop *loop,
		  void (*on_signal)(void *context, int signal_number), void *context)
{
	sigset_t set;

	*children = (struct children){
		.loop = loop, .signal_source.fd = -1, .on_signal = on_signal, .context = context};
	int r = guard_open(&children->guard);
	if (r < 0)
		return r;
	block_signals(SIG_BLOCK);
	sigprocmask(SIG_BLOCK, NULL, &set);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	children->signal_source = (struct loop_source){
		.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
		.events = CURL_WAIT_POLLIN,
		.on_ready = on_signal_ready,
		.context = children,
	};
	if (children->signal_source.fd < 0)
		return -errno;
	loop_add_timer(loop, &children->group_timer, look_for_ends, children);
	return loop_add_source(loop, &children->signal_source);
}

void children_close(struct children *children)
{
	if (!children->loop)
		return;
	loop_remove_source(children->loop, &children->signal_source);
	cleanup_close(&children->signal_source.fd);
	guard_close(&children->guard);
	children->first = NULL;
	children->loop = NULL;
}

/* ---- the beginning -----------------------------------------------------------------------------
 */

/* In the child. parent is the manager: if it is gone already, no signal will tell. */
static _Noreturn void run_command(const char *command, const char *const *environment,
				  int output_fd, pid_t parent)
{
	int null_fd = open("/dev/null", O_RDONLY);

	setsid();
	signal(SIGPIPE, SIG_DFL);
	block_signals(SIG_UNBLOCK);
	if (output_fd >= 0) {
		dup2(output_fd, STDOUT_FILENO);
		dup2(output_fd, STDERR_FILENO);
	} else {
		dup2(STDERR_FILENO, STDOUT_FILENO);
	}
	dup2(null_fd, STDIN_FILENO);
	for (size_t i = 0; environment && environment[i]; i++)
		putenv((char *)environment[i]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(127);
}

int child_start(struct children *children, struct child *child, const char *command,
		const char *const *environment, int output_fd)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		run_command(command, environment, output_fd, parent);
	child->pid = pid;
	child->is_reaped = false;
	child->status = 0;
	child->next = children->first;
	children->first = child;
	/* Full only if a server has left dozens of groups: then PR_SET_PDEATHSIG is what is left.
	 */
	guard_add(&children->guard, pid);
	return 0;
}

void child_signal(const struct child *child, int signal_number)
{
	if (child->pid <= 1 || child->is_reaped)
		return;
	/* It may not have come to its setsid() yet. */
	if (kill(-child->pid, signal_number) < 0)
		kill(child->pid, signal_number);
}

const char *child_describe_status(int status, char *buffer, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buffer, size, "killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(buffer, size, "exit status %d", WEXITSTATUS(status));
	return buffer;
}
