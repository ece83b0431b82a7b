/* SPDX-License-Identifier: BSD-2-Clause */
#include "footprint.h"

#include <string.h>

#include "base/units.h"
#include "ladder.h"

#define PERIOD_NS (8 * NS_PER_HOUR)
/* Between two samples that are further apart it is not known whether the tier was in use. */
#define LASTED_MAX_NS (60 * NS_PER_S)
/* No drain or load that takes longer is one: the most that the config can say, too. */
#define TIME_MAX_NS NS_PER_HOUR

enum {
	DECAY_DIVISOR = 8,
};

/* ---- peaks -------------------------------------------------------------------------------------
 */

uint64_t footprint_seen_bytes(const struct footprint_peak *peak)
{
	uint64_t highest = 0;

	for (int i = 0; i < FOOTPRINT_PERIODS; i++)
		highest = units_max(highest, peak->seen[i]);
	return highest;
}

static uint64_t most_bytes(uint64_t configured_bytes)
{
	return units_scale(configured_bytes, FOOTPRINT_MOST_FACTOR, 1);
}

static void see(struct footprint_peak *peak, uint64_t configured_bytes, uint64_t bytes)
{
	if (bytes == 0 || configured_bytes == 0)
		return;
	bytes = units_min(bytes, most_bytes(configured_bytes));
	if (peak->bytes == 0)
		peak->bytes = configured_bytes;
	peak->seen[0] = units_max(peak->seen[0], bytes);
	peak->bytes = units_max(peak->bytes, bytes);
}

/* A period is over. */
static void age(struct footprint_peak *peak)
{
	uint64_t seen = footprint_seen_bytes(peak);

	if (peak->bytes == 0)
		return;
	peak->bytes = units_max(seen, peak->bytes - (peak->bytes - seen) / DECAY_DIVISOR);
	memmove(&peak->seen[1], &peak->seen[0], (FOOTPRINT_PERIODS - 1) * sizeof(peak->seen[0]));
	peak->seen[0] = 0;
}

void footprint_observe(struct footprints *footprints, const struct engine_config *config,
		       const struct footprint_use *use)
{
	const struct tier *said = &config->ladder.tiers[use->tier];
	struct footprint_tier *tier = &footprints->tiers[use->tier];

	if (use->tier == TIER_OFF)
		return;
	see(&tier->memory, said->memory_bytes, use->memory_bytes);
	for (uint32_t gpu = 0; gpu < LADDER_GPUS_MAX; gpu++)
		see(&tier->vram[gpu], said->vram_bytes[gpu], use->vram_bytes[gpu]);
	tier->used_ns = units_plus(tier->used_ns, units_min(use->lasted_ns, LASTED_MAX_NS));
	if (tier->used_ns < PERIOD_NS)
		return;
	tier->used_ns = 0;
	age(&tier->memory);
	for (uint32_t gpu = 0; gpu < LADDER_GPUS_MAX; gpu++)
		age(&tier->vram[gpu]);
}

/* ---- what is counted with ----------------------------------------------------------------------
 */

static bool is_known(const struct footprints *footprints, const struct ladder *ladder,
		     uint32_t tier)
{
	return ladder->tiers[tier].is_fixed || footprints->tiers[tier].memory.bytes > 0;
}

static uint64_t bounded_bytes(const struct footprint_peak *peak, uint64_t configured_bytes,
			      uint64_t capacity_bytes)
{
	uint64_t most = units_min(most_bytes(configured_bytes), capacity_bytes);

	if (peak->bytes == 0)
		return configured_bytes;
	return units_min(units_max(peak->bytes, configured_bytes / FOOTPRINT_LEAST_DIVISOR), most);
}

/* Where measured neighbours are out of order the smaller one is right: too much is safer. */
static void put_between_neighbours(const struct footprints *footprints, struct ladder *ladder)
{
	uint64_t least = 0;
	uint64_t most = UINT64_MAX;

	for (uint32_t tier = ladder->count; tier-- > 1;) {
		uint64_t *bytes = &ladder->tiers[tier].memory_bytes;

		if (is_known(footprints, ladder, tier))
			most = units_min(most, *bytes);
		else
			*bytes = units_min(*bytes, most);
	}
	for (uint32_t tier = 1; tier < ladder->count; tier++) {
		uint64_t *bytes = &ladder->tiers[tier].memory_bytes;

		if (is_known(footprints, ladder, tier))
			least = units_max(least, *bytes);
		else
			*bytes = units_max(*bytes, least);
	}
}

void footprint_apply(const struct footprints *footprints, const struct footprint_capacity *capacity,
		     struct ladder *ladder)
{
	bool is_any = false;

	for (uint32_t i = 1; i < ladder->count; i++) {
		const struct footprint_tier *learned = &footprints->tiers[i];
		struct tier *tier = &ladder->tiers[i];

		if (tier->is_fixed)
			continue;
		is_any |= learned->memory.bytes > 0;
		tier->memory_bytes =
			bounded_bytes(&learned->memory, tier->memory_bytes, capacity->memory_bytes);
		for (uint32_t gpu = 0; gpu < LADDER_GPUS_MAX; gpu++)
			tier->vram_bytes[gpu] =
				bounded_bytes(&learned->vram[gpu], tier->vram_bytes[gpu],
					      capacity->vram_bytes[gpu]);
	}
	if (is_any)
		put_between_neighbours(footprints, ladder);
}

/* ---- times -------------------------------------------------------------------------------------
 */

static void learn_time(uint64_t *time_ns, bool *is_measured, uint64_t measured_ns)
{
	measured_ns = units_min(measured_ns, TIME_MAX_NS);
	if (*is_measured)
		*time_ns = units_max(measured_ns, units_plus(*time_ns, measured_ns) / 2);
	else
		*time_ns = measured_ns;
	*is_measured = true;
}

static void fill_costs(struct footprints *footprints, const struct engine_config *config)
{
	uint64_t drain_ns =
		footprints->is_drain_measured ? footprints->drain_ns : config->cost_drain_ns;

	for (uint32_t i = 0; i < LADDER_TIERS_MAX; i++) {
		const struct footprint_tier *tier = &footprints->tiers[i];
		const struct tier *said = &config->ladder.tiers[i];
		uint64_t *drain = &footprints->costs.drain_ns[i];
		uint64_t *load = &footprints->costs.load_ns[i];

		*drain = tier->is_drain_measured ? tier->drain_ns : drain_ns;
		*load = tier->is_load_measured ? tier->load_ns : said->load_ns;
		if (!said->is_fixed)
			continue;
		*drain = config->cost_drain_ns;
		*load = said->load_ns;
	}
}

void footprint_note_drain(struct footprints *footprints, const struct engine_config *config,
			  uint32_t tier, uint64_t drain_ns)
{
	struct footprint_tier *learned = &footprints->tiers[tier];

	if (config->ladder.tiers[tier].is_fixed)
		return;
	learn_time(&learned->drain_ns, &learned->is_drain_measured, drain_ns);
	learn_time(&footprints->drain_ns, &footprints->is_drain_measured, drain_ns);
	fill_costs(footprints, config);
}

void footprint_note_load(struct footprints *footprints, const struct engine_config *config,
			 uint32_t tier, uint64_t load_ns)
{
	struct footprint_tier *learned = &footprints->tiers[tier];

	if (config->ladder.tiers[tier].is_fixed)
		return;
	learn_time(&learned->load_ns, &learned->is_load_measured, load_ns);
	fill_costs(footprints, config);
}

/* ---- configuration -----------------------------------------------------------------------------
 */

void footprint_init(struct footprints *footprints, const struct engine_config *config)
{
	memset(footprints, 0, sizeof(*footprints));
	fill_costs(footprints, config);
}

static void forget_what_is_said(struct footprint_tier *learned, const struct tier *before,
				const struct tier *tier)
{
	if (tier->memory_bytes != before->memory_bytes)
		memset(&learned->memory, 0, sizeof(learned->memory));
	for (uint32_t gpu = 0; gpu < LADDER_GPUS_MAX; gpu++) {
		if (tier->vram_bytes[gpu] != before->vram_bytes[gpu])
			memset(&learned->vram[gpu], 0, sizeof(learned->vram[gpu]));
	}
	if (tier->load_ns != before->load_ns)
		learned->is_load_measured = false;
}

void footprint_reconfigure(struct footprints *footprints, const struct engine_config *before,
			   const struct engine_config *config)
{
	struct footprint_tier kept[LADDER_TIERS_MAX] = {0};
	uint32_t old;

	for (uint32_t tier = 1; tier < config->ladder.count; tier++) {
		const struct tier *said = &config->ladder.tiers[tier];

		if (!ladder_find_name(&before->ladder, said->name, &old))
			continue;
		kept[tier] = footprints->tiers[old];
		forget_what_is_said(&kept[tier], &before->ladder.tiers[old], said);
		if (config->cost_drain_ns != before->cost_drain_ns)
			kept[tier].is_drain_measured = false;
	}
	memcpy(footprints->tiers, kept, sizeof(kept));
	if (config->cost_drain_ns != before->cost_drain_ns)
		footprints->is_drain_measured = false;
	fill_costs(footprints, config);
}

/* ---- keeping -----------------------------------------------------------------------------------
 */

void footprint_export(const struct footprints *footprints, uint32_t tier,
		      struct footprint_tier *ret_learned)
{
	*ret_learned = footprints->tiers[tier];
}

static void import_peak(struct footprint_peak *peak, uint64_t configured_bytes)
{
	uint64_t most = most_bytes(configured_bytes);

	if (peak->bytes == 0 || configured_bytes == 0) {
		memset(peak, 0, sizeof(*peak));
		return;
	}
	for (int i = 0; i < FOOTPRINT_PERIODS; i++)
		peak->seen[i] = units_min(peak->seen[i], most);
	peak->bytes = units_min(units_max(peak->bytes, footprint_seen_bytes(peak)), most);
}

void footprint_import(struct footprints *footprints, const struct engine_config *config,
		      uint32_t tier, const struct footprint_tier *learned)
{
	const struct tier *said = &config->ladder.tiers[tier];
	struct footprint_tier imported = *learned;

	if (tier == TIER_OFF || tier >= config->ladder.count)
		return;
	imported.used_ns = units_min(imported.used_ns, PERIOD_NS);
	import_peak(&imported.memory, said->memory_bytes);
	for (uint32_t gpu = 0; gpu < LADDER_GPUS_MAX; gpu++)
		import_peak(&imported.vram[gpu], said->vram_bytes[gpu]);
	imported.drain_ns = units_min(imported.drain_ns, TIME_MAX_NS);
	imported.load_ns = units_min(imported.load_ns, TIME_MAX_NS);
	if (imported.is_drain_measured)
		learn_time(&footprints->drain_ns, &footprints->is_drain_measured,
			   imported.drain_ns);
	footprints->tiers[tier] = imported;
	fill_costs(footprints, config);
}
