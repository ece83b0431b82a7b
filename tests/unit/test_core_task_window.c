/* SPDX-License-Identifier: BSD-2-Clause */
/* Figures of the tasks of a sliding time, and the table of tasks that run. */
#include "core/task_window.h"
#include "core/tasks.h"

#include "test_core_rig.h"

#define LENGTH_NS SECONDS(300)

static struct task_window window;
static struct task_figures figures;
static struct tasks tasks;

static int set_up(void **state)
{
	(void)state;
	memset(&window, 0, sizeof(window));
	memset(&tasks, 0, sizeof(tasks));
	return 0;
}

static void end_task(uint64_t now_s, bool is_ok, uint64_t ms)
{
	const struct task_result result = {.is_ok = is_ok, .duration_ms = ms};

	task_window_add(&window, SECONDS(now_s), LENGTH_NS, &result);
}

static void get(uint64_t now_s)
{
	task_window_get(&window, SECONDS(now_s), LENGTH_NS, &figures);
}

/* ---- the window --------------------------------------------------------------------------------
 */

static void test_empty_is_all_zeros(void **state)
{
	static const struct task_figures none;

	(void)state;
	get(1000);
	assert_memory_equal(&figures, &none, sizeof(none));
}

static void test_counts_and_quantiles(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 20; i++)
		end_task(1000 + i, i % 4 != 0, i);
	get(1020);
	assert_int_equal(figures.tasks, 20);
	assert_int_equal(figures.failed, 5);
	assert_int_equal(figures.failed_permyriad, 2500);
	/* Of 1 2 3 5 6 7 9 10 11 13 14 15 17 18 19: what failed does not count. */
	assert_int_equal(figures.p50_ms, 10);
	assert_int_equal(figures.p95_ms, 19);
	assert_int_equal(figures.span_ns, SECONDS(19));
	assert_int_equal(figures.tasks_per_h, 20 * 3600 / 19);
}

/* Nothing is forgotten before its time, and everything a fifth of the time later. */
static void test_tasks_are_forgotten_in_time(void **state)
{
	(void)state;
	for (uint64_t begin_s = 5000; begin_s < 5070; begin_s += 7) {
		memset(&window, 0, sizeof(window));
		end_task(begin_s, true, 100);
		get(begin_s + 299);
		assert_int_equal(figures.tasks, 1);
		get(begin_s + 360);
		assert_int_equal(figures.tasks, 0);
	}
}

static void test_old_slices_are_used_again(void **state)
{
	(void)state;
	for (uint64_t s = 0; s < 100000; s += 10) {
		end_task(s, s % 20 == 0, 50);
		get(s);
		assert_in_range(figures.tasks, s < 300 ? s / 10 + 1 : 30, 37);
	}
	assert_in_range(figures.failed_permyriad, 4700, 5300);
	assert_in_range(figures.tasks_per_h, 350, 380);
}

static void test_tokens_and_first_token(void **state)
{
	struct task_result result = {.is_ok = true, .duration_ms = 2000, .tokens = 100};

	(void)state;
	task_window_add(&window, SECONDS(10), LENGTH_NS, &result);
	result.has_first_token = true;
	result.first_token_ms = 30;
	task_window_add(&window, SECONDS(11), LENGTH_NS, &result);
	result.tokens = 0; /* not said: its time is not counted either */
	task_window_add(&window, SECONDS(12), LENGTH_NS, &result);
	get(20);
	assert_int_equal(figures.tokens, 200);
	assert_int_equal(figures.tokens_per_s_permille, 50000);
	assert_int_equal(figures.first_token_tasks, 2);
	assert_int_equal(figures.first_token_p50_ms, 30);
	assert_int_equal(figures.first_token_p95_ms, 30);
}

static void test_huge_values_do_not_wrap(void **state)
{
	const struct task_result result = {
		.is_ok = true, .duration_ms = UINT64_MAX, .tokens = UINT64_MAX};

	(void)state;
	task_window_add(&window, 0, LENGTH_NS, &result);
	task_window_add(&window, 0, LENGTH_NS, &result);
	get(0);
	assert_int_equal(figures.tokens, 2 * (uint64_t)TASK_TOKENS_MAX);
	assert_int_equal(figures.tokens_per_s_permille,
			 TASK_TOKENS_MAX * UINT64_C(1000000) / LATENCY_MAX_MS);
	assert_int_equal(figures.tasks_per_h, 7200);
}

/* ---- tasks that run ----------------------------------------------------------------------------
 */

static void begin(uint64_t now_s, const char *id, uint32_t tier)
{
	tasks_begin(&tasks, SECONDS(now_s), id, tier);
}

static void test_task_ends_where_it_began(void **state)
{
	struct task task = {0};

	(void)state;
	begin(1, "a", 2);
	begin(2, "b", 3);
	assert_int_equal(tasks_count_on(&tasks, 2), 1);
	assert_true(tasks_end(&tasks, "a", &task));
	assert_int_equal(task.tier, 2);
	assert_true(task.began_ns == SECONDS(1));
	assert_int_equal(tasks.count, 1);
	assert_false(tasks_end(&tasks, "a", &task));
	assert_int_equal(tasks.unknown, 1);
	assert_true(tasks_end(&tasks, "b", &task));
	assert_int_equal(tasks.count, 0);
}

static void test_same_id_begins_anew(void **state)
{
	struct task task;

	(void)state;
	begin(1, "a", 2);
	begin(5, "a", 3);
	assert_int_equal(tasks.count, 1);
	assert_true(tasks_end(&tasks, "a", &task));
	assert_int_equal(task.tier, 3);
	assert_true(task.began_ns == SECONDS(5));
}

static void test_long_ids_are_told_apart(void **state)
{
	char id[EVENT_TASK_ID_LEN] = {0};
	char other[EVENT_TASK_ID_LEN] = {0};
	struct task task;

	(void)state;
	memset(id, 'x', sizeof(id) - 1);
	memset(other, 'x', sizeof(other) - 1);
	other[sizeof(other) - 2] = 'y';
	begin(1, id, 1);
	begin(1, other, 2);
	assert_int_equal(tasks.count, 2);
	assert_true(tasks_end(&tasks, other, &task));
	assert_int_equal(task.tier, 2);
}

static void test_what_does_not_fit_is_counted(void **state)
{
	struct task task;
	char id[16];

	(void)state;
	for (int i = 0; i < TASKS_MAX + 10; i++) {
		snprintf(id, sizeof(id), "t%d", i);
		begin(1, id, 1);
	}
	assert_int_equal(tasks.count, TASKS_MAX);
	assert_int_equal(tasks.overflowed, 10);
	begin(9, "t0", 4); /* is there already */
	assert_int_equal(tasks.overflowed, 10);
	assert_false(tasks_end(&tasks, id, &task));
	for (int i = 0; i < TASKS_MAX; i++) {
		snprintf(id, sizeof(id), "t%d", i);
		assert_true(tasks_end(&tasks, id, &task));
	}
	assert_int_equal(tasks.count, 0);
}

static void test_tasks_expire(void **state)
{
	struct task task;

	(void)state;
	begin(10, "a", 1);
	begin(20, "b", 1);
	begin(30, "c", 1);
	tasks_expire(&tasks, SECONDS(79), SECONDS(60));
	assert_int_equal(tasks.count, 2);
	tasks_expire(&tasks, SECONDS(80), SECONDS(60));
	assert_int_equal(tasks.count, 1);
	assert_int_equal(tasks.expired, 2);
	assert_true(tasks_end(&tasks, "c", &task));
}

static void test_hello_forgets_tasks(void **state)
{
	(void)state;
	begin(10, "a", 1);
	begin(20, "b", 1);
	tasks_forget(&tasks);
	assert_int_equal(tasks.count, 0);
	assert_int_equal(tasks.forgotten, 2);
}

int main(void)
{
	const struct CMUnitTest tests_of_all[] = {
		cmocka_unit_test_setup(test_empty_is_all_zeros, set_up),
		cmocka_unit_test_setup(test_counts_and_quantiles, set_up),
		cmocka_unit_test_setup(test_tasks_are_forgotten_in_time, set_up),
		cmocka_unit_test_setup(test_old_slices_are_used_again, set_up),
		cmocka_unit_test_setup(test_tokens_and_first_token, set_up),
		cmocka_unit_test_setup(test_huge_values_do_not_wrap, set_up),
		cmocka_unit_test_setup(test_task_ends_where_it_began, set_up),
		cmocka_unit_test_setup(test_same_id_begins_anew, set_up),
		cmocka_unit_test_setup(test_long_ids_are_told_apart, set_up),
		cmocka_unit_test_setup(test_what_does_not_fit_is_counted, set_up),
		cmocka_unit_test_setup(test_tasks_expire, set_up),
		cmocka_unit_test_setup(test_hello_forgets_tasks, set_up),
	};

	return cmocka_run_group_tests(tests_of_all, NULL, NULL);
}
