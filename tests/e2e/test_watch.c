// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who follows a real agent's decisions: one that reads, one that does not, one that is killed, one
 * too many, and all of them when the agent ends.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent_process.h"
#include "base/units.h"
#include "collector.h"
#include "io/reply_stream.h"

enum {
	OUTPUT_LEN = 512 * 1024,
	PATH_LEN = 512,
};

static const char CONFIG[] = "[policy]\nwarmup = 0\n[tier small]\nmemory = 20M\n";

static struct agent_process agent;
static pid_t watchers[REPLY_STREAMS_MAX + 1];
static char output[OUTPUT_LEN];

static int setup(void **state)
{
	struct agent_line line;

	(void)state;
	memset(&agent, 0, sizeof(agent));
	memset(watchers, 0, sizeof(watchers));
	agent.manager_fd = -1;
	agent_start(&agent, CONFIG, NULL);
	agent_need_match(&agent, "state ", "", 20 * NS_PER_S, &line);
	return 0;
}

static void stop_watcher(int i, int signal_number)
{
	if (watchers[i] <= 0)
		return;
	kill(watchers[i], signal_number);
	kill(watchers[i], SIGCONT);
	waitpid(watchers[i], NULL, 0);
	watchers[i] = 0;
}

static int teardown(void **state)
{
	char path[PATH_LEN];

	(void)state;
	for (int i = 0; i <= REPLY_STREAMS_MAX; i++) {
		stop_watcher(i, SIGKILL);
		snprintf(path, sizeof(path), "%s/watch%d", agent.dir, i);
		unlink(path);
	}
	agent_discard(&agent);
	return 0;
}

/* `tierctl watch` with its output in a file. */
static void start_watcher(int i, const char *format)
{
	char program[PATH_LEN], path[PATH_LEN];

	snprintf(path, sizeof(path), "%s/watch%d", agent.dir, i);
	build_path("tierctl", program, sizeof(program));
	watchers[i] = fork();
	assert_true(watchers[i] >= 0);
	if (watchers[i] > 0)
		return;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execl(program, "tierctl", "--run-dir", agent.run_dir, "watch", format, (char *)NULL);
	_exit(127);
}

static const char *read_watched(int i)
{
	char path[PATH_LEN];
	size_t len = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/watch%d", agent.dir, i);
	file = fopen(path, "re");
	if (file) {
		len = fread(output, 1, sizeof(output) - 1, file);
		fclose(file);
	}
	output[len] = '\0';
	return output;
}

/* Makes decisions until the watcher has got one that contains needle. */
static void need_watched(int i, const char *needle)
{
	for (int n = 0; n < 200 && !strstr(read_watched(i), needle); n++) {
		agent_control(&agent, "pause\nresume\n");
		test_sleep_ns(50 * NS_PER_MS);
	}
	if (!strstr(read_watched(i), needle))
		fail_msg("no %s in: %s", needle, output);
}

static int wait_watcher(int i)
{
	int status = 0;

	waitpid(watchers[i], &status, 0);
	watchers[i] = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static unsigned int count_replies(void)
{
	char command[PATH_LEN + 16], *end;
	unsigned long count;

	snprintf(command, sizeof(command), "ls %s/replies | wc -l", agent.run_dir);
	FILE *pipe = popen(command, "re");

	assert_non_null(pipe);
	assert_non_null(fgets(output, sizeof(output), pipe));
	pclose(pipe);
	count = strtoul(output, &end, 10);
	return (unsigned int)count;
}

static void decisions_are_followed(void **state)
{
	(void)state;
	start_watcher(0, NULL);
	start_watcher(1, "--json");
	need_watched(0, "state small: paused");
	need_watched(1, "\"reason\":\"resumed\"");
	assert_null(strstr(read_watched(0), "{"));
	/* As in the file of decisions. */
	char first[4096];
	const char *line = strstr(read_watched(1), "{\"time_ns\"");

	assert_non_null(line);
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(line, "\n"), line);
	const char *const needles[] = {first, NULL};

	assert_int_equal(agent_count_decisions(&agent, needles), 1);
	/* Ctrl-C leaves no FIFO behind; the other goes on until the agent ends. */
	assert_int_equal(count_replies(), 2);
	kill(watchers[0], SIGINT);
	assert_int_equal(wait_watcher(0), -SIGINT);
	assert_int_equal(count_replies(), 1);
	agent_stop(&agent, SIGTERM);
	assert_int_equal(wait_watcher(1), 0);
}

static void fifth_is_refused_and_a_killed_one_makes_room(void **state)
{
	(void)state;
	for (int i = 0; i < REPLY_STREAMS_MAX; i++)
		start_watcher(i, i % 2 ? "--json" : NULL);
	for (int i = 0; i < REPLY_STREAMS_MAX; i++)
		need_watched(i, "paused");
	start_watcher(REPLY_STREAMS_MAX, NULL);
	assert_int_equal(wait_watcher(REPLY_STREAMS_MAX), 1);
	assert_non_null(
		strstr(read_watched(REPLY_STREAMS_MAX), "as many watchers as there may be"));
	stop_watcher(0, SIGKILL);
	/* Also without a decision that would have been written to it. */
	test_sleep_ns(300 * NS_PER_MS);
	start_watcher(0, NULL);
	need_watched(0, "paused");
	for (int i = 0; i < REPLY_STREAMS_MAX; i++)
		stop_watcher(i, SIGTERM);
	agent_stop(&agent, SIGTERM);
}

/* What a watcher of JSON was told of lines that it has lost. */
static unsigned long count_lost(int i)
{
	static const char LOST[] = "{\"lost\":";
	unsigned long sum = 0;

	for (const char *at = read_watched(i); (at = strstr(at, LOST)); at++)
		sum += strtoul(at + sizeof(LOST) - 1, NULL, 10);
	return sum;
}

/* How often a watcher has been told of a pause. */
static unsigned int count_pauses(int i)
{
	unsigned int count = 0;

	for (const char *at = read_watched(i); (at = strstr(at, ": paused")); at++)
		count++;
	return count;
}

/* A stopped watcher costs its own lines, and nobody else's; then it is told how many. */
static void slow_one_loses_lines_and_is_told(void **state)
{
	(void)state;
	start_watcher(0, "--json");
	start_watcher(1, NULL);
	need_watched(0, "paused");
	need_watched(1, "paused");
	kill(watchers[0], SIGSTOP);
	/* A pipe holds 64 KiB: some 40 lines. The other watcher gets the time that it needs. */
	for (int i = 0; i < 100; i++) {
		unsigned int before = count_pauses(1);

		agent_control(&agent, "pause\nresume\n");
		for (int n = 0; n < 100 && count_pauses(1) == before; n++)
			test_sleep_ns(20 * NS_PER_MS);
	}
	assert_int_equal(agent_tierctl(&agent, "status", output, sizeof(output)), 0);
	assert_int_equal(agent_tierctl(&agent, "pause", output, sizeof(output)), 0);
	kill(watchers[0], SIGCONT);
	/* Told without another decision. */
	for (int i = 0; i < 200 && count_lost(0) <= 10; i++)
		test_sleep_ns(50 * NS_PER_MS);
	assert_true(count_lost(0) > 10);
	/* Every line is whole. */
	for (const char *line = output; *line; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, "\n");

		if (line[len] == '\n')
			assert_true(line[0] == '{' && line[len - 1] == '}');
	}
	assert_null(strstr(read_watched(1), "\nlost ")); /* a decision may speak of lost data */
	agent_stop(&agent, SIGTERM);
	assert_int_equal(wait_watcher(0), 0);
	assert_int_equal(wait_watcher(1), 0);
}

static void agent_that_dies_is_told(void **state)
{
	(void)state;
	start_watcher(0, NULL);
	need_watched(0, "paused");
	kill(agent.pid, SIGKILL);
	assert_int_equal(wait_watcher(0), 3);
	assert_non_null(strstr(read_watched(0), "the agent went away"));
}

/* `watch | head -1` ends with its first line: no other decision comes that would tell it. */
static void it_ends_when_nobody_reads_it(void **state)
{
	(void)state;
	char command[2 * PATH_LEN], program[PATH_LEN];
	int status = 0;

	snprintf(command, sizeof(command),
		 "set -o pipefail; %s --run-dir %s watch | head -1 >%s/watch0",
		 build_path("tierctl", program, sizeof(program)), agent.run_dir, agent.dir);
	watchers[0] = fork();
	assert_true(watchers[0] >= 0);
	if (watchers[0] == 0) {
		setpgid(0, 0);
		execl("/bin/bash", "bash", "-c", command, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 200 && count_replies() == 0; i++)
		test_sleep_ns(50 * NS_PER_MS);
	test_sleep_ns(500 * NS_PER_MS);
	agent_control(&agent, "pause\n");
	for (int i = 0; i < 200 && waitpid(watchers[0], &status, WNOHANG) == 0; i++)
		test_sleep_ns(50 * NS_PER_MS);
	if (kill(-watchers[0], SIGKILL) == 0)
		fail_msg("it goes on");
	watchers[0] = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_non_null(strstr(read_watched(0), "paused"));
	assert_int_equal(count_replies(), 0);
	agent_stop(&agent, SIGTERM);
}

/* Two decisions come together after its reader has gone: those cannot be written. */
static void it_ends_well_with_lines_that_nobody_reads(void **state)
{
	(void)state;
	char program[PATH_LEN], text[PATH_LEN];
	struct pollfd reader = {.events = POLLIN};
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	build_path("tierctl", program, sizeof(program));
	watchers[0] = fork();
	assert_true(watchers[0] >= 0);
	if (watchers[0] == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execl(program, "tierctl", "--run-dir", agent.run_dir, "watch", (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	reader.fd = fds[0];
	for (int n = 0; n < 200 && reader.revents == 0; n++) {
		agent_control(&agent, "pause\nresume\n");
		poll(&reader, 1, 50);
	}
	assert_true(reader.revents && read(fds[0], text, sizeof(text)) > 0);
	kill(watchers[0], SIGSTOP);
	assert_int_equal(waitpid(watchers[0], NULL, WUNTRACED), watchers[0]);
	close(fds[0]);
	agent_control(&agent, "pause\nresume\n");
	assert_int_equal(agent_tierctl(&agent, "status", output, sizeof(output)), 0);
	test_sleep_ns(200 * NS_PER_MS);
	kill(watchers[0], SIGCONT);
	assert_int_equal(wait_watcher(0), 0);
	agent_stop(&agent, SIGTERM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(decisions_are_followed),
		TEST(fifth_is_refused_and_a_killed_one_makes_room),
		TEST(slow_one_loses_lines_and_is_told),
		TEST(agent_that_dies_is_told),
		TEST(it_ends_when_nobody_reads_it),
		TEST(it_ends_well_with_lines_that_nobody_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
