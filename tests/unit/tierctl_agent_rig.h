/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl with a run directory, and with an agent there or without. */
#ifndef TIERD_TEST_TIERCTL_AGENT_RIG_H
#define TIERD_TEST_TIERCTL_AGENT_RIG_H

#include "tierctl_rig.h"

static struct rig rig;

RIG_FUNCTION int setup_agent(void **state)
{
	(void)state;
	rig_open(&rig);
	rig_start_agent(&rig);
	return 0;
}

RIG_FUNCTION int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

#endif
