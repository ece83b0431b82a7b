/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The traces in tests/replay/golden, replayed: for each NAME.POLICY.ndjson there, what is decided
 * on NAME.trace or NAME.csv by that policy is compared with it byte for byte. A change that is
 * meant is written down by tests/replay/regenerate.sh.
 */
#include "tierctl_rig.h"

#include "app/input.h"
#include "core/engine.h"

#define GOLDEN "tests/replay/golden"
#define EXPECTED ".ndjson"

enum {
	/* So that a folder that is not found is not a success. */
	FILES_MIN = 3,
};

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_open(&rig);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static char *read_whole(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "re");
	char *text;
	long len;

	if (!file)
		fail_msg("%s: %m", path);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	len = ftell(file);
	assert_true(len >= 0);
	rewind(file);
	text = malloc((size_t)len + 1);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)len, file), len);
	fclose(file);
	text[len] = '\0';
	*ret_len = (size_t)len;
	return text;
}

static unsigned int find_line(const char *a, const char *b)
{
	unsigned int line = 1;

	for (; *a && *a == *b; a++, b++)
		line += *a == '\n';
	return line;
}

static void compare(const char *expected_path)
{
	char out_path[PATH_MAX];
	size_t expected_len;
	size_t len;

	snprintf(out_path, sizeof(out_path), "%s/out", rig.tree.root);
	char *expected = read_whole(expected_path, &expected_len);
	char *out = read_whole(out_path, &len);
	if (len != expected_len || memcmp(out, expected, len) != 0)
		fail_msg("%s: line %u is another now", expected_path, find_line(out, expected));
	assert_true(len > 0);
	free(out);
	free(expected);
}

/* "day.threshold.ndjson" */
static void replay(const char *file)
{
	char name[NAME_MAX + 1];
	char input[PATH_MAX];
	char policy[NAME_MAX + 16];
	char expected[PATH_MAX];
	char *dot;

	snprintf(name, sizeof(name), "%.*s", (int)(strlen(file) - strlen(EXPECTED)), file);
	dot = strrchr(name, '.');
	assert_non_null(dot);
	*dot = '\0';
	snprintf(policy, sizeof(policy), "--policy=%s", dot + 1);
	snprintf(expected, sizeof(expected), "%s/%s", GOLDEN, file);
	snprintf(input, sizeof(input), "%s/%s.trace", GOLDEN, name);
	bool is_trace = access(input, F_OK) == 0;
	if (!is_trace)
		snprintf(input, sizeof(input), "%s/%s.csv", GOLDEN, name);
	const char *config = is_trace ? NULL : "--config=" GOLDEN "/golden.conf";
	if (rig_run(&rig, ARGUMENTS("replay", input, policy, config)) != TIERCTL_OK)
		fail_msg("%s: %s", input, rig.err);
	compare(expected);
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name);

	return len > strlen(suffix) && strcmp(name + len - strlen(suffix), suffix) == 0;
}

static void test_golden_traces(void **state)
{
	DIR *dir = opendir(GOLDEN);
	unsigned int count = 0;

	(void)state;
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (!has_suffix(entry->d_name, EXPECTED))
			continue;
		replay(entry->d_name);
		count++;
	}
	closedir(dir);
	assert_true(count >= FILES_MIN);
}

/* Every trace has its expectation. */
static void test_nothing_is_left_out(void **state)
{
	DIR *dir = opendir(GOLDEN);

	(void)state;
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		const char *name = entry->d_name;
		char expected[PATH_MAX];

		if (!has_suffix(name, ".trace") && !has_suffix(name, ".csv"))
			continue;
		snprintf(expected, sizeof(expected), "%s/%.*s.threshold%s", GOLDEN,
			 (int)(strrchr(name, '.') - name), name, EXPECTED);
		assert_int_equal(access(expected, F_OK), 0);
	}
	closedir(dir);
}

/* Switches that are decided on a trace, if it says nothing of memory stall or all it has to say. */
static unsigned int count_switches(const char *path, bool has_stall)
{
	const struct input_options options = {.config = NULL};
	struct engine *engine = engine_init(calloc(1, engine_size()));
	char error[CONFIG_ERROR_LEN];
	struct input *input = NULL;
	const struct event *next;
	unsigned int count = 0;

	assert_int_equal(input_open(path, &options, &input, error, sizeof(error)), 0);
	while (input_next(input, &next, error, sizeof(error)) > 0) {
		struct event event = *next;
		struct actions actions;

		if (event.kind == EVENT_PROCESS && !has_stall)
			event.process.record.mem_stall_ns = 0;
		engine_step(engine, &event, &actions);
		for (uint32_t i = 0; i < actions.decision_count; i++)
			count += actions.decisions[i].action == DECISION_SWITCH;
	}
	input_close(input);
	free(engine);
	return count;
}

/* Thrashing leaves use where it is: a percentage tells nothing of it. */
static void test_stall_records_decide(void **state)
{
	(void)state;
	assert_true(count_switches(GOLDEN "/thrash.trace", true) > 0);
	assert_int_equal(count_switches(GOLDEN "/thrash.trace", false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_golden_traces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_is_left_out, setup, teardown),
		cmocka_unit_test(test_stall_records_decide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
