/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What children print, in a file of bounded size: at log_max it is renamed to NAME.old and begun
 * anew. Reading never waits; what cannot be written (a full disk) is dropped and counted.
 */
#ifndef TIERD_MANAGER_CHILD_LOG_H
#define TIERD_MANAGER_CHILD_LOG_H

#include <stdint.h>

#include "config.h"
#include "loop.h"

struct child_log {
	struct loop *loop;
	struct loop_source source; /* read end of the pipe */
	int write_fd;              /* for the children; -1 = none: they print where we do */
	int file_fd;
	uint64_t size;
	uint64_t max_bytes;
	uint64_t dropped;
	char path[MANAGER_PATH_LEN + EVENT_TIER_NAME_LEN + 8];
};

/* dir "" = no file. 0 or a negative errno. */
int child_log_open(struct child_log *log, struct loop *loop, const char *dir, const char *name,
		   uint64_t max_bytes);
void child_log_close(struct child_log *log);

#endif
