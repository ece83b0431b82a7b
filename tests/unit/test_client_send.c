/* SPDX-License-Identifier: BSD-2-Clause */
/* What a manager says through the client library, and what the library costs. */
#include "client_rig.h"

#include <dirent.h>
#include <sys/epoll.h>
#include <sys/wait.h>

static void connect_rig(struct client_rig *rig)
{
	rig_make_run_dir(rig);
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
}

static void test_what_a_manager_says(void **state)
{
	struct client_rig *rig = *state;
	struct tierd_client *client = rig->client;

	connect_rig(rig);
	assert_int_equal(tierd_client_hello(client, "small", 42), 0);
	rig_need_said(rig, "hello tier=small pid=42 version=1\n");
	assert_int_equal(tierd_client_hello(client, NULL, 0), 0);
	rig_need_said(rig, "hello version=1\n");
	assert_int_equal(tierd_client_ack(client, UINT64_MAX, ACK_DRAINING), 0);
	rig_need_said(rig, "ack seq=18446744073709551615 state=draining\n");
	assert_int_equal(tierd_client_ack(client, 7, ACK_FAILED), 0);
	rig_need_said(rig, "ack seq=7 state=failed\n");
	assert_int_equal(tierd_client_task_begin(client, "a b", ""), 0);
	rig_need_said(rig, "task-begin id=a%20b\n");
	assert_int_equal(tierd_client_task_begin(client, "1", "large"), 0);
	rig_need_said(rig, "task-begin id=1 tier=large\n");
	const struct tierd_task good = {
		.id = "1", .tier = "t", .is_ok = true, .ms = 5, .tokens = 6, .ttft_ms = 7};

	assert_int_equal(tierd_client_task_end(client, &good), 0);
	rig_need_said(rig, "task-end id=1 ms=5 ok=1 tier=t tokens=6 ttft_ms=7\n");
	assert_int_equal(tierd_client_task_end(client, &(struct tierd_task){.id = "2"}), 0);
	rig_need_said(rig, "task-end id=2 ms=0 ok=0\n");
}

static void test_what_cannot_be_said(void **state)
{
	static const char LONG[] =
		"1234567890123456789012345678901234567890123456789012345678901234";
	struct client_rig *rig = *state;
	char byte;

	connect_rig(rig);
	assert_int_equal(tierd_client_hello(rig->client, LONG, 0), -EINVAL);
	assert_int_equal(tierd_client_hello(rig->client, "a\n", 0), -EINVAL);
	assert_int_equal(tierd_client_ack(rig->client, 1, 4), -EINVAL);
	assert_int_equal(tierd_client_task_begin(rig->client, "", NULL), -EINVAL);
	assert_int_equal(tierd_client_task_begin(rig->client, NULL, NULL), -EINVAL);
	assert_int_equal(tierd_client_task_begin(rig->client, LONG, NULL), -EINVAL);
	assert_int_equal(tierd_client_task_end(rig->client, &(struct tierd_task){.id = "\xff"}),
			 -EINVAL);
	assert_int_equal(read(rig->control_fd, &byte, 1), -1);
}

static void test_full_pipe_does_not_hold_up(void **state)
{
	static const char FILL[PROTOCOL_LINE_MAX] = "";
	struct client_rig *rig = *state;
	uint64_t begin_ns;

	connect_rig(rig);
	while (write(rig->control_fd, FILL, sizeof(FILL)) > 0)
		;
	begin_ns = client_now_ns();
	assert_int_equal(tierd_client_ack(rig->client, 1, ACK_DONE), -EAGAIN);
	assert_true(client_now_ns() - begin_ns < NS_PER_S);
	/* And is no reason to believe that the agent has gone. */
	assert_int_equal(rig_next_within(rig, 700), 0);
	assert_true(tierd_client_is_connected(rig->client));
	rig_say(rig, "cancel seq=1\n");
	rig_need_line(rig, "cancel seq=1");
}

static void test_idle_client_hardly_wakes(void **state)
{
	struct client_rig *rig = *state;
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};
	uint64_t begin_ns;
	unsigned int wakes = 0;

	/* As part of somebody's own loop. */
	assert_int_equal(
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, tierd_client_get_fd(rig->client), &event), 0);
	connect_rig(rig);
	begin_ns = client_now_ns();
	while (client_now_ns() - begin_ns < 2 * NS_PER_S) {
		wakes += epoll_wait(epoll_fd, &event, 1, 100) == 1;
		assert_int_equal(tierd_client_next(rig->client, &rig->event), 0);
	}
	assert_in_range(wakes, 2, 6);
	rig_say(rig, "cancel seq=1\n");
	assert_int_equal(epoll_wait(epoll_fd, &event, 1, RIG_WAIT_MS), 1);
	close(epoll_fd);
}

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void test_no_descriptor_is_left(void **state)
{
	struct client_rig *rig = *state;

	connect_rig(rig);
	tierd_client_close(rig->client);
	unsigned int before = count_fds();

	for (int i = 0; i < 20; i++) {
		assert_int_equal(tierd_client_open(rig->run_dir, &rig->client), 0);
		rig_need(rig, TIERD_CLIENT_CONNECTED);
		assert_int_equal(tierd_client_hello(rig->client, "a", 1), 0);
		tierd_client_close(rig->client);
	}
	rig->client = NULL;
	assert_int_equal(count_fds(), before);
}

/* A program that is started inherits nothing; a child that was only forked has everything open, and
 * must not make us hear of a FIFO that we have closed. */
static void test_children_do_not_matter(void **state)
{
	struct client_rig *rig = *state;
	int status;

	connect_rig(rig);
	pid_t child = fork();

	if (child == 0) {
		/* So that what it holds open of ours is at its end. */
		close(rig->control_fd);
		close(rig->manager_fd);
		pause();
		_exit(0);
	}
	close(rig->control_fd);
	close(rig->manager_fd);
	file_tree_unlink(&rig->tree, "run/" PROTOCOL_MANAGER_FIFO);
	file_tree_unlink(&rig->tree, "run/" PROTOCOL_CONTROL_FIFO);
	rig_need(rig, TIERD_CLIENT_DISCONNECTED);
	file_tree_unlink(&rig->tree, "run/" PROTOCOL_MANAGER_LOCK);
	file_tree_write(&rig->tree, "run/" PROTOCOL_MANAGER_LOCK, "");
	rig_start_agent(rig);
	rig_need(rig, TIERD_CLIENT_CONNECTED);
	rig_say(rig, "cancel seq=1\n");
	rig_need_line(rig, "cancel seq=1");
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(rig_next_within(rig, 700), 0);

	child = fork();
	if (child == 0) {
		execl("/bin/sh", "sh", "-c", "ls -l /proc/self/fd | grep -q fifo && exit 1; exit 0",
		      (char *)NULL);
		_exit(2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_results_have_words(void **state)
{
	static const int RESULTS[] = {-ENXIO,  -ENOENT, -EACCES, -EBUSY, -ETIMEDOUT,
				      -EAGAIN, -EPIPE,  -EPROTO, -EINVAL};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(RESULTS); i++)
		assert_string_not_equal(tierd_explain(RESULTS[i]), strerror(-RESULTS[i]));
	assert_string_equal(tierd_explain(-EMFILE), strerror(EMFILE));
}

#define RIG(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG(test_what_a_manager_says),        RIG(test_what_cannot_be_said),
		RIG(test_full_pipe_does_not_hold_up), RIG(test_idle_client_hardly_wakes),
		RIG(test_no_descriptor_is_left),      RIG(test_children_do_not_matter),
		RIG(test_results_have_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
