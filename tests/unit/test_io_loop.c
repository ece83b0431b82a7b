/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop: real descriptors, timers and signals; removal inside callbacks. */
#include "file_tree.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>

#include "base/units.h"
#include "io/loop.h"

enum {
	PIPES = 3,
};

struct fixture {
	struct loop *loop;
	int pipes[PIPES][2];
	unsigned int calls;
	int remove_fd; /* in the callback */
	int result;    /* of the callback */
	struct loop_timer *timer;
	uint64_t fired_at_ns;
	int signal_number;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	assert_int_equal(loop_create(&fixture->loop), 0);
	for (int i = 0; i < PIPES; i++)
		assert_int_equal(pipe(fixture->pipes[i]), 0);
	fixture->remove_fd = -1;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	loop_destroy(fixture->loop);
	for (int i = 0; i < PIPES; i++) {
		close(fixture->pipes[i][0]);
		close(fixture->pipes[i][1]);
	}
	free(fixture);
	return 0;
}

static int on_readable(void *context, int fd, uint32_t events)
{
	struct fixture *fixture = context;
	char byte;

	assert_true(events & EPOLLIN);
	assert_int_equal(read(fd, &byte, 1), 1);
	fixture->calls++;
	if (fixture->remove_fd >= 0)
		assert_int_equal(loop_remove_fd(fixture->loop, fixture->remove_fd), 0);
	fixture->remove_fd = -1;
	return fixture->result;
}

static void make_readable(const struct fixture *fixture, int pipe_index)
{
	assert_int_equal(write(fixture->pipes[pipe_index][1], "x", 1), 1);
}

static void test_fd_is_called_and_modified(void **state)
{
	struct fixture *fixture = *state;
	int fd = fixture->pipes[0][0];

	assert_int_equal(loop_add_fd(fixture->loop, fd, EPOLLIN, on_readable, fixture), 0);
	assert_int_equal(loop_add_fd(fixture->loop, fd, EPOLLIN, on_readable, fixture), -EEXIST);
	make_readable(fixture, 0);
	assert_int_equal(loop_run_once(fixture->loop, 1000), 0);
	assert_int_equal(fixture->calls, 1);
	assert_int_equal(loop_modify_fd(fixture->loop, fd, 0), 0);
	make_readable(fixture, 0);
	assert_int_equal(loop_run_once(fixture->loop, 20), 0);
	assert_int_equal(fixture->calls, 1);
	assert_int_equal(loop_modify_fd(fixture->loop, fd, EPOLLIN), 0);
	assert_int_equal(loop_run_once(fixture->loop, 1000), 0);
	assert_int_equal(fixture->calls, 2);
	assert_int_equal(loop_remove_fd(fixture->loop, fd), 0);
	assert_int_equal(loop_remove_fd(fixture->loop, fd), -ENOENT);
	assert_int_equal(loop_modify_fd(fixture->loop, fd, EPOLLIN), -ENOENT);
}

/* Both are ready at once: the one that is called first removes the other. */
static void test_removed_source_is_not_called(void **state)
{
	struct fixture *fixture = *state;

	for (int own = 0; own < 2; own++) {
		for (int i = 0; i < 2; i++) {
			assert_int_equal(loop_add_fd(fixture->loop, fixture->pipes[i][0], EPOLLIN,
						     on_readable, fixture),
					 0);
			make_readable(fixture, i);
		}
		fixture->calls = 0;
		/* epoll reports in the order of becoming ready. */
		fixture->remove_fd = fixture->pipes[own ? 0 : 1][0];
		assert_int_equal(loop_run_once(fixture->loop, 1000), 0);
		assert_int_equal(fixture->calls, own ? 2 : 1);
		loop_remove_fd(fixture->loop, fixture->pipes[0][0]);
		loop_remove_fd(fixture->loop, fixture->pipes[1][0]);
		if (!own) {
			char byte;

			assert_int_equal(read(fixture->pipes[1][0], &byte, 1), 1);
		}
	}
}

static int on_unexpected(void *context, int fd, uint32_t events)
{
	(void)context;
	(void)fd;
	(void)events;
	fail();
	return 0;
}

static int replace_second(void *context, int fd, uint32_t events)
{
	struct fixture *fixture = context;

	(void)events;
	fixture->calls++;
	assert_int_equal(loop_remove_fd(fixture->loop, fd), 0);
	assert_int_equal(loop_remove_fd(fixture->loop, fixture->pipes[1][0]), 0);
	/* Its slot, and with dup2 even its number, now belong to a pipe that is not readable. */
	assert_int_equal(dup2(fixture->pipes[2][0], fixture->pipes[1][0]), fixture->pipes[1][0]);
	return loop_add_fd(fixture->loop, fixture->pipes[1][0], EPOLLIN, on_unexpected, fixture);
}

static void test_stale_event_does_not_reach_a_new_source(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(loop_add_fd(fixture->loop, fixture->pipes[i][0], EPOLLIN,
					     replace_second, fixture),
				 0);
		make_readable(fixture, i);
	}
	assert_int_equal(loop_run_once(fixture->loop, 1000), 0);
	assert_int_equal(loop_run_once(fixture->loop, 10), 0);
	assert_int_equal(fixture->calls, 1);
}

static int on_timer(void *context, uint64_t now_ns)
{
	struct fixture *fixture = context;

	fixture->calls++;
	fixture->fired_at_ns = now_ns;
	loop_stop(fixture->loop, 5);
	return 0;
}

static void test_timer_fires_once_and_not_early(void **state)
{
	struct fixture *fixture = *state;
	uint64_t at_ns = loop_now_ns() + 20 * NS_PER_MS;

	assert_int_equal(loop_add_timer(fixture->loop, on_timer, fixture, &fixture->timer), 0);
	assert_int_equal(loop_timer_set(fixture->timer, at_ns + NS_PER_S), 0);
	assert_int_equal(loop_timer_set(fixture->timer, at_ns), 0);
	assert_int_equal(loop_run(fixture->loop), 5);
	assert_true(fixture->fired_at_ns >= at_ns);
	assert_true(fixture->fired_at_ns < at_ns + NS_PER_S);
	assert_int_equal(loop_run_once(fixture->loop, 30), 0);
	assert_int_equal(fixture->calls, 1);
}

static void test_timer_in_the_past_and_off(void **state)
{
	static const uint64_t PAST_NS[] = {0, 1, NS_PER_S};
	struct fixture *fixture = *state;

	assert_int_equal(loop_add_timer(fixture->loop, on_timer, fixture, &fixture->timer), 0);
	for (size_t i = 0; i < ARRAY_SIZE(PAST_NS); i++) {
		assert_int_equal(loop_timer_set(fixture->timer, PAST_NS[i]), 0);
		assert_int_equal(loop_run(fixture->loop), 5);
	}
	assert_int_equal(fixture->calls, ARRAY_SIZE(PAST_NS));
	assert_int_equal(loop_timer_set(fixture->timer, 1), 0);
	assert_int_equal(loop_timer_set(fixture->timer, LOOP_NEVER), 0);
	assert_int_equal(loop_run_once(fixture->loop, 20), 0);
	assert_int_equal(fixture->calls, ARRAY_SIZE(PAST_NS));
	loop_remove_timer(fixture->timer);
}

static int on_signal(void *context, int signal_number)
{
	struct fixture *fixture = context;

	fixture->signal_number = signal_number;
	loop_stop(fixture->loop, 0);
	return 0;
}

static void test_signals_are_delivered(void **state)
{
	static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP};
	struct fixture *fixture = *state;
	sigset_t mask;

	assert_int_equal(loop_add_signals(fixture->loop, on_signal, fixture), 0);
	assert_int_equal(loop_add_signals(fixture->loop, on_signal, fixture), -EEXIST);
	for (size_t i = 0; i < ARRAY_SIZE(SIGNALS); i++) {
		assert_int_equal(kill(getpid(), SIGNALS[i]), 0);
		assert_int_equal(loop_run(fixture->loop), 0);
		assert_int_equal(fixture->signal_number, SIGNALS[i]);
	}
	/* Survives, with the right error. */
	close(fixture->pipes[0][0]);
	assert_int_equal(write(fixture->pipes[0][1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	fixture->pipes[0][0] = dup(0);
	loop_destroy(fixture->loop);
	fixture->loop = NULL;
	sigprocmask(SIG_BLOCK, NULL, &mask);
	assert_false(sigismember(&mask, SIGTERM));
}

static void let_through(int signal_number)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, signal_number);
	pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
}

/* As a library's may be. */
static void *run_open_thread(void *context)
{
	char byte;

	let_through(SIGTERM);
	let_through(SIGHUP);
	(void)raise(SIGHUP);
	return read(*(int *)context, &byte, 1) == 1 ? context : NULL;
}

static void assert_delivered(struct fixture *fixture, int signal_number)
{
	fixture->signal_number = 0;
	assert_int_equal(loop_run(fixture->loop), 0);
	assert_int_equal(fixture->signal_number, signal_number);
}

static void test_signals_that_are_not_blocked_everywhere(void **state)
{
	struct fixture *fixture = *state;
	pthread_t thread;

	assert_int_equal(loop_add_signals(fixture->loop, on_signal, fixture), 0);
	assert_int_equal(pthread_create(&thread, NULL, run_open_thread, &fixture->pipes[0][0]), 0);
	assert_delivered(fixture, SIGHUP);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(kill(getpid(), SIGTERM), 0);
		assert_delivered(fixture, SIGTERM);
	}
	make_readable(fixture, 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	for (int i = 0; i < 3; i++) {
		let_through(SIGINT);
		assert_int_equal(kill(getpid(), SIGINT), 0);
		assert_delivered(fixture, SIGINT);
	}
}

static void test_callback_error_ends_the_loop(void **state)
{
	struct fixture *fixture = *state;

	fixture->result = -EPROTO;
	assert_int_equal(
		loop_add_fd(fixture->loop, fixture->pipes[0][0], EPOLLIN, on_readable, fixture), 0);
	make_readable(fixture, 0);
	assert_int_equal(loop_run(fixture->loop), -EPROTO);
}

static void test_table_is_bounded(void **state)
{
	struct fixture *fixture = *state;
	struct loop_timer *timer;

	for (int i = 0; i < LOOP_SOURCES_MAX; i++)
		assert_int_equal(loop_add_timer(fixture->loop, on_timer, fixture, &timer), 0);
	assert_int_equal(loop_add_timer(fixture->loop, on_timer, fixture, &timer), -ENOSPC);
	loop_remove_timer(timer);
	assert_int_equal(
		loop_add_fd(fixture->loop, fixture->pipes[0][0], EPOLLIN, on_readable, fixture), 0);
	assert_int_equal(
		loop_add_fd(fixture->loop, fixture->pipes[1][0], EPOLLIN, on_readable, fixture),
		-ENOSPC);
}

static void test_regular_file_is_refused(void **state)
{
	struct fixture *fixture = *state;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(loop_add_fd(fixture->loop, fd, EPOLLIN, on_readable, fixture), -EPERM);
	close(fd);
}

#define LOOP_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(test_fd_is_called_and_modified),
		LOOP_TEST(test_removed_source_is_not_called),
		LOOP_TEST(test_stale_event_does_not_reach_a_new_source),
		LOOP_TEST(test_timer_fires_once_and_not_early),
		LOOP_TEST(test_timer_in_the_past_and_off),
		LOOP_TEST(test_signals_are_delivered),
		LOOP_TEST(test_signals_that_are_not_blocked_everywhere),
		LOOP_TEST(test_callback_error_ends_the_loop),
		LOOP_TEST(test_table_is_bounded),
		LOOP_TEST(test_regular_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
