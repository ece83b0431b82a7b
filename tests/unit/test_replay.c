/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl replay: decisions out of CSV files, time between the rows, every option, every error. */
#include "tierctl_rig.h"

#include <inttypes.h>
#include <jansson.h>
#include <time.h>

#include "base/units.h"

#define HEADER "time_s,mem_total,mem_others\n"
#define LADDER                          \
	"[tier small]\nmemory = 8G\n"   \
	"[tier medium]\nmemory = 16G\n" \
	"[tier large]\nmemory = 24G\n"

enum {
	DECISIONS_MAX = 256,
	CSV_LEN = 128 * 1024,
};

static struct rig rig;
static json_t *decisions[DECISIONS_MAX];
static unsigned int decision_count;
static char csv[CSV_LEN];

static int setup(void **state)
{
	(void)state;
	rig_open(&rig);
	file_tree_write(&rig.tree, "t.conf", "[policy]\npolicy = threshold\n" LADDER);
	decision_count = 0;
	csv[0] = '\0';
	return 0;
}

static void drop_decisions(void)
{
	while (decision_count > 0)
		json_decref(decisions[--decision_count]);
}

static int teardown(void **state)
{
	(void)state;
	drop_decisions();
	rig_close(&rig);
	return 0;
}

static void add_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void add_text(const char *format, ...)
{
	size_t len = strlen(csv);
	va_list arguments;

	va_start(arguments, format);
	assert_true(vsnprintf(csv + len, CSV_LEN - len, format, arguments) < (int)(CSV_LEN - len));
	va_end(arguments);
}

/* One row a second with shares of the host. */
static void add_seconds(unsigned int from_s, unsigned int to_s, double others)
{
	for (unsigned int t = from_s; t < to_s; t++)
		add_text("%u,1,%g\n", t, others);
}

/* High enough for a switch at 20 s, and calm again from 30 s on. */
static void add_story(void)
{
	add_text(HEADER);
	add_seconds(0, 20, 0.3);
	add_seconds(20, 30, 0.7);
	add_seconds(30, 700, 0.3);
}

static void read_decisions(void)
{
	char *at = rig.out;

	drop_decisions();
	for (char *end; (end = strchr(at, '\n')); at = end + 1) {
		assert_true(decision_count < DECISIONS_MAX);
		decisions[decision_count] = json_loadb(at, (size_t)(end - at), 0, NULL);
		assert_non_null(decisions[decision_count]);
		decision_count++;
	}
	assert_int_equal(*at, '\0');
}

/* `tierctl replay` of the CSV with up to three more arguments. */
static int replay_with(const char *a, const char *b, const char *c)
{
	char path[PATH_MAX];
	const char *const arguments[] = {"replay", path, a, b, c, NULL};

	snprintf(path, sizeof(path), "%s/t.csv", rig.tree.root);
	file_tree_write(&rig.tree, "t.csv", csv);
	int status = rig_run(&rig, arguments);
	read_decisions();
	return status;
}

static const char *config_option(void)
{
	static char option[PATH_MAX];

	snprintf(option, sizeof(option), "--config=%s", file_tree_path(&rig.tree, "t.conf"));
	return option;
}

static void replay_ok(const char *option)
{
	if (replay_with(config_option(), option, NULL) != TIERCTL_OK)
		fail_msg("%s", rig.err);
}

static const char *text_of(unsigned int i, const char *key)
{
	return json_string_value(json_object_get(decisions[i], key));
}

static uint64_t number_of(unsigned int i, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(decisions[i], key));
}

/* Index of the first decision with this action from `from` on; fails if there is none. */
static unsigned int find(unsigned int from, const char *action)
{
	for (unsigned int i = from; i < decision_count; i++) {
		if (strcmp(text_of(i, "action"), action) == 0)
			return i;
	}
	fail_msg("no %s in:\n%s", action, rig.out);
	return 0;
}

/* ---- what is decided ---------------------------------------------------------------------------
 */

static void test_story(void **state)
{
	unsigned int i;

	(void)state;
	add_story();
	replay_ok(NULL);
	assert_string_equal(text_of(0, "action"), "start");
	assert_string_equal(text_of(0, "to"), "large");
	i = find(0, "switch");
	assert_int_equal(number_of(i, "time_ns"), 20 * NS_PER_S);
	assert_string_equal(text_of(i, "from"), "large");
	assert_string_equal(text_of(i, "reason"), "use-over-degrade");
	i = find(i + 1, "switch");
	assert_string_equal(text_of(i, "reason"), "calm");
	assert_non_null(strstr(rig.err, "the host is taken to have 64.0 GiB"));
}

/* The same however often it is read, and wherever the clock begins. */
static void test_decisions_do_not_depend_on_the_clock(void **state)
{
	char first[RIG_TEXT_LEN];
	uint64_t times_ns[DECISIONS_MAX] = {0};
	unsigned int count;

	(void)state;
	add_story();
	replay_ok(NULL);
	snprintf(first, sizeof(first), "%s", rig.out);
	count = decision_count;
	for (unsigned int i = 0; i < count; i++)
		times_ns[i] = number_of(i, "time_ns");
	replay_ok(NULL);
	assert_string_equal(rig.out, first);
	csv[0] = '\0';
	add_text(HEADER);
	for (unsigned int t = 0; t < 700; t++)
		add_text("%u.25,1,%g\n", 1700000000 + t, t >= 20 && t < 30 ? 0.7 : 0.3);
	replay_ok(NULL);
	assert_int_equal(decision_count, count);
	for (unsigned int i = 0; i < count; i++)
		assert_true(number_of(i, "time_ns") == times_ns[i] + UINT64_C(1700000000250000000));
}

/* As from another program. */
static void test_csv_out_of_a_fifo(void **state)
{
	char path[PATH_MAX];
	char expected[RIG_TEXT_LEN];

	(void)state;
	add_story();
	replay_ok(NULL);
	snprintf(expected, sizeof(expected), "%s", rig.out);
	snprintf(path, sizeof(path), "%s/fifo", rig.tree.root);
	assert_int_equal(mkfifo(path, 0600), 0);
	pid_t writer = fork();
	assert_true(writer >= 0);
	if (writer == 0) {
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		size_t len = strlen(csv);

		_exit(fd >= 0 && write(fd, csv, len) == (ssize_t)len ? 0 : 1);
	}
	assert_int_equal(rig_run(&rig, ARGUMENTS("replay", path, config_option())), TIERCTL_OK);
	assert_string_equal(rig.out, expected);
	int status = 0;
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_int_equal(status, 0);
}

/* A drain is over when it is over, not when the next row comes. */
static void test_time_passes_between_rows(void **state)
{
	unsigned int i;

	(void)state;
	add_text(HEADER "0,1,0.3\n600,1,0.3\n1200,1,0.46\n1800,1,0.46\n");
	replay_ok(NULL);
	i = find(0, "switch");
	assert_int_equal(number_of(i, "time_ns"), 1200 * NS_PER_S);
	assert_string_equal(text_of(i, "mode"), "planned");
	i = find(i, "done");
	assert_int_equal(number_of(i, "time_ns"), 1205 * NS_PER_S);
}

static void test_absurd_gap_takes_no_time(void **state)
{
	struct timespec begin;
	struct timespec end;

	(void)state;
	add_text(HEADER "0,1,0.3\n9999999999,1,0.3\n");
	clock_gettime(CLOCK_MONOTONIC, &begin);
	replay_ok(NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - begin.tv_sec < 10);
	assert_true(decision_count >= 1);
}

/* ---- options -----------------------------------------------------------------------------------
 */

static void test_from_and_to_filter_the_output(void **state)
{
	char whole[RIG_TEXT_LEN];
	char joined[2 * RIG_TEXT_LEN];

	(void)state;
	add_story();
	replay_ok(NULL);
	snprintf(whole, sizeof(whole), "%s", rig.out);
	unsigned int whole_count = decision_count;
	replay_ok("--to=20");
	unsigned int before_count = decision_count;
	snprintf(joined, sizeof(joined), "%s", rig.out);
	replay_ok("--from=20");
	assert_int_equal(before_count + decision_count, whole_count);
	assert_true(before_count > 0 && decision_count > 0);
	assert_int_equal(number_of(0, "time_ns"), 20 * NS_PER_S);
	snprintf(joined + strlen(joined), RIG_TEXT_LEN, "%s", rig.out);
	assert_string_equal(joined, whole);
	assert_int_equal(replay_with(config_option(), "--from=19s", "--to=0.5m"), TIERCTL_OK);
	for (unsigned int i = 0; i < decision_count; i++)
		assert_true(number_of(i, "time_ns") >= 19 * NS_PER_S &&
			    number_of(i, "time_ns") < 30 * NS_PER_S);
}

/* From the start of the data, wherever its clock begins. */
static void test_from_counts_from_the_start(void **state)
{
	(void)state;
	add_text(HEADER);
	for (unsigned int t = 5000; t < 5040; t++)
		add_text("%u,1,%g\n", t, t < 5020 ? 0.3 : 0.7);
	replay_ok("--from=20");
	assert_string_equal(text_of(0, "action"), "switch");
	assert_int_equal(number_of(0, "time_ns"), 5020 * NS_PER_S);
}

static void test_config_is_used(void **state)
{
	(void)state;
	add_story();
	file_tree_write(&rig.tree, "t.conf",
			"[policy]\npolicy = threshold\nstabilization = 60s\n" LADDER);
	replay_ok(NULL);
	unsigned int i = find(find(0, "switch") + 1, "switch");
	assert_true(number_of(i, "time_ns") < 120 * NS_PER_S);
	assert_int_equal(number_of(i, "stabilization_ns"), 60 * NS_PER_S);
}

static void test_policy_is_used(void **state)
{
	(void)state;
	add_story();
	replay_ok("--policy=threshold");
	assert_string_equal(text_of(0, "policy"), "threshold");
	assert_int_equal(replay_with(config_option(), "--policy=best", NULL), TIERCTL_USAGE);
	assert_non_null(strstr(rig.err, "--policy: \"best\" is not known; allowed: "));
}

static void test_memory_is_used(void **state)
{
	(void)state;
	add_text(HEADER "0,1,0.3\n20,1,0.3\n");
	replay_ok("--memory=20G");
	assert_string_equal(text_of(0, "to"), "small");
	assert_string_equal(rig.err, "");
	replay_ok("--memory=1T");
	assert_string_equal(text_of(0, "to"), "large");
	csv[0] = '\0';
	add_text(HEADER "0,68719476736,1000000\n");
	replay_ok("--memory=20G");
	assert_string_equal(text_of(0, "to"), "large");
	assert_non_null(strstr(rig.err, "mem_total is in bytes: --memory changes nothing"));
}

static void test_wrong_options(void **state)
{
	static const struct {
		const char *option;
		const char *error;
	} OPTIONS[] = {
		{"--from=x", "tierctl: --from: \"x\" is not a time such as 90, 250ms or 10m\n"},
		{"--to=1 s", "tierctl: --to: \"1 s\" is not a time such as 90, 250ms or 10m\n"},
		{"--to=0", "tierctl: --to: must be later than --from\n"},
		{"--memory=lots", "tierctl: --memory: \"lots\" is not a size from 1M on, such as "
				  "64G\n"},
		{"--memory=1K", "tierctl: --memory: \"1K\" is not a size from 1M on, such as "
				"64G\n"},
		{"--config=/nowhere/t.conf", "tierctl: /nowhere/t.conf: No such file or "
					     "directory\n"},
	};

	(void)state;
	add_story();
	for (size_t i = 0; i < ARRAY_SIZE(OPTIONS); i++) {
		assert_int_equal(replay_with(config_option(), OPTIONS[i].option, NULL),
				 TIERCTL_USAGE);
		assert_string_equal(rig.err, OPTIONS[i].error);
		assert_string_equal(rig.out, "");
	}
	assert_int_equal(replay_with("--from=5", "--to=5", NULL), TIERCTL_USAGE);
	assert_int_equal(rig_run(&rig, ARGUMENTS("replay")), TIERCTL_USAGE);
	assert_int_equal(replay_with("another.csv", NULL, NULL), TIERCTL_USAGE);
	file_tree_write(&rig.tree, "t.conf", "[policy]\npolicy = 1\n");
	assert_int_equal(replay_with(config_option(), NULL, NULL), TIERCTL_USAGE);
	assert_non_null(strstr(rig.err, "t.conf:2: policy.policy: "));
}

/* ---- bad files ---------------------------------------------------------------------------------
 */

/* The ladder is the one that a person would get for a host of that size. */
static void test_without_a_config(void **state)
{
	(void)state;
	add_story();
	assert_int_equal(replay_with("--memory=100G", "--policy=threshold", NULL), TIERCTL_OK);
	assert_string_equal(rig.err,
			    "tierctl: warning: without a config, tiers are guessed for a host of "
			    "100.0 GiB: small 12.0 GiB medium 24.0 GiB large 40.0 GiB\n");
	assert_string_equal(text_of(0, "to"), "large");
	assert_string_equal(text_of(0, "policy"), "threshold");
	assert_true(number_of(find(0, "switch"), "time_ns") == 20 * NS_PER_S);
}

static void test_bad_files(void **state)
{
	(void)state;
	assert_int_equal(replay_with(NULL, NULL, NULL), TIERCTL_BAD_INPUT);
	assert_non_null(strstr(rig.err, "t.csv: empty\n"));
	assert_string_equal(rig.out, "");
	assert_int_equal(rig_run(&rig, ARGUMENTS("replay", "/nowhere/t.csv")), TIERCTL_BAD_INPUT);
	assert_non_null(strstr(rig.err, "tierctl: /nowhere/t.csv: No such file or directory\n"));
	/* What came before the bad row stands. */
	add_story();
	add_text("701,1,x\n");
	assert_int_equal(replay_with(config_option(), NULL, NULL), TIERCTL_BAD_INPUT);
	assert_non_null(strstr(rig.err, "t.csv:702: mem_others: \"x\" is not a number\n"));
	assert_true(decision_count > 3);
}

static void test_lost_output_is_an_error(void **state)
{
	(void)state;
	add_story();
	file_tree_write(&rig.tree, "out", "-> /dev/full");
	assert_int_equal(replay_with(config_option(), NULL, NULL), TIERCTL_NO);
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_RIG(test_story),
		WITH_RIG(test_decisions_do_not_depend_on_the_clock),
		WITH_RIG(test_csv_out_of_a_fifo),
		WITH_RIG(test_time_passes_between_rows),
		WITH_RIG(test_absurd_gap_takes_no_time),
		WITH_RIG(test_from_and_to_filter_the_output),
		WITH_RIG(test_from_counts_from_the_start),
		WITH_RIG(test_config_is_used),
		WITH_RIG(test_policy_is_used),
		WITH_RIG(test_memory_is_used),
		WITH_RIG(test_wrong_options),
		WITH_RIG(test_without_a_config),
		WITH_RIG(test_bad_files),
		WITH_RIG(test_lost_output_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
