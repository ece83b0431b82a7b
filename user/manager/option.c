/* SPDX-License-Identifier: BSD-2-Clause */
/* Every option there is, once; and how text becomes a value. */
#include "option.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "base/utf8.h"

#define CONFIG(field) offsetof(struct manager_config, field)
#define TIER(field) offsetof(struct tier_config, field)

static const char *const BACKEND_WORDS[] = {
	[BACKEND_EXEC] = "exec",
	[BACKEND_HAPROXY] = "haproxy",
	[BACKEND_LLAMA_SERVER] = "llama-server",
	[BACKEND_LLAMA_SWAP] = "llama-swap",
	[BACKEND_OLLAMA] = "ollama",
	NULL,
};

/* clang-format off */
const struct option_row MANAGER_OPTIONS[] = {
	/* section, key, type, offset, default, min, max, words, help */
	{"manager", "run_dir", OPTION_TEXT, CONFIG(run_dir), "/run/tierd", 1, MANAGER_PATH_LEN, NULL,
	 "Folder of the agent's FIFOs"},
	{"manager", "backend", OPTION_WORD, CONFIG(backend), "exec", 0, 0, BACKEND_WORDS,
	 "How tiers are operated"},
	{"manager", "user", OPTION_TEXT, CONFIG(user), "", 0, MANAGER_ADDRESS_LEN, NULL,
	 "A manager that root starts becomes this user; root must be said, too"},
	{"manager", "work_dir", OPTION_PATH, CONFIG(work_dir), "/run/tier-manager", 1,
	 MANAGER_WORK_DIR_LEN, NULL,
	 "Folder for the gate's sockets and its config; made if missing"},
	{"manager", "log_dir", OPTION_TEXT, CONFIG(log_dir), "", 0, MANAGER_PATH_LEN, NULL,
	 "Folder for what the servers print, a file for each tier; empty: to the manager's own output"},
	{"manager", "log_max", OPTION_BYTES, CONFIG(log_max_bytes), "16M", 4 * KIB, 64 * GIB, NULL,
	 "A log file of this size is renamed to .old and begun anew"},
	{"manager", "initial_tier", OPTION_TIER_NAME, CONFIG(initial_tier_name), "off", 0, 0, NULL,
	 "Loaded at the start, before the agent is asked"},
	{"manager", "heartbeat", OPTION_DURATION, CONFIG(heartbeat_ns), "10s", 100 * NS_PER_MS, NS_PER_HOUR,
	 NULL, "The agent's heartbeat; after three without a word the log says that it is silent"},
	{"manager", "shutdown_drain", OPTION_DURATION, CONFIG(shutdown_drain_ns), "10s", 0, NS_PER_HOUR, NULL,
	 "When the manager is stopped, running requests get this long to end"},
	{"manager", "report_rate", OPTION_NUMBER, CONFIG(report_per_s), "50", 0, 1000, NULL,
	 "At most this many requests a second are told to the agent one by one; 0 is none"},

	{"gate", "listen", OPTION_ADDRESS, CONFIG(gate_listen), "127.0.0.1:8080", 0, 0, NULL,
	 "haproxy: address of the clients"},
	{"gate", "command", OPTION_TEXT, CONFIG(gate_command), "haproxy", 1, MANAGER_TEXT_LEN, NULL,
	 "haproxy: the program"},
	{"gate", "socket", OPTION_PATH, CONFIG(gate_socket), "", 0,
	 MANAGER_SOCKET_LEN, NULL,
	 "haproxy: stats socket of one that runs already, with --print-gate's config; empty: start one"},
	{"gate", "wait", OPTION_DURATION, CONFIG(gate_wait_ns), "60s", NS_PER_S, NS_PER_HOUR, NULL,
	 "haproxy: how long a request waits for a tier before it fails"},
	{"gate", "timeout", OPTION_DURATION, CONFIG(gate_timeout_ns), "1h", NS_PER_S, 24 * NS_PER_HOUR, NULL,
	 "haproxy: a request on which nothing moves for this long is cut"},
	{"gate", "body_max", OPTION_BYTES, CONFIG(gate_body_max_bytes), "128K", 16 * KIB, 16 * MIB, NULL,
	 "haproxy: request bodies up to this size can be sent again to another tier"},
	{"gate", "max_requests", OPTION_NUMBER, CONFIG(gate_max_requests), "64", 1, 100000, NULL,
	 "haproxy: more at once, served and waiting, are answered 429"},

	{"api", "url", OPTION_TEXT, CONFIG(api_url), "http://127.0.0.1:8080", 1, MANAGER_TEXT_LEN, NULL,
	 "llama-server, llama-swap, ollama: where its API is"},

	{"tier", "memory", OPTION_BYTES, TIER(memory_bytes), "0", 1, UINT64_MAX / 4, NULL,
	 "As in tierd.conf; requests are cut only for a tier that takes less"},
	{"tier", "start", OPTION_TEXT, TIER(start), "", 0, MANAGER_TEXT_LEN, NULL,
	 "exec, haproxy: command that is the server, in the foreground"},
	{"tier", "stop", OPTION_TEXT, TIER(stop), "", 0, MANAGER_TEXT_LEN, NULL,
	 "exec, haproxy: command that makes it end; empty: SIGTERM to its process group"},
	{"tier", "drain", OPTION_TEXT, TIER(drain), "", 0, MANAGER_TEXT_LEN, NULL,
	 "exec: command that ends when no request runs on it any more; empty: it is not waited for"},
	{"tier", "health", OPTION_TEXT, TIER(health), "", 0, MANAGER_TEXT_LEN, NULL,
	 "exec, haproxy: URL that answers 2xx, or command that ends with 0, when it serves; "
	 "empty: http://ADDRESS/health"},
	{"tier", "address", OPTION_ADDRESS, TIER(address), "", 0, 0, NULL,
	 "exec, haproxy: host:port of its HTTP server"},
	{"tier", "model", OPTION_TEXT, TIER(model), "", 0, MANAGER_TEXT_LEN, NULL,
	 "Name of the model for the API, or TIER_MODEL for commands"},
	{"tier", "slots", OPTION_NUMBER, TIER(slots), "0", 0, 100000, NULL,
	 "haproxy: requests at once on this server, others wait in the gate; 0 is no limit"},
	{"tier", "health_period", OPTION_DURATION, TIER(health_period_ns), "10s", 100 * NS_PER_MS, NS_PER_HOUR,
	 NULL, "exec, haproxy: a server that serves is asked for its health with this pause"},
	{"tier", "health_timeout", OPTION_DURATION, TIER(health_timeout_ns), "10s", 100 * NS_PER_MS,
	 NS_PER_HOUR, NULL, "exec, haproxy: no answer within this is a failure; 429 and 503 are none"},
	{"tier", "health_limit", OPTION_NUMBER, TIER(health_limit), "3", 0, 1000, NULL,
	 "exec, haproxy: after so many failures in a row, and no request answered since the first, it "
	 "is killed and started again as if it had died; 0 is never"},
	{"tier", "load_timeout", OPTION_DURATION, TIER(load_timeout_ns), "120s", 100 * NS_PER_MS,
	 24 * NS_PER_HOUR, NULL, "A tier that does not serve after this has failed"},
	{"tier", "stop_timeout", OPTION_DURATION, TIER(stop_timeout_ns), "10s", 0, NS_PER_HOUR, NULL,
	 "After this the process group is killed"},
	{"tier", "restart_delay", OPTION_DURATION, TIER(restart_delay_ns), "1s", 10 * NS_PER_MS, NS_PER_HOUR,
	 NULL, "Wait before a server that died is started again; doubled each time"},
	{"tier", "restart_limit", OPTION_NUMBER, TIER(restart_limit), "5", 0, 1000, NULL,
	 "So many restarts, none of which lasted for restart_reset; then the tier has failed"},
	{"tier", "restart_reset", OPTION_DURATION, TIER(restart_reset_ns), "60s", 100 * NS_PER_MS,
	 24 * NS_PER_HOUR, NULL,
	 "exec, haproxy: a server that served for so long may be started restart_limit times anew"},
};
/* clang-format on */
const size_t MANAGER_OPTION_COUNT = ARRAY_SIZE(MANAGER_OPTIONS);
_Static_assert(ARRAY_SIZE(MANAGER_OPTIONS) <= MANAGER_OPTIONS_MAX, "MANAGER_OPTIONS_MAX");

const struct option_row *manager_option_find(const char *section, const char *key)
{
	for (size_t i = 0; i < MANAGER_OPTION_COUNT; i++) {
		if (strcmp(MANAGER_OPTIONS[i].section, section) == 0 &&
		    strcmp(MANAGER_OPTIONS[i].key, key) == 0)
			return &MANAGER_OPTIONS[i];
	}
	return NULL;
}

bool manager_address_split(const char *address, char *host, size_t host_size, uint32_t *ret_port)
{
	const char *colon = strrchr(address, ':');
	uint64_t port = 0;

	if (!colon || colon == address || (size_t)(colon - address) >= host_size ||
	    units_parse_u64(colon + 1, &port) < 0 || port == 0 || port > UINT16_MAX)
		return false;
	memcpy(host, address, (size_t)(colon - address));
	host[colon - address] = '\0';
	*ret_port = (uint32_t)port;
	return true;
}

int manager_config_find_tier(const struct manager_config *config, const char *name)
{
	for (uint32_t i = 0; i < config->tier_count; i++) {
		if (strcmp(config->tiers[i].name, name) == 0)
			return (int)i;
	}
	return -ENOENT;
}

/* ---- value types -------------------------------------------------------------------------------
 */

static int set_text(const struct option_row *row, void *field, const char *text)
{
	size_t len = strlen(text);

	if (len >= row->max)
		return -ERANGE;
	if (len < row->min)
		return -EINVAL;
	memcpy(field, text, len + 1);
	return 0;
}

/* It stands in the gate's configuration and in a shell's command. */
static int set_path(const struct option_row *row, void *field, const char *text)
{
	static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789/._+@-";

	if (text[0] && (text[0] != '/' || strspn(text, ALLOWED) != strlen(text)))
		return -EINVAL;
	return set_text(row, field, text);
}

static int set_tier_name(const struct option_row *row, void *field, const char *text)
{
	size_t len = strlen(text);

	(void)row;
	if (len == 0 || len >= EVENT_TIER_NAME_LEN)
		return -EINVAL;
	memcpy(field, text, len + 1);
	return 0;
}

/* What may stand in the gate's config and in a URL without being quoted. */
static bool is_address(const char *text)
{
	static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_[]:*";
	char host[MANAGER_ADDRESS_LEN];
	uint32_t port;

	return strspn(text, ALLOWED) == strlen(text) &&
	       manager_address_split(text, host, sizeof(host), &port);
}

static int set_address(const struct option_row *row, void *field, const char *text)
{
	size_t len = strlen(text);

	(void)row;
	if (len >= MANAGER_ADDRESS_LEN || (len > 0 && !is_address(text)))
		return -EINVAL;
	memcpy(field, text, len + 1);
	return 0;
}

static int check_range(const struct option_row *row, uint64_t value)
{
	return value < row->min || value > row->max ? -ERANGE : 0;
}

static int set_u64(const struct option_row *row, void *field, const char *text)
{
	uint64_t value = 0;
	int r = row->type == OPTION_BYTES ? units_parse_bytes(text, &value)
					  : units_parse_duration(text, &value);

	if (r == 0)
		r = check_range(row, value);
	if (r == 0)
		*(uint64_t *)field = value;
	return r;
}

static int set_number(const struct option_row *row, void *field, const char *text)
{
	uint64_t value = 0;
	int r = units_parse_u64(text, &value);

	if (r == 0)
		r = check_range(row, value);
	if (r == 0)
		*(uint32_t *)field = (uint32_t)value;
	return r;
}

static int set_word(const struct option_row *row, void *field, const char *text)
{
	for (uint32_t i = 0; row->words[i]; i++) {
		if (strcmp(row->words[i], text) == 0) {
			*(uint32_t *)field = i;
			return 0;
		}
	}
	return -EINVAL;
}

static const struct value_type {
	const char *allowed;
	int (*set)(const struct option_row *row, void *field, const char *text);
	size_t size; /* 0 = as the row says */
} TYPES[] = {
	[OPTION_TEXT] = {"text", set_text, 0},
	[OPTION_PATH] = {"an absolute path of A-Z a-z 0-9 / . _ + @ -", set_path, 0},
	[OPTION_TIER_NAME] = {"the name of a tier", set_tier_name, EVENT_TIER_NAME_LEN},
	[OPTION_ADDRESS] = {"host:port", set_address, MANAGER_ADDRESS_LEN},
	[OPTION_BYTES] = {"a size like 512M or 1.5G", set_u64, sizeof(uint64_t)},
	[OPTION_DURATION] = {"a duration like 250ms, 5s or 10m", set_u64, sizeof(uint64_t)},
	[OPTION_NUMBER] = {"a whole number", set_number, sizeof(uint32_t)},
	[OPTION_WORD] = {NULL, set_word, sizeof(uint32_t)},
};

static void describe_allowed(const struct option_row *row, char *buffer, size_t size)
{
	char min[UNITS_TEXT_LEN];
	char max[UNITS_TEXT_LEN];
	size_t len = 0;

	switch (row->type) {
	case OPTION_WORD:
		for (size_t i = 0; row->words[i] && len < size; i++)
			len += (size_t)snprintf(buffer + len, size - len, "%s%s", i > 0 ? ", " : "",
						row->words[i]);
		return;
	case OPTION_TEXT:
		snprintf(buffer, size, "%" PRIu64 " to %" PRIu64 " bytes", row->min, row->max - 1);
		return;
	case OPTION_NUMBER:
		snprintf(buffer, size, "a whole number, %" PRIu64 " to %" PRIu64, row->min,
			 row->max);
		return;
	case OPTION_BYTES:
		snprintf(buffer, size, "%s, from %s on", TYPES[row->type].allowed,
			 units_format_bytes(row->min, min));
		return;
	case OPTION_DURATION:
		snprintf(buffer, size, "%s, %s to %s", TYPES[row->type].allowed,
			 units_format_duration(row->min, min),
			 units_format_duration(row->max, max));
		return;
	default:
		snprintf(buffer, size, "%s", TYPES[row->type].allowed);
	}
}

int manager_option_set(const struct option_row *row, void *base, const char *text, char *error,
		       size_t error_size)
{
	char value[64];
	char allowed[160];
	int r = TYPES[row->type].set(row, (char *)base + row->offset, text);

	if (r == 0)
		return 0;
	describe_allowed(row, allowed, sizeof(allowed));
	snprintf(error, error_size, "\"%s\" is not allowed: %s",
		 utf8_copy_printable(text, strlen(text), value, sizeof(value)), allowed);
	return -EINVAL;
}

void manager_option_copy(const struct option_row *row, void *to, const void *from)
{
	size_t size = TYPES[row->type].size ? TYPES[row->type].size : row->max;

	memcpy((char *)to + row->offset, (const char *)from + row->offset, size);
}

void manager_config_describe(FILE *out)
{
	const char *section = "";

	for (size_t i = 0; i < MANAGER_OPTION_COUNT; i++) {
		const struct option_row *row = &MANAGER_OPTIONS[i];

		if (strcmp(section, row->section) != 0) {
			section = row->section;
			fprintf(out, "\n[%s]\n",
				strcmp(section, "tier") == 0 ? "tier NAME], [server" : section);
		}
		fprintf(out, "  %s [%s]\n      %s.\n", row->key, row->fallback, row->help);
	}
}
