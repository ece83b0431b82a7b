/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes of an invented /proc, in proc/ of a file tree; they start at tick pid * 100. */
#ifndef TIERD_TESTS_FAKE_PROCESS_H
#define TIERD_TESTS_FAKE_PROCESS_H

#include "file_tree.h"

/* children: as in /proc/PID/task/PID/children; NULL = this kernel has no such file. */
struct fake_process {
	uint32_t pid;
	uint32_t parent_pid;
	const char *comm;
	const char *program;
	const char *group;
	const char *children;
};

FILE_TREE_FUNCTION void fake_process_add(const struct file_tree *tree,
					 const struct fake_process *process)
{
	char path[128];
	char text[256];

	(void)snprintf(path, sizeof(path), "proc/%u/stat", process->pid);
	(void)snprintf(text, sizeof(text),
		       "%u (%s) S %u 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %u 1000 10\n",
		       process->pid, process->comm, process->parent_pid, process->pid * 100);
	file_tree_write(tree, path, text);
	(void)snprintf(path, sizeof(path), "proc/%u/exe", process->pid);
	(void)snprintf(text, sizeof(text), "-> %s", process->program);
	file_tree_write(tree, path, text);
	(void)snprintf(path, sizeof(path), "proc/%u/cgroup", process->pid);
	(void)snprintf(text, sizeof(text), "4:memory:%s\n0::/\n", process->group);
	file_tree_write(tree, path, text);
	(void)snprintf(path, sizeof(path), "proc/%u/task/%u/", process->pid, process->pid);
	file_tree_write(tree, path, "");
	(void)snprintf(path, sizeof(path), "proc/%u/task/%u/children", process->pid, process->pid);
	if (process->children)
		file_tree_write(tree, path, process->children);
}

FILE_TREE_FUNCTION void fake_process_add_all(const struct file_tree *tree,
					     const struct fake_process *processes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fake_process_add(tree, &processes[i]);
}

FILE_TREE_FUNCTION void fake_process_remove(const struct file_tree *tree, uint32_t pid)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "proc/%u", pid);
	file_tree_remove_below(tree, path);
}

#endif
