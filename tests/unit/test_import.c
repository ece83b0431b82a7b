/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl import: what it writes, every option, every error, and what it leaves behind. */
#include "tierctl_rig.h"

#define HEADER "time_s,mem_total,mem_others\n"
#define LADDER                           \
	"[policy]\npolicy = threshold\n" \
	"[tier small]\nmemory = 8G\n"    \
	"[tier large]\nmemory = 24G\n"
/* Seconds 0 to 4 hold 110, 0, 100, 100 and 0 tokens; see test_requests.c. */
#define REQUESTS                                    \
	"TIMESTAMP,ContextTokens,GeneratedTokens\n" \
	"2023-11-16 10:00:00.5,100,10\n"            \
	"2023-11-16 10:00:02.6,50,50\n"

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_open(&rig);
	file_tree_write(&rig.tree, "t.conf", LADDER);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

/* Runs tierctl; arguments that begin with @ are files of the tree. Up to eight. */
static int run(const char *const *arguments)
{
	static char paths[8][PATH_MAX];
	const char *expanded[9] = {NULL};

	for (int i = 0; arguments[i]; i++) {
		const char *at = strchr(arguments[i], '@');

		assert_true(i < 8);
		expanded[i] = arguments[i];
		if (!at)
			continue;
		snprintf(paths[i], PATH_MAX, "%.*s%s/%s", (int)(at - arguments[i]), arguments[i],
			 rig.tree.root, at + 1);
		expanded[i] = paths[i];
	}
	return rig_run(&rig, expanded);
}

#define RUN(...) run(ARGUMENTS(__VA_ARGS__))
#define RUN_OK(...)                                 \
	do {                                        \
		if (RUN(__VA_ARGS__) != TIERCTL_OK) \
			fail_msg("%s", rig.err);    \
	} while (0)

/* Files in the tree, without folders. */
static unsigned int count_files(void)
{
	DIR *dir = opendir(rig.tree.root);
	unsigned int count = 0;

	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_type == DT_REG;
	closedir(dir);
	return count;
}

/* Steps to the limit and back, one row each 5 s. */
static void write_story(void)
{
	char text[16 * 1024] = HEADER;
	size_t len = strlen(text);

	for (unsigned int t = 0; t < 200; t++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%u.5,1,%g\n", t * 5,
					t > 20 && t < 30 ? 0.7 : 0.3);
	file_tree_write(&rig.tree, "t.csv", text);
}

/* ---- traces ------------------------------------------------------------------------------------
 */

static void test_trace_replays_as_the_csv_does(void **state)
{
	char expected[RIG_TEXT_LEN];

	(void)state;
	write_story();
	RUN_OK("replay", "@t.csv", "--config=@t.conf", "--memory=48G");
	memcpy(expected, rig.out, sizeof(expected));
	assert_non_null(strstr(expected, "\"action\":\"switch\""));
	RUN_OK("import", "@t.csv", "--config=@t.conf", "--memory=48G", "-o", "@t.trace");
	assert_string_equal(rig.out, "");
	assert_string_equal(rig.err, "");
	RUN_OK("replay", "@t.trace");
	assert_string_equal(rig.err, "");
	assert_string_equal(rig.out, expected);
}

/* The ladder that is guessed is kept in the trace. */
static void test_trace_without_a_config(void **state)
{
	char expected[RIG_TEXT_LEN];

	(void)state;
	write_story();
	RUN_OK("replay", "@t.csv");
	memcpy(expected, rig.out, sizeof(expected));
	RUN_OK("import", "@t.csv", "--output=@t.trace");
	assert_non_null(strstr(rig.err, "tiers are guessed for a host of 64.0 GiB"));
	RUN_OK("replay", "@t.trace");
	assert_string_equal(rig.out, expected);
}

static void test_every_column_goes_into_the_trace(void **state)
{
	char expected[RIG_TEXT_LEN];
	char text[16 * 1024] = "time_s,mem_total,mem_others,psi_mem_some,mem_model\n";
	size_t len = strlen(text);

	(void)state;
	for (unsigned int t = 0; t < 60; t++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%u,64e9,%s,%s,20e9\n", t,
					"20e9",
					t < 30   ? "0"
					: t < 50 ? "0.9"
						 : "");
	file_tree_write(&rig.tree, "t.csv", text);
	RUN_OK("replay", "@t.csv", "--config=@t.conf");
	memcpy(expected, rig.out, sizeof(expected));
	assert_non_null(strstr(expected, "\"reason\":\"stall-over-urgent\""));
	assert_non_null(strstr(expected, "\"reason\":\"source-changed\""));
	RUN_OK("import", "@t.csv", "--config=@t.conf", "-o", "@t.trace");
	RUN_OK("replay", "@t.trace");
	assert_string_equal(rig.out, expected);
}

static void test_requests_as_a_trace(void **state)
{
	char expected[RIG_TEXT_LEN];

	(void)state;
	file_tree_write(&rig.tree, "log.csv", REQUESTS);
	RUN_OK("import", "--requests", "@log.csv", "--csv", "-o", "@t.csv", "--memory=32G");
	RUN_OK("replay", "@t.csv", "--config=@t.conf");
	memcpy(expected, rig.out, sizeof(expected));
	assert_non_null(strstr(expected, "\"action\":\"switch\""));
	RUN_OK("import", "--requests", "@log.csv", "-o", "@t.trace", "--config=@t.conf",
	       "--memory=32G");
	RUN_OK("replay", "@t.trace");
	assert_string_equal(rig.out, expected);
}

/* ---- CSV ---------------------------------------------------------------------------------------
 */

static void test_requests_as_csv(void **state)
{
	(void)state;
	file_tree_write(&rig.tree, "log.csv", REQUESTS);
	RUN_OK("import", "--requests", "@log.csv", "--csv", "-o", "-", "--memory=2000000",
	       "--duration=5");
	assert_string_equal(rig.err, "");
	assert_string_equal(rig.out, HEADER "0,2000000,1700000\n1,2000000,600000\n"
					    "2,2000000,1600000\n3,2000000,1600000\n"
					    "4,2000000,600000\n");
}

/* 64 GiB and 59 minutes. */
static void test_requests_by_default(void **state)
{
	char line[128] = "";
	unsigned int count = 0;

	(void)state;
	file_tree_write(&rig.tree, "log.csv", REQUESTS);
	RUN_OK("import", "--requests", "@log.csv", "--csv", "-o", "@all.csv");
	assert_string_equal(rig.err, "tierctl: warning: the host is taken to have 64.0 GiB; "
				     "--memory says otherwise\n");
	FILE *file = fopen(file_tree_path(&rig.tree, "all.csv"), "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (count++ == 1)
			assert_string_equal(line, "0,68719476736,58411555226\n");
	}
	fclose(file);
	assert_int_equal(count, 3541);
	assert_string_equal(line, "3539,68719476736,20615843021\n");
}

static void test_options_of_requests(void **state)
{
	(void)state;
	file_tree_write(&rig.tree, "log.csv", REQUESTS);
	RUN_OK("import", "--requests", "@log.csv", "--csv", "-o-", "--memory=2000000",
	       "--duration=2s", "--low=0.1");
	assert_string_equal(rig.out, HEADER "0,2000000,1700000\n1,2000000,200000\n");
	RUN_OK("import", "--requests", "@log.csv", "--csv", "-o-", "--memory=2000000",
	       "--duration=2s", "--high=50%");
	assert_string_equal(rig.out, HEADER "0,2000000,1000000\n1,2000000,600000\n");
	/* 0.2 s x 10: two seconds. */
	RUN_OK("import", "--requests", "@log.csv", "--csv", "-o-", "--memory=2000000",
	       "--duration=2s", "--seconds-per-token=0.2");
	assert_string_equal(rig.out, HEADER "0,2000000,1700000\n1,2000000,1700000\n");
}

/* In bytes, others without the model, times as they were. */
static void test_csv_as_csv(void **state)
{
	(void)state;
	file_tree_write(&rig.tree, "t.csv",
			"mem_model,time_s,mem_total,mem_others\n5e9,0.25,16e9,4000000001\n,1,16e9,"
			"2.5e9\n6,1700000000.000000001,17e9,17e9\n");
	RUN_OK("import", "@t.csv", "--csv", "-o", "@out.csv");
	assert_string_equal(rig.out, "");
	assert_string_equal(rig.err, "");
	rig_read_file(&rig, "out.csv", rig.out);
	assert_string_equal(rig.out, HEADER "0.25,16000000000,4000000001\n"
					    "1,16000000000,2500000000\n"
					    "1700000000.000000001,17000000000,17000000000\n");
}

/* ---- files -------------------------------------------------------------------------------------
 */

static void test_nothing_is_replaced_without_force(void **state)
{
	static const char *const KINDS[] = {"--force", "--csv"};
	char text[RIG_TEXT_LEN];

	(void)state;
	write_story();
	for (size_t i = 0; i < 2; i++) {
		const char *kind = i ? KINDS[i] : "--config=@t.conf";

		file_tree_write(&rig.tree, "mine", "mine");
		assert_int_equal(RUN("import", "@t.csv", kind, "-o", "@mine"), TIERCTL_NO);
		assert_non_null(strstr(rig.err, "/mine: File exists; --force replaces a file\n"));
		rig_read_file(&rig, "mine", text);
		assert_string_equal(text, "mine");
		RUN_OK("import", "@t.csv", kind, "-o", "@mine", "--force");
		rig_read_file(&rig, "mine", text);
		assert_string_not_equal(text, "mine");
	}
	/* t.conf, t.csv, mine, out, err: nothing else is left. */
	assert_int_equal(count_files(), 5);
	assert_int_equal(RUN("import", "@t.csv", "-o", "@", "--force"), TIERCTL_NO);
}

/* A bad file makes none, and does not replace one. */
static void test_bad_files_change_nothing(void **state)
{
	static const char *const KINDS[] = {"--config=@t.conf", "--csv"};
	char text[RIG_TEXT_LEN];

	(void)state;
	file_tree_write(&rig.tree, "t.csv", HEADER "0,1,0.5\n1,1,x\n");
	file_tree_write(&rig.tree, "mine", "mine");
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(RUN("import", "@t.csv", KINDS[i], "-o", "@new"),
				 TIERCTL_BAD_INPUT);
		assert_non_null(strstr(rig.err, "t.csv:3: mem_others: \"x\" is not a number\n"));
		assert_int_equal(RUN("import", "@t.csv", KINDS[i], "-o", "@mine", "--force"),
				 TIERCTL_BAD_INPUT);
		rig_read_file(&rig, "mine", text);
		assert_string_equal(text, "mine");
	}
	assert_int_equal(RUN("import", "--requests", "@t.csv", "-o", "@new"), TIERCTL_BAD_INPUT);
	assert_non_null(strstr(rig.err, "t.csv:1: there is no column TIMESTAMP\n"));
	assert_int_equal(RUN("import", "@none.csv", "-o", "@new"), TIERCTL_BAD_INPUT);
	/* t.conf, t.csv, mine, out, err */
	assert_int_equal(count_files(), 5);
}

static void test_trace_is_not_imported(void **state)
{
	(void)state;
	write_story();
	RUN_OK("import", "@t.csv", "-o", "@t.trace");
	assert_int_equal(RUN("import", "@t.trace", "-o", "@new"), TIERCTL_BAD_INPUT);
	assert_non_null(strstr(rig.err, "/t.trace: is a trace already\n"));
	assert_false(file_tree_has(&rig.tree, "new"));
	assert_int_equal(RUN("import", "--requests", "@t.trace", "-o", "@new"), TIERCTL_BAD_INPUT);
}

static void test_places_that_cannot_be_written(void **state)
{
	(void)state;
	write_story();
	assert_int_equal(RUN("import", "@t.csv", "-o", "@no/t.trace"), TIERCTL_NO);
	assert_non_null(strstr(rig.err, "/no/t.trace: No such file or directory\n"));
	assert_int_equal(RUN("import", "@t.csv", "--csv", "-o", "@no/t.csv"), TIERCTL_NO);
	file_tree_write(&rig.tree, "out", "-> /dev/full");
	assert_int_equal(RUN("import", "@t.csv", "--csv", "-o", "-"), TIERCTL_NO);
}

/* ---- usage -------------------------------------------------------------------------------------
 */

static void test_wrong_options(void **state)
{
	static const struct {
		const char *arguments[5];
		const char *error;
	} WRONG[] = {
		{{"-o", "-"}, "tierctl: -o -: only a CSV can be printed; see --csv\n"},
		{{"-o", ""}, "tierctl: -o FILE says where to\n"},
		{{NULL}, "tierctl: -o FILE says where to\n"},
		{{"-o@x", "--low=0.1"}, "tierctl: --low: only with --requests\n"},
		{{"-o@x", "--high=0.1"}, "tierctl: --high: only with --requests\n"},
		{{"-o@x", "--duration=1"}, "tierctl: --duration: only with --requests\n"},
		{{"-o@x", "--seconds-per-token=1"},
		 "tierctl: --seconds-per-token: only with --requests\n"},
		{{"-o@x", "--requests", "--low=2"},
		 "tierctl: --low: \"2\" is not a share such as 85% or 0.85\n"},
		{{"-o@x", "--requests", "--high=x"},
		 "tierctl: --high: \"x\" is not a share such as 85% or 0.85\n"},
		{{"-o@x", "--requests", "--low=0.9"},
		 "tierctl: --high: must not be less than --low\n"},
		{{"-o@x", "--requests", "--duration=0"},
		 "tierctl: --duration: whole seconds, from 1 to 366 days\n"},
		{{"-o@x", "--requests", "--duration=1.5"},
		 "tierctl: --duration: whole seconds, from 1 to 366 days\n"},
		{{"-o@x", "--requests", "--duration=8785h"},
		 "tierctl: --duration: whole seconds, from 1 to 366 days\n"},
		{{"-o@x", "--requests", "--seconds-per-token=2h"},
		 "tierctl: --seconds-per-token: at most an hour\n"},
		{{"-o@x", "--requests", "--seconds-per-token=x"},
		 "tierctl: --seconds-per-token: \"x\" is not a time such as 90, 250ms or 10m\n"},
		{{"-o@x", "--csv", "--config=@t.conf"}, "tierctl: --config: a CSV holds none\n"},
		{{"-o@x", "--memory=1"},
		 "tierctl: --memory: \"1\" is not a size from 1M on, such as 64G\n"},
		{{"-o@x", "--config=/nowhere/t.conf"},
		 "tierctl: /nowhere/t.conf: No such file or directory\n"},
	};

	(void)state;
	write_story();
	for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
		const char *const *more = WRONG[i].arguments;

		assert_int_equal(RUN("import", "@t.csv", more[0], more[1], more[2]), TIERCTL_USAGE);
		assert_string_equal(rig.err, WRONG[i].error);
	}
	assert_int_equal(RUN("import", "-o", "@x"), TIERCTL_USAGE);
	assert_int_equal(RUN("import", "@t.csv", "@t.csv", "-o", "@x"), TIERCTL_USAGE);
	assert_false(file_tree_has(&rig.tree, "x"));
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_RIG(test_trace_replays_as_the_csv_does),
		WITH_RIG(test_trace_without_a_config),
		WITH_RIG(test_every_column_goes_into_the_trace),
		WITH_RIG(test_requests_as_a_trace),
		WITH_RIG(test_requests_as_csv),
		WITH_RIG(test_requests_by_default),
		WITH_RIG(test_options_of_requests),
		WITH_RIG(test_csv_as_csv),
		WITH_RIG(test_nothing_is_replaced_without_force),
		WITH_RIG(test_bad_files_change_nothing),
		WITH_RIG(test_trace_is_not_imported),
		WITH_RIG(test_places_that_cannot_be_written),
		WITH_RIG(test_wrong_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
