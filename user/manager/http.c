/* SPDX-License-Identifier: BSD-2-Clause */
#include "http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
	struct http *http = context;
	size_t len = size * count;

	if (http->len + len > HTTP_BODY_MAX)
		return 0;
	char *body = realloc(http->body, http->len + len + 1);
	if (!body)
		return 0;
	memcpy(body + http->len, bytes, len);
	http->body = body;
	http->len += len;
	body[http->len] = '\0';
	return len;
}

static void release(struct http *http)
{
	if (http->easy) {
		curl_multi_remove_handle(http->loop->multi, http->easy);
		curl_easy_cleanup(http->easy);
	}
	curl_slist_free_all(http->headers);
	free(http->body);
	http->easy = NULL;
	http->headers = NULL;
	http->body = NULL;
	http->len = 0;
}

static void on_transfer(CURL *easy, CURLcode result)
{
	struct http *http = NULL;
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&http);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	struct http old = *http;
	struct http_answer answer = {
		.status = result == CURLE_OK ? (int)status : 0,
		.body = old.body ? old.body : "",
		.len = old.len,
		.error = result == CURLE_OK ? "" : curl_easy_strerror(result),
		.is_nobody_there = result == CURLE_COULDNT_CONNECT,
	};

	/* The callback may begin the next request at once. */
	http->easy = NULL;
	http->headers = NULL;
	http->body = NULL;
	http->len = 0;
	old.on_answer(old.context, &answer);
	release(&old);
}

static void set_options(struct http *http, const char *method, const char *url, const char *json,
			uint64_t timeout_ns)
{
	CURL *easy = http->easy;

	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(timeout_ns / NS_PER_MS));
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, http);
	/* A server that is about to end must not be kept by an idle connection of ours. */
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	if (json) {
		http->headers = curl_slist_append(NULL, "Content-Type: application/json");
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers);
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, json);
	}
	if (method)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

int http_begin(struct http *http, struct loop *loop, const char *method, const char *url,
	       const char *json, uint64_t timeout_ns,
	       void (*on_answer)(void *context, const struct http_answer *answer), void *context)
{
	if (http->easy)
		return -EBUSY;
	http->loop = loop;
	loop->on_transfer = on_transfer;
	http->on_answer = on_answer;
	http->context = context;
	http->easy = curl_easy_init();
	if (!http->easy)
		return -ENOMEM;
	set_options(http, method, url, json, timeout_ns);
	if (curl_multi_add_handle(loop->multi, http->easy) != CURLM_OK) {
		curl_easy_cleanup(http->easy);
		http->easy = NULL;
		release(http);
		return -ENOMEM;
	}
	return 0;
}

bool http_is_busy(const struct http *http)
{
	return http->easy != NULL;
}

void http_cancel(struct http *http)
{
	if (http->loop)
		release(http);
}
