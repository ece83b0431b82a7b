/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The manager's event loop: curl_multi_poll() waits for HTTP transfers and for our descriptors
 * together. A few dozen descriptors and timers, so linear lists do.
 */
#ifndef TIERD_MANAGER_LOOP_H
#define TIERD_MANAGER_LOOP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	LOOP_SOURCES_MAX = 64,
};

/* A descriptor that is watched. events: CURL_WAIT_POLLIN, CURL_WAIT_POLLOUT. */
struct loop_source {
	int fd;
	short events;
	void (*on_ready)(void *context, short events);
	void *context;
};

/* Fires once at at_ns (CLOCK_MONOTONIC), and is then unarmed. */
struct loop_timer {
	uint64_t at_ns; /* UINT64_MAX = unarmed */
	void (*on_time)(void *context);
	void *context;
	struct loop_timer *next;
};

struct loop {
	CURLM *multi;
	bool is_ending;
	struct loop_source *sources[LOOP_SOURCES_MAX];
	uint32_t source_count;
	struct loop_timer *timers;
	void (*on_transfer)(CURL *easy, CURLcode result); /* of http.c */
};

uint64_t loop_now_ns(void);

int loop_open(struct loop *loop);
void loop_close(struct loop *loop);

/* The source must stay until it is removed. -ENOSPC if there are too many. */
int loop_add_source(struct loop *loop, struct loop_source *source);
void loop_remove_source(struct loop *loop, struct loop_source *source);

/* Registers a timer for good, unarmed. */
void loop_add_timer(struct loop *loop, struct loop_timer *timer, void (*on_time)(void *context),
		    void *context);
void loop_arm_in(struct loop_timer *timer, uint64_t after_ns);
void loop_disarm(struct loop_timer *timer);

/* Waits and runs what is due, until is_ending. 0 or a negative errno. */
int loop_run(struct loop *loop);

#endif
