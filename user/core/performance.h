/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the manager tells of its tasks, per tier, and what follows from it for steps.
 *
 *   judged   the last performance_window of the tier that serves, since it began to: what a tier is
 *            stepped away from for. Neither its loading nor its settling counts, nor what ends on
 *            a tier that has been left: a switch may have cut that off.
 *   hour     the last hour: for people, and to say how fast another tier would be
 *   breaker  a tier that did badly rests before it may be stepped up to again, once, and longer
 *            each time
 *
 * A tier does badly that fails too many of its tasks; or that misses its latency target (the 95th
 * percentile of the tasks that did not fail) while a lower tier would meet it. How fast a lower
 * tier would be is what it was in the last hour; where that is not known, it is taken to be in
 * proportion to the memory that it takes, all of which is read for each token.
 *
 * Nothing here is ever a reason to step up, or to go to `off`.
 */
#ifndef TIERD_CORE_PERFORMANCE_H
#define TIERD_CORE_PERFORMANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "actions.h"
#include "breaker.h"
#include "config.h"
#include "ladder.h"
#include "task_window.h"
#include "tasks.h"

struct performance_tier {
	struct task_window judged;
	struct task_window hour;
	struct breaker breaker;
};

struct performance {
	bool is_serving_known;
	uint32_t serving;
	struct tasks tasks;
	struct performance_tier tiers[LADDER_TIERS_MAX];
};

/* The situation as far as it matters here. */
struct performance_input {
	uint64_t now_ns;
	const struct engine_config *config;
	const struct resources *resources;
	uint32_t serving;
	bool is_settled; /* it is neither being loaded nor settling */
};

struct performance_advice {
	uint32_t tier; /* that was serving: advice for another is worth nothing */
	/* REASON_TIER_FAILING, REASON_TIER_SLOW, or REASON_NONE: it does well, or it is not known.
	 */
	uint32_t reason;
	uint32_t target;  /* to go to; tier itself where none is better */
	uint32_t resting; /* a bit for each tier that is not to be stepped up to */
	struct decision_performance numbers;
};

/* What has been seen of tiers stays true only while the ladder is the same. */
void performance_reconfigure(struct performance *performance, const struct engine_config *before,
			     const struct engine_config *config);

/* Lets time pass: rests end, tasks expire; a tier that begins to serve is judged anew. */
void performance_advance(struct performance *performance, const struct performance_input *input);

void performance_begin_task(struct performance *performance, const struct performance_input *input,
			    const char *id, uint32_t tier);

/*
 * A task has ended. It ran on the tier that it began on; where no beginning is known on tier, which
 * may be out of range: then on the one that serves.
 */
void performance_end_task(struct performance *performance, const struct performance_input *input,
			  const char *id, uint32_t tier, const struct task_result *result);

void performance_advise(const struct performance *performance,
			const struct performance_input *input,
			struct performance_advice *ret_advice);

/* Figures of the last hour of one tier. */
void performance_get_hour(const struct performance *performance, uint64_t now_ns, uint32_t tier,
			  struct task_figures *ret_figures);

#endif
