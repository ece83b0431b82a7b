/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "Can I load this now?": for a tier instead of the present one, or for an amount of memory beside
 * it. The answer is arithmetic on the last sample: with what is asked for in place, every resource
 * that it takes something of stays under upgrade_below.
 *
 * A yes is a reservation: what it takes is kept from every other question, and from steps up, until
 *   - the reservation expires, or
 *   - the memory is seen taken: others' use has grown by it since (for an amount), or
 *   - the tier is in place (for a tier).
 * Reservations of amounts are stacked on others' use: each covers a stretch of it that begins where
 * others' use and the reservations before it ended. As much of a stretch as others' use has grown
 * into is taken, whoever took it. So use and reservations together never count the same bytes
 * twice.
 */
#ifndef TIERD_CORE_PREFLIGHT_H
#define TIERD_CORE_PREFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

enum {
	PREFLIGHT_RESERVATIONS_MAX = 8,
	PREFLIGHT_TIER_NONE = LADDER_TIERS_MAX,
};

enum preflight_reason {
	PREFLIGHT_FITS,
	PREFLIGHT_NO_SAMPLE, /* nothing has been measured yet */
	PREFLIGHT_SHORT,     /* of the resource that worst names */
	PREFLIGHT_RESERVED,  /* the same, and it would fit without the reservations */
	PREFLIGHT_NO_GPU,    /* VRAM is asked for, and no GPU is measured */
	PREFLIGHT_CPU_SHORT,
	PREFLIGHT_STALLED,  /* processes wait for memory, whatever the numbers say */
	PREFLIGHT_TOO_MANY, /* it would fit, but PREFLIGHT_RESERVATIONS_MAX are open already */
	PREFLIGHT_REASON_COUNT,
};

struct preflight_question {
	uint32_t tier; /* PREFLIGHT_TIER_NONE: the amounts below, beside what runs */
	uint64_t memory_bytes;
	uint64_t vram_bytes; /* of one GPU, whichever has most room */
	uint32_t cpus_permille;
	/* Limited groups from this one up hold whoever asks, as in event_process. */
	uint32_t shared_depth;
	bool is_only_asked; /* nothing is to be reserved */
};

/* One resource that something is asked of. */
struct preflight_need {
	uint32_t kind; /* enum resource_kind */
	uint32_t index;
	uint64_t capacity_bytes;
	uint64_t limit_bytes;    /* upgrade_below of it */
	uint64_t others_bytes;   /* in use */
	uint64_t model_bytes;    /* of the tier that stays in place, with one being loaded */
	uint64_t reserved_bytes; /* to others before */
	uint64_t need_bytes;
	uint64_t have_bytes;    /* what is left under the limit */
	uint32_t use_permyriad; /* with the need */
	bool does_fit;
};

struct preflight_cpu {
	bool is_asked;
	bool is_measured; /* others' demand is known */
	uint32_t capacity_permille;
	uint32_t others_permille;
	uint32_t model_permille;
	uint32_t reserved_permille;
	uint32_t need_permille;
	uint32_t have_permille;
	bool does_fit;
};

struct preflight_answer {
	uint64_t time_ns; /* of the question */
	struct preflight_question question;
	bool does_fit;
	uint32_t reason;       /* enum preflight_reason */
	uint32_t serving;      /* tier that is in place */
	uint32_t largest;      /* tier that fits (beside an amount); PREFLIGHT_TIER_NONE = none */
	uint64_t reserved_ns;  /* how long it is reserved; 0 = it is not */
	uint64_t first_end_ns; /* of the reservations of before: until the first ends; 0 = none */
	uint32_t worst;        /* the need with the highest use */
	uint32_t need_count;
	struct preflight_need needs[EVENT_RESOURCES_MAX];
	struct preflight_cpu cpu;
};

struct reservation_part {
	uint32_t kind;
	uint32_t index;
	uint64_t bytes;
	uint64_t level_bytes; /* of others' use, where it begins */
};

struct reservation {
	uint32_t tier; /* PREFLIGHT_TIER_NONE: an amount */
	uint64_t ends_ns;
	uint32_t cpus_permille;
	uint32_t part_count;
	struct reservation_part parts[EVENT_RESOURCES_MAX];
};

/* Oldest first. */
struct preflight {
	uint32_t count;
	struct reservation reservations[PREFLIGHT_RESERVATIONS_MAX];
};

struct preflight_resource {
	uint32_t kind;
	uint32_t index;
	uint64_t capacity_bytes;
	uint64_t others_bytes;
	uint64_t model_bytes; /* measured */
};

/* What a question is answered from. */
struct preflight_scene {
	uint64_t now_ns;
	const struct engine_config *config;
	bool has_sample;
	bool is_stalled;  /* memory stall over stall_above that a smaller tier may relieve */
	bool is_measured; /* model_bytes are the serving tier's */
	uint32_t serving;
	uint32_t pending;    /* tier that is on its way; serving if there is none */
	bool is_overlapping; /* both are in memory at once */
	bool is_cpu_measured;
	uint32_t cpu_permille; /* all cores */
	uint32_t others_cpu_permille;
	uint32_t count;
	struct preflight_resource resources[EVENT_RESOURCES_MAX];
};

/* Reservations end with time; with what a sample shows; and when a tier is in place. */
void preflight_expire(struct preflight *preflight, uint64_t now_ns);
void preflight_see(struct preflight *preflight, const struct preflight_scene *scene);
void preflight_end_tier(struct preflight *preflight, uint32_t tier);

/* After a change of the ladder: tiers keep their names; what is of one that is gone ends. */
void preflight_rename(struct preflight *preflight, const struct ladder *before,
		      const struct ladder *after);

/* What amounts are reserved beyond others' use of that resource. */
uint64_t preflight_reserved_bytes(const struct preflight *preflight, uint32_t kind, uint32_t index,
				  uint64_t others_bytes);

/* Bytes that are in place or on their way as the model. */
uint64_t preflight_in_place_bytes(const struct preflight_scene *scene,
				  const struct preflight_resource *resource);

/* Answers; a yes becomes a reservation. *ret_answer is filled but for its time. */
void preflight_ask(struct preflight *preflight, const struct preflight_scene *scene,
		   const struct preflight_question *question, struct preflight_answer *ret_answer);

#endif
