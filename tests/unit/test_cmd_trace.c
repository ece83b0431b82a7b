/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl record, trace info and trace dump. */
#include "tierctl_rig.h"

#include "base/cleanup.h"
#include "trace_rig.h"

#include <jansson.h>

enum {
	EVENTS = 200,
};

static struct rig rig;
static char trace[PATH_MAX];

static int set_up(void **state)
{
	(void)state;
	rig_open(&rig);
	(void)snprintf(trace, sizeof(trace), "%s", file_tree_path(&rig.tree, "trace"));
	rig_write_trace(trace, EVENTS);
	return 0;
}

static int set_up_agent(void **state)
{
	(void)state;
	rig_open(&rig);
	rig_start_agent(&rig);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

/* ---- record ----------------------------------------------------------------------------------
 */

static void test_record_names_a_file(void **state)
{
	(void)state;
	assert_int_equal(rig_ask(&rig, ARGUMENTS("record", "mine"), "ok\nrecording into x\nend\n"),
			 TIERCTL_OK);
	assert_int_equal(strncmp(rig.line, "record name=mine reply=", 23), 0);
	assert_string_equal(rig.out, "recording into x\n");
	assert_int_equal(rig_ask(&rig, ARGUMENTS("record", "--stop"), "ok\nx\nend\n"), TIERCTL_OK);
	assert_int_equal(strncmp(rig.line, "record-stop reply=", 18), 0);
	assert_int_equal(rig_ask(&rig, ARGUMENTS("record", "a=b c"), "error no\nend\n"),
			 TIERCTL_NO);
	assert_int_equal(strncmp(rig.line, "record name=a%3Db%20c reply=", 28), 0);
}

static void test_record_refuses_paths(void **state)
{
	static const char *const NAMES[] = {
		"", "/tmp/x", "a/b",
		"1234567890123456789012345678901234567890123456789012345678901234"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++)
		assert_int_equal(rig_run(&rig, ARGUMENTS("record", NAMES[i])), TIERCTL_USAGE);
	assert_int_equal(rig_run(&rig, ARGUMENTS("record")), TIERCTL_USAGE);
	assert_int_equal(rig_run(&rig, ARGUMENTS("record", "--stop", "x")), TIERCTL_USAGE);
	assert_true(rig.err[0]);
}

/* ---- info ------------------------------------------------------------------------------------
 */

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		fail_msg("%s: %s", error.text, text);
	return root;
}

static json_int_t number(const json_t *root, const char *object, const char *key)
{
	const json_t *value = json_object_get(object ? json_object_get(root, object) : root, key);

	if (!json_is_integer(value))
		fail_msg("no number %s", key);
	return json_integer_value(value);
}

static void test_info_counts_everything(void **state)
{
	struct rig_event event;
	json_int_t counts[EVENT_KIND_COUNT] = {0};
	json_int_t sum = 0;

	(void)state;
	assert_int_equal(rig_run(&rig, ARGUMENTS("trace", "info", trace, "--json")), TIERCTL_OK);
	json_t *root = parse(rig.out);
	for (uint64_t n = 0; n < EVENTS; n++) {
		rig_nth_event(n, &event);
		counts[event.event.kind]++;
	}
	for (uint32_t kind = EVENT_CONFIG; kind < EVENT_KIND_COUNT; kind++) {
		assert_int_equal(number(root, "events", event_kind_name(kind)), counts[kind]);
		sum += counts[kind];
	}
	assert_int_equal(number(root, "events", "all"), sum);
	assert_int_equal(number(root, "version", "major"), TRACE_VERSION_MAJOR);
	assert_int_equal(number(root, NULL, "segments"), 1);
	assert_int_equal(number(root, NULL, "cpus"), 2);
	assert_int_equal(number(root, NULL, "first_ns"), 1000 * NS_PER_S);
	assert_int_equal(number(root, NULL, "last_ns"),
			 1000 * NS_PER_S + UINT64_C(10) * (EVENTS - 1) * NS_PER_MS);
	assert_int_equal(number(root, "dropped", "slow"), 0);
	assert_true(json_is_true(json_object_get(root, "ended")));
	assert_true(json_is_true(json_object_get(root, "as_live")));
	assert_true(json_is_false(json_object_get(root, "damaged")));
	json_decref(root);
	assert_int_equal(rig_run(&rig, ARGUMENTS("trace", "info", trace)), TIERCTL_OK);
	assert_non_null(strstr(rig.out, "events      200: config "));
	assert_non_null(strstr(rig.out, "host        kernel 6.1.0, x86_64, 2 CPUs, 8.0 GiB"));
	assert_non_null(strstr(rig.out, "span        1.990 s\n"));
}

static void test_info_tells_of_damage(void **state)
{
	struct stat info;

	(void)state;
	assert_int_equal(stat(trace, &info), 0);
	assert_int_equal(truncate(trace, info.st_size - 10), 0);
	assert_int_equal(rig_run(&rig, ARGUMENTS("trace", "info", trace)), TIERCTL_BAD_INPUT);
	assert_non_null(strstr(rig.out, "notice      trace: cut off at byte "));
	assert_int_equal(rig_run(&rig, ARGUMENTS("trace", "info", trace, "--json")),
			 TIERCTL_BAD_INPUT);
	json_t *root = parse(rig.out);
	assert_true(json_is_true(json_object_get(root, "damaged")));
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(root, "notices"), 0), "notice")),
			    "torn");
	json_decref(root);
}

static void test_bad_files_and_words(void **state)
{
	(void)state;
	file_tree_write(&rig.tree, "text", "no trace");
	assert_int_equal(
		rig_run(&rig, ARGUMENTS("trace", "info", file_tree_path(&rig.tree, "text"))),
		TIERCTL_BAD_INPUT);
	assert_string_equal(rig.err, "tierctl: text: not a trace of tierd\n");
	assert_int_equal(rig_run(&rig, ARGUMENTS("trace", "dump", "/nowhere/x")),
			 TIERCTL_BAD_INPUT);
	assert_int_equal(rig_run(&rig, ARGUMENTS("trace", "show", trace)), TIERCTL_USAGE);
	assert_int_equal(rig_run(&rig, ARGUMENTS("trace", "info")), TIERCTL_USAGE);
	assert_int_equal(rig_run(&rig, ARGUMENTS("trace", "info", trace, "--from", "1")),
			 TIERCTL_USAGE);
	assert_int_equal(rig_run(&rig, ARGUMENTS("trace", "dump", trace, "--json")), TIERCTL_USAGE);
	assert_int_equal(
		rig_run(&rig, ARGUMENTS("trace", "dump", trace, "--from", "2", "--to", "1")),
		TIERCTL_USAGE);
}

/* ---- dump ------------------------------------------------------------------------------------
 */

/* Every field of the kind is there. */
static void check_line(const char *text, uint64_t n)
{
	/* Numbers of 64 bits are more than jansson's integers. */
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
	struct rig_event expected;

	assert_non_null(root);
	rig_nth_event(n, &expected);
	const struct event_layout *layout = event_layout_of(expected.event.kind);
	assert_true(json_number_value(json_object_get(root, "time_ns")) ==
		    (double)expected.event.time_ns);
	assert_string_equal(json_string_value(json_object_get(root, "kind")),
			    event_kind_name(expected.event.kind));
	for (uint32_t i = 0; layout && i < layout->count; i++)
		assert_non_null(json_object_get(root, layout->fields[i].name));
	if (expected.event.kind == EVENT_SAMPLE)
		assert_int_equal(json_array_size(json_object_get(root, "resources")),
				 expected.event.sample.resource_count);
	if (expected.event.kind == EVENT_LOSS)
		assert_int_equal(json_object_size(json_object_get(root, "count")),
				 LOSS_CAUSE_COUNT);
	if (event_is_text(expected.event.kind))
		assert_true(json_is_string(json_object_get(root, "text")));
	json_decref(root);
}

static uint64_t check_dump(uint64_t first)
{
	FILE *file = fopen(file_tree_path(&rig.tree, "out"), "re");
	_cleanup_free_ char *line = NULL;
	uint64_t count = 0;
	size_t size = 0;

	assert_non_null(file);
	while (getline(&line, &size, file) > 0)
		check_line(line, first + count++);
	fclose(file);
	return count;
}

static void test_dump_prints_every_event(void **state)
{
	(void)state;
	assert_int_equal(rig_run(&rig, ARGUMENTS("trace", "dump", trace)), TIERCTL_OK);
	assert_int_equal(check_dump(0), EVENTS);
	/* Events are 10 ms apart. */
	assert_int_equal(
		rig_run(&rig, ARGUMENTS("trace", "dump", trace, "--from", "500ms", "--to", "1s")),
		TIERCTL_OK);
	assert_int_equal(check_dump(50), 50);
}

static void test_dump_of_a_damaged_trace(void **state)
{
	struct stat info;

	(void)state;
	assert_int_equal(stat(trace, &info), 0);
	assert_int_equal(truncate(trace, info.st_size - 10), 0);
	assert_int_equal(rig_run(&rig, ARGUMENTS("trace", "dump", trace)), TIERCTL_BAD_INPUT);
	assert_non_null(strstr(rig.err, "cut off"));
}

static void test_alone_leaves_the_others_out(void **state)
{
	struct trace_writer_options options = rig_options(file_tree_path(&rig.tree, "chain"));
	struct trace_writer *writer;
	const char *path = file_tree_path(&rig.tree, "chain");

	(void)state;
	options.segment_max_bytes = TRACE_SEGMENT_MIN_BYTES;
	options.keep = 100;
	assert_int_equal(trace_writer_open(&options, &writer), 0);
	for (uint64_t n = 0; n < 20000; n++)
		rig_add_nth(writer, n);
	assert_int_equal(trace_writer_close(writer, -1), 0);
	assert_int_equal(rig_run(&rig, ARGUMENTS("trace", "info", path, "--json")), TIERCTL_OK);
	json_t *root = parse(rig.out);
	assert_int_equal(number(root, "events", "all"), 20000);
	assert_true(number(root, NULL, "segments") > 1);
	json_decref(root);
	assert_int_equal(rig_run(&rig, ARGUMENTS("trace", "info", path, "--json", "--alone")),
			 TIERCTL_OK);
	root = parse(rig.out);
	assert_true(number(root, "events", "all") < 20000);
	assert_int_equal(number(root, NULL, "segments"), 1);
	json_decref(root);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_record_names_a_file, set_up_agent, tear_down),
		cmocka_unit_test_setup_teardown(test_record_refuses_paths, set_up_agent, tear_down),
		TEST(test_info_counts_everything),
		TEST(test_info_tells_of_damage),
		TEST(test_bad_files_and_words),
		TEST(test_dump_prints_every_event),
		TEST(test_dump_of_a_damaged_trace),
		TEST(test_alone_leaves_the_others_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
