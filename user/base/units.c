/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers with units, to and from text. Decimal fractions are kept as integer mantissa and power
 * of ten, so that 87.55% or 1.5G come out exact on every machine; no floating point anywhere.
 */
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
	FRACTION_DIGITS_MAX = 9,
};

struct unit {
	const char *suffix;
	uint64_t factor;
};

static const struct unit DURATION_UNITS[] = {
	/* largest first: formatting takes the first that divides */
	{"h", 3600 * NS_PER_S}, {"m", 60 * NS_PER_S}, {"s", NS_PER_S},
	{"ms", NS_PER_MS},      {"us", NS_PER_US},    {"ns", 1},
};

static const struct unit BYTE_UNITS[] = {
	{"T", GIB * 1024}, {"G", GIB}, {"M", MIB}, {"K", KIB}, {"", 1},
};

/* mantissa / denominator, denominator a power of ten. */
struct decimal {
	uint64_t mantissa;
	uint64_t denominator;
};

static int digit_append(uint64_t *value, char digit)
{
	if (__builtin_mul_overflow(*value, UINT64_C(10), value) ||
	    __builtin_add_overflow(*value, (uint64_t)(digit - '0'), value))
		return -ERANGE;
	return 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads `digits[.digits]` and leaves *cursor behind it. */
static int decimal_read(const char **cursor, struct decimal *ret_decimal)
{
	struct decimal decimal = {0, 1};
	const char *at = *cursor;

	if (!is_digit(*at))
		return -EINVAL;
	for (; is_digit(*at); at++) {
		if (digit_append(&decimal.mantissa, *at) < 0)
			return -ERANGE;
	}
	if (*at == '.') {
		const char *fraction = ++at;

		if (!is_digit(*at))
			return -EINVAL;
		for (; is_digit(*at); at++) {
			if (at - fraction == FRACTION_DIGITS_MAX)
				return -EINVAL;
			if (digit_append(&decimal.mantissa, *at) < 0)
				return -ERANGE;
			decimal.denominator *= 10;
		}
	}
	*cursor = at;
	*ret_decimal = decimal;
	return 0;
}

/* decimal * factor, rounded down; -ERANGE above max. */
static int decimal_scale(const struct decimal *decimal, uint64_t factor, uint64_t max,
			 uint64_t *ret_value)
{
	unsigned __int128 value =
		(unsigned __int128)decimal->mantissa * factor / decimal->denominator;

	if (value > max)
		return -ERANGE;
	*ret_value = (uint64_t)value;
	return 0;
}

static const struct unit *unit_find(const struct unit *units, size_t count, const char *suffix)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(units[i].suffix, suffix) == 0)
			return &units[i];
	}
	return NULL;
}

/* K, k, KB, KiB ... all mean powers of 1024. */
static const struct unit *byte_unit_find(const char *suffix)
{
	char letter[2] = {*suffix, '\0'};

	if (letter[0] == '\0')
		return unit_find(BYTE_UNITS, ARRAY_SIZE(BYTE_UNITS), letter);
	if (letter[0] >= 'a' && letter[0] <= 'z')
		letter[0] = (char)(letter[0] - 'a' + 'A');
	suffix++;
	if (*suffix != '\0' && strcmp(suffix, "B") != 0 && strcmp(suffix, "iB") != 0)
		return NULL;
	return unit_find(BYTE_UNITS, ARRAY_SIZE(BYTE_UNITS), letter);
}

int units_parse_bytes(const char *text, uint64_t *ret_bytes)
{
	struct decimal decimal;
	int r = decimal_read(&text, &decimal);

	if (r < 0)
		return r;
	const struct unit *unit = byte_unit_find(text);
	if (!unit)
		return -EINVAL;
	/* "1.5" with the letter forgotten must not become one byte. */
	if (unit->factor == 1 && decimal.denominator > 1)
		return -EINVAL;
	return decimal_scale(&decimal, unit->factor, UINT64_MAX, ret_bytes);
}

int units_parse_duration(const char *text, uint64_t *ret_ns)
{
	struct decimal decimal;
	int r = decimal_read(&text, &decimal);

	if (r < 0)
		return r;
	const struct unit *unit =
		unit_find(DURATION_UNITS, ARRAY_SIZE(DURATION_UNITS), *text == '\0' ? "s" : text);
	if (!unit)
		return -EINVAL;
	return decimal_scale(&decimal, unit->factor, UINT64_MAX, ret_ns);
}

int units_parse_permyriad(const char *text, uint32_t *ret_permyriad)
{
	struct decimal decimal;
	uint64_t value = 0;
	int r = decimal_read(&text, &decimal);

	if (r < 0)
		return r;
	bool is_percent = strcmp(text, "%") == 0;
	if (!is_percent && *text != '\0')
		return -EINVAL;
	uint64_t factor = is_percent ? PERMYRIAD / 100 : PERMYRIAD;
	r = decimal_scale(&decimal, factor, UINT64_MAX, &value);
	if (r < 0)
		return r;
	/* Compared before rounding: 100.001% is over 100 %. */
	if ((unsigned __int128)decimal.mantissa * factor >
	    (unsigned __int128)PERMYRIAD * decimal.denominator)
		return -ERANGE;
	*ret_permyriad = (uint32_t)value;
	return 0;
}

int units_parse_permille(const char *text, uint32_t *ret_permille)
{
	struct decimal decimal;
	uint64_t value = 0;
	int r = decimal_read(&text, &decimal);

	if (r < 0)
		return r;
	if (*text != '\0')
		return -EINVAL;
	r = decimal_scale(&decimal, 1000, UINT32_MAX, &value);
	if (r < 0)
		return r;
	*ret_permille = (uint32_t)value;
	return 0;
}

int units_parse_u64(const char *text, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (*text == '\0')
		return -EINVAL;
	for (; *text; text++) {
		if (!is_digit(*text))
			return -EINVAL;
		if (digit_append(&value, *text) < 0)
			return -ERANGE;
	}
	*ret_value = value;
	return 0;
}

static const char *format_in_unit(const struct unit *units, size_t count, uint64_t value,
				  char buffer[UNITS_TEXT_LEN])
{
	size_t i = 0;

	/* The last unit is 1, so this ends. */
	while (i < count - 1 && value % units[i].factor != 0)
		i++;
	snprintf(buffer, UNITS_TEXT_LEN, "%" PRIu64 "%s", value / units[i].factor, units[i].suffix);
	return buffer;
}

const char *units_format_bytes(uint64_t bytes, char buffer[UNITS_TEXT_LEN])
{
	if (bytes == 0)
		return format_in_unit(&BYTE_UNITS[ARRAY_SIZE(BYTE_UNITS) - 1], 1, 0, buffer);
	return format_in_unit(BYTE_UNITS, ARRAY_SIZE(BYTE_UNITS), bytes, buffer);
}

const char *units_format_duration(uint64_t duration_ns, char buffer[UNITS_TEXT_LEN])
{
	if (duration_ns == 0)
		return format_in_unit(unit_find(DURATION_UNITS, ARRAY_SIZE(DURATION_UNITS), "s"), 1,
				      0, buffer);
	return format_in_unit(DURATION_UNITS, ARRAY_SIZE(DURATION_UNITS), duration_ns, buffer);
}

/* Writes whole.fraction without trailing zeros; digits is the fraction's width. */
static const char *format_fraction(uint32_t whole, uint32_t fraction, int digits,
				   const char *suffix, char buffer[UNITS_TEXT_LEN])
{
	while (digits > 0 && fraction % 10 == 0) {
		fraction /= 10;
		digits--;
	}
	if (digits == 0)
		snprintf(buffer, UNITS_TEXT_LEN, "%" PRIu32 "%s", whole, suffix);
	else
		snprintf(buffer, UNITS_TEXT_LEN, "%" PRIu32 ".%0*" PRIu32 "%s", whole, digits,
			 fraction, suffix);
	return buffer;
}

const char *units_format_permyriad(uint32_t permyriad, char buffer[UNITS_TEXT_LEN])
{
	return format_fraction(permyriad / 100, permyriad % 100, 2, "%", buffer);
}

const char *units_format_permille(uint32_t permille, char buffer[UNITS_TEXT_LEN])
{
	return format_fraction(permille / 1000, permille % 1000, 3, "", buffer);
}

const char *units_format_bytes_rounded(uint64_t bytes, char buffer[UNITS_TEXT_LEN])
{
	static const char *const NAMES[] = {"TiB", "GiB", "MiB", "KiB"};

	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		uint64_t factor = BYTE_UNITS[i].factor;

		if (bytes < factor)
			continue;
		uint64_t whole = bytes / factor;
		/* Tenths, rounded to the nearest; the remainder is under 2^40, so no overflow. */
		uint64_t tenths = (bytes % factor * 10 + factor / 2) / factor;
		if (tenths == 10) {
			whole++;
			tenths = 0;
		}
		/* 1023.96 MiB would read "1024.0 MiB". */
		if (whole == KIB && i > 0) {
			whole = 1;
			i--;
		}
		snprintf(buffer, UNITS_TEXT_LEN, "%" PRIu64 ".%" PRIu64 " %s", whole, tenths,
			 NAMES[i]);
		return buffer;
	}
	snprintf(buffer, UNITS_TEXT_LEN, "%" PRIu64 " B", bytes);
	return buffer;
}
