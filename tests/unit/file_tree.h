/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files as data: a temporary directory that a test fills from a table, and that goes away with all
 * that is in it. For stand-ins of /proc and of cgroup mounts, and for run directories.
 */
#ifndef TIERD_TESTS_FILE_TREE_H
#define TIERD_TESTS_FILE_TREE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_TREE_FUNCTION __attribute__((unused)) static

struct file_tree {
	char root[64];
};

struct file_tree_entry {
	const char *path; /* relative; a directory if it ends in '/' */
	const char *text; /* a symlink's target if it starts with "-> " */
};

FILE_TREE_FUNCTION void file_tree_create(struct file_tree *tree)
{
	(void)snprintf(tree->root, sizeof(tree->root), "/tmp/tierd-test-XXXXXX");
	assert_non_null(mkdtemp(tree->root));
}

/* The path of a file in the tree; in one of a few static buffers. */
FILE_TREE_FUNCTION const char *file_tree_path(const struct file_tree *tree, const char *path)
{
	static char buffers[4][PATH_MAX];
	static unsigned int next;
	char *buffer = buffers[next++ % 4];

	(void)snprintf(buffer, PATH_MAX, "%s/%s", tree->root, path);
	return buffer;
}

FILE_TREE_FUNCTION void file_tree_make_parents(const char *path)
{
	char part[PATH_MAX];

	(void)snprintf(part, sizeof(part), "%s", path);
	for (char *at = part + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		(void)mkdir(part, 0755);
		*at = '/';
	}
}

FILE_TREE_FUNCTION void file_tree_write_bytes(const struct file_tree *tree, const char *path,
					      const char *bytes, size_t len)
{
	const char *full = file_tree_path(tree, path);
	int fd;

	file_tree_make_parents(full);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

FILE_TREE_FUNCTION void file_tree_write(const struct file_tree *tree, const char *path,
					const char *text)
{
	const char *full = file_tree_path(tree, path);

	if (path[strlen(path) - 1] == '/') {
		file_tree_make_parents(full);
	} else if (strncmp(text, "-> ", 3) == 0) {
		file_tree_make_parents(full);
		(void)unlink(full);
		assert_int_equal(symlink(text + 3, full), 0);
	} else {
		file_tree_write_bytes(tree, path, text, strlen(text));
	}
}

FILE_TREE_FUNCTION void file_tree_fill(const struct file_tree *tree,
				       const struct file_tree_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		file_tree_write(tree, entries[i].path, entries[i].text);
}

FILE_TREE_FUNCTION void file_tree_unlink(const struct file_tree *tree, const char *path)
{
	assert_int_equal(unlink(file_tree_path(tree, path)), 0);
}

FILE_TREE_FUNCTION int file_tree_has(const struct file_tree *tree, const char *path)
{
	struct stat info;

	return lstat(file_tree_path(tree, path), &info) == 0;
}

FILE_TREE_FUNCTION int file_tree_remove_one(const char *path, const struct stat *info, int type,
					    struct FTW *walk)
{
	(void)info;
	(void)type;
	(void)walk;
	return remove(path);
}

FILE_TREE_FUNCTION void file_tree_remove_below(const struct file_tree *tree, const char *path)
{
	(void)nftw(file_tree_path(tree, path), file_tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

FILE_TREE_FUNCTION void file_tree_remove(const struct file_tree *tree)
{
	(void)nftw(tree->root, file_tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
