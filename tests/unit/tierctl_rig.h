/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tierctl in a process of its own, against an agent that the test plays: real FIFOs in a directory
 * that goes away, standard output and error in files.
 */
#ifndef TIERD_TESTS_TIERCTL_RIG_H
#define TIERD_TESTS_TIERCTL_RIG_H

#include "file_tree.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "app/tierctl.h"
#include "tierd/protocol.h"

#define RIG_FUNCTION __attribute__((unused)) static

enum {
	RIG_TEXT_LEN = 64 * 1024,
	RIG_WAIT_MS = 10000,
	RIG_ARGUMENTS_MAX = 12,
};

struct rig {
	struct file_tree tree;
	int control_fd; /* the agent's end; -1 = no agent */
	pid_t pid;
	char line[PROTOCOL_LINE_MAX + 1]; /* what the agent was told */
	char out[RIG_TEXT_LEN];
	char err[RIG_TEXT_LEN];
};

/* A run directory without an agent. */
RIG_FUNCTION void rig_open(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	rig->control_fd = -1;
	file_tree_create(&rig->tree);
	assert_int_equal(mkdir(file_tree_path(&rig->tree, PROTOCOL_REPLY_DIR), 0700), 0);
}

RIG_FUNCTION void rig_start_agent(struct rig *rig)
{
	const char *path = file_tree_path(&rig->tree, PROTOCOL_CONTROL_FIFO);

	assert_int_equal(mkfifo(path, 0600), 0);
	rig->control_fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(rig->control_fd >= 0);
}

RIG_FUNCTION unsigned int rig_count_replies(const struct rig *rig)
{
	DIR *dir = opendir(file_tree_path(&rig->tree, PROTOCOL_REPLY_DIR));
	unsigned int count = 0;

	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

RIG_FUNCTION void rig_close(struct rig *rig)
{
	/* Whatever happened, no reply FIFO is left behind. */
	assert_int_equal(rig_count_replies(rig), 0);
	if (rig->control_fd >= 0)
		close(rig->control_fd);
	file_tree_remove(&rig->tree);
}

RIG_FUNCTION int rig_redirect(const struct rig *rig, const char *name)
{
	return open(file_tree_path(&rig->tree, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
}

/* Starts `tierctl --run-dir TREE ARGUMENTS`; arguments end with NULL. */
RIG_FUNCTION void rig_start(struct rig *rig, const char *const *arguments)
{
	rig->pid = fork();
	assert_true(rig->pid >= 0);
	if (rig->pid > 0)
		return;
	char *argv[RIG_ARGUMENTS_MAX + 4] = {"tierctl", "--run-dir", rig->tree.root};
	int argc = 3;

	while (*arguments)
		argv[argc++] = strdup(*arguments++);
	dup2(rig_redirect(rig, "out"), STDOUT_FILENO);
	dup2(rig_redirect(rig, "err"), STDERR_FILENO);
	int status = tierctl_run(argc, argv);
	for (int i = 3; i < argc; i++)
		free(argv[i]);
	_exit(status);
}

RIG_FUNCTION void rig_read_file(const struct rig *rig, const char *name, char *text)
{
	int fd = open(file_tree_path(&rig->tree, name), O_RDONLY);
	ssize_t len = fd < 0 ? 0 : read(fd, text, RIG_TEXT_LEN - 1);

	text[len < 0 ? 0 : len] = '\0';
	if (fd >= 0)
		close(fd);
}

/* Waits for the end; the exit status, or minus the signal. */
RIG_FUNCTION int rig_wait(struct rig *rig)
{
	int status = 0;

	assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
	rig_read_file(rig, "out", rig->out);
	rig_read_file(rig, "err", rig->err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Without an agent's answer. */
RIG_FUNCTION int rig_run(struct rig *rig, const char *const *arguments)
{
	rig_start(rig, arguments);
	return rig_wait(rig);
}

/* Reads one line as the agent. */
RIG_FUNCTION void rig_take_line(struct rig *rig)
{
	struct pollfd fd = {.fd = rig->control_fd, .events = POLLIN};

	assert_int_equal(poll(&fd, 1, RIG_WAIT_MS), 1);
	ssize_t len = read(rig->control_fd, rig->line, sizeof(rig->line) - 1);
	assert_true(len > 0);
	assert_int_equal(rig->line[len - 1], '\n');
	/* Behind a newline, in case that another writer left half a line. */
	assert_int_equal(rig->line[0], '\n');
	rig->line[len - 1] = '\0';
	memmove(rig->line, rig->line + 1, (size_t)len - 1);
	assert_null(strchr(rig->line, '\n'));
}

/* Opens the reply FIFO that the line names. */
RIG_FUNCTION int rig_open_reply(const struct rig *rig)
{
	const char *name = strstr(rig->line, " reply=");
	char path[PATH_MAX];

	assert_non_null(name);
	snprintf(path, sizeof(path), "%s/%s/%s", rig->tree.root, PROTOCOL_REPLY_DIR, name + 7);
	int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

RIG_FUNCTION void rig_reply(struct rig *rig, const char *text, size_t len)
{
	rig_take_line(rig);
	int fd = rig_open_reply(rig);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

/* One command and its answer. */
RIG_FUNCTION int rig_ask(struct rig *rig, const char *const *arguments, const char *reply)
{
	rig_start(rig, arguments);
	rig_reply(rig, reply, strlen(reply));
	return rig_wait(rig);
}

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
