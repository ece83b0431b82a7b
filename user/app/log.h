/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent's log for people: lines on standard error, with the seconds since the start in front.
 * Written without waiting and without allocating; a line that does not fit into a stuck pipe or
 * terminal is dropped and counted, because nothing that reads the log may hold up the agent.
 */
#ifndef TIERD_APP_LOG_H
#define TIERD_APP_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "options.h"

struct log {
	int fd;
	bool is_own_fd; /* opened anew, to close */
	bool is_torn;   /* the last line was written in part: the next one begins on a new line */
	uint32_t level; /* enum log_level: more than this is not written */
	uint64_t start_ns;
	uint64_t dropped;
	uint64_t limited; /* lines held back by log_rate_limited() since the last one written */
	uint64_t limit_window_ns;
	uint32_t limit_count;
};

/*
 * Logs to what fd leads to. A terminal, pipe or device is opened anew without blocking: whoever
 * stops reading it must not stop the agent, and O_NONBLOCK on fd itself would be felt by everybody
 * who shares it. fd must stay open where that cannot be done.
 */
void log_init(struct log *log, int fd, uint32_t level, uint64_t now_ns);

void log_close(struct log *log);

/* One line; a newline is added, and bytes that would upset a terminal are replaced. */
void log_write(struct log *log, uint32_t level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for what a stranger can cause: at most ten lines a minute, the rest is counted. */
void log_rate_limited(struct log *log, uint32_t level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
