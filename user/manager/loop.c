/* SPDX-License-Identifier: BSD-2-Clause */
#include "loop.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/units.h"

enum {
	WAIT_MAX_MS = 60000,
};

uint64_t loop_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

int loop_open(struct loop *loop)
{
	memset(loop, 0, sizeof(*loop));
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	loop->multi = curl_multi_init();
	return loop->multi ? 0 : -ENOMEM;
}

void loop_close(struct loop *loop)
{
	if (!loop->multi)
		return;
	curl_multi_cleanup(loop->multi);
	loop->multi = NULL;
	curl_global_cleanup();
}

int loop_add_source(struct loop *loop, struct loop_source *source)
{
	if (loop->source_count == LOOP_SOURCES_MAX)
		return -ENOSPC;
	loop->sources[loop->source_count++] = source;
	return 0;
}

void loop_remove_source(struct loop *loop, struct loop_source *source)
{
	for (uint32_t i = 0; i < loop->source_count; i++) {
		if (loop->sources[i] != source)
			continue;
		loop->sources[i] = loop->sources[--loop->source_count];
		return;
	}
}

void loop_add_timer(struct loop *loop, struct loop_timer *timer, void (*on_time)(void *context),
		    void *context)
{
	*timer = (struct loop_timer){UINT64_MAX, on_time, context, loop->timers};
	loop->timers = timer;
}

void loop_arm_in(struct loop_timer *timer, uint64_t after_ns)
{
	timer->at_ns = units_plus(loop_now_ns(), after_ns);
}

void loop_disarm(struct loop_timer *timer)
{
	timer->at_ns = UINT64_MAX;
}

static int next_wait_ms(const struct loop *loop)
{
	uint64_t next_ns = UINT64_MAX;

	for (const struct loop_timer *timer = loop->timers; timer; timer = timer->next)
		next_ns = units_min(next_ns, timer->at_ns);
	uint64_t wait_ms = (units_minus(next_ns, loop_now_ns()) + NS_PER_MS - 1) / NS_PER_MS;

	return (int)units_min(wait_ms, WAIT_MAX_MS);
}

static void run_timers(struct loop *loop)
{
	uint64_t now_ns = loop_now_ns();

	for (struct loop_timer *timer = loop->timers; timer; timer = timer->next) {
		if (timer->at_ns > now_ns)
			continue;
		timer->at_ns = UINT64_MAX;
		timer->on_time(timer->context);
	}
}

static bool is_registered(const struct loop *loop, const struct loop_source *source)
{
	for (uint32_t i = 0; i < loop->source_count; i++) {
		if (loop->sources[i] == source)
			return true;
	}
	return false;
}

/* A callback may remove any source, and add others. */
static void run_sources(struct loop *loop, struct loop_source *const *sources,
			const struct curl_waitfd *fds, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (fds[i].revents && is_registered(loop, sources[i]) &&
		    sources[i]->fd == fds[i].fd)
			sources[i]->on_ready(sources[i]->context, fds[i].revents);
	}
}

static void run_transfers(struct loop *loop)
{
	CURLMsg *message;
	int running = 0;
	int left = 0;

	curl_multi_perform(loop->multi, &running);
	while ((message = curl_multi_info_read(loop->multi, &left))) {
		if (message->msg == CURLMSG_DONE && loop->on_transfer)
			loop->on_transfer(message->easy_handle, message->data.result);
	}
}

int loop_run(struct loop *loop)
{
	while (!loop->is_ending) {
		struct loop_source *sources[LOOP_SOURCES_MAX];
		struct curl_waitfd fds[LOOP_SOURCES_MAX];
		uint32_t count = loop->source_count;

		run_transfers(loop);
		if (loop->is_ending)
			break;
		for (uint32_t i = 0; i < count; i++) {
			sources[i] = loop->sources[i];
			fds[i] = (struct curl_waitfd){sources[i]->fd, sources[i]->events, 0};
		}
		CURLMcode r = curl_multi_poll(loop->multi, fds, count, next_wait_ms(loop), NULL);
		if (r != CURLM_OK)
			return -EIO;
		run_sources(loop, sources, fds, count);
		run_timers(loop);
	}
	return 0;
}
