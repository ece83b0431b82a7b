/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * manager.fifo, the agent's side: lines to whoever reads them.
 *
 * The write end is held open all the time, also while nobody reads: then a reader's open() never
 * blocks and inotify reports it at once, without polling; poll() on the write end says whether
 * there is a reader (POLLERR = none), and epoll says when it dies. At that moment the write end is
 * opened anew, so that the next reader does not get the rest of a line that the dead one had begun
 * to read. Lines are at most PIPE_BUF bytes and written by one write(), so they are never torn.
 *
 * A line that cannot be written now is dropped and counted; nothing is queued, because the wanted
 * tier is a level: on_reader and on_writable are the moments to write the present state.
 */
#ifndef TIERD_IO_MANAGER_FIFO_H
#define TIERD_IO_MANAGER_FIFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/loop.h"
#include "io/run_dir.h"

struct manager_fifo;

/* Each returns 0, or a negative errno that ends the loop. */
struct manager_fifo_callbacks {
	/* Somebody opened the FIFO to read; may be called again for the same reader. */
	int (*on_reader)(void *context);
	/* There is room again after manager_fifo_send() returned -EAGAIN. */
	int (*on_writable)(void *context);
	/* The FIFO was deleted or replaced, and has been made again (result 0), or could not be
	 * (-EEXIST: something foreign is in its place). Once per change, not per attempt. */
	int (*on_replaced)(void *context, int result);
};

struct manager_fifo_counters {
	uint64_t sent;
	uint64_t dropped_full;
	uint64_t dropped_no_reader;
	uint64_t readers;  /* that came */
	uint64_t replaced; /* times the FIFO was made again */
};

/*
 * Makes the FIFO and the readers' lock file, and watches them. No callback comes from in here: call
 * manager_fifo_check() when ready. Returns 0 or a negative errno (as run_fifo_make()). dir, loop
 * and callbacks must outlive it.
 */
int manager_fifo_create(const struct run_dir *dir, struct loop *loop,
			const struct manager_fifo_callbacks *callbacks, void *context,
			struct manager_fifo **ret_fifo);

/* Removes the FIFO and the lock file. NULL is allowed. */
void manager_fifo_destroy(struct manager_fifo *fifo);

/*
 * Writes one line, len bytes with the newline at its end. Returns 0; -ENOTCONN if nobody reads,
 * -EAGAIN if the pipe is full, -EMSGSIZE if it is over PIPE_BUF. SIGPIPE must be ignored (the loop
 * does that).
 */
int manager_fifo_send(struct manager_fifo *fifo, const char *line, size_t len);

/*
 * Looks for itself whether there is a reader and whether the FIFO and the readers' lock file are
 * still ours; both are made again where they are not. For the start, and
 * as a slow fallback (with the heartbeat): inotify may be unavailable (manager_fifo_is_watched()),
 * and making the FIFO again may have failed. Returns 0, or what a callback returned.
 */
int manager_fifo_check(struct manager_fifo *fifo);

bool manager_fifo_is_watched(const struct manager_fifo *fifo);
bool manager_fifo_has_reader(const struct manager_fifo *fifo);
const struct manager_fifo_counters *manager_fifo_get_counters(const struct manager_fifo *fifo);

#endif
