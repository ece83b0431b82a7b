/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Units used everywhere: nanoseconds, bytes, permyriad (1/10000), and the arithmetic on them that
 * cannot overflow.
 */
#ifndef TIERD_BASE_UNITS_H
#define TIERD_BASE_UNITS_H

#include <stdint.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_HOUR (3600 * NS_PER_S)
#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)
#define PERMYRIAD UINT32_C(10000) /* the whole */

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* value * numerator / denominator, rounded down, saturating; 0 if denominator is 0. */
static inline uint64_t units_scale(uint64_t value, uint64_t numerator, uint64_t denominator)
{
	uint64_t product;

	if (denominator == 0)
		return 0;
	/* A division of 128 bits takes several times as long. */
	if (!__builtin_mul_overflow(value, numerator, &product))
		return product / denominator;
	unsigned __int128 scaled = (unsigned __int128)value * numerator / denominator;

	return scaled > UINT64_MAX ? UINT64_MAX : (uint64_t)scaled;
}

/* part / whole in permyriad, rounded down, saturating at UINT32_MAX; 0 if whole is 0. */
static inline uint32_t units_permyriad(uint64_t part, uint64_t whole)
{
	uint64_t share = units_scale(part, PERMYRIAD, whole);

	return share > UINT32_MAX ? UINT32_MAX : (uint32_t)share;
}

/* a - b, or 0 where that would be negative. */
static inline uint64_t units_minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* a + b, saturating: UINT64_MAX stands for "never". */
static inline uint64_t units_plus(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static inline uint64_t units_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t units_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * Text to number, whole string, no blanks around it. Return 0; -EINVAL if it is not one,
 * -ERANGE if it does not fit. Outputs are untouched on failure.
 *
 * bytes:     512, 64K, 512M, 1.5G, 2T (powers of 1024; a B or iB may follow the letter)
 * duration:  250ms, 5s, 10m, 2h, 100us, 10ns; a bare number is seconds
 * permyriad: 90%, 87.5%, or a fraction 0.9; at most 100 %
 * permille:  a decimal number in thousandths: 1.5 is 1500
 * u64:       decimal digits
 *
 * What is finer than the unit is cut off; fractions have at most nine digits.
 */
int units_parse_bytes(const char *text, uint64_t *ret_bytes);
int units_parse_duration(const char *text, uint64_t *ret_ns);
int units_parse_permyriad(const char *text, uint32_t *ret_permyriad);
int units_parse_permille(const char *text, uint32_t *ret_permille);
int units_parse_u64(const char *text, uint64_t *ret_value);

/*
 * Number to text that the parsers above read back to exactly the same value, in the largest unit
 * that divides it.
 */
enum {
	UNITS_TEXT_LEN = 32,
};
const char *units_format_bytes(uint64_t bytes, char buffer[UNITS_TEXT_LEN]);
const char *units_format_duration(uint64_t duration_ns, char buffer[UNITS_TEXT_LEN]);
const char *units_format_permyriad(uint32_t permyriad, char buffer[UNITS_TEXT_LEN]);
const char *units_format_permille(uint32_t permille, char buffer[UNITS_TEXT_LEN]);

/* For people to read: "3.4 GiB", rounded. */
const char *units_format_bytes_rounded(uint64_t bytes, char buffer[UNITS_TEXT_LEN]);

#endif
