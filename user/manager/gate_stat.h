/* SPDX-License-Identifier: BSD-2-Clause */
/* What HAProxy's `show stat` says of the tiers. Columns are found by the names in its header. */
#ifndef TIERD_MANAGER_GATE_STAT_H
#define TIERD_MANAGER_GATE_STAT_H

#include "backend.h"
#include "config.h"

struct gate_server_stat {
	bool is_known;      /* there is such a server */
	enum door door;     /* as it is now */
	uint32_t in_flight; /* requests that run on it or wait for it */
};

struct gate_stat {
	struct gate_server_stat tiers[MANAGER_TIERS_MAX];
	struct gate_server_stat hold;
};

/* Parses len bytes of CSV, which may hold anything. 0, or -EBADMSG and *ret_stat untouched. */
int gate_stat_parse(const struct manager_config *config, const char *text, size_t len,
		    struct gate_stat *ret_stat);

#endif
