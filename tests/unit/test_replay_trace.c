/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tierctl replay of traces: what was decided live, byte for byte; what would have been decided by
 * another configuration; and traces that are damaged or say little.
 */
#include "tierctl_rig.h"

#include "recording.h"

#define LADDER                          \
	"[tier small]\nmemory = 8G\n"   \
	"[tier medium]\nmemory = 16G\n" \
	"[tier large]\nmemory = 24G\n"
#define CONFIG "[policy]\npolicy = threshold\nstabilization = 60s\n" LADDER
/* The same, said otherwise. */
#define SAME_CONFIG "[policy]\nstabilization = 1m\npolicy = threshold\n" LADDER
#define OTHER_CONFIG "[policy]\npolicy = threshold\nstabilization = 20s\n" LADDER
#define START_NS (123 * NS_PER_S)

static struct rig rig;
static struct recording *recording;

static int setup(void **state)
{
	(void)state;
	rig_open(&rig);
	recording = malloc(sizeof(*recording));
	return recording ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(recording);
	rig_close(&rig);
	return 0;
}

static const char *in_tree(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", rig.tree.root, name);
	return path;
}

static void start(uint32_t flags)
{
	recording_start(recording, in_tree("t.trace"), START_NS, flags);
}

/* A manager that says hello and acknowledges every switch after a while. */
static void answer(void)
{
	recording_command(recording, COMMAND_ACK, "", ACK_LOADING);
	recording_pass(recording, recording->now_ns + 3 * NS_PER_S);
	recording_command(recording, COMMAND_ACK, "", ACK_DONE);
}

/* Down because of others, and up again. */
static void record_story(uint32_t flags, const char *config)
{
	struct event source = {.kind = EVENT_SOURCE, .source.source = SOURCE_POLL};

	start(flags);
	recording_configure(recording, config);
	recording_feed(recording, &source, NULL);
	recording_command(recording, COMMAND_HELLO, "large", 0);
	recording_run(recording, 20, 20, 23);
	recording_run(recording, 3, 45, 23);
	answer();
	recording_run(recording, 10, 45, 7.5);
	recording_run(recording, 120, 20, 7.5);
	recording_stop(recording);
}

static int replay(const char *a, const char *b)
{
	char path[PATH_MAX];
	const char *const arguments[] = {"replay", path, a, b, NULL};

	snprintf(path, sizeof(path), "%s", in_tree("t.trace"));
	return rig_run(&rig, arguments);
}

static const char *config_option(const char *text)
{
	static char option[PATH_MAX];

	file_tree_write(&rig.tree, "t.conf", text);
	snprintf(option, sizeof(option), "--config=%s/t.conf", rig.tree.root);
	return option;
}

static void assert_replayed(const char *a, const char *b)
{
	if (replay(a, b) != TIERCTL_OK)
		fail_msg("%s", rig.err);
	assert_string_equal(rig.err, "");
	assert_string_equal(rig.out, recording->decisions);
}

static unsigned int count(const char *words)
{
	unsigned int found = 0;

	for (const char *at = rig.out; (at = strstr(at, words)); at++)
		found++;
	return found;
}

/* ---- as it was ---------------------------------------------------------------------------------
 */

static void test_replay_is_what_was_decided(void **state)
{
	(void)state;
	record_story(0, CONFIG);
	assert_non_null(strstr(recording->decisions, "\"action\":\"switch\""));
	assert_non_null(strstr(recording->decisions, "\"reason\":\"acknowledged\""));
	assert_replayed(NULL, NULL);
}

static void test_same_config_changes_nothing(void **state)
{
	(void)state;
	record_story(0, CONFIG);
	assert_replayed(config_option(CONFIG), NULL);
	assert_replayed(config_option(SAME_CONFIG), NULL);
	/* Nor does what is none of the engine's business. */
	assert_replayed(config_option("[agent]\nwindow = 50ms\n" CONFIG), NULL);
	assert_replayed("--policy=threshold", NULL);
	assert_replayed(config_option(SAME_CONFIG), "--policy=threshold");
}

/* Names of tiers are those of the configuration at that time. */
static void test_reload(void **state)
{
	(void)state;
	start(0);
	recording_configure(recording, CONFIG);
	recording_run(recording, 15, 20, 23);
	recording_configure(recording, "[policy]\npolicy = threshold\n[tier tiny]\nmemory = 1G\n"
				       "[tier large]\nmemory = 20G\n");
	recording_run(recording, 5, 20, 23);
	recording_run(recording, 3, 50, 23);
	recording_stop(recording);
	assert_non_null(strstr(recording->decisions, "\"to\":\"tiny\""));
	assert_replayed(NULL, NULL);
}

static void test_from_and_to_count_from_the_start(void **state)
{
	size_t len;

	(void)state;
	record_story(0, CONFIG);
	assert_int_equal(replay("--to=20", NULL), TIERCTL_OK);
	len = strlen(rig.out);
	assert_true(len > 0);
	assert_memory_equal(rig.out, recording->decisions, len);
	assert_int_equal(replay("--from=20", NULL), TIERCTL_OK);
	assert_string_equal(rig.out, recording->decisions + len);
}

/* ---- as it would have been ---------------------------------------------------------------------
 */

/* What the manager answered then answers nothing now. */
static void test_another_config(void **state)
{
	(void)state;
	record_story(0, CONFIG);
	assert_int_equal(replay(config_option(OTHER_CONFIG), NULL), TIERCTL_OK);
	assert_string_equal(rig.err, "");
	assert_true(count("\"action\":\"switch\"") >= 2);
	assert_int_equal(count("acknowledged"), 0);
	assert_int_equal(count("manager-silent"), 0);
	assert_int_equal(count("\"reason\":\"assumed\""), count("\"action\":\"switch\""));
	assert_true(count("\"stabilization_ns\":20000000000") > 0);
	assert_int_equal(count("config-changed"), 0);
}

static void test_another_policy(void **state)
{
	(void)state;
	record_story(0, CONFIG);
	assert_int_equal(replay("--policy=adaptive", NULL), TIERCTL_OK);
	assert_true(count("\"policy\":\"adaptive\"") > 2);
	assert_int_equal(count("\"policy\":\"threshold\""), 0);
	assert_int_equal(count("acknowledged"), 0);
	/* It wins over a config, too. */
	assert_int_equal(replay(config_option(CONFIG), "--policy=adaptive"), TIERCTL_OK);
	assert_true(count("\"policy\":\"adaptive\"") > 2);
	assert_int_equal(count("\"policy\":\"threshold\""), 0);
}

/* One takes the place of all, also where the trace was recorded under it in part. */
static void test_another_config_replaces_reloads(void **state)
{
	(void)state;
	start(0);
	recording_configure(recording, CONFIG);
	recording_run(recording, 15, 20, 23);
	recording_configure(recording, OTHER_CONFIG);
	recording_run(recording, 60, 20, 23);
	recording_stop(recording);
	assert_int_equal(replay(NULL, NULL), TIERCTL_OK);
	assert_int_equal(count("config-changed"), 1);
	assert_int_equal(replay(config_option(CONFIG), NULL), TIERCTL_OK);
	assert_int_equal(count("config-changed"), 0);
	assert_int_equal(count("\"stabilization_ns\":20000000000"), 0);
	/* Of the rest, each reload is still one. */
	assert_int_equal(replay("--policy=adaptive", NULL), TIERCTL_OK);
	assert_int_equal(count("config-changed"), 1);
}

/* Others are what they were, with the tier of then or without one. */
static void test_others_are_measured_not_guessed(void **state)
{
	(void)state;
	start(0);
	recording_configure(recording, CONFIG);
	recording_command(recording, COMMAND_HELLO, "large", 0);
	recording_run(recording, 20, 20, 23);
	recording_run(recording, 3, 62, 23);
	answer();
	recording_run(recording, 15, 55, 0);
	recording_stop(recording);
	assert_int_equal(
		replay(config_option("[policy]\npolicy = threshold\nmin_tier = small\n" LADDER),
		       NULL),
		TIERCTL_OK);
	assert_int_equal(count("\"model_unseen\":true"), 0);
	/* 55 GiB and the 8 of small, not 55 of both. */
	assert_non_null(strstr(rig.out, "\"others_bytes\":59055800320,\"use_permyriad\":9843"));
}

/* What the driver did not tell is told where it matters, once. */
static void test_untold_vram_is_told(void **state)
{
	static const char warning[] = "the driver did not tell what the model held";
	struct event event = {
		.kind = EVENT_SAMPLE,
		.sample = {.model_processes = 1, .flags = SAMPLE_VRAM_UNTOLD, .cpu_count = 4},
	};

	(void)state;
	start(0);
	recording_configure(recording, CONFIG);
	for (int i = 0; i < 3; i++) {
		recording_feed(recording, &event, NULL);
		recording_pass(recording, recording->now_ns + NS_PER_S);
	}
	recording_stop(recording);
	assert_replayed(NULL, NULL);
	assert_int_equal(replay(config_option(OTHER_CONFIG), NULL), TIERCTL_OK);
	const char *found = strstr(rig.err, warning);

	assert_non_null(found);
	assert_null(strstr(found + 1, warning));
}

/* A drain that was not there then ends by itself between two recorded events. */
static void test_wake_ups_are_added(void **state)
{
	(void)state;
	start(0);
	recording_configure(recording, "[switch]\nheartbeat = 1h\n[policy]\npolicy = threshold\n"
				       "upgrade_below = 89%\nmargin = 0%\n" LADDER);
	recording_run(recording, 15, 20, 23);
	recording_run(recording, 2, 30, 23);
	recording->now_ns += 10 * NS_PER_S;
	recording_run(recording, 1, 30, 23);
	recording_stop(recording);
	assert_null(strstr(recording->decisions, "\"action\":\"switch\""));
	assert_int_equal(replay(config_option("[switch]\nheartbeat = 1h\n[policy]\n"
					      "policy = threshold\n" LADDER),
				NULL),
			 TIERCTL_OK);
	assert_non_null(strstr(rig.out, "{\"time_ns\":139000000000,\"action\":\"switch\""));
	assert_non_null(strstr(rig.out, "{\"time_ns\":144000000000,\"action\":\"done\""));
}

/* ---- traces that say little --------------------------------------------------------------------
 */

static void test_late_start_is_told(void **state)
{
	(void)state;
	record_story(TRACE_STARTED_LATE, CONFIG);
	assert_int_equal(replay(NULL, NULL), TIERCTL_OK);
	assert_string_equal(rig.out, recording->decisions);
	assert_non_null(strstr(rig.err, "tierctl: warning: t.trace: recording began while the "
					"agent was running: the engine starts cold; from here on, "
					"decisions may differ from those made live\n"));
}

static void test_without_a_config(void **state)
{
	(void)state;
	start(0);
	recording_run(recording, 20, 20, 23);
	recording_run(recording, 20, 62, 23);
	recording_stop(recording);
	assert_int_equal(replay(NULL, NULL), TIERCTL_OK);
	assert_string_equal(rig.out, "");
	assert_non_null(strstr(rig.err, "there is no configuration in the trace"));
	assert_int_equal(replay(config_option(CONFIG), NULL), TIERCTL_OK);
	assert_string_equal(rig.err, "");
	assert_ptr_equal(strstr(rig.out, "{\"time_ns\":123000000000,\"action\":\"start\""),
			 rig.out);
	assert_true(count("\"action\":\"switch\"") > 0);
}

/* A config that this version does not take. */
static void test_bad_config_in_the_trace(void **state)
{
	static const char BAD[] = "[policy]\nstabilizzation = 1s\n";
	const struct event_text text = {"live.conf", 9, BAD, sizeof(BAD) - 1};
	struct event event = {.kind = EVENT_CONFIG};

	(void)state;
	start(0);
	trace_writer_add(recording->writer, &event, &text);
	recording_run(recording, 20, 20, 23);
	recording_stop(recording);
	assert_int_equal(replay(NULL, NULL), TIERCTL_BAD_INPUT);
	assert_non_null(strstr(rig.err, "tierctl: the configuration in the trace: live.conf:2: "
					"policy.stabilizzation: no such key"));
	assert_int_equal(replay(config_option(CONFIG), NULL), TIERCTL_OK);
	assert_true(count("\"action\":\"start\"") > 0);
}

static void test_memory_is_for_csv(void **state)
{
	(void)state;
	record_story(0, CONFIG);
	assert_int_equal(replay("--memory=1G", NULL), TIERCTL_OK);
	assert_string_equal(rig.out, recording->decisions);
	assert_non_null(strstr(rig.err, "a trace is in bytes: --memory changes nothing"));
}

/* ---- damage ------------------------------------------------------------------------------------
 */

static size_t read_trace(char **ret_bytes)
{
	int fd = open(in_tree("t.trace"), O_RDONLY | O_CLOEXEC);
	struct stat info;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &info), 0);
	*ret_bytes = malloc((size_t)info.st_size);
	assert_non_null(*ret_bytes);
	assert_int_equal(read(fd, *ret_bytes, (size_t)info.st_size), info.st_size);
	close(fd);
	return (size_t)info.st_size;
}

/* What is left is used, nothing is made up, and it is said. */
static void test_truncated(void **state)
{
	char *bytes;
	size_t len;

	(void)state;
	record_story(0, CONFIG);
	len = read_trace(&bytes);
	for (size_t left = 0; left < len; left += left < 400 || left + 100 > len ? 13 : 401) {
		file_tree_write_bytes(&rig.tree, "t.trace", bytes, left);
		int status = replay(NULL, NULL);

		assert_true(status == TIERCTL_OK || status == TIERCTL_BAD_INPUT);
		assert_true(strlen(rig.err) > 0);
		assert_memory_equal(rig.out, recording->decisions, strlen(rig.out));
		if (status == TIERCTL_BAD_INPUT)
			assert_string_equal(rig.out, "");
	}
	free(bytes);
}

static void test_bits_flipped(void **state)
{
	char *bytes;
	size_t len;

	(void)state;
	record_story(0, CONFIG);
	len = read_trace(&bytes);
	for (size_t at = 0; at < len; at += at < 100 ? 7 : 307) {
		bytes[at] = (char)(bytes[at] ^ 1 << at % 8);
		file_tree_write_bytes(&rig.tree, "t.trace", bytes, len);
		bytes[at] = (char)(bytes[at] ^ 1 << at % 8);
		int status = replay(NULL, NULL);

		assert_true(status == TIERCTL_OK || status == TIERCTL_BAD_INPUT);
		assert_memory_equal(rig.out, recording->decisions, strlen(rig.out));
		assert_true(strlen(rig.err) > 0);
	}
	free(bytes);
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_RIG(test_replay_is_what_was_decided),
		WITH_RIG(test_same_config_changes_nothing),
		WITH_RIG(test_reload),
		WITH_RIG(test_from_and_to_count_from_the_start),
		WITH_RIG(test_another_config),
		WITH_RIG(test_another_policy),
		WITH_RIG(test_another_config_replaces_reloads),
		WITH_RIG(test_others_are_measured_not_guessed),
		WITH_RIG(test_untold_vram_is_told),
		WITH_RIG(test_wake_ups_are_added),
		WITH_RIG(test_late_start_is_told),
		WITH_RIG(test_without_a_config),
		WITH_RIG(test_bad_config_in_the_trace),
		WITH_RIG(test_memory_is_for_csv),
		WITH_RIG(test_truncated),
		WITH_RIG(test_bits_flipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
