/* SPDX-License-Identifier: BSD-2-Clause */
/* HTTP requests with libcurl, without waiting: the answer comes as a callback. */
#ifndef TIERD_MANAGER_HTTP_H
#define TIERD_MANAGER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"

enum {
	HTTP_BODY_MAX = 1024 * 1024, /* a longer answer is an error */
	HTTP_ERROR_LEN = 160,
};

struct http_answer {
	int status;       /* 0 = there was none; error says why */
	const char *body; /* NUL-terminated, len bytes, may hold anything; "" if there is none */
	size_t len;
	const char *error;
	bool is_nobody_there; /* no server listens at all */
};

struct http {
	struct loop *loop;
	CURL *easy; /* NULL = nothing is under way */
	struct curl_slist *headers;
	char *body;
	size_t len;
	void (*on_answer)(void *context, const struct http_answer *answer);
	void *context;
};

/*
 * Begins one request; one at a time for each struct, which must be zeroed at first. json is the
 * body of a POST, NULL for a GET; method overrides that ("PUT"), or NULL. 0 or a negative errno.
 */
int http_begin(struct http *http, struct loop *loop, const char *method, const char *url,
	       const char *json, uint64_t timeout_ns,
	       void (*on_answer)(void *context, const struct http_answer *answer), void *context);

bool http_is_busy(const struct http *http);

/* Nothing more comes of it. */
void http_cancel(struct http *http);

#endif
