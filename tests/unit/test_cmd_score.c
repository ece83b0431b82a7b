/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl score: what it prints for programs and for people, its options, and its exit statuses. */
#include "tierctl_rig.h"

#include "base/units.h"

#include <jansson.h>

enum {
	SECONDS_FLAT = 600,
};

static struct rig rig;
static char path[PATH_MAX];

static const char *const POLICIES[] = {
	"adaptive", "threshold-safe", "threshold", "threshold-preflight", "hpa", "static-best"};

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "we");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* Others use a quarter of the host, and for the second half three quarters. */
static int set_up(void **state)
{
	(void)state;
	rig_open(&rig);
	(void)snprintf(path, sizeof(path), "%s", file_tree_path(&rig.tree, "day.csv"));
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs("time_s,mem_total,mem_others\n", file);
	for (int t = 0; t < SECONDS_FLAT; t++)
		fprintf(file, "%d,16000000000,%d000000000\n", t, t < SECONDS_FLAT / 2 ? 4 : 12);
	assert_int_equal(fclose(file), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static json_t *score(const char *option, const char *value)
{
	int status = option ? rig_run(&rig, ARGUMENTS("score", "--json", option, value, path))
			    : rig_run(&rig, ARGUMENTS("score", "--json", path));
	json_error_t error;
	json_t *object = json_loads(rig.out, 0, &error);

	assert_string_equal(rig.err, "");
	assert_int_equal(status, TIERCTL_OK);
	assert_non_null(object);
	return object;
}

static void assert_figures(const json_t *figures, bool has_mean_reward)
{
	static const char *const KEYS[] = {
		"ratio",    "gap_closed",  "worst_regret", "switches_per_hour",   "aborts_per_hour",
		"over90_s", "avoidable_s", "mean_quality", "broken_ups_per_hour", "over100_s",
	};

	for (size_t i = 0; i < ARRAY_SIZE(KEYS); i++)
		assert_true(json_is_number(json_object_get(figures, KEYS[i])));
	assert_int_equal(json_object_get(figures, "J") != NULL, has_mean_reward);
	assert_int_equal(json_object_size(figures), ARRAY_SIZE(KEYS) + has_mean_reward);
}

static void assert_range(const json_t *range, bool has_mean_reward)
{
	const json_t *policies = json_object_get(range, "policies");

	assert_int_equal(json_object_size(policies), ARRAY_SIZE(POLICIES));
	for (size_t i = 0; i < ARRAY_SIZE(POLICIES); i++)
		assert_figures(json_object_get(policies, POLICIES[i]), has_mean_reward);
	assert_figures(json_object_get(range, "oracle"), has_mean_reward);
}

static void test_json_has_all_keys(void **state)
{
	(void)state;
	json_t *object = score(NULL, NULL);
	const json_t *trace = json_array_get(json_object_get(object, "traces"), 0);

	assert_int_equal(json_object_size(object), 3);
	assert_int_equal(json_array_size(json_object_get(object, "traces")), 1);
	assert_range(object, false);
	assert_range(trace, true);
	assert_int_equal(json_object_size(trace), 3);
	assert_string_equal(json_string_value(json_object_get(trace, "name")), "day.csv");
	json_decref(object);
}

static double adaptive_quality(const json_t *object)
{
	const json_t *policies = json_object_get(object, "policies");

	return json_number_value(
		json_object_get(json_object_get(policies, "adaptive"), "mean_quality"));
}

static void test_config_is_used(void **state)
{
	const char *config = file_tree_path(&rig.tree, "tierd.conf");

	(void)state;
	write_file(config, "[tier tiny]\nmemory = 10M\nquality = 0.25\n");
	json_t *object = score("--config", config);

	assert_true(adaptive_quality(object) > 0.2499 && adaptive_quality(object) < 0.2501);
	json_decref(object);
}

/* A tier of 6 GiB fits into half of 64 GiB, and not into half of 8 GiB. */
static void test_memory_is_used(void **state)
{
	const char *config = file_tree_path(&rig.tree, "tierd.conf");

	(void)state;
	write_file(config, "[tier big]\nmemory = 6G\nquality = 1\n");
	write_file(path, "time_s,mem_total,mem_others\n0,1,0.5\n300,1,0.5\n");
	for (int i = 0; i < 2; i++) {
		const char *memory = i ? "--memory=64G" : "--memory=8G";
		int status = rig_run(
			&rig, ARGUMENTS("score", "--json", memory, "--config", config, path));
		json_t *object = json_loads(rig.out, 0, NULL);

		assert_int_equal(status, TIERCTL_OK);
		assert_int_equal(adaptive_quality(object) > 0.9, i);
		json_decref(object);
	}
}

static void test_table_names_policies_and_files(void **state)
{
	(void)state;
	assert_int_equal(rig_run(&rig, ARGUMENTS("score", path, path)), TIERCTL_OK);
	for (size_t i = 0; i < ARRAY_SIZE(POLICIES); i++)
		assert_non_null(strstr(rig.out, POLICIES[i]));
	assert_non_null(strstr(rig.out, "oracle"));
	assert_non_null(strstr(rig.out, "day.csv"));
}

static void test_bad_input_is_told_in_one_line(void **state)
{
	(void)state;
	FILE *file = fopen(path, "ae");

	assert_non_null(file);
	fputs("601,much,1\n", file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rig_run(&rig, ARGUMENTS("score", "--json", path)), TIERCTL_BAD_INPUT);
	assert_string_equal(rig.out, "");
	assert_non_null(strstr(rig.err, "day.csv:602"));
	assert_ptr_equal(strchr(rig.err, '\n'), rig.err + strlen(rig.err) - 1);
	assert_int_equal(rig_run(&rig, ARGUMENTS("score", "/nonexistent/x.csv")),
			 TIERCTL_BAD_INPUT);
}

static void test_wrong_usage(void **state)
{
	(void)state;
	assert_int_equal(rig_run(&rig, ARGUMENTS("score")), TIERCTL_USAGE);
	assert_int_equal(rig_run(&rig, ARGUMENTS("score", "--memory", "much", path)),
			 TIERCTL_USAGE);
	assert_int_equal(rig_run(&rig, ARGUMENTS("score", "--config", "/nonexistent/c", path)),
			 TIERCTL_USAGE);
	assert_string_equal(rig.out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_json_has_all_keys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_config_is_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_memory_is_used, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_table_names_policies_and_files, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_bad_input_is_told_in_one_line, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_wrong_usage, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
