/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Splits control.fifo into lines, parses them, and keeps to the budgets: token buckets, counted in
 * the time that a token takes to come.
 */
#include "io/control_fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/protocol_table.h"
#include "base/units.h"
#include "io/fifo_watch.h"
#include "tierd/protocol.h"

enum {
	FIFO_MODE = 0620,
	FIFO_MODE_ALONE = 0600,
	ERROR_LEN = 256,
};

#define BYTE_COST_NS (NS_PER_S / CONTROL_BYTES_PER_S)

/* A status takes about 0.1 ms; everything else much less. */
const struct control_budget CONTROL_BUDGETS[] = {
	[PROTOCOL_CLASS_BAD] = {100, 100},      [PROTOCOL_CLASS_SWITCH] = {500, 500},
	[PROTOCOL_CLASS_TASK] = {2000, 2000},   [PROTOCOL_CLASS_COMMAND] = {100, 100},
	[PROTOCOL_CLASS_QUESTION] = {500, 100},
};
_Static_assert(ARRAY_SIZE(CONTROL_BUDGETS) == PROTOCOL_CLASS_COUNT, "a class has no budget");

struct control_fifo {
	struct loop *loop;
	const struct control_fifo_callbacks *callbacks;
	void *context;
	struct run_fifo node;
	struct fifo_watch watch;
	struct loop_timer *pause_timer; /* reading goes on when it fires */
	int fd;                         /* -1 while something foreign has its name */
	int lost_error;
	bool is_discarding; /* up to the next newline */
	uint64_t filled_ns; /* when the buckets were */
	uint64_t bytes_credit_ns;
	uint64_t credit_ns[PROTOCOL_CLASS_COUNT];
	struct control_fifo_counters counters;
	size_t len;
	char buffer[PROTOCOL_LINE_MAX];
};

static uint64_t line_cost_ns(uint32_t class)
{
	return NS_PER_S / CONTROL_BUDGETS[class].lines_per_s;
}

/* Time that goes backwards gives no credit and takes none. */
static void fill_buckets(struct control_fifo *fifo, uint64_t now_ns)
{
	uint64_t passed_ns = units_minus(now_ns, fifo->filled_ns);

	fifo->filled_ns = units_max(fifo->filled_ns, now_ns);
	fifo->bytes_credit_ns = units_min(units_plus(fifo->bytes_credit_ns, passed_ns),
					  CONTROL_BYTES_BURST * BYTE_COST_NS);
	for (uint32_t class = 0; class < PROTOCOL_CLASS_COUNT; class ++)
		fifo->credit_ns[class] =
			units_min(units_plus(fifo->credit_ns[class], passed_ns),
				  CONTROL_BUDGETS[class].burst * line_cost_ns(class));
}

static bool take_token(struct control_fifo *fifo, uint32_t class)
{
	if (fifo->credit_ns[class] < line_cost_ns(class)) {
		fifo->counters.rate_limited++;
		return false;
	}
	fifo->credit_ns[class] -= line_cost_ns(class);
	return true;
}

static int handle_line(struct control_fifo *fifo, const char *text, size_t len)
{
	struct control_line line;
	char error[ERROR_LEN];

	if (protocol_parse_control_line(text, len, &line, error, sizeof(error)) < 0) {
		if (!take_token(fifo, PROTOCOL_CLASS_BAD))
			return 0;
		fifo->counters.bad++;
		return fifo->callbacks->on_bad_line(fifo->context, error);
	}
	if (!take_token(fifo, protocol_find_verb(&PROTOCOL_CONTROL, line.verb)->class))
		return 0;
	fifo->counters.lines++;
	return fifo->callbacks->on_line(fifo->context, &line);
}

/* Handles the whole lines in the buffer and keeps the rest. */
static int handle_buffer(struct control_fifo *fifo)
{
	size_t start = 0;
	const char *newline;
	int err = 0;

	while (!err && (newline = memchr(fifo->buffer + start, '\n', fifo->len - start))) {
		const char *text = fifo->buffer + start;

		start = (size_t)(newline - fifo->buffer) + 1;
		/* An empty line is what a careful writer begins with, in case that somebody left
		 * half a one. */
		if (fifo->is_discarding)
			fifo->is_discarding = false;
		else if (newline > text)
			err = handle_line(fifo, text, (size_t)(newline - text));
	}
	fifo->len -= start;
	memmove(fifo->buffer, fifo->buffer + start, fifo->len);
	if (fifo->len == sizeof(fifo->buffer)) {
		if (!fifo->is_discarding)
			fifo->counters.overlong++;
		fifo->is_discarding = true;
	}
	if (fifo->is_discarding)
		fifo->len = 0;
	return err;
}

/* Leaves the FIFO alone until a whole line could be read. */
static int pause_reading(struct control_fifo *fifo, uint64_t now_ns)
{
	uint64_t needed_ns = PROTOCOL_LINE_MAX * BYTE_COST_NS;

	if (fifo->bytes_credit_ns >= needed_ns)
		return 0;
	fifo->counters.pauses++;
	loop_modify_fd(fifo->loop, fifo->fd, 0);
	return loop_timer_set(fifo->pause_timer, now_ns + needed_ns - fifo->bytes_credit_ns);
}

static int on_pause_over(void *context, uint64_t now_ns)
{
	struct control_fifo *fifo = context;

	(void)now_ns;
	if (fifo->fd >= 0)
		loop_modify_fd(fifo->loop, fifo->fd, EPOLLIN);
	return 0;
}

int control_fifo_read(struct control_fifo *fifo, uint64_t now_ns)
{
	int err;

	fill_buckets(fifo, now_ns);
	size_t room =
		units_min(sizeof(fifo->buffer) - fifo->len, fifo->bytes_credit_ns / BYTE_COST_NS);
	ssize_t got = read(fifo->fd, fifo->buffer + fifo->len, room);

	if (got < 0 && errno != EAGAIN && errno != EINTR)
		return -errno;
	if (got > 0) {
		fifo->bytes_credit_ns -= (uint64_t)got * BYTE_COST_NS;
		fifo->len += (size_t)got;
		err = handle_buffer(fifo);
		if (err)
			return err;
	}
	return pause_reading(fifo, now_ns);
}

static int on_read_event(void *context, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	return control_fifo_read(context, loop_now_ns());
}

static void close_fifo(struct control_fifo *fifo)
{
	if (fifo->fd < 0)
		return;
	loop_remove_fd(fifo->loop, fifo->fd);
	close(fifo->fd);
	fifo->fd = -1;
	fifo->len = 0;
	fifo->is_discarding = false;
}

static int open_fifo(struct control_fifo *fifo)
{
	_cleanup_close_ int fd = run_fifo_open(&fifo->node, O_RDWR);
	int err;

	if (fd < 0)
		return fd;
	err = loop_add_fd(fifo->loop, fd, EPOLLIN, on_read_event, fifo);
	if (err)
		return err;
	fifo->fd = TAKE_FD(fd);
	return 0;
}

int control_fifo_check(struct control_fifo *fifo)
{
	int err;

	if (fifo->fd >= 0 && run_fifo_is_current(&fifo->node))
		return 0;
	close_fifo(fifo);
	err = run_fifo_remake(&fifo->node);
	if (!err)
		err = open_fifo(fifo);
	if (!err)
		fifo->counters.replaced++;
	else if (err == fifo->lost_error)
		return 0;
	fifo->lost_error = err;
	return fifo->callbacks->on_replaced(fifo->context, err);
}

static int on_watch_event(void *context, int fd, uint32_t events)
{
	struct control_fifo *fifo = context;

	(void)fd;
	(void)events;
	if (fifo_watch_read(&fifo->watch, fifo->node.name) == 0)
		return 0;
	return control_fifo_check(fifo);
}

int control_fifo_create(const struct run_dir *dir, struct loop *loop,
			const struct control_fifo_callbacks *callbacks, void *context,
			struct control_fifo **ret_fifo)
{
	struct control_fifo *fifo = calloc(1, sizeof(*fifo));
	int err;

	if (!fifo)
		return -ENOMEM;
	fifo->loop = loop;
	fifo->callbacks = callbacks;
	fifo->context = context;
	fifo->fd = -1;
	fifo->watch = FIFO_WATCH_CLOSED;
	fill_buckets(fifo, UINT64_MAX); /* which is longer than any takes */
	fifo->filled_ns = loop_now_ns();
	fifo->node = (struct run_fifo){.dir_fd = dir->fd, .name = PROTOCOL_CONTROL_FIFO};
	err = loop_add_timer(loop, on_pause_over, fifo, &fifo->pause_timer);
	if (!err)
		err = run_fifo_make(dir, PROTOCOL_CONTROL_FIFO, FIFO_MODE, FIFO_MODE_ALONE,
				    &fifo->node);
	if (!err)
		err = open_fifo(fifo);
	/* Without inotify, what is left is control_fifo_check(). */
	if (!err && fifo_watch_open(dir->fd, &fifo->watch) == 0)
		err = loop_add_fd(loop, fifo->watch.fd, EPOLLIN, on_watch_event, fifo);
	if (err) {
		control_fifo_destroy(fifo);
		return err;
	}
	*ret_fifo = fifo;
	return 0;
}

void control_fifo_destroy(struct control_fifo *fifo)
{
	if (!fifo)
		return;
	close_fifo(fifo);
	if (fifo->watch.fd >= 0)
		loop_remove_fd(fifo->loop, fifo->watch.fd);
	fifo_watch_close(&fifo->watch);
	if (fifo->pause_timer)
		loop_remove_timer(fifo->pause_timer);
	run_fifo_remove(&fifo->node);
	free(fifo);
}

const struct control_fifo_counters *control_fifo_get_counters(const struct control_fifo *fifo)
{
	return &fifo->counters;
}
