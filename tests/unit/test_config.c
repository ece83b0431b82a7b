/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Config texts and files as a whole: errors with their place, the ladder, contradictions, and
 * files that nobody should be hurt by.
 */
#include "option_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/units.h"
#include "file_tree.h"

struct refusal {
	const char *text;
	const char *prefix;
};

/* Texts without the rig's ladder. */
static void assert_text_refused(const char *text, size_t len, const char *prefix)
{
	struct app_config config;
	struct app_config untouched;
	char error[CONFIG_ERROR_LEN] = "";

	memset(&config, 0x5e, sizeof(config));
	memset(&untouched, 0x5e, sizeof(untouched));
	if (config_load_text(text, len, RIG_NAME, NULL, &config, error, sizeof(error)) != -EINVAL)
		fail_msg("taken: %s", text);
	assert_error_line(error, prefix);
	assert_memory_equal(&config, &untouched, sizeof(config));
}

static void test_errors_name_line_and_key(void **state)
{
	static const struct refusal REFUSALS[] = {
		{"[agent]\n\n# comment\nsource = fast\n",
		 "test.conf:4: agent.source: \"fast\" is not known; allowed: auto, poll, psi or "
		 "bpf"},
		{"[policy]\nstabilization = 25h\n", "test.conf:2: policy.stabilization: \"25h\" is "
						    "out of range; allowed: 100ms to 24h"},
		{"[policy]\nmargin=ten\n",
		 "test.conf:2: policy.margin: \"ten\" is not a share; allowed: 0% to 100%"},
		{"[agent]\nring_bulk = 3M\n",
		 "test.conf:2: agent.ring_bulk: \"3M\" is out of range; allowed: a power of two"},
		{"[agent]\nrun_dir =\n", "test.conf:2: agent.run_dir: \"\" is not a path"},
		{"[agent]\nsourec = bpf\n", "test.conf:2: agent.sourec: no such key"},
		{"[policy]\nsource = bpf\n", "test.conf:2: policy.source: no such key"},
		{"[polcy]\n",
		 "test.conf:1: [polcy]: no such section; allowed: agent, model, policy"},
		{"[]\n", "test.conf:1: []: no such section"},
		{"[agent]\nwindow = 1s\nlog = quiet\nwindow = 1s\n",
		 "test.conf:4: agent.window: said before in line 2"},
		{"[agent]\nwindow = 1s\n[policy]\n[agent]\nwindow = 1s\n",
		 "test.conf:5: agent.window: said before in line 2"},
		{"window = 1s\n", "test.conf:1: \"window\" stands before the first [section]"},
		{"[agent]\nwindow\n", "test.conf:2: expected [SECTION] or KEY = VALUE"},
		{"[agent]\nlog = quiet\n= 1\n", "test.conf:3: agent.: no such key"},
		{"[agent\nlog = quiet\n", "test.conf:1: a section without ]"},
		{"[agent] log = quiet\n", "test.conf:1: something follows the section's ]"},
		{"[agent]\nlog = quiet # really\n",
		 "test.conf:2: agent.log: \"quiet # really\" is"},
		{"[agent]\nlog = \"quiet\"\n",
		 "test.conf:2: agent.log: \"\"quiet\"\" is not known"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(REFUSALS); i++)
		assert_refused(REFUSALS[i].text, NULL, REFUSALS[i].prefix);
}

static void test_forms_that_are_taken(void **state)
{
	static const char *const TEXTS[] = {
		"[agent]\nlog=quiet\n",
		"[agent]\r\nlog = quiet\r\n",
		"  [agent] ; comment\n\t log : quiet ; comment\n",
		"\xef\xbb\xbf[agent]\nlog = quiet\n",
		"; comment\n# caf\xc3\xa9\n[agent]\n\n\nlog = quiet\n",
		"[agent]\nwindow = 1s\nwindow_calm = 1s\n   log = quiet\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++)
		assert_int_equal(load_ok(TEXTS[i]).log_level, LOG_QUIET);
}

static void test_options_that_contradict_each_other(void **state)
{
	static const struct refusal REFUSALS[] = {
		{"[policy]\nupgrade_below = 90%\n",
		 "test.conf:2: policy.upgrade_below: upgrade_below is 90% and degrade_above is "
		 "90%; "
		 "allowed: upgrade_below under degrade_above"},
		{"[policy]\ndegrade_above = 70%\n",
		 "test.conf:2: policy.degrade_above: upgrade_below is 80% and degrade_above is "
		 "70%"},
		{"[policy]\nmargin = 80%\n", "test.conf:2: policy.margin: "},
		{"[policy]\ncalm_stall = 11%\n", "test.conf:2: policy.calm_stall: "},
		{"[policy]\nstall_above = 41%\n", "test.conf:2: policy.stall_above: "},
		{"[policy]\nstall_urgent = 9%\n", "test.conf:2: policy.stall_urgent: "},
		{"[agent]\nwindow = 1s\n", "test.conf:2: agent.window: "},
		{"[agent]\nreport_floor = 60ms\n", "test.conf:2: agent.report_floor: "},
		{"[sampling]\nperiod_min = 2s\n", "test.conf:2: sampling.period_min: "},
		{"[policy]\nmin_tier = huge\n",
		 "test.conf:2: policy.min_tier: there is no tier \"huge\"; allowed: off or"},
	};
	struct config_overrides overrides = {.values = {NULL}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(REFUSALS); i++)
		assert_refused(REFUSALS[i].text, NULL, REFUSALS[i].prefix);
	overrides.values[option_find("policy", "upgrade_below") - OPTION_TABLE] = "95%";
	assert_refused("", &overrides, "--upgrade-below: upgrade_below is 95% and degrade_above");
}

static void test_ladder_is_sorted(void **state)
{
	static const char TEXT[] = "[policy]\nmin_tier = b\n"
				   "[tier c]\nmemory = 3G\nvram = 6G\n"
				   "[tier a]\nmemory = 1G\nquality = 0.5\ncores = 1.5\n"
				   "[tier b]\nmemory = 2G\nvram = 1G, 0 ,2G\n";
	struct app_config config;
	char error[CONFIG_ERROR_LEN] = "";

	(void)state;
	assert_int_equal(
		config_load_text(TEXT, strlen(TEXT), RIG_NAME, NULL, &config, error, sizeof(error)),
		0);
	const struct ladder *ladder = &config.engine.ladder;
	assert_int_equal(ladder->count, 4);
	assert_string_equal(ladder->tiers[0].name, "off");
	assert_int_equal(ladder->tiers[0].memory_bytes, 0);
	assert_string_equal(ladder->tiers[1].name, "a");
	assert_int_equal(ladder->tiers[1].quality_permyriad, 5000);
	assert_int_equal(ladder->tiers[1].cores_permille, 1500);
	assert_string_equal(ladder->tiers[2].name, "b");
	assert_int_equal(ladder->tiers[2].vram_bytes[0], GIB);
	assert_int_equal(ladder->tiers[2].vram_bytes[1], 0);
	assert_int_equal(ladder->tiers[2].vram_bytes[2], 2 * GIB);
	assert_string_equal(ladder->tiers[3].name, "c");
	assert_int_equal(ladder->tiers[3].vram_bytes[0], 6 * GIB);
	assert_int_equal(config.engine.min_tier, 2);
}

static void test_ladders_that_are_refused(void **state)
{
	static const struct refusal REFUSALS[] = {
		{"", "test.conf: no [tier NAME] section"},
		{"[agent]\nlog = quiet\n", "test.conf: no [tier NAME] section"},
		{"[tier a]\n", "test.conf:1: tier a.memory: missing"},
		{"[tier a]\nmemory = 1G\n\n[tier b]\nvram = 1G\n",
		 "test.conf:4: tier b.memory: missing"},
		{"[tier a]\nmemory = 0\n", "test.conf:2: tier a.memory: \"0\" is out of range"},
		{"[tier a]\nmemory = 16777215T\n",
		 "test.conf:2: tier a.memory: \"16777215T\" is out"},
		{"[tier a]\nmemory = 1G\nmemory = 2G\n",
		 "test.conf:3: tier a.memory: said before in line 2"},
		{"[tier a]\nmemory = 1G\n[tier a]\nmemory = 2G\n",
		 "test.conf:3: [tier a]: said before in line 1"},
		{"[tier a]\nmemory = 2G\n[tier b]\nmemory = 2048M\n",
		 "test.conf:3: tier b.memory: 2G is what tier a takes, too"},
		{"[tier off]\nmemory = 1G\n", "test.conf:1: [tier off]: the name is reserved"},
		{"[tier]\nmemory = 1G\n", "test.conf:1: [tier]: not a tier's name"},
		{"[tier a b]\nmemory = 1G\n", "test.conf:1: [tier a b]: not a tier's name"},
		{"[tier caf\xc3\xa9]\n", "test.conf:1: [tier caf\xc3\xa9]: not a tier's name"},
		{"[tier 01234567890123456789012345678901]\n", "test.conf:1: [tier 0123456"},
		{"[tier 012345678901234567890123456789012345678901234567890123456789]\n",
		 "test.conf:1: the section's name is too long"},
		{"[tier a]\nmemory = 1G\nsize = 1G\n", "test.conf:3: tier a.size: no such key"},
		{"[tier a]\nmemory = 1G\nvram = 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1\n",
		 "test.conf:3: tier a.vram: "},
		{"[tier a]\nmemory = 1G\nvram = 1G,\n", "test.conf:3: tier a.vram: "},
		{"[tier a]\nmemory = 1G\ncores = many\n", "test.conf:3: tier a.cores: "},
		{"[tier a]\nmemory = 1G\nquality = 2\n", "test.conf:3: tier a.quality: "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(REFUSALS); i++)
		assert_text_refused(REFUSALS[i].text, strlen(REFUSALS[i].text), REFUSALS[i].prefix);
}

static void test_ladder_has_a_longest_length(void **state)
{
	char text[2048] = "";
	size_t len = 0;

	(void)state;
	for (int i = 1; i < LADDER_TIERS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"[tier t%d]\nmemory = %dG\n", i, i + 1);
	assert_int_equal(load_ok("").engine.ladder.count, 2);
	struct app_config config;
	char error[CONFIG_ERROR_LEN] = "";
	assert_int_equal(config_load_text(text, len, RIG_NAME, NULL, &config, error, sizeof(error)),
			 0);
	assert_int_equal(config.engine.ladder.count, LADDER_TIERS_MAX);
	assert_refused(text, NULL, "test.conf:34: [tier small]: too many tiers; allowed: 16");
}

static void test_hostile_texts(void **state)
{
	static const char NUL[] = "[agent]\nlog = qui\0et\n";
	static const char ELF[] = "\x7f"
				  "ELF\x02\x01\x01\x00";
	char line[4096];

	(void)state;
	assert_text_refused(NUL, sizeof(NUL) - 1, "test.conf:2: control characters");
	assert_text_refused(ELF, sizeof(ELF) - 1, "test.conf:1: control characters");
	assert_text_refused("[agent]\nlog = \xff\n", 15, "test.conf:2: control characters or not");
	assert_text_refused("[agent]\n\x1b[31m = 1\n", 18, "test.conf:2: control characters");
	/* A line longer than the library's buffer must not be cut into two. */
	snprintf(line, sizeof(line), "[agent]\n# %01500d\nlog = quiet\n", 0);
	assert_text_refused(line, strlen(line), "test.conf:2: the line is too long; allowed: ");
	snprintf(line, sizeof(line), "[agent]\nrun_dir = /%0600d\n", 0);
	assert_text_refused(line, strlen(line), "test.conf:2: agent.run_dir: \"/000");
}

static void test_longest_path_is_taken(void **state)
{
	char text[1024];

	(void)state;
	snprintf(text, sizeof(text), "[agent]\nrun_dir = /%0510d\nlog = quiet\n", 0);
	struct app_config config = load_ok(text);
	assert_int_equal(strlen(config.run_dir), CONFIG_PATH_LEN - 1);
	assert_int_equal(config.log_level, LOG_QUIET);
}

/* Nothing may crash, whatever a byte is changed to. */
static void test_changed_bytes(void **state)
{
	static const char TEXT[] = "[agent]\nlog = quiet\n[tier a]\nmemory = 1G\nvram = 1G,2G\n";
	char text[sizeof(TEXT)];

	(void)state;
	for (size_t at = 0; at < sizeof(TEXT) - 1; at++) {
		for (int byte = 0; byte < 256; byte++) {
			struct app_config config;
			char error[CONFIG_ERROR_LEN] = "";

			memcpy(text, TEXT, sizeof(TEXT));
			text[at] = (char)byte;
			if (config_load_text(text, sizeof(TEXT) - 1, RIG_NAME, NULL, &config, error,
					     sizeof(error)) < 0)
				assert_error_line(error, "test.conf");
		}
	}
}

static void assert_file_refused(const char *path, int result, const char *word)
{
	struct app_config config;
	char error[CONFIG_ERROR_LEN] = "";

	assert_int_equal(config_load_file(path, NULL, &config, error, sizeof(error)), result);
	if (!strstr(error, word))
		fail_msg("\"%s\" lacks \"%s\"", error, word);
	assert_error_line(error, "");
}

static void test_hostile_files(void **state)
{
	struct file_tree tree = {0};
	char *big = calloc(1, CONFIG_TEXT_MAX + 2);

	(void)state;
	assert_non_null(big);
	memset(big, '#', CONFIG_TEXT_MAX + 1);
	file_tree_create(&tree);
	file_tree_write(&tree, "big", big);
	free(big);
	assert_int_equal(mkfifo(file_tree_path(&tree, "fifo"), 0600), 0);
	assert_int_equal(symlink("loop", file_tree_path(&tree, "loop")), 0);
	assert_file_refused(file_tree_path(&tree, "none"), -ENOENT, "none: No such file");
	assert_file_refused(tree.root, -EISDIR, "Is a directory");
	assert_file_refused(file_tree_path(&tree, "big"), -EFBIG, "big: over 256 KiB");
	assert_file_refused(file_tree_path(&tree, "fifo"), -EINVAL, "fifo: not a regular file");
	assert_file_refused(file_tree_path(&tree, "loop"), -ELOOP, "loop: Too many levels");
	assert_file_refused("/dev/zero", -EINVAL, "/dev/zero: not a regular file");
	assert_file_refused("/nowhere/\x1b[2J\xff", -ENOENT, "/nowhere/\\x1b[2J\\xff: No such");
	file_tree_remove(&tree);
}

static void test_file_is_read(void **state)
{
	struct file_tree tree = {0};
	struct app_config config;
	char error[CONFIG_ERROR_LEN] = "";

	(void)state;
	file_tree_create(&tree);
	file_tree_write(&tree, "good", "[agent]\nlog = quiet" RIG_LADDER);
	file_tree_write(&tree, "bad", "[agent]\nlog = loud" RIG_LADDER);
	assert_int_equal(config_load_file(file_tree_path(&tree, "good"), NULL, &config, error,
					  sizeof(error)),
			 0);
	assert_int_equal(config.log_level, LOG_QUIET);
	assert_file_refused(file_tree_path(&tree, "bad"), -EINVAL, "/bad:2: agent.log: \"loud\"");
	file_tree_remove(&tree);
}

/* argp ends the process: look at that from outside. */
static int exit_status_of(char *argument)
{
	char *argv[] = {"tierd", argument, NULL};
	struct config_arguments arguments;
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		config_parse_arguments(2, argv, &arguments);
		_exit(42);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_command_line_that_is_refused(void **state)
{
	(void)state;
	assert_int_equal(exit_status_of("--no-such-option"), CONFIG_EXIT_STATUS);
	assert_int_equal(exit_status_of("--source"), CONFIG_EXIT_STATUS);
	assert_int_equal(exit_status_of("extra"), CONFIG_EXIT_STATUS);
	assert_int_equal(exit_status_of("--help"), 0);
	assert_int_equal(exit_status_of("--version"), 0);
	assert_int_equal(exit_status_of("--source=bpf"), 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors_name_line_and_key),
		cmocka_unit_test(test_forms_that_are_taken),
		cmocka_unit_test(test_options_that_contradict_each_other),
		cmocka_unit_test(test_ladder_is_sorted),
		cmocka_unit_test(test_ladders_that_are_refused),
		cmocka_unit_test(test_ladder_has_a_longest_length),
		cmocka_unit_test(test_hostile_texts),
		cmocka_unit_test(test_longest_path_is_taken),
		cmocka_unit_test(test_changed_bytes),
		cmocka_unit_test(test_hostile_files),
		cmocka_unit_test(test_file_is_read),
		cmocka_unit_test(test_command_line_that_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
