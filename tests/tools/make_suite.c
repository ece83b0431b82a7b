/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the synthetic families of the score suite as CSV files, one per family and seed:
 *
 *   make_suite DIR [SEEDS] [vary]      DIR/FAMILY-SEED.csv, SEEDS [8] of each
 *
 * With "vary" every seed has its own period (x 0.6 to 1.4), amplitude (x 0.7 to 1.3) and noise
 * (x 0.5 to 2), so that nothing can be fitted to one of them. Two hours, a row a second, others'
 * use as a share of a host of 2^40 bytes, cut to 0..0.99.
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SECONDS = 7200,
	SEEDS_DEFAULT = 8,
	SEEDS_MAX = 10000,
	PATH_LEN = 4096,
};

#define MEMORY_BYTES 1099511627776.0 /* 2^40 */
#define HIGHEST 0.99

struct draw {
	uint64_t state;
	double period;
	double amplitude;
	double noise;
	double level; /* of the walk */
};

/* SplitMix64 (Steele, Lea, Flood 2014): any seed gives an independent stream. */
static double uniform(struct draw *draw)
{
	uint64_t z = draw->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return ((double)(z >> 11) + 0.5) / 9007199254740992.0;
}

/* Box and Muller. */
static double gauss(struct draw *draw, double deviation)
{
	double radius = sqrt(-2 * log(uniform(draw)));

	return draw->noise * deviation * radius * cos(2 * M_PI * uniform(draw));
}

static double flat(struct draw *d, double t)
{
	(void)t;
	return 0.3 + gauss(d, 0.005);
}

static double leak(struct draw *d, double t)
{
	return 0.3 + d->amplitude * 0.55 * t / SECONDS + gauss(d, 0.005);
}

static double fast_ramp(struct draw *d, double t)
{
	double ramp_s = 60 * d->period;
	double share = 0;

	if (t >= 3000 && t < 4500)
		share = t < 3000 + ramp_s ? (t - 3000) / ramp_s : 1;
	return 0.35 + d->amplitude * 0.45 * share + gauss(d, 0.005);
}

static double step(struct draw *d, double t)
{
	int half = (int)(t / (1800 * d->period));

	return 0.35 + (half % 2 ? 0.35 * d->amplitude : 0) + gauss(d, 0.01);
}

static double spikes(struct draw *d, double t)
{
	double spike = fmod(t, 600 * d->period) < 20 ? 0.25 * d->amplitude : 0;

	return 0.4 + spike + gauss(d, 0.01);
}

static double saw(struct draw *d, double t, double base, double height, double period_s)
{
	double phase = fmod(t, period_s * d->period) / (period_s * d->period);

	return base + d->amplitude * height * phase + gauss(d, 0.005);
}

static double saw_gc(struct draw *d, double t)
{
	return saw(d, t, 0.35, 0.25, 240);
}

static double saw_slow(struct draw *d, double t)
{
	return saw(d, t, 0.30, 0.45, 1500);
}

static double dance(struct draw *d, double t)
{
	return 0.50 + d->amplitude * 0.03 * sin(2 * M_PI * t / (400 * d->period)) + gauss(d, 0.01);
}

static double adversary(struct draw *d, double t)
{
	double high = fmod(t, 640 * d->period) < 320 * d->period ? 0 : 0.27 * d->amplitude;

	return 0.35 + high + gauss(d, 0.003);
}

static double walk(struct draw *d, double t)
{
	if (t == 0)
		d->level = 0.45;
	d->level += gauss(d, 0.003) - 0.0006 * (d->level - 0.5);
	return d->level;
}

static double diurnal(struct draw *d, double t)
{
	return 0.5 + d->amplitude * 0.25 * sin(2 * M_PI * t / (SECONDS * d->period)) +
	       gauss(d, 0.03);
}

static const struct family {
	const char *name;
	double (*share)(struct draw *draw, double second);
} FAMILIES[] = {
	{"flat", flat},           {"leak", leak},     {"fast-ramp", fast_ramp}, {"step", step},
	{"spikes", spikes},       {"saw-gc", saw_gc}, {"saw-slow", saw_slow},   {"dance", dance},
	{"adversary", adversary}, {"walk", walk},     {"diurnal", diurnal},
};

enum {
	FAMILY_COUNT = sizeof(FAMILIES) / sizeof(FAMILIES[0]),
};

static struct draw start_draw(int family, int seed, int is_varied)
{
	struct draw draw = {
		.state = (uint64_t)seed * FAMILY_COUNT + (uint64_t)family,
		.period = 1,
		.amplitude = 1,
		.noise = 1,
	};

	if (is_varied) {
		draw.state ^= UINT64_C(1) << 62;
		draw.period = 0.6 + 0.8 * uniform(&draw);
		draw.amplitude = 0.7 + 0.6 * uniform(&draw);
		draw.noise = 0.5 + 1.5 * uniform(&draw);
	}
	return draw;
}

static int write_file(const char *folder, int family, int seed, int is_varied)
{
	struct draw draw = start_draw(family, seed, is_varied);
	char path[PATH_LEN];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s-%d.csv", folder, FAMILIES[family].name, seed);
	file = fopen(path, "w");
	if (!file) {
		fprintf(stderr, "make_suite: %s: %s\n", path, strerror(errno));
		return 1;
	}
	fputs("time_s,mem_total,mem_others\n", file);
	for (int second = 0; second < SECONDS; second++) {
		double share = FAMILIES[family].share(&draw, second);

		share = fmin(fmax(share, 0), HIGHEST);
		fprintf(file, "%d,%.0f,%.0f\n", second, MEMORY_BYTES, share * MEMORY_BYTES);
	}
	if (fclose(file) == 0)
		return 0;
	fprintf(stderr, "make_suite: %s: %s\n", path, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	long seeds = argc > 2 ? strtol(argv[2], NULL, 10) : SEEDS_DEFAULT;
	int is_varied = argc > 3 && strcmp(argv[3], "vary") == 0;

	if (argc < 2 || argc > 4 || seeds < 1 || seeds > SEEDS_MAX || (argc == 4 && !is_varied)) {
		fputs("usage: make_suite DIR [SEEDS] [vary]\n", stderr);
		return 2;
	}
	for (int family = 0; family < FAMILY_COUNT; family++) {
		for (int seed = 1; seed <= seeds; seed++) {
			if (write_file(argv[1], family, seed, is_varied) != 0)
				return 1;
		}
	}
	return 0;
}
