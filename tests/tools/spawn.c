/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starts many short-lived processes, a bounded number of them at a time, and waits for each.
 * Prints nothing; exits 0 when every one of them ran and ended well.
 */
#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	KEY_COUNT = 'c',
	KEY_PARALLEL = 'p',
	KEY_EXEC = 'e',
	KEY_SECONDS = 's',
	COUNT_MAX = 1000000,
	PARALLEL_MAX = 64,
};

struct spawn {
	long count;
	long parallel;
	long seconds;
	bool is_executing;
};

static const struct argp_option options[] = {
	{"count", KEY_COUNT, "N", 0, "how many [1000]", 0},
	{"parallel", KEY_PARALLEL, "N", 0, "how many at a time, up to 64 [8]", 0},
	{"exec", KEY_EXEC, NULL, 0, "let each execute /bin/true", 0},
	{"seconds", KEY_SECONDS, "N", 0, "fail after this long [60]", 0},
	{0},
};

static long parse_number(struct argp_state *state, const char *text, long max)
{
	char *end = NULL;
	long value = strtol(text, &end, 10);

	if (end == text || *end != '\0' || value < 1 || value > max)
		argp_error(state, "not a number from 1 to %ld: %s", max, text);
	return value;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct spawn *spawn = state->input;

	switch (key) {
	case KEY_COUNT:
		spawn->count = parse_number(state, arg, COUNT_MAX);
		break;
	case KEY_PARALLEL:
		spawn->parallel = parse_number(state, arg, PARALLEL_MAX);
		break;
	case KEY_EXEC:
		spawn->is_executing = true;
		break;
	case KEY_SECONDS:
		spawn->seconds = parse_number(state, arg, 3600);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static int start_one(const struct spawn *spawn)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid > 0)
		return 0;
	if (spawn->is_executing)
		execl("/bin/true", "true", (char *)NULL);
	_exit(spawn->is_executing ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int wait_one(void)
{
	int status;

	while (wait(&status) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse_option, NULL, "Starts many short-lived processes.",
		NULL,    NULL,         NULL};
	struct spawn spawn = {.count = 1000, .parallel = 8, .seconds = 60};
	long running = 0;
	int r = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &spawn);
	alarm((unsigned int)spawn.seconds);
	for (long i = 0; i < spawn.count && r == 0; i++) {
		if (running == spawn.parallel) {
			r = wait_one();
			running--;
		}
		if (r == 0)
			r = start_one(&spawn);
		if (r == 0)
			running++;
	}
	while (running-- > 0) {
		if (wait_one() < 0)
			r = -ECHILD;
	}
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
