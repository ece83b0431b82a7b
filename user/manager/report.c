/* SPDX-License-Identifier: BSD-2-Clause */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

/* The fields of the gate's log-format, in its order. */
enum field {
	FIELD_SERVER,
	FIELD_TOTAL_MS,
	FIELD_QUEUE_MS,
	FIELD_CONNECT_MS,
	FIELD_RESPONSE_MS,
	FIELD_STATUS,
	FIELD_END,
	FIELD_COUNT,
};

enum {
	LINE_LEN = 256,
	ID_LEN = 32,
};

void report_open(struct report *report, const struct manager_config *config,
		 struct agent_link *link)
{
	memset(report, 0, sizeof(*report));
	report->config = config;
	report->link = link;
}

/* -1 stands for what did not happen. */
static bool parse_ms(const char *text, int64_t *ret_ms)
{
	uint64_t value = 0;

	if (strcmp(text, "-1") == 0) {
		*ret_ms = -1;
		return true;
	}
	if (units_parse_u64(text, &value) < 0 || value > INT32_MAX)
		return false;
	*ret_ms = (int64_t)value;
	return true;
}

/*
 * Whether the tier failed. The first letter of the state at the end tells who ended it: `-` nobody,
 * `C` and `c` the client, who may have gone for any reason.
 */
static bool is_ok(int64_t status, const char *end)
{
	if (end[0] == 'C' || end[0] == 'c')
		return true;
	return status >= 100 && status < 500 && (end[0] == '-' || end[0] == 'L');
}

int report_parse(const struct manager_config *config, const char *line, struct request_end *ret_end)
{
	char copy[LINE_LEN];
	char *fields[FIELD_COUNT];
	int64_t ms[FIELD_COUNT];
	char *rest = copy;
	int tier;

	if (snprintf(copy, sizeof(copy), "%s", line) >= (int)sizeof(copy))
		return -EBADMSG;
	copy[strcspn(copy, "\r\n")] = '\0';
	for (int i = 0; i < FIELD_COUNT; i++) {
		fields[i] = strsep(&rest, " ");
		if (!fields[i] || !fields[i][0])
			return -EBADMSG;
	}
	for (int i = FIELD_TOTAL_MS; i <= FIELD_STATUS; i++) {
		if (!parse_ms(fields[i], &ms[i]))
			return -EBADMSG;
	}
	if (rest || strlen(fields[FIELD_END]) != 2)
		return -EBADMSG;
	tier = manager_config_find_tier(config, fields[FIELD_SERVER]);
	*ret_end = (struct request_end){
		.tier = tier > 0 ? (uint32_t)tier : MANAGER_TIER_OFF,
		.is_ok = is_ok(ms[FIELD_STATUS], fields[FIELD_END]),
		.ms = ms[FIELD_TOTAL_MS] > 0 ? (uint64_t)ms[FIELD_TOTAL_MS] : 0,
	};
	ret_end->is_served = tier > 0 && ms[FIELD_RESPONSE_MS] >= 0 && fields[FIELD_END][0] == '-';
	if (ms[FIELD_QUEUE_MS] >= 0 && ms[FIELD_CONNECT_MS] >= 0 && ms[FIELD_RESPONSE_MS] >= 0)
		ret_end->ttft_ms = (uint64_t)(ms[FIELD_QUEUE_MS] + ms[FIELD_CONNECT_MS] +
					      ms[FIELD_RESPONSE_MS]);
	return 0;
}

static const char *format_id(uint64_t id, char buffer[ID_LEN])
{
	snprintf(buffer, ID_LEN, "gate-%" PRIu64, id);
	return buffer;
}

void report_running(struct report *report, uint32_t tier, uint32_t count)
{
	char id[ID_LEN];

	if (report->config->report_per_s == 0)
		return;
	while (report->open_count[tier] < units_min(count, REPORT_OPEN_MAX)) {
		uint64_t number = ++report->next_id;

		report->open[tier][report->open_count[tier]++] = number;
		agent_link_task_begin(report->link, format_id(number, id),
				      report->config->tiers[tier].name);
	}
}

/* Whether one more may be told in this second. */
static bool take_turn(struct report *report)
{
	uint64_t now_ns = loop_now_ns();

	if (now_ns - report->second_ns >= NS_PER_S) {
		report->second_ns = now_ns;
		report->told = 0;
	}
	if (report->told >= report->config->report_per_s) {
		report->held_back++;
		return false;
	}
	report->told++;
	return true;
}

void report_end(struct report *report, const struct request_end *end)
{
	struct tierd_task task = {
		.tier = report->config->tiers[end->tier].name,
		.is_ok = end->is_ok,
		.ms = end->ms,
		.ttft_ms = end->ttft_ms,
	};
	uint64_t number;
	char id[ID_LEN];

	if (end->tier == MANAGER_TIER_OFF)
		return;
	/* What was begun is always ended. */
	if (report->open_count[end->tier] > 0)
		number = report->open[end->tier][--report->open_count[end->tier]];
	else if (take_turn(report))
		number = ++report->next_id;
	else
		return;
	task.id = format_id(number, id);
	agent_link_task_end(report->link, &task);
}

void report_forget(struct report *report)
{
	memset(report->open_count, 0, sizeof(report->open_count));
}
