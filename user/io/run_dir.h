/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run directory: where the FIFOs live, and the lock that makes the agent the only one there.
 *
 * What stands in place of our files and is not ours (a symlink, a regular file, a FIFO of another
 * user, one with several links) is never deleted nor written to: -EEXIST. FIFOs of an agent that
 * was killed are taken over.
 */
#ifndef TIERD_IO_RUN_DIR_H
#define TIERD_IO_RUN_DIR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* May read manager.fifo and write control.fifo, unless another is named; it need not exist. */
#define RUN_DIR_GROUP "tierd"

struct run_dir {
	int fd;
	int replies_fd; /* for reply_send() */
	int lock_fd;
	gid_t group; /* (gid_t)-1 = none: all belongs to the agent's user alone */
	bool is_created;
	char path[PATH_MAX];
};

#define RUN_DIR_CLOSED ((struct run_dir){.fd = -1, .replies_fd = -1, .lock_fd = -1})

/*
 * The group of that name; (gid_t)-1 for "", and for RUN_DIR_GROUP where it does not exist. Returns
 * 0, or -ESRCH if there is no other group of that name; then *ret_group is untouched.
 */
int run_dir_find_group(const char *name, gid_t *ret_group);

/*
 * Makes path (0755, with its parents) and replies/ in it where they are missing, and takes the
 * lock; group as for run_dir_find_group(). Returns 0; -EBUSY if another agent holds it, -EEXIST if
 * something foreign is in the way, or another negative errno; then error says in words what failed,
 * and *ret_dir is untouched.
 */
int run_dir_open(const char *path, const char *group, struct run_dir *ret_dir, char *error,
		 size_t error_size);

/*
 * Whether the lock and replies/ still are ours, as the directory's content may be deleted at any
 * time; with the heartbeat. Makes again what is missing (replies_fd is another one then). Returns
 * 0; -EBUSY if another agent has a new lock, -EEXIST if something foreign is in the way, -ENOENT
 * if the directory itself is gone, or another negative errno; it may be called again after any.
 */
int run_dir_check(struct run_dir *dir);

/* Removes the lock, replies/ with the FIFOs left in it, and the directory itself if run_dir_open()
 * made it and nothing else is in it; nothing if another agent has the lock. A closed run_dir is
 * allowed. */
void run_dir_close(struct run_dir *dir);

/* A FIFO of ours in the run directory. */
struct run_fifo {
	int dir_fd;
	gid_t group;
	mode_t mode; /* where the group exists */
	mode_t mode_alone;
	const char *name;
	dev_t device;
	ino_t inode;
};

/*
 * Makes the FIFO or takes over the one that is there, and sets its owner and mode: the directory's
 * group and mode, or just mode_alone where it has none. Returns 0, -EEXIST if something foreign is
 * in the way, or another negative errno. name must stay valid.
 */
int run_fifo_make(const struct run_dir *dir, const char *name, mode_t mode, mode_t mode_alone,
		  struct run_fifo *ret_fifo);

/* Opens it with flags (O_NONBLOCK, O_CLOEXEC and O_NOFOLLOW are added). Returns the descriptor;
 * -ESTALE if it is no longer the FIFO that was made, or another negative errno. */
int run_fifo_open(const struct run_fifo *fifo, int flags);

/* Whether the name still leads to the FIFO that was made. */
bool run_fifo_is_current(const struct run_fifo *fifo);

/* Makes it again after it was deleted or replaced. As run_fifo_make(). */
int run_fifo_remake(struct run_fifo *fifo);

/* Unlinks it, if it still is the one that was made. */
void run_fifo_remove(const struct run_fifo *fifo);

#endif
