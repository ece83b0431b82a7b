// SPDX-License-Identifier: BSD-2-Clause
/*
 * The tables of members (state_members.h) drive both directions. What one row cannot say is checked
 * in state_check.c.
 */
#include "state_text.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/units.h"
#include "option_table.h"
#include "state_check.h"
#include "state_members.h"

/* Nothing waits longer: the longest rest of a tier (performance_retry at most, 16 times). */
#define AHEAD_MAX_NS (17 * DAY_NS)

/* ---- writing -----------------------------------------------------------------------------------
 */

static void add_history(struct json *json, const char *key, const struct spell_history *history)
{
	json_begin_array(json, key);
	for (uint32_t i = 0; i < history->count; i++)
		json_add_u64(json, NULL, history->length_ns[i]);
	json_end_array(json);
}

static void add_names(struct json *json, const char *key, const struct tier_names *names)
{
	json_begin_array(json, key);
	for (uint32_t i = 0; i < names->count; i++)
		json_add_field(json, NULL, names->name[i], EVENT_TIER_NAME_LEN);
	json_end_array(json);
}

static void add_member(struct json *json, const struct member *member, const void *base)
{
	const char *at = (const char *)base + member->offset;
	uint64_t u64;
	uint32_t u32;

	switch ((enum member_type)member->type) {
	case MEMBER_U64:
	case MEMBER_PAST:
	case MEMBER_AHEAD:
		memcpy(&u64, at, sizeof(u64));
		json_add_u64(json, member->key, units_min(u64, STATE_NUMBER_MAX));
		break;
	case MEMBER_U32:
		memcpy(&u32, at, sizeof(u32));
		json_add_u64(json, member->key, u32);
		break;
	case MEMBER_BOOL:
		json_add_bool(json, member->key, *(const bool *)at);
		break;
	case MEMBER_TIER:
	case MEMBER_TIER_OR_NONE:
		json_add_field(json, member->key, at, EVENT_TIER_NAME_LEN);
		break;
	case MEMBER_WORD:
		memcpy(&u32, at, sizeof(u32));
		json_add_string(json, member->key, member->word(u32));
		break;
	case MEMBER_HISTORY:
		add_history(json, member->key, (const void *)at);
		break;
	case MEMBER_NAMES:
		add_names(json, member->key, (const void *)at);
		break;
	}
}

static void add_members(struct json *json, const struct member_list *list, const void *base)
{
	for (uint32_t i = 0; i < list->count; i++)
		add_member(json, &list->members[i], base);
}

static void add_list(struct json *json, const char *key, const struct member_list *list,
		     const void *base, uint32_t count, size_t size)
{
	json_begin_array(json, key);
	for (uint32_t i = 0; i < count; i++) {
		json_begin_object(json, NULL);
		add_members(json, list, (const char *)base + i * size);
		json_end_object(json);
	}
	json_end_array(json);
}

static bool is_measured(const struct footprint_peak *peak)
{
	return peak->bytes > 0 || footprint_seen_bytes(peak) > 0;
}

static void add_tiers(struct json *json, const struct engine_state *state, bool has_calm)
{
	json_begin_array(json, "tiers");
	for (uint32_t i = 0; i < state->tier_count; i++) {
		const struct footprint_tier *learned = &state->tiers[i].learned;

		json_begin_object(json, NULL);
		add_members(json, &TIER_MEMBERS, &state->tiers[i]);
		if (has_calm && state->tiers[i].calm.alarms_permyriad > 0)
			add_members(json, &CALM_MEMBERS, &state->tiers[i].calm);
		add_members(json, &PEAK_MEMBERS, &learned->memory);
		json_begin_array(json, "vram");
		for (uint64_t gpu = 0; gpu < LADDER_GPUS_MAX; gpu++) {
			if (!is_measured(&learned->vram[gpu]))
				continue;
			json_begin_object(json, NULL);
			json_add_u64(json, "gpu", gpu);
			add_members(json, &PEAK_MEMBERS, &learned->vram[gpu]);
			json_end_object(json);
		}
		json_end_array(json);
		json_end_object(json);
	}
	json_end_array(json);
}

static int write_text(const struct engine_state *state, const char *boot_id, bool has_calm,
		      char *buffer, size_t size, size_t *ret_lasting)
{
	struct json json;

	json_init(&json, buffer, size);
	json_begin_object(&json, NULL);
	json_add_u64(&json, "tierd_state", STATE_TEXT_VERSION);
	json_add_string(&json, "boot_id", boot_id);
	add_members(&json, &PASSING_MEMBERS, state);
	add_list(&json, "resources", &RESOURCE_MEMBERS, state->resources, state->resource_count,
		 sizeof(state->resources[0]));
	add_tiers(&json, state, has_calm);
	*ret_lasting = json.len;
	add_members(&json, &LASTING_MEMBERS, state);
	json_end_object(&json);
	return json_finish(&json);
}

int state_text_write(const struct engine_state *state, const char *boot_id, char *buffer,
		     size_t size, size_t *ret_lasting)
{
	int len = write_text(state, boot_id, true, buffer, size, ret_lasting);

	/* Sixteen tiers that were each measured on sixteen GPUs: rather the rest than nothing. */
	return len == -EMSGSIZE ? write_text(state, boot_id, false, buffer, size, ret_lasting)
				: len;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

struct reading {
	uint64_t taken_ns;
	char *error;
	size_t error_size;
};

static int fail(struct reading *reading, const char *key, const char *words)
{
	(void)snprintf(reading->error, reading->error_size, "%s%s%s", key, *key ? ": " : "", words);
	return -EINVAL;
}

static int take_number(struct reading *reading, const struct member *member, const json_t *value,
		       uint64_t max, uint64_t *ret_number)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > max)
		return fail(reading, member->key, "not a number that it can be");
	*ret_number = (uint64_t)json_integer_value(value);
	return 0;
}

static int take_tier(struct reading *reading, const struct member *member, const json_t *value,
		     char *name)
{
	const char *text = json_string_value(value);

	bool is_none = text && !*text && member->type == MEMBER_TIER_OR_NONE;

	if (!text || (!is_none && !option_is_tier_name(text)))
		return fail(reading, member->key, "not the name of a tier");
	(void)snprintf(name, EVENT_TIER_NAME_LEN, "%s", text);
	return 0;
}

static int take_word(struct reading *reading, const struct member *member, const json_t *value,
		     uint32_t *ret_number)
{
	const char *text = json_string_value(value);

	for (uint32_t i = 0; text && i < member->words; i++) {
		if (strcmp(text, member->word(i)) != 0)
			continue;
		*ret_number = i;
		return 0;
	}
	return fail(reading, member->key, "not a word that it can be");
}

static int take_history(struct reading *reading, const struct member *member, const json_t *value,
			struct spell_history *history)
{
	size_t count = json_array_size(value);
	int result = 0;

	if (!json_is_array(value) || count > SPELLS_MAX)
		return fail(reading, member->key, "not a list, or too long");
	for (size_t i = 0; i < count && result == 0; i++)
		result = take_number(reading, member, json_array_get(value, i), member->max,
				     &history->length_ns[i]);
	history->count = (uint32_t)count;
	return result;
}

static int take_names(struct reading *reading, const struct member *member, const json_t *value,
		      struct tier_names *names)
{
	size_t count = json_array_size(value);
	int result = 0;

	if (!json_is_array(value) || count > ARRAY_SIZE(names->name))
		return fail(reading, member->key, "not a list, or too long");
	for (size_t i = 0; i < count && result == 0; i++)
		result = take_tier(reading, member, json_array_get(value, i), names->name[i]);
	names->count = (uint32_t)count;
	return result;
}

static uint64_t number_max(const struct reading *reading, const struct member *member)
{
	if (member->type == MEMBER_PAST)
		return reading->taken_ns;
	if (member->type == MEMBER_AHEAD)
		return units_min(units_plus(reading->taken_ns, AHEAD_MAX_NS), STATE_NUMBER_MAX);
	return member->max;
}

static int take_member(struct reading *reading, const struct member *member, const json_t *value,
		       void *base)
{
	char *at = (char *)base + member->offset;
	uint64_t u64 = 0;
	uint32_t u32 = 0;
	int result = 0;

	switch ((enum member_type)member->type) {
	case MEMBER_U64:
	case MEMBER_PAST:
	case MEMBER_AHEAD:
		result = take_number(reading, member, value, number_max(reading, member), &u64);
		memcpy(at, &u64, sizeof(u64));
		break;
	case MEMBER_U32:
		result = take_number(reading, member, value, member->max, &u64);
		u32 = (uint32_t)u64;
		memcpy(at, &u32, sizeof(u32));
		break;
	case MEMBER_BOOL:
		if (!json_is_boolean(value))
			return fail(reading, member->key, "neither true nor false");
		*(bool *)at = json_is_true(value);
		break;
	case MEMBER_TIER:
	case MEMBER_TIER_OR_NONE:
		return take_tier(reading, member, value, at);
	case MEMBER_WORD:
		result = take_word(reading, member, value, &u32);
		memcpy(at, &u32, sizeof(u32));
		break;
	case MEMBER_HISTORY:
		return take_history(reading, member, value, (void *)at);
	case MEMBER_NAMES:
		return take_names(reading, member, value, (void *)at);
	}
	return result;
}

/* taken_ns comes first in its list, and that list first. */
static int take_members(struct reading *reading, const struct member_list *list,
			const json_t *object, void *base)
{
	for (uint32_t i = 0; i < list->count; i++) {
		const struct member *member = &list->members[i];
		const json_t *value = json_object_get(object, member->key);
		int result = value ? take_member(reading, member, value, base) : 0;

		if (result < 0)
			return result;
		if (member == &PASSING_MEMBERS.members[0])
			reading->taken_ns = ((const struct engine_state *)base)->taken_ns;
	}
	return 0;
}

static int take_list(struct reading *reading, const json_t *root, const char *key,
		     const struct member_list *list, void *base, size_t size, uint32_t max,
		     uint32_t *ret_count)
{
	const json_t *array = json_object_get(root, key);
	size_t count = json_array_size(array);

	if (array && (!json_is_array(array) || count > max))
		return fail(reading, key, "not a list, or too long");
	for (size_t i = 0; i < count; i++) {
		const json_t *object = json_array_get(array, i);
		int result = json_is_object(object)
				     ? take_members(reading, list, object, (char *)base + i * size)
				     : fail(reading, key, "not a list of objects");

		if (result < 0)
			return result;
	}
	*ret_count = (uint32_t)count;
	return 0;
}

static int take_vram(struct reading *reading, const json_t *object, struct footprint_tier *learned)
{
	const json_t *array = json_object_get(object, "vram");

	if (array && !json_is_array(array))
		return fail(reading, "vram", "not a list");
	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *peak = json_array_get(array, i);
		const json_t *gpu = json_object_get(peak, "gpu");
		int result;

		if (!json_is_integer(gpu) || json_integer_value(gpu) < 0 ||
		    json_integer_value(gpu) >= LADDER_GPUS_MAX)
			return fail(reading, "gpu", "not a number that it can be");
		result = take_members(reading, &PEAK_MEMBERS, peak,
				      &learned->vram[json_integer_value(gpu)]);
		if (result < 0)
			return result;
	}
	return 0;
}

static int take_tiers(struct reading *reading, const json_t *root, struct engine_state *state)
{
	const json_t *array = json_object_get(root, "tiers");
	int result = take_list(reading, root, "tiers", &TIER_MEMBERS, state->tiers,
			       sizeof(state->tiers[0]), LADDER_TIERS_MAX, &state->tier_count);

	for (uint32_t i = 0; result == 0 && i < state->tier_count; i++) {
		struct footprint_tier *learned = &state->tiers[i].learned;
		const json_t *object = json_array_get(array, i);

		result = take_members(reading, &CALM_MEMBERS, object, &state->tiers[i].calm);
		if (result == 0)
			result = take_members(reading, &PEAK_MEMBERS, object, &learned->memory);
		if (result == 0)
			result = take_vram(reading, object, learned);
	}
	return result;
}

static int take_boot_id(struct reading *reading, const json_t *root,
			char boot_id[STATE_BOOT_ID_LEN])
{
	const char *text = json_string_value(json_object_get(root, "boot_id"));

	if (!text || strlen(text) >= STATE_BOOT_ID_LEN)
		return fail(reading, "boot_id", "missing or too long");
	(void)snprintf(boot_id, STATE_BOOT_ID_LEN, "%s", text);
	return 0;
}

static int check_version(struct reading *reading, const json_t *root)
{
	const json_t *version = json_object_get(root, "tierd_state");

	if (!json_is_integer(version) || json_integer_value(version) < 1)
		return fail(reading, "", "not the state of tierd");
	if (json_integer_value(version) > STATE_TEXT_VERSION)
		return fail(reading, "", "written by a newer version of tierd");
	return 0;
}

int state_text_read(const char *text, size_t len, struct engine_state *ret_state,
		    char ret_boot_id[STATE_BOOT_ID_LEN], char *error, size_t error_size)
{
	struct reading reading = {.error = error, .error_size = error_size};
	struct engine_state state = {.tier_count = 0};
	const char *problem;
	const char *key;
	char boot_id[STATE_BOOT_ID_LEN];
	json_auto_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	int result;

	if (!root)
		return fail(&reading, "", "not JSON");
	result = check_version(&reading, root);
	if (result == 0)
		result = take_boot_id(&reading, root, boot_id);
	if (result == 0)
		result = take_members(&reading, &PASSING_MEMBERS, root, &state);
	if (result == 0)
		result = take_list(&reading, root, "resources", &RESOURCE_MEMBERS, state.resources,
				   sizeof(state.resources[0]), EVENT_RESOURCES_MAX,
				   &state.resource_count);
	if (result == 0)
		result = take_members(&reading, &LASTING_MEMBERS, root, &state);
	if (result == 0)
		result = take_tiers(&reading, root, &state);
	if (result == 0 && (problem = state_find_problem(&state, &key)))
		result = fail(&reading, key, problem);
	if (result < 0)
		return result;
	*ret_state = state;
	memcpy(ret_boot_id, boot_id, sizeof(boot_id));
	return 0;
}
