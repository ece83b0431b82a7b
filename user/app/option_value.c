/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The value types of the option table: text to value with range check, value to text, and the
 * words that say what is allowed. One row of TYPES per type.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "base/utf8.h"
#include "option_table.h"

enum {
	VALUE_TEXT_LEN = 64, /* of a value quoted in an error */
	VRAM_ENTRY_LEN = 32,
};

struct value_type {
	const char *noun;     /* "X is not NOUN" */
	const char *examples; /* appended to the range, NULL = none */
	/* 0, -EINVAL (not of this type) or -ERANGE; stores only on success. */
	int (*set)(const struct option_row *row, void *field, const char *text);
	void (*format)(const struct option_row *row, const void *field, char *buffer, size_t size);
	const char *(*format_number)(uint64_t value, char buffer[UNITS_TEXT_LEN]);
};

static int check_range(const struct option_row *row, uint64_t value)
{
	if (value < row->min || value > row->max)
		return -ERANGE;
	if ((row->flags & OPTION_POWER_OF_TWO) && (value & (value - 1)) != 0)
		return -ERANGE;
	return 0;
}

static int set_u64(const struct option_row *row, void *field, const char *text,
		   int (*parse)(const char *, uint64_t *))
{
	uint64_t value = 0;
	int r = parse(text, &value);

	if (r < 0)
		return r;
	r = check_range(row, value);
	if (r < 0)
		return r;
	*(uint64_t *)field = value;
	return 0;
}

static int set_u32(const struct option_row *row, void *field, const char *text,
		   int (*parse)(const char *, uint32_t *))
{
	uint32_t value = 0;
	int r = parse(text, &value);

	if (r < 0)
		return r;
	r = check_range(row, value);
	if (r < 0)
		return r;
	*(uint32_t *)field = value;
	return 0;
}

static int set_bytes(const struct option_row *row, void *field, const char *text)
{
	return set_u64(row, field, text, units_parse_bytes);
}

static int set_duration(const struct option_row *row, void *field, const char *text)
{
	return set_u64(row, field, text, units_parse_duration);
}

static int set_permyriad(const struct option_row *row, void *field, const char *text)
{
	return set_u32(row, field, text, units_parse_permyriad);
}

static int set_permille(const struct option_row *row, void *field, const char *text)
{
	return set_u32(row, field, text, units_parse_permille);
}

static int parse_u32(const char *text, uint32_t *ret_value)
{
	uint64_t value = 0;
	int r = units_parse_u64(text, &value);

	if (r < 0)
		return r;
	if (value > UINT32_MAX)
		return -ERANGE;
	*ret_value = (uint32_t)value;
	return 0;
}

static int set_plain_u32(const struct option_row *row, void *field, const char *text)
{
	return set_u32(row, field, text, parse_u32);
}

/* Position of text in a NULL-terminated list; -EINVAL. */
static int word_find(const char *const *words, const char *text)
{
	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
	}
	return -EINVAL;
}

static int set_bool(const struct option_row *row, void *field, const char *text)
{
	/* Odd ones are true. */
	static const char *const WORDS[] = {"no", "yes", "false", "true", "off",
					    "on", "0",   "1",     NULL};
	int index = word_find(WORDS, text);

	(void)row;
	if (index < 0)
		return index;
	*(bool *)field = index % 2 == 1;
	return 0;
}

static int set_word(const struct option_row *row, void *field, const char *text)
{
	int index = word_find(row->words, text);

	if (index < 0)
		return index;
	*(uint32_t *)field = (uint32_t)index;
	return 0;
}

bool option_is_tier_name(const char *name)
{
	static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	size_t len = strlen(name);

	return len > 0 && len < EVENT_TIER_NAME_LEN && strspn(name, ALLOWED) == len;
}

static int set_tier(const struct option_row *row, void *field, const char *text)
{
	(void)row;
	if (!option_is_tier_name(text))
		return -EINVAL;
	memcpy(field, text, strlen(text) + 1); /* the name's length has been checked */
	return 0;
}

static int set_path(const struct option_row *row, void *field, const char *text)
{
	size_t len = strlen(text);

	if (len >= CONFIG_PATH_LEN)
		return -ERANGE;
	if (len == 0 && (row->flags & OPTION_NOT_EMPTY))
		return -EINVAL;
	/*
	 * What the file's grammar cannot hold is refused from the command line too, so that every
	 * config can be written as a file: blanks at the ends, and what begins a comment.
	 */
	if (len > 0 && (text[0] == ' ' || text[len - 1] == ' ' || text[0] == ';'))
		return -EINVAL;
	if (strstr(text, " ;"))
		return -EINVAL;
	for (size_t i = 0; i < len;) {
		size_t char_len = utf8_char_len(text + i, len - i);

		if (char_len == 0 || (unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return -EINVAL;
		i += char_len;
	}
	memcpy(field, text, len + 1);
	return 0;
}

static int set_vram(const struct option_row *row, void *field, const char *text)
{
	uint64_t sizes[LADDER_GPUS_MAX] = {0};
	size_t count = 0;

	for (bool is_last = false; !is_last; count++) {
		char entry[VRAM_ENTRY_LEN];
		const char *begin = text + strspn(text, " ");
		size_t len = strcspn(begin, ",");

		is_last = begin[len] == '\0';
		text = begin + len + 1;
		while (len > 0 && begin[len - 1] == ' ')
			len--;
		if (count == LADDER_GPUS_MAX)
			return -ERANGE;
		if (len >= sizeof(entry))
			return -EINVAL;
		memcpy(entry, begin, len);
		entry[len] = '\0';
		int r = set_u64(row, &sizes[count], entry, units_parse_bytes);
		if (r < 0)
			return r;
	}
	memcpy(field, sizes, sizeof(sizes));
	return 0;
}

static const char *number_permyriad(uint64_t value, char buffer[UNITS_TEXT_LEN])
{
	return units_format_permyriad((uint32_t)value, buffer);
}

static const char *number_permille(uint64_t value, char buffer[UNITS_TEXT_LEN])
{
	return units_format_permille((uint32_t)value, buffer);
}

static const char *number_plain(uint64_t value, char buffer[UNITS_TEXT_LEN])
{
	snprintf(buffer, UNITS_TEXT_LEN, "%" PRIu64, value);
	return buffer;
}

static void format_u64(const struct option_row *row, const void *field, char *buffer, size_t size);
static void format_u32(const struct option_row *row, const void *field, char *buffer, size_t size);

static void format_bool(const struct option_row *row, const void *field, char *buffer, size_t size)
{
	(void)row;
	snprintf(buffer, size, "%s", *(const bool *)field ? "yes" : "no");
}

static void format_word(const struct option_row *row, const void *field, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s", row->words[*(const uint32_t *)field]);
}

static void format_text(const struct option_row *row, const void *field, char *buffer, size_t size)
{
	(void)row;
	snprintf(buffer, size, "%s", (const char *)field);
}

static void format_vram(const struct option_row *row, const void *field, char *buffer, size_t size)
{
	const uint64_t *sizes = field;
	size_t count = LADDER_GPUS_MAX;
	size_t out = 0;

	(void)row;
	while (count > 1 && sizes[count - 1] == 0)
		count--;
	for (size_t i = 0; i < count; i++) {
		char number[UNITS_TEXT_LEN];

		assert(out < size);
		out += (size_t)snprintf(buffer + out, size - out, "%s%s", i > 0 ? "," : "",
					units_format_bytes(sizes[i], number));
	}
}

static const struct value_type TYPES[OPTION_TYPE_COUNT] = {
	[OPTION_BYTES] = {"a size", "like 512M or 1.5G", set_bytes, format_u64, units_format_bytes},
	[OPTION_DURATION] = {"a duration", "like 250ms, 5s or 10m", set_duration, format_u64,
			     units_format_duration},
	[OPTION_PERMYRIAD] = {"a share", "like 87.5% or 0.875", set_permyriad, format_u32,
			      number_permyriad},
	[OPTION_PERMILLE] = {"a number", "like 2 or 1.5", set_permille, format_u32,
			     number_permille},
	[OPTION_U32] = {"a whole number", NULL, set_plain_u32, format_u32, number_plain},
	[OPTION_BOOL] = {"yes or no", NULL, set_bool, format_bool, NULL},
	[OPTION_WORD] = {"known", NULL, set_word, format_word, NULL},
	[OPTION_TIER] = {"a tier's name", NULL, set_tier, format_text, NULL},
	[OPTION_PATH] = {"a path that can be used here", NULL, set_path, format_text, NULL},
	[OPTION_VRAM] = {"a size or a list of sizes", "like 6G or 6G,0,2G", set_vram, format_vram,
			 units_format_bytes},
};

static void format_u64(const struct option_row *row, const void *field, char *buffer, size_t size)
{
	char number[UNITS_TEXT_LEN];

	snprintf(buffer, size, "%s",
		 TYPES[row->type].format_number(*(const uint64_t *)field, number));
}

static void format_u32(const struct option_row *row, const void *field, char *buffer, size_t size)
{
	char number[UNITS_TEXT_LEN];

	snprintf(buffer, size, "%s",
		 TYPES[row->type].format_number(*(const uint32_t *)field, number));
}

static void describe_words(const char *const *words, char *buffer, size_t size)
{
	size_t out = 0;

	for (size_t i = 0; words[i] && out < size; i++) {
		const char *joint = i == 0 ? "" : words[i + 1] ? ", " : " or ";

		out += (size_t)snprintf(buffer + out, size - out, "%s%s", joint, words[i]);
	}
}

const char *option_describe(const struct option_row *row, char *buffer, size_t size)
{
	const struct value_type *type = &TYPES[row->type];

	if (type->format_number) {
		char min[UNITS_TEXT_LEN];
		char max[UNITS_TEXT_LEN];
		bool is_power = row->flags & OPTION_POWER_OF_TWO;

		/* A limit that only keeps sums from overflowing is no help to people. */
		if (row->max >= UINT64_MAX / 4)
			snprintf(buffer, size, "at least %s", type->format_number(row->min, min));
		else
			snprintf(buffer, size, "%s%s to %s", is_power ? "a power of two, " : "",
				 type->format_number(row->min, min),
				 type->format_number(row->max, max));
		size_t len = strlen(buffer);
		if (type->examples)
			snprintf(buffer + len, size - len, ", %s", type->examples);
	} else if (row->type == OPTION_WORD) {
		describe_words(row->words, buffer, size);
	} else if (row->type == OPTION_TIER) {
		snprintf(buffer, size, "off or the name of a tier");
	} else if (row->type == OPTION_PATH) {
		snprintf(buffer, size, "a %s of up to %d bytes without control characters%s",
			 row->flags & OPTION_NAME ? "name" : "path", CONFIG_PATH_LEN - 1,
			 row->flags & OPTION_NOT_EMPTY ? "" : ", or empty");
	} else {
		snprintf(buffer, size, "yes or no");
	}
	return buffer;
}

int option_set(const struct option_row *row, void *base, const char *text, char *error,
	       size_t error_size)
{
	const struct value_type *type = &TYPES[row->type];
	char value[VALUE_TEXT_LEN];
	char allowed[CONFIG_ERROR_LEN / 2];
	int r = type->set(row, (char *)base + row->offset, text);

	if (r == 0)
		return 0;
	utf8_copy_printable(text, strlen(text), value, sizeof(value));
	option_describe(row, allowed, sizeof(allowed));
	if (r == -ERANGE)
		snprintf(error, error_size, "\"%s\" is out of range; allowed: %s", value, allowed);
	else
		snprintf(error, error_size, "\"%s\" is not %s; allowed: %s", value, type->noun,
			 allowed);
	return -EINVAL;
}

const char *option_format(const struct option_row *row, const void *base, char *buffer, size_t size)
{
	assert(size >= CONFIG_PATH_LEN);
	TYPES[row->type].format(row, (const char *)base + row->offset, buffer, size);
	return buffer;
}
