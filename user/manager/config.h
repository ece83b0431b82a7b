/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration of tier-manager: one table of options drives the file, the help and the checks.
 */
#ifndef TIERD_MANAGER_CONFIG_H
#define TIERD_MANAGER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tierd/event.h"

enum {
	MANAGER_TIERS_MAX = 16, /* with `off`, as tierd's ladder */
	MANAGER_TEXT_LEN = 1024,
	MANAGER_PATH_LEN = 256,
	MANAGER_WORK_DIR_LEN = 64, /* names of sockets in it fit into sun_path (108) */
	MANAGER_SOCKET_LEN = 100,
	MANAGER_ADDRESS_LEN = 128,
	MANAGER_ERROR_LEN = 512,
	MANAGER_TIER_OFF = 0, /* index of the tier that is always there */
};

enum backend_kind {
	BACKEND_EXEC,
	BACKEND_HAPROXY,
	BACKEND_LLAMA_SERVER,
	BACKEND_LLAMA_SWAP,
	BACKEND_OLLAMA,
};

/* [tier NAME], and [server] for what a tier does not say. */
struct tier_config {
	char name[EVENT_TIER_NAME_LEN];
	uint64_t memory_bytes; /* the order of the tiers */
	char start[MANAGER_TEXT_LEN];
	char stop[MANAGER_TEXT_LEN];
	char drain[MANAGER_TEXT_LEN];
	char health[MANAGER_TEXT_LEN]; /* URL or command */
	char address[MANAGER_ADDRESS_LEN];
	char model[MANAGER_TEXT_LEN];
	uint64_t health_period_ns;
	uint64_t health_timeout_ns;
	uint32_t health_limit; /* 0 = what hangs is left alone */
	uint64_t load_timeout_ns;
	uint64_t stop_timeout_ns;
	uint64_t restart_delay_ns;
	uint32_t restart_limit;
	uint64_t restart_reset_ns;
	uint32_t slots; /* 0 = as many as come */
};

struct manager_config {
	char run_dir[MANAGER_PATH_LEN];
	char work_dir[MANAGER_WORK_DIR_LEN];
	char user[MANAGER_ADDRESS_LEN];
	char log_dir[MANAGER_PATH_LEN];
	char initial_tier_name[EVENT_TIER_NAME_LEN];
	uint32_t initial_tier;
	uint32_t backend; /* enum backend_kind */
	uint64_t log_max_bytes;
	uint64_t heartbeat_ns;
	uint64_t shutdown_drain_ns;
	uint32_t report_per_s;

	char gate_listen[MANAGER_ADDRESS_LEN];
	char gate_command[MANAGER_TEXT_LEN];
	char gate_socket[MANAGER_SOCKET_LEN];
	uint64_t gate_wait_ns;
	uint64_t gate_timeout_ns;
	uint64_t gate_body_max_bytes;
	uint32_t gate_max_requests;

	char api_url[MANAGER_TEXT_LEN];

	uint32_t tier_count; /* with `off` */
	struct tier_config tiers[MANAGER_TIERS_MAX];
};

/*
 * Reads path whole and checks it. 0; or a negative errno and one line `file:line: section.key:
 * what` in error; then *ret_config is untouched.
 */
int manager_config_load(const char *path, struct manager_config *ret_config, char *error,
			size_t error_size);

/* The same of text that is there already; name stands for it in errors. */
int manager_config_parse(const char *text, size_t len, const char *name,
			 struct manager_config *ret_config, char *error, size_t error_size);

/* Every option, its default and what it means. */
void manager_config_describe(FILE *out);

/* Index of a tier, also of `off`; -ENOENT. */
int manager_config_find_tier(const struct manager_config *config, const char *name);

/* The part before and after the last colon of host:port; false if it is none. */
bool manager_address_split(const char *address, char *host, size_t host_size, uint32_t *ret_port);

#endif
