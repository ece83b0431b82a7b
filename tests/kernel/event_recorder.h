/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real events, kept: what an agent would have fed to its engine while something happened on this
 * host, so that a test can feed it again, with parts taken out.
 */
#ifndef TIERD_TESTS_EVENT_RECORDER_H
#define TIERD_TESTS_EVENT_RECORDER_H

#include <stddef.h>
#include <stdint.h>

#include "tierd/event.h"

struct event_recording {
	struct event *events;
	size_t count;
	size_t room;
};

/* Records for so long: a walk every 100 ms, a sample every 500 ms. model_group is a group's
 * directory. Fails the test on error; free(recording->events) afterwards. */
void event_recorder_run(const char *model_group, uint64_t duration_ns,
			struct event_recording *ret_recording);

#endif
