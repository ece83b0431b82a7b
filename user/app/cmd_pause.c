/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl pause, resume, reload: one word to the agent, and its answer. */
#include "tierctl.h"

static int run_pause(const struct tierctl *tierctl)
{
	return tierctl_ask(tierctl, "pause");
}

static int run_resume(const struct tierctl *tierctl)
{
	return tierctl_ask(tierctl, "resume");
}

static int run_reload(const struct tierctl *tierctl)
{
	return tierctl_ask(tierctl, "reload");
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
