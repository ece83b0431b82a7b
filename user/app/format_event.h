/* SPDX-License-Identifier: BSD-2-Clause */
/* Events of a trace as NDJSON, with every field, for people and for programs such as jq. */
#ifndef TIERD_APP_FORMAT_EVENT_H
#define TIERD_APP_FORMAT_EVENT_H

#include <stddef.h>

#include "base/event_codec.h"

enum {
	FORMAT_EVENT_LEN = 512 * 1024, /* of any line: a configuration with its escapes */
};

/*
 * One line with its newline; config is used for events that are kept as a text only. Returns the
 * length without the NUL; or -EMSGSIZE and an empty buffer.
 */
int format_event_json(const struct event *event, const struct event_text *config, char *buffer,
		      size_t size);

#endif
