/* SPDX-License-Identifier: BSD-2-Clause */
#include "latency.h"

#include "base/units.h"

/* Values from `1 << LATENCY_SUB_BITS` on are shifted until this many bits are left. */
#define KEPT_BITS (LATENCY_SUB_BITS + 1)

static uint32_t bucket_of(uint64_t ms)
{
	uint64_t value = units_min(ms, LATENCY_MAX_MS);
	uint32_t bits = value ? 64U - (uint32_t)__builtin_clzll(value) : 0;
	uint32_t shift = bits > KEPT_BITS ? bits - KEPT_BITS : 0;

	/* The leading bit of what is kept counts one power of two itself. */
	return (shift << LATENCY_SUB_BITS) + (uint32_t)(value >> shift);
}

static uint64_t middle_of(uint32_t bucket)
{
	uint32_t power = bucket >> LATENCY_SUB_BITS;
	uint32_t shift = power > 1 ? power - 1 : 0;
	uint64_t first = (uint64_t)(bucket - (shift << LATENCY_SUB_BITS)) << shift;
	uint64_t width = UINT64_C(1) << shift;

	return first + width / 2;
}

void latency_add(struct latency *latency, uint64_t ms)
{
	if (latency->total == UINT32_MAX)
		return;
	latency->total++;
	latency->count[bucket_of(ms)]++;
}

void latency_merge(struct latency *latency, const struct latency *other)
{
	/* All or nothing, so that the buckets always add up to the total. */
	if (other->total > UINT32_MAX - latency->total)
		return;
	latency->total += other->total;
	for (int i = 0; i < LATENCY_BUCKETS; i++)
		latency->count[i] += other->count[i];
}

uint64_t latency_quantile_ms(const struct latency *latency, uint32_t permyriad)
{
	uint64_t part = (uint64_t)latency->total * permyriad;
	uint64_t rank = units_max((part + PERMYRIAD - 1) / PERMYRIAD, 1);
	uint64_t seen = 0;
	uint32_t bucket = 0;

	if (latency->total == 0)
		return 0;
	rank = units_min(rank, latency->total);
	while ((seen += latency->count[bucket]) < rank)
		bucket++;
	return middle_of(bucket);
}
