/* SPDX-License-Identifier: BSD-2-Clause */
/* The policies that can be scored: the product's own, and baselines. */
#ifndef TIERD_APP_SCORE_POLICIES_H
#define TIERD_APP_SCORE_POLICIES_H

#include "score.h"

/* score_engine.c: the engine of the product */
extern const struct score_policy SCORE_POLICY_ADAPTIVE;
extern const struct score_policy SCORE_POLICY_THRESHOLD_SAFE;

/* score_baselines.c */
extern const struct score_policy SCORE_POLICY_THRESHOLD;
extern const struct score_policy SCORE_POLICY_PREFLIGHT;
extern const struct score_policy SCORE_POLICY_HPA;

#endif
