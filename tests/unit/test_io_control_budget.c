/* SPDX-License-Identifier: BSD-2-Clause */
/* What a flood of lines may cost, and that no class of lines starves another. */
#include "control_fifo_fixture.h"

/* ---- budgets; in invented time, so that no credit comes in while it stands still ---- */

static const struct {
	const char *line;
	enum protocol_class class;
} CLASS_LINES[] = {
	{"garbage\n", PROTOCOL_CLASS_BAD},
	{"ack seq=x state=done\n", PROTOCOL_CLASS_BAD}, /* of no class that it names */
	{"hello\n", PROTOCOL_CLASS_SWITCH},
	{"ack seq=1 state=done\n", PROTOCOL_CLASS_SWITCH},
	{"task-begin id=1\n", PROTOCOL_CLASS_TASK},
	{"task-end id=1 ms=1 ok=1\n", PROTOCOL_CLASS_TASK},
	{"pause\n", PROTOCOL_CLASS_COMMAND},
	{"resume\n", PROTOCOL_CLASS_COMMAND},
	{"reload\n", PROTOCOL_CLASS_COMMAND},
	{"record name=a\n", PROTOCOL_CLASS_COMMAND},
	{"record-stop\n", PROTOCOL_CLASS_COMMAND},
	{"status reply=a\n", PROTOCOL_CLASS_QUESTION},
	{"preflight tier=a reply=a\n", PROTOCOL_CLASS_QUESTION},
};

static void read_all(const struct fixture *fixture, uint64_t now_ns)
{
	uint64_t before;

	do {
		before = counters(fixture)->lines + counters(fixture)->bad +
			 counters(fixture)->rate_limited;
		assert_int_equal(control_fifo_read(fixture->fifo, now_ns), 0);
	} while (before != counters(fixture)->lines + counters(fixture)->bad +
				   counters(fixture)->rate_limited);
}

/* How many of count equal lines get through at that moment. */
static uint64_t count_taken(const struct fixture *fixture, const char *line, unsigned int count,
			    uint64_t now_ns)
{
	uint64_t taken = counters(fixture)->lines + counters(fixture)->bad;

	for (unsigned int i = 0; i < count; i++)
		write_text(fixture, line);
	read_all(fixture, now_ns);
	return counters(fixture)->lines + counters(fixture)->bad - taken;
}

/* Each class has its own: when one is used up, all others still get all of theirs. */
static void test_no_class_starves_another(void **state)
{
	struct fixture *fixture = *state;
	uint64_t now_ns = loop_now_ns() + NS_PER_S;

	for (size_t i = 0; i < ARRAY_SIZE(CLASS_LINES); i++) {
		const struct control_budget *budget = &CONTROL_BUDGETS[CLASS_LINES[i].class];

		now_ns += 10 * NS_PER_S;
		assert_int_equal(
			count_taken(fixture, CLASS_LINES[i].line, budget->burst + 50, now_ns),
			budget->burst);
		for (size_t j = 0; j < ARRAY_SIZE(CLASS_LINES); j++)
			assert_int_equal(count_taken(fixture, CLASS_LINES[j].line, 1, now_ns),
					 CLASS_LINES[j].class != CLASS_LINES[i].class);
	}
	assert_true(counters(fixture)->rate_limited >= 50 * ARRAY_SIZE(CLASS_LINES));
}

static void test_budgets_come_back(void **state)
{
	struct fixture *fixture = *state;
	const struct control_budget *budget = &CONTROL_BUDGETS[PROTOCOL_CLASS_COMMAND];
	uint64_t now_ns = loop_now_ns() + NS_PER_S;

	assert_int_equal(count_taken(fixture, "pause\n", 500, now_ns), budget->burst);
	now_ns += 10 * NS_PER_S / budget->lines_per_s;
	assert_int_equal(count_taken(fixture, "pause\n", 20, now_ns), 10);
	/* Time that goes backwards gives no credit and takes none. */
	assert_int_equal(count_taken(fixture, "pause\n", 1, 0), 0);
	assert_int_equal(count_taken(fixture, "pause\n", 1, now_ns), 0);
	now_ns += NS_PER_S / budget->lines_per_s;
	assert_int_equal(count_taken(fixture, "pause\n", 2, now_ns), 1);
}

/* Every verb's class is one with a budget. */
static void test_every_verb_has_a_class(void **state)
{
	(void)state;
	for (size_t i = 0; i < PROTOCOL_CONTROL.count; i++)
		assert_in_range(PROTOCOL_CONTROL.verbs[i].class, PROTOCOL_CLASS_BAD + 1,
				PROTOCOL_CLASS_COUNT - 1);
}

/* ---- floods ---- */

struct flood {
	struct fixture *fixture;
	struct loop_timer *timer;
	uint64_t end_ns;
	uint64_t written;
};

static int on_tick(void *context, uint64_t now_ns)
{
	struct flood *flood = context;
	char text[512];
	ssize_t count;

	for (size_t i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "x\n", 2);
	while ((count = write(flood->fixture->writer, text, sizeof(text))) > 0)
		flood->written += (uint64_t)count;
	if (now_ns >= flood->end_ns)
		loop_stop(flood->fixture->loop, 0);
	return loop_timer_set(flood->timer, now_ns + NS_PER_MS);
}

/* The pipe is full all the time: a timer still fires, no more is read than may be, and no line is
 * lost uncounted. */
static void test_flood_is_bounded(void **state)
{
	struct flood flood = {.fixture = *state};
	uint64_t begin_ns = loop_now_ns();

	flood.end_ns = begin_ns + NS_PER_S;
	assert_int_equal(loop_add_timer(flood.fixture->loop, on_tick, &flood, &flood.timer), 0);
	assert_int_equal(loop_timer_set(flood.timer, 1), 0);
	assert_int_equal(loop_run(flood.fixture->loop), 0);

	const struct control_fifo_counters *counted = counters(flood.fixture);
	uint64_t passed_ns = loop_now_ns() - begin_ns;
	uint64_t handled = 2 * (counted->bad + counted->rate_limited); /* bytes */

	assert_true(counted->pauses > 0);
	assert_true(handled <= CONTROL_BYTES_BURST +
				       units_scale(passed_ns, CONTROL_BYTES_PER_S, NS_PER_S) +
				       PROTOCOL_LINE_MAX);
	assert_true(handled >= CONTROL_BYTES_BURST);
	assert_true(flood.written - handled <= CONTROL_BYTES_BURST); /* what is in the pipe */
	loop_remove_timer(flood.timer);
	/* When the flood has ended, the rest is read, and then what is honest. */
	write_pending(flood.fixture, "pause\n");
	settle_until(flood.fixture, 1);
	assert_int_equal(flood.fixture->last.verb, CONTROL_PAUSE);
	assert_true(2 * (counted->bad + counted->rate_limited) == flood.written);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIFO_TEST(test_no_class_starves_another),
		FIFO_TEST(test_budgets_come_back),
		cmocka_unit_test(test_every_verb_has_a_class),
		FIFO_TEST(test_flood_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
