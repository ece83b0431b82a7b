/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl watch: the agent's decisions, as they are made. */
#include <errno.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <unistd.h>

#include "client/client.h"
#include "tierctl.h"

static int print_line(void *context, const char *line)
{
	(void)context;
	printf("%s\n", line);
	if (fflush(stdout) == 0)
		return 0;
	return errno == EPIPE ? -ECANCELED : -EIO;
}

static int run(const struct tierctl *tierctl)
{
	const struct control_line line = {
		.verb = CONTROL_WATCH,
		.is_json = tierctl_get(tierctl, TIERCTL_KEY_JSON) != NULL,
	};
	struct tierd_reply reply = {.is_ok = true};
	int result = tierd_follow(tierctl->run_dir, &line, TIERD_CLIENT_TIMEOUT_MS, STDOUT_FILENO,
				  print_line, NULL, &reply);

	/* As `watch | head -1` does. A line that nobody was there to read is not lost output. */
	if (result == -ECANCELED) {
		__fpurge(stdout);
		clearerr(stdout);
		return TIERCTL_OK;
	}
	if (result == -EIO)
		return TIERCTL_NO;
	if (result < 0)
		return tierctl_complain(tierctl, result);
	if (reply.is_ok)
		return TIERCTL_OK;
	fprintf(stderr, "tierctl: the agent says: %s\n", reply.text);
	tierd_reply_free(&reply);
	return TIERCTL_NO;
}

static const struct argp_option OPTIONS[] = {
	{"json", TIERCTL_KEY_JSON, NULL, 0, "As JSON, as in the file of decisions", 0},
	{0},
};

const struct tierctl_command TIERCTL_WATCH = {
	.name = "watch",
	.help = "Print each decision as it is made, with its reason and numbers."
		"\vUntil Ctrl-C, until nobody reads its output, or until the agent ends. `lost N` "
		"stands for decisions that were not read in time.",
	.options = OPTIONS,
	.run = run,
};
