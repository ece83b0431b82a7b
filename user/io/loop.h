/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop: file descriptors (epoll), absolute timers (timerfd, CLOCK_MONOTONIC) and signals
 * (signalfd), one thread, level-triggered.
 *
 * Nothing is allocated after loop_create(): sources live in a table of LOOP_SOURCES_MAX. Any source
 * may be removed inside any callback, its own included; an event of it that epoll has already
 * delivered is then dropped. A callback returns 0 to go on; a negative errno ends loop_run(), which
 * returns it.
 */
#ifndef TIERD_IO_LOOP_H
#define TIERD_IO_LOOP_H

#include <stdint.h>

struct loop;
struct loop_timer;

enum {
	LOOP_SOURCES_MAX = 64,
};

#define LOOP_NEVER UINT64_MAX

/* events are those of epoll: EPOLLIN, EPOLLOUT, EPOLLPRI; EPOLLERR and EPOLLHUP always count. */
typedef int (*loop_fd_callback)(void *context, int fd, uint32_t events);

/* now_ns: CLOCK_MONOTONIC. The timer is off when this is called; set it again if wanted. */
typedef int (*loop_timer_callback)(void *context, uint64_t now_ns);

typedef int (*loop_signal_callback)(void *context, int signal_number);

/* Returns 0 or a negative errno. SIGPIPE is ignored from here on, until loop_destroy(). */
int loop_create(struct loop **ret_loop);

/* Closes what the loop itself opened, and puts the signals back as they were. NULL is allowed. */
void loop_destroy(struct loop *loop);

/*
 * Calls back whenever fd has one of events. The caller keeps fd and must remove it from the loop
 * before closing it. Returns 0; -EEXIST if fd is there already, -ENOSPC if the table is full,
 * -EPERM if fd is a kind of file that epoll does not take.
 */
int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_callback callback,
		void *context);

/* Both return -ENOENT if fd is not in the loop. */
int loop_modify_fd(struct loop *loop, int fd, uint32_t events);
int loop_remove_fd(struct loop *loop, int fd);

/* A new timer, off. Returns 0 or a negative errno. */
int loop_add_timer(struct loop *loop, loop_timer_callback callback, void *context,
		   struct loop_timer **ret_timer);

/* Fires once at at_ns (CLOCK_MONOTONIC; in the past: at once), replacing what was set before.
 * LOOP_NEVER turns it off. Returns 0 or a negative errno. */
int loop_timer_set(struct loop_timer *timer, uint64_t at_ns);
void loop_remove_timer(struct loop_timer *timer);

/*
 * SIGINT, SIGTERM and SIGHUP are blocked and delivered to callback, also one that comes to a thread
 * which has not blocked it. Once per loop: -EEXIST.
 */
int loop_add_signals(struct loop *loop, loop_signal_callback callback, void *context);

/*
 * Runs until loop_stop() or a failure. Returns the status given to loop_stop() (>= 0); or the
 * negative errno of the callback that failed, or of epoll itself.
 */
int loop_run(struct loop *loop);

/* Ends loop_run() after the callback that is running. status >= 0. */
void loop_stop(struct loop *loop, int status);

/* Handles what is pending, waiting at most timeout_ms for it (-1: for ever). As loop_run(), but
 * returns 0 when not stopped. */
int loop_run_once(struct loop *loop, int timeout_ms);

/* CLOCK_MONOTONIC now. */
uint64_t loop_now_ns(void);

#endif
