/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The asking side of control.fifo: see control_client.h. Signals that end a process are held back
 * while the reply FIFO exists: a signalfd makes poll() return, the FIFO is removed, and then the
 * signal, still pending, takes effect.
 */
#include "control_client.h"

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
#include <time.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "base/utf8.h"
#include "tierd/protocol.h"

enum {
	REPLY_STEP = 64 * 1024,
};

static const char REPLY_END[] = "\nend\n";

struct exchange {
	int dir_fd;
	int replies_fd;
	int reply_fd;
	int signal_fd;
	uint64_t deadline_ns;
	char name[PROTOCOL_NAME_LEN]; /* of the reply FIFO, "" = not made */
	char *text;
	size_t len;
	size_t size;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

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
		.deadline_ns = now_ns() + (uint64_t)timeout_ms * NS_PER_MS,
	};
}

/* Waits for events on fd. 0; -ETIMEDOUT; -EINTR if a held-back signal came. */
static int wait_for(const struct exchange *exchange, int fd, short events)
{
	struct pollfd fds[] = {
		{.fd = fd, .events = events},
		{.fd = exchange->signal_fd, .events = POLLIN},
	};

	for (;;) {
		uint64_t left_ms = units_minus(exchange->deadline_ns, now_ns()) / NS_PER_MS;
		int r = poll(fds, ARRAY_SIZE(fds), (int)left_ms);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (fds[1].revents)
			return -EINTR;
		return r == 0 ? -ETIMEDOUT : 0;
	}
}

static int open_run_dir(struct exchange *exchange, const char *run_dir)
{
	exchange->dir_fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return exchange->dir_fd < 0 ? -errno : 0;
}

static int is_fifo(int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	return S_ISFIFO(status.st_mode) ? 0 : -EPROTO;
}

/* One write, so that lines of several askers never mix. */
static int send_line(const struct exchange *exchange, const char *line, size_t len)
{
	_cleanup_close_ int fd = openat(exchange->dir_fd, PROTOCOL_CONTROL_FIFO,
					O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	int r = is_fifo(fd);
	while (r == 0) {
		ssize_t written = write(fd, line, len);

		if (written >= 0)
			return (size_t)written == len ? 0 : -EPROTO;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_for(exchange, fd, POLLOUT);
	}
	return r == -ETIMEDOUT ? -EAGAIN : r;
}

int control_send(const char *run_dir, const char *line, int timeout_ms)
{
	_cleanup_(exchange_close) struct exchange exchange;
	char text[PROTOCOL_LINE_MAX + 1];
	int len = snprintf(text, sizeof(text), "%s\n", line);

	exchange_init(&exchange, timeout_ms);
	if (len < 0 || (size_t)len >= sizeof(text))
		return -EMSGSIZE;
	int r = open_run_dir(&exchange, run_dir);
	return r < 0 ? r : send_line(&exchange, text, (size_t)len);
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
	snprintf(name, sizeof(name), "tierctl-%d-%016" PRIx64, (int)getpid(), number);
	if (mkfifoat(exchange->replies_fd, name, 0600) < 0)
		return -errno;
	memcpy(exchange->name, name, sizeof(name));
	exchange->reply_fd =
		openat(exchange->replies_fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	return exchange->reply_fd < 0 ? -errno : is_fifo(exchange->reply_fd);
}

/* Room for at least one more step and a NUL. */
static int grow(struct exchange *exchange)
{
	if (exchange->size - exchange->len > REPLY_STEP)
		return 0;
	if (exchange->len > CONTROL_REPLY_MAX)
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
		int r = wait_for(exchange, exchange->reply_fd, POLLIN);

		if (r == 0)
			r = read_some(exchange);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

/* `ok` or `error TEXT`, a newline, and the rest. */
static int parse_reply(struct exchange *exchange, struct control_reply *ret_reply)
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

static int ask(struct exchange *exchange, const char *run_dir, const char *line)
{
	char text[PROTOCOL_LINE_MAX + 1];
	int r = open_run_dir(exchange, run_dir);

	if (r == 0)
		r = make_reply_fifo(exchange);
	if (r < 0)
		return r;
	int len = snprintf(text, sizeof(text), "%s reply=%s\n", line, exchange->name);
	if (len < 0 || (size_t)len >= sizeof(text))
		return -EMSGSIZE;
	r = send_line(exchange, text, (size_t)len);
	return r < 0 ? r : read_reply(exchange);
}

int control_request(const char *run_dir, const char *line, int timeout_ms,
		    struct control_reply *ret_reply)
{
	static const int FATAL[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct exchange exchange;
	sigset_t fatal;
	sigset_t before;

	sigemptyset(&fatal);
	for (size_t i = 0; i < ARRAY_SIZE(FATAL); i++)
		sigaddset(&fatal, FATAL[i]);
	sigprocmask(SIG_BLOCK, &fatal, &before);
	exchange_init(&exchange, timeout_ms);
	exchange.signal_fd = signalfd(-1, &fatal, SFD_CLOEXEC | SFD_NONBLOCK);
	int r = exchange.signal_fd < 0 ? -errno : ask(&exchange, run_dir, line);
	if (r == 0)
		r = parse_reply(&exchange, ret_reply);
	exchange_close(&exchange);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

void control_reply_free(struct control_reply *reply)
{
	free(reply->text);
	reply->text = NULL;
}

const char *control_explain(int result)
{
	switch (result) {
	case -ENXIO:
	case -ENOENT:
	case -ENOTDIR:
		return "no agent is running there";
	case -EACCES:
	case -EPERM:
		return "no permission (root and group tierd have it)";
	case -ETIMEDOUT:
		return "the agent did not answer in time";
	case -EAGAIN:
		return "the agent does not read its control FIFO";
	case -EPIPE:
		return "the agent went away";
	case -EPROTO:
		return "the answer broke off or is none";
	default:
		return strerror(-result);
	}
}
