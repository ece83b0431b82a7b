/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A starting config for a machine: three tiers as fractions of its memory, so that the smallest
 * leaves nearly everything to others and the largest stays well under the thresholds on an idle
 * machine. Numbers are rounded down to what a person would write.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "detect.h"
#include "io/new_file.h"

/* Largest last, as in the ladder. */
static const struct tier_guess {
	const char *name;
	uint32_t memory_permyriad; /* of the machine's memory */
	uint32_t vram_permyriad;   /* of the largest GPU's */
	uint32_t cores_permyriad;
	uint32_t quality_permyriad;
} GUESSES[] = {
	{"small", 1200, 2000, 2500, 4000},
	{"medium", 2500, 4000, 5000, 7000},
	{"large", 4000, 7000, 7500, 10000},
};

/* Thresholds for memory by class: a small machine has less to absorb a surprise with. */
static const struct class_preset {
	uint32_t degrade_above_permyriad;
	uint32_t upgrade_below_permyriad;
} PRESETS[HARDWARE_CLASS_COUNT] = {
	[HARDWARE_LOW_END] = {7500, 6500},
	[HARDWARE_MID_RANGE] = {8000, 7000},
	[HARDWARE_HIGH_END] = {8500, 7500},
};

/*
 * Down to a multiple of a power of two that is at most an eighth of it: 9.3 GiB is 9 GiB, 2.9 GiB
 * is 2.75 GiB. Different fractions stay different.
 */
static uint64_t round_size(uint64_t bytes)
{
	uint64_t step = MIB;

	if (bytes < 8 * MIB)
		return units_max(bytes, 1);
	while (step * 16 <= bytes)
		step *= 2;
	return bytes - bytes % step;
}

/* Halves of a core, at least half a one. */
static uint32_t round_cores(uint32_t cores_permille)
{
	uint32_t halves = cores_permille / 500;

	return (halves > 0 ? halves : 1) * 500;
}

static uint32_t largest_gpu_index(const struct hardware *hardware)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < hardware->gpu_count; i++) {
		if (hardware->gpus[i].memory_bytes > hardware->gpus[best].memory_bytes)
			best = i;
	}
	return best;
}

static void make_tier(const struct hardware *hardware, const struct tier_guess *guess,
		      struct tier *ret_tier)
{
	config_set_tier_defaults(ret_tier);
	ret_tier->memory_bytes =
		round_size(units_scale(hardware->memory_bytes, guess->memory_permyriad, PERMYRIAD));
	ret_tier->cores_permille = round_cores(
		(uint32_t)units_scale(hardware->cores_permille, guess->cores_permyriad, PERMYRIAD));
	ret_tier->quality_permyriad = guess->quality_permyriad;
	snprintf(ret_tier->name, sizeof(ret_tier->name), "%s", guess->name);
	if (hardware->gpu_count == 0)
		return;
	uint32_t gpu = largest_gpu_index(hardware);
	uint64_t vram =
		units_scale(hardware->gpus[gpu].memory_bytes, guess->vram_permyriad, PERMYRIAD);
	if (vram > 0)
		ret_tier->vram_bytes[gpu] = round_size(vram);
}

void hardware_make_config(const struct hardware *hardware, bool is_preset,
			  struct app_config *ret_config)
{
	struct ladder *ladder = &ret_config->engine.ladder;

	config_set_defaults(ret_config);
	for (size_t i = 0; i < ARRAY_SIZE(GUESSES); i++)
		make_tier(hardware, &GUESSES[i], &ladder->tiers[ladder->count++]);
	if (is_preset) {
		const struct class_preset *preset = &PRESETS[hardware_classify(hardware)];

		ret_config->engine.degrade_above_permyriad = preset->degrade_above_permyriad;
		ret_config->engine.upgrade_below_permyriad = preset->upgrade_below_permyriad;
	}
}

/* Writes into the open temporary file and makes it durable. */
static int write_all(int fd, const struct app_config *config, const char *heading)
{
	int copy = dup(fd);
	_cleanup_fclose_ FILE *file = copy < 0 ? NULL : fdopen(copy, "w");

	if (!file) {
		int r = -errno;

		if (copy >= 0)
			close(copy);
		return r;
	}
	int r = config_write(file, config, CONFIG_COMMENTED, heading);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

int hardware_write_config(const char *path, const struct app_config *config, const char *heading,
			  bool is_forced)
{
	struct new_file file;
	_cleanup_close_ int fd = new_file_create(path, is_forced, &file);

	if (fd < 0)
		return fd;
	int r = write_all(fd, config, heading);
	if (r == 0)
		return new_file_keep(&file);
	new_file_drop(&file);
	return r;
}
