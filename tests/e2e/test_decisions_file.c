// SPDX-License-Identifier: BSD-2-Clause
/*
 * The file that a real agent keeps its decisions in: rotated, and on a disk that hangs. For that
 * the file's lock is held, as by a writer whose own memory does not come: a userfaultfd does not
 * give it. No flag of the file helps whoever writes to it then, nor does a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "collector.h"
#include "scene.h"

enum {
	OUTPUT_LEN = 64 * 1024,
	TRIES = 1000, /* of 10 ms */
};

static const char config[] = "[policy]\nwarmup = 0\n[tier small]\nmemory = 20M\n";

static struct scene scene;
static char output[OUTPUT_LEN];

/* Who holds the file's lock. */
static struct {
	int faults_fd; /* -1 = nobody does */
	int file_fd;
	char *memory;
	size_t len;
	pthread_t thread;
} holder = {.faults_fd = -1};

static void *hold(void *context)
{
	/* It fails, or writes zeros, once the memory is there. */
	ssize_t written = write(holder.file_fd, holder.memory, holder.len);

	(void)context;
	(void)written;
	return NULL;
}

static void hang_file(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct pollfd fault = {.events = POLLIN};

	holder.len = (size_t)sysconf(_SC_PAGESIZE);
	holder.faults_fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (holder.faults_fd < 0)
		fail_msg("userfaultfd: %s", strerror(errno));
	assert_int_equal(ioctl(holder.faults_fd, UFFDIO_API, &api), 0);
	holder.memory =
		mmap(NULL, holder.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(holder.memory != MAP_FAILED);

	struct uffdio_register range = {
		.range = {.start = (uintptr_t)holder.memory, .len = holder.len},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	assert_int_equal(ioctl(holder.faults_fd, UFFDIO_REGISTER, &range), 0);
	holder.file_fd = open(scene.agent.decisions, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(holder.file_fd >= 0);
	assert_int_equal(pthread_create(&holder.thread, NULL, hold, NULL), 0);
	fault.fd = holder.faults_fd;
	assert_int_equal(poll(&fault, 1, 10000), 1);
	assert_true(fault.revents & POLLIN);
}

static void release_file(void)
{
	if (holder.faults_fd < 0)
		return;
	/* Whoever waits for the memory gets it then. */
	close(holder.faults_fd);
	holder.faults_fd = -1;
	pthread_join(holder.thread, NULL);
	close(holder.file_fd);
	munmap(holder.memory, holder.len);
}

static int teardown(void **state)
{
	(void)state;
	release_file();
	scene_close(&scene);
	return 0;
}

/* Within the budget of a hundred lines per second: of more, only the first of each two is taken. */
static void decide(void)
{
	agent_control(&scene.agent, "pause\nresume\n");
	test_sleep_ns(25 * NS_PER_MS);
}

static off_t read_size(void)
{
	struct stat info;

	return stat(scene.agent.decisions, &info) == 0 ? info.st_size : -1;
}

static void need_growth(off_t size)
{
	for (int i = 0; i < TRIES && read_size() <= size; i++)
		decide();
	assert_true(read_size() > size);
}

static json_int_t read_dropped(void)
{
	return agent_status_number(&scene.agent, "agent", "decisions_dropped");
}

static bool is_in_log(const char *needle)
{
	_cleanup_fclose_ FILE *file = fopen(scene.agent.log, "re");
	size_t len;

	assert_non_null(file);
	len = fread(output, 1, sizeof(output) - 1, file);
	output[len] = '\0';
	return strstr(output, needle);
}

static void need_in_log(const char *needle)
{
	for (int i = 0; i < TRIES && !is_in_log(needle); i++)
		test_sleep_ns(10 * NS_PER_MS);
	if (!is_in_log(needle))
		fail_msg("no `%s` in: %s", needle, output);
}

static void open_agent(void)
{
	agent_start(&scene.agent, config, NULL);
	/* That of the start: then it listens, too. */
	for (int i = 0; i < TRIES && read_size() <= 0; i++)
		test_sleep_ns(10 * NS_PER_MS);
	assert_true(read_size() > 0);
}

/* ---- tests ---- */

static void rotated_file_is_opened_anew(void **state)
{
	(void)state;
	char old[256];

	open_agent();
	snprintf(old, sizeof(old), "%s.1", scene.agent.decisions);
	assert_int_equal(rename(scene.agent.decisions, old), 0);
	assert_int_equal(kill(scene.agent.pid, SIGHUP), 0);
	need_growth(0);
	/* What cannot be opened is told, although no decision is made on it. */
	assert_int_equal(unlink(scene.agent.decisions), 0);
	assert_int_equal(mkdir(scene.agent.decisions, 0700), 0);
	assert_int_equal(kill(scene.agent.pid, SIGHUP), 0);
	need_in_log("cannot be opened anew, the old file stays");
	assert_int_equal(read_dropped(), 0);
	agent_stop(&scene.agent, SIGTERM);
}

static void file_that_hangs_does_not_hold_up_the_agent(void **state)
{
	(void)state;
	json_int_t dropped = 0;

	open_agent();
	hang_file();
	for (int i = 0; i < TRIES && dropped == 0; i++) {
		decide();
		if (i % 20 == 0)
			dropped = read_dropped();
	}
	assert_true(dropped > 0);
	assert_int_equal(agent_tierctl(&scene.agent, "status", output, sizeof(output)), 0);
	assert_null(strstr(output, " 0 decisions\n"));
	assert_non_null(strstr(output, " decisions\n"));
	need_in_log("any more: it takes them too slowly, or not at all");
	off_t size = read_size();

	release_file();
	/* More than what the holder writes. */
	need_growth(size + 64 * (off_t)KIB);
	agent_stop(&scene.agent, SIGTERM);
}

/* Its own end waits a second; what the kernel waits for afterwards is not the agent's. */
static void file_that_hangs_does_not_hold_up_the_end(void **state)
{
	(void)state;
	uint64_t begin_ns;
	int status;

	open_agent();
	hang_file();
	decide();
	begin_ns = test_now_ns();
	assert_int_equal(kill(scene.agent.pid, SIGTERM), 0);
	while (agent_has_left_files(&scene.agent) && test_now_ns() - begin_ns < 10 * NS_PER_S)
		test_sleep_ns(10 * NS_PER_MS);
	print_message("    ended after %llu ms\n",
		      (unsigned long long)((test_now_ns() - begin_ns) / NS_PER_MS));
	assert_true(test_now_ns() - begin_ns < 5 * NS_PER_S);
	need_in_log("not all are written at the end");
	release_file();
	/* Another signal would change its status: it has let go of them. */
	status = workload_wait(scene.agent.pid, 5);
	scene.agent.pid = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(rotated_file_is_opened_anew, teardown),
		cmocka_unit_test_teardown(file_that_hangs_does_not_hold_up_the_agent, teardown),
		cmocka_unit_test_teardown(file_that_hangs_does_not_hold_up_the_end, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
