/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tasks were like over a sliding time: constant memory, a handful of slices.
 *
 * The time asked for is cut into slices; what is forgotten is forgotten a slice at a time, so that
 * figures are of the time asked for and up to one slice more. Times count from any fixed point and
 * never go backwards; a slice length must not change while there is anything in the window. An
 * empty window is all zeros.
 */
#ifndef TIERD_CORE_TASK_WINDOW_H
#define TIERD_CORE_TASK_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "latency.h"

enum {
	TASK_SLICES = 6, /* the whole time, in five, and the slice that is being filled */
	TASK_TOKENS_MAX = 1000000000,
};

/* One task that has ended. */
struct task_result {
	bool is_ok;
	bool has_first_token;
	uint64_t duration_ms; /* this and the next: LATENCY_MAX_MS and more are one value */
	uint64_t first_token_ms;
	uint64_t tokens; /* 0 = not said; at most TASK_TOKENS_MAX are counted */
};

struct task_slice {
	uint64_t number; /* counted from time 0 */
	uint32_t tasks;
	uint32_t failed;
	uint64_t tokens;
	uint64_t token_ms;          /* time of the tasks that said how many tokens they made */
	struct latency duration;    /* of the tasks that did not fail */
	struct latency first_token; /* of those that said so and did not fail */
};

struct task_window {
	bool is_used;
	uint64_t since_ns; /* of the first task since it was empty */
	struct task_slice slices[TASK_SLICES];
};

/* The figures of a window; quantiles as in latency.h. */
struct task_figures {
	uint32_t tasks;
	uint32_t failed;
	uint32_t failed_permyriad;
	uint64_t span_ns; /* that they are of: shorter than asked for where tasks began later */
	uint64_t tasks_per_h;
	uint64_t tokens;
	uint64_t tokens_per_s_permille; /* of one task: without what ran beside it */
	uint64_t p50_ms;
	uint64_t p95_ms;
	uint64_t p99_ms;
	uint32_t first_token_tasks;
	uint64_t first_token_p50_ms;
	uint64_t first_token_p95_ms;
	uint64_t first_token_p99_ms;
};

void task_window_add(struct task_window *window, uint64_t now_ns, uint64_t length_ns,
		     const struct task_result *result);

/* Counts alone: cheaper than all figures. */
void task_window_count(const struct task_window *window, uint64_t now_ns, uint64_t length_ns,
		       uint32_t *ret_tasks, uint32_t *ret_failed);

void task_window_get(const struct task_window *window, uint64_t now_ns, uint64_t length_ns,
		     struct task_figures *ret_figures);

#endif
