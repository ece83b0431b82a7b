/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.fifo, the agent's side: lines from the manager and from people, parsed.
 *
 * The agent holds a write end itself, so a writer that leaves never makes an end of file. Half a
 * line waits for its newline; a line over PROTOCOL_LINE_MAX is thrown away up to its newline; an
 * empty one is passed over.
 *
 * A flood costs a bounded amount of CPU time: at most CONTROL_BYTES_PER_S are read, so that beyond
 * that the pipe fills and its writers wait; nothing is lost by that, and a line that is in the pipe
 * is reached in its capacity's time (64 KiB: 250 ms). Of the lines that were read, each class of
 * verbs has a budget of its own, and so has what is no line at all; beyond it they are dropped. All
 * of that is counted. A FIFO carries no identity: within a class nobody is preferred.
 */
#ifndef TIERD_IO_CONTROL_FIFO_H
#define TIERD_IO_CONTROL_FIFO_H

#include <stddef.h>
#include <stdint.h>

#include "io/loop.h"
#include "io/run_dir.h"
#include "tierd/protocol.h"

enum {
	CONTROL_BYTES_PER_S = 256 * 1024,
	CONTROL_BYTES_BURST = 64 * 1024, /* a pipe's usual capacity */
};

/* Lines per second and class (enum protocol_class), and how many at once. */
struct control_budget {
	uint32_t lines_per_s;
	uint32_t burst;
};
extern const struct control_budget CONTROL_BUDGETS[];

struct control_fifo;

/* Each returns 0, or a negative errno that ends the loop. */
struct control_fifo_callbacks {
	int (*on_line)(void *context, const struct control_line *line);
	/* It was no line of the protocol; error says why, for people. */
	int (*on_bad_line)(void *context, const char *error);
	/* As in manager_fifo.h. */
	int (*on_replaced)(void *context, int result);
};

struct control_fifo_counters {
	uint64_t lines;        /* given to on_line */
	uint64_t bad;          /* given to on_bad_line */
	uint64_t overlong;     /* thrown away */
	uint64_t rate_limited; /* thrown away */
	uint64_t pauses;       /* times that reading waited, for the bytes per second */
	uint64_t replaced;     /* times the FIFO was made again */
};

/* Makes the FIFO (root:tierd 0620, or 0600) and reads it in the loop. Returns 0 or a negative errno
 * (as run_fifo_make()). dir, loop and callbacks must outlive it. */
int control_fifo_create(const struct run_dir *dir, struct loop *loop,
			const struct control_fifo_callbacks *callbacks, void *context,
			struct control_fifo **ret_fifo);

/* Removes the FIFO. NULL is allowed; not from inside its callbacks. */
void control_fifo_destroy(struct control_fifo *fifo);

/* What the loop does when there is something to read: at most 4 KiB, then everything else in the
 * loop has its turn. now_ns (CLOCK_MONOTONIC) is for the budgets. Returns 0, what a callback
 * returned, or a negative errno. */
int control_fifo_read(struct control_fifo *fifo, uint64_t now_ns);

/* Makes the FIFO again if it was deleted or replaced, as manager_fifo_check(). */
int control_fifo_check(struct control_fifo *fifo);

const struct control_fifo_counters *control_fifo_get_counters(const struct control_fifo *fifo);

#endif
