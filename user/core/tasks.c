/* SPDX-License-Identifier: BSD-2-Clause */
#include "tasks.h"

#include <string.h>

#include "base/units.h"

static uint32_t find(const struct tasks *tasks, const char *id)
{
	uint32_t index = 0;

	while (index < tasks->count && strncmp(tasks->task[index].id, id, EVENT_TASK_ID_LEN) != 0)
		index++;
	return index;
}

/* The last one fills the gap. */
static void take_out(struct tasks *tasks, uint32_t index)
{
	tasks->count--;
	tasks->task[index] = tasks->task[tasks->count];
}

void tasks_begin(struct tasks *tasks, uint64_t now_ns, const char *id, uint32_t tier)
{
	uint32_t index = find(tasks, id);
	struct task *task = &tasks->task[index];

	if (index == TASKS_MAX) {
		tasks->overflowed++;
		return;
	}
	if (index == tasks->count)
		tasks->count++;
	memset(task, 0, sizeof(*task));
	memcpy(task->id, id, strnlen(id, EVENT_TASK_ID_LEN));
	task->tier = tier;
	task->began_ns = now_ns;
}

bool tasks_end(struct tasks *tasks, const char *id, struct task *ret_task)
{
	uint32_t index = find(tasks, id);

	if (index == tasks->count) {
		tasks->unknown++;
		return false;
	}
	*ret_task = tasks->task[index];
	take_out(tasks, index);
	return true;
}

void tasks_expire(struct tasks *tasks, uint64_t now_ns, uint64_t timeout_ns)
{
	for (uint32_t i = tasks->count; i-- > 0;) {
		if (units_minus(now_ns, tasks->task[i].began_ns) < timeout_ns)
			continue;
		tasks->expired++;
		take_out(tasks, i);
	}
}

void tasks_forget(struct tasks *tasks)
{
	tasks->forgotten += tasks->count;
	tasks->count = 0;
}

uint32_t tasks_count_on(const struct tasks *tasks, uint32_t tier)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < tasks->count; i++)
		count += tasks->task[i].tier == tier;
	return count;
}
