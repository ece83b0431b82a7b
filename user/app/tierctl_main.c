/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl: see tierctl.h. */
#include "tierctl.h"

int main(int argc, char **argv)
{
	return tierctl_run(argc, argv);
}
