/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.fifo, the agent's side: lines from the manager and from people.
 *
 * The agent holds a write end itself, so a writer that leaves never makes an end of file. Half a
 * line waits for its newline; a line over PROTOCOL_LINE_MAX is thrown away up to its newline. One
 * wake handles at most CONTROL_LINES_PER_WAKE lines, then everything else in the loop has its turn;
 * beyond CONTROL_LINES_PER_S, lines are dropped. All of that is counted.
 */
#ifndef TIERD_IO_CONTROL_FIFO_H
#define TIERD_IO_CONTROL_FIFO_H

#include <stddef.h>
#include <stdint.h>

#include "io/loop.h"
#include "io/run_dir.h"

enum {
	CONTROL_LINES_PER_WAKE = 64,
	CONTROL_BYTES_PER_WAKE = 64 * 1024,
	CONTROL_LINES_PER_S = 1000, /* with a burst of as many */
};

struct control_fifo;

/* Each returns 0, or a negative errno that ends the loop. */
struct control_fifo_callbacks {
	/* One line without its newline; any bytes, not NUL-terminated, valid during the call. */
	int (*on_line)(void *context, const char *line, size_t len);
	/* As in manager_fifo.h. */
	int (*on_replaced)(void *context, int result);
};

struct control_fifo_counters {
	uint64_t lines;        /* given to on_line */
	uint64_t overlong;     /* thrown away */
	uint64_t rate_limited; /* thrown away */
	uint64_t replaced;     /* times the FIFO was made again */
};

/* Makes the FIFO (root:tierd 0620, or 0600) and reads it in the loop. Returns 0 or a negative errno
 * (as run_fifo_make()). dir, loop and callbacks must outlive it. */
int control_fifo_create(const struct run_dir *dir, struct loop *loop,
			const struct control_fifo_callbacks *callbacks, void *context,
			struct control_fifo **ret_fifo);

/* Removes the FIFO. NULL is allowed; not from inside its callbacks. */
void control_fifo_destroy(struct control_fifo *fifo);

/* What the loop does when there is something to read; now_ns (CLOCK_MONOTONIC) is for the rate
 * limit. Returns 0, what on_line returned, or a negative errno. */
int control_fifo_read(struct control_fifo *fifo, uint64_t now_ns);

/* Makes the FIFO again if it was deleted or replaced, as manager_fifo_check(). */
int control_fifo_check(struct control_fifo *fifo);

const struct control_fifo_counters *control_fifo_get_counters(const struct control_fifo *fifo);

#endif
