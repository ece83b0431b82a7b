/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace_info.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/event_fields.h"
#include "base/json.h"
#include "base/units.h"
#include "base/utf8.h"

enum {
	NOTICES_MAX = 16, /* that are kept in words; all are counted */
	NOTICE_LEN = 512,
	TIME_LEN = 32,
	PATH_TEXT_LEN = 1024,
	JSON_LEN = 64 * 1024,
};

struct trace_info {
	const struct trace_metadata *metadata;
	const struct trace_summary *summary;
	struct trace_version version;
	const char *path;
	bool is_damaged;
	bool is_not_live;
	uint64_t notice_count;
	uint32_t notices[NOTICES_MAX];
	char texts[NOTICES_MAX][NOTICE_LEN];
};

const char *trace_notice_name(uint32_t notice)
{
	static const char *const names[TRACE_NOTICE_COUNT] = {
		[TRACE_NOTICE_NEWER] = "newer",
		[TRACE_NOTICE_STARTED_LATE] = "started-late",
		[TRACE_NOTICE_NO_BEGINNING] = "no-beginning",
		[TRACE_NOTICE_GAP] = "gap",
		[TRACE_NOTICE_TORN] = "torn",
		[TRACE_NOTICE_CORRUPT] = "corrupt",
		[TRACE_NOTICE_NO_END] = "no-end",
		[TRACE_NOTICE_CONTINUED] = "continued",
		[TRACE_NOTICE_TRAILING] = "trailing",
	};

	return notice < TRACE_NOTICE_COUNT ? names[notice] : "?";
}

static void take_notice(struct trace_info *info, const struct trace_item *item)
{
	info->is_damaged = info->is_damaged || item->is_damage;
	info->is_not_live = info->is_not_live || item->is_not_live;
	/* The last one may be the damage: it takes the last place. */
	uint32_t at = (uint32_t)units_min(info->notice_count++, NOTICES_MAX - 1);

	info->notices[at] = item->notice;
	snprintf(info->texts[at], NOTICE_LEN, "%s", item->text);
}

struct trace_info *trace_info_read(struct trace_reader *reader, const char *path)
{
	struct trace_info *info = calloc(1, sizeof(*info));
	const struct trace_item *item;

	if (!info)
		return NULL;
	info->metadata = trace_reader_get_metadata(reader);
	info->summary = trace_reader_get_summary(reader);
	info->version = trace_reader_get_version(reader);
	info->path = path;
	while (trace_reader_next(reader, &item)) {
		if (item->kind == TRACE_ITEM_NOTICE)
			take_notice(info, item);
	}
	return info;
}

void trace_info_free(struct trace_info *info)
{
	free(info);
}

bool trace_info_is_damaged(const struct trace_info *info)
{
	return info->is_damaged;
}

static uint32_t kept_notices(const struct trace_info *info)
{
	return (uint32_t)units_min(info->notice_count, NOTICES_MAX);
}

static void format_id(const struct trace_metadata *metadata, char text[2 * TRACE_ID_LEN + 1])
{
	for (size_t i = 0; i < TRACE_ID_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", metadata->id[i]);
}

static const char *format_wall(uint64_t wall_ns, char text[TIME_LEN])
{
	time_t seconds = (time_t)(wall_ns / NS_PER_S);
	struct tm parts;

	if (!gmtime_r(&seconds, &parts) || strftime(text, TIME_LEN, "%FT%TZ", &parts) == 0)
		return "?";
	return text;
}

/* ---- JSON ---- */

static void add_metadata(struct json *json, const struct trace_info *info)
{
	const struct trace_metadata *metadata = info->metadata;
	char id[2 * TRACE_ID_LEN + 1];
	char wall[TIME_LEN];

	format_id(metadata, id);
	json_begin_object(json, "version");
	json_add_u64(json, "major", info->version.major);
	json_add_u64(json, "minor", info->version.minor);
	json_end_object(json);
	json_add_string(json, "id", id);
	json_add_u64(json, "first_segment", metadata->segment);
	json_add_string(json, "predecessor", metadata->predecessor);
	json_add_bool(json, "started_late", metadata->flags & TRACE_STARTED_LATE);
	json_add_string(json, "begun", format_wall(metadata->wall_ns, wall));
	json_add_u64(json, "begun_ns", metadata->time_ns);
	json_add_string(json, "clock", metadata->clock);
	json_add_string(json, "kernel", metadata->kernel);
	json_add_string(json, "machine", metadata->machine);
	json_add_string(json, "hardware_class", metadata->hardware_class);
	json_add_u64(json, "cpus", metadata->cpu_count);
	json_add_u64(json, "memory_bytes", metadata->memory_bytes);
	json_add_string(json, "boot_id", metadata->boot_id);
	json_add_string(json, "recorder", metadata->recorder);
}

static void add_contents(struct json *json, const struct trace_summary *summary)
{
	json_add_u64(json, "segments", summary->segments);
	json_add_u64(json, "file_bytes", summary->file_bytes);
	json_add_u64(json, "blocks", summary->blocks);
	json_add_u64(json, "compressed_bytes", summary->compressed_bytes);
	json_add_u64(json, "raw_bytes", summary->raw_bytes);
	json_add_u64(json, "first_ns", summary->first_ns);
	json_add_u64(json, "last_ns", summary->last_ns);
	json_add_bool(json, "ended", summary->is_ended);
	json_begin_object(json, "events");
	for (uint32_t kind = EVENT_CONFIG; kind < EVENT_KIND_COUNT; kind++)
		json_add_u64(json, event_kind_name(kind), summary->events_of_kind[kind]);
	json_add_u64(json, "all", summary->events);
	json_end_object(json);
	json_add_u64(json, "unknown_records", summary->unknown_records);
	json_begin_object(json, "dropped");
	json_add_u64(json, "slow", summary->dropped[TRACE_DROP_SLOW]);
	json_add_u64(json, "disk", summary->dropped[TRACE_DROP_DISK]);
	json_add_u64(json, "too_large", summary->dropped[TRACE_DROP_TOO_LARGE]);
	json_end_object(json);
}

int trace_info_print_json(const struct trace_info *info, FILE *file)
{
	static char text[JSON_LEN]; /* too big for the stack */
	struct json json;
	int len;

	json_init(&json, text, sizeof(text));
	json_begin_object(&json, NULL);
	json_add_string(&json, "path", info->path);
	add_metadata(&json, info);
	add_contents(&json, info->summary);
	json_add_bool(&json, "damaged", info->is_damaged);
	json_add_bool(&json, "as_live", !info->is_not_live);
	json_add_u64(&json, "notice_count", info->notice_count);
	json_begin_array(&json, "notices");
	for (uint32_t i = 0; i < kept_notices(info); i++) {
		json_begin_object(&json, NULL);
		json_add_string(&json, "notice", trace_notice_name(info->notices[i]));
		json_add_string(&json, "text", info->texts[i]);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
	len = json_finish(&json);
	return len >= 0 && fwrite(text, 1, (size_t)len, file) == (size_t)len ? 0 : -EIO;
}

/* ---- text ---- */

/* A text of the file's, which a stranger wrote. */
static const char *show(const char *text, char buffer[PATH_TEXT_LEN])
{
	return *text ? utf8_copy_printable(text, strlen(text), buffer, PATH_TEXT_LEN) : "?";
}

static void print_host(const struct trace_info *info, FILE *file)
{
	const struct trace_metadata *metadata = info->metadata;
	char id[2 * TRACE_ID_LEN + 1];
	char text[PATH_TEXT_LEN];
	char wall[TIME_LEN];
	char memory[UNITS_TEXT_LEN];

	format_id(metadata, id);
	fprintf(file, "trace       %s\n", show(info->path, text));
	fprintf(file, "format      %u.%u, recording %s, segment %u", info->version.major,
		info->version.minor, id, metadata->segment);
	if (info->summary->segments > 1)
		fprintf(file, " to %u", metadata->segment + info->summary->segments - 1);
	fprintf(file, "\nbegun       %s", format_wall(metadata->wall_ns, wall));
	fprintf(file, " by %s%s\n", show(metadata->recorder, text),
		metadata->flags & TRACE_STARTED_LATE ? ", while the agent was running" : "");
	fprintf(file, "host        kernel %s", show(metadata->kernel, text));
	fprintf(file, ", %s", show(metadata->machine, text));
	fprintf(file, ", %u CPUs, %s, class %s\n", metadata->cpu_count,
		units_format_bytes_rounded(metadata->memory_bytes, memory),
		show(metadata->hardware_class, text));
	fprintf(file, "clock       %s", show(metadata->clock, text));
	fprintf(file, ", boot %s\n", show(metadata->boot_id, text));
}

static void print_contents(const struct trace_summary *summary, FILE *file)
{
	uint64_t span_ns = units_minus(summary->last_ns, summary->first_ns);
	char size[UNITS_TEXT_LEN];
	char raw[UNITS_TEXT_LEN];

	fprintf(file, "size        %s in %u file%s, %" PRIu64 " blocks, %s uncompressed\n",
		units_format_bytes_rounded(summary->file_bytes, size), summary->segments,
		summary->segments == 1 ? "" : "s", summary->blocks,
		units_format_bytes_rounded(summary->raw_bytes, raw));
	fprintf(file, "span        %" PRIu64 ".%03" PRIu64 " s\n", span_ns / NS_PER_S,
		span_ns % NS_PER_S / NS_PER_MS);
	fprintf(file, "events      %" PRIu64 ":", summary->events);
	for (uint32_t kind = EVENT_CONFIG; kind < EVENT_KIND_COUNT; kind++)
		fprintf(file, " %s %" PRIu64, event_kind_name(kind), summary->events_of_kind[kind]);
	if (summary->unknown_records)
		fprintf(file, ", left out %" PRIu64, summary->unknown_records);
	fprintf(file, "\ndropped    ");
	for (uint32_t cause = 0; cause < TRACE_DROP_COUNT; cause++)
		fprintf(file, " %" PRIu64 " (%s)%s", summary->dropped[cause],
			trace_drop_explain(cause), cause + 1 < TRACE_DROP_COUNT ? "," : "\n");
}

int trace_info_print_text(const struct trace_info *info, FILE *file)
{
	char text[PATH_TEXT_LEN];

	print_host(info, file);
	print_contents(info->summary, file);
	for (uint32_t i = 0; i < kept_notices(info); i++)
		fprintf(file, "notice      %s\n", show(info->texts[i], text));
	if (info->notice_count > NOTICES_MAX)
		fprintf(file, "            (and %" PRIu64 " more before the last)\n",
			info->notice_count - NOTICES_MAX);
	fprintf(file, "replay      %s\n",
		info->is_not_live ? "not all as live: see the notices" : "as live");
	return ferror(file) ? -EIO : 0;
}
