/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tierctl listen: the built-in listener. Prints what the agent tells the manager, with what it
 * means, and never answers. It is the one reader of manager.fifo while it runs, waits for an agent,
 * and stays when the agent is restarted.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "client/client.h"
#include "listen_explain.h"
#include "tierctl.h"
#include "tierd/protocol.h"

enum {
	EXPLANATION_LEN = 512,
};

static void print_line(const struct tierd_client_event *event)
{
	char explanation[EXPLANATION_LEN];

	printf("%s\n", event->text);
	if (event->kind == TIERD_CLIENT_BAD_LINE)
		printf("  => not understood: %s\n", event->error);
	else if (listen_explain(&event->line, explanation, sizeof(explanation)) > 0)
		printf("  => %s\n", explanation);
	fflush(stdout);
}

static void print_event(const struct tierctl *tierctl, const struct tierd_client_event *event)
{
	switch (event->kind) {
	case TIERD_CLIENT_CONNECTED:
		fprintf(stderr, "tierctl: listening in %s\n", tierctl->run_dir);
		break;
	case TIERD_CLIENT_DISCONNECTED:
		fprintf(stderr, "tierctl: the agent is gone; waiting for an agent in %s\n",
			tierctl->run_dir);
		break;
	default:
		print_line(event);
		break;
	}
}

/* Prints all that there is. 0 to go on, or a negative errno. */
static int print_events(const struct tierctl *tierctl, struct tierd_client *client)
{
	struct tierd_client_event event;
	int r;

	while ((r = tierd_client_next(client, &event)) > 0) {
		print_event(tierctl, &event);
		if (ferror(stdout))
			return -EIO;
	}
	return r;
}

/* 0 on a signal, or a negative errno. */
static int listen_until_signal(const struct tierctl *tierctl, struct tierd_client *client,
			       int signal_fd)
{
	struct pollfd fds[] = {
		{.fd = signal_fd, .events = POLLIN},
		{.fd = tierd_client_get_fd(client), .events = POLLIN},
	};
	bool is_first = true;

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			return 0;
		int r = print_events(tierctl, client);

		if (r < 0)
			return r;
		if (is_first && !tierd_client_is_connected(client))
			fprintf(stderr, "tierctl: waiting for an agent in %s\n", tierctl->run_dir);
		is_first = false;
	}
}

static void close_client(struct tierd_client **client)
{
	tierd_client_close(*client);
}

static int run(const struct tierctl *tierctl)
{
	_cleanup_(close_client) struct tierd_client *client = NULL;
	_cleanup_close_ int signal_fd = -1;
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	int r = signal_fd < 0 ? -errno : tierd_client_open(tierctl->run_dir, &client);

	if (r == 0)
		r = listen_until_signal(tierctl, client, signal_fd);
	if (r == -EBUSY)
		tierctl_complain(tierctl, r);
	if (r == -EBUSY || r == -EIO)
		return TIERCTL_NO;
	return r < 0 ? tierctl_complain(tierctl, r) : TIERCTL_OK;
}

const struct tierctl_command TIERCTL_LISTEN = {
	.name = "listen",
	.help = "Print what the agent tells the manager, explained; never answers.",
	.run = run,
};
