/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a trace, all the way into the engine. The first byte says how they are taken: as a
 * file as it is, as one whose checksums are made right, or as the records of a block; without the
 * last two hardly anything would get past the checksums.
 */
#include "fuzz.h"

#include <zlib.h>

#include "base/bytes.h"
#include "base/event_fields.h"
#include "base/trace_frame.h"
#include "base/units.h"
#include "core/engine.h"
#include "io/trace_reader.h"

enum {
	FILE_MAX = 1 << 20,
	ERROR_LEN = 512,
	MODES = 3,
};

static struct engine_config make_config(void)
{
	struct engine_config config = {
		.ladder = {.count = 3,
			   .tiers = {{.name = "off"},
				     {.name = "small", .memory_bytes = GIB},
				     {.name = "large", .memory_bytes = 4 * GIB}}},
		.degrade_above_permyriad = 9000,
		.upgrade_below_permyriad = 8000,
		.margin_permyriad = 500,
		.stabilization_ns = 10 * NS_PER_S,
		.confirm_ns = 100 * NS_PER_MS,
		.trend_ns = 10 * NS_PER_S,
		.stall_above_permyriad = 1000,
		.stall_above_window_ns = 5 * NS_PER_S,
		.stall_urgent_permyriad = 4000,
		.stall_urgent_window_ns = 2 * NS_PER_S,
		.calm_stall_permyriad = 200,
		.calm_stall_window_ns = 10 * NS_PER_S,
		.cpu_wait_above_permyriad = 2500,
		.cpu_wait_window_ns = 5 * NS_PER_S,
		.sample_period_ns = NS_PER_S,
		.sample_period_min_ns = 50 * NS_PER_MS,
	};

	return config;
}

static struct engine *fresh_engine(const struct engine_config *config)
{
	static void *memory;
	static struct actions actions;
	struct event event = {.kind = EVENT_CONFIG, .config = config};
	struct engine *engine;

	if (!memory)
		memory = malloc(engine_size());
	fuzz_assert(memory);
	engine = engine_init(memory);
	engine_step(engine, &event, &actions);
	return engine;
}

/* Whatever is yielded can be written again, and stays as it is by that. */
static void check_event(const struct event *event, enum event_age age)
{
	uint8_t bytes[EVENT_ENCODED_MAX];
	uint8_t again[EVENT_ENCODED_MAX];
	static struct event decoded;
	struct event_record record;
	struct event_text text;
	size_t len = event_encode(event, 0, bytes);

	fuzz_assert(event_split(bytes, len, &record) == len);
	fuzz_assert(event_decode(&record, 0, age, &decoded, &text) == 0);
	fuzz_assert(event_encode(&decoded, 0, again) == len);
	fuzz_assert(memcmp(bytes, again, len) == 0);
}

static void read_trace(const uint8_t *data, size_t size)
{
	static struct actions actions;
	struct engine_config config = make_config();
	struct engine *engine = NULL;
	const struct trace_item *item;
	struct trace_reader *reader = NULL;
	char error[ERROR_LEN] = "";
	int fd = fuzz_open(data, size);
	int result =
		trace_reader_open(fuzz_path(fd), TRACE_READER_ALONE, &reader, error, sizeof(error));

	fuzz_check_error(result, error);
	while (result == 0 && trace_reader_next(reader, &item)) {
		if (item->kind == TRACE_ITEM_NOTICE) {
			fuzz_check_error(-1, item->text);
			continue;
		}
		if (event_is_text(item->event->kind)) {
			fuzz_assert(item->config.len <= TRACE_CONFIG_MAX);
			continue;
		}
		check_event(item->event, EVENT_SAME);
		if (!engine)
			engine = fresh_engine(&config);
		engine_step(engine, item->event, &actions);
	}
	trace_reader_close(reader);
	close(fd);
}

static void put_crc(uint8_t *at, const uint8_t *head, size_t head_len, const uint8_t *rest,
		    size_t rest_len)
{
	uLong crc = crc32(0, head, (uInt)head_len);

	bytes_put_le(at, rest_len ? crc32(crc, rest, (uInt)rest_len) : crc, 4);
}

static void seal(uint8_t *file, size_t size)
{
	uint64_t at = TRACE_HEADER_LEN;

	if (size < TRACE_HEADER_LEN)
		return;
	at += bytes_get_le(file + 12, 4);
	if (at > size)
		return;
	put_crc(file + 16, file, 16, file + TRACE_HEADER_LEN, at - TRACE_HEADER_LEN);
	while (at + TRACE_BLOCK_LEN <= size && memcmp(file + at, TRACE_BLOCK_MAGIC, 4) == 0) {
		uint64_t len = bytes_get_le(file + at + 4, 4);
		uint8_t *head = file + at;

		at += TRACE_BLOCK_LEN + len;
		if (at > size)
			return;
		put_crc(head + 28, head, 28, head + TRACE_BLOCK_LEN, len);
	}
	if (at + TRACE_END_LEN <= size)
		put_crc(file + at + 52, file + at, 52, NULL, 0);
}

/* A file of one block that holds data. */
static size_t wrap(const uint8_t *data, size_t size, uint8_t *file)
{
	const struct trace_metadata metadata = {.segment = 1, .clock = TRACE_CLOCK};
	struct trace_block block = {.raw_len = (uint32_t)size, .first_ns = NS_PER_S};
	size_t len = trace_encode_header(&metadata, file);
	uint8_t *head = file + len;
	uLongf stored_len = FILE_MAX - len - TRACE_BLOCK_LEN;
	struct event_record record;

	for (size_t at = 0, step; (step = event_split(data + at, size - at, &record)) > 0;)
		at += step, block.record_count++;
	fuzz_assert(compress2(head + TRACE_BLOCK_LEN, &stored_len, data, size, 0) == Z_OK);
	block.compressed_len = (uint32_t)stored_len;
	trace_encode_block(&block, head + TRACE_BLOCK_LEN, head);
	return len + TRACE_BLOCK_LEN + stored_len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[FILE_MAX];
	size_t len;

	if (size < 2 || size > FILE_MAX / 2)
		return 0;
	len = size - 1;
	switch (data[0] % MODES) {
	case 0:
		read_trace(data + 1, len);
		break;
	case 1:
		memcpy(file, data + 1, len);
		seal(file, len);
		read_trace(file, len);
		break;
	default:
		len = wrap(data + 1, len, file);
		read_trace(file, len);
	}
	return 0;
}
