// SPDX-License-Identifier: BSD-2-Clause
#include "state_members.h"

#include "core/names.h"
#include "core/state.h"

#define NUMBER_MAX STATE_NUMBER_MAX

#define STATE(field) offsetof(struct engine_state, field)
#define TIER(field) offsetof(struct tier_state, field)
#define CALM(field) offsetof(struct calm_state, field)
#define RESOURCE(field) offsetof(struct resource_state, field)

/* What changes by time alone. */
static const struct member PASSING[] = {
	{"taken_ns", MEMBER_U64, STATE(taken_ns), NUMBER_MAX, NULL, 0},
	{"same_boot", MEMBER_BOOL, STATE(is_same_boot), 0, NULL, 0},
	{"final", MEMBER_BOOL, STATE(is_final), 0, NULL, 0},
	{"sample_ns", MEMBER_PAST, STATE(sample_ns), 0, NULL, 0},
	{"pressure_ns", MEMBER_PAST, STATE(pressure_ns), 0, NULL, 0},
	{"decisive_loss_began_ns", MEMBER_PAST, STATE(loss_began_ns[LOSS_KIND_DECISIVE]), 0, NULL,
	 0},
	{"decisive_loss_ns", MEMBER_PAST, STATE(loss_ns[LOSS_KIND_DECISIVE]), 0, NULL, 0},
	{"detail_loss_began_ns", MEMBER_PAST, STATE(loss_began_ns[LOSS_KIND_ATTRIBUTION]), 0, NULL,
	 0},
	{"detail_loss_ns", MEMBER_PAST, STATE(loss_ns[LOSS_KIND_ATTRIBUTION]), 0, NULL, 0},
};

static const struct member LASTING[] = {
	{"wanted", MEMBER_TIER, STATE(wanted), 0, NULL, 0},
	{"actual", MEMBER_TIER, STATE(actual), 0, NULL, 0},
	{"assumed", MEMBER_BOOL, STATE(is_assumed), 0, NULL, 0},
	{"paused", MEMBER_BOOL, STATE(is_paused), 0, NULL, 0},
	{"pin", MEMBER_TIER_OR_NONE, STATE(pin), 0, NULL, 0},
	{"pin_until_ns", MEMBER_U64, STATE(pin_until_ns), NUMBER_MAX, NULL, 0},
	{"pin_due", MEMBER_BOOL, STATE(is_pin_due), 0, NULL, 0},
	{"pin_reason", MEMBER_WORD, STATE(pin_reason), 0, decision_reason_name,
	 DECISION_REASON_COUNT},
	{"manager", MEMBER_BOOL, STATE(has_manager), 0, NULL, 0},
	{"seq", MEMBER_U64, STATE(seq), NUMBER_MAX, NULL, 0},
	{"from", MEMBER_TIER, STATE(from), 0, NULL, 0},
	{"to", MEMBER_TIER, STATE(to), 0, NULL, 0},
	{"phase", MEMBER_WORD, STATE(phase), 0, switch_state_name, SWITCH_STATE_COUNT},
	{"mode", MEMBER_WORD, STATE(mode), 0, switch_mode_name, SWITCH_IMMEDIATE + 1},
	{"reason", MEMBER_WORD, STATE(reason), 0, decision_reason_name, DECISION_REASON_COUNT},
	{"open", MEMBER_BOOL, STATE(is_open), 0, NULL, 0},
	{"owed", MEMBER_BOOL, STATE(is_owed), 0, NULL, 0},
	{"overlap", MEMBER_BOOL, STATE(is_overlap_granted), 0, NULL, 0},
	{"failures", MEMBER_U32, STATE(failure_count), UINT32_MAX, NULL, 0},
	{"began_ns", MEMBER_PAST, STATE(began_ns), 0, NULL, 0},
	{"deadline_ns", MEMBER_AHEAD, STATE(deadline_ns), 0, NULL, 0},
	{"backoff_ns", MEMBER_U64, STATE(backoff_ns), DAY_NS, NULL, 0},
	{"wait_factor", MEMBER_U32, STATE(wait_factor), STABILIZER_FACTOR_MAX, NULL, 0},
	{"wait_factor_ns", MEMBER_PAST, STATE(wait_factor_ns), 0, NULL, 0},
	{"trial_end_ns", MEMBER_AHEAD, STATE(trial_end_ns), 0, NULL, 0},
	{"degrade_above", MEMBER_U32, STATE(degrade_above_permyriad), PERMYRIAD, NULL, 0},
	{"cost_drain_ns", MEMBER_U64, STATE(cost_drain_ns), NUMBER_MAX, NULL, 0},
	{"hello_pid", MEMBER_U32, STATE(hello_pid), INT32_MAX, NULL, 0},
	{"hello_start_ticks", MEMBER_U64, STATE(hello_start_ticks), NUMBER_MAX, NULL, 0},
};

static const struct member OF_TIER[] = {
	{"tier", MEMBER_TIER, TIER(name), 0, NULL, 0},
	{"memory_bytes", MEMBER_U64, TIER(memory_bytes), NUMBER_MAX, NULL, 0},
	{"used_ns", MEMBER_U64, TIER(learned.used_ns), NUMBER_MAX, NULL, 0},
	{"drained", MEMBER_BOOL, TIER(learned.is_drain_measured), 0, NULL, 0},
	{"drain_ns", MEMBER_U64, TIER(learned.drain_ns), DAY_NS, NULL, 0},
	{"loaded", MEMBER_BOOL, TIER(learned.is_load_measured), 0, NULL, 0},
	{"load_ns", MEMBER_U64, TIER(learned.load_ns), DAY_NS, NULL, 0},
	{"breaker", MEMBER_WORD, TIER(breaker.state), 0, breaker_state_name, BREAKER_STATE_COUNT},
	{"breaker_reason", MEMBER_WORD, TIER(breaker.reason), 0, decision_reason_name,
	 DECISION_REASON_COUNT},
	{"breaker_factor", MEMBER_U32, TIER(breaker.factor), BREAKER_FACTOR_MAX, NULL, 0},
	{"breaker_until_ns", MEMBER_AHEAD, TIER(breaker.until_ns), 0, NULL, 0},
	{"breaker_closed_ns", MEMBER_PAST, TIER(breaker.closed_ns), 0, NULL, 0},
};

/* What the adaptive policy has learned of it. */
static const struct member OF_CALM[] = {
	{"vram_bytes", MEMBER_U64, CALM(vram_bytes), NUMBER_MAX, NULL, 0},
	{"calm_since_ns", MEMBER_PAST, CALM(opened_ns), 0, NULL, 0},
	{"calm_ended_ns", MEMBER_PAST, CALM(broken_ns), 0, NULL, 0},
	{"calm_ns", MEMBER_HISTORY, CALM(lengths), SPELLS_LENGTH_MAX_NS, NULL, 0},
	{"between_ends_ns", MEMBER_HISTORY, CALM(intervals), SPELLS_LENGTH_MAX_NS, NULL, 0},
	{"forecasts", MEMBER_U32, CALM(alarms_permyriad), ADAPTIVE_ALARMS_MAX_PERMYRIAD, NULL, 0},
	{"forecasts_true", MEMBER_U32, CALM(alarms_true_permyriad), ADAPTIVE_ALARMS_MAX_PERMYRIAD,
	 NULL, 0},
	{"penalty", MEMBER_U64, CALM(penalty_permyriad), NUMBER_MAX, NULL, 0},
	{"refuges", MEMBER_NAMES, CALM(refuges), 0, NULL, 0},
};

/* What it was measured to take: of memory, and of each GPU. */
static const struct member OF_PEAK[] = {
	{"peak_bytes", MEMBER_U64, offsetof(struct footprint_peak, bytes), NUMBER_MAX, NULL, 0},
	{"seen_bytes_0", MEMBER_U64, offsetof(struct footprint_peak, seen[0]), NUMBER_MAX, NULL, 0},
	{"seen_bytes_1", MEMBER_U64, offsetof(struct footprint_peak, seen[1]), NUMBER_MAX, NULL, 0},
	{"seen_bytes_2", MEMBER_U64, offsetof(struct footprint_peak, seen[2]), NUMBER_MAX, NULL, 0},
	{"seen_bytes_3", MEMBER_U64, offsetof(struct footprint_peak, seen[3]), NUMBER_MAX, NULL, 0},
};
_Static_assert(FOOTPRINT_PERIODS == 4, "a period is not kept");

static const struct member OF_RESOURCE[] = {
	{"resource", MEMBER_WORD, RESOURCE(kind), 0, resource_kind_name, RESOURCE_KIND_COUNT},
	{"index", MEMBER_U32, RESOURCE(index), UINT32_MAX, NULL, 0},
	{"peak_bytes", MEMBER_U64, RESOURCE(peak_bytes), NUMBER_MAX, NULL, 0},
	{"noise_kib_q4", MEMBER_U64, RESOURCE(noise.mean_difference_q4), DRIFT_MEAN_MAX_Q4, NULL,
	 0},
	{"noise_seen", MEMBER_U32, RESOURCE(noise.differences), DRIFT_DIFFERENCES_MAX, NULL, 0},
};

#define LIST(name, rows) const struct member_list name = {rows, ARRAY_SIZE(rows)}
LIST(PASSING_MEMBERS, PASSING);
LIST(LASTING_MEMBERS, LASTING);
LIST(TIER_MEMBERS, OF_TIER);
LIST(CALM_MEMBERS, OF_CALM);
LIST(PEAK_MEMBERS, OF_PEAK);
LIST(RESOURCE_MEMBERS, OF_RESOURCE);
