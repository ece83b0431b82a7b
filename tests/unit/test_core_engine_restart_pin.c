/* SPDX-License-Identifier: BSD-2-Clause */
/* A pin over a restart of the agent. */
#include "test_core_rig_pin.h"

#include "test_core_restart_fixture.h"

static const struct decision_pin *pinned(void)
{
	return &rig_status(rig)->last.pin;
}

/* medium would be too little for the policy, and is what is asked for. */
static void pin_medium(uint64_t for_ns)
{
	start("large");
	rig_pin(rig, "medium", for_ns);
	rig_ack(rig, ACK_DONE);
	rig_run(rig, SECONDS(8), NULL);
	assert_string_equal(rig_actual(rig), "medium");
	assert_int_equal(rig_status(rig)->switch_state, SWITCH_STEADY);
}

static void run_calm(void)
{
	rig_run(rig, 2 * config.stabilization_ns, NULL);
}

static void test_it_holds_after_a_restart(void **state)
{
	uint32_t since;

	(void)state;
	pin_medium(0);
	restart(SECONDS(1), "medium");
	run_calm();
	assert_true(pinned()->is_set);
	assert_string_equal(rig_wanted(rig), "medium");
	since = rig->decision_count;
	rig_command(rig, COMMAND_UNPIN, "", 0, ACK_DRAINING);
	run_calm();
	assert_non_null(rig_find(rig, since, DECISION_SWITCH, REASON_CALM));
}

static void test_its_end_stays_where_it_was(void **state)
{
	uint64_t end_ns;

	(void)state;
	pin_medium(SECONDS(1000));
	end_ns = rig->now_ns + pinned()->left_ns;
	restart(SECONDS(1), "medium");
	assert_true(pinned()->is_set);
	rig_run(rig, end_ns - rig->now_ns - SECONDS(1), NULL);
	assert_true(pinned()->is_set);
	rig_run(rig, SECONDS(2), NULL);
	assert_false(pinned()->is_set);
}

static void test_it_ends_while_nobody_runs(void **state)
{
	(void)state;
	pin_medium(SECONDS(60));
	restart(SECONDS(100), "medium");
	rig_run(rig, SECONDS(1), NULL);
	assert_false(pinned()->is_set);
	assert_non_null(rig_find(rig, 0, DECISION_STATE, REASON_PIN_EXPIRED));
}

static void test_an_overridden_one_stays_so(void **state)
{
	(void)state;
	start("large");
	rig_pin(rig, "large", 0);
	rig->others_bytes = 70 * GB;
	rig_run(rig, SECONDS(2), NULL);
	rig_ack(rig, ACK_DONE);
	rig_run(rig, SECONDS(8), NULL);
	assert_true(pinned()->is_overridden);
	assert_int_equal(pinned()->reason, REASON_USE_OVER_DEGRADE);
	restart(SECONDS(1), rig_actual(rig));
	assert_true(pinned()->is_overridden);
	assert_int_equal(pinned()->reason, REASON_USE_OVER_DEGRADE);
}

/* Killed between the command and the first order, which then is given by the next agent. */
static void test_one_that_is_due_is_carried_out(void **state)
{
	(void)state;
	start("large");
	keep(false);
	strcpy(kept.pin, "medium");
	kept.is_pin_due = true;
	start_again(SECONDS(1));
	sample_loaded("large");
	rig_run(rig, SECONDS(15), NULL);
	assert_string_equal(rig_wanted(rig), "medium");
}

static void test_of_another_boot_only_one_for_good_counts(void **state)
{
	(void)state;
	pin_medium(0);
	keep(true);
	kept.is_same_boot = false;
	start_again(SECONDS(1));
	sample_loaded("medium");
	assert_true(pinned()->is_set);
	kept.pin_until_ns = rig->now_ns + SECONDS(1000);
	start_again(SECONDS(1));
	sample_loaded("medium");
	assert_false(pinned()->is_set);
}

static void test_a_tier_that_is_gone_is_not_pinned(void **state)
{
	(void)state;
	pin_medium(0);
	keep(true);
	strcpy(kept.pin, "gone");
	start_again(SECONDS(1));
	sample_loaded("medium");
	assert_false(pinned()->is_set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_it_holds_after_a_restart),
		TEST(test_its_end_stays_where_it_was),
		TEST(test_it_ends_while_nobody_runs),
		TEST(test_an_overridden_one_stays_so),
		TEST(test_one_that_is_due_is_carried_out),
		TEST(test_of_another_boot_only_one_for_good_counts),
		TEST(test_a_tier_that_is_gone_is_not_pinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
