/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl trace: what a trace holds, in short (info) and in full (dump). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/units.h"
#include "format_event.h"
#include "io/trace_reader.h"
#include "offline.h"
#include "options.h"
#include "trace_info.h"

/* What is dumped: events from from_ns on, before to_ns, after the first. */
struct dump {
	uint64_t from_ns;
	uint64_t to_ns;
	uint64_t first_ns;
	bool has_first;
	char *line; /* of FORMAT_EVENT_LEN bytes */
};

static int open_trace(const struct tierctl *tierctl, struct trace_reader **ret_reader)
{
	uint32_t flags = tierctl_get(tierctl, TIERCTL_KEY_ALONE) ? TRACE_READER_ALONE : 0;
	char error[CONFIG_ERROR_LEN];
	int result =
		trace_reader_open(tierctl->operands[1], flags, ret_reader, error, sizeof(error));

	if (result < 0)
		fprintf(stderr, "tierctl: %s\n", error);
	return result;
}

static bool is_in_span(struct dump *dump, uint64_t time_ns)
{
	uint64_t since_ns;

	if (!dump->has_first)
		dump->first_ns = time_ns;
	dump->has_first = true;
	since_ns = units_minus(time_ns, dump->first_ns);
	return since_ns >= dump->from_ns && since_ns < dump->to_ns;
}

static int format_notice(const struct trace_item *item, char *buffer, size_t size)
{
	struct json json;

	json_init(&json, buffer, size);
	json_begin_object(&json, NULL);
	json_add_string(&json, "kind", "notice");
	json_add_string(&json, "notice", trace_notice_name(item->notice));
	if (item->notice == TRACE_NOTICE_GAP) {
		json_add_u64(&json, "time_ns", item->time_ns);
		json_add_u64(&json, "count", item->count);
	}
	json_add_string(&json, "text", item->text);
	json_end_object(&json);
	return json_finish(&json);
}

/* Prints one line, or nothing. Returns 0 or negative errno. */
static int dump_item(struct dump *dump, const struct trace_item *item)
{
	int len;

	if (item->kind == TRACE_ITEM_NOTICE) {
		if (item->notice == TRACE_NOTICE_GAP && !is_in_span(dump, item->time_ns))
			return 0;
		len = format_notice(item, dump->line, FORMAT_EVENT_LEN);
	} else {
		if (!is_in_span(dump, item->event->time_ns))
			return 0;
		len = format_event_json(item->event, &item->config, dump->line, FORMAT_EVENT_LEN);
	}
	if (len < 0)
		return len;
	return fwrite(dump->line, 1, (size_t)len, stdout) == (size_t)len ? 0 : -EIO;
}

static int run_dump(const struct tierctl *tierctl)
{
	_cleanup_free_ char *line = malloc(FORMAT_EVENT_LEN);
	_cleanup_(trace_reader_cleanup) struct trace_reader *reader = NULL;
	struct dump dump = {.to_ns = UINT64_MAX, .line = line};
	const struct trace_item *item;
	bool is_damaged = false;

	if (!line)
		return TIERCTL_NO;
	if (tierctl_get(tierctl, TIERCTL_KEY_JSON)) {
		fprintf(stderr, "tierctl: --json: dump prints JSON anyway\n");
		return TIERCTL_USAGE;
	}
	if (offline_get_span(tierctl, &dump.from_ns, &dump.to_ns) < 0)
		return TIERCTL_USAGE;
	if (open_trace(tierctl, &reader) < 0)
		return TIERCTL_BAD_INPUT;
	while (trace_reader_next(reader, &item)) {
		if (item->kind == TRACE_ITEM_NOTICE && item->is_damage) {
			is_damaged = true;
			fprintf(stderr, "tierctl: %s\n", item->text);
		}
		if (dump_item(&dump, item) < 0)
			return TIERCTL_NO;
	}
	return is_damaged ? TIERCTL_BAD_INPUT : TIERCTL_OK;
}

static int run_info(const struct tierctl *tierctl)
{
	_cleanup_(trace_reader_cleanup) struct trace_reader *reader = NULL;
	struct trace_info *info;
	int status;

	if (tierctl_get(tierctl, TIERCTL_KEY_FROM) || tierctl_get(tierctl, TIERCTL_KEY_TO)) {
		fprintf(stderr, "tierctl: --from and --to are for dump\n");
		return TIERCTL_USAGE;
	}
	if (open_trace(tierctl, &reader) < 0)
		return TIERCTL_BAD_INPUT;
	info = trace_info_read(reader, tierctl->operands[1]);
	if (!info)
		return TIERCTL_NO;
	if (tierctl_get(tierctl, TIERCTL_KEY_JSON))
		status = trace_info_print_json(info, stdout);
	else
		status = trace_info_print_text(info, stdout);
	if (status < 0)
		status = TIERCTL_NO;
	else
		status = trace_info_is_damaged(info) ? TIERCTL_BAD_INPUT : TIERCTL_OK;
	trace_info_free(info);
	return status;
}

static int run(const struct tierctl *tierctl)
{
	if (strcmp(tierctl->operands[0], "info") == 0)
		return run_info(tierctl);
	if (strcmp(tierctl->operands[0], "dump") == 0)
		return run_dump(tierctl);
	fprintf(stderr, "tierctl: trace info FILE, or trace dump FILE\n");
	return TIERCTL_USAGE;
}

static const struct argp_option OPTIONS[] = {
	{"json", TIERCTL_KEY_JSON, NULL, 0, "info: as JSON, on one line", 0},
	{"from", TIERCTL_KEY_FROM, "TIME", 0,
	 "dump: from this time after the first event on; a bare number is seconds", 0},
	{"to", TIERCTL_KEY_TO, "TIME", 0, "dump: before this time after the first event", 0},
	{"alone", TIERCTL_KEY_ALONE, NULL, 0,
	 "This file only, not the earlier ones of its recording", 0},
	{0},
};

const struct tierctl_command TIERCTL_TRACE = {
	.name = "trace",
	.operands = "info|dump FILE",
	.operands_min = 2,
	.operands_max = 2,
	.help = "What a trace holds: in short, or every event as a line of JSON.",
	.options = OPTIONS,
	.run = run,
};
