/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One question and its answer: see client.h. Signals that end a process are held back
 * while the reply FIFO exists: a signalfd makes poll() return, the FIFO is removed, and then the
 * signal, still pending, takes effect.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "base/utf8.h"
#include "client/client.h"
#include "client/send.h"

enum {
	REPLY_STEP = 64 * 1024,
};

static const char REPLY_END[] = "\nend\n";

struct exchange {
	int dir_fd;
	int replies_fd;
	int reply_fd;
	int signal_fd;
	int output_fd; /* of whoever wants the lines; not ours */
	uint64_t deadline_ns;
	char name[PROTOCOL_NAME_LEN]; /* of the reply FIFO, "" = not made */
	char *text;
	size_t len;
	size_t size;
};

static void exchange_close(struct exchange *exchange)
{
	if (exchange->name[0])
		unlinkat(exchange->replies_fd, exchange->name, 0);
	cleanup_close(&exchange->signal_fd);
	cleanup_close(&exchange->reply_fd);
	cleanup_close(&exchange->replies_fd);
	cleanup_close(&exchange->dir_fd);
	free(exchange->text);
}

static void exchange_init(struct exchange *exchange, int timeout_ms)
{
	*exchange = (struct exchange){
		.dir_fd = -1,
		.replies_fd = -1,
		.reply_fd = -1,
		.signal_fd = -1,
		.output_fd = -1,
		.deadline_ns = client_now_ns() + (uint64_t)timeout_ms * NS_PER_MS,
	};
}

static int open_run_dir(struct exchange *exchange, const char *run_dir)
{
	exchange->dir_fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return exchange->dir_fd < 0 ? -errno : 0;
}

/* Opened before the line is sent: the agent writes only where somebody reads. */
static int make_reply_fifo(struct exchange *exchange)
{
	uint64_t number;
	char name[PROTOCOL_NAME_LEN];

	exchange->replies_fd = openat(exchange->dir_fd, PROTOCOL_REPLY_DIR,
				      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (exchange->replies_fd < 0)
		return -errno;
	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -EIO;
	snprintf(name, sizeof(name), "reply-%d-%016" PRIx64, (int)getpid(), number);
	if (mkfifoat(exchange->replies_fd, name, 0600) < 0)
		return -errno;
	memcpy(exchange->name, name, sizeof(name));
	exchange->reply_fd = client_open_fifo(exchange->replies_fd, name, O_RDONLY);
	return exchange->reply_fd < 0 ? exchange->reply_fd : 0;
}

/* Room for at least one more step and a NUL. */
static int grow(struct exchange *exchange)
{
	if (exchange->size - exchange->len > REPLY_STEP)
		return 0;
	if (exchange->len > TIERD_REPLY_MAX)
		return -EMSGSIZE;
	size_t size = exchange->size + 2 * (size_t)REPLY_STEP;
	char *text = realloc(exchange->text, size);
	if (!text)
		return -ENOMEM;
	exchange->text = text;
	exchange->size = size;
	return 0;
}

/* 1 when the reply is complete, 0 when there may be more. */
static int read_some(struct exchange *exchange)
{
	size_t end_len = sizeof(REPLY_END) - 1;
	int r = grow(exchange);

	if (r < 0)
		return r;
	ssize_t count = read(exchange->reply_fd, exchange->text + exchange->len, REPLY_STEP);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (count == 0) /* the writer left without an end */
		return -EPROTO;
	/* The end may lie across two reads; whatever follows it is not ours. */
	size_t from = units_minus(exchange->len, end_len - 1);
	exchange->len += (size_t)count;
	char *end = memmem(exchange->text + from, exchange->len - from, REPLY_END, end_len);
	if (!end)
		return 0;
	exchange->len = (size_t)(end + 1 - exchange->text);
	exchange->text[exchange->len] = '\0';
	return 1;
}

static int read_reply(struct exchange *exchange)
{
	for (;;) {
		int r = client_wait(exchange->reply_fd, POLLIN, exchange->deadline_ns,
				    exchange->signal_fd, exchange->output_fd);

		if (r == 0)
			r = read_some(exchange);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

/* `ok` or `error TEXT`, a newline, and the rest. */
static int parse_reply(struct exchange *exchange, struct tierd_reply *ret_reply)
{
	static const char OK[] = "ok\n";
	static const char ERROR[] = "error ";
	bool is_ok = strncmp(exchange->text, OK, sizeof(OK) - 1) == 0;
	size_t skip = is_ok ? sizeof(OK) - 1 : sizeof(ERROR) - 1;

	if (!is_ok && strncmp(exchange->text, ERROR, sizeof(ERROR) - 1) != 0)
		return -EPROTO;
	utf8_scrub(exchange->text, exchange->len);
	memmove(exchange->text, exchange->text + skip, exchange->len - skip + 1);
	ret_reply->is_ok = is_ok;
	ret_reply->len = exchange->len - skip;
	ret_reply->text = TAKE_PTR(exchange->text);
	return 0;
}

static int ask(struct exchange *exchange, const char *run_dir, const struct control_line *line)
{
	struct control_line asked = *line;
	int r = open_run_dir(exchange, run_dir);

	if (r == 0)
		r = make_reply_fifo(exchange);
	if (r < 0)
		return r;
	memcpy(asked.reply, exchange->name, sizeof(asked.reply));
	return client_send_line(exchange->dir_fd, &asked, exchange->deadline_ns,
				exchange->signal_fd);
}

/* Holds back what ends a process, so that the FIFO is removed first. */
static int hold_signals(struct exchange *exchange, sigset_t *ret_before)
{
	static const int FATAL[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	sigset_t fatal;

	sigemptyset(&fatal);
	for (size_t i = 0; i < ARRAY_SIZE(FATAL); i++)
		sigaddset(&fatal, FATAL[i]);
	sigprocmask(SIG_BLOCK, &fatal, ret_before);
	exchange->signal_fd = signalfd(-1, &fatal, SFD_CLOEXEC | SFD_NONBLOCK);
	return exchange->signal_fd < 0 ? -errno : 0;
}

int tierd_request(const char *run_dir, const struct control_line *line, int timeout_ms,
		  struct tierd_reply *ret_reply)
{
	struct exchange exchange;
	sigset_t before;

	exchange_init(&exchange, timeout_ms);
	int r = hold_signals(&exchange, &before);
	if (r == 0)
		r = ask(&exchange, run_dir, line);
	if (r == 0)
		r = read_reply(&exchange);
	if (r == 0)
		r = parse_reply(&exchange, ret_reply);
	exchange_close(&exchange);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* Waits for a whole line, which stands at the beginning of text, NUL-terminated. */
static int read_line(struct exchange *exchange)
{
	for (;;) {
		char *newline = memchr(exchange->text, '\n', exchange->len);

		if (newline) {
			*newline = '\0';
			return 0;
		}
		if (exchange->len == exchange->size)
			return -EMSGSIZE;
		int r = client_wait(exchange->reply_fd, POLLIN, exchange->deadline_ns,
				    exchange->signal_fd, exchange->output_fd);
		if (r < 0)
			return r;
		ssize_t count = read(exchange->reply_fd, exchange->text + exchange->len,
				     exchange->size - exchange->len);
		if (count < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (count == 0)
			return -EPIPE;
		exchange->len += count > 0 ? (size_t)count : 0;
	}
}

static void drop_line(struct exchange *exchange)
{
	size_t len = strlen(exchange->text) + 1;

	exchange->len -= len;
	memmove(exchange->text, exchange->text + len, exchange->len);
}

static int read_first_line(struct exchange *exchange, struct tierd_reply *ret_error)
{
	static const char ERROR[] = "error ";
	size_t skip = sizeof(ERROR) - 1;
	int r = read_line(exchange);

	if (r < 0)
		return r == -EPIPE ? -EPROTO : r;
	if (strcmp(exchange->text, "ok") == 0) {
		drop_line(exchange);
		return 0;
	}
	if (strncmp(exchange->text, ERROR, skip) != 0)
		return -EPROTO;
	utf8_scrub(exchange->text, strlen(exchange->text));
	ret_error->is_ok = false;
	ret_error->len = strlen(exchange->text) - skip;
	memmove(exchange->text, exchange->text + skip, ret_error->len + 1);
	ret_error->text = TAKE_PTR(exchange->text);
	return 1;
}

static int follow(struct exchange *exchange, int (*on_line)(void *context, const char *line),
		  void *context, struct tierd_reply *ret_error)
{
	int r = read_first_line(exchange, ret_error);

	if (r != 0)
		return r > 0 ? 0 : r;
	exchange->deadline_ns = UINT64_MAX;
	while ((r = read_line(exchange)) == 0) {
		if (strcmp(exchange->text, "end") == 0)
			return 0;
		utf8_scrub(exchange->text, strlen(exchange->text));
		r = on_line(context, exchange->text);
		if (r < 0)
			return r;
		drop_line(exchange);
	}
	return r;
}

int tierd_follow(const char *run_dir, const struct control_line *line, int timeout_ms,
		 int output_fd, int (*on_line)(void *context, const char *line), void *context,
		 struct tierd_reply *ret_error)
{
	struct exchange exchange;
	sigset_t before;

	exchange_init(&exchange, timeout_ms);
	exchange.output_fd = output_fd;
	int r = hold_signals(&exchange, &before);
	if (r == 0) {
		exchange.size = REPLY_STEP;
		exchange.text = malloc(exchange.size);
		r = exchange.text ? ask(&exchange, run_dir, line) : -ENOMEM;
	}
	if (r == 0)
		r = follow(&exchange, on_line, context, ret_error);
	exchange_close(&exchange);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

void tierd_reply_free(struct tierd_reply *reply)
{
	free(reply->text);
	reply->text = NULL;
}
