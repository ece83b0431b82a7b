/* SPDX-License-Identifier: BSD-2-Clause */
/* PSI triggers on this host: the smallest window, bad windows, and an event from real pressure. */
#include "file_tree.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/units.h"
#include "io/loop.h"
#include "io/psi.h"

enum {
	SPINNERS = 2,
};

struct fixture {
	struct loop *loop;
	pid_t spinners[SPINNERS];
	int fd;
	unsigned int events;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	assert_int_equal(loop_create(&fixture->loop), 0);
	fixture->fd = -1;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < SPINNERS; i++) {
		if (fixture->spinners[i] > 0) {
			(void)kill(fixture->spinners[i], SIGKILL);
			(void)waitpid(fixture->spinners[i], NULL, 0);
		}
	}
	if (fixture->fd >= 0) {
		(void)loop_remove_fd(fixture->loop, fixture->fd);
		close(fixture->fd);
	}
	loop_destroy(fixture->loop);
	free(fixture);
	return 0;
}

static void test_probe_and_bad_windows(void **state)
{
	uint64_t window_ns = 0;
	int err = psi_probe(&window_ns);

	(void)state;
	if (err) {
		assert_true(err == -EOPNOTSUPP || err == -EPERM);
		assert_int_equal(window_ns, 0);
		skip();
	}
	assert_true(window_ns == 500 * NS_PER_MS || window_ns == 2 * NS_PER_S);
	assert_int_equal(psi_trigger_open(PSI_MEMORY_FILE, 0, window_ns), -EINVAL);
	assert_int_equal(psi_trigger_open(PSI_MEMORY_FILE, window_ns + NS_PER_S, window_ns),
			 -EINVAL);
	assert_int_equal(psi_trigger_open(PSI_MEMORY_FILE, NS_PER_S, 20 * NS_PER_S), -EINVAL);
	if (window_ns > NS_PER_S)
		assert_int_equal(psi_trigger_open(PSI_MEMORY_FILE, NS_PER_MS, 500 * NS_PER_MS),
				 -EINVAL);
	assert_int_equal(psi_trigger_open("nothing", NS_PER_MS, window_ns), -EOPNOTSUPP);
}

static pid_t spin(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		cpu_set_t first;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		CPU_ZERO(&first);
		CPU_SET(0, &first);
		(void)sched_setaffinity(0, sizeof(first), &first);
		alarm(30);
		for (;;)
			__asm__ volatile("");
	}
	return pid;
}

static int on_pressure(void *context, int fd, uint32_t events)
{
	struct fixture *fixture = context;

	(void)fd;
	assert_true(events & EPOLLPRI);
	fixture->events++;
	loop_stop(fixture->loop, 0);
	return 0;
}

static int on_timeout(void *context, uint64_t now_ns)
{
	(void)context;
	(void)now_ns;
	return -ETIMEDOUT;
}

/* Two spinners on one CPU: one of them always waits. */
static void test_trigger_fires(void **state)
{
	struct fixture *fixture = *state;
	struct loop_timer *timer;
	uint64_t window_ns;

	if (psi_probe(&window_ns))
		skip();
	fixture->fd = psi_trigger_open(PSI_CPU_FILE, window_ns / 20, window_ns);
	assert_true(fixture->fd >= 0);
	assert_int_equal(loop_add_fd(fixture->loop, fixture->fd, EPOLLPRI, on_pressure, fixture),
			 0);
	assert_int_equal(loop_add_timer(fixture->loop, on_timeout, fixture, &timer), 0);
	assert_int_equal(loop_timer_set(timer, loop_now_ns() + 15 * NS_PER_S), 0);
	for (int i = 0; i < SPINNERS; i++)
		fixture->spinners[i] = spin();
	assert_int_equal(loop_run(fixture->loop), 0);
	assert_int_equal(fixture->events, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_probe_and_bad_windows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_trigger_fires, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
