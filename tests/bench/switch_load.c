// SPDX-License-Identifier: BSD-2-Clause
/*
 * Context switches, as many as the machine gives: `switch_load PROCESSES THREADS SECONDS
 * [TOKENS]`. Every two threads (of one process, or of neighbours where each has one) pass a token
 * to and fro, so half of all threads are runnable all the time; with TOKENS only so many pairs do,
 * and the other threads sleep. Prints `ready` when all threads are there, and after the run how
 * often tokens were passed and how many context switches the host made meanwhile.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"

enum {
	STACK_BYTES = 64 * 1024,
	READY_SECONDS = 120,
	SEATS_MAX = 65536,
	POLL_NS = 10 * NS_PER_MS,
};

struct seat {
	_Alignas(64) _Atomic uint32_t has_token;
	uint64_t passes;
};

struct table {
	_Atomic uint32_t ready;
	_Atomic uint32_t phase; /* enum phase */
	struct seat seats[];
};

enum phase {
	PHASE_GATHER,
	PHASE_RUN,
	PHASE_STOP,
};

static struct table *table;
static uint32_t process_count;
static uint32_t threads_each;

static void futex(_Atomic uint32_t *word, int operation, uint32_t value)
{
	syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

static void pause_ns(long duration_ns)
{
	nanosleep(&(struct timespec){.tv_nsec = duration_ns}, NULL);
}

static void token_give(struct seat *seat)
{
	atomic_store(&seat->has_token, 1);
	futex(&seat->has_token, FUTEX_WAKE, 1);
}

static void *seat_run(void *argument)
{
	uint32_t index = (uint32_t)(uintptr_t)argument;
	struct seat *own = &table->seats[index];
	struct seat *partner = &table->seats[index ^ 1];

	atomic_fetch_add(&table->ready, 1);
	while (atomic_load(&table->phase) == PHASE_GATHER)
		futex(&table->phase, FUTEX_WAIT, PHASE_GATHER);
	while (atomic_load(&table->phase) == PHASE_RUN) {
		if (!atomic_exchange(&own->has_token, 0)) {
			futex(&own->has_token, FUTEX_WAIT, 0);
			continue;
		}
		own->passes++;
		token_give(partner);
	}
	token_give(partner);
	return NULL;
}

static void process_run(uint32_t process)
{
	pthread_attr_t attributes;
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, 0);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	for (uint32_t i = 1; i < threads_each; i++) {
		uintptr_t seat = process * threads_each + i;

		if (pthread_create(&thread, &attributes, seat_run, (void *)seat) != 0)
			_exit(1);
	}
	seat_run((void *)(uintptr_t)(process * threads_each));
	/* The others end by themselves or with the process: nothing of theirs is needed. */
	_exit(0);
}

static uint64_t host_switches(void)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/stat", "re");
	char line[4096];

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "ctxt ", 5) == 0)
			return strtoull(line + 5, NULL, 10);
	return 0;
}

/* False if a process has ended before its threads were there. */
static bool gather(uint32_t seat_count)
{
	for (uint64_t waited_ns = 0; waited_ns < READY_SECONDS * NS_PER_S; waited_ns += POLL_NS) {
		if (atomic_load(&table->ready) == seat_count)
			return true;
		if (waitpid(-1, NULL, WNOHANG) > 0)
			return false;
		pause_ns(POLL_NS);
	}
	return false;
}

static void phase_set(uint32_t phase)
{
	atomic_store(&table->phase, phase);
	futex(&table->phase, FUTEX_WAKE, INT32_MAX);
}

static bool processes_start(void)
{
	for (uint32_t i = 0; i < process_count; i++) {
		pid_t pid = fork();

		if (pid == 0)
			process_run(i);
		if (pid < 0) {
			perror("fork");
			return false;
		}
	}
	return true;
}

static int load_run(uint32_t seat_count, uint32_t seconds, uint32_t tokens)
{
	uint64_t passes = 0, switches;

	if (!processes_start() || !gather(seat_count)) {
		fputs("switch_load: not all threads could be started\n", stderr);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (uint32_t i = 0; i < 2 * tokens; i += 2)
		table->seats[i].has_token = 1;
	switches = host_switches();
	phase_set(PHASE_RUN);
	sleep(seconds);
	for (uint32_t i = 0; i < seat_count; i++)
		passes += table->seats[i].passes;
	switches = host_switches() - switches;
	phase_set(PHASE_STOP);
	for (uint32_t i = 0; i < seat_count; i++)
		token_give(&table->seats[i]);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	printf("%" PRIu64 " passes %" PRIu64 " switches\n", passes, switches);
	return 0;
}

static int usage(void)
{
	fputs("usage: switch_load PROCESSES THREADS SECONDS [TOKENS] (an even number of threads)\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	uint64_t numbers[4] = {0, 0, 0, UINT64_MAX};

	if (argc < 4 || argc > 5)
		return usage();
	for (int i = 1; i < argc; i++)
		if (units_parse_u64(argv[i], &numbers[i - 1]) < 0 || !numbers[i - 1] ||
		    numbers[i - 1] > SEATS_MAX)
			return usage();

	uint64_t seat_count = numbers[0] * numbers[1];

	if (seat_count % 2 || seat_count > SEATS_MAX)
		return usage();
	process_count = (uint32_t)numbers[0];
	threads_each = (uint32_t)numbers[1];
	table = mmap(NULL, sizeof(*table) + seat_count * sizeof(struct seat),
		     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (table == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	/* The clock of the run must not wait behind the load. */
	setpriority(PRIO_PROCESS, 0, -10);
	return load_run((uint32_t)seat_count, (uint32_t)numbers[2],
			(uint32_t)units_min(numbers[3], seat_count / 2));
}
