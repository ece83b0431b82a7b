/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl listen: what it prints, that it outlives agents, and that it is alone. */
#include "tierctl_rig.h"

#include <time.h>

#include "app/listen_explain.h"
#include "base/units.h"

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

static void wait_a_little(void)
{
	const struct timespec pause = {.tv_nsec = 10 * NS_PER_MS};

	nanosleep(&pause, NULL);
}

/* Waits until the listener has printed text. */
static void expect(const char *file, const char *text)
{
	char *where = strcmp(file, "out") == 0 ? rig.out : rig.err;

	for (int i = 0; i < RIG_WAIT_MS / 10; i++) {
		rig_read_file(&rig, file, where);
		if (strstr(where, text))
			return;
		wait_a_little();
	}
	fail_msg("no \"%s\" in \"%s\"", text, where);
}

/* The agent's side: lock file and FIFOs; returns the write end once somebody reads. */
static int start_agent(void)
{
	rig_start_agent(&rig);
	file_tree_write(&rig.tree, PROTOCOL_MANAGER_LOCK, "");
	assert_int_equal(mkfifo(file_tree_path(&rig.tree, PROTOCOL_MANAGER_FIFO), 0600), 0);
	for (int i = 0; i < RIG_WAIT_MS / 10; i++) {
		int fd = open(file_tree_path(&rig.tree, PROTOCOL_MANAGER_FIFO),
			      O_WRONLY | O_NONBLOCK | O_CLOEXEC);

		if (fd >= 0)
			return fd;
		wait_a_little();
	}
	fail_msg("nobody listens");
	return -1;
}

static void stop_agent(int fd)
{
	file_tree_unlink(&rig.tree, PROTOCOL_MANAGER_FIFO);
	file_tree_unlink(&rig.tree, PROTOCOL_MANAGER_LOCK);
	file_tree_unlink(&rig.tree, PROTOCOL_CONTROL_FIFO);
	close(rig.control_fd);
	rig.control_fd = -1;
	close(fd);
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int stop_listener(int signal_number)
{
	assert_int_equal(kill(rig.pid, signal_number), 0);
	return rig_wait(&rig);
}

static void test_lines_are_printed_with_their_meaning(void **state)
{
	(void)state;
	rig_start(&rig, ARGUMENTS("listen"));
	int fd = start_agent();
	say(fd, "state seq=1 wanted=large actual=? phase=steady paused=0\n");
	expect("out", "state seq=1 wanted=large actual=? phase=steady paused=0\n"
		      "  => large should be loaded; no manager has said what is (steady)\n");
	stop_agent(fd);
	assert_int_equal(stop_listener(SIGINT), TIERCTL_OK);
}

static void test_listener_outlives_agents(void **state)
{
	(void)state;
	rig_start(&rig, ARGUMENTS("listen"));
	expect("err", "waiting for an agent");
	for (int i = 0; i < 3; i++) {
		char line[64];
		int fd = start_agent();

		snprintf(line, sizeof(line), "cancel seq=%d\n", i);
		say(fd, line);
		say(fd, "half a li"); /* dies with the agent */
		snprintf(line, sizeof(line), "  => switch %d is called off", i);
		expect("out", line);
		stop_agent(fd);
	}
	assert_int_equal(stop_listener(SIGTERM), TIERCTL_OK);
	assert_null(strstr(rig.out, "half"));
}

/* An agent that is killed leaves its FIFO, and the next one takes it over. */
static void test_killed_agent(void **state)
{
	(void)state;
	rig_start(&rig, ARGUMENTS("listen"));
	int fd = start_agent();
	say(fd, "cancel seq=1\n");
	expect("out", "switch 1 is");
	close(fd);
	expect("err", "the agent is gone");
	do {
		wait_a_little();
		fd = open(file_tree_path(&rig.tree, PROTOCOL_MANAGER_FIFO),
			  O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	} while (fd < 0);
	say(fd, "cancel seq=2\n");
	expect("out", "switch 2 is");
	stop_agent(fd);
	assert_int_equal(stop_listener(SIGINT), TIERCTL_OK);
}

static void test_hostile_lines(void **state)
{
	static char line[3 * PROTOCOL_LINE_MAX];

	(void)state;
	rig_start(&rig, ARGUMENTS("listen"));
	int fd = start_agent();
	say(fd, "\x1b[2J\xff\n\nswitch\nswitch from= to=\nnews seq=1\n");
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 2] = '\n';
	say(fd, line);
	say(fd, "cancel seq=9\n");
	expect("out", "switch 9 is called off");
	assert_non_null(strstr(rig.out, "?[2J?\n  => not understood: control"));
	assert_non_null(strstr(rig.out, "switch\n  => not understood: switch: seq: missing\n"));
	assert_non_null(strstr(rig.out, "news seq=1\n  => not understood: unknown verb 'news'\n"));
	assert_non_null(strstr(rig.out, "xxx\n  => not understood: line longer than 4096 bytes\n"));
	stop_agent(fd);
	assert_int_equal(stop_listener(SIGINT), TIERCTL_OK);
}

static void test_one_listener_only(void **state)
{
	(void)state;
	rig_start(&rig, ARGUMENTS("listen"));
	pid_t first = rig.pid;
	int fd = start_agent();
	say(fd, "cancel seq=1\n");
	expect("out", "switch 1 is");
	assert_int_equal(rig_run(&rig, ARGUMENTS("listen")), TIERCTL_NO);
	assert_non_null(strstr(rig.err, "there is a reader already"));
	rig.pid = first;
	stop_agent(fd);
	assert_int_equal(stop_listener(SIGINT), TIERCTL_OK);
}

static void test_explanations(void **state)
{
	static const struct {
		const char *line;
		const char *words;
	} EXAMPLES[] = {
		{"switch seq=3 from=large to=small mode=immediate overlap=0 deadline_ms=0 "
		 "reason=oom-host culprit=h%20o%1Bg:12",
		 "at once: unload large, load small; why: oom-host, because of h o\\x1bg:12"},
		{"switch seq=3 from=large to=off mode=planned overlap=0 deadline_ms=120000 "
		 "reason=use-over-upgrade culprit=-",
		 "let running requests end (within 120 s), then: unload large; why: "
		 "use-over-upgrade"},
		{"switch seq=4 from=off to=small mode=planned overlap=1 deadline_ms=0 reason=- "
		 "culprit=-",
		 "let running requests end (within 0 s), then: load small; why: not said; both may "
		 "be in memory at once"},
		{"cancel seq=4", "switch 4 is called off: keep what is loaded"},
		{"state seq=4 wanted=small actual=? phase=steady paused=0",
		 "small should be loaded; no manager has said what is (steady)"},
		{"state seq=4 wanted=small actual=small phase=steady paused=0",
		 "small is loaded, as it should be (steady)"},
		{"state seq=4 wanted=small actual=large phase=draining paused=1",
		 "small should be loaded, large is (draining, paused)"},
		{"notify seq=4 text=50%25%20full%2E%C3%A9", "50% full.\xc3\xa9"},
	};
	const struct manager_line unknown = {.verb = 99};
	char words[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(EXAMPLES); i++) {
		struct manager_line line;
		char error[128];

		assert_int_equal(protocol_parse_manager_line(EXAMPLES[i].line,
							     strlen(EXAMPLES[i].line), &line, error,
							     sizeof(error)),
				 0);
		assert_true(listen_explain(&line, words, sizeof(words)) > 0);
		assert_string_equal(words, EXAMPLES[i].words);
	}
	assert_true(listen_explain(&unknown, words, sizeof(words)) > 0);
	assert_string_equal(words, "this version does not know what that means");
}

int main(void)
{
#define LISTENING(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		LISTENING(test_lines_are_printed_with_their_meaning),
		LISTENING(test_listener_outlives_agents),
		LISTENING(test_killed_agent),
		LISTENING(test_hostile_lines),
		LISTENING(test_one_listener_only),
		cmocka_unit_test(test_explanations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
