// SPDX-License-Identifier: BSD-2-Clause
/*
 * How long a preflight takes, in the agent and for whoever asks:
 *
 *   bench_preflight TIERD [QUESTIONS]
 *
 * A real agent (TIERD, as root) is asked one question after the other, first on the host as it is,
 * then with twice as many processes that never sleep as there are CPUs. The asker's time is from
 * before the reply FIFO is made to the end of the reply; the agent's own, from the line to the
 * written reply, is what its status says. The exit status is 1 if a goal is missed.
 */
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/units.h"
#include "client/client.h"
#include "io/loop.h"

enum {
	QUESTIONS_DEFAULT = 2000,
	QUESTIONS_MAX = 100000,
	PAUSE_MS = 10, /* between two questions: the agent takes 500 in a second */
	START_TRIES = 100,
	HOGS_MAX = 256,
	PATH_LEN = 128,
	PERCENT = 100,

	GOAL_AGENT_US = 5000, /* p99 */
	GOAL_ASKER_US = 50000,
};

static const char config_text[] = "[agent]\nrun_dir = %s\nlog = quiet\n"
				  "[tier small]\nmemory = 64M\n[tier large]\nmemory = 128M\n";

struct bench {
	char dir[PATH_LEN];
	char config[PATH_LEN];
	pid_t agent;
	pid_t hogs[HOGS_MAX];
	int hog_count;
	uint64_t *took_us;
	unsigned int count;
};

static void stop(pid_t pid, int signal_number)
{
	if (pid <= 0)
		return;
	kill(pid, signal_number);
	waitpid(pid, NULL, 0);
}

static void clean_up(struct bench *bench)
{
	for (int i = 0; i < bench->hog_count; i++)
		stop(bench->hogs[i], SIGKILL);
	bench->hog_count = 0;
	stop(bench->agent, SIGTERM);
	bench->agent = 0;
	unlink(bench->config);
	rmdir(bench->dir);
	free(bench->took_us);
}

__attribute__((noreturn)) static void die(struct bench *bench, const char *what)
{
	fprintf(stderr, "bench_preflight: %s\n", what);
	clean_up(bench);
	exit(2);
}

static void write_config(struct bench *bench)
{
	FILE *file;

	snprintf(bench->dir, sizeof(bench->dir), "/tmp/tierd-bench-%d", (int)getpid());
	snprintf(bench->config, sizeof(bench->config), "/tmp/tierd-bench-%d.conf", (int)getpid());
	file = fopen(bench->config, "we");
	if (!file)
		die(bench, "cannot write a config into /tmp");
	fprintf(file, config_text, bench->dir);
	fclose(file);
}

/* A child that ends with us. */
static pid_t start(void)
{
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static int ask(struct bench *bench, uint32_t verb, struct tierd_reply *ret_reply)
{
	struct control_line line = {.verb = verb, .is_json = true};

	if (verb == CONTROL_PREFLIGHT)
		line.command.memory_bytes = MIB;
	/* As people ask: a reservation is made and refused in turn. */
	return tierd_request(bench->dir, &line, TIERD_CLIENT_TIMEOUT_MS, ret_reply);
}

static void start_agent(struct bench *bench, const char *program)
{
	struct tierd_reply reply;

	bench->agent = start();
	if (bench->agent == 0) {
		execl(program, program, "--config", bench->config, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < START_TRIES; i++) {
		if (ask(bench, CONTROL_STATUS, &reply) == 0) {
			tierd_reply_free(&reply);
			return;
		}
		usleep((useconds_t)100 * 1000);
	}
	die(bench, "the agent does not answer (it needs root)");
}

static _Noreturn void spin(void)
{
	volatile uint64_t turns = 0;

	for (;;)
		turns++;
}

static void start_hogs(struct bench *bench)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	while (bench->hog_count < 2 * cpus && bench->hog_count < HOGS_MAX) {
		pid_t pid = start();

		if (pid == 0)
			spin();
		if (pid < 0)
			die(bench, "cannot start a process");
		bench->hogs[bench->hog_count++] = pid;
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a;
	uint64_t right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static uint64_t read_own(struct bench *bench, const char *key)
{
	struct tierd_reply reply;
	uint64_t value;

	if (ask(bench, CONTROL_STATUS, &reply) < 0)
		die(bench, "no status");
	json_t *status = json_loads(reply.text, 0, NULL);

	value = (uint64_t)json_integer_value(
		json_object_get(json_object_get(status, "agent"), key));
	json_decref(status);
	tierd_reply_free(&reply);
	return value;
}

/* Returns whether the goals are met. */
static bool measure(struct bench *bench, const char *what)
{
	uint64_t p99_us, agent_p99_us;

	for (unsigned int i = 0; i < bench->count; i++) {
		struct tierd_reply reply;
		uint64_t began_ns = loop_now_ns();

		if (ask(bench, CONTROL_PREFLIGHT, &reply) < 0)
			die(bench, "a preflight was not answered");
		bench->took_us[i] = (loop_now_ns() - began_ns) / NS_PER_US;
		tierd_reply_free(&reply);
		usleep((useconds_t)PAUSE_MS * 1000);
	}
	qsort(bench->took_us, bench->count, sizeof(bench->took_us[0]), compare);
	p99_us = bench->took_us[(uint64_t)bench->count * 99 / PERCENT];
	agent_p99_us = read_own(bench, "preflight_p99_us");
	printf("%s: %u preflights; asker p50 %" PRIu64 " us, p99 %" PRIu64 " us, max %" PRIu64
	       " us; in the agent p99 %" PRIu64 " us, max %" PRIu64 " us\n",
	       what, bench->count, bench->took_us[bench->count / 2], p99_us,
	       bench->took_us[bench->count - 1], agent_p99_us, read_own(bench, "preflight_max_us"));
	return p99_us <= GOAL_ASKER_US && agent_p99_us <= GOAL_AGENT_US;
}

int main(int argc, char **argv)
{
	struct bench bench = {.count = QUESTIONS_DEFAULT};
	bool is_good;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: bench_preflight TIERD [QUESTIONS]\n");
		return 2;
	}
	if (argc == 3)
		bench.count = (unsigned int)strtoul(argv[2], NULL, 10);
	if (bench.count == 0 || bench.count > QUESTIONS_MAX)
		die(&bench, "QUESTIONS is 1 to 100000");
	signal(SIGPIPE, SIG_IGN);
	bench.took_us = calloc(bench.count, sizeof(bench.took_us[0]));
	if (!bench.took_us)
		die(&bench, "out of memory");
	write_config(&bench);
	start_agent(&bench, argv[1]);
	is_good = measure(&bench, "as it is");
	stop(bench.agent, SIGTERM);
	start_agent(&bench, argv[1]);
	start_hogs(&bench);
	is_good &= measure(&bench, "saturated");
	clean_up(&bench);
	if (!is_good)
		printf("a goal is missed: p99 %d us in the agent, %d us for the asker\n",
		       GOAL_AGENT_US, GOAL_ASKER_US);
	return is_good ? 0 : 1;
}
