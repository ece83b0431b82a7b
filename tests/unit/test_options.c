/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every option, from the file and from the command line: it changes its field and nothing else,
 * refuses what it must, and the written forms read back. A row that is added to the option table
 * fails here until it is added to SETTINGS.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "option_rig.h"

/* A value that is not the default and contradicts no other default, and what it becomes. */
static const struct setting {
	const char *section;
	const char *key;
	const char *text;
	size_t offset;
	uint64_t number;
	const char *string; /* NULL = a number */
} SETTINGS[] = {
#define APP_NUMBER(section, key, text, field, number)                                \
	{                                                                            \
		section, key, text, offsetof(struct app_config, field), number, NULL \
	}
#define APP_STRING(section, key, text, field)                                   \
	{                                                                       \
		section, key, text, offsetof(struct app_config, field), 0, text \
	}
	APP_STRING("agent", "run_dir", "/tmp/some where", run_dir),
	APP_STRING("agent", "control_group", "people", control_group),
	APP_NUMBER("agent", "source", "psi", source, SOURCE_PSI),
	APP_NUMBER("agent", "window", "200ms", window_ns, 200 * NS_PER_MS),
	APP_NUMBER("agent", "window_calm", "2s", window_calm_ns, 2 * NS_PER_S),
	APP_NUMBER("agent", "urgent_stall", "20ms", urgent_stall_ns, 20 * NS_PER_MS),
	APP_NUMBER("agent", "report_floor", "0", report_floor_ns, 0),
	APP_NUMBER("agent", "ring_bulk", "8M", ring_bulk_bytes, 8 * MIB),
	APP_NUMBER("agent", "ring_urgent", "4096", ring_urgent_bytes, 4096),
	APP_NUMBER("agent", "ignore_nice", "19", ignore_nice, 19),
	APP_STRING("agent", "decisions", "-", decisions),
	APP_NUMBER("agent", "decisions_max", "1G", decisions_max_bytes, GIB),
	APP_STRING("agent", "record", "/tmp/a trace", record),
	APP_NUMBER("agent", "record_max", "1G", record_max_bytes, GIB),
	APP_NUMBER("agent", "record_keep", "3", record_keep, 3),
	APP_STRING("agent", "record_dir", "/tmp/traces", record_dir),
	APP_STRING("agent", "state_file", "/tmp/state", state_file),
	APP_NUMBER("agent", "dry_run", "yes", is_dry_run, 1),
	APP_NUMBER("agent", "log", "debug", log_level, LOG_DEBUG),
	APP_STRING("model", "cgroup", "/machine.slice/llm", model_cgroup),
	APP_STRING("model", "exe", "llama-server", model_exe),
	APP_STRING("model", "pid_file", "/run/llm.pid", model_pid_file),
	APP_STRING("policy", "min_tier", "small", min_tier),
	APP_NUMBER("policy", "degrade_above", "95%", engine.degrade_above_permyriad, 9500),
	APP_NUMBER("policy", "upgrade_below", "0.7", engine.upgrade_below_permyriad, 7000),
	APP_NUMBER("policy", "margin", "7.5%", engine.margin_permyriad, 750),
	APP_NUMBER("policy", "stabilization", "5s", engine.stabilization_ns, 5 * NS_PER_S),
	APP_NUMBER("policy", "stabilization_min", "45s", engine.stabilization_min_ns,
		   45 * NS_PER_S),
	APP_NUMBER("policy", "warmup", "0", engine.warmup_ns, 0),
	APP_NUMBER("policy", "confirm", "50ms", engine.confirm_ns, 50 * NS_PER_MS),
	APP_NUMBER("policy", "trend", "30s", engine.trend_ns, 30 * NS_PER_S),
	APP_NUMBER("policy", "trend_horizon", "2m", engine.trend_horizon_ns, 120 * NS_PER_S),
	APP_NUMBER("policy", "stall_above", "15%", engine.stall_above_permyriad, 1500),
	APP_NUMBER("policy", "stall_above_window", "6s", engine.stall_above_window_ns,
		   6 * NS_PER_S),
	APP_NUMBER("policy", "stall_urgent", "50%", engine.stall_urgent_permyriad, 5000),
	APP_NUMBER("policy", "stall_urgent_window", "3s", engine.stall_urgent_window_ns,
		   3 * NS_PER_S),
	APP_NUMBER("policy", "calm_stall", "3%", engine.calm_stall_permyriad, 300),
	APP_NUMBER("policy", "calm_stall_window", "12s", engine.calm_stall_window_ns,
		   12 * NS_PER_S),
	APP_NUMBER("policy", "share_min", "0%", engine.share_min_permyriad, 0),
	APP_NUMBER("policy", "cpu_wait_above", "35%", engine.cpu_wait_above_permyriad, 3500),
	APP_NUMBER("policy", "cpu_wait_window", "60s", engine.cpu_wait_window_ns, 60 * NS_PER_S),
	APP_NUMBER("performance", "window", "10m", engine.performance_window_ns, 600 * NS_PER_S),
	APP_NUMBER("performance", "min_tasks", "5", engine.performance_tasks_min, 5),
	APP_NUMBER("performance", "failure_above", "80%", engine.failure_above_permyriad, 8000),
	APP_NUMBER("performance", "retry", "1m", engine.performance_retry_ns, 60 * NS_PER_S),
	APP_NUMBER("performance", "task_timeout", "10m", engine.task_timeout_ns, 600 * NS_PER_S),
	APP_NUMBER("switch", "drain_deadline", "30s", engine.drain_deadline_ns, 30 * NS_PER_S),
	APP_NUMBER("switch", "ack_timeout", "2m", engine.ack_timeout_ns, 120 * NS_PER_S),
	APP_NUMBER("switch", "settle", "1s", engine.settle_ns, NS_PER_S),
	APP_NUMBER("switch", "heartbeat", "20s", engine.heartbeat_ns, 20 * NS_PER_S),
	APP_NUMBER("switch", "overlap", "auto", engine.overlap, OVERLAP_AUTO),
	APP_NUMBER("preflight", "reservation", "1m", engine.reservation_ns, 60 * NS_PER_S),
	APP_NUMBER("cost", "drain", "5s", engine.cost_drain_ns, 5 * NS_PER_S),
	APP_NUMBER("cost", "drain_quality", "25%", engine.cost_drain_quality_permyriad, 2500),
	APP_NUMBER("cost", "abort", "1m", engine.cost_abort_ns, 60 * NS_PER_S),
	APP_NUMBER("cost", "over", "1.5", engine.cost_over_permille, 1500),
	APP_NUMBER("cost", "full", "10", engine.cost_full_permille, 10000),
	APP_NUMBER("sampling", "period", "2s", engine.sample_period_ns, 2 * NS_PER_S),
	APP_NUMBER("sampling", "period_min", "100ms", engine.sample_period_min_ns, 100 * NS_PER_MS),
	APP_NUMBER("sampling", "fill_rate", "1G", engine.fill_bytes_per_s, GIB),
	APP_NUMBER("policy", "policy", "threshold", engine.policy, POLICY_THRESHOLD),
};
_Static_assert(ARRAY_SIZE(SETTINGS) <= CONFIG_OPTIONS_MAX, "too many settings");

static size_t field_size(const struct option_row *row)
{
	switch (row->type) {
	case OPTION_BYTES:
	case OPTION_DURATION:
		return sizeof(uint64_t);
	case OPTION_BOOL:
		return sizeof(bool);
	case OPTION_TIER:
		return EVENT_TIER_NAME_LEN;
	case OPTION_PATH:
		return CONFIG_PATH_LEN;
	default:
		return sizeof(uint32_t);
	}
}

/* The field holds the setting, and everything else is as in the defaults. */
static void assert_only_changed(const struct setting *setting, const struct app_config *config)
{
	const struct option_row *row = option_find(setting->section, setting->key);
	struct app_config defaults = load_ok("");
	struct app_config rest = *config;
	char *field = (char *)config + setting->offset;
	size_t size = field_size(row);
	uint64_t number = 0;

	if (setting->string) {
		assert_string_equal(field, setting->string);
	} else {
		memcpy(&number, field, size);
		assert_int_equal(number, setting->number);
	}
	memcpy((char *)&rest + setting->offset, (char *)&defaults + setting->offset, size);
	if (row->type == OPTION_TIER)
		rest.engine.min_tier = defaults.engine.min_tier;
	assert_memory_equal(&rest, &defaults, sizeof(rest));
}

static void test_every_option_has_a_setting(void **state)
{
	(void)state;
	assert_int_equal(ARRAY_SIZE(SETTINGS), OPTION_COUNT);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		unsigned int count = 0;

		for (size_t j = 0; j < ARRAY_SIZE(SETTINGS); j++)
			count += &OPTION_TABLE[i] ==
				 option_find(SETTINGS[j].section, SETTINGS[j].key);
		assert_int_equal(count, 1);
	}
}

static void test_defaults_are_in_range(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		struct app_config config;
		char error[CONFIG_ERROR_LEN] = "";

		config_set_defaults(&config);
		if (option_set(&OPTION_TABLE[i], &config, OPTION_TABLE[i].fallback, error,
			       sizeof(error)) < 0)
			fail_msg("%s: %s", OPTION_TABLE[i].key, error);
	}
}

static void test_defaults_are_those_of_the_design(void **state)
{
	struct app_config config = load_ok("");

	(void)state;
	assert_int_equal(config.engine.degrade_above_permyriad, 9000);
	assert_int_equal(config.engine.upgrade_below_permyriad, 8000);
	assert_int_equal(config.engine.margin_permyriad, 500);
	assert_int_equal(config.engine.stabilization_ns, 300 * NS_PER_S);
	assert_int_equal(config.engine.stall_above_permyriad, 1000);
	assert_int_equal(config.engine.stall_urgent_permyriad, 4000);
	assert_int_equal(config.engine.calm_stall_permyriad, 200);
	assert_int_equal(config.engine.cpu_wait_above_permyriad, 2500);
	assert_int_equal(config.engine.share_min_permyriad, 2000);
	assert_int_equal(config.engine.drain_deadline_ns, 120 * NS_PER_S);
	assert_int_equal(config.engine.fill_bytes_per_s, UINT64_C(6000000000));
	assert_int_equal(config.engine.min_tier, TIER_OFF);
	assert_int_equal(config.source, SOURCE_NONE);
	assert_int_equal(config.ignore_nice, 10);
	assert_string_equal(config.run_dir, "/run/tierd");
}

static void test_every_option_from_the_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(SETTINGS); i++) {
		char text[1024];

		snprintf(text, sizeof(text), "[%s]\n%s = %s\n", SETTINGS[i].section,
			 SETTINGS[i].key, SETTINGS[i].text);
		struct app_config config = load_ok(text);
		assert_only_changed(&SETTINGS[i], &config);
	}
}

static void parse_one(const struct setting *setting, struct config_arguments *ret_arguments,
		      char *flag, size_t size)
{
	const struct option_row *row = option_find(setting->section, setting->key);
	char *argv[] = {"tierd", flag, NULL};

	snprintf(flag, size, "--%s=%s", row->flag, setting->text);
	config_parse_arguments(2, argv, ret_arguments);
}

/* The command line wins over the file. */
static void test_every_option_from_the_command_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(SETTINGS); i++) {
		const struct option_row *row = option_find(SETTINGS[i].section, SETTINGS[i].key);
		struct config_arguments arguments;
		char flag[1024];
		char text[1024];

		parse_one(&SETTINGS[i], &arguments, flag, sizeof(flag));
		snprintf(text, sizeof(text), "[%s]\n%s = %s\n", row->section, row->key,
			 row->fallback);
		struct app_config config = load_with(text, &arguments.overrides);
		assert_only_changed(&SETTINGS[i], &config);
	}
}

static void test_bool_needs_no_value_on_the_command_line(void **state)
{
	char *argv[] = {"tierd", "--dry-run", "--config", "/x/y", NULL};
	struct config_arguments arguments;

	(void)state;
	config_parse_arguments(4, argv, &arguments);
	assert_string_equal(arguments.config_path, "/x/y");
	assert_true(load_with("", &arguments.overrides).is_dry_run);
}

/* What every type must refuse, whatever its range. */
static const char *const GARBAGE[OPTION_TYPE_COUNT][5] = {
	[OPTION_BYTES] = {"garbage", "-1", "1.5", "12 M", "99999999999999999999T"},
	[OPTION_DURATION] = {"garbage", "-1s", "1 s", "5x", "99999999999999999999h"},
	[OPTION_PERMYRIAD] = {"garbage", "-1%", "101%", "90", "50 %"},
	[OPTION_PERMILLE] = {"garbage", "-1", "1.5.1", "1e3", "99999999999"},
	[OPTION_U32] = {"garbage", "-1", "1.5", "4294967296", "18446744073709551616"},
	[OPTION_BOOL] = {"garbage", "2", "YES", "y", "-"},
	[OPTION_WORD] = {"garbage", "0", "1", "BPF", "-"},
	[OPTION_TIER] = {"a b", "a/b", "a=b", "\xc3\xa9", "0123456789012345678901234567890123"},
	[OPTION_PATH] = {"a\x01", "\xff", "a\x7f", "x ;y", ";x"},
};

static void test_every_option_refuses_garbage(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &OPTION_TABLE[i];

		for (size_t j = 0; j < ARRAY_SIZE(GARBAGE[0]); j++) {
			struct config_overrides overrides = {.values = {NULL}};
			char name[128];

			overrides.values[i] = GARBAGE[row->type][j];
			snprintf(name, sizeof(name), "--%s: ", row->flag);
			assert_refused("", &overrides, name);
			if (row->type == OPTION_PATH) /* the file's grammar or reader sees it */
				continue;
			char text[256];
			snprintf(text, sizeof(text), "\n[%s]\n%s = %s\n", row->section, row->key,
				 GARBAGE[row->type][j]);
			snprintf(name, sizeof(name), "test.conf:3: %s.%s: ", row->section,
				 row->key);
			assert_refused(text, NULL, name);
		}
	}
}

static void test_every_range_has_its_edges(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &OPTION_TABLE[i];
		const char *suffix = row->type == OPTION_DURATION ? "ns" : "";
		struct app_config config;
		char error[CONFIG_ERROR_LEN] = "";
		char text[64];

		if (row->type != OPTION_BYTES && row->type != OPTION_DURATION &&
		    row->type != OPTION_U32)
			continue;
		config_set_defaults(&config);
		snprintf(text, sizeof(text), "%" PRIu64 "%s", row->max, suffix);
		assert_int_equal(option_set(row, &config, text, error, sizeof(error)), 0);
		snprintf(text, sizeof(text), "%" PRIu64 "%s", row->max + 1, suffix);
		assert_int_equal(option_set(row, &config, text, error, sizeof(error)), -EINVAL);
		assert_non_null(strstr(error, "out of range; allowed: "));
		snprintf(text, sizeof(text), "%" PRIu64 "%s", row->min, suffix);
		assert_int_equal(option_set(row, &config, text, error, sizeof(error)), 0);
		if (row->min == 0)
			continue;
		snprintf(text, sizeof(text), "%" PRIu64 "%s", row->min - 1, suffix);
		assert_int_equal(option_set(row, &config, text, error, sizeof(error)), -EINVAL);
	}
}

static void test_flags_are_unique_and_documented(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		assert_true(strlen(OPTION_TABLE[i].help) > 10);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(OPTION_TABLE[i].flag, OPTION_TABLE[j].flag);
	}
}

/* All settings at once, written and read back: nothing of a config gets lost in its text. */
static void test_written_config_reads_back(void **state)
{
	static const enum config_style STYLES[] = {CONFIG_PLAIN, CONFIG_COMMENTED};
	struct config_overrides overrides = {.values = {NULL}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(SETTINGS); i++)
		overrides.values[option_find(SETTINGS[i].section, SETTINGS[i].key) - OPTION_TABLE] =
			SETTINGS[i].text;
	const struct app_config config = load_with("[tier gpu]\nmemory = 12345678901\n"
						   "vram = 1G,0,7\ncores = 3.125\n"
						   "quality = 99.99%\n",
						   &overrides);
	for (size_t i = 0; i < ARRAY_SIZE(STYLES); i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *file = open_memstream(&text, &len);

		assert_non_null(file);
		assert_int_equal(config_write(file, &config, STYLES[i], "A\n\nheading"), 0);
		fclose(file);
		struct app_config back;
		char error[CONFIG_ERROR_LEN] = "";
		if (config_load_text(text, len, "written", NULL, &back, error, sizeof(error)) < 0)
			fail_msg("%s", error);
		assert_memory_equal(&back, &config, sizeof(back));
		free(text);
	}
}

static void test_example_reads_back_to_the_defaults(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);
	struct app_config config;
	struct app_config defaults;
	char error[CONFIG_ERROR_LEN] = "";

	(void)state;
	assert_non_null(file);
	assert_int_equal(config_write_example(file), 0);
	fclose(file);
	if (config_load_text(text, len, "example", NULL, &config, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	assert_int_equal(config.engine.ladder.count, 4);
	config_set_defaults(&defaults);
	config.engine.ladder = defaults.engine.ladder;
	assert_memory_equal(&config, &defaults, sizeof(config));
	/* Every key is there, and with its comment taken away still says the default. */
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		char line[256];

		snprintf(line, sizeof(line), "\n#%s =%s%s\n", OPTION_TABLE[i].key,
			 *OPTION_TABLE[i].fallback ? " " : "", OPTION_TABLE[i].fallback);
		assert_non_null(strstr(text, line));
	}
	free(text);
}

static void test_reference_names_every_option(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);

	(void)state;
	assert_non_null(file);
	assert_int_equal(config_write_help(file), 0);
	fclose(file);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		char line[128];

		snprintf(line, sizeof(line), "  %s  (--%s)\n", OPTION_TABLE[i].key,
			 OPTION_TABLE[i].flag);
		assert_non_null(strstr(text, line));
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_option_has_a_setting),
		cmocka_unit_test(test_defaults_are_in_range),
		cmocka_unit_test(test_defaults_are_those_of_the_design),
		cmocka_unit_test(test_every_option_from_the_file),
		cmocka_unit_test(test_every_option_from_the_command_line),
		cmocka_unit_test(test_bool_needs_no_value_on_the_command_line),
		cmocka_unit_test(test_every_option_refuses_garbage),
		cmocka_unit_test(test_every_range_has_its_edges),
		cmocka_unit_test(test_flags_are_unique_and_documented),
		cmocka_unit_test(test_written_config_reads_back),
		cmocka_unit_test(test_example_reads_back_to_the_defaults),
		cmocka_unit_test(test_reference_names_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
