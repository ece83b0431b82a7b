/* SPDX-License-Identifier: BSD-2-Clause */
#include "performance.h"

#include <string.h>

#include "base/units.h"

/* ---- which tier would be better ----------------------------------------------------------------
 */

/* All that is read for one token, wherever it is. */
static uint64_t weight_bytes(const struct tier *tier)
{
	uint64_t bytes = tier->memory_bytes;

	for (int gpu = 0; gpu < LADDER_GPUS_MAX; gpu++)
		bytes = units_plus(bytes, tier->vram_bytes[gpu]);
	return bytes;
}

static bool is_resting(const struct performance *performance, uint32_t tier)
{
	return performance->tiers[tier].breaker.state == BREAKER_OPEN;
}

/* Under the band, or at least no worse than it is now. */
static bool does_fit(const struct performance_input *in, uint32_t tier)
{
	const struct engine_config *c = in->config;
	uint32_t use = ladder_worst_permyriad(&c->ladder.tiers[tier], in->resources, LADDER_NOW);
	uint32_t now =
		ladder_worst_permyriad(&c->ladder.tiers[in->serving], in->resources, LADDER_NOW);

	return use < c->upgrade_below_permyriad || use <= now;
}

/* What p95_ms of the tier that serves would be on another one. */
static uint64_t expect_p95_ms(const struct performance *performance,
			      const struct performance_input *in, uint32_t tier, uint64_t p95_ms,
			      bool *ret_is_estimated)
{
	const struct tier *tiers = in->config->ladder.tiers;
	struct task_figures figures;

	performance_get_hour(performance, in->now_ns, tier, &figures);
	*ret_is_estimated = figures.tasks - figures.failed < in->config->performance_tasks_min;
	if (!*ret_is_estimated)
		return figures.p95_ms;
	return units_scale(p95_ms, weight_bytes(&tiers[tier]), weight_bytes(&tiers[in->serving]));
}

/* Meets the target that is missed now, and its own, so that it is not left next. */
static bool does_meet(const struct engine_config *c, uint32_t serving, uint32_t tier,
		      uint64_t p95_ms)
{
	uint32_t own_ms = c->ladder.tiers[tier].slo_ms;

	return p95_ms <= c->ladder.tiers[serving].slo_ms && (own_ms == 0 || p95_ms <= own_ms);
}

/* The next tier down that would do better; the one that serves if there is none. */
static uint32_t find_better(const struct performance *performance,
			    const struct performance_input *in, uint32_t reason,
			    struct decision_performance *numbers)
{
	uint32_t lowest = (uint32_t)units_max(in->config->min_tier, 1);

	for (uint32_t tier = in->serving; tier-- > lowest;) {
		bool is_estimated = false;
		uint64_t p95_ms =
			expect_p95_ms(performance, in, tier, numbers->p95_ms, &is_estimated);

		if (is_resting(performance, tier) || !does_fit(in, tier))
			continue;
		if (reason == REASON_TIER_SLOW && !does_meet(in->config, in->serving, tier, p95_ms))
			continue;
		numbers->target_p95_ms = p95_ms;
		numbers->is_target_estimated = is_estimated;
		return tier;
	}
	return in->serving;
}

/* ---- how the one that serves does --------------------------------------------------------------
 */

static void measure(const struct performance *performance, const struct performance_input *in,
		    struct decision_performance *ret_numbers)
{
	const struct engine_config *c = in->config;
	struct task_figures figures;

	task_window_get(&performance->tiers[in->serving].judged, in->now_ns,
			c->performance_window_ns, &figures);
	*ret_numbers = (struct decision_performance){
		.tasks = figures.tasks,
		.failed = figures.failed,
		.failed_permyriad = figures.failed_permyriad,
		.failure_above_permyriad = c->failure_above_permyriad,
		.tasks_min = c->performance_tasks_min,
		.p95_ms = figures.p95_ms,
		.slo_ms = c->ladder.tiers[in->serving].slo_ms,
	};
}

/* REASON_NONE also where there were too few tasks to tell. */
static uint32_t find_fault(const struct decision_performance *numbers)
{
	if (numbers->tasks == 0)
		return REASON_NONE;
	if (numbers->tasks >= numbers->tasks_min &&
	    numbers->failed_permyriad >= numbers->failure_above_permyriad)
		return REASON_TIER_FAILING;
	if (numbers->slo_ms > 0 && numbers->tasks - numbers->failed >= numbers->tasks_min &&
	    numbers->p95_ms > numbers->slo_ms)
		return REASON_TIER_SLOW;
	return REASON_NONE;
}

/*
 * A tier that fails rests in any case. One that is slow rests only if another one is better: or it
 * would be kept from being stepped up to for no gain.
 */
static void judge(struct performance *performance, const struct performance_input *in)
{
	struct breaker *breaker = &performance->tiers[in->serving].breaker;
	struct decision_performance numbers;
	uint32_t reason;

	measure(performance, in, &numbers);
	reason = find_fault(&numbers);
	if (reason == REASON_TIER_FAILING ||
	    (reason == REASON_TIER_SLOW &&
	     find_better(performance, in, reason, &numbers) != in->serving))
		breaker_trip(breaker, in->now_ns, in->config->performance_retry_ns, reason);
	else if (numbers.tasks >= numbers.tasks_min)
		breaker_pass(breaker, in->now_ns);
}

/* ---- what comes in -----------------------------------------------------------------------------
 */

static bool is_same_ladder(const struct ladder *a, const struct ladder *b)
{
	if (a->count != b->count)
		return false;
	for (uint32_t tier = 0; tier < a->count; tier++) {
		if (strncmp(a->tiers[tier].name, b->tiers[tier].name, EVENT_TIER_NAME_LEN) != 0)
			return false;
	}
	return true;
}

void performance_reconfigure(struct performance *performance, const struct engine_config *before,
			     const struct engine_config *config)
{
	if (!is_same_ladder(&before->ladder, &config->ladder)) {
		memset(performance, 0, sizeof(*performance));
		return;
	}
	if (before->performance_window_ns == config->performance_window_ns)
		return;
	for (int tier = 0; tier < LADDER_TIERS_MAX; tier++)
		memset(&performance->tiers[tier].judged, 0,
		       sizeof(performance->tiers[tier].judged));
}

static void judge_anew(struct performance *performance, uint32_t tier)
{
	memset(&performance->tiers[tier].judged, 0, sizeof(performance->tiers[tier].judged));
}

void performance_advance(struct performance *performance, const struct performance_input *in)
{
	bool has_changed = !performance->is_serving_known || performance->serving != in->serving;

	tasks_expire(&performance->tasks, in->now_ns, in->config->task_timeout_ns);
	performance->is_serving_known = true;
	performance->serving = in->serving;
	if (has_changed)
		judge_anew(performance, in->serving);
	/* What it did before its rest has been punished. */
	for (uint32_t tier = 0; tier < in->config->ladder.count; tier++) {
		if (breaker_advance(&performance->tiers[tier].breaker, in->now_ns))
			judge_anew(performance, tier);
	}
}

void performance_begin_task(struct performance *performance, const struct performance_input *in,
			    const char *id, uint32_t tier)
{
	performance_advance(performance, in);
	tasks_begin(&performance->tasks, in->now_ns, id,
		    tier < in->config->ladder.count ? tier : in->serving);
}

void performance_end_task(struct performance *performance, const struct performance_input *in,
			  const char *id, uint32_t tier, const struct task_result *result)
{
	struct task task = {.tier = tier < in->config->ladder.count ? tier : in->serving};

	performance_advance(performance, in);
	tasks_end(&performance->tasks, id, &task);
	task_window_add(&performance->tiers[task.tier].hour, in->now_ns, NS_PER_HOUR, result);
	if (task.tier != in->serving || !in->is_settled || task.tier == TIER_OFF)
		return;
	task_window_add(&performance->tiers[task.tier].judged, in->now_ns,
			in->config->performance_window_ns, result);
	judge(performance, in);
}

/* ---- what goes out -----------------------------------------------------------------------------
 */

static uint32_t resting_tiers(const struct performance *performance)
{
	uint32_t bits = 0;

	for (uint32_t tier = 0; tier < LADDER_TIERS_MAX; tier++)
		bits |= (uint32_t)is_resting(performance, tier) << tier;
	return bits;
}

void performance_advise(const struct performance *performance, const struct performance_input *in,
			struct performance_advice *ret_advice)
{
	const struct breaker *breaker = &performance->tiers[in->serving].breaker;

	memset(ret_advice, 0, sizeof(*ret_advice));
	ret_advice->tier = in->serving;
	ret_advice->target = in->serving;
	ret_advice->resting = resting_tiers(performance);
	measure(performance, in, &ret_advice->numbers);
	ret_advice->reason = is_resting(performance, in->serving)
				     ? breaker->reason
				     : find_fault(&ret_advice->numbers);
	/* It is left only when it may not be stepped up to again at once. */
	if (is_resting(performance, in->serving))
		ret_advice->target =
			find_better(performance, in, ret_advice->reason, &ret_advice->numbers);
}

void performance_get_hour(const struct performance *performance, uint64_t now_ns, uint32_t tier,
			  struct task_figures *ret_figures)
{
	task_window_get(&performance->tiers[tier].hour, now_ns, NS_PER_HOUR, ret_figures);
}
