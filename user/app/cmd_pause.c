/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl pause, resume, reload: one word to the agent, and its answer. */
#include "tierctl.h"

static int ask(const struct tierctl *tierctl, enum control_verb verb)
{
	const struct control_line line = {.verb = verb};

	return tierctl_ask(tierctl, &line);
}

static int run_pause(const struct tierctl *tierctl)
{
	return ask(tierctl, CONTROL_PAUSE);
}

static int run_resume(const struct tierctl *tierctl)
{
	return ask(tierctl, CONTROL_RESUME);
}

static int run_reload(const struct tierctl *tierctl)
{
	return ask(tierctl, CONTROL_RELOAD);
}

const struct tierctl_command TIERCTL_PAUSE = {
	.name = "pause",
	.help = "No more steps, until resume.",
	.run = run_pause,
};

const struct tierctl_command TIERCTL_RESUME = {
	.name = "resume",
	.help = "Steps are decided again.",
	.run = run_resume,
};

const struct tierctl_command TIERCTL_RELOAD = {
	.name = "reload",
	.help = "Read the config file again; a wrong one changes nothing.",
	.run = run_reload,
};
