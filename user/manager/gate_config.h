/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration of HAProxy as the gate in front of the tiers. */
#ifndef TIERD_MANAGER_GATE_CONFIG_H
#define TIERD_MANAGER_GATE_CONFIG_H

#include <stdio.h>

#include "config.h"

#define GATE_BACKEND "llm" /* in HAProxy's words: what holds the tiers */
#define GATE_HOLD "hold"   /* the server that is none: requests wait on it */

enum {
	GATE_PATH_LEN = 108, /* sun_path, unix(7) */
	/* A request tries again this often while it waits. */
	GATE_RETRY_MS = 250,
};

/* Paths of the gate's sockets; those of another's gate where the config names one. */
void gate_stats_path(const struct manager_config *config, char path[GATE_PATH_LEN]);
void gate_log_path(const struct manager_config *config, char path[GATE_PATH_LEN]);

/* Writes it. 0, or -EIO. */
int gate_write_config(const struct manager_config *config, FILE *out);

#endif
