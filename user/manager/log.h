/* SPDX-License-Identifier: BSD-2-Clause */
/* The manager's log for people: lines on standard error. */
#ifndef TIERD_MANAGER_LOG_H
#define TIERD_MANAGER_LOG_H

/* One line; a newline is added, and bytes that would upset a terminal are replaced. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for what a stranger can cause: at most ten lines a minute. */
void log_rare(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
