/* SPDX-License-Identifier: BSD-2-Clause */
/* Words for the core's numbers, as they appear in lines, logs and status. Never NULL. */
#ifndef TIERD_CORE_NAMES_H
#define TIERD_CORE_NAMES_H

#include <stdint.h>

const char *decision_action_name(uint32_t action);
const char *decision_reason_name(uint32_t reason);
const char *resource_kind_name(uint32_t kind);
const char *pressure_source_name(uint32_t source);
const char *party_name(uint32_t party);
const char *switch_state_name(uint32_t state);
const char *switch_mode_name(uint32_t mode);
const char *policy_kind_name(uint32_t policy);
const char *loss_cause_name(uint32_t cause);
const char *breaker_state_name(uint32_t state);
const char *preflight_reason_name(uint32_t reason);

#endif
