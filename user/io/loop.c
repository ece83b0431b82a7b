/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop over epoll.
 *
 * A source is a slot and a generation; epoll carries both. Removing a source bumps the generation
 * of its slot, so an event that was fetched before the removal no longer matches and is dropped,
 * also when the slot or the number of the file descriptor was given to another source meanwhile.
 */
#include "io/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"

enum {
	EVENTS_PER_WAIT = 16,
};

static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP};

enum source_kind {
	SOURCE_KIND_FREE,
	SOURCE_KIND_FD,
	SOURCE_KIND_TIMER,
	SOURCE_KIND_SIGNALS,
};

struct loop_timer {
	struct loop *loop;
};

struct source {
	uint32_t kind;
	uint32_t generation;
	int fd; /* timers and signals: the loop's own */
	union {
		loop_fd_callback on_fd;
		loop_timer_callback on_timer;
		loop_signal_callback on_signal;
	};
	void *context;
	struct loop_timer timer;
};

struct loop {
	int epoll_fd;
	int status; /* of loop_stop() */
	bool is_stopped;
	bool has_signals;
	sigset_t old_mask;
	struct sigaction old_sigpipe;
	struct sigaction old_actions[ARRAY_SIZE(SIGNALS)];
	struct source sources[LOOP_SOURCES_MAX];
};

uint64_t loop_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

int loop_create(struct loop **ret_loop)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	_cleanup_free_ struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return -errno;
	sigaction(SIGPIPE, &ignore, &loop->old_sigpipe);
	*ret_loop = TAKE_PTR(loop);
	return 0;
}

static struct source *find_source(struct loop *loop, int fd)
{
	for (size_t i = 0; i < LOOP_SOURCES_MAX; i++) {
		struct source *source = &loop->sources[i];

		if (source->kind != SOURCE_KIND_FREE && source->fd == fd)
			return source;
	}
	return NULL;
}

static struct epoll_event make_event(const struct loop *loop, const struct source *source,
				     uint32_t events)
{
	uint64_t slot = (uint64_t)(source - loop->sources);

	return (struct epoll_event){
		.events = events,
		.data.u64 = slot << 32 | source->generation,
	};
}

/* Returns NULL and sets *ret_err if it cannot be added. */
static struct source *add_source(struct loop *loop, uint32_t kind, int fd, uint32_t events,
				 int *ret_err)
{
	struct source *source = NULL;
	struct epoll_event event;

	*ret_err = find_source(loop, fd) ? -EEXIST : -ENOSPC;
	for (size_t i = 0; *ret_err != -EEXIST && i < LOOP_SOURCES_MAX && !source; i++) {
		if (loop->sources[i].kind == SOURCE_KIND_FREE)
			source = &loop->sources[i];
	}
	if (!source)
		return NULL;
	event = make_event(loop, source, events);
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		*ret_err = -errno;
		return NULL;
	}
	source->kind = kind;
	source->fd = fd;
	*ret_err = 0;
	return source;
}

static void remove_source(struct loop *loop, struct source *source)
{
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	if (source->kind != SOURCE_KIND_FD)
		close(source->fd);
	source->kind = SOURCE_KIND_FREE;
	source->generation++;
}

int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_callback callback,
		void *context)
{
	int err;
	struct source *source = add_source(loop, SOURCE_KIND_FD, fd, events, &err);

	if (!source)
		return err;
	source->on_fd = callback;
	source->context = context;
	return 0;
}

int loop_modify_fd(struct loop *loop, int fd, uint32_t events)
{
	const struct source *source = find_source(loop, fd);
	struct epoll_event event;

	if (!source)
		return -ENOENT;
	event = make_event(loop, source, events);
	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event) ? -errno : 0;
}

int loop_remove_fd(struct loop *loop, int fd)
{
	struct source *source = find_source(loop, fd);

	if (!source || source->kind != SOURCE_KIND_FD)
		return -ENOENT;
	remove_source(loop, source);
	return 0;
}

int loop_add_timer(struct loop *loop, loop_timer_callback callback, void *context,
		   struct loop_timer **ret_timer)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct source *source;
	int err;

	if (fd < 0)
		return -errno;
	source = add_source(loop, SOURCE_KIND_TIMER, fd, EPOLLIN, &err);
	if (!source) {
		close(fd);
		return err;
	}
	source->on_timer = callback;
	source->context = context;
	source->timer.loop = loop;
	*ret_timer = &source->timer;
	return 0;
}

static struct source *timer_source(struct loop_timer *timer)
{
	return (struct source *)((char *)timer - offsetof(struct source, timer));
}

int loop_timer_set(struct loop_timer *timer, uint64_t at_ns)
{
	struct itimerspec spec = {0};

	if (at_ns != LOOP_NEVER) {
		spec.it_value.tv_sec = (time_t)(at_ns / NS_PER_S);
		spec.it_value.tv_nsec = (long)(at_ns % NS_PER_S);
		if (at_ns == 0)
			spec.it_value.tv_nsec = 1; /* all zero would turn it off */
	}
	return timerfd_settime(timer_source(timer)->fd, TFD_TIMER_ABSTIME, &spec, NULL) ? -errno
											: 0;
}

void loop_remove_timer(struct loop_timer *timer)
{
	remove_source(timer->loop, timer_source(timer));
}

/*
 * Every thread of ours blocks what the loop reads. One that a library has made (NVIDIA's driver has
 * some) may not, or the library opens what its caller had blocked: there the signal would end the
 * process. It is sent again instead, and blocked from here on in the thread that got it.
 */
static void send_again(int signal_number, siginfo_t *info, void *context)
{
	int err = errno;

	(void)info;
	sigaddset(&((ucontext_t *)context)->uc_sigmask, signal_number);
	kill(getpid(), signal_number);
	errno = err;
}

int loop_add_signals(struct loop *loop, loop_signal_callback callback, void *context)
{
	struct sigaction action = {.sa_sigaction = send_again, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct source *source;
	sigset_t mask;
	int err;
	int fd;

	if (loop->has_signals)
		return -EEXIST;
	sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(SIGNALS); i++)
		sigaddset(&mask, SIGNALS[i]);
	fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	source = add_source(loop, SOURCE_KIND_SIGNALS, fd, EPOLLIN, &err);
	if (!source) {
		close(fd);
		return err;
	}
	source->on_signal = callback;
	source->context = context;
	sigprocmask(SIG_BLOCK, &mask, &loop->old_mask);
	action.sa_mask = mask;
	for (size_t i = 0; i < ARRAY_SIZE(SIGNALS); i++)
		sigaction(SIGNALS[i], &action, &loop->old_actions[i]);
	loop->has_signals = true;
	return 0;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	for (size_t i = 0; i < LOOP_SOURCES_MAX; i++) {
		if (loop->sources[i].kind != SOURCE_KIND_FREE)
			remove_source(loop, &loop->sources[i]);
	}
	close(loop->epoll_fd);
	for (size_t i = 0; loop->has_signals && i < ARRAY_SIZE(SIGNALS); i++)
		sigaction(SIGNALS[i], &loop->old_actions[i], NULL);
	if (loop->has_signals)
		sigprocmask(SIG_SETMASK, &loop->old_mask, NULL);
	sigaction(SIGPIPE, &loop->old_sigpipe, NULL);
	free(loop);
}

static int dispatch_timer(const struct source *source)
{
	uint64_t expirations;

	/* Nothing to read: it was set to another time after epoll had seen it expire. */
	if (read(source->fd, &expirations, sizeof(expirations)) != sizeof(expirations))
		return errno == EAGAIN ? 0 : -errno;
	return source->on_timer(source->context, loop_now_ns());
}

static int dispatch_signals(const struct source *source)
{
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return errno == EAGAIN ? 0 : -errno;
	return source->on_signal(source->context, (int)info.ssi_signo);
}

static int dispatch(struct loop *loop, const struct epoll_event *event)
{
	const struct source *source = &loop->sources[event->data.u64 >> 32];

	if (source->kind == SOURCE_KIND_FREE || source->generation != (uint32_t)event->data.u64)
		return 0;
	switch (source->kind) {
	case SOURCE_KIND_TIMER:
		return dispatch_timer(source);
	case SOURCE_KIND_SIGNALS:
		return dispatch_signals(source);
	default:
		return source->on_fd(source->context, source->fd, event->events);
	}
}

int loop_run_once(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS_PER_WAIT];
	int count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_WAIT, timeout_ms);

	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		int err = dispatch(loop, &events[i]);

		if (err < 0)
			return err;
		if (loop->is_stopped)
			return loop->status;
	}
	return 0;
}

int loop_run(struct loop *loop)
{
	loop->is_stopped = false;
	while (!loop->is_stopped) {
		int err = loop_run_once(loop, -1);

		if (err < 0)
			return err;
	}
	return loop->status;
}

void loop_stop(struct loop *loop, int status)
{
	loop->is_stopped = true;
	loop->status = status;
}
