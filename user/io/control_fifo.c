/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Splits control.fifo into lines, within a budget.
 *
 * The buffer holds less than one whole line between wakes, except when the budget ran out: then
 * epoll would not tell about the lines that are in the buffer already, so until they are gone we
 * also wait for room in the pipe (EPOLLOUT), which we, as a writer, always get at once - or the
 * pipe is full, and EPOLLIN fires.
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
#include "base/units.h"
#include "io/fifo_watch.h"
#include "tierd/protocol.h"

enum {
	FIFO_MODE = 0620,
	FIFO_MODE_ALONE = 0600,
};

#define LINE_COST_NS (NS_PER_S / CONTROL_LINES_PER_S)

struct control_fifo {
	struct loop *loop;
	const struct control_fifo_callbacks *callbacks;
	void *context;
	struct run_fifo node;
	struct fifo_watch watch;
	int fd; /* -1 while something foreign has its name */
	int lost_error;
	bool is_discarding; /* up to the next newline */
	bool is_behind;     /* whole lines wait in the buffer */
	uint64_t credit_ns; /* token bucket: LINE_COST_NS a line, at most NS_PER_S */
	uint64_t credit_at_ns;
	struct control_fifo_counters counters;
	size_t len;
	char buffer[PROTOCOL_LINE_MAX];
};

static bool take_token(struct control_fifo *fifo)
{
	if (fifo->credit_ns < LINE_COST_NS)
		return false;
	fifo->credit_ns -= LINE_COST_NS;
	return true;
}

/* One line was completed; text is what is left of it. */
static int handle_line(struct control_fifo *fifo, const char *text, size_t len)
{
	if (fifo->is_discarding) {
		fifo->is_discarding = false;
		return 0;
	}
	if (!take_token(fifo)) {
		fifo->counters.rate_limited++;
		return 0;
	}
	fifo->counters.lines++;
	return fifo->callbacks->on_line(fifo->context, text, len);
}

/* Handles the whole lines in the buffer, *budget at most, and keeps the rest. */
static int handle_buffer(struct control_fifo *fifo, unsigned int *budget)
{
	size_t start = 0;
	const char *newline;
	int err = 0;

	fifo->is_behind = false;
	while ((newline = memchr(fifo->buffer + start, '\n', fifo->len - start))) {
		const char *line = fifo->buffer + start;

		if (*budget == 0 || err) {
			fifo->is_behind = true;
			break;
		}
		(*budget)--;
		start = (size_t)(newline - fifo->buffer) + 1;
		err = handle_line(fifo, line, (size_t)(newline - line));
	}
	fifo->len -= start;
	memmove(fifo->buffer, fifo->buffer + start, fifo->len);
	if (fifo->len == sizeof(fifo->buffer) && !fifo->is_behind) {
		if (!fifo->is_discarding)
			fifo->counters.overlong++;
		fifo->is_discarding = true;
	}
	if (fifo->is_discarding && !fifo->is_behind)
		fifo->len = 0;
	return err;
}

static void add_credit(struct control_fifo *fifo, uint64_t now_ns)
{
	uint64_t passed_ns = units_minus(now_ns, fifo->credit_at_ns);

	fifo->credit_ns = units_min(units_plus(fifo->credit_ns, passed_ns), NS_PER_S);
	fifo->credit_at_ns = now_ns;
}

int control_fifo_read(struct control_fifo *fifo, uint64_t now_ns)
{
	unsigned int lines = CONTROL_LINES_PER_WAKE;
	bool was_behind = fifo->is_behind;
	size_t bytes = 0;
	int err = 0;

	add_credit(fifo, now_ns);
	if (was_behind)
		err = handle_buffer(fifo, &lines);
	while (!err && !fifo->is_behind && lines > 0 && bytes < CONTROL_BYTES_PER_WAKE) {
		ssize_t got =
			read(fifo->fd, fifo->buffer + fifo->len, sizeof(fifo->buffer) - fifo->len);

		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (got <= 0)
			break;
		bytes += (size_t)got;
		fifo->len += (size_t)got;
		err = handle_buffer(fifo, &lines);
	}
	if (fifo->is_behind != was_behind)
		loop_modify_fd(fifo->loop, fifo->fd,
			       fifo->is_behind ? EPOLLIN | EPOLLOUT : EPOLLIN);
	return err;
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
	fifo->is_behind = false;
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
	fifo->credit_ns = NS_PER_S;
	fifo->credit_at_ns = loop_now_ns();
	fifo->node = (struct run_fifo){.dir_fd = dir->fd, .name = PROTOCOL_CONTROL_FIFO};
	err = run_fifo_make(dir, PROTOCOL_CONTROL_FIFO, FIFO_MODE, FIFO_MODE_ALONE, &fifo->node);
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
	run_fifo_remove(&fifo->node);
	free(fifo);
}

const struct control_fifo_counters *control_fifo_get_counters(const struct control_fifo *fifo)
{
	return &fifo->counters;
}
