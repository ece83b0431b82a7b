// SPDX-License-Identifier: BSD-2-Clause
/*
 * An agent that ends, orderly or not, and is started again: it goes on where it was, and a manager
 * converges. With a real agent, real pressure and real files.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector.h"
#include "restart.h"

static char text[RESTART_TEXT_LEN];

/* ---- killed ------------------------------------------------------------------------------------
 */

static void killed_while_stepped_down_it_keeps_tier_number_and_timers(void **state)
{
	(void)state;
	struct agent_line line;

	restart_open_scene(NULL);
	uint64_t seq = restart_step_down();

	test_sleep_ns(2 * NS_PER_S);
	json_int_t calm_ns = agent_status_number(&restart_scene.agent, "last", "calm_ns");

	assert_true(calm_ns >= (json_int_t)NS_PER_S);
	agent_kill(&restart_scene.agent);
	agent_restart(&restart_scene.agent, NULL);
	agent_need_match(&restart_scene.agent, "state ", "wanted=medium actual=medium phase=steady",
			 RESTART_LINE_NS, &line);
	assert_int_equal(restart_number_of(&line, "seq"), seq);
	restart_need_in_log("taken up as of");
	assert_true(agent_status_number(&restart_scene.agent, "last", "calm_ns") >= calm_ns);
	/* The next order has a number that no order had before. */
	scene_start_hog(&restart_scene, "hog", 115 * MIB);
	agent_need_match(&restart_scene.agent, "switch ", "from=medium to=small", RESTART_LINE_NS,
			 &line);
	assert_true(restart_number_of(&line, "seq") > seq);
	agent_stop(&restart_scene.agent, SIGTERM);
}

static void killed_while_draining_it_orders_again_with_the_rest_of_the_time(void **state)
{
	(void)state;
	struct agent_line line;
	pid_t hog;

	restart_open_scene(NULL);
	uint64_t seq = restart_press(&hog);

	restart_acknowledge(seq, "draining");
	restart_need_in_state_file("\"phase\":\"draining\"");
	test_sleep_ns(2 * NS_PER_S);
	agent_kill(&restart_scene.agent);
	agent_restart(&restart_scene.agent, NULL);
	agent_need_match(&restart_scene.agent, "switch ", "from=large to=medium mode=planned",
			 RESTART_LINE_NS, &line);
	uint64_t again = restart_number_of(&line, "seq");

	assert_true(again > seq);
	assert_in_range(restart_number_of(&line, "deadline_ms"), 1, 98 * 1000);
	restart_acknowledge(seq, "done"); /* of the order before: it counts no more */
	agent_need_match(&restart_scene.agent, "state ", "phase=draining", RESTART_LINE_NS, &line);
	restart_acknowledge(again, "loading");
	restart_acknowledge(again, "done");
	agent_need_match(&restart_scene.agent, "state ", "wanted=medium actual=medium",
			 RESTART_LINE_NS, &line);
	agent_stop(&restart_scene.agent, SIGTERM);
}

static void killed_while_loading_it_converges_with_a_manager_that_is_done(void **state)
{
	(void)state;
	struct agent_line line;
	pid_t hog;

	restart_open_scene(NULL);
	uint64_t seq = restart_press(&hog);

	restart_acknowledge(seq, "draining");
	restart_acknowledge(seq, "loading");
	restart_need_in_state_file("\"phase\":\"loading\"");
	agent_kill(&restart_scene.agent);
	agent_restart(&restart_scene.agent, NULL);
	agent_need_match(&restart_scene.agent, "switch ", "from=large to=medium", RESTART_LINE_NS,
			 &line);
	assert_true(restart_number_of(&line, "seq") > seq);
	agent_control(&restart_scene.agent, "hello tier=medium\n");
	agent_need_match(&restart_scene.agent, "state ", "wanted=medium actual=medium",
			 RESTART_LINE_NS, &line);
	agent_stop(&restart_scene.agent, SIGTERM);
}

/*
 * An order with a higher number than any before. The hog holds the reading end that it was forked
 * with, so that lines of an agent that was killed may still be in the pipe.
 */
static uint64_t need_new_order(uint64_t seq)
{
	uint64_t end_ns = test_now_ns() + RESTART_LINE_NS;
	struct agent_line line;

	while (test_now_ns() < end_ns) {
		agent_need_match(&restart_scene.agent, "switch ", "from=large to=medium",
				 RESTART_LINE_NS, &line);
		if (restart_number_of(&line, "seq") > seq)
			return restart_number_of(&line, "seq");
	}
	fail_msg("no order after %llu", (unsigned long long)seq);
	return 0;
}

/* Again and again, at any time: it always comes up, and numbers only grow. */
static void killed_at_any_time_it_comes_up_again(void **state)
{
	(void)state;
	struct agent_line line;
	pid_t hog;

	restart_open_scene(NULL);
	uint64_t seq = restart_press(&hog);

	for (unsigned int i = 0; i < 15; i++) {
		test_sleep_ns((i * 7919 % 400) * NS_PER_MS);
		agent_kill(&restart_scene.agent);
		agent_restart(&restart_scene.agent, NULL);
		seq = need_new_order(seq);
	}
	restart_acknowledge(seq, "done");
	agent_need_match(&restart_scene.agent, "state ", "wanted=medium actual=medium",
			 RESTART_LINE_NS, &line);
	assert_false(restart_file_exists(restart_scene.agent.state, ".bad"));
	agent_stop(&restart_scene.agent, SIGTERM);
}

/* ---- ended orderly -----------------------------------------------------------------------------
 */

static void after_an_orderly_end_numbers_go_on_and_replay_agrees(void **state)
{
	(void)state;
	char path[512], command[2048], record[256];
	const char *const extra[] = {"--record", record, NULL};
	struct agent_line line;

	restart_open_scene(NULL);
	uint64_t seq = restart_step_down();

	agent_stop(&restart_scene.agent, SIGTERM);
	restart_need_in_state_file("\"final\":true");
	assert_int_equal(unlink(restart_scene.agent.decisions), 0);
	snprintf(record, sizeof(record), "%s/trace", restart_scene.agent.dir);
	agent_restart(&restart_scene.agent, extra);
	agent_need_match(&restart_scene.agent, "state ", "wanted=medium actual=medium phase=steady",
			 RESTART_LINE_NS, &line);
	scene_start_hog(&restart_scene, "hog", 115 * MIB);
	agent_need_match(&restart_scene.agent, "switch ", "from=medium to=small", RESTART_LINE_NS,
			 &line);
	assert_int_equal(restart_number_of(&line, "seq"), seq + 1);
	agent_stop(&restart_scene.agent, SIGTERM);
	snprintf(command, sizeof(command), "%s replay %s | cmp - %s",
		 build_path("tierctl", path, sizeof(path)), record, restart_scene.agent.decisions);
	assert_int_equal(system(command), 0);
	assert_non_null(strstr(restart_read_file(restart_scene.agent.decisions),
			       "\"reason\":\"restored\""));
}

static void pause_outlives_the_agent(void **state)
{
	(void)state;
	struct agent_line line;

	restart_open_scene(NULL);
	assert_int_equal(agent_tierctl(&restart_scene.agent, "pause", text, sizeof(text)), 0);
	agent_stop(&restart_scene.agent, SIGTERM);
	agent_restart(&restart_scene.agent, NULL);
	agent_need_match(&restart_scene.agent, "state ", "paused=1", RESTART_LINE_NS, &line);
	restart_need_in_log("still paused, until `resume`");
	agent_stop(&restart_scene.agent, SIGTERM);
}

#define TEST(function) cmocka_unit_test_teardown(function, restart_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(killed_while_stepped_down_it_keeps_tier_number_and_timers),
		TEST(killed_while_draining_it_orders_again_with_the_rest_of_the_time),
		TEST(killed_while_loading_it_converges_with_a_manager_that_is_done),
		TEST(killed_at_any_time_it_comes_up_again),
		TEST(after_an_orderly_end_numbers_go_on_and_replay_agrees),
		TEST(pause_outlives_the_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
