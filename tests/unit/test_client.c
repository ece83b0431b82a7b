/* SPDX-License-Identifier: BSD-2-Clause */
/* The client library as a manager uses it: agents that come, go, are killed and replaced. */
#include "client_rig.h"

static void test_no_agent_is_no_error(void **state)
{
	struct client_rig *rig = *state;

	assert_int_equal(rig_next_within(rig, 700), 0);
	assert_int_equal(tierd_client_hello(rig->client, "small", 1), -ENOENT);
	rig_make_run_dir(rig);
	assert_int_equal(rig_next_within(rig, 700), 0);
	assert_false(tierd_client_is_connected(rig->client));
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	assert_true(tierd_client_is_connected(rig->client));
}

static void test_lines_are_parsed(void **state)
{
	struct client_rig *rig = *state;
	const struct manager_line *line = &rig->event.line;

	rig_make_run_dir(rig);
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	rig_say(rig, "state seq=1 wanted=large actual=? phase=steady paused=0 version=1\n"
		     "switch seq=2 from=large to=small mode=planned overlap=1 deadline_ms=5000 "
		     "reason=calm culprit=x%FF:7\n");
	rig_need(rig, TIERD_CLIENT_LINE);
	assert_int_equal(line->verb, MANAGER_STATE);
	assert_string_equal(line->to, "large");
	assert_false(line->is_actual_known);
	assert_int_equal(line->version, 1);
	rig_need(rig, TIERD_CLIENT_LINE);
	assert_int_equal(line->verb, MANAGER_SWITCH);
	assert_int_equal(line->seq, 2);
	assert_int_equal(line->deadline_ms, 5000);
	assert_true(line->is_overlap_allowed);
	assert_string_equal(line->culprit_comm, "x\xff");
	assert_int_equal(line->culprit_pid, 7);
	assert_int_equal(tierd_client_next(rig->client, &rig->event), 0);
	assert_int_equal(tierd_client_get_counters(rig->client)->lines, 2);
}

static void test_agent_is_restarted(void **state)
{
	struct client_rig *rig = *state;

	rig_make_run_dir(rig);
	for (int i = 0; i < 3; i++) {
		rig_start_agent(rig);
		rig_need(rig, TIERD_CLIENT_CONNECTED);
		rig_say(rig, "cancel seq=1\n");
		/* What it says last is still read. */
		rig_say(rig, "cancel seq=2\n");
		rig_stop_agent(rig);
		rig_need_line(rig, "cancel seq=1");
		rig_need_line(rig, "cancel seq=2");
		rig_need(rig, TIERD_CLIENT_DISCONNECTED);
		assert_false(tierd_client_is_connected(rig->client));
	}
	assert_int_equal(tierd_client_get_counters(rig->client)->connects, 3);
}

/* It leaves its FIFOs: nobody is there until the next one has them open. */
static void test_agent_is_killed(void **state)
{
	struct client_rig *rig = *state;

	rig_make_run_dir(rig);
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	rig_kill_agent(rig);
	rig_need(rig, TIERD_CLIENT_DISCONNECTED);
	assert_int_equal(tierd_client_ack(rig->client, 1, ACK_DONE), -ENXIO);
	assert_int_equal(rig_next_within(rig, 1200), 0);
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	rig_say(rig, "cancel seq=3\n");
	rig_need_line(rig, "cancel seq=3");
}

/* The old FIFO stays open at the other end, so that it has no end: its name tells. */
static void test_fifo_is_replaced(void **state)
{
	struct client_rig *rig = *state;
	int old;

	rig_make_run_dir(rig);
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	old = rig->manager_fd;
	file_tree_unlink(&rig->tree, "run/" PROTOCOL_MANAGER_FIFO);
	close(rig->control_fd);
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_DISCONNECTED);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	rig_say(rig, "cancel seq=3\n");
	rig_need_line(rig, "cancel seq=3");
	close(old);
}

/* systemd removes and makes the run directory with the service. */
static void test_run_dir_is_replaced(void **state)
{
	struct client_rig *rig = *state;
	int old_manager;
	int old_control;

	rig_make_run_dir(rig);
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	old_manager = rig->manager_fd;
	old_control = rig->control_fd;
	assert_int_equal(rename(rig->run_dir, file_tree_path(&rig->tree, "old")), 0);
	rig_need(rig, TIERD_CLIENT_DISCONNECTED);
	rig_make_run_dir(rig);
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	close(old_manager);
	close(old_control);
}

static void test_line_comes_in_pieces(void **state)
{
	static const char LINE[] = "cancel seq=12345\ncancel seq=6\n";
	struct client_rig *rig = *state;

	rig_make_run_dir(rig);
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	for (size_t first = 1; first + 1 < sizeof(LINE); first++) {
		int seen = 0;

		rig_say_bytes(rig, LINE, first);
		while (tierd_client_next(rig->client, &rig->event) == 1)
			seen++;
		rig_say_bytes(rig, LINE + first, sizeof(LINE) - 1 - first);
		while (seen < 2) {
			rig_need(rig, TIERD_CLIENT_LINE);
			assert_int_equal(rig->event.line.seq, seen == 0 ? 12345 : 6);
			seen++;
		}
	}
	assert_int_equal(tierd_client_get_counters(rig->client)->bad_lines, 0);
}

/* What the dead one had begun is not put before what the next one says. */
static void test_line_is_torn_by_the_end_of_the_agent(void **state)
{
	struct client_rig *rig = *state;

	rig_make_run_dir(rig);
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	rig_say(rig, "cancel seq=1\ncancel se");
	rig_need_line(rig, "cancel seq=1");
	rig_stop_agent(rig);
	rig_need(rig, TIERD_CLIENT_DISCONNECTED);
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	rig_say(rig, "cancel seq=2\n");
	rig_need_line(rig, "cancel seq=2");
	assert_int_equal(tierd_client_get_counters(rig->client)->torn, 1);
	assert_int_equal(tierd_client_get_counters(rig->client)->bad_lines, 0);
}

static void test_bad_lines_are_told_and_counted(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *text;
		const char *error;
	} BAD[] = {
		{"\n", 1, "", "empty line"},
		{"fly seq=1\n", 10, "fly seq=1", "unknown verb 'fly'"},
		{"cancel\n", 7, "cancel", "cancel: seq: missing"},
		{"cancel seq=1 seq=1\n", 19, "cancel seq=1 seq=1", "cancel: seq: given twice"},
		{"cancel seq=\0\n", 13, "cancel seq=?", "control character or invalid UTF-8"},
		{"cancel x=\xff\n", 11, "cancel x=?", "control character or invalid UTF-8"},
		{"\x1b[2J\n", 5, "?[2J", "control character or invalid UTF-8"},
		{"cancel seq=1\r\n", 14, "cancel seq=1?", "control character or invalid UTF-8"},
	};
	struct client_rig *rig = *state;

	rig_make_run_dir(rig);
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++) {
		rig_say_bytes(rig, BAD[i].bytes, BAD[i].len);
		rig_need(rig, TIERD_CLIENT_BAD_LINE);
		assert_string_equal(rig->event.text, BAD[i].text);
		assert_string_equal(rig->event.error, BAD[i].error);
		assert_int_equal(tierd_client_get_counters(rig->client)->bad_lines, i + 1);
	}
	rig_say(rig, "cancel seq=2\n");
	rig_need_line(rig, "cancel seq=2");
}

static void test_overlong_lines_are_told_once(void **state)
{
	static const size_t LENGTHS[] = {PROTOCOL_LINE_MAX, PROTOCOL_LINE_MAX + 1, 8192, 40965};
	static const char LONGEST[] = "cancel seq=1 x=";
	static char text[40966];
	struct client_rig *rig = *state;

	rig_make_run_dir(rig);
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	/* The longest that is allowed, with its newline. */
	memset(text, 'x', sizeof(text));
	memcpy(text, LONGEST, sizeof(LONGEST) - 1);
	text[PROTOCOL_LINE_MAX - 1] = '\n';
	rig_say_bytes(rig, text, PROTOCOL_LINE_MAX);
	rig_need(rig, TIERD_CLIENT_LINE);
	for (size_t i = 0; i < ARRAY_SIZE(LENGTHS); i++) {
		memset(text, 'x', sizeof(text));
		text[LENGTHS[i]] = '\n';
		rig_say_bytes(rig, text, LENGTHS[i] + 1);
		rig_say(rig, "cancel seq=2\n");
		rig_need(rig, TIERD_CLIENT_BAD_LINE);
		assert_string_equal(rig->event.error, "line longer than 4096 bytes");
		assert_int_equal(strlen(rig->event.text), PROTOCOL_LINE_MAX - 1);
		rig_need_line(rig, "cancel seq=2");
	}
	assert_int_equal(tierd_client_get_counters(rig->client)->overlong, ARRAY_SIZE(LENGTHS));
	assert_int_equal(tierd_client_get_counters(rig->client)->bad_lines, 0);
}

static void test_many_lines_keep_their_order(void **state)
{
	struct client_rig *rig = *state;
	uint64_t said = 0;
	uint64_t heard = 0;

	rig_make_run_dir(rig);
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	while (heard < 20000) {
		char line[64];

		do
			(void)snprintf(line, sizeof(line), "cancel seq=%llu\n",
				       (unsigned long long)said);
		while (said < 20000 && write(rig->manager_fd, line, strlen(line)) > 0 && ++said);
		while (tierd_client_next(rig->client, &rig->event) == 1)
			assert_true(rig->event.line.seq == heard++);
	}
}

static void test_second_reader_is_refused(void **state)
{
	struct client_rig *rig = *state;
	struct client_rig second = {.tree = rig->tree};

	rig_make_run_dir(rig);
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	assert_int_equal(tierd_client_open(rig->run_dir, &second.client), 0);
	assert_int_equal(rig_next_within(&second, RIG_WAIT_MS), -EBUSY);
	assert_int_equal(rig_next_within(&second, RIG_WAIT_MS), -EBUSY); /* tried again */
	assert_false(tierd_client_is_connected(second.client));
	rig_say(rig, "cancel seq=2\n");
	rig_need_line(rig, "cancel seq=2");
	tierd_client_close(rig->client);
	rig->client = NULL;
	do {
		int r = rig_next_within(&second, RIG_WAIT_MS);

		assert_true(r == 1 || r == -EBUSY);
	} while (!tierd_client_is_connected(second.client));
	tierd_client_close(second.client);
}

static void test_foreign_things_are_left_alone(void **state)
{
	static const char *const NAMES[] = {PROTOCOL_MANAGER_FIFO, PROTOCOL_CONTROL_FIFO,
					    PROTOCOL_MANAGER_LOCK};
	struct client_rig *rig = *state;

	rig_make_run_dir(rig);
	rig_start_agent(rig);
	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		const char *path = rig_path(rig, NAMES[i]);
		const char *aside = rig_path(rig, "aside");

		rig_need(rig, TIERD_CLIENT_CONNECTED);
		tierd_client_close(rig->client);
		assert_int_equal(rename(path, aside), 0);
		assert_int_equal(symlink("aside", path), 0);
		assert_int_equal(tierd_client_open(rig->run_dir, &rig->client), 0);
		assert_int_equal(rig_next_within(rig, RIG_WAIT_MS), -EPROTO);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(mkdir(path, 0700), 0);
		assert_true(rig_next_within(rig, RIG_WAIT_MS) < 0);
		assert_int_equal(rmdir(path), 0);
		assert_int_equal(rename(aside, path), 0);
	}
	rig_need(rig, TIERD_CLIENT_CONNECTED);
}

#define RIG(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG(test_no_agent_is_no_error),
		RIG(test_lines_are_parsed),
		RIG(test_agent_is_restarted),
		RIG(test_agent_is_killed),
		RIG(test_fifo_is_replaced),
		RIG(test_run_dir_is_replaced),
		RIG(test_line_comes_in_pieces),
		RIG(test_line_is_torn_by_the_end_of_the_agent),
		RIG(test_bad_lines_are_told_and_counted),
		RIG(test_overlong_lines_are_told_once),
		RIG(test_many_lines_keep_their_order),
		RIG(test_second_reader_is_refused),
		RIG(test_foreign_things_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
