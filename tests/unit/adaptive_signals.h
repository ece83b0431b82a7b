/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals of others' use for the adaptive policy, drawn from seeds: one value a second, in permille
 * of the host. Every kind has its levels, periods and noise drawn too, so that no test is about one
 * draw.
 */
#ifndef TIERD_TEST_ADAPTIVE_SIGNALS_H
#define TIERD_TEST_ADAPTIVE_SIGNALS_H

#include <stdint.h>

enum {
	SIGNAL_SECONDS_MAX = 6000,
	SIGNAL_PERMILLE_MAX = 990,
};

enum signal_kind {
	SIGNAL_FLAT,
	SIGNAL_DANCE, /* a slow wave around upgrade_below of the largest tier */
	SIGNAL_STEPS, /* between two levels, with a fixed period */
	SIGNAL_RAMPS, /* up in one time, down in another */
	SIGNAL_SPIKES,
	SIGNAL_WALK,
	SIGNAL_NOISE,  /* another level every so often, with much noise */
	SIGNAL_BURSTS, /* calm and pressure of random lengths */
	SIGNAL_KIND_COUNT,
};

struct signal {
	uint64_t state; /* of the random numbers */
	uint32_t seconds;
	uint16_t permille[SIGNAL_SECONDS_MAX];
};

static inline uint32_t signal_below(struct signal *signal, uint32_t limit)
{
	signal->state =
		signal->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((signal->state >> 33) % limit);
}

static inline int32_t signal_between(struct signal *signal, int32_t low, int32_t high)
{
	return low + (int32_t)signal_below(signal, (uint32_t)(high - low + 1));
}

/* About normal, with a deviation of about 0.6 of the amplitude. */
static inline int32_t signal_noise(struct signal *signal, int32_t amplitude)
{
	return (signal_between(signal, -amplitude, amplitude) +
		signal_between(signal, -amplitude, amplitude) +
		signal_between(signal, -amplitude, amplitude)) /
	       3 * 2;
}

static inline uint16_t signal_clamp(int32_t permille)
{
	if (permille < 0)
		return 0;
	return (uint16_t)(permille > SIGNAL_PERMILLE_MAX ? SIGNAL_PERMILLE_MAX : permille);
}

/* A wave out of two parabolas, close enough to a sine, from -amplitude to +amplitude. */
static inline int32_t signal_wave(int32_t second, int32_t period, int32_t amplitude)
{
	int32_t half = period / 2;
	int32_t at = second % half;
	int32_t height = amplitude * (400 * at / half) / 100 * (half - at) / half;

	return second % (2 * half) < half ? height : -height;
}

/* What a kind draws once: the levels, two lengths, and the noise. */
struct signal_draw {
	int32_t flat, low, high;
	int32_t first, second;
	int32_t noise;
	int32_t level; /* of the walk and of the noise: as it stands */
	int32_t until; /* of the noise and of the bursts: the next change */
};

static inline int32_t signal_value(struct signal *signal, enum signal_kind kind,
				   struct signal_draw *d, int32_t t)
{
	int32_t at = t % (d->first + d->second);

	switch (kind) {
	case SIGNAL_FLAT:
		return d->flat;
	case SIGNAL_DANCE:
		return 400 + signal_wave(t, 4 * d->first, 30);
	case SIGNAL_STEPS:
		return at < d->first ? d->low : d->high;
	case SIGNAL_RAMPS:
		if (at < d->first)
			return d->low + (d->high - d->low) * at / d->first;
		return d->high - (d->high - d->low) * (at - d->first) / d->second;
	case SIGNAL_SPIKES:
		return at < 5 + d->second / 20 ? d->high : d->low;
	case SIGNAL_WALK:
		d->level += signal_noise(signal, 6) - (d->level - 500) / 100;
		return d->level;
	default:
		break;
	}
	if (t < d->until)
		return d->level;
	if (kind == SIGNAL_NOISE)
		d->level = signal_between(signal, 50, 950);
	else
		d->level = d->level == d->low ? d->high : d->low;
	d->until = t + signal_between(signal, 5, d->level == d->low ? 4 * d->first : d->second);
	return d->level;
}

static inline void signal_draw(struct signal *signal, enum signal_kind kind, uint64_t seed,
			       uint32_t seconds)
{
	struct signal_draw draw;

	signal->state = seed * 7919 + kind * UINT64_C(104729) + 1;
	signal->seconds = seconds;
	draw = (struct signal_draw){
		.flat = signal_between(signal, 50, 750),
		.low = signal_between(signal, 100, 450),
		.high = signal_between(signal, 480, 950),
		.first = signal_between(signal, 20, 700),
		.second = signal_between(signal, 20, 700),
		.noise = signal_between(signal, 0, kind == SIGNAL_NOISE ? 40 : 10),
		.level = 450,
	};
	for (uint32_t t = 0; t < seconds; t++)
		signal->permille[t] = signal_clamp(signal_value(signal, kind, &draw, (int32_t)t) +
						   signal_noise(signal, draw.noise));
}

#endif
