/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A manager's end of both FIFOs: see client.h.
 *
 * One epoll descriptor holds what is waited for: a timer that ticks twice a second, and
 * manager.fifo while it is open. A tick connects, or looks whether the agent is still the one that
 * we are connected to. That an agent is there is seen from control.fifo, which it always reads:
 * manager.fifo of one that was killed can be opened, too, and then stays silent without an end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "base/cleanup.h"
#include "base/lock_file.h"
#include "base/units.h"
#include "base/utf8.h"
#include "client/client.h"
#include "client/send.h"

#define TICK_NS (500 * NS_PER_MS)

struct tierd_client {
	char *run_dir;
	int epoll_fd;
	int timer_fd;
	int lock_fd; /* this and the next: -1 while there is no connection */
	int fifo_fd;
	bool is_at_end;     /* of the FIFO: its last writer is gone */
	bool is_discarding; /* the rest of an overlong line, up to its newline */
	struct tierd_client_counters counters;
	size_t start; /* what is in the buffer and not yet taken: start..len */
	size_t len;
	char buffer[PROTOCOL_LINE_MAX];
};

static void close_one(int *fd)
{
	cleanup_close(fd);
	*fd = -1;
}

/* Everything that belongs to one run of the agent; half a line is of no use to anybody. */
static void disconnect(struct tierd_client *client)
{
	if (client->len > client->start || client->is_discarding)
		client->counters.torn++;
	/* Closing alone does not do that while a child that was forked has it open as well. */
	if (client->fifo_fd >= 0)
		epoll_ctl(client->epoll_fd, EPOLL_CTL_DEL, client->fifo_fd, NULL);
	close_one(&client->fifo_fd);
	close_one(&client->lock_fd);
	client->start = 0;
	client->len = 0;
	client->is_discarding = false;
	client->is_at_end = false;
}

static int has_agent(int dir_fd)
{
	_cleanup_close_ int fd = client_open_fifo(dir_fd, PROTOCOL_CONTROL_FIFO, O_WRONLY);

	return fd < 0 ? fd : 0;
}

static int try_connect(struct tierd_client *client)
{
	_cleanup_close_ int dir_fd = open(client->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};
	int r = dir_fd < 0 ? -errno : has_agent(dir_fd);

	if (r < 0)
		return r;
	client->lock_fd = lock_file_take(dir_fd, PROTOCOL_MANAGER_LOCK, O_RDONLY, 0);
	if (client->lock_fd < 0)
		return client->lock_fd == -EEXIST ? -EPROTO : client->lock_fd;
	client->fifo_fd = client_open_fifo(dir_fd, PROTOCOL_MANAGER_FIFO, O_RDONLY);
	if (client->fifo_fd < 0)
		return client->fifo_fd;
	event.data.fd = client->fifo_fd;
	return epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, client->fifo_fd, &event) < 0 ? -errno : 0;
}

/* 1 with an event, 0 if there is no agent, or why there is no connection. */
static int connect_agent(struct tierd_client *client, struct tierd_client_event *event)
{
	int r = try_connect(client);

	if (r == 0) {
		client->counters.connects++;
		event->kind = TIERD_CLIENT_CONNECTED;
		return 1;
	}
	disconnect(client);
	return r == -ENOENT || r == -ENXIO ? 0 : r;
}

/* Whether the path still leads to the FIFO that is open, and an agent is there. */
static bool is_current(const struct tierd_client *client)
{
	_cleanup_close_ int dir_fd = open(client->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir_fd >= 0 && lock_file_is_named(dir_fd, PROTOCOL_MANAGER_FIFO, client->fifo_fd) &&
	       has_agent(dir_fd) == 0;
}

static int lose_agent(struct tierd_client *client, struct tierd_client_event *event)
{
	disconnect(client);
	event->kind = TIERD_CLIENT_DISCONNECTED;
	return 1;
}

static int on_tick(struct tierd_client *client, struct tierd_client_event *event)
{
	uint64_t ticks;

	if (read(client->timer_fd, &ticks, sizeof(ticks)) < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (client->fifo_fd < 0)
		return connect_agent(client, event);
	/* What it wrote before it went is read first; then the FIFO says that it is at its end. */
	return is_current(client) ? 0 : lose_agent(client, event);
}

static void fill_text(struct tierd_client_event *event, const char *line, size_t len)
{
	memcpy(event->text, line, len);
	event->text[len] = '\0';
	utf8_scrub(event->text, len);
}

/* len < PROTOCOL_LINE_MAX. */
static void fill_line(struct tierd_client *client, const char *line, size_t len,
		      struct tierd_client_event *event)
{
	bool is_good = protocol_parse_manager_line(line, len, &event->line, event->error,
						   sizeof(event->error)) == 0;

	fill_text(event, line, len);
	event->kind = is_good ? TIERD_CLIENT_LINE : TIERD_CLIENT_BAD_LINE;
	client->counters.lines += is_good;
	client->counters.bad_lines += !is_good;
}

static void fill_overlong(struct tierd_client *client, struct tierd_client_event *event)
{
	fill_text(event, client->buffer, sizeof(client->buffer) - 1);
	event->kind = TIERD_CLIENT_BAD_LINE;
	(void)snprintf(event->error, sizeof(event->error), "line longer than %d bytes",
		       PROTOCOL_LINE_MAX);
	client->counters.overlong++;
}

/* Takes one line out of the buffer. 1 with an event, 0 if there is no whole one. */
static int take_line(struct tierd_client *client, struct tierd_client_event *event)
{
	const char *newline;

	while ((newline = memchr(client->buffer + client->start, '\n',
				 client->len - client->start))) {
		const char *line = client->buffer + client->start;
		bool is_rest = client->is_discarding;

		client->start = (size_t)(newline - client->buffer) + 1;
		client->is_discarding = false;
		if (is_rest)
			continue;
		fill_line(client, line, (size_t)(newline - line), event);
		return 1;
	}
	client->len -= client->start;
	memmove(client->buffer, client->buffer + client->start, client->len);
	client->start = 0;
	if (client->is_discarding)
		client->len = 0;
	if (client->len < sizeof(client->buffer))
		return 0;
	fill_overlong(client, event);
	client->is_discarding = true;
	client->len = 0;
	return 1;
}

/* Reads what is there; at the end of the FIFO, marks that. */
static int read_some(struct tierd_client *client)
{
	ssize_t count = read(client->fifo_fd, client->buffer + client->len,
			     sizeof(client->buffer) - client->len);

	if (count < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	client->is_at_end = count == 0;
	client->len += (size_t)count;
	return 0;
}

/* One look at what is ready. 1 with an event, 0 without, -EAGAIN if nothing is ready. */
static int step(struct tierd_client *client, struct tierd_client_event *event)
{
	struct epoll_event ready[2];
	int count = epoll_wait(client->epoll_fd, ready, ARRAY_SIZE(ready), 0);
	bool has_tick = false;
	int r = 0;

	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	if (count == 0)
		return -EAGAIN;
	for (int i = 0; i < count; i++) {
		if (ready[i].data.fd == client->timer_fd)
			has_tick = true;
		else
			r = read_some(client);
	}
	if (r < 0 || client->is_at_end) {
		lose_agent(client, event);
		return 1;
	}
	/* While there is something to read, the agent may be gone already: then comes the end. */
	return has_tick && count == 1 ? on_tick(client, event) : 0;
}

int tierd_client_next(struct tierd_client *client, struct tierd_client_event *ret_event)
{
	for (;;) {
		int r = client->fifo_fd >= 0 ? take_line(client, ret_event) : 0;

		if (r == 0)
			r = step(client, ret_event);
		if (r == -EAGAIN)
			return 0;
		if (r != 0)
			return r;
	}
}

static int open_all(struct tierd_client *client, const char *run_dir)
{
	/* At once for the first time. */
	const struct itimerspec ticks = {
		.it_value = {.tv_nsec = 1},
		.it_interval = {.tv_nsec = TICK_NS},
	};
	struct epoll_event event = {.events = EPOLLIN};

	client->run_dir = strdup(run_dir);
	if (!client->run_dir)
		return -ENOMEM;
	client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (client->epoll_fd < 0)
		return -errno;
	client->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (client->timer_fd < 0 || timerfd_settime(client->timer_fd, 0, &ticks, NULL) < 0)
		return -errno;
	event.data.fd = client->timer_fd;
	return epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, client->timer_fd, &event) < 0 ? -errno
											: 0;
}

int tierd_client_open(const char *run_dir, struct tierd_client **ret_client)
{
	struct tierd_client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	client->epoll_fd = -1;
	client->timer_fd = -1;
	client->lock_fd = -1;
	client->fifo_fd = -1;
	int r = open_all(client, run_dir);

	if (r < 0)
		tierd_client_close(client);
	else
		*ret_client = client;
	return r;
}

void tierd_client_close(struct tierd_client *client)
{
	if (!client)
		return;
	disconnect(client);
	cleanup_close(&client->timer_fd);
	cleanup_close(&client->epoll_fd);
	free(client->run_dir);
	free(client);
}

int tierd_client_get_fd(const struct tierd_client *client)
{
	return client->epoll_fd;
}

bool tierd_client_is_connected(const struct tierd_client *client)
{
	return client->fifo_fd >= 0;
}

const struct tierd_client_counters *tierd_client_get_counters(const struct tierd_client *client)
{
	return &client->counters;
}

/* ---- what a manager says ------------------------------------------------------------------------
 */

/* 0, or -EINVAL if it does not fit. */
static int copy_word(char *to, size_t size, const char *word)
{
	size_t len = word ? strlen(word) : 0;

	if (len >= size)
		return -EINVAL;
	if (len > 0)
		memcpy(to, word, len + 1);
	return 0;
}

int tierd_client_send(struct tierd_client *client, const struct control_line *line)
{
	return tierd_send(client->run_dir, line, 0);
}

int tierd_client_hello(struct tierd_client *client, const char *tier, uint32_t pid)
{
	struct control_line line = {
		.verb = CONTROL_HELLO, .command.pid = pid, .version = PROTOCOL_VERSION};
	int r = copy_word(line.command.tier, sizeof(line.command.tier), tier);

	return r < 0 ? r : tierd_client_send(client, &line);
}

int tierd_client_ack(struct tierd_client *client, uint64_t seq, uint32_t state)
{
	const struct control_line line = {.verb = CONTROL_ACK,
					  .command = {.seq = seq, .ack_state = state}};

	return tierd_client_send(client, &line);
}

int tierd_client_task_begin(struct tierd_client *client, const char *id, const char *tier)
{
	struct control_line line = {.verb = CONTROL_TASK_BEGIN};
	int r = copy_word(line.command.id, sizeof(line.command.id), id);

	if (r == 0)
		r = copy_word(line.command.tier, sizeof(line.command.tier), tier);
	return r < 0 ? r : tierd_client_send(client, &line);
}

int tierd_client_task_end(struct tierd_client *client, const struct tierd_task *task)
{
	struct control_line line = {
		.verb = CONTROL_TASK_END,
		.command = {.is_ok = task->is_ok,
			    .ms = task->ms,
			    .tokens = task->tokens,
			    .ttft_ms = task->ttft_ms},
	};
	int r = copy_word(line.command.id, sizeof(line.command.id), task->id);

	if (r == 0)
		r = copy_word(line.command.tier, sizeof(line.command.tier), task->tier);
	return r < 0 ? r : tierd_client_send(client, &line);
}
