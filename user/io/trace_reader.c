/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segment after segment, block after block, record after record. Whatever is wrong ends the
 * reading with a notice; notices that are due wait in a set and are told before anything else.
 */
#include "io/trace_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "io/trace_chain.h"

enum {
	TEXT_LEN = 512,
	QUOTED_LEN = 160,
};

#define BIT(notice) (1U << (notice))

struct trace_reader {
	struct trace_chain chain;
	uint32_t next_segment; /* index in the chain */
	struct trace_segment segment;
	struct trace_segment first;
	enum event_age age;
	bool is_left; /* the segment is read to its end */
	bool is_over; /* nothing more is read; notices may be due */
	uint32_t due; /* set of enum trace_notice */

	uint64_t record_count; /* of the segment, for its end; likewise: */
	uint64_t dropped[TRACE_DROP_COUNT];
	uint64_t base_ns; /* time of the last record in the block */
	uint32_t records_left;
	size_t raw_at;
	size_t raw_len;

	struct event event;
	struct trace_item item;
	struct trace_summary summary;
	char text[TEXT_LEN];
	char damage[TEXT_LEN]; /* what TORN or CORRUPT is to say */
	struct trace_buffers buffers;
};

/* ---- notices ---------------------------------------------------------------------------------
 */

static const char *segment_name(const struct trace_reader *reader, char buffer[QUOTED_LEN])
{
	const char *name = reader->chain.names[reader->next_segment - 1];

	return utf8_copy_printable(name, strlen(name), buffer, QUOTED_LEN);
}

__attribute__((format(printf, 2, 3))) static void say(struct trace_reader *reader,
						      const char *format, ...)
{
	char quoted[QUOTED_LEN];
	va_list arguments;
	int len = snprintf(reader->text, TEXT_LEN, "%s: ", segment_name(reader, quoted));

	va_start(arguments, format);
	vsnprintf(reader->text + len, TEXT_LEN - (size_t)len, format, arguments);
	va_end(arguments);
}

static void explain(struct trace_reader *reader, enum trace_notice notice)
{
	const struct trace_segment *segment = &reader->segment;
	char missing[QUOTED_LEN];

	switch (notice) {
	case TRACE_NOTICE_NEWER:
		say(reader,
		    "written in version %u.%u of the format, newer than %d.%d: what is not known "
		    "here is left out",
		    segment->version.major, segment->version.minor, TRACE_VERSION_MAJOR,
		    TRACE_VERSION_MINOR);
		break;
	case TRACE_NOTICE_STARTED_LATE:
		say(reader, "recording began while the agent was running: the engine starts cold");
		break;
	case TRACE_NOTICE_NO_BEGINNING:
		say(reader, "segment %u (%s) is missing: the engine starts cold",
		    segment->metadata.segment - 1,
		    utf8_copy_printable(reader->chain.missing, strlen(reader->chain.missing),
					missing, sizeof(missing)));
		break;
	case TRACE_NOTICE_NO_END:
		say(reader, "no end mark: it is still written, or its writer was stopped");
		break;
	case TRACE_NOTICE_CONTINUED:
		say(reader, "the recording goes on in segment %u", segment->metadata.segment + 1);
		break;
	case TRACE_NOTICE_TRAILING:
		say(reader, "something follows the end mark");
		break;
	default: /* a gap has its own words */
		say(reader, "%s", reader->damage);
	}
}

static int tell(struct trace_reader *reader, enum trace_notice notice)
{
	static const uint32_t DAMAGES =
		BIT(TRACE_NOTICE_TORN) | BIT(TRACE_NOTICE_CORRUPT) | BIT(TRACE_NOTICE_TRAILING);
	static const uint32_t NOT_LIVE = BIT(TRACE_NOTICE_NEWER) | BIT(TRACE_NOTICE_STARTED_LATE) |
					 BIT(TRACE_NOTICE_NO_BEGINNING) | BIT(TRACE_NOTICE_GAP);

	explain(reader, notice);
	reader->item.kind = TRACE_ITEM_NOTICE;
	reader->item.notice = notice;
	reader->item.is_damage = DAMAGES & BIT(notice);
	reader->item.is_not_live = NOT_LIVE & BIT(notice);
	reader->item.text = reader->text;
	return 1;
}

static int tell_due(struct trace_reader *reader)
{
	enum trace_notice notice = (enum trace_notice)__builtin_ctz(reader->due);

	reader->due &= ~BIT(notice);
	return tell(reader, notice);
}

/* Ends the reading. */
__attribute__((format(printf, 3, 4))) static void
stop(struct trace_reader *reader, enum trace_notice notice, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reader->damage, TEXT_LEN, format, arguments);
	va_end(arguments);
	reader->due |= BIT(notice);
	reader->is_over = true;
}

static void stop_at_piece(struct trace_reader *reader, enum trace_notice notice, const char *what)
{
	stop(reader, notice, "%s at byte %llu; what is before that counts", what,
	     (unsigned long long)reader->segment.piece_offset);
}

/* ---- segments --------------------------------------------------------------------------------
 */

static enum event_age compare_version(struct trace_version version)
{
	if (version.minor == TRACE_VERSION_MINOR)
		return EVENT_SAME;
	return version.minor > TRACE_VERSION_MINOR ? EVENT_NEWER : EVENT_OLDER;
}

static void enter_segment(struct trace_reader *reader)
{
	const struct trace_segment *segment = &reader->segment;
	struct stat info;

	reader->age = compare_version(segment->version);
	reader->record_count = 0;
	memset(reader->dropped, 0, sizeof(reader->dropped));
	reader->summary.segments++;
	reader->summary.is_ended = false;
	if (fstat(segment->fd, &info) == 0)
		reader->summary.file_bytes += (uint64_t)info.st_size;
	if (reader->age == EVENT_NEWER && reader->summary.segments == 1)
		reader->due |= BIT(TRACE_NOTICE_NEWER);
}

/* The oldest segment that there is. */
static int open_first(struct trace_reader *reader, char *error, size_t error_size)
{
	int result =
		trace_chain_open_segment(&reader->chain, 0, &reader->segment, error, error_size);

	if (result < 0)
		return result;
	reader->first = reader->segment;
	reader->next_segment = 1;
	enter_segment(reader);
	if (reader->segment.metadata.segment > 1)
		reader->due |= BIT(TRACE_NOTICE_NO_BEGINNING);
	else if (reader->segment.metadata.flags & TRACE_STARTED_LATE)
		reader->due |= BIT(TRACE_NOTICE_STARTED_LATE);
	return 0;
}

/* Files may have been renamed or removed since the chain was found. */
static void open_next(struct trace_reader *reader)
{
	const struct trace_metadata *before = &reader->segment.metadata;
	struct trace_segment segment;
	char error[TEXT_LEN - 64];
	int result = trace_chain_open_segment(&reader->chain, reader->next_segment, &segment, error,
					      sizeof(error));

	if (result < 0) {
		stop(reader, TRACE_NOTICE_CORRUPT, "the segment after it: %s", error);
		return;
	}
	if (memcmp(segment.metadata.id, before->id, TRACE_ID_LEN) != 0 ||
	    segment.metadata.segment != before->segment + 1) {
		close(segment.fd);
		stop(reader, TRACE_NOTICE_CORRUPT, "the segment after it was replaced meanwhile");
		return;
	}
	close(reader->segment.fd);
	reader->segment = segment;
	reader->is_left = false;
	reader->next_segment++;
	enter_segment(reader);
}

/* A segment is read to its end, marked or not. */
static void leave_segment(struct trace_reader *reader, bool is_continued)
{
	if (!reader->summary.is_ended)
		reader->due |= BIT(TRACE_NOTICE_NO_END);
	reader->is_left = true;
	if (reader->next_segment < reader->chain.count)
		return;
	if (is_continued)
		reader->due |= BIT(TRACE_NOTICE_CONTINUED);
	reader->is_over = true;
}

/* ---- pieces ----------------------------------------------------------------------------------
 */

static bool is_end_true(const struct trace_reader *reader, const struct trace_end *end)
{
	return end->block_count == reader->segment.block_count &&
	       end->record_count == reader->record_count &&
	       memcmp(end->dropped, reader->dropped, sizeof(end->dropped)) == 0;
}

static void take_end(struct trace_reader *reader)
{
	const struct trace_end *end = &reader->buffers.end;
	uint8_t byte;

	if (reader->age != EVENT_NEWER && !is_end_true(reader, end)) {
		stop_at_piece(reader, TRACE_NOTICE_CORRUPT, "an end mark with other totals");
		return;
	}
	reader->summary.is_ended = true;
	if (pread(reader->segment.fd, &byte, 1, (off_t)reader->segment.offset) != 0)
		reader->due |= BIT(TRACE_NOTICE_TRAILING);
	leave_segment(reader, end->is_continued);
}

static void take_block(struct trace_reader *reader)
{
	const struct trace_block *block = &reader->buffers.block;

	reader->raw_at = 0;
	reader->raw_len = block->raw_len;
	reader->records_left = block->record_count;
	reader->base_ns = block->first_ns;
	reader->summary.blocks++;
	reader->summary.compressed_bytes += TRACE_BLOCK_LEN + block->compressed_len;
	reader->summary.raw_bytes += block->raw_len;
}

static void read_on(struct trace_reader *reader)
{
	const char *problem;

	if (reader->is_left) {
		open_next(reader);
		return;
	}
	switch (trace_segment_read(&reader->segment, &reader->buffers, &problem)) {
	case TRACE_PIECE_BLOCK:
		take_block(reader);
		break;
	case TRACE_PIECE_END:
		take_end(reader);
		break;
	case TRACE_PIECE_NOTHING:
		leave_segment(reader, false);
		break;
	case TRACE_PIECE_TORN:
		stop_at_piece(reader, TRACE_NOTICE_TORN, problem);
		break;
	case TRACE_PIECE_CORRUPT:
		stop_at_piece(reader, TRACE_NOTICE_CORRUPT, problem);
		break;
	}
}

/* ---- records ---------------------------------------------------------------------------------
 */

static int take_gap(struct trace_reader *reader, const struct event_record *record)
{
	struct trace_item *item = &reader->item;

	if (event_decode_gap(record, reader->base_ns, reader->age, &item->time_ns, &item->cause,
			     &item->count) < 0)
		return -EBADMSG;
	reader->base_ns = item->time_ns;
	if (item->cause < TRACE_DROP_COUNT) {
		reader->summary.dropped[item->cause] += item->count;
		reader->dropped[item->cause] += item->count;
	}
	snprintf(reader->damage, TEXT_LEN, "%llu events were not recorded here: %s",
		 (unsigned long long)item->count, trace_drop_explain(item->cause));
	return tell(reader, TRACE_NOTICE_GAP);
}

static void count_event(struct trace_reader *reader)
{
	struct trace_summary *summary = &reader->summary;
	const struct event *event = &reader->event;

	if (summary->events++ == 0)
		summary->first_ns = event->time_ns;
	summary->events_of_kind[event->kind]++;
	summary->last_ns = event->time_ns;
}

/* Returns 1 if it is one to be told of, 0 if not, negative if it is damaged. */
static int take_event(struct trace_reader *reader, const struct event_record *record)
{
	bool is_preamble = record->kind & TRACE_PREAMBLE;
	int result = event_decode(record, reader->base_ns, reader->age, &reader->event,
				  &reader->item.config);

	if (result < 0)
		return result;
	reader->base_ns = reader->event.time_ns;
	/* Whoever has read the segment before knows all that. */
	if (is_preamble && reader->next_segment > 1)
		return 0;
	reader->record_count += !is_preamble;
	reader->item.kind = TRACE_ITEM_EVENT;
	return 1;
}

static int take_record(struct trace_reader *reader)
{
	struct event_record record;
	size_t len = event_split(reader->buffers.raw + reader->raw_at,
				 reader->raw_len - reader->raw_at, &record);
	int result = -EBADMSG;

	if (len > 0 && reader->records_left > 0)
		result = record.kind == TRACE_RECORD_GAP ? take_gap(reader, &record)
							 : take_event(reader, &record);
	if (result < 0 && len > 0 && reader->age == EVENT_NEWER) {
		reader->base_ns = event_time_of(&record, reader->base_ns);
		reader->summary.unknown_records++;
		result = 0;
	}
	reader->raw_at += len;
	reader->records_left--;
	if (result >= 0 && (reader->raw_at == reader->raw_len) == (reader->records_left == 0)) {
		if (result == 1 && reader->item.kind == TRACE_ITEM_EVENT)
			count_event(reader);
		return result;
	}
	reader->raw_at = reader->raw_len;
	stop_at_piece(reader, TRACE_NOTICE_CORRUPT, "an impossible record in the block");
	return 0;
}

int trace_reader_next(struct trace_reader *reader, const struct trace_item **ret_item)
{
	int result = 0;

	*ret_item = &reader->item;
	while (result == 0) {
		if (reader->due)
			result = tell_due(reader);
		else if (reader->raw_at < reader->raw_len)
			result = take_record(reader);
		else if (reader->is_over)
			return 0;
		else
			read_on(reader);
	}
	return result;
}

/* ---- opening ---------------------------------------------------------------------------------
 */

int trace_reader_open(const char *path, uint32_t flags, struct trace_reader **ret_reader,
		      char *error, size_t error_size)
{
	_cleanup_(trace_reader_cleanup) struct trace_reader *reader = calloc(1, sizeof(*reader));
	int result = -ENOMEM;

	if (reader) {
		reader->chain = TRACE_CHAIN_CLOSED;
		reader->segment.fd = -1;
		reader->item.event = &reader->event;
	}
	if (!reader || inflateInit(&reader->buffers.inflater) != Z_OK) {
		snprintf(error, error_size, "out of memory");
		return result;
	}
	result = trace_chain_open(path, !(flags & TRACE_READER_ALONE), &reader->chain, error,
				  error_size);
	if (result == 0)
		result = open_first(reader, error, error_size);
	if (result < 0)
		return result;
	*ret_reader = TAKE_PTR(reader);
	return 0;
}

void trace_reader_close(struct trace_reader *reader)
{
	if (!reader)
		return;
	inflateEnd(&reader->buffers.inflater);
	if (reader->segment.fd >= 0)
		close(reader->segment.fd);
	trace_chain_close(&reader->chain);
	free(reader);
}

const struct trace_metadata *trace_reader_get_metadata(const struct trace_reader *reader)
{
	return &reader->first.metadata;
}

struct trace_version trace_reader_get_version(const struct trace_reader *reader)
{
	return reader->first.version;
}

const struct trace_summary *trace_reader_get_summary(const struct trace_reader *reader)
{
	return &reader->summary;
}
