/* SPDX-License-Identifier: BSD-2-Clause */
/* A pin through its time: how it ends, and what other commands, restarts and reloads make of it. */
#include "test_core_pin_fixture.h"

/* ---- its end -----------------------------------------------------------------------------------
 */

static void test_it_expires_with_nothing_else_happening(void **state)
{
	struct event event = {.kind = EVENT_TICK};
	uint64_t end_ns;

	(void)state;
	config.heartbeat_ns = 0;
	start("large");
	pin_for("large", SECONDS(60));
	end_ns = rig->now_ns + SECONDS(60);
	assert_int_equal(rig->out.wake_at_ns, end_ns);
	rig->now_ns = end_ns - 1;
	rig_step(rig, &event);
	assert_int_equal(rig->out.wake_at_ns, end_ns);
	assert_int_equal(pinned()->left_ns, 1);
	rig->now_ns = end_ns;
	rig_step(rig, &event);
	assert_non_null(rig_find(rig, 0, DECISION_STATE, REASON_PIN_EXPIRED));
	assert_false(pinned()->is_set);
	assert_int_equal(rig->out.wake_at_ns, UINT64_MAX);
}

static void test_unpin_gives_the_policy_back(void **state)
{
	(void)state;
	config.stabilization_ns = SECONDS(60);
	start("large");
	unpin(); /* of nothing */
	assert_int_equal(rig_count(rig, 0, DECISION_STATE, REASON_NONE), 0);
	pin("small");
	carry_out();
	rig_run(rig, SECONDS(100), NULL);
	unpin();
	assert_non_null(rig_find(rig, 0, DECISION_STATE, REASON_UNPINNED));
	/* Calm was counted all along. */
	rig_run(rig, SECONDS(2), NULL);
	assert_int_equal(switches(REASON_CALM), 1);
}

static void test_calm_is_counted_as_without_it(void **state)
{
	(void)state;
	start("large");
	rig_run(rig, SECONDS(100), NULL);
	uint64_t calm_ns = rig_status(rig)->last.calm_ns;

	pin("large");
	unpin();
	assert_int_equal(rig_status(rig)->last.calm_ns, calm_ns);
}

static void test_longest_time_does_not_wrap(void **state)
{
	(void)state;
	start("large");
	pin_for("large", UINT64_MAX - 1);
	rig_run(rig, SECONDS(10), NULL);
	assert_true(pinned()->is_set);
}

/* ---- beside other commands ---------------------------------------------------------------------
 */

static void test_manager_that_restarts_gets_it_again(void **state)
{
	(void)state;
	start("large");
	rig->others_bytes = 45 * GB; /* 85 % with large: over upgrade_below */
	pin("large");
	rig_run(rig, SECONDS(5), NULL);
	rig_hello(rig, "off");
	rig_run(rig, SECONDS(2), NULL);
	assert_string_equal(last_switch()->to, "large");
	assert_true(pinned()->is_set);
	/* Not the policy's to call off, although use with it is over upgrade_below. */
	assert_int_equal(rig_count(rig, 0, DECISION_CANCEL, REASON_NONE), 0);
	carry_out();
	assert_string_equal(rig_actual(rig), "large");
	rig->others_bytes = 10 * GB;
	pin("small");
	carry_out();
	rig_hello(rig, "large"); /* a manager that started with its own default */
	rig_run(rig, SECONDS(2), NULL);
	assert_string_equal(last_switch()->to, "small");
	rig_hello(rig, "large"); /* and again, while it drains */
	assert_string_equal(rig_wanted(rig), "small");
	carry_out();
	assert_string_equal(rig_actual(rig), "small");
}

static void test_pause_holds_it_and_resume_carries_it_out(void **state)
{
	(void)state;
	start("large");
	rig_command(rig, COMMAND_PAUSE, "", 0, ACK_DRAINING);
	pin_for("small", SECONDS(60));
	rig_run(rig, SECONDS(30), NULL);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_true(pinned()->is_waiting);
	rig_command(rig, COMMAND_RESUME, "", 0, ACK_DRAINING);
	assert_int_equal(switches(REASON_PINNED), 1);
	rig_command(rig, COMMAND_PAUSE, "", 0, ACK_DRAINING);
	rig_run(rig, SECONDS(31), NULL);
	assert_false(pinned()->is_set); /* its time runs on */
}

/* It fitted when it was asked for, and does not when it could be begun. */
static void test_pin_that_no_longer_fits_waits_until_it_does(void **state)
{
	(void)state;
	start("small");
	rig_command(rig, COMMAND_PAUSE, "", 0, ACK_DRAINING);
	pin("large");
	rig->others_bytes = 55 * GB;
	rig_run(rig, SECONDS(2), NULL);
	rig_command(rig, COMMAND_RESUME, "", 0, ACK_DRAINING);
	rig_run(rig, SECONDS(10), NULL);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_true(holds(REASON_PIN_DOES_NOT_FIT) > 0);
	assert_true(pinned()->is_waiting);
	rig->others_bytes = 30 * GB;
	rig_run(rig, SECONDS(2), NULL);
	assert_int_equal(switches(REASON_PINNED), 1);
}

static void test_pin_waits_for_warmup_and_for_a_switch_under_way(void **state)
{
	(void)state;
	rig = rig_new(&config, SECONDS(5));
	pin("small"); /* nothing is known yet */
	assert_true(pinned()->is_set);
	rig_hello(rig, "large");
	rig_sample(rig);
	rig_run(rig, SECONDS(8), NULL);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_true(pinned()->is_waiting);
	rig_run(rig, SECONDS(4), NULL);
	assert_int_equal(switches(REASON_PINNED), 1);
	rig_ack(rig, ACK_LOADING);
	pin("medium"); /* what is being loaded is loaded first */
	assert_int_equal(switches(REASON_PINNED), 1);
	rig_ack(rig, ACK_DONE);
	rig_run(rig, SECONDS(7), NULL);
	assert_string_equal(last_switch()->to, "medium");
}

static void test_first_tier_is_not_above_it(void **state)
{
	(void)state;
	rig = rig_new(&config, SECONDS(5));
	pin("small");
	rig_sample(rig);
	assert_string_equal(rig_wanted(rig), "small");
	assert_false(pinned()->is_waiting);
	rig_run(rig, SECONDS(30), NULL);
	assert_int_equal(switches(REASON_NONE), 0);
}

static void test_reload_keeps_it_by_name(void **state)
{
	(void)state;
	start("large");
	pin("large");
	rig->config.ladder.count = 6;
	rig->config.ladder.tiers[5] = rig->config.ladder.tiers[4];
	rig_set_tier(&rig->config, 4, "new", 30 * GB);
	rig_configure(rig);
	assert_int_equal(pinned()->tier, 5);
	rig->config.ladder.count = 4;
	rig_configure(rig);
	assert_false(pinned()->is_set);
	assert_non_null(rig_find(rig, 0, DECISION_STATE, REASON_UNPINNED));
	pin("small");
	rig->config.min_tier = 3;
	rig_configure(rig);
	assert_false(pinned()->is_set);
}

/* What the state file and a later recording keep of it. */
static void test_it_can_be_made_again(void **state)
{
	struct event event = {.kind = EVENT_COMMAND};
	struct event_command kept;

	(void)state;
	start("large");
	assert_false(engine_get_pin(rig->engine, rig->now_ns, &kept));
	pin_for("large", SECONDS(60));
	assert_true(engine_get_pin(rig->engine, rig->now_ns + SECONDS(20), &kept));
	assert_int_equal(kept.verb, COMMAND_PIN);
	assert_string_equal(kept.tier, "large");
	assert_int_equal(kept.for_ns, SECONDS(40));
	assert_true(kept.is_continued);
	assert_true(engine_get_pin(rig->engine, rig->now_ns + SECONDS(90), &kept));
	assert_int_equal(kept.for_ns, 1);
	pin("large");
	assert_true(engine_get_pin(rig->engine, rig->now_ns, &kept));
	assert_int_equal(kept.for_ns, 0);
	rig->others_bytes = 55 * GB;
	rig_run(rig, SECONDS(2), NULL);
	assert_true(pinned()->is_overridden);
	assert_true(engine_get_pin(rig->engine, rig->now_ns, &kept));
	/* Made again where it does not fit: not refused, not hurried. */
	unpin();
	event.command = kept;
	rig_step(rig, &event);
	assert_int_equal(rig->out.refusal.reason, REASON_NONE);
	assert_true(pinned()->is_overridden);
	assert_int_equal(switches(REASON_PINNED), 0);
	pin("small");
	assert_true(engine_get_pin(rig->engine, rig->now_ns, &kept));
}

static void test_policies_do_not_step_away(void **state)
{
	const struct rig_load loads[] = {
		{.model_stall_ns = MILLIS(200)},
		{.model_cpu_ns = MILLIS(100), .model_wait_ns = MILLIS(900)},
	};

	(void)state;
	for (uint32_t policy = 0; policy < POLICY_COUNT; policy++) {
		for (size_t i = 0; i < ARRAY_SIZE(loads); i++) {
			config = rig_config();
			config.policy = policy;
			start("large");
			pin("large");
			rig_run(rig, SECONDS(30), &loads[i]);
			assert_int_equal(switches(REASON_NONE), 0);
			assert_true(holds(REASON_PINNED) >= 1);
			unpin();
			rig_run(rig, SECONDS(30), &loads[i]);
			assert_int_equal(switches(REASON_NONE), 1);
			rig_free(rig);
			rig = NULL;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_it_expires_with_nothing_else_happening),
		TEST(test_unpin_gives_the_policy_back),
		TEST(test_calm_is_counted_as_without_it),
		TEST(test_longest_time_does_not_wrap),
		TEST(test_manager_that_restarts_gets_it_again),
		TEST(test_pause_holds_it_and_resume_carries_it_out),
		TEST(test_pin_that_no_longer_fits_waits_until_it_does),
		TEST(test_pin_waits_for_warmup_and_for_a_switch_under_way),
		TEST(test_first_tier_is_not_above_it),
		TEST(test_reload_keeps_it_by_name),
		TEST(test_it_can_be_made_again),
		TEST(test_policies_do_not_step_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
