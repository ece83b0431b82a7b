/* SPDX-License-Identifier: BSD-2-Clause */
#include "task_window.h"

#include <string.h>

#include "base/units.h"

static uint64_t slice_ns(uint64_t length_ns)
{
	return units_max(length_ns / (TASK_SLICES - 1), 1);
}

static bool is_recent(const struct task_slice *slice, uint64_t newest)
{
	return slice->number + TASK_SLICES > newest;
}

void task_window_add(struct task_window *window, uint64_t now_ns, uint64_t length_ns,
		     const struct task_result *result)
{
	uint64_t number = now_ns / slice_ns(length_ns);
	struct task_slice *slice = &window->slices[number % TASK_SLICES];

	if (slice->number != number)
		memset(slice, 0, sizeof(*slice));
	slice->number = number;
	if (!window->is_used)
		window->since_ns = now_ns;
	window->is_used = true;
	if (slice->tasks == UINT32_MAX)
		return;
	slice->tasks++;
	slice->failed += !result->is_ok;
	if (!result->is_ok)
		return;
	latency_add(&slice->duration, result->duration_ms);
	if (result->has_first_token)
		latency_add(&slice->first_token, result->first_token_ms);
	if (result->tokens > 0) {
		slice->tokens += units_min(result->tokens, TASK_TOKENS_MAX);
		slice->token_ms += units_min(result->duration_ms, LATENCY_MAX_MS);
	}
}

void task_window_count(const struct task_window *window, uint64_t now_ns, uint64_t length_ns,
		       uint32_t *ret_tasks, uint32_t *ret_failed)
{
	uint64_t newest = now_ns / slice_ns(length_ns);
	uint64_t tasks = 0;
	uint64_t failed = 0;

	for (int i = 0; i < TASK_SLICES; i++) {
		const struct task_slice *slice = &window->slices[i];

		if (!is_recent(slice, newest))
			continue;
		tasks += slice->tasks;
		failed += slice->failed;
	}
	*ret_tasks = (uint32_t)units_min(tasks, UINT32_MAX);
	*ret_failed = (uint32_t)units_min(failed, UINT32_MAX);
}

static void fill_quantiles(const struct task_window *window, uint64_t newest,
			   struct task_figures *figures)
{
	struct latency duration = {0};
	struct latency first_token = {0};

	for (int i = 0; i < TASK_SLICES; i++) {
		if (!is_recent(&window->slices[i], newest))
			continue;
		latency_merge(&duration, &window->slices[i].duration);
		latency_merge(&first_token, &window->slices[i].first_token);
	}
	figures->p50_ms = latency_quantile_ms(&duration, 5000);
	figures->p95_ms = latency_quantile_ms(&duration, 9500);
	figures->p99_ms = latency_quantile_ms(&duration, 9900);
	figures->first_token_tasks = first_token.total;
	figures->first_token_p50_ms = latency_quantile_ms(&first_token, 5000);
	figures->first_token_p95_ms = latency_quantile_ms(&first_token, 9500);
	figures->first_token_p99_ms = latency_quantile_ms(&first_token, 9900);
}

void task_window_get(const struct task_window *window, uint64_t now_ns, uint64_t length_ns,
		     struct task_figures *ret_figures)
{
	uint64_t newest = now_ns / slice_ns(length_ns);
	uint64_t begin_ns = units_minus(newest, TASK_SLICES - 1) * slice_ns(length_ns);
	uint64_t token_ms = 0;

	memset(ret_figures, 0, sizeof(*ret_figures));
	task_window_count(window, now_ns, length_ns, &ret_figures->tasks, &ret_figures->failed);
	if (ret_figures->tasks == 0)
		return;
	for (int i = 0; i < TASK_SLICES; i++) {
		const struct task_slice *slice = &window->slices[i];

		if (!is_recent(slice, newest))
			continue;
		ret_figures->tokens += slice->tokens;
		token_ms += slice->token_ms;
	}
	ret_figures->failed_permyriad = units_permyriad(ret_figures->failed, ret_figures->tasks);
	/* A second at least: one task is no rate of thousands. */
	ret_figures->span_ns =
		units_max(units_minus(now_ns, units_max(begin_ns, window->since_ns)), NS_PER_S);
	ret_figures->tasks_per_h =
		units_scale(ret_figures->tasks, NS_PER_HOUR, ret_figures->span_ns);
	ret_figures->tokens_per_s_permille =
		units_scale(ret_figures->tokens, UINT64_C(1000) * 1000, token_ms);
	fill_quantiles(window, newest, ret_figures);
}
