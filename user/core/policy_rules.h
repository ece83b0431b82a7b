/* SPDX-License-Identifier: BSD-2-Clause */
/* What the rules of both policies are made of: for policy*.c only. */
#ifndef TIERD_CORE_POLICY_RULES_H
#define TIERD_CORE_POLICY_RULES_H

#include "policy.h"

/* Each rule returns whether it asks for something final; holds are noted and passed over. */
typedef bool rule_function(const struct situation *situation, const struct engine_config *config,
			   struct proposal *proposal);

/* The first hold stays. */
void policy_hold(struct proposal *proposal, uint32_t reason);
void policy_order(struct proposal *proposal, uint32_t reason, enum switch_mode mode,
		  uint32_t target);

/* Blames whoever took the memory that is shortest. */
void policy_blame_use(const struct situation *situation, const struct engine_config *config,
		      struct proposal *proposal);

/* Use, stall and CPU wait have dropped well below what starts a drain. */
bool policy_has_cleared(const struct situation *situation, const struct engine_config *config);

/* The first thing that speaks against a planned step up to target; REASON_NONE if nothing does. */
uint32_t policy_find_obstacle(const struct situation *situation, const struct engine_config *config,
			      uint32_t target);

/* After the rules: what a pin makes of their proposal. */
void policy_apply_pin(const struct situation *situation, const struct engine_config *config,
		      struct proposal *proposal);

rule_function policy_rule_step_up;
rule_function policy_rule_leave;
rule_function policy_rule_cancel_leaving;
rule_function policy_rule_gain;
rule_function policy_rule_performance;

#endif
