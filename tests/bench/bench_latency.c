// SPDX-License-Identifier: BSD-2-Clause
/*
 * How long it takes from pressure to the manager:
 *
 *   bench_latency [--episodes N] [--output FILE]
 *
 * An episode: an agent is started beside a model in a limited group, a process of four threads
 * begins to thrash in that group, and the manager's side of the FIFO waits for the order to step
 * down. Measured is from the kernel's time of the first urgent record (50 ms of stall, as by
 * default) to the return of the reader's read(). With thresholds such that this record is over the
 * limit, and without walks, which would bring the stall sooner. N episodes on the host as it is,
 * then N with twice as many processes that never sleep as there are CPUs.
 *
 * In the same episodes (where windows are long, in every twentieth) a process of its own waits for
 * a PSI trigger with the smallest window on the group that thrashes, for as much stall; and it is
 * noted when someone who polls every 100 ms or every second would have looked next. FILE gets the
 * tables as Markdown. The exit status is 2 if a goal is missed, 1 if not all could be measured.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "collector.h"
#include "io/psi.h"
#include "scene.h"

enum {
	EPISODES_DEFAULT = 1000,
	EPISODES_MAX = 20000,
	/* Processes of a scene end by themselves after WORKLOAD_SECONDS_MAX. */
	EPISODES_OF_A_SCENE = 50,
	HOGS_MAX = 64,
	THRASH_THREADS = 4,
	PATH_LEN = 512,
	PERCENT = 100,
	FAILED_MAX = 5,      /* each may take ten seconds */
	PSI_LONG_EVERY = 20, /* episodes: with a window of 2 s each takes as long */
};

#define THRASH_BYTES (300 * MIB)
#define URGENT_STALL_NS (50 * NS_PER_MS)
#define PSI_WINDOW_SHORT_NS (500 * NS_PER_MS)
#define POLL_SHORT_NS (100 * NS_PER_MS)
#define POLL_LONG_NS NS_PER_S

static const char thrash_path[] = "/var/tmp/tierd-bench-latency";

/* What was measured, in the order of the table. */
enum series {
	SERIES_TIERD,
	SERIES_ARRIVED,
	SERIES_PSI,
	SERIES_POLL_SHORT,
	SERIES_POLL_LONG,
	SERIES_COUNT,
};

static const char *const SERIES_NAMES[SERIES_COUNT] = {
	[SERIES_TIERD] = "tierd: read() of the switch line",
	[SERIES_ARRIVED] = "- of which until the agent had the record",
	[SERIES_PSI] = "PSI trigger with the smallest window: poll() returns",
	[SERIES_POLL_SHORT] = "next look of one who polls every 100 ms (computed)",
	[SERIES_POLL_LONG] = "next look of one who polls every second (computed)",
};

static struct scene scene;
static struct probes *probes; /* a second instance, which tells when the record was made */
static const char *pressure_group;
static pid_t hogs[HOGS_MAX];
static int hog_count;
static pid_t thrash_pid;
static uint64_t first_urgent_ns;
static unsigned int episodes = EPISODES_DEFAULT;
static const char *output_path = "/dev/stdout";
static FILE *output;
static uint64_t samples_ns[SERIES_COUNT][EPISODES_MAX];
static unsigned int counts[SERIES_COUNT];
static uint64_t begun_ns;
static int goal_status; /* 2 as soon as one is missed */
static volatile sig_atomic_t is_interrupted;

/* When that PSI trigger has fired, told by the process that waits for it; 0 = not yet. */
static _Atomic uint64_t *psi_fired_ns;
static pid_t psi_pid;
static uint64_t psi_window_ns; /* the smallest that this process may use */

/* ---- what is seen ---- */

static void on_process(void *context, const struct process_record *record)
{
	(void)context;
	if (first_urgent_ns == 0 && thrash_pid && record->pid == (uint32_t)thrash_pid &&
	    (record->header.flags & PROCESS_URGENT))
		first_urgent_ns = record->header.time_ns;
}

static void on_oom(void *context, const struct oom_record *record)
{
	(void)context;
	(void)record;
}

static void start_probes(void)
{
	const struct probes_options options = {
		.settings = {.report_floor_ns = NS_PER_MS,
			     .urgent_stall_ns = URGENT_STALL_NS,
			     .bulk_wakeup_bytes = UINT64_MAX,
			     .page_bytes = (uint32_t)sysconf(_SC_PAGESIZE),
			     .ignore_nice = 10,
			     .is_memstall_kept = true},
		.bulk_ring_bytes = MIB,
		.urgent_ring_bytes = 256 * KIB,
		.on_process = on_process,
		.on_oom = on_oom,
	};
	char error[256] = "";

	if (probes_open(&options, &probes, error, sizeof(error)) < 0)
		fail_msg("%s", error);
}

/* In a process of its own, so that nobody's turn is waited for but its own. */
static void psi_wait(int ready_fd)
{
	char path[PATH_LEN], text[64];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "%s/memory.pressure", pressure_group);
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int length = snprintf(text, sizeof(text), "some %" PRIu64 " %" PRIu64,
			      URGENT_STALL_NS / NS_PER_US, psi_window_ns / NS_PER_US);
	struct pollfd poller = {fd, POLLPRI, 0};

	if (fd < 0 || write(fd, text, (size_t)length + 1) < 0 || write(ready_fd, "", 1) != 1)
		_exit(1);
	while (poll(&poller, 1, -1) < 0)
		;
	*psi_fired_ns = test_now_ns();
	_exit(0);
}

static void psi_start(void)
{
	int fds[2];
	char ready;

	*psi_fired_ns = 0;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	psi_pid = fork();
	assert_true(psi_pid >= 0);
	if (psi_pid == 0)
		psi_wait(fds[1]);
	close(fds[1]);
	ssize_t length = read(fds[0], &ready, 1);

	close(fds[0]);
	assert_int_equal(length, 1);
}

static void stop(pid_t *pid)
{
	if (*pid > 0)
		workload_stop(*pid);
	*pid = 0;
}

/* ---- the scene ---- */

static void hogs_start(void)
{
	const struct workload hog = {.run = workload_spin, .comm = "hog", .cpu = WORKLOAD_ANY_CPU};
	long wanted = 2 * sysconf(_SC_NPROCESSORS_ONLN);

	for (hog_count = 0; hog_count < wanted && hog_count < HOGS_MAX; hog_count++)
		hogs[hog_count] = workload_start(&hog);
}

static void put_away(void)
{
	stop(&thrash_pid);
	stop(&psi_pid);
	while (hog_count > 0)
		stop(&hogs[--hog_count]);
	if (probes)
		probes_close(probes);
	probes = NULL;
	scene_close(&scene);
}

static int teardown(void **state)
{
	(void)state;
	put_away();
	return 0;
}

/* What the group of an earlier scene has read stays in the cache, and is nobody's to reclaim. */
static void drop_file(void)
{
	_cleanup_close_ int fd = open(thrash_path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
}

static void set_up(bool is_saturated)
{
	drop_file();
	scene_open_groups(&scene);
	pressure_group = group_make_pressure(scene.others_group, "pressed");
	start_probes();
	if (is_saturated)
		hogs_start();
}

static void start_thrash(void)
{
	const struct workload thrash = {
		.run = workload_reread,
		.comm = "thrash",
		.cpu = WORKLOAD_ANY_CPU,
		.threads = THRASH_THREADS,
		.memory_group = scene.others_group,
		.pressure_group = pressure_group,
		.file = thrash_path,
		.bytes = THRASH_BYTES,
	};

	thrash_pid = workload_start(&thrash);
}

/* ---- episodes ---- */

static void note(enum series series, uint64_t latency_ns)
{
	samples_ns[series][counts[series]++] = latency_ns;
}

/* To the next of the looks that come every period, from the start of the run on. */
static uint64_t next_look_ns(uint64_t time_ns, uint64_t period_ns)
{
	return period_ns - units_minus(time_ns, begun_ns) % period_ns;
}

static void wait_for_psi(uint64_t urgent_ns)
{
	uint64_t end_ns = urgent_ns + 3 * psi_window_ns;

	while (*psi_fired_ns == 0 && test_now_ns() < end_ns)
		test_sleep_ns(NS_PER_MS);
	if (*psi_fired_ns)
		note(SERIES_PSI, units_minus(*psi_fired_ns, urgent_ns));
}

/* When the agent took up what it decided first to switch for; 0 if it has kept no such decision. */
static uint64_t decided_ns(void)
{
	static const char KEY[] = "{\"time_ns\":";
	_cleanup_fclose_ FILE *file = fopen(scene.agent.decisions, "re");
	char line[2 * AGENT_LINE_LEN];

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, KEY, sizeof(KEY) - 1) == 0 &&
		    strstr(line, "\"action\":\"switch\""))
			return strtoull(line + sizeof(KEY) - 1, NULL, 10);
	}
	return 0;
}

/* False if there is no pair of record and line. */
static bool episode(bool has_psi)
{
	struct agent_line line;
	bool is_paired;

	/* No walk in between, which would bring the stall sooner than the record. */
	scene_start_agent(&scene, "window = 10s\nwindow_calm = 10s",
			  "degrade_above = 100%\nupgrade_below = 99%\nmargin = 0\n"
			  "stall_urgent = 4%\nstall_urgent_window = 1s\n"
			  "stall_above = 4%\nstall_above_window = 60s\n");
	if (has_psi)
		psi_start();
	assert_true(probes_read_urgent(probes) >= 0);
	first_urgent_ns = 0;
	start_thrash();
	is_paired = agent_read_line(&scene.agent, "switch ", 10 * NS_PER_S, &line);
	assert_true(probes_read_urgent(probes) >= 0);
	/* Another's reading of the same moment may be a little later, or of the next record. */
	is_paired = is_paired && first_urgent_ns > 0 && first_urgent_ns <= line.read_ns &&
		    strstr(line.text, " mode=immediate ");
	if (is_paired) {
		note(SERIES_TIERD, line.read_ns - first_urgent_ns);
		note(SERIES_POLL_SHORT, next_look_ns(first_urgent_ns, POLL_SHORT_NS));
		note(SERIES_POLL_LONG, next_look_ns(first_urgent_ns, POLL_LONG_NS));
		if (has_psi)
			wait_for_psi(first_urgent_ns);
	}
	stop(&thrash_pid);
	stop(&psi_pid);
	agent_stop(&scene.agent, SIGTERM);
	if (is_paired)
		note(SERIES_ARRIVED, units_minus(decided_ns(), first_urgent_ns));
	agent_discard(&scene.agent);
	return is_paired;
}

/* ---- what came of it ---- */

static int latency_compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static double quantile_ms(enum series series, unsigned int percent)
{
	unsigned int count = counts[series];
	unsigned int index = count * percent / PERCENT;

	if (count == 0)
		return 0;
	return (double)samples_ns[series][index < count ? index : count - 1] / (double)NS_PER_MS;
}

static void report(const char *what, uint64_t goal_ns, unsigned int failed, uint64_t took_ns)
{
	double goal_ms = (double)goal_ns / (double)NS_PER_MS;

	for (int i = 0; i < SERIES_COUNT; i++)
		qsort(samples_ns[i], counts[i], sizeof(uint64_t), latency_compare);
	bool is_met = counts[SERIES_TIERD] > 0 && quantile_ms(SERIES_TIERD, 99) <= goal_ms;

	goal_status = is_met ? goal_status : 2;
	fprintf(output,
		"## %s\n\n%u episodes in %" PRIu64 " s, and %u without a pair of record and line; "
		"windows of PSI triggers: %" PRIu64 " ms. "
		"Goal: p99 of tierd at most %.0f ms, %s.\n\n"
		"| from the urgent record to | episodes | p50, ms | p99, ms | max, ms |\n"
		"|---|---|---|---|---|\n",
		what, counts[SERIES_TIERD], took_ns / NS_PER_S, failed, psi_window_ns / NS_PER_MS,
		goal_ms, is_met ? "met" : "MISSED");
	for (int i = 0; i < SERIES_COUNT; i++)
		fprintf(output, "| %s | %u | %.2f | %.2f | %.2f |\n", SERIES_NAMES[i], counts[i],
			quantile_ms(i, 50), quantile_ms(i, 99), quantile_ms(i, 100));
	fprintf(output, "\n");
	fflush(output);
}

static void run_all(const char *what, bool is_saturated, uint64_t goal_ns)
{
	uint64_t began_ns = test_now_ns();
	unsigned int psi_every = psi_window_ns > PSI_WINDOW_SHORT_NS ? PSI_LONG_EVERY : 1;
	unsigned int failed = 0;

	memset(counts, 0, sizeof(counts));
	for (unsigned int i = 0; i < episodes && !is_interrupted && failed <= FAILED_MAX; i++) {
		if (i % EPISODES_OF_A_SCENE == 0) {
			put_away();
			set_up(is_saturated);
		}
		failed += !episode(i % psi_every == 0);
	}
	report(what, goal_ns, failed, test_now_ns() - began_ns);
	assert_false(is_interrupted);
	assert_true(failed <= FAILED_MAX);
}

static void idle_otherwise(void **state)
{
	(void)state;
	run_all("Idle otherwise", false, 10 * NS_PER_MS);
}

static void with_saturated_cpus(void **state)
{
	(void)state;
	run_all("CPUs saturated by other processes", true, 50 * NS_PER_MS);
}

static void on_signal(int signal_number)
{
	(void)signal_number;
	is_interrupted = 1;
}

static bool take_arguments(int argc, char **argv)
{
	uint64_t number;

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return false;
		if (strcmp(argv[i], "--output") == 0) {
			output_path = argv[i + 1];
			continue;
		}
		if (strcmp(argv[i], "--episodes") != 0 ||
		    units_parse_u64(argv[i + 1], &number) < 0 || number == 0 ||
		    number > EPISODES_MAX)
			return false;
		episodes = (unsigned int)number;
	}
	return true;
}

int main(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = on_signal};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(idle_otherwise, teardown),
		cmocka_unit_test_teardown(with_saturated_cpus, teardown),
	};

	if (!take_arguments(argc, argv)) {
		fprintf(stderr, "usage: bench_latency [--episodes N] [--output FILE]\n");
		return 1;
	}
	scene.agent.manager_fd = -1;
	output = fopen(output_path, "we");
	psi_fired_ns = mmap(NULL, sizeof(*psi_fired_ns), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!output || psi_fired_ns == MAP_FAILED || psi_probe(&psi_window_ns) < 0)
		return 1;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	workload_make_file(thrash_path, THRASH_BYTES);
	begun_ns = test_now_ns();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	unlink(thrash_path);
	fclose(output);
	return failed ? 1 : goal_status;
}
