/* SPDX-License-Identifier: BSD-2-Clause */
/* The three APIs, as their sources have them. */
#include <errno.h>
#include <string.h>

#include "api.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* {"model": M} and more. */
static void set_body(struct api_request *request, json_t *body)
{
	size_t len =
		body ? json_dumpb(body, request->body, sizeof(request->body) - 1, JSON_COMPACT) : 0;

	/* One that does not fit is not sent: model names in the configuration are short. */
	request->body[len < sizeof(request->body) ? len : 0] = '\0';
	json_decref(body);
}

static void set_path(struct api_request *request, const char *format, const char *word)
{
	snprintf(request->path, sizeof(request->path), format, word);
}

/* ---- llama-server: one child process for each model --------------------------------------------
 */

static int llama_find(const json_t *list, const char *model, struct api_model *ret_model)
{
	const json_t *models = json_object_get(list, "data");
	size_t i;
	const json_t *entry;

	if (!json_is_array(models))
		return -EBADMSG;
	json_array_foreach(models, i, entry)
	{
		const json_t *status = json_object_get(entry, "status");
		const char *value = text_of(status, "value");

		if (strcmp(text_of(entry, "id"), model) != 0)
			continue;
		/* A sleeping one has freed its memory, and wakes with the next request. */
		ret_model->is_ready =
			strcmp(value, "loaded") == 0 || strcmp(value, "sleeping") == 0;
		ret_model->is_present = ret_model->is_ready || strcmp(value, "loading") == 0;
		ret_model->is_failed = json_is_true(json_object_get(status, "failed"));
	}
	return 0;
}

static void llama_load(const char *model, const char *model_url, struct api_request *request)
{
	(void)model_url;
	set_path(request, "/models/load%s", "");
	set_body(request, json_pack("{s:s}", "model", model));
}

static void llama_unload(const char *model, const char *model_url, struct api_request *request)
{
	(void)model_url;
	set_path(request, "/models/unload%s", "");
	set_body(request, json_pack("{s:s}", "model", model));
}

static void llama_in_flight(const char *model_url, struct api_request *request)
{
	set_path(request, "/slots?autoload=false&model=%s", model_url);
}

static uint32_t llama_count(const char *body, const char *model)
{
	json_t *slots = json_loads(body, 0, NULL);
	uint32_t count = json_is_array(slots) ? 0 : IN_FLIGHT_UNKNOWN;
	size_t i;
	const json_t *slot;

	(void)model;
	json_array_foreach(slots, i, slot)
	{
		count += json_is_true(json_object_get(slot, "is_processing"));
	}
	json_decref(slots);
	return count;
}

const struct api_kind API_LLAMA_SERVER = {
	.list_path = "/models",
	.find_model = llama_find,
	.format_load = llama_load,
	.format_unload = llama_unload,
	.format_in_flight = llama_in_flight,
	.count_in_flight = llama_count,
};

/* ---- llama-swap: one process of any kind for each model ----------------------------------------
 */

static int swap_find(const json_t *list, const char *model, struct api_model *ret_model)
{
	const json_t *running = json_object_get(list, "running");
	size_t i;
	const json_t *entry;

	if (!json_is_array(running))
		return -EBADMSG;
	json_array_foreach(running, i, entry)
	{
		const char *state = text_of(entry, "state");

		if (strcmp(text_of(entry, "model"), model) != 0)
			continue;
		ret_model->is_ready = strcmp(state, "ready") == 0;
		ret_model->is_present = ret_model->is_ready || strcmp(state, "starting") == 0 ||
					strcmp(state, "stopping") == 0;
	}
	return 0;
}

/* Any request to its upstream loads it. */
static void swap_load(const char *model, const char *model_url, struct api_request *request)
{
	(void)model;
	set_path(request, "/upstream/%s/health", model_url);
}

static void swap_unload(const char *model, const char *model_url, struct api_request *request)
{
	(void)model;
	request->method = "POST";
	set_path(request, "/api/models/unload/%s", model_url);
}

static void swap_in_flight(const char *model_url, struct api_request *request)
{
	(void)model_url;
	set_path(request, "/api/events%s", "");
}

/* -1 where the message is another one. */
static int64_t swap_count_message(const char *message, size_t len, const char *model)
{
	json_t *envelope = json_loadb(message, len, 0, NULL);
	json_t *update = NULL;
	const json_t *requests;
	int64_t count = -1;
	size_t i;
	const json_t *request;

	if (strcmp(text_of(envelope, "type"), "inflight") == 0)
		update = json_loads(text_of(envelope, "data"), 0, NULL);
	requests = json_object_get(update, "requests");
	if (json_is_array(requests))
		count = 0;
	json_array_foreach(requests, i, request)
	{
		count += strcmp(text_of(request, "model"), model) == 0;
	}
	json_decref(update);
	json_decref(envelope);
	return count;
}

/* The events begin with a snapshot of everything. */
static uint32_t swap_count(const char *body, const char *model)
{
	static const char PREFIX[] = "data:";

	while (body && *body) {
		size_t len = strcspn(body, "\n");

		if (strncmp(body, PREFIX, sizeof(PREFIX) - 1) == 0) {
			int64_t count = swap_count_message(body + sizeof(PREFIX) - 1,
							   len - (sizeof(PREFIX) - 1), model);

			if (count >= 0)
				return (uint32_t)count;
		}
		body += len + (body[len] == '\n');
	}
	return IN_FLIGHT_UNKNOWN;
}

static void swap_open(const char *tier, struct api_request *request)
{
	request->method = "PUT";
	set_path(request, "/api/profiles/active%s", "");
	set_body(request, json_pack("{s:s}", "name", tier));
}

const struct api_kind API_LLAMA_SWAP = {
	.list_path = "/running",
	.find_model = swap_find,
	.format_load = swap_load,
	.is_load_answered_late = true,
	.format_unload = swap_unload,
	.format_in_flight = swap_in_flight,
	.is_in_flight_endless = true,
	.count_in_flight = swap_count,
	.format_open = swap_open,
};

/* ---- Ollama ------------------------------------------------------------------------------------
 */

/* A name without a tag means the tag latest. */
static bool is_ollama_name(const char *listed, const char *model)
{
	size_t len = strlen(model);

	return strcmp(listed, model) == 0 ||
	       (!strchr(model, ':') && strncmp(listed, model, len) == 0 &&
		strcmp(listed + len, ":latest") == 0);
}

static int ollama_find(const json_t *list, const char *model, struct api_model *ret_model)
{
	const json_t *models = json_object_get(list, "models");
	size_t i;
	const json_t *entry;

	if (!json_is_array(models))
		return -EBADMSG;
	json_array_foreach(models, i, entry)
	{
		if (is_ollama_name(text_of(entry, "model"), model) ||
		    is_ollama_name(text_of(entry, "name"), model))
			ret_model->is_present = ret_model->is_ready = true;
	}
	return 0;
}

static void ollama_keep(const char *model, int seconds, struct api_request *request)
{
	set_path(request, "/api/generate%s", "");
	set_body(request, json_pack("{s:s,s:i}", "model", model, "keep_alive", seconds));
}

static void ollama_load(const char *model, const char *model_url, struct api_request *request)
{
	(void)model_url;
	ollama_keep(model, -1, request);
}

static void ollama_unload(const char *model, const char *model_url, struct api_request *request)
{
	(void)model_url;
	ollama_keep(model, 0, request);
}

const struct api_kind API_OLLAMA = {
	.list_path = "/api/ps",
	.find_model = ollama_find,
	.format_load = ollama_load,
	.is_load_answered_late = true,
	.format_unload = ollama_unload,
};
