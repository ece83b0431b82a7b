// SPDX-License-Identifier: BSD-2-Clause
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/units.h"
#include "io/loop.h"

enum {
	LOG_LINE_LEN = 1024,
	LIMIT_LINES = 10,
};

#define LIMIT_NS (60 * NS_PER_S)

void log_init(struct log *log, int fd, uint32_t level, uint64_t now_ns)
{
	char path[32];
	struct stat status;
	int own_fd = -1;

	*log = (struct log){.fd = fd, .level = level, .start_ns = now_ns};
	if (fstat(fd, &status) < 0 || S_ISREG(status.st_mode))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own_fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own_fd < 0)
		return;
	log->fd = own_fd;
	log->is_own_fd = true;
}

void log_close(struct log *log)
{
	if (log->is_own_fd)
		close(log->fd);
	log->fd = STDERR_FILENO;
	log->is_own_fd = false;
}

/* Where the descriptor could not be opened anew (a socket), this is the best that can be done. */
static bool fd_has_room(const struct log *log)
{
	struct pollfd poller = {log->fd, POLLOUT, 0};

	return log->is_own_fd || (poll(&poller, 1, 0) > 0 && poller.revents & POLLOUT);
}

static void line_put(struct log *log, const char *line, size_t length)
{
	ssize_t written = -1;

	if (log->is_torn && fd_has_room(log) && write(log->fd, "\n", 1) == 1)
		log->is_torn = false;
	if (!log->is_torn && fd_has_room(log))
		written = write(log->fd, line, length);
	if (written == (ssize_t)length)
		return;
	log->dropped++;
	log->is_torn = log->is_torn || written > 0;
}

static void line_clean(char *line, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
}

__attribute__((format(printf, 2, 0))) static void line_write(struct log *log, const char *format,
							     va_list arguments)
{
	char line[LOG_LINE_LEN];
	uint64_t since_ns = loop_now_ns() - log->start_ns;
	int head = snprintf(line, sizeof(line), "%6llu.%03llu  ",
			    (unsigned long long)(since_ns / NS_PER_S),
			    (unsigned long long)(since_ns / NS_PER_MS % 1000));
	int length = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, format, arguments);

	if (length < 0)
		return;
	length += head;
	if (length > LOG_LINE_LEN - 2)
		length = LOG_LINE_LEN - 2;
	line_clean(line, (size_t)length);
	line[length++] = '\n';
	line_put(log, line, (size_t)length);
}

void log_write(struct log *log, uint32_t level, const char *format, ...)
{
	va_list arguments;

	if (level > log->level)
		return;
	va_start(arguments, format);
	line_write(log, format, arguments);
	va_end(arguments);
}

void log_rate_limited(struct log *log, uint32_t level, const char *format, ...)
{
	uint64_t now_ns = loop_now_ns();
	va_list arguments;

	if (level > log->level)
		return;
	if (now_ns - log->limit_window_ns >= LIMIT_NS) {
		log->limit_window_ns = now_ns;
		log->limit_count = 0;
		if (log->limited)
			log_write(log, level, "%llu more such lines were held back",
				  (unsigned long long)log->limited);
		log->limited = 0;
	}
	if (log->limit_count >= LIMIT_LINES) {
		log->limited++;
		return;
	}
	log->limit_count++;
	va_start(arguments, format);
	line_write(log, format, arguments);
	va_end(arguments);
}
