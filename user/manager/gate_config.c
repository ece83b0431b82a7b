/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate_config.h"

#include <errno.h>
#include <inttypes.h>

#include "base/units.h"

void gate_stats_path(const struct manager_config *config, char path[GATE_PATH_LEN])
{
	if (config->gate_socket[0])
		snprintf(path, GATE_PATH_LEN, "%s", config->gate_socket);
	else
		snprintf(path, GATE_PATH_LEN, "%s/gate.sock", config->work_dir);
}

void gate_log_path(const struct manager_config *config, char path[GATE_PATH_LEN])
{
	snprintf(path, GATE_PATH_LEN, "%s/gate-log.sock", config->work_dir);
}

static void write_global(const struct manager_config *config, FILE *out)
{
	char stats[GATE_PATH_LEN];
	char log[GATE_PATH_LEN];

	gate_stats_path(config, stats);
	gate_log_path(config, log);
	fprintf(out,
		"global\n"
		"\t# Where tier-manager opens and shuts the tiers; nobody else may.\n"
		"\tstats socket %s mode 600 level admin expose-fd listeners\n"
		"\tstats timeout 1h\n"
		"\t# How each request ended: one datagram each, lost if nobody reads.\n"
		"\tlog %s len 512 format raw daemon info\n"
		"\t# Another proxy on the same port is an error, not a silent second half.\n"
		"\tnoreuseport\n"
		"\t# Streams that run when it is stopped softly get this long.\n"
		"\thard-stop-after 1h\n"
		"\t# A request is sent again only if it fits in here as a whole.\n"
		"\ttune.bufsize %" PRIu64 "\n\n",
		stats, log, config->gate_body_max_bytes);
}

static void write_defaults(const struct manager_config *config, FILE *out)
{
	uint64_t timeout_s = config->gate_timeout_ns / NS_PER_S;
	uint64_t wait_ms = config->gate_wait_ns / NS_PER_MS;

	fprintf(out,
		"defaults\n"
		"\tmode http\n"
		"\tlog global\n"
		"\t# Tier, total ms, ms queued, ms to connect, ms to the first byte, status, how "
		"it ended.\n"
		"\tlog-format \"%%s %%Ta %%Tw %%Tc %%Tr %%ST %%ts\"\n"
		"\t# Reused connections to a server would fail without the pause between two "
		"tries.\n"
		"\toption http-server-close\n"
		"\t# The body is read first, so that it can be sent again.\n"
		"\toption http-buffer-request\n"
		"\t# A client that has left does not wait any longer, nor keep a tier busy.\n"
		"\toption abortonclose\n"
		"\toption idle-close-on-response\n"
		"\t# Streams may be silent for long.\n"
		"\ttimeout client %" PRIu64 "s\n"
		"\ttimeout server %" PRIu64 "s\n"
		"\ttimeout http-request 60s\n"
		"\ttimeout http-keep-alive 60s\n"
		"\ttimeout queue %" PRIu64 "ms\n"
		"\t# Waiting for a tier is trying again: so often, with this pause, on whichever "
		"is there.\n"
		"\ttimeout connect %dms\n"
		"\tretries %" PRIu64 "\n"
		"\toption redispatch 1\n"
		"\tretry-on conn-failure empty-response\n\n",
		timeout_s, timeout_s, wait_ms, GATE_RETRY_MS,
		units_max(wait_ms / GATE_RETRY_MS, 1));
}

int gate_write_config(const struct manager_config *config, FILE *out)
{
	fprintf(out, "# Written by tier-manager from its own configuration: change that.\n");
	write_global(config, out);
	write_defaults(config, out);
	fprintf(out,
		"frontend gate\n"
		"\tbind %s\n"
		"\t# More at once, served and waiting, are turned away.\n"
		"\thttp-request return status 429 content-type text/plain string \"too many "
		"requests\\n\" "
		"if { be_conn(" GATE_BACKEND ") ge %u }\n"
		"\tdefault_backend " GATE_BACKEND "\n\n"
		"backend " GATE_BACKEND "\n"
		"\t# Nobody listens there: with it a request waits for a tier, without it gets "
		"503.\n"
		"\t# Before default-server, whose maxconn is none of its own.\n"
		"\tserver " GATE_HOLD " 127.0.0.1:1 backup disabled\n"
		"\t# Shut until tier-manager opens it. No checks: it is the manager that asks for "
		"health,\n"
		"\t# and a server under pressure is slow, not gone.\n"
		"\tdefault-server disabled\n",
		config->gate_listen, config->gate_max_requests);
	for (uint32_t i = 1; i < config->tier_count; i++) {
		const struct tier_config *tier = &config->tiers[i];

		fprintf(out, "\tserver %s %s", tier->name, tier->address);
		if (tier->slots > 0)
			fprintf(out, " maxconn %u", tier->slots);
		fputc('\n', out);
	}
	return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}
