/* SPDX-License-Identifier: BSD-2-Clause */
/* tier-manager's configuration: every row of the table is read, refused and inherited. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/units.h"
#include "file_tree.h"
#include "manager/option.h"

static char error[MANAGER_ERROR_LEN];

static int parse(const char *text, struct manager_config *ret_config)
{
	return manager_config_parse(text, strlen(text), "x.conf", ret_config, error, sizeof(error));
}

static void parse_ok(const char *text, struct manager_config *ret_config)
{
	if (parse(text, ret_config) < 0)
		fail_msg("%s\n%s", text, error);
}

static void assert_refused(const char *text, const char *prefix)
{
	struct manager_config config;

	memset(&config, 0x5a, sizeof(config));
	assert_true(parse(text, &config) < 0);
	if (strncmp(error, prefix, strlen(prefix)) != 0)
		fail_msg("\"%s\" does not begin with \"%s\"", error, prefix);
	assert_null(strchr(error, '\n'));
	assert_int_equal(config.run_dir[0], 0x5a);
}

/* Another value than the default, for each row. */
static const char *other_value(const struct option_row *row)
{
	switch (row->type) {
	case OPTION_BYTES:
		return "1M";
	case OPTION_DURATION:
		return "2s";
	case OPTION_NUMBER:
		return "7";
	case OPTION_WORD:
		return "haproxy";
	case OPTION_ADDRESS:
		return "other:99";
	case OPTION_TIER_NAME:
		return "a";
	case OPTION_PATH:
		return "/other";
	default:
		return "other";
	}
}

static const void *field_of(const struct option_row *row, const struct manager_config *config)
{
	bool is_tier = strcmp(row->section, "tier") == 0;

	return (is_tier ? (const char *)&config->tiers[1] : (const char *)config) + row->offset;
}

static size_t size_of(const struct option_row *row)
{
	switch (row->type) {
	case OPTION_BYTES:
	case OPTION_DURATION:
		return sizeof(uint64_t);
	case OPTION_NUMBER:
	case OPTION_WORD:
		return sizeof(uint32_t);
	case OPTION_TEXT:
	case OPTION_PATH:
		return row->max;
	default:
		return EVENT_TIER_NAME_LEN;
	}
}

static void every_option_is_read_and_inherited(void **state)
{
	(void)state;
	for (size_t i = 0; i < MANAGER_OPTION_COUNT; i++) {
		const struct option_row *row = &MANAGER_OPTIONS[i];
		bool is_tier = strcmp(row->section, "tier") == 0;
		struct manager_config before;
		struct manager_config after;
		char text[512];

		snprintf(
			text, sizeof(text),
			"[tier a]\nmemory = 1G\nstart = x\nhealth = y\naddress = h:1\nmodel = m\n");
		parse_ok(text, &before);
		/* In [server], for a tier that does not say it itself. */
		snprintf(text, sizeof(text), "[%s]\n%s = %s\n[tier a]\n%s%s%s%s%s",
			 is_tier ? "server" : row->section, row->key, other_value(row),
			 is_tier && strcmp(row->key, "memory") == 0 ? "" : "memory = 1G\n",
			 is_tier && strcmp(row->key, "start") == 0 ? "" : "start = x\n",
			 is_tier && strcmp(row->key, "health") == 0 ? "" : "health = y\n",
			 is_tier && strcmp(row->key, "address") == 0 ? "" : "address = h:1\n",
			 is_tier && strcmp(row->key, "model") == 0 ? "" : "model = m\n");
		parse_ok(text, &after);
		if (memcmp(field_of(row, &before), field_of(row, &after), size_of(row)) == 0)
			fail_msg("%s.%s is not read", row->section, row->key);
	}
}

static void every_option_refuses_nonsense(void **state)
{
	(void)state;
	for (size_t i = 0; i < MANAGER_OPTION_COUNT; i++) {
		const struct option_row *row = &MANAGER_OPTIONS[i];
		bool is_tier = strcmp(row->section, "tier") == 0;
		char text[4096];
		char prefix[128];
		char value[2048];

		memset(value, 'x', sizeof(value));
		value[row->type == OPTION_TEXT ? units_min(row->max, 1050) : 40] = '\0';
		snprintf(text, sizeof(text), "[%s]\n%s = %s\n", is_tier ? "server" : row->section,
			 row->key, value);
		snprintf(prefix, sizeof(prefix),
			 "x.conf:2: %s.%s: ", is_tier ? "server" : row->section, row->key);
		if (row->type != OPTION_TEXT || row->max < 1024)
			assert_refused(text, prefix);
	}
}

static void errors_name_the_line_and_the_key(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *prefix;
	} CASES[] = {
		{"", "x.conf: no [tier NAME]"},
		{"a = 1\n", "x.conf:1: a key before the first [section]"},
		{"[manager\n", "x.conf:1: expected [SECTION]"},
		{"[manager] x\n", "x.conf:1: expected [SECTION]"},
		{"[nowhere]\n", "x.conf:1: [nowhere]: no such section"},
		{"[manager]\nhello\n", "x.conf:2: expected [SECTION] or KEY = VALUE"},
		{"[manager]\nrun_dir = /a\nrun_dir = /b\n",
		 "x.conf:3: manager.run_dir: said before in line 2"},
		{"[tier a]\n[tier a]\n", "x.conf:2: [tier a]: said before in line 1"},
		{"[tier a b]\n", "x.conf:1: [tier a b]: not a name"},
		{"[tier off]\n", "x.conf:1: [tier off]: not a name"},
		{"[tier a]\nmemory = 1G\n", "x.conf:1: tier a.start: missing"},
		{"[tier a]\nmemory = 1G\nstart = x\n", "x.conf:1: tier a.health: missing"},
		{"[manager]\nbackend = ollama\n[tier a]\nmemory = 1G\n",
		 "x.conf:3: tier a.model: missing"},
		{"[manager]\nbackend = haproxy\n[tier a]\nmemory = 1G\nstart = x\nhealth = y\n",
		 "x.conf:3: tier a.address: missing"},
		{"[manager]\nbackend = haproxy\n[tier hold]\nmemory = 1G\nstart = x\naddress = "
		 "h:1\n",
		 "x.conf:3: [tier hold]: the gate has"},
		{"[manager]\nbackend = haproxy\n[tier a]\nmemory = 1G\nstart = x\n"
		 "address = 127.0.0.1:8080\n",
		 "x.conf:6: tier a.address: is where the gate listens"},
		{"[manager]\ninitial_tier = b\n[tier a]\nmemory = 1G\nstart = x\nhealth = y\n",
		 "x.conf:2: manager.initial_tier: \"b\" is no tier here"},
		{"[manager]\nwork_dir = /a b\n",
		 "x.conf:2: manager.work_dir: \"/a b\" is not allowed"},
		{"[server]\nstart = a ;b\n", "x.conf:2: \" ;\" in a value"},
		{"[manager]\nuser = \x01\n", "x.conf:2: control characters"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++)
		assert_refused(CASES[i].text, CASES[i].prefix);
}

static void tiers_are_sorted_by_memory_and_have_a_default_health(void **state)
{
	(void)state;
	struct manager_config config;

	parse_ok("[tier big]\nmemory = 4G\nstart = x\naddress = h:1\n"
		 "[tier tiny]\nmemory = 1G\nstart = x\naddress = h:2\nhealth = check\n",
		 &config);
	assert_int_equal(config.tier_count, 3);
	assert_string_equal(config.tiers[0].name, "off");
	assert_string_equal(config.tiers[1].name, "tiny");
	assert_string_equal(config.tiers[2].name, "big");
	assert_string_equal(config.tiers[1].health, "check");
	assert_string_equal(config.tiers[2].health, "http://h:1/health");
	assert_int_equal(manager_config_find_tier(&config, "big"), 2);
	assert_true(manager_config_find_tier(&config, "huge") < 0);
}

static void the_example_is_good(void **state)
{
	(void)state;
	struct manager_config config;

	if (manager_config_load("user/manager/tier-manager.conf.example", &config, error,
				sizeof(error)) < 0)
		fail_msg("%s", error);
	assert_int_equal(config.backend, BACKEND_HAPROXY);
	assert_int_equal(config.tier_count, 4);
	assert_int_equal(config.tiers[1].slots, 4);
}

static void what_is_no_file_is_refused(void **state)
{
	(void)state;
	struct manager_config config;

	assert_true(manager_config_load("/nowhere", &config, error, sizeof(error)) < 0);
	assert_true(strncmp(error, "/nowhere: ", 10) == 0);
	assert_true(manager_config_load("/", &config, error, sizeof(error)) < 0);
	assert_string_equal(error, "/: Is a directory");
	assert_int_equal(manager_config_load("/dev/zero", &config, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "/dev/zero: not a regular file");
}

static void what_is_too_large_or_a_fifo_is_refused(void **state)
{
	static char big[256 * 1024 + 2];
	struct file_tree tree = {0};
	struct manager_config config;

	(void)state;
	memset(big, '#', sizeof(big) - 1);
	file_tree_create(&tree);
	file_tree_write(&tree, "big", big);
	assert_int_equal(mkfifo(file_tree_path(&tree, "fifo"), 0600), 0);
	assert_int_equal(
		manager_config_load(file_tree_path(&tree, "fifo"), &config, error, sizeof(error)),
		-EINVAL);
	assert_non_null(strstr(error, "/fifo: not a regular file"));
	assert_int_equal(
		manager_config_load(file_tree_path(&tree, "big"), &config, error, sizeof(error)),
		-EFBIG);
	assert_non_null(strstr(error, "/big: over 256 KiB: is this a config file?"));
	file_tree_remove(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_is_read_and_inherited),
		cmocka_unit_test(every_option_refuses_nonsense),
		cmocka_unit_test(errors_name_the_line_and_the_key),
		cmocka_unit_test(tiers_are_sorted_by_memory_and_have_a_default_health),
		cmocka_unit_test(the_example_is_good),
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(what_is_too_large_or_a_fifo_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
