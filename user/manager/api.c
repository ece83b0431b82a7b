/* SPDX-License-Identifier: BSD-2-Clause */
#include "api.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "log.h"

#define POLL_NS (250 * NS_PER_MS)
#define CALM_POLL_NS (2 * NS_PER_S)
#define LIST_TIMEOUT_NS (5 * NS_PER_S)
#define EVENTS_TIMEOUT_NS NS_PER_S
#define UNLOAD_AGAIN_NS (5 * NS_PER_S)

static const struct api_kind *const KINDS[] = {
	[BACKEND_LLAMA_SERVER] = &API_LLAMA_SERVER,
	[BACKEND_LLAMA_SWAP] = &API_LLAMA_SWAP,
	[BACKEND_OLLAMA] = &API_OLLAMA,
};

static void send_request(struct api_tier *tier, struct http *http,
			 const struct api_request *request, uint64_t timeout_ns,
			 void (*on_answer)(void *context, const struct http_answer *answer))
{
	char url[API_URL_LEN + MANAGER_TEXT_LEN];

	snprintf(url, sizeof(url), "%s%s", tier->api->config->api_url, request->path);
	http_cancel(http);
	if (http_begin(http, tier->api->loop, request->method, url,
		       request->body[0] ? request->body : NULL, timeout_ns, on_answer, tier) < 0)
		log_rare("%s: no request could be made", tier->config->name);
}

/* ---- loading and unloading ---------------------------------------------------------------------
 */

static void on_load_answer(void *context, const struct http_answer *answer)
{
	struct api_tier *tier = context;

	tier->is_answered = true;
	tier->is_refused = answer->status < 200 || answer->status >= 300;
	if (tier->is_refused)
		log_line("%s: loading: HTTP status %d %s%.200s", tier->config->name, answer->status,
			 answer->error, answer->body);
	/* A list that is under way may be older than the answer. */
	http_cancel(&tier->api->list);
	loop_arm_in(&tier->api->poll_timer, 0);
}

static void ask_load(struct api_tier *tier)
{
	struct api_request request = {0};

	tier->is_answered = false;
	tier->is_refused = false;
	tier->again_ns = UINT64_MAX;
	tier->deadline_ns = units_plus(loop_now_ns(), tier->config->load_timeout_ns);
	tier->api->kind->format_load(tier->config->model, tier->model_url, &request);
	log_line("%s: asking for %s", tier->config->name, tier->config->model);
	send_request(tier, &tier->command, &request, tier->config->load_timeout_ns, on_load_answer);
}

static void on_other_answer(void *context, const struct http_answer *answer)
{
	struct api_tier *tier = context;

	if (answer->status < 200 || answer->status >= 300)
		log_rare("%s: HTTP status %d %s%.200s", tier->config->name, answer->status,
			 answer->error, answer->body);
	loop_arm_in(&tier->api->poll_timer, 0);
}

static void ask_unload(struct api_tier *tier)
{
	struct api_request request = {0};

	tier->again_ns = units_plus(loop_now_ns(),
				    units_max(tier->config->stop_timeout_ns, UNLOAD_AGAIN_NS));
	tier->api->kind->format_unload(tier->config->model, tier->model_url, &request);
	send_request(tier, &tier->command, &request,
		     units_max(tier->config->stop_timeout_ns, UNLOAD_AGAIN_NS), on_other_answer);
}

/* ---- what is -----------------------------------------------------------------------------------
 */

static enum tier_state state_of(const struct api_tier *tier)
{
	if (tier->is_wanted)
		return tier->model.is_ready ? TIER_UP : TIER_STARTING;
	return tier->model.is_present ? TIER_STOPPING : TIER_DOWN;
}

static void fail(struct api_tier *tier, const char *why)
{
	log_line("%s: failed: %s", tier->config->name, why);
	tier->is_wanted = false;
	tier->restarts = 0;
	tier->again_ns = 0;
	tier->state = state_of(tier);
	tier->api->events.on_failed(tier->api->events.context, tier->tier);
}

/* It was loaded, and is not any more, although nobody here has asked for that. */
static void load_anew(struct api_tier *tier)
{
	uint64_t now_ns = loop_now_ns();

	if (tier->restarts >= tier->config->restart_limit) {
		fail(tier, "it is unloaded again and again");
		return;
	}
	tier->again_ns = units_plus(now_ns, units_scale(tier->config->restart_delay_ns,
							1ULL << units_min(tier->restarts, 20), 1));
	tier->deadline_ns = UINT64_MAX;
	tier->is_answered = false;
	tier->restarts++;
	log_line("%s: no longer loaded; asked for again", tier->config->name);
}

static const char *find_failure(const struct api_tier *tier)
{
	if (tier->model.is_present)
		return loop_now_ns() >= tier->deadline_ns ? "it did not serve within load_timeout"
							  : NULL;
	if (tier->is_answered && tier->model.is_failed)
		return "the server could not load it";
	if (tier->is_answered && (tier->is_refused || tier->api->kind->is_load_answered_late))
		return "the server has not loaded it";
	return loop_now_ns() >= tier->deadline_ns ? "it did not serve within load_timeout" : NULL;
}

/* After each list: what follows from what the server says of one tier. */
static void judge(struct api_tier *tier)
{
	const char *failure;

	if (tier->is_wanted && tier->state == TIER_UP && !tier->model.is_ready) {
		load_anew(tier);
	} else if (tier->is_wanted && !tier->model.is_ready) {
		failure = find_failure(tier);
		if (failure)
			fail(tier, failure);
		else if (loop_now_ns() >= tier->again_ns)
			ask_load(tier);
	} else if (!tier->is_wanted && tier->model.is_present && loop_now_ns() >= tier->again_ns) {
		ask_unload(tier);
	}
	if (tier->state == state_of(tier))
		return;
	tier->state = state_of(tier);
	if (tier->state == TIER_UP || tier->state == TIER_DOWN)
		log_line("%s: %s", tier->config->name, tier->state == TIER_UP ? "up" : "down");
}

static int take_list(struct api *api, const json_t *list)
{
	struct api_model models[MANAGER_TIERS_MAX] = {0};

	for (uint32_t tier = 1; tier < api->config->tier_count; tier++) {
		if (api->kind->find_model(list, api->config->tiers[tier].model, &models[tier]) < 0)
			return -EBADMSG;
	}
	for (uint32_t tier = 1; tier < api->config->tier_count; tier++)
		api->tiers[tier].model = models[tier];
	return 0;
}

/* The largest that is loaded is taken over; others are to be unloaded. */
static void take_over(struct api *api)
{
	uint32_t found = MANAGER_TIER_OFF;

	api->is_found = true;
	for (uint32_t tier = 1; tier < api->config->tier_count; tier++) {
		if (api->tiers[tier].model.is_ready)
			found = tier;
	}
	if (found != MANAGER_TIER_OFF) {
		api->tiers[found].is_wanted = true;
		api->tiers[found].state = TIER_UP;
		api->tiers[found].deadline_ns = UINT64_MAX;
	}
	api->on_found(api->events.context, found);
}

static void plan_next(struct api *api)
{
	bool is_busy = false;

	for (uint32_t tier = 1; tier < api->config->tier_count; tier++) {
		enum tier_state state = state_of(&api->tiers[tier]);

		is_busy |= state == TIER_STARTING || state == TIER_STOPPING ||
			   api->tiers[tier].door == DOOR_DRAINING;
	}
	loop_arm_in(&api->poll_timer, is_busy ? POLL_NS : CALM_POLL_NS);
}

static void take_stock(struct api *api)
{
	for (uint32_t tier = 1; tier < api->config->tier_count; tier++)
		judge(&api->tiers[tier]);
	plan_next(api);
	api->events.on_change(api->events.context);
}

/* A server that is gone has nothing in memory; of one that is only silent nothing new is known. */
static void miss_list(struct api *api, const struct http_answer *answer)
{
	if (!api->is_lost_told)
		log_line("%s%s: not the answer that was expected: HTTP status %d %s",
			 api->config->api_url, api->kind->list_path, answer->status, answer->error);
	api->is_lost_told = true;
	if (answer->is_nobody_there) {
		for (uint32_t tier = 1; tier < api->config->tier_count; tier++)
			api->tiers[tier].model = (struct api_model){0};
	}
	if (api->is_found)
		take_stock(api);
	loop_arm_in(&api->poll_timer, NS_PER_S);
}

static void on_list(void *context, const struct http_answer *answer)
{
	struct api *api = context;
	json_t *list = answer->status == 200 ? json_loads(answer->body, 0, NULL) : NULL;
	int r = list ? take_list(api, list) : -EBADMSG;

	json_decref(list);
	if (r < 0) {
		miss_list(api, answer);
		return;
	}
	api->is_lost_told = false;
	if (!api->is_found)
		take_over(api);
	take_stock(api);
}

/* ---- in flight ---------------------------------------------------------------------------------
 */

static void on_count(void *context, const struct http_answer *answer)
{
	struct api_tier *tier = context;
	const struct api_kind *kind = tier->api->kind;

	/* An endless answer is cut off, and is none to curl. */
	if (answer->status == 200 || kind->is_in_flight_endless)
		tier->in_flight = kind->count_in_flight(answer->body, tier->config->model);
	else
		tier->in_flight = IN_FLIGHT_UNKNOWN;
	if (tier->in_flight == 0)
		tier->api->events.on_change(tier->api->events.context);
}

static void ask_count(struct api_tier *tier)
{
	struct api_request request = {0};

	if (tier->door != DOOR_DRAINING || !tier->api->kind->format_in_flight ||
	    http_is_busy(&tier->count))
		return;
	tier->api->kind->format_in_flight(tier->model_url, &request);
	send_request(tier, &tier->count, &request,
		     tier->api->kind->is_in_flight_endless ? EVENTS_TIMEOUT_NS : LIST_TIMEOUT_NS,
		     on_count);
}

static void on_poll_time(void *context)
{
	struct api *api = context;
	char url[MANAGER_TEXT_LEN + 64];

	for (uint32_t tier = 1; tier < api->config->tier_count; tier++)
		ask_count(&api->tiers[tier]);
	snprintf(url, sizeof(url), "%s%s", api->config->api_url, api->kind->list_path);
	if (http_begin(&api->list, api->loop, NULL, url, NULL, LIST_TIMEOUT_NS, on_list, api) < 0)
		loop_arm_in(&api->poll_timer, NS_PER_S);
}

/* ---- backend -----------------------------------------------------------------------------------
 */

static void start(void *backend, uint32_t index)
{
	struct api_tier *tier = &((struct api *)backend)->tiers[index];

	if (tier->is_wanted)
		return;
	tier->is_wanted = true;
	tier->restarts = 0;
	tier->state = state_of(tier);
	if (tier->state != TIER_UP)
		ask_load(tier);
	loop_arm_in(&tier->api->poll_timer, POLL_NS);
}

static void stop(void *backend, uint32_t index, bool is_forced)
{
	struct api_tier *tier = &((struct api *)backend)->tiers[index];

	(void)is_forced;
	if (!tier->is_wanted)
		return;
	tier->is_wanted = false;
	tier->door = DOOR_SHUT;
	/* What is being loaded may not show in the list yet. */
	tier->model.is_present = true;
	tier->state = TIER_STOPPING;
	ask_unload(tier);
}

static enum tier_state get_state(const void *backend, uint32_t index)
{
	return state_of(&((const struct api *)backend)->tiers[index]);
}

static void set_door(void *backend, uint32_t index, enum door door)
{
	struct api_tier *tier = &((struct api *)backend)->tiers[index];
	struct api_request request = {0};

	if (tier->door == door)
		return;
	tier->door = door;
	if (door == DOOR_DRAINING) {
		tier->in_flight = tier->api->kind->format_in_flight ? IN_FLIGHT_UNKNOWN : 0;
		ask_count(tier);
		loop_arm_in(&tier->api->poll_timer, POLL_NS);
	} else if (door == DOOR_OPEN && tier->api->kind->format_open) {
		tier->api->kind->format_open(tier->config->name, &request);
		send_request(tier, &tier->command, &request, LIST_TIMEOUT_NS, on_other_answer);
	}
}

static enum door get_door(const void *backend, uint32_t index)
{
	return ((const struct api *)backend)->tiers[index].door;
}

static uint32_t get_in_flight(const void *backend, uint32_t index)
{
	return ((const struct api *)backend)->tiers[index].in_flight;
}

const struct backend_ops API_OPS = {
	.start = start,
	.stop = stop,
	.get_state = get_state,
	.set_door = set_door,
	.get_door = get_door,
	.get_in_flight = get_in_flight,
};

/* ---- the whole ---------------------------------------------------------------------------------
 */

int api_open(struct api *api)
{
	api->kind = KINDS[api->config->backend];
	for (uint32_t index = 1; index < api->config->tier_count; index++) {
		struct api_tier *tier = &api->tiers[index];

		tier->api = api;
		tier->config = &api->config->tiers[index];
		tier->tier = index;
		tier->model_url = curl_easy_escape(NULL, tier->config->model, 0);
		if (!tier->model_url)
			return -ENOMEM;
	}
	loop_add_timer(api->loop, &api->poll_timer, on_poll_time, api);
	loop_arm_in(&api->poll_timer, 0);
	return 0;
}

void api_close(struct api *api)
{
	if (!api->kind)
		return;
	http_cancel(&api->list);
	for (uint32_t index = 1; index < api->config->tier_count; index++) {
		http_cancel(&api->tiers[index].command);
		http_cancel(&api->tiers[index].count);
		curl_free(api->tiers[index].model_url);
	}
}
