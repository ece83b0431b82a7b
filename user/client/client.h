/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client side of tierd's FIFO protocol: for managers (programs that run models and do what the
 * agent asks for) and for whoever has one question. Installed as <tierd/client.h> with
 * libtierd-client.a; needs nothing but the C library. The grammar is in tierd-protocol(7).
 *
 * SIGPIPE must be ignored by the program. Functions return 0 or more, or a negative errno;
 * tierd_explain() puts the latter into words. Nothing here is locked: a struct tierd_client
 * belongs to one thread at a time. Paths are used anew at each connect, so a relative run_dir means
 * what the working directory is then.
 *
 * A manager, whole (errors left out):
 *
 *	struct tierd_client_event event;
 *	struct tierd_client *client;
 *
 *	signal(SIGPIPE, SIG_IGN);
 *	tierd_client_open("/run/tierd", &client);
 *	for (;;) {
 *		struct pollfd fd = {.fd = tierd_client_get_fd(client), .events = POLLIN};
 *
 *		poll(&fd, 1, -1);
 *		while (tierd_client_next(client, &event) > 0) {
 *			if (event.kind == TIERD_CLIENT_CONNECTED)
 *				tierd_client_hello(client, loaded_tier, getpid());
 *			else if (event.kind == TIERD_CLIENT_LINE &&
 *				 event.line.verb == MANAGER_SWITCH)
 *				... let running requests end, load event.line.to, and on the way
 *				tierd_client_ack(client, event.line.seq, ACK_DONE);
 *		}
 *	}
 */
#ifndef TIERD_CLIENT_H
#define TIERD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tierd/protocol.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
	TIERD_CLIENT_TIMEOUT_MS = 5000, /* a usual one for what follows */
	TIERD_CLIENT_ERROR_LEN = 256,
	TIERD_REPLY_MAX = 1024 * 1024 + 64, /* what the agent sends at most, and its first line */
};

/* ---- one line, one question -------------------------------------------------------------------
 */

struct tierd_reply {
	bool is_ok;
	char *text; /* what stands between `ok` and `end`, or after `error`; NUL-terminated */
	size_t len;
};

void tierd_reply_free(struct tierd_reply *reply);

/*
 * Sends one line and expects no reply. Returns 0; -ENXIO if no agent reads, -ENOENT if there is no
 * such run directory or FIFO, -EAGAIN if the pipe stays full for timeout_ms (0: does not wait),
 * -EACCES, -EPROTO if there is something else in the FIFO's place, -EINVAL or -EMSGSIZE if no line
 * can say that (protocol_format_control_line()), or another negative errno.
 */
int tierd_send(const char *run_dir, const struct control_line *line, int timeout_ms);

/*
 * Sends the line with a reply FIFO of its own, which is removed on every way out, and reads the
 * reply; line->reply is not looked at. As tierd_send(); also -ETIMEDOUT if the reply was not
 * complete within timeout_ms, -EPROTO if it broke off or is none, -EMSGSIZE if it is over
 * TIERD_REPLY_MAX, and -EINTR on SIGINT, SIGTERM, SIGHUP or SIGQUIT: these are held back
 * (sigprocmask) while the FIFO exists, and take effect before this returns, so only a caller that
 * handles them sees -EINTR. What comes back is bounded, and made harmless to a terminal.
 */
int tierd_request(const char *run_dir, const struct control_line *line, int timeout_ms,
		  struct tierd_reply *ret_reply);

/*
 * The same for a reply that goes on (watch): calls on_line with each line behind `ok`, without its
 * newline, until the agent says `end` (0), on_line returns a negative errno (which is returned
 * then), or a signal comes (-EINTR). output_fd is the pipe that the lines go into, or -1: when
 * nobody reads that any more it is over (-ECANCELED), also without another line. timeout_ms is for
 * the first line; -EPIPE if the agent goes away later. Where the agent answers with an error, 0 and
 * *ret_error as from tierd_request(); else that is untouched.
 */
int tierd_follow(const char *run_dir, const struct control_line *line, int timeout_ms,
		 int output_fd, int (*on_line)(void *context, const char *line), void *context,
		 struct tierd_reply *ret_error);

/* What such a result means, for people. */
const char *tierd_explain(int result);

/* ---- a manager --------------------------------------------------------------------------------
 */

enum tierd_client_event_kind {
	/* An agent is there, and we are its one reader: say hello. Its state follows. */
	TIERD_CLIENT_CONNECTED = 1,
	/* The agent is gone: keep what is loaded. Connecting again goes on by itself. */
	TIERD_CLIENT_DISCONNECTED,
	TIERD_CLIENT_LINE,
	/* A line that is not understood, damaged or too long: to be ignored. Newer agents may have
	 * verbs that this library does not know. */
	TIERD_CLIENT_BAD_LINE,
};

struct tierd_client_event {
	uint32_t kind;                      /* enum tierd_client_event_kind */
	struct manager_line line;           /* LINE */
	char text[PROTOCOL_LINE_MAX];       /* LINE, BAD_LINE: as it came, but printable */
	char error[TIERD_CLIENT_ERROR_LEN]; /* BAD_LINE: what is wrong, for people */
};

struct tierd_client_counters {
	uint64_t lines;
	uint64_t bad_lines; /* not understood or damaged */
	uint64_t overlong;  /* over PROTOCOL_LINE_MAX: thrown away up to the newline */
	uint64_t torn;      /* begun, and the agent went away */
	uint64_t connects;
};

struct tierd_client;

/*
 * Prepares to be the manager of the agent in run_dir, whether it is there yet or not. Returns 0 or
 * a negative errno (no memory, no descriptors).
 */
int tierd_client_open(const char *run_dir, struct tierd_client **ret_client);

/* Nothing is said to the agent. NULL is allowed. */
void tierd_client_close(struct tierd_client *client);

/* A descriptor that is readable (poll, epoll) when tierd_client_next() has something to do; the
 * same one until tierd_client_close(). For waiting only. */
int tierd_client_get_fd(const struct tierd_client *client);

/*
 * Does what is to be done without waiting: connects, looks twice a second whether the agent is
 * still there, reads. Returns 1 and an event; 0 when there is nothing more now (call until then:
 * the descriptor does not tell of lines that were read already); or a negative errno that says why
 * there is no connection, once per attempt: -EBUSY (another reader has the lock), -EACCES, -EPROTO
 * (there is something else in the place of a FIFO or of the lock file), -EMFILE and the like. It
 * may be called again after any. That no agent is there yet is none of these.
 */
int tierd_client_next(struct tierd_client *client, struct tierd_client_event *ret_event);

bool tierd_client_is_connected(const struct tierd_client *client);
const struct tierd_client_counters *tierd_client_get_counters(const struct tierd_client *client);

/*
 * What a manager says; none of them waits. Return as tierd_send() with no timeout. -EAGAIN, -ENXIO:
 * it is not lost for good - `state` comes every 10 s and after a hello, and a manager that finds
 * itself already where state wants it says its ack again.
 */
int tierd_client_send(struct tierd_client *client, const struct control_line *line);
/* tier: what is loaded, "" or NULL = not said. pid: of the model or its manager, 0 = not said. */
int tierd_client_hello(struct tierd_client *client, const char *tier, uint32_t pid);
/* state: enum ack_state. */
int tierd_client_ack(struct tierd_client *client, uint64_t seq, uint32_t state);
/* tier: where it runs, "" or NULL = on the one that serves. */
int tierd_client_task_begin(struct tierd_client *client, const char *id, const char *tier);

struct tierd_task {
	const char *id;
	const char *tier; /* if its begin was not told; else NULL */
	bool is_ok;       /* it did not fail */
	uint64_t ms;      /* how long it took */
	uint64_t tokens;  /* 0 = not said */
	uint64_t ttft_ms; /* time to the first token, 0 = not said */
};
int tierd_client_task_end(struct tierd_client *client, const struct tierd_task *task);

#ifdef __cplusplus
}
#endif

#endif
