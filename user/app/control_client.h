/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The asking side of control.fifo: sends one line and, where wanted, waits for the reply in a FIFO
 * of its own, which is removed on every way out, signals included.
 *
 * SIGPIPE must be ignored. Everything that comes back is a stranger's: it is bounded, and made
 * harmless to a terminal. Depends on base and include only.
 */
#ifndef TIERD_APP_CONTROL_CLIENT_H
#define TIERD_APP_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

enum {
	CONTROL_TIMEOUT_MS = 5000,
	CONTROL_REPLY_MAX = 1024 * 1024 + 64, /* what the agent sends at most, and its first line */
};

struct control_reply {
	bool is_ok;
	char *text; /* what stands between `ok` and `end`, or after `error`; NUL-terminated */
	size_t len;
};

void control_reply_free(struct control_reply *reply);

/*
 * Sends one line (without its newline) and expects no reply. Returns 0; -ENXIO if no agent reads,
 * -ENOENT if there is no such run directory or FIFO, -EAGAIN if the pipe stays full for
 * timeout_ms, -EACCES, -EMSGSIZE, or another negative errno.
 */
int control_send(const char *run_dir, const char *line, int timeout_ms);

/*
 * Sends `line reply=NAME` and reads the reply. As control_send(); also -ETIMEDOUT if it was not
 * complete within timeout_ms, -EPROTO if it broke off or is none, -EMSGSIZE if it is over
 * CONTROL_REPLY_MAX, and -EINTR on SIGINT, SIGTERM, SIGHUP or SIGQUIT: the signal itself takes
 * effect before this returns, so only a caller that handles it sees -EINTR.
 */
int control_request(const char *run_dir, const char *line, int timeout_ms,
		    struct control_reply *ret_reply);

/* What such a result means, for people. */
const char *control_explain(int result);

#endif
