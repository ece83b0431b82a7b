/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate_stat.h"

#include <csv.h>
#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "gate_config.h"

enum column {
	COLUMN_PROXY,
	COLUMN_SERVER,
	COLUMN_RUNNING,
	COLUMN_QUEUED,
	COLUMN_STATUS,
	COLUMN_COUNT,
};

enum {
	VALUE_LEN = 64, /* longer ones are cut: none of ours is */
	INDEX_UNKNOWN = -1,
};

static const char *const COLUMN_NAMES[COLUMN_COUNT] = {
	[COLUMN_PROXY] = "# pxname", [COLUMN_SERVER] = "svname", [COLUMN_RUNNING] = "scur",
	[COLUMN_QUEUED] = "qcur",    [COLUMN_STATUS] = "status",
};

struct table {
	const struct manager_config *config;
	struct gate_stat stat;
	bool has_header;
	int field;
	int index[COLUMN_COUNT];
	char values[COLUMN_COUNT][VALUE_LEN];
};

static void on_field(void *bytes, size_t len, void *context)
{
	struct table *table = context;

	for (int column = 0; column < COLUMN_COUNT; column++) {
		if (!table->has_header && strlen(COLUMN_NAMES[column]) == len &&
		    strncmp(COLUMN_NAMES[column], bytes, len) == 0)
			table->index[column] = table->field;
		if (table->has_header && table->index[column] == table->field) {
			size_t kept = units_min(len, VALUE_LEN - 1);

			memcpy(table->values[column], bytes, kept);
			table->values[column][kept] = '\0';
		}
	}
	table->field++;
}

/* "no check" is a server in use without checks; "MAINT (via ...)" one that is not. */
static enum door door_of_status(const char *status)
{
	if (strncmp(status, "DRAIN", 5) == 0)
		return DOOR_DRAINING;
	if (strncmp(status, "UP", 2) == 0 || strcmp(status, "no check") == 0)
		return DOOR_OPEN;
	return DOOR_SHUT;
}

static uint64_t number(const char *text)
{
	uint64_t value = 0;

	return units_parse_u64(text, &value) == 0 ? value : 0;
}

static struct gate_server_stat *find_server(struct table *table)
{
	int tier;

	if (strcmp(table->values[COLUMN_PROXY], GATE_BACKEND) != 0)
		return NULL;
	if (strcmp(table->values[COLUMN_SERVER], GATE_HOLD) == 0)
		return &table->stat.hold;
	tier = manager_config_find_tier(table->config, table->values[COLUMN_SERVER]);
	return tier > MANAGER_TIER_OFF ? &table->stat.tiers[tier] : NULL;
}

static void on_row(int terminator, void *context)
{
	struct table *table = context;
	struct gate_server_stat *server = table->has_header ? find_server(table) : NULL;

	(void)terminator;
	if (server) {
		uint64_t in_flight = units_plus(number(table->values[COLUMN_RUNNING]),
						number(table->values[COLUMN_QUEUED]));

		server->is_known = true;
		server->door = door_of_status(table->values[COLUMN_STATUS]);
		server->in_flight = (uint32_t)units_min(in_flight, IN_FLIGHT_UNKNOWN - 1);
	}
	table->has_header = true;
	table->field = 0;
	memset(table->values, 0, sizeof(table->values));
}

int gate_stat_parse(const struct manager_config *config, const char *text, size_t len,
		    struct gate_stat *ret_stat)
{
	struct table table = {.config = config};
	struct csv_parser parser;
	bool is_good;

	for (int column = 0; column < COLUMN_COUNT; column++)
		table.index[column] = INDEX_UNKNOWN;
	if (csv_init(&parser, 0) != 0)
		return -ENOMEM;
	is_good = csv_parse(&parser, text, len, on_field, on_row, &table) == len &&
		  csv_fini(&parser, on_field, on_row, &table) == 0;
	csv_free(&parser);
	for (int column = 0; column < COLUMN_COUNT; column++)
		is_good = is_good && table.index[column] != INDEX_UNKNOWN;
	if (!is_good || !table.stat.hold.is_known)
		return -EBADMSG;
	*ret_stat = table.stat;
	return 0;
}
