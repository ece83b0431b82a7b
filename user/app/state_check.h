/* SPDX-License-Identifier: BSD-2-Clause */
/* What makes no sense in a state, although each of its members could be so (state_members.h). */
#ifndef TIERD_APP_STATE_CHECK_H
#define TIERD_APP_STATE_CHECK_H

#include "core/state.h"

/* What is wrong, in words, and of which member, "" if of none alone; NULL if nothing is. */
const char *state_find_problem(const struct engine_state *state, const char **ret_key);

#endif
