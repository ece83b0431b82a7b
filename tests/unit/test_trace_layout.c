/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trace format byte by byte, as it was first released: what is written today has these bytes,
 * and these bytes are read today. When this fails, the format has changed: see "Versions" in
 * include/tierd/trace_format.h.
 */
#include "file_tree.h"

#include <zlib.h>

#include "base/event_codec.h"
#include "base/trace_frame.h"
#include "base/units.h"
#include "io/trace_reader.h"

enum {
	BYTES_MAX = 8192,
};

#define BASE_NS UINT64_C(1000000000)

/* One event of every kind, each field with a value of its own. */
static const struct event EVENTS[] = {
	{.kind = EVENT_SOURCE, .time_ns = BASE_NS, .source.source = SOURCE_BPF},
	{.kind = EVENT_PROCESS,
	 .time_ns = BASE_NS + 300,
	 .process = {.party = PARTY_MODEL,
		     .shared_depth = EVENT_DEPTH_UNKNOWN,
		     .is_limit_ours = true,
		     .record = {.header = {.kind = RECORD_PROCESS,
					   .size = sizeof(struct process_record),
					   .flags = PROCESS_FIRST | PROCESS_URGENT,
					   .time_ns = BASE_NS + 100},
				.pid = 1,
				.parent_pid = 2,
				.start_ns = 3,
				.cgroup_id = 4,
				.limit_cgroup_id = 5,
				.cpu_time_ns = 6,
				.cpu_wait_ns = 7,
				.background_cpu_time_ns = 8,
				.background_cpu_wait_ns = 9,
				.mem_stall_ns = 10,
				.io_stall_ns = 11,
				.direct_reclaim = {12, 13, 14},
				.memcg_reclaim = {15, 16, 17},
				.compaction_count = 18,
				.compaction_ns = 19,
				.anon_bytes = 1 << 20,
				.comm = "llama"}}},
	{.kind = EVENT_WINDOW,
	 .time_ns = BASE_NS + 400,
	 .window = {.begin_ns = BASE_NS - 1,
		    .end_ns = BASE_NS + 401,
		    .host = {1, 2, 3, 4, 5, 6, 7, 8, 9}}},
	{.kind = EVENT_OOM,
	 .time_ns = BASE_NS + 500,
	 .oom = {.party = PARTY_OTHERS,
		 .shared_depth = 2,
		 .is_limit_ours = false,
		 .record = {.header = {.kind = RECORD_OOM,
				       .size = sizeof(struct oom_record),
				       .flags = OOM_GROUP_LIMIT,
				       .time_ns = BASE_NS + 499},
			    .pid = 1,
			    .parent_pid = 2,
			    .start_ns = 3,
			    .cgroup_id = 4,
			    .limit_cgroup_id = 5,
			    .anon_bytes = 6,
			    .comm = "hog"}}},
	{.kind = EVENT_SAMPLE,
	 .time_ns = BASE_NS + 600,
	 .sample = {.flags = SAMPLE_CONFIRMED,
		    .model_processes = 2,
		    .resource_count = 2,
		    .cpu_count = 3,
		    .resources = {{RESOURCE_HOST_MEMORY, 0, 300, 200, 100},
				  {RESOURCE_VRAM, 1, 30, 20, 10}},
		    .swap_total_bytes = 4,
		    .swap_free_bytes = 5,
		    .cpu_busy_ns = 6,
		    .psi_cpu_some_ns = 7,
		    .psi_mem_some_ns = 8,
		    .psi_mem_full_ns = 9,
		    .psi_io_some_ns = 10,
		    .psi_io_full_ns = 11,
		    .host_scan_pages = 12,
		    .own_cpu_ns = 13,
		    .own_rss_bytes = 14,
		    .model_footprint_bytes = 15}},
	{.kind = EVENT_LOSS,
	 .time_ns = BASE_NS + 700,
	 .loss.count = {[LOSS_URGENT_RING] = 200, [LOSS_SAMPLE] = 1}},
	{.kind = EVENT_COMMAND,
	 .time_ns = BASE_NS + 800,
	 .command = {.verb = COMMAND_HELLO,
		     .ack_state = ACK_DONE,
		     .seq = 1,
		     .pid = 4711,
		     .tier = "large",
		     .id = "a1",
		     .is_ok = true,
		     .ms = 300,
		     .tokens = 2,
		     .ttft_ms = 3,
		     .memory_bytes = 4,
		     .vram_bytes = 5,
		     .cpus_permille = 6,
		     .shared_depth = 7,
		     .is_only_asked = true,
		     .for_ns = 8,
		     .is_continued = true}},
	{.kind = EVENT_TICK, .time_ns = BASE_NS + 900},
};

static const struct event_text CONFIG = {
	.name = "a.conf", .name_len = 6, .text = "[agent]\n", .len = 8};

/* The records of CONFIG at BASE_NS, of EVENTS, and of a gap of 300 events, disk full. */
static const char RECORDS[] =
	"0110000006612e636f6e665b6167656e745d0a0202000003032800d80401ffffffff0f01098f030102030405"
	"060708090a0b0c0d0e0f10111213808040056c6c616d61040e00c801a10602010203040506070809051100c8"
	"01000200010101020304050603686f67061e00c801010203020000ac02c8016402011e140a0405060708090a"
	"0b0c0d0e0f070b00c8010700c8010000000001081c00c801010201e724056c6172676502613101ac02020304"
	"050607010801090200c8018004000001ac02";

static const char HEADER[] =
	"8954494552440d0a010002006a00000078e37e99000102030405060708090a0b0c0d0e0f0200000001000000"
	"030000000000000004000000000000000500000006000000000000000500434c4f434b0300362e3106007838"
	"365f363407006c6f775f656e640400626f6f740700746965726420300800742e303030303031";

/* HEADER, RECORDS as a block that is not compressed, and the end. */
static const char BLOCK_HEAD[] = "54424c4bcd000000c20000000a0000000000000000ca9a3b00000000f94a603d";
static const char END[] =
	"54454e4401000000090000000000000000000000000000002c01000000000000000000000000000084cd9a3b"
	"0000000001000000e3498786";

static size_t parse_hex(const char *hex, uint8_t *bytes)
{
	size_t len = strlen(hex) / 2;

	assert_true(len <= BYTES_MAX);
	for (size_t i = 0; i < len; i++) {
		char digits[3] = {hex[2 * i], hex[2 * i + 1]};

		bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return len;
}

static void check(const char *what, const uint8_t *bytes, size_t len, const char *hex)
{
	char *text = calloc(len + 1, 2);

	assert_non_null(text);
	for (size_t i = 0; i < len; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	if (strcmp(text, hex) != 0)
		print_message("%s is now\n%s\n", what, text);
	assert_string_equal(text, hex);
	free(text);
}

static size_t encode_records(uint8_t *bytes)
{
	const struct event config = {.kind = EVENT_CONFIG, .time_ns = BASE_NS};
	size_t len = event_encode_text(&config, &CONFIG, BASE_NS, bytes, BYTES_MAX);
	uint64_t base_ns = BASE_NS;

	for (size_t i = 0; i < ARRAY_SIZE(EVENTS); i++) {
		len += event_encode(&EVENTS[i], base_ns, bytes + len);
		base_ns = EVENTS[i].time_ns;
	}
	return len + event_encode_gap(TRACE_DROP_DISK, 300, base_ns, base_ns, bytes + len);
}

static void test_records_have_their_bytes(void **state)
{
	uint8_t bytes[BYTES_MAX] = {0};

	(void)state;
	check("RECORDS", bytes, encode_records(bytes), RECORDS);
}

static struct trace_metadata make_metadata(void)
{
	struct trace_metadata metadata = {
		.segment = 2,
		.flags = TRACE_STARTED_LATE,
		.wall_ns = 3,
		.time_ns = 4,
		.cpu_count = 5,
		.memory_bytes = 6,
		.clock = "CLOCK",
		.kernel = "6.1",
		.machine = "x86_64",
		.hardware_class = "low_end",
		.boot_id = "boot",
		.recorder = "tierd 0",
		.predecessor = "t.000001",
	};

	for (size_t i = 0; i < TRACE_ID_LEN; i++)
		metadata.id[i] = (uint8_t)i;
	return metadata;
}

static void test_the_header_has_its_bytes(void **state)
{
	const struct trace_metadata metadata = make_metadata();
	uint8_t bytes[TRACE_HEADER_MAX] = {0};

	(void)state;
	check("HEADER", bytes, trace_encode_header(&metadata, bytes), HEADER);
}

/* zlib without compression, so that these are the bytes of any zlib. */
static size_t store(const uint8_t *records, size_t len, uint8_t *bytes)
{
	uLongf stored_len = BYTES_MAX;

	assert_int_equal(compress2(bytes, &stored_len, records, len, Z_NO_COMPRESSION), Z_OK);
	return stored_len;
}

static size_t put_block(uint8_t *head)
{
	uint8_t records[BYTES_MAX];
	size_t len = parse_hex(RECORDS, records);
	size_t stored_len = store(records, len, head + TRACE_BLOCK_LEN);
	const struct trace_block block = {
		.compressed_len = (uint32_t)stored_len,
		.raw_len = (uint32_t)len,
		.record_count = ARRAY_SIZE(EVENTS) + 2,
		.number = 0,
		.first_ns = BASE_NS,
	};

	trace_encode_block(&block, head + TRACE_BLOCK_LEN, head);
	return TRACE_BLOCK_LEN + stored_len;
}

static void test_block_and_end_have_their_bytes(void **state)
{
	uint8_t bytes[BYTES_MAX + TRACE_BLOCK_LEN];
	const struct trace_end end = {
		.block_count = 1,
		.record_count = ARRAY_SIZE(EVENTS) + 1,
		.dropped = {[TRACE_DROP_DISK] = 300},
		.last_ns = BASE_NS + 900,
		.is_continued = true,
	};

	(void)state;
	put_block(bytes);
	check("BLOCK_HEAD", bytes, TRACE_BLOCK_LEN, BLOCK_HEAD);
	trace_encode_end(&end, bytes);
	check("END", bytes, TRACE_END_LEN, END);
}

static const struct event *next_event(struct trace_reader *reader, const struct trace_item **item)
{
	assert_int_equal(trace_reader_next(reader, item), 1);
	assert_int_equal((*item)->kind, TRACE_ITEM_EVENT);
	return (*item)->event;
}

static void expect_notice(struct trace_reader *reader, uint32_t notice)
{
	const struct trace_item *item;

	assert_int_equal(trace_reader_next(reader, &item), 1);
	assert_int_equal(item->kind, TRACE_ITEM_NOTICE);
	assert_int_equal(item->notice, notice);
}

static size_t size_of_kind(uint32_t kind)
{
	static const size_t SIZES[EVENT_KIND_COUNT] = {
		[EVENT_SOURCE] = sizeof(struct event_source),
		[EVENT_WINDOW] = sizeof(struct event_window),
		[EVENT_SAMPLE] = sizeof(struct event_sample),
		[EVENT_LOSS] = sizeof(struct event_loss),
		[EVENT_COMMAND] = offsetof(struct event_command, is_ok),
	};

	return SIZES[kind];
}

/* Whole structures where they have no padding. */
static void check_event(const struct event *event, const struct event *expected)
{
	assert_int_equal(event->kind, expected->kind);
	assert_int_equal(event->time_ns, expected->time_ns);
	assert_memory_equal(&event->source, &expected->source, size_of_kind(event->kind));
	if (event->kind == EVENT_COMMAND) {
		assert_true(event->command.is_ok);
		assert_int_equal(event->command.ms, expected->command.ms);
		assert_int_equal(event->command.tokens, expected->command.tokens);
		assert_int_equal(event->command.ttft_ms, expected->command.ttft_ms);
		assert_int_equal(event->command.for_ns, expected->command.for_ns);
		assert_true(event->command.is_continued);
	} else if (event->kind == EVENT_PROCESS) {
		assert_int_equal(event->process.party, expected->process.party);
		assert_int_equal(event->process.shared_depth, expected->process.shared_depth);
		assert_true(event->process.is_limit_ours);
		assert_memory_equal(&event->process.record, &expected->process.record,
				    sizeof(event->process.record));
	} else if (event->kind == EVENT_OOM) {
		assert_int_equal(event->oom.party, expected->oom.party);
		assert_int_equal(event->oom.shared_depth, expected->oom.shared_depth);
		assert_false(event->oom.is_limit_ours);
		assert_memory_equal(&event->oom.record, &expected->oom.record,
				    sizeof(event->oom.record));
	}
}

static size_t make_file(uint8_t *bytes)
{
	uint8_t records[BYTES_MAX];
	size_t len = parse_hex(HEADER, bytes);
	size_t records_len = parse_hex(RECORDS, records);

	len += parse_hex(BLOCK_HEAD, bytes + len);
	len += store(records, records_len, bytes + len);
	return len + parse_hex(END, bytes + len);
}

static void test_those_bytes_are_read(void **state)
{
	const struct trace_metadata expected = make_metadata();
	const struct trace_item *item;
	struct trace_reader *reader;
	uint8_t bytes[4 * BYTES_MAX] = {0};
	struct file_tree tree = {0};
	char error[256];

	(void)state;
	file_tree_create(&tree);
	file_tree_write_bytes(&tree, "t", (const char *)bytes, make_file(bytes));
	assert_int_equal(
		trace_reader_open(file_tree_path(&tree, "t"), 0, &reader, error, sizeof(error)), 0);
	assert_memory_equal(trace_reader_get_metadata(reader), &expected, sizeof(expected));
	expect_notice(reader, TRACE_NOTICE_NO_BEGINNING);
	assert_int_equal(next_event(reader, &item)->kind, EVENT_CONFIG);
	assert_int_equal(item->event->time_ns, BASE_NS);
	assert_memory_equal(item->config.name, CONFIG.name, CONFIG.name_len);
	assert_memory_equal(item->config.text, CONFIG.text, CONFIG.len);
	for (size_t i = 0; i < ARRAY_SIZE(EVENTS); i++)
		check_event(next_event(reader, &item), &EVENTS[i]);
	expect_notice(reader, TRACE_NOTICE_GAP);
	expect_notice(reader, TRACE_NOTICE_CONTINUED);
	assert_int_equal(trace_reader_next(reader, &item), 0);
	trace_reader_close(reader);
	file_tree_remove(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_have_their_bytes),
		cmocka_unit_test(test_the_header_has_its_bytes),
		cmocka_unit_test(test_block_and_end_have_their_bytes),
		cmocka_unit_test(test_those_bytes_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
