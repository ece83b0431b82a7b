/* SPDX-License-Identifier: BSD-2-Clause */
#include "stabilizer.h"

#include <string.h>

#include "base/units.h"

#define FACTOR_HALF_LIFE_NS (900 * NS_PER_S)

void stabilizer_init(struct stabilizer *stabilizer, uint64_t now_ns)
{
	memset(stabilizer, 0, sizeof(*stabilizer));
	stabilizer->last_event_ns = now_ns;
	stabilizer->factor = 1;
}

/* How long losses of one kind may hold a step up, from the first one on. */
static uint64_t loss_budget_ns(uint64_t stabilization_ns)
{
	return units_scale(stabilization_ns, STABILIZER_FACTOR_MAX, 1);
}

void stabilizer_advance(struct stabilizer *stabilizer, uint64_t now_ns, uint64_t stabilization_ns)
{
	uint64_t wait_ns;

	while (stabilizer->factor > 1 &&
	       units_minus(now_ns, stabilizer->factor_since_ns) >= FACTOR_HALF_LIFE_NS) {
		stabilizer->factor /= 2;
		stabilizer->factor_since_ns += FACTOR_HALF_LIFE_NS;
	}
	wait_ns = stabilizer_wait_ns(stabilizer, stabilization_ns);
	for (int kind = 0; kind < LOSS_KIND_COUNT; kind++) {
		struct stabilizer_episode *episode = &stabilizer->loss[kind];

		if (units_minus(now_ns, episode->last_ns) >= wait_ns)
			episode->is_open = false;
	}
	if (now_ns >= stabilizer->trial_end_ns)
		stabilizer->is_step_up_on_trial = false;
}

void stabilizer_restart(struct stabilizer *stabilizer, uint64_t now_ns)
{
	stabilizer->last_event_ns = units_max(stabilizer->last_event_ns, now_ns);
}

void stabilizer_note_step_up(struct stabilizer *stabilizer, uint64_t now_ns, uint64_t trial_ns)
{
	stabilizer->is_step_up_on_trial = true;
	stabilizer->trial_end_ns = units_plus(now_ns, trial_ns);
}

void stabilizer_note_failed_step_up(struct stabilizer *stabilizer, uint64_t now_ns)
{
	stabilizer->is_step_up_on_trial = false;
	stabilizer->factor =
		(uint32_t)units_min(stabilizer->factor * UINT64_C(2), STABILIZER_FACTOR_MAX);
	stabilizer->factor_since_ns = now_ns;
}

void stabilizer_note_step_down(struct stabilizer *stabilizer, uint64_t now_ns,
			       uint64_t stabilization_ns)
{
	stabilizer_advance(stabilizer, now_ns, stabilization_ns);
	if (stabilizer->is_step_up_on_trial)
		stabilizer_note_failed_step_up(stabilizer, now_ns);
}

void stabilizer_note_loss(struct stabilizer *stabilizer, enum loss_kind kind, uint64_t now_ns,
			  uint64_t stabilization_ns)
{
	struct stabilizer_episode *episode = &stabilizer->loss[kind];

	stabilizer_advance(stabilizer, now_ns, stabilization_ns);
	if (!episode->is_open)
		episode->began_ns = now_ns;
	episode->is_open = true;
	episode->last_ns = now_ns;
}

uint64_t stabilizer_wait_ns(const struct stabilizer *stabilizer, uint64_t stabilization_ns)
{
	return units_scale(stabilization_ns, stabilizer->factor, 1);
}

uint64_t stabilizer_pressure_calm_ns(const struct stabilizer *stabilizer, uint64_t now_ns)
{
	return units_minus(now_ns, stabilizer->last_event_ns);
}

bool stabilizer_is_degraded(const struct stabilizer *stabilizer, uint64_t now_ns,
			    uint64_t stabilization_ns)
{
	const struct stabilizer_episode *episode = &stabilizer->loss[LOSS_KIND_DECISIVE];

	return episode->is_open &&
	       units_minus(now_ns, episode->began_ns) >= loss_budget_ns(stabilization_ns);
}

uint64_t stabilizer_calm_ns(const struct stabilizer *stabilizer, uint64_t now_ns,
			    uint64_t stabilization_ns)
{
	const struct stabilizer_episode *decisive = &stabilizer->loss[LOSS_KIND_DECISIVE];
	const struct stabilizer_episode *detail = &stabilizer->loss[LOSS_KIND_ATTRIBUTION];
	uint64_t since_ns = stabilizer->last_event_ns;

	if (decisive->is_open && !stabilizer_is_degraded(stabilizer, now_ns, stabilization_ns))
		since_ns = units_max(since_ns, decisive->last_ns);
	/* Lost detail counts once: from its first loss, not from each one that follows. */
	if (detail->is_open)
		since_ns = units_max(since_ns, detail->began_ns);
	return units_minus(now_ns, since_ns);
}
