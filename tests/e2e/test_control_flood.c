// SPDX-License-Identifier: BSD-2-Clause
/*
 * Somebody floods control.fifo of a real agent: what that costs the agent is bounded, and whoever
 * is honest is heard all the same.
 */
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent_process.h"
#include "base/units.h"
#include "client/client.h"
#include "client/send.h"
#include "collector.h"

enum {
	ASKS = 10,
	ASK_MAX_MS = 15000,   /* of one question, on a busy host; usually under 100 */
	CPU_MAX_PERCENT = 20, /* of one CPU; usually 3 to 6 */
	FLOOD_LEN = 4096,
};

static const char CONFIG[] = "[agent]\nsource = poll\n[policy]\nwarmup = 0\n"
			     "[tier small]\nmemory = 20M\n";

static struct agent_process agent;
static pid_t flooder;

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	agent_start(&agent, CONFIG, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (flooder > 0) {
		kill(flooder, SIGKILL);
		waitpid(flooder, NULL, 0);
		flooder = 0;
	}
	agent_discard(&agent);
	return 0;
}

/* Writes the same line again and again, as much as goes into the pipe, until it is killed. */
static void start_flood(const char *line, size_t len)
{
	char text[FLOOD_LEN], path[256];
	size_t filled = 0;

	while (filled + len <= sizeof(text)) {
		memcpy(text + filled, line, len);
		filled += len;
	}
	snprintf(path, sizeof(path), "%s/control.fifo", agent.run_dir);
	flooder = fork();
	assert_true(flooder >= 0);
	if (flooder > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	while (write(fd, text, filled) > 0)
		;
	_exit(1);
}

/* CPU time used so far by the agent. */
static uint64_t agent_cpu_ms(void)
{
	char path[64], text[1024] = "";
	uint64_t ticks = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", agent.pid);
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	char *rest = strrchr(text, ')');
	char *word = rest ? strtok_r(rest, " ", &rest) : NULL;

	/* utime and stime are the 12th and 13th word behind the name. */
	for (int i = 0; word && i < 14; i++, word = strtok_r(NULL, " ", &rest)) {
		uint64_t number;

		if (i >= 12 && units_parse_u64(word, &number) == 0)
			ticks += number;
	}
	return ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* The slowest of some questions, each of which is answered. */
static uint64_t ask_all(void)
{
	const struct control_line status = {.verb = CONTROL_STATUS};
	uint64_t slowest_ns = 0;

	for (int i = 0; i < ASKS; i++) {
		uint64_t begin_ns = client_now_ns();
		struct tierd_reply reply;
		int r = tierd_request(agent.run_dir, &status, ASK_MAX_MS, &reply);

		if (r < 0)
			fail_msg("question %d: %s", i, tierd_explain(r));
		assert_true(reply.is_ok);
		tierd_reply_free(&reply);
		slowest_ns = units_max(slowest_ns, client_now_ns() - begin_ns);
		test_sleep_ns(50 * NS_PER_MS);
	}
	return slowest_ns;
}

/* A hello is what it does not answer: its tier shows in the status. */
static void need_hello_heard(const char *tier)
{
	struct control_line hello = {.verb = CONTROL_HELLO};
	const char *actual = "";
	json_t *status = NULL;

	memcpy(hello.command.tier, tier, strlen(tier) + 1);
	assert_int_equal(tierd_send(agent.run_dir, &hello, ASK_MAX_MS), 0);
	for (int i = 0; i < 20; i++) {
		json_decref(status);
		status = agent_read_status(&agent);
		assert_int_equal(json_unpack(status, "{s:s}", "actual", &actual), 0);
		if (strcmp(actual, tier) == 0)
			break;
		test_sleep_ns(100 * NS_PER_MS);
	}
	assert_string_equal(actual, tier);
	json_decref(status);
}

static void check_flood(const char *name, const char *line, size_t len, bool is_dropped)
{
	start_flood(line, len);
	test_sleep_ns(500 * NS_PER_MS);
	uint64_t begin_ms = agent_cpu_ms();
	uint64_t begin_ns = client_now_ns();
	uint64_t slowest_ns = ask_all();

	need_hello_heard("off");
	need_hello_heard("small");
	uint64_t passed_ms = (client_now_ns() - begin_ns) / NS_PER_MS;
	uint64_t used_ms = agent_cpu_ms() - begin_ms;

	print_message("    %s: %llu ms of CPU in %llu ms; slowest answer %llu ms; %lld dropped\n",
		      name, (unsigned long long)used_ms, (unsigned long long)passed_ms,
		      (unsigned long long)(slowest_ns / NS_PER_MS),
		      (long long)agent_status_number(&agent, "agent", "rate_limited_lines"));
	assert_true(used_ms * 100 <= passed_ms * CPU_MAX_PERCENT);
	assert_int_equal(waitpid(flooder, NULL, WNOHANG), 0); /* it is still at it */
	assert_int_equal(agent_status_number(&agent, "agent", "rate_limited_lines") > 0,
			 is_dropped);
	agent_stop(&agent, SIGTERM);
}

#define FLOOD(test, line, is_dropped)                                       \
	static void test(void **state)                                      \
	{                                                                   \
		(void)state;                                                \
		check_flood(#test, (line), sizeof(line) - 1, (is_dropped)); \
	}

/* Empty lines are nothing, and a line without an end is one line. */
FLOOD(flood_of_newlines, "\n", false)
FLOOD(flood_of_bytes, "\xff\x80\0", false)
FLOOD(flood_of_garbage, "x\n", true)
FLOOD(flood_of_long_garbage, "garbage that means nothing to anybody in the world\n", true)
FLOOD(flood_of_tasks, "task-end id=1 ms=1 ok=0 tier=small\n", true)
FLOOD(flood_of_commands, "pause reply=nobody\nresume\n", true)
FLOOD(flood_of_reloads, "reload\n", true)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(flood_of_newlines, setup, teardown),
		cmocka_unit_test_setup_teardown(flood_of_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(flood_of_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(flood_of_long_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(flood_of_tasks, setup, teardown),
		cmocka_unit_test_setup_teardown(flood_of_commands, setup, teardown),
		cmocka_unit_test_setup_teardown(flood_of_reloads, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
