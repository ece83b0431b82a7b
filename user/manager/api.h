/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Servers that load and unload models themselves, operated through their HTTP API: llama-server as
 * a router, llama-swap, Ollama. What is loaded is read from the server, again and again; what it is
 * asked for is only a request.
 *
 * None of them can be told to keep new requests from a model, so a tier that is left drains only as
 * far as clients let it; and none can be told to drop a model that is busy at once.
 */
#ifndef TIERD_MANAGER_API_H
#define TIERD_MANAGER_API_H

#include <jansson.h>

#include "backend.h"
#include "config.h"
#include "http.h"

enum {
	API_URL_LEN = 3 * MANAGER_TEXT_LEN + 256, /* with the model's name, every byte escaped */
	API_BODY_LEN = 2 * MANAGER_TEXT_LEN,
};

struct api_request {
	const char *method; /* NULL = GET, or POST where there is a body */
	char path[API_URL_LEN];
	char body[API_BODY_LEN]; /* "" = none */
};

/* What the server says of one model. */
struct api_model {
	bool is_present; /* in memory, at least in part */
	bool is_ready;
	bool is_failed; /* it could not be loaded */
};

/* What differs between servers. model is escaped for a URL in model_url. */
struct api_kind {
	const char *list_path;
	/* Finds the model in the answer to list_path. -EBADMSG if that is not such an answer. */
	int (*find_model)(const json_t *list, const char *model, struct api_model *ret_model);
	void (*format_load)(const char *model, const char *model_url, struct api_request *request);
	/* The answer to it comes only when the model is loaded, or cannot be. */
	bool is_load_answered_late;
	void (*format_unload)(const char *model, const char *model_url,
			      struct api_request *request);
	/* Requests in flight; NULL = the server does not tell. */
	void (*format_in_flight)(const char *model_url, struct api_request *request);
	bool is_in_flight_endless; /* a stream of events, of which the beginning is enough */
	uint32_t (*count_in_flight)(const char *body, const char *model);
	/* New requests go to this tier; NULL = clients name the model themselves. */
	void (*format_open)(const char *tier, struct api_request *request);
};

extern const struct api_kind API_LLAMA_SERVER;
extern const struct api_kind API_LLAMA_SWAP;
extern const struct api_kind API_OLLAMA;

struct api;

struct api_tier {
	struct api *api;
	const struct tier_config *config;
	uint32_t tier;
	char *model_url; /* escaped, of curl_easy_escape() */
	bool is_wanted;
	struct api_model model;
	enum tier_state state; /* that was last told of */
	bool is_answered;      /* the load has been, before the last list was asked for */
	bool is_refused;       /* with an error */
	uint32_t restarts;
	uint64_t deadline_ns; /* being loaded: has failed then */
	uint64_t again_ns;    /* the next time to ask for the load or unload */
	enum door door;
	uint32_t in_flight;
	struct http command; /* load, unload or open */
	struct http count;
};

struct api {
	struct loop *loop;
	const struct manager_config *config;
	const struct api_kind *kind;
	struct backend_events events;
	/* Once, when the server has answered first: the tier that is loaded, `off` if none is. */
	void (*on_found)(void *context, uint32_t tier);
	bool is_found;
	bool is_lost_told;
	struct http list;
	struct loop_timer poll_timer;
	struct api_tier tiers[MANAGER_TIERS_MAX];
};

extern const struct backend_ops API_OPS;

/* loop, config, events and on_found must be set, everything else zero. 0 or a negative errno. */
int api_open(struct api *api);
void api_close(struct api *api);

#endif
