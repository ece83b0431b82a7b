/* SPDX-License-Identifier: BSD-2-Clause */
/* Events to bytes and back: exact, of one form only, and safe against any bytes. */
#include "trace_rig.h"

#include "base/bytes.h"

enum {
	ROUNDS = 3000, /* of every kind */
};

static size_t encode(const struct rig_event *event, uint64_t base_ns, uint8_t *at, size_t size)
{
	if (event_is_text(event->event.kind))
		return event_encode_text(&event->event, &event->config, base_ns, at, size);
	return event_encode(&event->event, base_ns, at);
}

static void check_round_trip(uint32_t kind, uint64_t *state)
{
	uint64_t base_ns = rig_number(state);
	uint64_t time_ns = rig_number(state);
	uint8_t bytes[EVENT_ENCODED_MAX];
	uint8_t again[EVENT_ENCODED_MAX];
	struct event_record record;
	struct event_text config = {0};
	struct rig_event expected;
	struct rig_event decoded;
	size_t len;

	rig_make_event(kind, time_ns, state, &expected);
	len = encode(&expected, base_ns, bytes, sizeof(bytes));
	assert_in_range(len, TRACE_RECORD_LEN + 1, EVENT_ENCODED_MAX);
	assert_int_equal(event_split(bytes, len, &record), len);
	assert_int_equal(event_time_of(&record, base_ns), time_ns);
	memset(&decoded, 0xa5, sizeof(decoded));
	assert_int_equal(event_decode(&record, base_ns, EVENT_SAME, &decoded.event, &config), 0);
	assert_true(rig_is_equal(&expected, &decoded.event, &config));
	decoded.config = config;
	assert_int_equal(encode(&decoded, base_ns, again, sizeof(again)), len);
	assert_memory_equal(bytes, again, len);
}

static void test_every_kind_comes_back(void **state)
{
	uint64_t seed = 42;

	(void)state;
	for (uint32_t kind = EVENT_CONFIG; kind < EVENT_KIND_COUNT; kind++) {
		for (int i = 0; i < ROUNDS; i++)
			check_round_trip(kind, &seed);
	}
}

/* Largest values everywhere: the bound that writers rely on. */
static void test_the_largest_event_fits(void **state)
{
	struct event event = {.kind = EVENT_SAMPLE, .time_ns = UINT64_MAX / 2};
	uint8_t bytes[EVENT_ENCODED_MAX];

	(void)state;
	memset(&event.sample, 0xff, sizeof(event.sample));
	for (uint32_t i = 0; i < EVENT_RESOURCES_MAX; i++)
		event.sample.resources[i].kind = RESOURCE_VRAM;
	assert_in_range(event_encode(&event, 0, bytes), 1000, EVENT_ENCODED_MAX);
}

static void test_configs_have_a_limit(void **state)
{
	static char text[TRACE_CONFIG_MAX + 1];
	static uint8_t bytes[TRACE_RECORD_MAX];
	struct event_text config = {.name = "n", .name_len = 1, .text = text, .len = sizeof(text)};
	struct event event = {.kind = EVENT_CONFIG, .time_ns = 1};
	struct event_record record;
	struct event_text decoded;
	size_t len;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(event_encode_text(&event, &config, 0, bytes, sizeof(bytes)), 0);
	config.len--;
	assert_int_equal(event_encode_text(&event, &config, 0, bytes, config.len), 0);
	len = event_encode_text(&event, &config, 0, bytes, sizeof(bytes));
	assert_int_equal(event_split(bytes, len, &record), len);
	assert_int_equal(event_decode(&record, 0, EVENT_SAME, &event, &decoded), 0);
	assert_int_equal(decoded.len, TRACE_CONFIG_MAX);
	assert_null(event.config);
}

/* Whatever is taken is the one encoding of what it is taken for. */
static void check_hostile(const uint8_t *bytes, size_t len)
{
	uint8_t again[TRACE_RECORD_MAX];
	struct event_record record;
	struct rig_event decoded;
	size_t record_len = event_split(bytes, len, &record);

	memset(&decoded, 0, sizeof(decoded));
	if (record_len == 0 ||
	    event_decode(&record, 5, EVENT_SAME, &decoded.event, &decoded.config) < 0)
		return;
	assert_int_equal(encode(&decoded, 5, again, sizeof(again)), record_len);
	again[0] |= bytes[0] & TRACE_PREAMBLE;
	assert_memory_equal(again, bytes, record_len);
}

static void test_nothing_else_is_taken(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < ROUNDS * EVENT_KIND_COUNT; i++) {
		uint8_t bytes[EVENT_ENCODED_MAX];
		struct rig_event event;
		size_t len;

		rig_make_event(1 + (uint32_t)i % EVENT_TICK, rig_number(&seed), &seed, &event);
		len = encode(&event, 5, bytes, sizeof(bytes));
		for (uint64_t flips = rig_random(&seed) % 3; flips > 0; flips--)
			bytes[rig_random(&seed) % len] ^= (uint8_t)(1U << rig_random(&seed) % 8);
		check_hostile(bytes, len);
	}
}

/* One byte less, and one more, are damage; of another minor version they may be right. */
static void check_lengths(uint32_t kind, uint64_t *seed)
{
	uint8_t bytes[EVENT_ENCODED_MAX + 1];
	struct rig_event event;
	struct event decoded;
	struct event_text config;
	struct event_record record;
	size_t len;

	rig_make_event(kind, 5, seed, &event);
	len = encode(&event, 5, bytes, sizeof(bytes));
	bytes[len] = 1;
	assert_int_equal(event_split(bytes, len, &record), len);
	assert_int_equal(event_split(bytes, len - 1, &record), 0);
	record.len++;
	assert_int_equal(event_decode(&record, 5, EVENT_SAME, &decoded, &config), -EBADMSG);
	assert_int_equal(event_decode(&record, 5, EVENT_NEWER, &decoded, &config), 0);
	assert_true(rig_is_equal(&event, &decoded, &config));
	record.len -= 2;
	assert_int_equal(event_decode(&record, 5, EVENT_SAME, &decoded, &config), -EBADMSG);
	/* The time alone: every field is younger. */
	record.len = 1;
	assert_int_equal(event_decode(&record, 5, EVENT_OLDER, &decoded, &config), 0);
	assert_int_equal(decoded.time_ns, 5);
}

static void test_lengths_are_exact_in_one_version(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (uint32_t kind = EVENT_SOURCE; kind < EVENT_TICK; kind++)
		check_lengths(kind, &seed);
}

static void expect_refused(struct event *event)
{
	uint8_t bytes[EVENT_ENCODED_MAX];
	struct event_record record;
	struct event decoded;
	struct event_text config;
	size_t len = event_encode(event, 0, bytes);

	assert_int_equal(event_split(bytes, len, &record), len);
	assert_int_equal(event_decode(&record, 0, EVENT_SAME, &decoded, &config), -EBADMSG);
}

/* What the engine uses as an index or a word. */
static void test_enums_are_checked(void **state)
{
	struct event source = {.kind = EVENT_SOURCE, .source.source = SOURCE_BPF + 1};
	struct event process = {.kind = EVENT_PROCESS, .process.party = PARTY_COUNT};
	struct event oom = {.kind = EVENT_OOM, .oom.party = PARTY_COUNT};
	struct event verb = {.kind = EVENT_COMMAND, .command.verb = COMMAND_VERB_COUNT};
	struct event ack = {.kind = EVENT_COMMAND, .command.ack_state = ACK_FAILED + 1};
	struct event sample = {
		.kind = EVENT_SAMPLE,
		.sample = {.resource_count = 1, .resources = {{.kind = RESOURCE_KIND_COUNT}}}};

	(void)state;
	expect_refused(&source);
	expect_refused(&process);
	expect_refused(&oom);
	expect_refused(&verb);
	expect_refused(&ack);
	expect_refused(&sample);
}

static void test_too_many_resources_are_refused(void **state)
{
	/* kind, length 6, time, flags, model_processes, cpu_count, 25 resources, one byte */
	static const uint8_t bytes[] = {EVENT_SAMPLE, 6, 0, 0, 0, 0, 0, EVENT_RESOURCES_MAX + 1, 0};
	struct event_record record;
	struct event event;
	struct event_text config;

	(void)state;
	assert_int_equal(event_split(bytes, sizeof(bytes), &record), sizeof(bytes));
	assert_int_equal(event_decode(&record, 0, EVENT_SAME, &event, &config), -EBADMSG);
}

static void test_unknown_kinds_are_told_apart(void **state)
{
	static const uint8_t kinds[] = {0, EVENT_KIND_COUNT, 0x3f, 0x80, 0x81, 0xff};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds); i++) {
		const uint8_t bytes[] = {kinds[i], 1, 0, 0};
		struct event_record record;
		struct event event;
		struct event_text config;

		assert_int_equal(event_split(bytes, sizeof(bytes), &record), sizeof(bytes));
		assert_int_equal(event_decode(&record, 0, EVENT_SAME, &event, &config), -ENOENT);
	}
}

static void test_varints_have_one_form(void **state)
{
	static const struct {
		uint8_t bytes[11];
		bool is_good;
		size_t len;
		uint64_t value;
	} cases[] = {
		{{0x00}, true, 1, 0},
		{{0x7f}, true, 1, 127},
		{{0x80, 0x01}, true, 2, 128},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		 true,
		 10,
		 UINT64_MAX},
		{{0}, false, 0, 0},
		{{0x80}, false, 1, 0},
		{{0x80, 0x00}, false, 2, 0},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, false, 10, 0},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x00}, false, 11, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bytes_cursor cursor = {cases[i].bytes, cases[i].bytes + cases[i].len, false};

		assert_int_equal(bytes_take_varint(&cursor), cases[i].value);
		assert_int_equal(cursor.is_bad, !cases[i].is_good);
		assert_int_equal(bytes_left(&cursor), 0);
	}
}

static void test_gaps_come_back(void **state)
{
	uint8_t bytes[EVENT_ENCODED_MAX];
	struct event_record record;
	uint64_t time_ns;
	uint32_t cause;
	uint64_t count;
	size_t len = event_encode_gap(TRACE_DROP_DISK, UINT64_MAX, 17, 20, bytes);

	(void)state;
	assert_int_equal(event_split(bytes, len, &record), len);
	assert_int_equal(record.kind, TRACE_RECORD_GAP);
	assert_int_equal(event_decode_gap(&record, 20, EVENT_SAME, &time_ns, &cause, &count), 0);
	assert_int_equal(time_ns, 17);
	assert_int_equal(cause, TRACE_DROP_DISK);
	assert_int_equal(count, UINT64_MAX);
	record.len--;
	assert_int_equal(event_decode_gap(&record, 20, EVENT_SAME, &time_ns, &cause, &count),
			 -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_comes_back),
		cmocka_unit_test(test_the_largest_event_fits),
		cmocka_unit_test(test_configs_have_a_limit),
		cmocka_unit_test(test_nothing_else_is_taken),
		cmocka_unit_test(test_lengths_are_exact_in_one_version),
		cmocka_unit_test(test_enums_are_checked),
		cmocka_unit_test(test_too_many_resources_are_refused),
		cmocka_unit_test(test_unknown_kinds_are_told_apart),
		cmocka_unit_test(test_varints_have_one_form),
		cmocka_unit_test(test_gaps_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
