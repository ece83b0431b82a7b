/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers with units: every form, every limit, and the way back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"

#define UNTOUCHED UINT64_C(0x5eed)

struct example {
	const char *text;
	int result;
	uint64_t value;
};

static void check_u64(const struct example *examples, size_t count,
		      int (*parse)(const char *, uint64_t *))
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value = UNTOUCHED;
		int r = parse(examples[i].text, &value);

		if (r != examples[i].result)
			fail_msg("\"%s\": %d, not %d", examples[i].text, r, examples[i].result);
		assert_int_equal(value, r == 0 ? examples[i].value : UNTOUCHED);
	}
}

static void check_u32(const struct example *examples, size_t count,
		      int (*parse)(const char *, uint32_t *))
{
	for (size_t i = 0; i < count; i++) {
		uint32_t value = (uint32_t)UNTOUCHED;
		int r = parse(examples[i].text, &value);

		if (r != examples[i].result)
			fail_msg("\"%s\": %d, not %d", examples[i].text, r, examples[i].result);
		assert_int_equal(value, r == 0 ? examples[i].value : UNTOUCHED);
	}
}

static void test_bytes_are_parsed(void **state)
{
	static const struct example EXAMPLES[] = {
		{"0", 0, 0},
		{"512", 0, 512},
		{"64K", 0, 64 * KIB},
		{"64k", 0, 64 * KIB},
		{"64KB", 0, 64 * KIB},
		{"64KiB", 0, 64 * KIB},
		{"512M", 0, 512 * MIB},
		{"1.5G", 0, GIB + GIB / 2},
		{"2T", 0, 2048 * GIB},
		{"0.1K", 0, 102},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"16777216T", -ERANGE, 0},
		{"16777215T", 0, UINT64_C(16777215) * 1024 * GIB},
		{"99999999999999999999999", -ERANGE, 0},
		{"1.5", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"1 K", -EINVAL, 0},
		{"K", -EINVAL, 0},
		{"1.K", -EINVAL, 0},
		{".5K", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1KK", -EINVAL, 0},
		{"1Ki", -EINVAL, 0},
		{"1B", -EINVAL, 0},
		{"1P", -EINVAL, 0},
		{"1.0000000001K", -EINVAL, 0},
	};

	(void)state;
	check_u64(EXAMPLES, ARRAY_SIZE(EXAMPLES), units_parse_bytes);
}

static void test_durations_are_parsed(void **state)
{
	static const struct example EXAMPLES[] = {
		{"5", 0, 5 * NS_PER_S},
		{"5s", 0, 5 * NS_PER_S},
		{"250ms", 0, 250 * NS_PER_MS},
		{"100us", 0, 100 * NS_PER_US},
		{"7ns", 0, 7},
		{"10m", 0, 600 * NS_PER_S},
		{"2h", 0, 7200 * NS_PER_S},
		{"1.5s", 0, 1500 * NS_PER_MS},
		{"0.000000001s", 0, 1},
		{"0", 0, 0},
		{"5124095h", 0, UINT64_C(5124095) * 3600 * NS_PER_S},
		{"5124096h", -ERANGE, 0},
		{"5S", -EINVAL, 0},
		{"5 s", -EINVAL, 0},
		{"5min", -EINVAL, 0},
		{"-5s", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"nan", -EINVAL, 0},
	};

	(void)state;
	check_u64(EXAMPLES, ARRAY_SIZE(EXAMPLES), units_parse_duration);
}

static void test_permyriad_is_parsed(void **state)
{
	static const struct example EXAMPLES[] = {
		{"90%", 0, 9000},
		{"87.5%", 0, 8750},
		{"0.01%", 0, 1},
		{"0.009%", 0, 0},
		{"0.9", 0, 9000},
		{"1", 0, 10000},
		{"1.0", 0, 10000},
		{"0", 0, 0},
		{"100%", 0, 10000},
		{"100.01%", -ERANGE, 0},
		{"100.001%", -ERANGE, 0},
		{"1.0001", -ERANGE, 0},
		{"90", -ERANGE, 0},
		{"90 %", -EINVAL, 0},
		{"90%%", -EINVAL, 0},
		{"%", -EINVAL, 0},
		{"-1%", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"18446744073709551615%", -ERANGE, 0},
	};

	(void)state;
	check_u32(EXAMPLES, ARRAY_SIZE(EXAMPLES), units_parse_permyriad);
}

static void test_permille_is_parsed(void **state)
{
	static const struct example EXAMPLES[] = {
		{"1.5", 0, 1500},
		{"0", 0, 0},
		{"12", 0, 12000},
		{"0.0019", 0, 1},
		{"1.5x", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"4294967.295", 0, UINT32_MAX},
		{"4294967.296", -ERANGE, 0},
	};

	(void)state;
	check_u32(EXAMPLES, ARRAY_SIZE(EXAMPLES), units_parse_permille);
}

static void test_numbers_are_parsed(void **state)
{
	static const struct example EXAMPLES[] = {
		{"0", 0, 0},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"1a", -EINVAL, 0},
		{"1.0", -EINVAL, 0},
		{"-1", -EINVAL, 0},
	};

	(void)state;
	check_u64(EXAMPLES, ARRAY_SIZE(EXAMPLES), units_parse_u64);
}

/* Powers of two and ten and their neighbours, from 0 to the top. */
static uint64_t pick_value(unsigned int step)
{
	uint64_t value = step % 2 ? UINT64_C(1) << (step / 2 % 64) : step / 2;

	if (step % 2 && step % 3 == 0)
		value--;
	if (step % 2 && step % 5 == 0)
		value *= 1000;
	return value;
}

static void test_formats_read_back_exactly(void **state)
{
	char text[UNITS_TEXT_LEN];

	(void)state;
	for (unsigned int i = 0; i < 4000; i++) {
		uint64_t value = i == 0 ? UINT64_MAX : pick_value(i);
		uint64_t back = 0;
		uint32_t share = 0;

		assert_int_equal(units_parse_bytes(units_format_bytes(value, text), &back), 0);
		assert_int_equal(back, value);
		assert_int_equal(units_parse_duration(units_format_duration(value, text), &back),
				 0);
		assert_int_equal(back, value);
		uint32_t cut = (uint32_t)value;
		assert_int_equal(units_parse_permille(units_format_permille(cut, text), &share), 0);
		assert_int_equal(share, cut);
	}
	for (uint32_t permyriad = 0; permyriad <= PERMYRIAD; permyriad++) {
		uint32_t back = PERMYRIAD + 1;

		assert_int_equal(
			units_parse_permyriad(units_format_permyriad(permyriad, text), &back), 0);
		assert_int_equal(back, permyriad);
	}
}

static void test_formats_take_the_largest_unit(void **state)
{
	char text[UNITS_TEXT_LEN];

	(void)state;
	assert_string_equal(units_format_bytes(3 * GIB / 2, text), "1536M");
	assert_string_equal(units_format_bytes(1000, text), "1000");
	assert_string_equal(units_format_bytes(0, text), "0");
	assert_string_equal(units_format_duration(90 * NS_PER_S, text), "90s");
	assert_string_equal(units_format_duration(7200 * NS_PER_S, text), "2h");
	assert_string_equal(units_format_duration(0, text), "0s");
	assert_string_equal(units_format_permyriad(8750, text), "87.5%");
	assert_string_equal(units_format_permyriad(1, text), "0.01%");
	assert_string_equal(units_format_permille(1500, text), "1.5");
	assert_string_equal(units_format_permille(1, text), "0.001");
}

static void test_rounded_bytes_are_for_people(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} EXAMPLES[] = {
		{0, "0 B"},
		{1023, "1023 B"},
		{KIB, "1.0 KiB"},
		{1536, "1.5 KiB"},
		{3 * GIB + 2 * GIB / 5, "3.4 GiB"},
		{MIB - 1, "1.0 MiB"},
		{GIB - 1, "1.0 GiB"},
		{1024 * GIB - 1, "1.0 TiB"},
		{UINT64_MAX, "16777216.0 TiB"},
	};
	char text[UNITS_TEXT_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(EXAMPLES); i++)
		assert_string_equal(units_format_bytes_rounded(EXAMPLES[i].bytes, text),
				    EXAMPLES[i].text);
}

static void test_arithmetic_saturates(void **state)
{
	(void)state;
	assert_int_equal(units_scale(UINT64_MAX, UINT64_MAX, 1), UINT64_MAX);
	assert_int_equal(units_scale(UINT64_MAX, 3, 3), UINT64_MAX);
	assert_int_equal(units_scale(7, 1, 0), 0);
	assert_int_equal(units_permyriad(1, 3), 3333);
	assert_int_equal(units_permyriad(UINT64_MAX, 1), UINT32_MAX);
	assert_int_equal(units_minus(3, 5), 0);
	assert_int_equal(units_plus(UINT64_MAX, 1), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_are_parsed),
		cmocka_unit_test(test_durations_are_parsed),
		cmocka_unit_test(test_permyriad_is_parsed),
		cmocka_unit_test(test_permille_is_parsed),
		cmocka_unit_test(test_numbers_are_parsed),
		cmocka_unit_test(test_formats_read_back_exactly),
		cmocka_unit_test(test_formats_take_the_largest_unit),
		cmocka_unit_test(test_rounded_bytes_are_for_people),
		cmocka_unit_test(test_arithmetic_saturates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
