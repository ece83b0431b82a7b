/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trace file, version 1.2: everything that the engine was fed, in the order of arrival, so that
 * a replay decides what was decided live.
 *
 * All numbers are little-endian and of fixed width unless called a varint, all encodings are
 * explicit, and nothing depends on the compiler or the machine: a trace replays to the same bytes
 * everywhere. CRC32 is zlib's crc32().
 *
 *   file     = header block* end
 *
 *   header   =  0  8  magic 89 54 49 45 52 44 0d 0a ("\x89TIERD\r\n": text mode would damage it)
 *               8  2  major version
 *              10  2  minor version
 *              12  4  length L of the metadata, at most TRACE_METADATA_MAX
 *              16  4  CRC32 of bytes 0 to 15 and of the metadata
 *              20  L  metadata
 *
 *   metadata =  0 16  id of the recording: random, the same in all its segments
 *              16  4  segment number, from 1
 *              20  4  flags, enum trace_flag
 *              24  8  when the segment began: nanoseconds of real time since 1970
 *              32  8  the same moment on the clock of the events, ns
 *              40  4  number of CPUs, 0 = not known
 *              44  8  memory of the host in bytes, 0 = not known
 *              52  .  texts, each u16 length and bytes (UTF-8, no NUL): clock, kernel release,
 *                     machine architecture, hardware class, boot id, recorder with its version,
 *                     file name of the predecessor ("" in the first segment)
 *
 *   block    =  0  4  magic "TBLK"
 *               4  4  length C of the compressed records, at most TRACE_COMPRESSED_MAX
 *               8  4  length R of the records, 1 to TRACE_BLOCK_MAX
 *              12  4  number of records, at least 1
 *              16  4  number of the block in its segment, from 0
 *              20  8  time of the first record, ns
 *              28  4  CRC32 of bytes 0 to 27 and of the compressed records
 *              32  C  the records, as one zlib stream
 *
 *   end      =  0  4  magic "TEND"
 *               4  4  number of blocks before it
 *               8  8  records in this segment (events, not those that only a trace has)
 *              16  8  events dropped while it was written, disk too slow (sum of its gap records)
 *              24  8  the same, disk full or failing
 *              32  8  the same, too large for a record
 *              40  8  time of the last event
 *              48  4  1 = the recording goes on in another segment, 0 = it ended here
 *              52  4  CRC32 of bytes 0 to 51
 *
 *   record   =  0  1  kind: enum event_kind, with TRACE_PREAMBLE added or not; or enum
 *                     trace_record_kind
 *               1  2  length N of what follows
 *               3  N  time, of every kind, and the fields of that kind
 *
 * The fields of each kind are listed, in order, in user/base/event_fields.c:
 *   u32, u64   a varint: seven bits per byte, lowest first, the top bit set in all but the last
 *              byte, no more bytes than needed
 *   bool       one byte, 0 or 1
 *   time       the difference to the record's time, wrapped to 64 bits, signed as 2|d| or 2|d|-1
 *              (zigzag), as a varint; the record's own time likewise, against the time of the
 *              record before it in its block (the first: against the block's)
 *   text       a varint length and bytes without a NUL
 *   list       a varint count and the entries
 * A config record holds the name and the full text of the configuration in its plain form, the name
 * as text and the rest of the record as the configuration. So does a state record (since 1.2): what
 * was kept of the agent that ran before, as user/app/state_text.h has it.
 *
 * Preamble. A segment after the first, and a recording that began while the agent ran, begins with
 * what an engine needs that has seen nothing before: configuration, source, and what managers and
 * people have said that still holds. Such records have TRACE_PREAMBLE added to their kind, and
 * count only for a reader that has read nothing before them.
 *
 * Gaps. TRACE_RECORD_GAP stands where events were dropped: u32 cause (enum trace_drop), u64 count.
 *
 * Versions. The first 20 bytes, and what the CRC in them covers, stay as they are for ever. A
 * reader refuses another major version. Of a newer minor version it skips records of unknown kinds
 * and what follows the fields that it knows, and says so; what an older minor version did not have
 * yet reads as 0. In its own version both are damage.
 *
 * Damage. Everything before a torn or corrupt block counts, and nothing after it. A file without an
 * end is one that is still written, or whose writer died.
 *
 * Rotation. FILE is always the newest segment; when it is full it is renamed to FILE.NNNNNN, with
 * the next free number, and the next FILE names it as its predecessor.
 */
#ifndef TIERD_TRACE_FORMAT_H
#define TIERD_TRACE_FORMAT_H

#include "tierd/event.h"

#define TRACE_MAGIC "\x89TIERD\r\n"
#define TRACE_BLOCK_MAGIC "TBLK"
#define TRACE_END_MAGIC "TEND"
#define TRACE_CLOCK "CLOCK_MONOTONIC"

enum {
	TRACE_VERSION_MAJOR = 1,
	TRACE_VERSION_MINOR = 2,

	TRACE_HEADER_LEN = 20, /* without the metadata */
	TRACE_METADATA_MAX = 4096,
	TRACE_BLOCK_LEN = 32, /* of a block's header */
	TRACE_BLOCK_MAX = 256 * 1024,
	/* More than what any zlib makes of the largest block that it cannot compress. */
	TRACE_COMPRESSED_MAX = TRACE_BLOCK_MAX + TRACE_BLOCK_MAX / 8 + 64,
	TRACE_END_LEN = 56,
	TRACE_RECORD_LEN = 3, /* of a record's kind and length */
	TRACE_RECORD_MAX = TRACE_RECORD_LEN + UINT16_MAX,
	TRACE_CONFIG_MAX = 60 * 1024, /* text of a configuration */

	TRACE_ID_LEN = 16,
	TRACE_TEXT_LEN = 128, /* of any text in the metadata, with its NUL */
	TRACE_NAME_LEN = 256, /* of a file name (NAME_MAX), with its NUL */
};

enum trace_flag {
	TRACE_STARTED_LATE = 1U << 0, /* the agent had been running: its engine was not a new one */
	TRACE_IMPORTED = 1U << 1,     /* made from other data: no engine was fed, so no wake-ups */
};

enum {
	TRACE_PREAMBLE = 0x40, /* added to an event kind */
};

enum trace_record_kind {
	TRACE_RECORD_GAP = 0x80,
};

/* Why the recorder dropped events. Append only. */
enum trace_drop {
	TRACE_DROP_SLOW,      /* the disk did not keep up, and all buffers were full */
	TRACE_DROP_DISK,      /* the disk was full, nearly full, or failed */
	TRACE_DROP_TOO_LARGE, /* a configuration over TRACE_CONFIG_MAX */
	TRACE_DROP_COUNT,
};

#endif
