// SPDX-License-Identifier: BSD-2-Clause
/* Keeps the empty program of floor.bpf.c attached until it is ended by a signal. */
#include <stdio.h>
#include <unistd.h>

#include "floor.skel.h"

int main(void)
{
	struct floor *floor = floor__open_and_load();

	if (!floor || floor__attach(floor) < 0) {
		perror("floor");
		return 1;
	}
	pause();
	return 0;
}
