/* SPDX-License-Identifier: BSD-2-Clause */
#include "names.h"

#include <stddef.h>

#include "actions.h"
#include "base/units.h"
#include "engine.h"

static const char *const action_names[] = {
	[DECISION_START] = "start", [DECISION_SWITCH] = "switch", [DECISION_CANCEL] = "cancel",
	[DECISION_HOLD] = "hold",   [DECISION_DONE] = "done",     [DECISION_FAILED] = "failed",
	[DECISION_STATE] = "state",
};
_Static_assert(ARRAY_SIZE(action_names) == DECISION_ACTION_COUNT, "an action has no name");

/* Each fits into a manager line's reason, PROTOCOL_REASON_LEN. */
static const char *const reason_names[] = {
	[REASON_NONE] = "none",
	[REASON_INITIAL] = "initial",
	[REASON_USE_OVER_DEGRADE] = "use-over-degrade",
	[REASON_USE_OVER_UPGRADE] = "use-over-upgrade",
	[REASON_STALL_OVER_URGENT] = "stall-over-urgent",
	[REASON_STALL_OVER_ABOVE] = "stall-over-above",
	[REASON_OOM_GROUP] = "oom-group",
	[REASON_OOM_HOST] = "oom-host",
	[REASON_CPU_WAIT_MODEL] = "cpu-wait-model",
	[REASON_CPU_WAIT_OTHERS] = "cpu-wait-others",
	[REASON_CALM] = "calm",
	[REASON_FORECAST] = "forecast",
	[REASON_RECURRENCE] = "recurrence",
	[REASON_GAIN] = "gain",
	[REASON_GAIN_TOO_SMALL] = "gain-too-small",
	[REASON_PRESSURE_CLEARED] = "pressure-cleared",
	[REASON_NOT_OURS] = "not-ours",
	[REASON_MIN_TIER] = "min-tier",
	[REASON_WARMUP] = "warmup",
	[REASON_UNCONFIRMED] = "unconfirmed",
	[REASON_STABILIZING] = "stabilizing",
	[REASON_PEAK_DOES_NOT_FIT] = "peak-does-not-fit",
	[REASON_TREND_RISING] = "trend-rising",
	[REASON_MODEL_UNSEEN] = "model-unseen",
	[REASON_DATA_LOST] = "data-lost",
	[REASON_SOURCE_LOST] = "source-lost",
	[REASON_PAUSED] = "paused",
	[REASON_ACKNOWLEDGED] = "acknowledged",
	[REASON_ASSUMED] = "assumed",
	[REASON_MANAGER_FAILED] = "manager-failed",
	[REASON_MANAGER_SILENT] = "manager-silent",
	[REASON_SOURCE_CHANGED] = "source-changed",
	[REASON_CONFIG_CHANGED] = "config-changed",
	[REASON_RESUMED] = "resumed",
	[REASON_DRAIN_DEADLINE] = "drain-deadline",
	[REASON_TIER_FAILING] = "tier-failing",
	[REASON_TIER_SLOW] = "tier-slow",
	[REASON_SLOW_UNPRESSED] = "slow-unpressed",
	[REASON_TIER_RESTING] = "tier-resting",
	[REASON_RESERVED] = "reserved",
	[REASON_PINNED] = "pinned",
	[REASON_UNPINNED] = "unpinned",
	[REASON_PIN_EXPIRED] = "pin-expired",
	[REASON_PIN_DOES_NOT_FIT] = "pin-does-not-fit",
	[REASON_RESTORED] = "restored",
};
_Static_assert(ARRAY_SIZE(reason_names) == DECISION_REASON_COUNT, "a reason has no name");

static const char *const resource_names[] = {
	[RESOURCE_HOST_MEMORY] = "host-memory",
	[RESOURCE_GROUP_MEMORY] = "group-memory",
	[RESOURCE_VRAM] = "vram",
};
_Static_assert(ARRAY_SIZE(resource_names) == RESOURCE_KIND_COUNT, "a resource has no name");

static const char *const source_names[] = {
	[SOURCE_NONE] = "none",
	[SOURCE_POLL] = "poll",
	[SOURCE_PSI] = "psi",
	[SOURCE_BPF] = "bpf",
};
_Static_assert(ARRAY_SIZE(source_names) == SOURCE_BPF + 1, "a source has no name");

static const char *const party_names[] = {
	[PARTY_OTHERS] = "others",
	[PARTY_MODEL] = "model",
	[PARTY_AGENT] = "agent",
};
_Static_assert(ARRAY_SIZE(party_names) == PARTY_COUNT, "a party has no name");

static const char *const state_names[] = {
	[SWITCH_STEADY] = "steady",
	[SWITCH_DRAINING] = "draining",
	[SWITCH_LOADING] = "loading",
	[SWITCH_SETTLING] = "settling",
};
_Static_assert(ARRAY_SIZE(state_names) == SWITCH_STATE_COUNT, "a switch state has no name");

static const char *const mode_names[] = {
	[SWITCH_PLANNED] = "planned",
	[SWITCH_IMMEDIATE] = "immediate",
};
_Static_assert(ARRAY_SIZE(mode_names) == SWITCH_IMMEDIATE + 1, "a mode has no name");

static const char *const policy_names[] = {
	[POLICY_THRESHOLD] = "threshold",
	[POLICY_ADAPTIVE] = "adaptive",
};
_Static_assert(ARRAY_SIZE(policy_names) == POLICY_COUNT, "a policy has no name");

static const char *const loss_names[] = {
	[LOSS_BULK_RING] = "bulk-ring",
	[LOSS_URGENT_RING] = "urgent-ring",
	[LOSS_UNTRACKED] = "untracked",
	[LOSS_NO_MEMORY] = "no-memory",
	[LOSS_CONTENTION] = "contention",
	[LOSS_PROGRAM_MISSED] = "program-missed",
	[LOSS_SAMPLE] = "sample",
	[LOSS_SLOT] = "slot",
	[LOSS_WALK] = "walk",
};
_Static_assert(ARRAY_SIZE(loss_names) == LOSS_CAUSE_COUNT, "a loss has no name");

static const char *const breaker_names[] = {
	[BREAKER_CLOSED] = "closed",
	[BREAKER_OPEN] = "open",
	[BREAKER_HALF_OPEN] = "half-open",
};
_Static_assert(ARRAY_SIZE(breaker_names) == BREAKER_STATE_COUNT, "a breaker state has no name");

static const char *const preflight_names[] = {
	[PREFLIGHT_FITS] = "fits",       [PREFLIGHT_NO_SAMPLE] = "no-sample",
	[PREFLIGHT_SHORT] = "short",     [PREFLIGHT_RESERVED] = "reserved",
	[PREFLIGHT_NO_GPU] = "no-gpu",   [PREFLIGHT_CPU_SHORT] = "cpu-short",
	[PREFLIGHT_STALLED] = "stalled", [PREFLIGHT_TOO_MANY] = "too-many-reservations",
};
_Static_assert(ARRAY_SIZE(preflight_names) == PREFLIGHT_REASON_COUNT, "a reason has no name");

static const char *name_of(const char *const *names, size_t count, uint32_t number)
{
	return number < count ? names[number] : "?";
}

#define NAME_FUNCTION(function, number, names)                    \
	const char *function(uint32_t number)                     \
	{                                                         \
		return name_of(names, ARRAY_SIZE(names), number); \
	}

NAME_FUNCTION(decision_action_name, action, action_names)
NAME_FUNCTION(decision_reason_name, reason, reason_names)
NAME_FUNCTION(resource_kind_name, kind, resource_names)
NAME_FUNCTION(pressure_source_name, source, source_names)
NAME_FUNCTION(party_name, party, party_names)
NAME_FUNCTION(switch_state_name, state, state_names)
NAME_FUNCTION(switch_mode_name, mode, mode_names)
NAME_FUNCTION(policy_kind_name, policy, policy_names)
NAME_FUNCTION(loss_cause_name, cause, loss_names)
NAME_FUNCTION(breaker_state_name, state, breaker_names)
NAME_FUNCTION(preflight_reason_name, reason, preflight_names)
