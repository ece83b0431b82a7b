/* SPDX-License-Identifier: BSD-2-Clause */
/* The state as text and back: every member, and nothing that makes no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "state_rig.h"

#define BOOT "235e5d4d-0ec4-4361-a95a-41ae0fec3555"

enum {
	ERROR_LEN = 128,
};

static char text[STATE_TEXT_MAX];
static char error[ERROR_LEN];

static size_t write_state(const struct engine_state *state)
{
	size_t lasting = 0;
	int len = state_text_write(state, BOOT, text, sizeof(text), &lasting);

	assert_true(len > 0);
	assert_true(lasting > 0 && lasting < (size_t)len);
	return lasting;
}

static int read_text(const char *from, struct engine_state *ret_state)
{
	char boot_id[STATE_BOOT_ID_LEN];
	int result;

	error[0] = '\0';
	result = state_text_read(from, strlen(from), ret_state, boot_id, error, sizeof(error));
	if (result == 0)
		assert_string_equal(boot_id, BOOT);
	assert_true((result < 0) == (error[0] != '\0'));
	return result;
}

static void test_every_member_comes_back(void **state)
{
	struct engine_state expected;
	struct engine_state got;

	(void)state;
	state_rig_fill(&expected);
	write_state(&expected);
	memset(&got, 0, sizeof(got));
	assert_int_equal(read_text(text, &got), 0);
	assert_memory_equal(&got, &expected, sizeof(got));
}

#define FILLED(member) assert_true(memcmp(&filled.member, &zero.member, sizeof(filled.member)) != 0)

/* A member that is left out of the table would come back as 0 whatever it was. */
static void test_the_rig_leaves_no_member_out(void **state)
{
	static const struct engine_state zero;
	struct engine_state filled;

	(void)state;
	state_rig_fill(&filled);
	FILLED(taken_ns);
	FILLED(is_same_boot);
	FILLED(is_final);
	FILLED(sample_ns);
	FILLED(pressure_ns);
	FILLED(loss_began_ns);
	FILLED(loss_ns);
	FILLED(resources[0].peak_bytes);
	FILLED(resources[0].noise.mean_difference_q4);
	FILLED(resources[0].noise.differences);
	FILLED(pin);
	FILLED(pin_until_ns);
	FILLED(pin_reason);
	FILLED(is_pin_due);
	FILLED(is_paused);
	FILLED(wait_factor);
	FILLED(wait_factor_ns);
	FILLED(trial_end_ns);
	FILLED(seq);
	FILLED(wanted);
	FILLED(actual);
	FILLED(from);
	FILLED(to);
	FILLED(phase);
	FILLED(mode);
	FILLED(reason);
	FILLED(is_assumed);
	FILLED(has_manager);
	FILLED(is_open);
	FILLED(is_owed);
	FILLED(is_overlap_granted);
	FILLED(failure_count);
	FILLED(began_ns);
	FILLED(deadline_ns);
	FILLED(backoff_ns);
	FILLED(degrade_above_permyriad);
	FILLED(cost_drain_ns);
	FILLED(hello_pid);
	FILLED(hello_start_ticks);
	FILLED(tier_count);
}

static void test_nor_one_of_a_tier(void **state)
{
	static const struct engine_state zero;
	struct engine_state filled;

	(void)state;
	state_rig_fill(&filled);
	FILLED(tiers[0].name);
	FILLED(tiers[1].memory_bytes);
	FILLED(tiers[0].learned.used_ns);
	FILLED(tiers[0].learned.memory);
	FILLED(tiers[0].learned.vram);
	FILLED(tiers[0].learned.drain_ns);
	FILLED(tiers[0].learned.load_ns);
	FILLED(tiers[0].learned.is_drain_measured);
	FILLED(tiers[0].learned.is_load_measured);
	FILLED(tiers[0].breaker.state);
	FILLED(tiers[0].breaker.reason);
	FILLED(tiers[0].breaker.factor);
	FILLED(tiers[0].breaker.until_ns);
	FILLED(tiers[1].breaker.closed_ns);
	FILLED(tiers[0].calm.vram_bytes);
	FILLED(tiers[0].calm.opened_ns);
	FILLED(tiers[0].calm.broken_ns);
	FILLED(tiers[0].calm.lengths.count);
	FILLED(tiers[0].calm.lengths.length_ns);
	FILLED(tiers[0].calm.intervals.count);
	FILLED(tiers[0].calm.intervals.length_ns);
	FILLED(tiers[0].calm.alarms_permyriad);
	FILLED(tiers[0].calm.alarms_true_permyriad);
	FILLED(tiers[0].calm.penalty_permyriad);
	FILLED(tiers[0].calm.refuges.count);
	FILLED(tiers[0].calm.refuges.name);
}

#undef FILLED

static void fill_largest_calm(struct calm_state *calm, const char *name)
{
	calm->vram_bytes = INT64_MAX;
	calm->opened_ns = INT64_MAX;
	calm->broken_ns = INT64_MAX;
	calm->lengths.count = SPELLS_MAX;
	calm->intervals.count = SPELLS_MAX;
	for (int i = 0; i < SPELLS_MAX; i++) {
		calm->lengths.length_ns[i] = SPELLS_LENGTH_MAX_NS;
		calm->intervals.length_ns[i] = SPELLS_LENGTH_MAX_NS;
	}
	calm->penalty_permyriad = INT64_MAX;
	calm->refuges.count = ADAPTIVE_REFUGES;
	for (int i = 0; i < ADAPTIVE_REFUGES; i++)
		(void)snprintf(calm->refuges.name[i], EVENT_TIER_NAME_LEN, "%s", name);
}

/* The largest ladder, every number at its largest; each tier was measured on so many GPUs. */
static void fill_largest(struct engine_state *largest, int gpu_count)
{
	char name[EVENT_TIER_NAME_LEN];

	state_rig_fill(largest);
	largest->taken_ns = INT64_MAX;
	largest->seq = INT64_MAX;
	largest->resource_count = EVENT_RESOURCES_MAX;
	for (uint32_t i = 0; i < EVENT_RESOURCES_MAX; i++)
		largest->resources[i] =
			(struct resource_state){RESOURCE_GROUP_MEMORY,
						UINT32_MAX,
						INT64_MAX,
						{DRIFT_MEAN_MAX_Q4, DRIFT_DIFFERENCES_MAX}};
	largest->tier_count = LADDER_TIERS_MAX;
	for (int i = 0; i < LADDER_TIERS_MAX; i++) {
		struct tier_state *tier = &largest->tiers[i];

		(void)snprintf(name, sizeof(name), "%031d", i);
		state_rig_fill_tier(tier, name, INT64_MAX);
		tier->breaker.until_ns = INT64_MAX;
		tier->breaker.closed_ns = INT64_MAX;
		fill_largest_calm(&tier->calm, name);
		for (int gpu = 0; gpu < gpu_count; gpu++)
			tier->learned.vram[gpu] = (struct footprint_peak){
				.bytes = INT64_MAX,
				.seen = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}};
	}
}

static void test_the_largest_state_fits(void **state)
{
	struct engine_state largest;
	struct engine_state got;

	(void)state;
	fill_largest(&largest, LADDER_GPUS_MAX / 2);
	write_state(&largest);
	memset(&got, 0, sizeof(got));
	assert_int_equal(read_text(text, &got), 0);
	assert_memory_equal(&got, &largest, sizeof(got));
	/* All but the calm. */
	fill_largest(&largest, LADDER_GPUS_MAX);
	write_state(&largest);
	memset(&got, 0, sizeof(got));
	assert_int_equal(read_text(text, &got), 0);
	for (uint32_t i = 0; i < largest.tier_count; i++)
		memset(&largest.tiers[i].calm, 0, sizeof(largest.tiers[i].calm));
	assert_memory_equal(&got, &largest, sizeof(got));
}

/* What time alone changes stands before the rest. */
static void test_lasting_members_are_apart(void **state)
{
	struct engine_state one;
	struct engine_state other;
	char before[STATE_TEXT_MAX];
	size_t lasting;

	(void)state;
	state_rig_fill(&one);
	state_rig_fill(&other);
	other.taken_ns++;
	other.sample_ns++;
	other.pressure_ns++;
	other.loss_ns[0]++;
	other.resources[0].peak_bytes++;
	other.is_final = false;
	lasting = write_state(&one);
	(void)snprintf(before, sizeof(before), "%s", text + lasting);
	lasting = write_state(&other);
	assert_string_equal(text + lasting, before);
	other.seq++;
	lasting = write_state(&other);
	assert_string_not_equal(text + lasting, before);
}

/* Replaces the value of a member in the text. */
static void put(const char *key, const char *value)
{
	static char changed[STATE_TEXT_MAX];
	char needle[64];
	char *at;
	size_t old_len;

	(void)snprintf(needle, sizeof(needle), "\"%s\":", key);
	at = strstr(text, needle);
	assert_non_null(at);
	at += strlen(needle);
	old_len = *at == '[' ? strcspn(at, "]") + 1 : strcspn(at, ",}]");
	(void)snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, value,
		       at + old_len);
	memcpy(text, changed, sizeof(text));
}

struct refused {
	const char *key;
	const char *value;
	const char *error;
};

static void check_refused(const struct refused *cases, size_t count)
{
	struct engine_state kept;
	struct engine_state got;

	state_rig_fill(&kept);
	for (size_t i = 0; i < count; i++) {
		write_state(&kept);
		put(cases[i].key, cases[i].value);
		memset(&got, 0xa5, sizeof(got));
		assert_int_equal(read_text(text, &got), -EINVAL);
		assert_string_equal(error, cases[i].error);
		assert_int_equal(got.seq, UINT64_C(0xa5a5a5a5a5a5a5a5));
	}
}

static void test_what_makes_no_sense_is_refused(void **state)
{
	static const struct refused cases[] = {
		{"tierd_state", "2", "written by a newer version of tierd"},
		{"tierd_state", "0", "not the state of tierd"},
		{"tierd_state", "\"1\"", "not the state of tierd"},
		{"boot_id", "7", "boot_id: missing or too long"},
		{"boot_id", "\"0123456789012345678901234567890123456789\"",
		 "boot_id: missing or too long"},
		{"taken_ns", "0", "sample_ns: not a number that it can be"},
		{"taken_ns", "-1", "taken_ns: not a number that it can be"},
		{"taken_ns", "1.5", "taken_ns: not a number that it can be"},
		{"taken_ns", "9223372036854775808", "not JSON"},
		{"sample_ns", "5000000000001", "sample_ns: not a number that it can be"},
		{"pressure_ns", "5000000000001", "pressure_ns: not a number that it can be"},
		{"decisive_loss_ns", "5000000000001",
		 "decisive_loss_ns: not a number that it can be"},
		{"same_boot", "1", "same_boot: neither true nor false"},
		{"resource", "\"disk\"", "resource: not a word that it can be"},
		{"index", "4294967296", "index: not a number that it can be"},
		{"wanted", "\"\"", "wanted: not the name of a tier"},
		{"wanted", "\"a b\"", "wanted: not the name of a tier"},
		{"wanted", "\"12345678901234567890123456789012\"",
		 "wanted: not the name of a tier"},
		{"wanted", "\"small\"", "phase: there is no such order"},
		{"wanted", "null", "wanted: not the name of a tier"},
		{"seq", "0", "phase: there is no such order"},
		{"phase", "\"parked\"", "phase: not a word that it can be"},
		{"phase", "\"settling\"", "phase: it settles on nothing"},
		{"reason", "\"?\"", "reason: not a word that it can be"},
		{"deadline_ns", "0", "phase: it would never end"},
		{"deadline_ns", "1473800000000001", "deadline_ns: not a number that it can be"},
		{"backoff_ns", "86400000000001", "backoff_ns: not a number that it can be"},
		{"wait_factor", "3", "wait_factor: not 1, 2, 4 or 8"},
		{"wait_factor", "16", "wait_factor: not a number that it can be"},
		{"hello_pid", "2147483648", "hello_pid: not a number that it can be"},
		{"tier", "\"large\"", "tiers: one is there twice"},
		{"breaker_factor", "17", "breaker_factor: not a number that it can be"},
		{"breaker", "\"ajar\"", "breaker: not a word that it can be"},
		{"load_ns", "86400000000001", "load_ns: not a number that it can be"},
	};

	(void)state;
	check_refused(cases, ARRAY_SIZE(cases));
}

static void test_so_is_calm_that_makes_no_sense(void **state)
{
	static const struct refused cases[] = {
		{"noise_kib_q4", "281474976710657", "noise_kib_q4: not a number that it can be"},
		{"noise_seen", "34", "noise_seen: not a number that it can be"},
		{"degrade_above", "10001", "degrade_above: not a number that it can be"},
		{"calm_since_ns", "5000000000001", "calm_since_ns: not a number that it can be"},
		{"calm_since_ns", "4909999999999",
		 "calm_since_ns: before the calm before it ended"},
		{"calm_ended_ns", "5000000000001", "calm_ended_ns: not a number that it can be"},
		{"calm_ns", "7", "calm_ns: not a list, or too long"},
		{"calm_ns", "[1,2,3,4,5,6,7,8,9]", "calm_ns: not a list, or too long"},
		{"calm_ns", "[31622400000000001]", "calm_ns: not a number that it can be"},
		{"calm_ns", "[null]", "calm_ns: not a number that it can be"},
		{"between_ends_ns", "[-1]", "between_ends_ns: not a number that it can be"},
		{"forecasts", "100001", "forecasts: not a number that it can be"},
		{"forecasts_true", "80001", "forecasts_true: more than there were"},
		{"penalty", "-1", "penalty: not a number that it can be"},
		{"refuges", "[\"a b\"]", "refuges: not the name of a tier"},
		{"refuges", "[1]", "refuges: not the name of a tier"},
		{"refuges", "[\"a\",\"b\",\"c\",\"d\"]", "refuges: not a list, or too long"},
	};

	(void)state;
	check_refused(cases, ARRAY_SIZE(cases));
}

static void test_what_is_no_state_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"x",
		"[]",
		"null",
		"{}",
		"{\"tierd_state\":1}",
		"{\"tierd_state\":1,\"tierd_state\":1}",
		"{\"tierd_state\":1,\"boot_id\":\"" BOOT "\"}",
		"{\"tierd_state\":1,\"boot_id\":\"" BOOT "\",\"tiers\":[7]}",
		"{\"tierd_state\":1,\"boot_id\":\"" BOOT "\",\"resources\":7}",
	};
	struct engine_state got;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(read_text(texts[i], &got), -EINVAL);
}

/* One of an older or newer version that is compatible. */
static void test_members_may_be_missing_or_unknown(void **state)
{
	struct engine_state got;

	(void)state;
	assert_int_equal(read_text("{\"tierd_state\":1,\"boot_id\":\"" BOOT
				   "\",\"taken_ns\":5,\"new\":[1],"
				   "\"wanted\":\"a\",\"actual\":\"a\",\"from\":\"a\",\"to\":\"a\"}",
				   &got),
			 0);
	assert_string_equal(got.wanted, "a");
	assert_int_equal(got.phase, SWITCH_STEADY);
	assert_int_equal(got.tier_count, 0);
}

/* Whatever a byte becomes: refused, or read as another state that makes sense. */
static void test_any_byte_may_be_wrong(void **state)
{
	static char original[STATE_TEXT_MAX];
	struct engine_state kept;
	struct engine_state got;
	size_t len;

	(void)state;
	state_rig_fill(&kept);
	write_state(&kept);
	memcpy(original, text, sizeof(text));
	len = strlen(original);
	for (size_t i = 0; i < len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			memcpy(text, original, sizeof(text));
			text[i] = (char)(text[i] ^ (1 << bit));
			char boot_id[STATE_BOOT_ID_LEN];

			if (state_text_read(text, len, &got, boot_id, error, sizeof(error)) == 0)
				write_state(&got);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_member_comes_back),
		cmocka_unit_test(test_the_rig_leaves_no_member_out),
		cmocka_unit_test(test_nor_one_of_a_tier),
		cmocka_unit_test(test_the_largest_state_fits),
		cmocka_unit_test(test_lasting_members_are_apart),
		cmocka_unit_test(test_what_makes_no_sense_is_refused),
		cmocka_unit_test(test_so_is_calm_that_makes_no_sense),
		cmocka_unit_test(test_what_is_no_state_is_refused),
		cmocka_unit_test(test_members_may_be_missing_or_unknown),
		cmocka_unit_test(test_any_byte_may_be_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
