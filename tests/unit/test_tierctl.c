/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl's commands and its transport, against agents of every kind: good, dead and hostile. */
#include "tierctl_agent_rig.h"

#include <errno.h>
#include <time.h>

#include "base/units.h"
#include "client/client.h"

static const struct control_line STATUS = {.verb = CONTROL_STATUS};
static const struct control_line PAUSE = {.verb = CONTROL_PAUSE};

static int setup(void **state)
{
	(void)state;
	rig_open(&rig);
	return 0;
}

static void test_status(void **state)
{
	(void)state;
	assert_int_equal(rig_ask(&rig, ARGUMENTS("status"), "ok\ntier large\nend of line\nend\n"),
			 TIERCTL_OK);
	assert_string_equal(rig.out, "tier large\nend of line\n");
	assert_string_equal(rig.err, "");
	assert_int_equal(strncmp(rig.line, "status reply=reply-", 19), 0);
	assert_int_equal(rig_ask(&rig, ARGUMENTS("status", "--json"), "ok\n{}\nend\n"), TIERCTL_OK);
	assert_string_equal(rig.out, "{}\n");
	assert_int_equal(strncmp(rig.line, "status format=json reply=", 25), 0);
	assert_int_equal(rig_ask(&rig, ARGUMENTS("status", "--cost"), "ok\n{}\nend\n"), TIERCTL_OK);
	assert_int_equal(strncmp(rig.line, "status cost=1 reply=", 20), 0);
}

static void test_words(void **state)
{
	static const char *const WORDS[] = {"pause", "resume", "reload"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(WORDS); i++) {
		assert_int_equal(rig_ask(&rig, ARGUMENTS(WORDS[i]), "ok\nend\n"), TIERCTL_OK);
		assert_int_equal(strncmp(rig.line, WORDS[i], strlen(WORDS[i])), 0);
		assert_string_equal(rig.out, "");
	}
	assert_int_equal(rig_ask(&rig, ARGUMENTS("reload"), "error x.conf:3: bad\nend\n"),
			 TIERCTL_NO);
	assert_string_equal(rig.err, "tierctl: the agent says: x.conf:3: bad\n");
	assert_string_equal(rig.out, "");
}

static void test_lines_of_a_manager(void **state)
{
	(void)state;
	assert_int_equal(rig_run(&rig, ARGUMENTS("hello", "--tier", "small.q4_K-m", "--pid", "42")),
			 0);
	rig_take_line(&rig);
	assert_string_equal(rig.line, "hello tier=small.q4_K-m pid=42 version=1");
	assert_int_equal(rig_run(&rig, ARGUMENTS("hello")), 0);
	rig_take_line(&rig);
	assert_string_equal(rig.line, "hello version=1");
	assert_int_equal(rig_run(&rig, ARGUMENTS("ack", "18446744073709551615", "done")), 0);
	rig_take_line(&rig);
	assert_string_equal(rig.line, "ack seq=18446744073709551615 state=done");
	assert_int_equal(rig_run(&rig, ARGUMENTS("task-begin", "chat 7", "--tier=small")), 0);
	rig_take_line(&rig);
	assert_string_equal(rig.line, "task-begin id=chat%207 tier=small");
	assert_int_equal(rig_run(&rig, ARGUMENTS("task-begin", "8")), 0);
	rig_take_line(&rig);
	assert_string_equal(rig.line, "task-begin id=8");
	assert_int_equal(rig_run(&rig, ARGUMENTS("task-end", "chat 7", "1830", "ok", "--tokens=210",
						 "--ttft-ms=95", "--tier=large")),
			 0);
	rig_take_line(&rig);
	assert_string_equal(rig.line, "task-end id=chat%207 ms=1830 ok=1 tier=large tokens=210 "
				      "ttft_ms=95");
	assert_int_equal(rig_run(&rig, ARGUMENTS("task-end", "8", "0", "failed")), 0);
	rig_take_line(&rig);
	assert_string_equal(rig.line, "task-end id=8 ms=0 ok=0");
}

/* The exit status is the verdict; what the agent refuses is wrong usage. */
static void test_preflight(void **state)
{
	(void)state;
	assert_int_equal(rig_ask(&rig, ARGUMENTS("preflight", "small", "--pid=42"),
				 "ok\nyes: small fits\nend\n"),
			 TIERCTL_OK);
	assert_non_null(strstr(rig.line, "preflight tier=small pid=42 reply="));
	assert_string_equal(rig.out, "yes: small fits\n");
	assert_int_equal(rig_ask(&rig,
				 ARGUMENTS("preflight", "--memory=8G", "--vram", "1M", "--cpus",
					   "1.5", "--pid=42", "--ask-only", "--json"),
				 "ok\n{\"time_ns\":1,\"fits\":false,\"x\":{\"fits\":true}}\nend\n"),
			 TIERCTL_NO);
	assert_non_null(strstr(rig.line, "preflight memory=8589934592 vram=1048576 millicpus=1500 "
					 "pid=42 ask_only=1 format=json reply="));
	assert_int_equal(rig_ask(&rig, ARGUMENTS("preflight", "large", "--json"),
				 "ok\n{\"time_ns\":1,\"fits\":true,\"x\":{\"fits\":false}}\nend\n"),
			 TIERCTL_OK);
	assert_int_equal(
		rig_ask(&rig, ARGUMENTS("preflight", "large"), "ok\nno: large does not fit\nend\n"),
		TIERCTL_NO);
	assert_int_equal(rig_ask(&rig, ARGUMENTS("preflight", "huge"),
				 "error preflight: there is no tier huge\nend\n"),
			 TIERCTL_USAGE);
}

static void test_wrong_usage(void **state)
{
	static const char *const USAGES[][4] = {
		{"no-such-command"},
		{"--no-such-option"},
		{"--run-dir"},
		{"status", "extra"},
		{"status", "--bogus"},
		{"ack", "1"},
		{"ack", "1", "finished"},
		{"ack", "x", "done"},
		{"ack", "-1", "done"},
		{"hello", "--tier", "a b"},
		{"hello", "--tier="},
		{"hello", "--pid", "0"},
		{"hello", "--pid", "1 tier=x"},
		{"task-begin"},
		{"task-begin", ""},
		{"task-begin", "1234567890123456789012345678901234567890123456789012345678901234"},
		{"task-begin", "1", "--tier", "a b"},
		{"task-end", "1", "5"},
		{"task-end", "1", "5s", "ok"},
		{"task-end", "1", "5", "well"},
		{"check-config", "/nowhere/tierd.conf"},
	};
	static const char *const NOTHING[] = {NULL};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(USAGES); i++) {
		const char *const arguments[] = {USAGES[i][0], USAGES[i][1], USAGES[i][2],
						 USAGES[i][3], NULL};

		assert_int_equal(rig_run(&rig, arguments), TIERCTL_USAGE);
		assert_true(rig.err[0] != '\0');
		assert_string_equal(rig.out, "");
	}
	assert_int_equal(rig_run(&rig, NOTHING), TIERCTL_USAGE);
	assert_int_equal(rig_run(&rig, ARGUMENTS("task-end", "1", "5", "ok", "--tokens=x")),
			 TIERCTL_USAGE);
	assert_int_equal(rig_run(&rig, ARGUMENTS("task-end", "1", "5", "ok", "--ttft-ms=x")),
			 TIERCTL_USAGE);
}

static void test_help_and_version(void **state)
{
	(void)state;
	assert_int_equal(rig_run(&rig, ARGUMENTS("--help")), TIERCTL_OK);
	assert_non_null(strstr(rig.out, "check-config [FILE]"));
	assert_int_equal(rig_run(&rig, ARGUMENTS("--version")), TIERCTL_OK);
	assert_int_equal(strncmp(rig.out, "tierctl ", 8), 0);
	assert_int_equal(rig_run(&rig, ARGUMENTS("status", "--help")), TIERCTL_OK);
	assert_non_null(strstr(rig.out, "Usage: tierctl status"));
	assert_non_null(strstr(rig.out, "--run-dir"));
}

static void test_run_dir_after_the_command(void **state)
{
	struct file_tree other = {0};

	(void)state;
	file_tree_create(&other);
	assert_int_equal(rig_run(&rig, ARGUMENTS("status", "--run-dir", other.root)),
			 TIERCTL_UNAVAILABLE);
	assert_non_null(strstr(rig.err, other.root));
	file_tree_remove(&other);
}

static void test_no_agent(void **state)
{
	(void)state;
	assert_int_equal(rig_run(&rig, ARGUMENTS("status")), TIERCTL_UNAVAILABLE);
	assert_non_null(strstr(rig.err, "no agent is running there"));
	assert_int_equal(rig_run(&rig, ARGUMENTS("hello")), TIERCTL_UNAVAILABLE);
	/* Left by one that was killed. */
	assert_int_equal(mkfifo(file_tree_path(&rig.tree, PROTOCOL_CONTROL_FIFO), 0600), 0);
	assert_int_equal(rig_run(&rig, ARGUMENTS("status")), TIERCTL_UNAVAILABLE);
	assert_non_null(strstr(rig.err, "no agent is running there"));
	assert_int_equal(rig_run(&rig, ARGUMENTS("pause", "--run-dir", "/nowhere")),
			 TIERCTL_UNAVAILABLE);
}

/* What stands in place of the FIFO is not written to. */
static void test_foreign_control_fifo(void **state)
{
	char text[RIG_TEXT_LEN];

	(void)state;
	file_tree_write(&rig.tree, PROTOCOL_CONTROL_FIFO, "precious");
	assert_int_equal(rig_run(&rig, ARGUMENTS("hello")), TIERCTL_UNAVAILABLE);
	rig_read_file(&rig, PROTOCOL_CONTROL_FIFO, text);
	assert_string_equal(text, "precious");
	file_tree_unlink(&rig.tree, PROTOCOL_CONTROL_FIFO);
	file_tree_write(&rig.tree, "target", "precious");
	file_tree_write(&rig.tree, PROTOCOL_CONTROL_FIFO, "-> target");
	assert_int_equal(rig_run(&rig, ARGUMENTS("hello")), TIERCTL_UNAVAILABLE);
	rig_read_file(&rig, "target", text);
	assert_string_equal(text, "precious");
}

/* ---- the transport, with short timeouts, in this process ---- */

/* Plays the agent in a child: takes the line, then writes text in two pieces with a pause. */
static pid_t play_agent(const char *text, size_t len, size_t first)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	const struct timespec pause = {.tv_nsec = 20 * NS_PER_MS};

	rig_take_line(&rig);
	int fd = rig_open_reply(&rig);
	for (size_t at = 0; at < len;) {
		ssize_t count = write(fd, text + at, at < first ? first - at : len - at);

		if (count < 0)
			break;
		at += (size_t)count;
		nanosleep(&pause, NULL);
	}
	_exit(0);
}

static int request(const char *text, size_t len, size_t first, struct tierd_reply *ret_reply)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigaction before;

	sigaction(SIGPIPE, &ignore, &before);
	pid_t pid = play_agent(text, len, first);
	int r = tierd_request(rig.tree.root, &STATUS, 5000, ret_reply);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	sigaction(SIGPIPE, &before, NULL);
	assert_int_equal(rig_count_replies(&rig), 0);
	return r;
}

static void test_reply_in_pieces(void **state)
{
	static const char REPLY[] = "ok\nline one\nend two\nend\n";

	(void)state;
	for (size_t first = 1; first < sizeof(REPLY) - 1; first++) {
		struct tierd_reply reply;

		assert_int_equal(request(REPLY, sizeof(REPLY) - 1, first, &reply), 0);
		assert_true(reply.is_ok);
		assert_string_equal(reply.text, "line one\nend two\n");
		tierd_reply_free(&reply);
	}
}

static void test_long_reply(void **state)
{
	const size_t len = MIB;
	char *text = malloc(len + 1);
	struct tierd_reply reply;

	(void)state;
	assert_non_null(text);
	snprintf(text, len + 1, "ok\n%0*d\nend\n", (int)len - 3 - 5, 0);
	assert_int_equal(request(text, len, 0, &reply), 0);
	assert_int_equal(reply.len, len - 3 - 4);
	tierd_reply_free(&reply);
	free(text);
}

static void test_replies_that_are_none(void **state)
{
	static const char *const REPLIES[] = {
		"",      "ok\n",    "ok\npart of", "ok\npart\nen", "hello\nend\n", "ok no\nend\n",
		"end\n", "\nend\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(REPLIES); i++) {
		struct tierd_reply reply = {.text = NULL};

		assert_int_equal(request(REPLIES[i], strlen(REPLIES[i]), 0, &reply), -EPROTO);
		assert_null(reply.text);
	}
}

static void test_endless_reply(void **state)
{
	const size_t len = TIERD_REPLY_MAX + MIB / 2;
	char *text = malloc(len);
	struct tierd_reply reply = {.text = NULL};

	(void)state;
	assert_non_null(text);
	memset(text, '\n', len);
	assert_int_equal(request(text, len, 0, &reply), -EMSGSIZE);
	assert_null(reply.text);
	free(text);
}

static void test_hostile_reply_is_scrubbed(void **state)
{
	static const char REPLY[] = "ok\n\x1b]0;x\x07 a\0b \xff \xc2\x9b\nend\nend\nmore";
	struct tierd_reply reply;

	(void)state;
	assert_int_equal(request(REPLY, sizeof(REPLY) - 1, 0, &reply), 0);
	assert_string_equal(reply.text, "?]0;x? a?b ? ??\n");
	tierd_reply_free(&reply);
}

static void test_silent_agent(void **state)
{
	struct tierd_reply reply = {.text = NULL};

	(void)state;
	assert_int_equal(tierd_request(rig.tree.root, &STATUS, 50, &reply), -ETIMEDOUT);
	assert_null(reply.text);
	rig_take_line(&rig); /* it was told */
}

static void test_control_fifo_that_is_full(void **state)
{
	static const char FILL[PROTOCOL_LINE_MAX] = "";
	struct tierd_reply reply = {.text = NULL};

	(void)state;
	while (write(rig.control_fd, FILL, sizeof(FILL)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(tierd_send(rig.tree.root, &PAUSE, 50), -EAGAIN);
	assert_int_equal(tierd_request(rig.tree.root, &PAUSE, 50, &reply), -EAGAIN);
}

static void test_what_no_line_can_say_is_not_sent(void **state)
{
	static const struct control_line BAD[] = {
		{.verb = 0},
		{.verb = CONTROL_TASK_BEGIN},
		{.verb = CONTROL_TASK_BEGIN, .command.id = "a\nb"},
		{.verb = CONTROL_ACK, .command.ack_state = 99},
	};
	struct tierd_reply reply = {.text = NULL};
	char byte;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++) {
		assert_int_equal(tierd_send(rig.tree.root, &BAD[i], 50), -EINVAL);
		assert_int_equal(tierd_request(rig.tree.root, &BAD[i], 50, &reply), -EINVAL);
	}
	assert_int_equal(read(rig.control_fd, &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
}

/* A signal ends the program as usual, and the FIFO goes first. */
static void test_signals_leave_nothing(void **state)
{
	static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(SIGNALS); i++) {
		rig_start(&rig, ARGUMENTS("status"));
		rig_take_line(&rig);
		assert_int_equal(rig_count_replies(&rig), 1);
		assert_int_equal(kill(rig.pid, SIGNALS[i]), 0);
		assert_int_equal(rig_wait(&rig), -SIGNALS[i]);
		assert_int_equal(rig_count_replies(&rig), 0);
	}
}

static void test_lost_output_is_an_error(void **state)
{
	(void)state;
	file_tree_write(&rig.tree, "out", "-> /dev/full");
	assert_int_equal(rig_ask(&rig, ARGUMENTS("status"), "ok\nbody\nend\n"), TIERCTL_NO);
}

static void test_config_commands(void **state)
{
	char path[PATH_MAX];

	(void)state;
	snprintf(path, sizeof(path), "%s/t.conf", rig.tree.root);
	assert_int_equal(rig_run(&rig, ARGUMENTS("check-config", "--example")), TIERCTL_OK);
	file_tree_write(&rig.tree, "t.conf", rig.out);
	assert_int_equal(rig_run(&rig, ARGUMENTS("check-config", path)), TIERCTL_OK);
	assert_non_null(strstr(rig.out, "t.conf: ok, tiers: off < small (2.0 GiB) < medium"));
	file_tree_write(&rig.tree, "t.conf", "[agent]\nlog = loud\n");
	assert_int_equal(rig_run(&rig, ARGUMENTS("check-config", path)), TIERCTL_USAGE);
	assert_non_null(strstr(rig.err, "t.conf:2: agent.log: \"loud\" is not known"));
	file_tree_write(&rig.tree, "t.conf",
			"[agent]\ncontrol_group = no-such\n[tier a]\nmemory=1M\n");
	assert_int_equal(rig_run(&rig, ARGUMENTS("check-config", path)), TIERCTL_USAGE);
	assert_non_null(
		strstr(rig.err, "t.conf: agent.control_group: there is no group no-such\n"));
	assert_int_equal(rig_run(&rig, ARGUMENTS("check-config", "--options")), TIERCTL_OK);
	assert_int_equal(rig_run(&rig, ARGUMENTS("detect", "--write", path)), TIERCTL_NO);
	assert_int_equal(rig_run(&rig, ARGUMENTS("detect", "--force", "--write", path, "--preset")),
			 TIERCTL_OK);
	assert_int_equal(rig_run(&rig, ARGUMENTS("check-config", path)), TIERCTL_OK);
}

int main(void)
{
#define WITH_AGENT(test) cmocka_unit_test_setup_teardown(test, setup_agent, teardown)
#define ALONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_AGENT(test_status),
		WITH_AGENT(test_words),
		WITH_AGENT(test_lines_of_a_manager),
		WITH_AGENT(test_preflight),
		WITH_AGENT(test_wrong_usage),
		ALONE(test_help_and_version),
		WITH_AGENT(test_run_dir_after_the_command),
		ALONE(test_no_agent),
		ALONE(test_foreign_control_fifo),
		WITH_AGENT(test_reply_in_pieces),
		WITH_AGENT(test_long_reply),
		WITH_AGENT(test_replies_that_are_none),
		WITH_AGENT(test_endless_reply),
		WITH_AGENT(test_hostile_reply_is_scrubbed),
		WITH_AGENT(test_silent_agent),
		WITH_AGENT(test_control_fifo_that_is_full),
		WITH_AGENT(test_what_no_line_can_say_is_not_sent),
		WITH_AGENT(test_signals_leave_nothing),
		WITH_AGENT(test_lost_output_is_an_error),
		ALONE(test_config_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
