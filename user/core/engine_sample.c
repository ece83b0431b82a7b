/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What samples tell: others' use of every resource now, at its recent peak and by its trend; and
 * when to sample next. Also what a changed configuration changes in the ladder's numbers.
 */
#include <string.h>

#include "base/units.h"
#include "engine_private.h"

#define MINUTE_NS (60 * NS_PER_S)

/* ---- others ------------------------------------------------------------------------------------
 */

static const struct tier *serving_tier(const struct engine *engine)
{
	if (engine_is_overlapping(engine))
		return &engine->in_place;
	return &engine->config.ladder.tiers[transition_serving(&engine->transition)];
}

static bool is_exchanging(const struct engine *engine)
{
	uint32_t state = engine->transition.state;

	return state == SWITCH_LOADING || state == SWITCH_SETTLING;
}

/*
 * Whether the model's part is missing from the sample although it must be in the used bytes. Not
 * so while a tier is being exchanged, if its processes could be found before: then it is gone.
 */
static bool is_unseen(const struct engine *engine, const struct event_sample *sample)
{
	const struct transition *t = &engine->transition;

	if (!engine->is_started || sample->model_processes > 0)
		return false;
	if (is_exchanging(engine))
		return !engine->was_model_seen && (t->from != TIER_OFF || t->to != TIER_OFF);
	return transition_serving(t) != TIER_OFF;
}

/* While a tier is exchanged, or only assumed, what was measured may be another's. */
bool engine_is_tier_measured(const struct engine *engine)
{
	const struct transition *t = &engine->transition;

	return engine->is_started && !is_exchanging(engine) && !engine_is_overlapping(engine) &&
	       !t->is_assumed && t->actual != TIER_OFF && engine->sample.model_processes > 0;
}

/*
 * The same of VRAM alone: the model runs, and the driver does not tell what it holds. Where it ever
 * did, what it does not list is not there.
 */
static void note_vram(struct engine *engine, const struct event_sample *sample)
{
	for (uint32_t i = 0; i < sample->resource_count; i++)
		engine->was_vram_seen |= sample->resources[i].kind == RESOURCE_VRAM &&
					 sample->resources[i].model_bytes > 0;
	engine->is_vram_unseen = engine->is_started && !engine->was_vram_seen &&
				 sample->model_processes > 0 &&
				 (sample->flags & SAMPLE_VRAM_UNTOLD);
}

static void note_model(struct engine *engine, const struct event_sample *sample)
{
	note_vram(engine, sample);
	engine->is_model_unseen = is_unseen(engine, sample);
	if (sample->model_processes > 0)
		engine->was_model_seen = true;
	else if (engine->is_model_unseen)
		engine->was_model_seen = false;
}

/* What an unseen model takes: while one is exchanged for another, either may be in place. */
static uint64_t unseen_bytes(const struct engine *engine, uint32_t kind, uint32_t index)
{
	const struct tier *tiers = engine->config.ladder.tiers;
	const struct transition *t = &engine->transition;

	if (!is_exchanging(engine) || engine_is_overlapping(engine))
		return ladder_footprint_bytes(serving_tier(engine), kind, index);
	return units_max(ladder_footprint_bytes(&tiers[t->from], kind, index),
			 ladder_footprint_bytes(&tiers[t->to], kind, index));
}

uint64_t engine_others_bytes(const struct engine *engine, const struct event_resource *resource)
{
	uint64_t ours = resource->model_bytes;

	if (engine->is_model_unseen || (engine->is_vram_unseen && resource->kind == RESOURCE_VRAM))
		ours = unseen_bytes(engine, resource->kind, resource->index);
	return units_minus(resource->used_bytes, ours);
}

/* The time that a step up looks back on. */
static uint64_t peak_ns(const struct engine_config *config)
{
	if (config->policy != POLICY_ADAPTIVE)
		return config->stabilization_ns;
	return units_min(config->stabilization_min_ns, config->stabilization_ns);
}

struct resource_track *engine_find_track(struct engine *engine,
					 const struct event_resource *resource)
{
	struct resource_track *free_track = NULL;

	for (int i = 0; i < EVENT_RESOURCES_MAX; i++) {
		struct resource_track *track = &engine->tracks[i];

		if (track->is_used && track->kind == resource->kind &&
		    track->index == resource->index)
			return track;
		if (!track->is_used)
			free_track = track;
	}
	if (!free_track)
		return NULL;
	free_track->is_used = true;
	free_track->kind = resource->kind;
	free_track->index = resource->index;
	memset(&free_track->drift, 0, sizeof(free_track->drift));
	free_track->highest_bytes = 0;
	forecast_init(&free_track->forecast, engine->config.trend_ns, peak_ns(&engine->config));
	return free_track;
}

/*
 * What no tier takes anything of, such as a GPU that only others use, can stay as full as it is.
 * With no tier but off nothing is decided, and everything is shown.
 */
static bool is_counted(const struct engine *engine, const struct event_resource *resource)
{
	const struct ladder *ladder = &engine->config.ladder;

	return ladder->count <= 1 || ladder_is_concerned(ladder, resource->kind, resource->index);
}

/* A resource that is no longer reported, or no longer counts, gives its track back. */
static void drop_tracks(struct engine *engine, const struct event_sample *sample)
{
	for (int i = 0; i < EVENT_RESOURCES_MAX; i++) {
		struct resource_track *track = &engine->tracks[i];
		bool is_reported = false;

		for (uint32_t j = 0; j < sample->resource_count; j++)
			is_reported |= sample->resources[j].kind == track->kind &&
				       sample->resources[j].index == track->index &&
				       is_counted(engine, &sample->resources[j]);
		track->is_used &= is_reported;
	}
}

static uint64_t add_change(uint64_t bytes, int64_t change)
{
	return change > 0 ? units_plus(bytes, (uint64_t)change) : bytes;
}

static void view_resource(struct engine *engine, const struct event_resource *resource,
			  struct resource_view *ret_view)
{
	struct resource_track *track = engine_find_track(engine, resource);
	uint64_t others = engine_others_bytes(engine, resource);
	struct forecast_slope slope;

	*ret_view = (struct resource_view){
		.kind = resource->kind,
		.index = resource->index,
		.capacity_bytes = resource->capacity_bytes,
		.model_bytes = resource->model_bytes,
		.others_bytes = {others, others, others, others},
	};
	ret_view->others_bytes[LADDER_RESERVED] =
		units_plus(others, preflight_reserved_bytes(&engine->preflight, resource->kind,
							    resource->index, others));
	if (!track)
		return;
	forecast_add(&track->forecast, engine->now_ns, others);
	engine_learn_drift(engine, track, others, resource->capacity_bytes);
	ret_view->drift = &track->drift;
	ret_view->others_bytes[LADDER_PEAK] = forecast_peak_bytes(&track->forecast, engine->now_ns);
	forecast_get_slope(&track->forecast, engine->now_ns, &slope);
	ret_view->others_bytes[LADDER_TREND] =
		add_change(others, forecast_change_bytes(&slope, engine->config.trend_horizon_ns));
	ret_view->trend_bytes_per_min = forecast_change_bytes(&slope, MINUTE_NS);
}

static void view_resources(struct engine *engine)
{
	const struct event_sample *sample = &engine->sample;

	drop_tracks(engine, sample);
	engine->resources.count = 0;
	for (uint32_t i = 0; i < sample->resource_count; i++) {
		if (is_counted(engine, &sample->resources[i]))
			view_resource(engine, &sample->resources[i],
				      &engine->resources.view[engine->resources.count++]);
	}
}

/* The group with the highest use is the one whose limit is felt. */
static void find_tightest_group(struct engine *engine)
{
	uint32_t highest = 0;
	uint32_t index = 0;

	for (uint32_t i = 0; i < engine->resources.count; i++) {
		const struct resource_view *view = &engine->resources.view[i];
		uint32_t use = ladder_held_permyriad(serving_tier(engine), view, LADDER_NOW,
						     engine_is_tier_measured(engine));

		if (view->kind != RESOURCE_GROUP_MEMORY || use < highest)
			continue;
		highest = use;
		index = view->index;
	}
	attribution_set_group(&engine->attribution, index);
}

/* ---- one sample --------------------------------------------------------------------------------
 */

/*
 * Without process records the kernel's total stands in for others' stall. It tells nothing of whose
 * limit was felt, but a host that was short has scanned pages for itself.
 */
static void take_psi(struct engine *engine, const struct event_sample *sample)
{
	bool is_host_short = sample->host_scan_pages > engine->sample.host_scan_pages;

	/* A total of 0 is that of a kernel without PSI, or one that has just got it. */
	if (engine->source != SOURCE_PSI || engine->sample.psi_mem_some_ns == 0)
		return;
	pressure_add_total_stall(
		&engine->pressure, engine->last_sample_ns, engine->now_ns,
		is_host_short ? STALL_HOST : STALL_FOREIGN,
		units_minus(sample->psi_mem_some_ns, engine->sample.psi_mem_some_ns));
}

/* One sample alone starts nothing: an imported row counts as two. */
static bool count_over(uint32_t *count, uint32_t use, uint32_t threshold, uint32_t flags)
{
	if (use < threshold)
		*count = 0;
	else if (*count < UINT32_MAX)
		(*count)++;
	return *count >= 2 || (*count == 1 && (flags & SAMPLE_CONFIRMED));
}

static void count_over_limits(struct engine *engine)
{
	const struct engine_config *config = &engine->config;
	uint32_t flags = engine->sample.flags;
	uint32_t use;

	ladder_find_worst_held(serving_tier(engine), &engine->resources,
			       engine_is_tier_measured(engine), &use);
	engine->is_confirmed =
		count_over(&engine->over_limit_count, use, config->degrade_above_permyriad, flags);
	engine->is_band_confirmed =
		count_over(&engine->over_band_count, use, config->upgrade_below_permyriad, flags);
}

void engine_take_sample(struct engine *engine, const struct event_sample *sample)
{
	take_psi(engine, sample);
	engine->sample = *sample;
	if (engine->sample.resource_count > EVENT_RESOURCES_MAX)
		engine->sample.resource_count = EVENT_RESOURCES_MAX;
	if (!engine->has_sample)
		engine->first_sample_ns = engine->now_ns;
	engine->has_sample = true;
	engine->last_sample_ns = engine->now_ns;
	engine->sample_base_ns = engine->now_ns;
	note_model(engine, &engine->sample);
	engine_learn_footprint(engine);
	engine_see_reservations(engine);
	view_resources(engine);
	find_tightest_group(engine);
	count_over_limits(engine);
	engine_learn_sample(engine);
}

/* Room until the first resource reaches degrade_above with the serving tier in place. */
static uint64_t headroom_bytes(const struct engine *engine)
{
	uint64_t least = UINT64_MAX;

	for (uint32_t i = 0; i < engine->resources.count; i++) {
		const struct resource_view *view = &engine->resources.view[i];
		uint64_t limit = units_scale(view->capacity_bytes,
					     engine->config.degrade_above_permyriad, PERMYRIAD);
		uint64_t held = ladder_held_bytes(serving_tier(engine), view,
						  engine_is_tier_measured(engine));
		uint64_t use = units_plus(view->others_bytes[LADDER_NOW], held);

		if (view->capacity_bytes)
			least = units_min(least, units_minus(limit, use));
	}
	return least;
}

uint64_t engine_next_sample_ns(const struct engine *engine)
{
	const struct engine_config *config = &engine->config;
	uint64_t longest_ns = units_max(config->sample_period_ns, config->sample_period_min_ns);
	uint64_t period_ns;

	if (!engine->has_sample && !engine->is_sample_tried)
		return engine->now_ns;
	if (!engine->has_sample)
		return units_plus(engine->sample_base_ns, longest_ns);
	if (engine->over_limit_count > 0)
		return units_plus(engine->sample_base_ns, config->confirm_ns);
	period_ns = longest_ns;
	if (config->fill_bytes_per_s)
		period_ns = units_scale(headroom_bytes(engine), NS_PER_S, config->fill_bytes_per_s);
	period_ns = units_max(units_min(period_ns, longest_ns), config->sample_period_min_ns);
	if (engine->over_band_count == 1)
		period_ns = units_min(period_ns, config->confirm_ns);
	return units_plus(engine->sample_base_ns, period_ns);
}

/* ---- configuration -----------------------------------------------------------------------------
 */

static void set_config(struct engine *engine, const struct engine_config *config)
{
	struct ladder *ladder = &engine->config.ladder;

	engine->config = *config;
	ladder->count = (uint32_t)units_min(units_max(ladder->count, 1), LADDER_TIERS_MAX);
	ladder_fill_qualities(ladder);
	engine->config.min_tier = (uint32_t)units_min(config->min_tier, ladder->count - 1);
	for (int i = 0; i < EVENT_RESOURCES_MAX; i++) {
		if (engine->tracks[i].is_used)
			forecast_configure(&engine->tracks[i].forecast, engine->now_ns,
					   config->trend_ns, peak_ns(config));
	}
}

/* Tiers keep their names, not their numbers. */
static void rename_tiers(struct engine *engine, const struct ladder *before)
{
	const struct ladder *ladder = &engine->config.ladder;
	struct transition *t = &engine->transition;
	bool is_kept = ladder_find_name(ladder, before->tiers[t->wanted].name, &t->wanted);

	if (!ladder_find_name(ladder, before->tiers[t->actual].name, &t->actual)) {
		t->actual = TIER_OFF;
		t->is_assumed = true;
	}
	if (!ladder_find_name(ladder, before->tiers[t->from].name, &t->from))
		t->from = t->actual;
	if (!ladder_find_name(ladder, before->tiers[t->to].name, &t->to))
		t->to = t->actual;
	engine_add_up_in_place(engine);
	if (!is_kept) {
		t->wanted = t->actual;
		t->state = SWITCH_STEADY;
		t->is_open = false;
		t->mode = SWITCH_PLANNED;
		t->reason = REASON_CONFIG_CHANGED;
		t->deadline_ns = engine->now_ns;
	}
	/* Other resources may count now. */
	view_resources(engine);
	if (!is_kept)
		t->wanted = ladder_find_largest(ladder, &engine->resources,
						engine->config.upgrade_below_permyriad,
						engine->config.min_tier, ladder->count - 1);
}

void engine_reconfigure(struct engine *engine, const struct engine_config *config,
			struct actions *out)
{
	struct engine_config before = engine->said;
	uint32_t wanted;

	set_config(engine, config);
	engine->said = engine->config;
	if (!engine->is_configured)
		footprint_init(&engine->footprints, config);
	footprint_reconfigure(&engine->footprints, &before, &engine->said);
	adaptive_reconfigure(&engine->adaptive, &before, &engine->config);
	performance_reconfigure(&engine->performance, &before, &engine->config);
	preflight_rename(&engine->preflight, &before.ladder, &engine->config.ladder);
	engine_apply_footprints(engine);
	memset(&engine->performance_advice, 0, sizeof(engine->performance_advice));
	if (engine->is_tier_restored && !engine->is_started)
		engine->is_tier_restored = ladder_find_name(
			&engine->config.ladder, before.ladder.tiers[engine->transition.wanted].name,
			&wanted);
	if (engine->is_started || engine->is_tier_restored)
		rename_tiers(engine, &before.ladder);
	else if (engine->is_hello_tier_known)
		engine->is_hello_tier_known = ladder_find_name(
			&engine->config.ladder, before.ladder.tiers[engine->hello_tier].name,
			&engine->hello_tier);
	engine_keep_pin(engine, &before.ladder, out);
}
