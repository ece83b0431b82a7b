// SPDX-License-Identifier: BSD-2-Clause
/* tierd: the agent. */
#include "agent.h"
#include "options.h"

int main(int argc, char **argv)
{
	static struct agent agent;
	struct config_arguments arguments;
	int status;

	config_parse_arguments(argc, argv, &arguments);
	status = agent_open(&agent, &arguments);
	if (status == 0)
		status = agent_run(&agent);
	agent_close(&agent);
	return status;
}
