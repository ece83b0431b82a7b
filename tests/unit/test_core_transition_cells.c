/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every cell of the switch machine's table of states x events: what it puts out and where it leads,
 * for one order from tier 4 to tier 3 and a manager that speaks. What a cell does not do is as much
 * part of the table as what it does.
 */
#include "test_core_rig.h"

#include "core/transition.h"

/* A state of the machine, as it is come to. */
enum place {
	PLACE_STEADY,     /* nothing was ordered yet */
	PLACE_CALLED_OFF, /* steady, after a drain was called off */
	PLACE_OWED,       /* steady, after the order failed */
	PLACE_DRAINING,
	PLACE_LOADING,
	PLACE_SETTLING,
	PLACE_COUNT,
};

struct cell {
	uint32_t line;
	uint32_t action;
	uint32_t state;
	uint32_t wanted;
	uint32_t actual;
};

static struct engine_config config;

static void step(struct transition *machine, enum transition_event event, uint32_t target,
		 struct transition_output *ret_output)
{
	const struct transition_input input = {
		.now_ns = event == TRANSITION_TIMEOUT ? machine->deadline_ns : SECONDS(100),
		.config = &config,
		.target = target,
		.reason = REASON_USE_OVER_UPGRADE,
		.is_tier_named = true,
	};

	transition_step(machine, event, &input, ret_output);
}

static struct transition go_to(enum place place)
{
	static const enum transition_event ways[PLACE_COUNT][3] = {
		[PLACE_CALLED_OFF] = {TRANSITION_ORDER_PLANNED, TRANSITION_CANCEL},
		[PLACE_OWED] = {TRANSITION_ORDER_PLANNED, TRANSITION_ACK_FAILED},
		[PLACE_DRAINING] = {TRANSITION_ORDER_PLANNED},
		[PLACE_LOADING] = {TRANSITION_ORDER_PLANNED, TRANSITION_ACK_LOADING},
		[PLACE_SETTLING] = {TRANSITION_ORDER_PLANNED, TRANSITION_ACK_LOADING,
				    TRANSITION_ACK_DONE},
	};
	static const int lengths[PLACE_COUNT] = {0, 2, 2, 1, 2, 3};
	struct transition_output out;
	struct transition machine;

	transition_init(&machine, 4, false);
	machine.has_manager = true;
	for (int i = 0; i < lengths[place]; i++)
		step(&machine, ways[place][i], 3, &out);
	return machine;
}

#define NO DECISION_ACTION_COUNT

/* Orders here are for tier 2; hello names tier 4. */
static const struct cell cells[PLACE_COUNT][TRANSITION_EVENT_COUNT] =
	{
		[PLACE_STEADY] =
			{
				[TRANSITION_ORDER_PLANNED] = {MANAGER_SWITCH, DECISION_SWITCH,
							      SWITCH_DRAINING, 2, 4},
				[TRANSITION_ORDER_IMMEDIATE] = {MANAGER_SWITCH, DECISION_SWITCH,
								SWITCH_LOADING, 2, 4},
				[TRANSITION_CANCEL] = {0, NO, SWITCH_STEADY, 4, 4},
				[TRANSITION_ACK_DRAINING] = {0, NO, SWITCH_STEADY, 4, 4},
				[TRANSITION_ACK_LOADING] = {0, NO, SWITCH_STEADY, 4, 4},
				[TRANSITION_ACK_DONE] = {0, NO, SWITCH_STEADY, 4, 4},
				[TRANSITION_ACK_FAILED] = {0, NO, SWITCH_STEADY, 4, 4},
				[TRANSITION_HELLO] = {0, NO, SWITCH_STEADY, 4, 4},
				[TRANSITION_TIMEOUT] = {0, NO, SWITCH_STEADY, 4, 4},
				[TRANSITION_RESUME] = {0, NO, SWITCH_STEADY, 4, 4},
			},
		[PLACE_CALLED_OFF] =
			{
				[TRANSITION_ORDER_PLANNED] = {MANAGER_SWITCH, DECISION_SWITCH,
							      SWITCH_DRAINING, 2, 4},
				[TRANSITION_ORDER_IMMEDIATE] = {MANAGER_SWITCH, DECISION_SWITCH,
								SWITCH_LOADING, 2, 4},
				[TRANSITION_CANCEL] = {0, NO, SWITCH_STEADY, 4, 4},
				[TRANSITION_ACK_DRAINING] = {0, NO, SWITCH_STEADY, 4, 4},
				[TRANSITION_ACK_LOADING] = {0, NO, SWITCH_LOADING, 3, 4},
				[TRANSITION_ACK_DONE] = {0, DECISION_DONE, SWITCH_SETTLING, 3, 3},
				[TRANSITION_ACK_FAILED] = {0, NO, SWITCH_STEADY, 4, 4},
				[TRANSITION_HELLO] = {0, NO, SWITCH_STEADY, 4, 4},
				[TRANSITION_TIMEOUT] = {0, NO, SWITCH_STEADY, 4, 4},
				[TRANSITION_RESUME] = {0, NO, SWITCH_STEADY, 4, 4},
			},
		[PLACE_OWED] =
			{
				[TRANSITION_ORDER_PLANNED] = {MANAGER_SWITCH, DECISION_SWITCH,
							      SWITCH_DRAINING, 2, 4},
				[TRANSITION_ORDER_IMMEDIATE] = {MANAGER_SWITCH, DECISION_SWITCH,
								SWITCH_LOADING, 2, 4},
				[TRANSITION_CANCEL] = {0, NO, SWITCH_STEADY, 3, 4},
				[TRANSITION_ACK_DRAINING] = {0, NO, SWITCH_STEADY, 3, 4},
				[TRANSITION_ACK_LOADING] = {0, NO, SWITCH_STEADY, 3, 4},
				[TRANSITION_ACK_DONE] = {0, NO, SWITCH_STEADY, 3, 4},
				[TRANSITION_ACK_FAILED] = {0, NO, SWITCH_STEADY, 3, 4},
				[TRANSITION_HELLO] = {0, NO, SWITCH_STEADY, 3, 4},
				[TRANSITION_TIMEOUT] = {MANAGER_SWITCH, DECISION_SWITCH,
							SWITCH_DRAINING, 3, 4},
				[TRANSITION_RESUME] = {0, NO, SWITCH_STEADY, 3, 4},
			},
		[PLACE_DRAINING] =
			{
				[TRANSITION_ORDER_PLANNED] = {0, NO, SWITCH_DRAINING, 3, 4},
				[TRANSITION_ORDER_IMMEDIATE] = {MANAGER_SWITCH, DECISION_SWITCH,
								SWITCH_LOADING, 2, 4},
				[TRANSITION_CANCEL] = {MANAGER_CANCEL, DECISION_CANCEL,
						       SWITCH_STEADY, 4, 4},
				[TRANSITION_ACK_DRAINING] = {0, NO, SWITCH_DRAINING, 3, 4},
				[TRANSITION_ACK_LOADING] = {0, NO, SWITCH_LOADING, 3, 4},
				[TRANSITION_ACK_DONE] = {0, DECISION_DONE, SWITCH_SETTLING, 3, 3},
				[TRANSITION_ACK_FAILED] = {0, DECISION_FAILED, SWITCH_STEADY, 3, 4},
				[TRANSITION_HELLO] = {MANAGER_SWITCH, NO, SWITCH_DRAINING, 3, 4},
				[TRANSITION_TIMEOUT] = {MANAGER_CANCEL, DECISION_CANCEL,
							SWITCH_STEADY, 4, 4},
				[TRANSITION_RESUME] = {MANAGER_SWITCH, DECISION_SWITCH,
						       SWITCH_DRAINING, 3, 4},
			},
		[PLACE_LOADING] =
			{
				[TRANSITION_ORDER_PLANNED] = {0, NO, SWITCH_LOADING, 3, 4},
				[TRANSITION_ORDER_IMMEDIATE] = {MANAGER_SWITCH, DECISION_SWITCH,
								SWITCH_LOADING, 2, 4},
				[TRANSITION_CANCEL] = {0, NO, SWITCH_LOADING, 3, 4},
				[TRANSITION_ACK_DRAINING] = {0, NO, SWITCH_LOADING, 3, 4},
				[TRANSITION_ACK_LOADING] = {0, NO, SWITCH_LOADING, 3, 4},
				[TRANSITION_ACK_DONE] = {0, DECISION_DONE, SWITCH_SETTLING, 3, 3},
				[TRANSITION_ACK_FAILED] = {0, DECISION_FAILED, SWITCH_STEADY, 3, 4},
				[TRANSITION_HELLO] = {MANAGER_SWITCH, NO, SWITCH_DRAINING, 3, 4},
				[TRANSITION_TIMEOUT] = {MANAGER_SWITCH, DECISION_FAILED,
							SWITCH_LOADING, 3, 4},
				[TRANSITION_RESUME] = {MANAGER_SWITCH, DECISION_SWITCH,
						       SWITCH_DRAINING, 3, 4},
			},
		[PLACE_SETTLING] =
			{
				[TRANSITION_ORDER_PLANNED] = {0, NO, SWITCH_SETTLING, 3, 3},
				[TRANSITION_ORDER_IMMEDIATE] = {MANAGER_SWITCH, DECISION_SWITCH,
								SWITCH_LOADING, 2, 3},
				[TRANSITION_CANCEL] = {0, NO, SWITCH_SETTLING, 3, 3},
				[TRANSITION_ACK_DRAINING] = {0, NO, SWITCH_SETTLING, 3, 3},
				[TRANSITION_ACK_LOADING] = {0, NO, SWITCH_SETTLING, 3, 3},
				[TRANSITION_ACK_DONE] = {0, NO, SWITCH_SETTLING, 3, 3},
				[TRANSITION_ACK_FAILED] = {0, NO, SWITCH_SETTLING, 3, 3},
				[TRANSITION_HELLO] = {0, NO, SWITCH_STEADY, 3, 4},
				[TRANSITION_TIMEOUT] = {0, NO, SWITCH_STEADY, 3, 3},
				[TRANSITION_RESUME] = {0, NO, SWITCH_SETTLING, 3, 3},
			},
};

static void test_every_cell(void **state)
{
	(void)state;
	for (int place = 0; place < PLACE_COUNT; place++) {
		for (int event = 0; event < TRANSITION_EVENT_COUNT; event++) {
			const struct cell *cell = &cells[place][event];
			uint32_t target = event == TRANSITION_HELLO ? 4 : 2;
			struct transition machine = go_to((enum place)place);
			struct transition_output out;

			step(&machine, (enum transition_event)event, target, &out);
			if (out.line != cell->line || out.action != cell->action ||
			    machine.state != cell->state || machine.wanted != cell->wanted ||
			    machine.actual != cell->actual)
				print_error("place %d event %d: {%u, %u, %u, %u, %u}\n", place,
					    event, out.line, out.action, machine.state,
					    machine.wanted, machine.actual);
			assert_int_equal(out.line, cell->line);
			assert_int_equal(out.action, cell->action);
			assert_int_equal(machine.state, cell->state);
			assert_int_equal(machine.wanted, cell->wanted);
			assert_int_equal(machine.actual, cell->actual);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cell),
	};

	config = rig_config();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
