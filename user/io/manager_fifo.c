/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent's end of manager.fifo. States: lost (no descriptor: something foreign has its name),
 * parked (write end open, nobody reads, not in epoll because POLLERR would never cease), connected
 * (in epoll for the reader's death, and for room after the pipe was full).
 */
#include "io/manager_fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "io/fifo_watch.h"
#include "tierd/protocol.h"

enum {
	FIFO_MODE = 0640,
	FIFO_MODE_ALONE = 0600,
};

struct manager_fifo {
	const struct run_dir *dir;
	struct loop *loop;
	const struct manager_fifo_callbacks *callbacks;
	void *context;
	struct run_fifo node;
	struct fifo_watch watch;
	int write_fd;   /* -1 = lost */
	int lost_error; /* what on_replaced was told last */
	bool is_connected;
	bool is_full;
	struct stat lock_file; /* st_nlink 0 = none of ours */
	struct manager_fifo_counters counters;
};

static int on_write_event(void *context, int fd, uint32_t events);

static bool is_lock_file_current(const struct manager_fifo *fifo)
{
	struct stat info;

	return fifo->lock_file.st_nlink > 0 &&
	       fstatat(fifo->dir->fd, PROTOCOL_MANAGER_LOCK, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
	       info.st_dev == fifo->lock_file.st_dev && info.st_ino == fifo->lock_file.st_ino;
}

/* The lock file is made here because readers may not write to the directory. */
static int make_lock_file(struct manager_fifo *fifo)
{
	const struct run_dir *dir = fifo->dir;
	bool has_group = dir->group != (gid_t)-1;
	_cleanup_close_ int fd =
		openat(dir->fd, PROTOCOL_MANAGER_LOCK,
		       O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, FIFO_MODE_ALONE);
	struct stat info;

	if (fd < 0)
		return errno == ELOOP ? -EEXIST : -errno;
	if (fstat(fd, &info))
		return -errno;
	/* A hard link may lead to anybody's file. */
	if (!S_ISREG(info.st_mode) || info.st_uid != geteuid() || info.st_nlink != 1)
		return -EEXIST;
	if (has_group && fchown(fd, (uid_t)-1, dir->group))
		return -errno;
	if (fchmod(fd, has_group ? FIFO_MODE : FIFO_MODE_ALONE))
		return -errno;
	fifo->lock_file = info;
	return 0;
}

static bool is_read(int write_fd)
{
	struct pollfd poll_fd = {.fd = write_fd, .events = POLLOUT};

	return poll(&poll_fd, 1, 0) >= 0 && !(poll_fd.revents & POLLERR);
}

/* What is left then is manager_fifo_check(). */
static void stop_watching(struct manager_fifo *fifo)
{
	if (fifo->watch.fd >= 0)
		loop_remove_fd(fifo->loop, fifo->watch.fd);
	fifo_watch_close(&fifo->watch);
}

/* Opens the write end; for that moment we are the reader that it needs. */
static int park(struct manager_fifo *fifo)
{
	_cleanup_close_ int read_fd = run_fifo_open(&fifo->node, O_RDONLY);
	int write_fd;

	if (read_fd < 0)
		return read_fd;
	write_fd = run_fifo_open(&fifo->node, O_WRONLY);
	if (write_fd < 0)
		return write_fd;
	fifo->write_fd = write_fd;
	fifo->is_full = false;
	if (fifo->watch.fd >= 0 && fifo_watch_set_fifo(&fifo->watch, write_fd))
		stop_watching(fifo);
	return 0;
}

static void disconnect(struct manager_fifo *fifo)
{
	if (fifo->is_connected)
		loop_remove_fd(fifo->loop, fifo->write_fd);
	fifo->is_connected = false;
	if (fifo->write_fd >= 0)
		close(fifo->write_fd);
	fifo->write_fd = -1;
}

static int connect_reader(struct manager_fifo *fifo)
{
	int err = loop_add_fd(fifo->loop, fifo->write_fd, fifo->is_full ? EPOLLOUT : 0,
			      on_write_event, fifo);

	if (err)
		return err;
	fifo->is_connected = true;
	fifo->counters.readers++;
	return fifo->callbacks->on_reader(fifo->context);
}

/* Makes the FIFO again after its name led elsewhere. */
static int replace(struct manager_fifo *fifo)
{
	int err;

	disconnect(fifo);
	err = run_fifo_remake(&fifo->node);
	if (!err)
		err = park(fifo);
	if (!err)
		fifo->counters.replaced++;
	else if (err == fifo->lost_error)
		return 0;
	fifo->lost_error = err;
	return fifo->callbacks->on_replaced(fifo->context, err);
}

int manager_fifo_check(struct manager_fifo *fifo)
{
	int err = 0;

	/* If that fails it is tried again next time; readers see for themselves what is there. */
	if (!is_lock_file_current(fifo))
		(void)make_lock_file(fifo);
	if (fifo->write_fd < 0 || !run_fifo_is_current(&fifo->node))
		err = replace(fifo);
	if (err == 0 && fifo->write_fd >= 0 && !fifo->is_connected && is_read(fifo->write_fd))
		err = connect_reader(fifo);
	return err;
}

/* The reader is gone; or was, and another one came before we looked. */
static int reset(struct manager_fifo *fifo)
{
	disconnect(fifo);
	if (run_fifo_is_current(&fifo->node) && park(fifo) == 0) {
		/* Our own two opens are among these; a reader that came meanwhile is seen by poll,
		 * one that comes after this is reported anew. */
		fifo_watch_read(&fifo->watch, fifo->node.name);
	}
	return manager_fifo_check(fifo);
}

static int on_write_event(void *context, int fd, uint32_t events)
{
	struct manager_fifo *fifo = context;

	if (events & EPOLLERR)
		return reset(fifo);
	if (!(events & EPOLLOUT) || !fifo->is_full)
		return 0;
	fifo->is_full = false;
	loop_modify_fd(fifo->loop, fd, 0);
	return fifo->callbacks->on_writable(fifo->context);
}

static int on_watch_event(void *context, int fd, uint32_t events)
{
	struct manager_fifo *fifo = context;
	uint32_t happened = fifo_watch_read(&fifo->watch, fifo->node.name);
	bool was_connected = fifo->is_connected;
	int err;

	(void)fd;
	(void)events;
	err = happened ? manager_fifo_check(fifo) : 0;
	if (err || !(happened & FIFO_WATCH_OPENED) || !was_connected || !fifo->is_connected)
		return err;
	return fifo->callbacks->on_reader(fifo->context);
}

int manager_fifo_create(const struct run_dir *dir, struct loop *loop,
			const struct manager_fifo_callbacks *callbacks, void *context,
			struct manager_fifo **ret_fifo)
{
	struct manager_fifo *fifo = calloc(1, sizeof(*fifo));
	int err;

	if (!fifo)
		return -ENOMEM;
	fifo->dir = dir;
	fifo->loop = loop;
	fifo->callbacks = callbacks;
	fifo->context = context;
	fifo->write_fd = -1;
	fifo->watch = FIFO_WATCH_CLOSED;
	fifo->node = (struct run_fifo){.dir_fd = dir->fd, .name = PROTOCOL_MANAGER_FIFO};
	err = make_lock_file(fifo);
	if (!err)
		err = run_fifo_make(dir, PROTOCOL_MANAGER_FIFO, FIFO_MODE, FIFO_MODE_ALONE,
				    &fifo->node);
	if (!err && fifo_watch_open(dir->fd, &fifo->watch) == 0)
		err = loop_add_fd(loop, fifo->watch.fd, EPOLLIN, on_watch_event, fifo);
	if (!err)
		err = park(fifo);
	if (err) {
		manager_fifo_destroy(fifo);
		return err;
	}
	*ret_fifo = fifo;
	return 0;
}

void manager_fifo_destroy(struct manager_fifo *fifo)
{
	if (!fifo)
		return;
	disconnect(fifo);
	stop_watching(fifo);
	run_fifo_remove(&fifo->node);
	if (is_lock_file_current(fifo))
		unlinkat(fifo->node.dir_fd, PROTOCOL_MANAGER_LOCK, 0);
	free(fifo);
}

int manager_fifo_send(struct manager_fifo *fifo, const char *line, size_t len)
{
	if (len == 0 || len > PROTOCOL_LINE_MAX)
		return -EMSGSIZE;
	if (fifo->write_fd >= 0 && write(fifo->write_fd, line, len) == (ssize_t)len) {
		fifo->counters.sent++;
		return 0;
	}
	if (fifo->write_fd < 0 || errno == EPIPE) {
		fifo->counters.dropped_no_reader++;
		return -ENOTCONN;
	}
	if (errno != EAGAIN)
		return -errno;
	fifo->counters.dropped_full++;
	if (!fifo->is_full && fifo->is_connected)
		loop_modify_fd(fifo->loop, fifo->write_fd, EPOLLOUT);
	fifo->is_full = true;
	return -EAGAIN;
}

bool manager_fifo_is_watched(const struct manager_fifo *fifo)
{
	return fifo->watch.fd >= 0;
}

bool manager_fifo_has_reader(const struct manager_fifo *fifo)
{
	return fifo->is_connected;
}

const struct manager_fifo_counters *manager_fifo_get_counters(const struct manager_fifo *fifo)
{
	return &fifo->counters;
}
