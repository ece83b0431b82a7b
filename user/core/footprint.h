/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each tier was measured to take, and how long switching took; the config says it until then.
 *
 * Memory and VRAM are the highest that was seen: a first value is what the config says, a higher
 * one counts at once, and time in use brings it down slowly to what was still seen lately. Time
 * counts only while the tier is in use, in periods of 8 h; the peaks of the last periods, which
 * hold at least a day of use, are kept, and the value is never under them. At the end of a period
 * it falls by an eighth of what it is over them. So no clock is needed, and a restart changes
 * nothing.
 *
 * What is used is bounded: a quarter to four times of what the config says, and not more than the
 * machine has. VRAM is learned on the GPUs only that the config says the tier uses. Tiers are in
 * the order of what they take: one that was never measured is taken to lie between its measured
 * neighbours. The config alone counts where it says `fixed`.
 *
 * Times: the first measurement replaces what was only said. Later ones count at once where it took
 * longer, and by half where it did not: a forecast that is too short costs more than one too long.
 * A tier whose drain was never measured is taken to drain like the others.
 */
#ifndef TIERD_CORE_FOOTPRINT_H
#define TIERD_CORE_FOOTPRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

enum {
	FOOTPRINT_PERIODS = 4, /* the one that goes on and three that are over: a day */
	FOOTPRINT_LEAST_DIVISOR = 4,
	FOOTPRINT_MOST_FACTOR = 4,
};

struct footprint_peak {
	uint64_t bytes;                   /* 0 = never measured */
	uint64_t seen[FOOTPRINT_PERIODS]; /* highest in each, latest first */
};

/* All that is learned of one tier; plain numbers, to be kept across restarts. */
struct footprint_tier {
	uint64_t used_ns; /* in the period that goes on */
	struct footprint_peak memory;
	struct footprint_peak vram[LADDER_GPUS_MAX];
	uint64_t drain_ns; /* where it is measured */
	uint64_t load_ns;
	bool is_drain_measured;
	bool is_load_measured;
};

/* What switching takes here, measured or not. */
struct switch_costs {
	uint64_t drain_ns[LADDER_TIERS_MAX]; /* of the tier that is left */
	uint64_t load_ns[LADDER_TIERS_MAX];
};

struct footprints {
	struct footprint_tier tiers[LADDER_TIERS_MAX];
	uint64_t drain_ns; /* of any tier */
	bool is_drain_measured;
	struct switch_costs costs;
};

/* A tier in use, as a sample shows it. */
struct footprint_use {
	uint32_t tier;
	uint64_t lasted_ns;    /* in use since the last sample */
	uint64_t memory_bytes; /* 0 = not measured */
	uint64_t vram_bytes[LADDER_GPUS_MAX];
};

/* What the machine has; UINT64_MAX = not known. */
struct footprint_capacity {
	uint64_t memory_bytes;
	uint64_t vram_bytes[LADDER_GPUS_MAX];
};

void footprint_init(struct footprints *footprints, const struct engine_config *config);

/*
 * After a change of configuration: tiers keep by their name what was learned of them, but for what
 * the config now says otherwise. Both with the ladder as the config says it.
 */
void footprint_reconfigure(struct footprints *footprints, const struct engine_config *before,
			   const struct engine_config *config);

void footprint_observe(struct footprints *footprints, const struct engine_config *config,
		       const struct footprint_use *use);

/* A manager took this long. */
void footprint_note_drain(struct footprints *footprints, const struct engine_config *config,
			  uint32_t tier, uint64_t drain_ns);
void footprint_note_load(struct footprints *footprints, const struct engine_config *config,
			 uint32_t tier, uint64_t load_ns);

/* Puts what is to be counted with into a ladder that is as the config says it. */
void footprint_apply(const struct footprints *footprints, const struct footprint_capacity *capacity,
		     struct ladder *ladder);

/* The highest that was seen in the last day of use and the period that goes on. */
uint64_t footprint_seen_bytes(const struct footprint_peak *peak);

/*
 * To keep what was learned of a tier and to put it back, as it was given out; anything that cannot
 * be so is put right. config is that of the ladder that tier is in.
 */
void footprint_export(const struct footprints *footprints, uint32_t tier,
		      struct footprint_tier *ret_learned);
void footprint_import(struct footprints *footprints, const struct engine_config *config,
		      uint32_t tier, const struct footprint_tier *learned);

#endif
