/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl detect: the hardware and its class, and a starting config for it. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/units.h"
#include "detect.h"
#include "tierctl.h"

enum {
	TEXT_LEN = 16 * 1024,
};

static void print_text(const struct hardware *hardware)
{
	char usable[UNITS_TEXT_LEN];
	char total[UNITS_TEXT_LEN];
	char cores[UNITS_TEXT_LEN];

	printf("class   %s\n", hardware_class_name(hardware_classify(hardware)));
	printf("memory  %s of %s\n", units_format_bytes_rounded(hardware->memory_bytes, usable),
	       units_format_bytes_rounded(hardware->host_memory_bytes, total));
	printf("cores   %s of %" PRIu32 "\n",
	       units_format_permille(hardware->cores_permille, cores), hardware->host_cpus);
	if (hardware->gpu_count == 0)
		puts("GPU     none");
	for (uint32_t i = 0; i < hardware->gpu_count; i++)
		printf("GPU %-3" PRIu32 " %s, %s\n", i, hardware->gpus[i].name,
		       units_format_bytes_rounded(hardware->gpus[i].memory_bytes, total));
}

static int print_json(const struct hardware *hardware)
{
	char text[TEXT_LEN];
	struct json json;

	json_init(&json, text, sizeof(text));
	json_begin_object(&json, NULL);
	json_add_string(&json, "class", hardware_class_name(hardware_classify(hardware)));
	json_add_u64(&json, "memory_bytes", hardware->memory_bytes);
	json_add_u64(&json, "host_memory_bytes", hardware->host_memory_bytes);
	json_add_u64(&json, "cores_permille", hardware->cores_permille);
	json_add_u64(&json, "host_cpus", hardware->host_cpus);
	json_begin_array(&json, "gpus");
	for (uint32_t i = 0; i < hardware->gpu_count; i++) {
		json_begin_object(&json, NULL);
		json_add_field(&json, "name", hardware->gpus[i].name,
			       sizeof(hardware->gpus[i].name));
		json_add_u64(&json, "memory_bytes", hardware->gpus[i].memory_bytes);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
	if (json_finish(&json) < 0)
		return TIERCTL_NO;
	fputs(text, stdout);
	return TIERCTL_OK;
}

static int write_config(const struct tierctl *tierctl, const struct hardware *hardware,
			const char *path)
{
	_cleanup_free_ struct app_config *config = malloc(sizeof(*config));
	char heading[CONFIG_ERROR_LEN];

	if (!config)
		return TIERCTL_NO;
	hardware_make_config(hardware, tierctl_get(tierctl, TIERCTL_KEY_PRESET) != NULL, config);
	hardware_describe(hardware, heading, sizeof(heading));
	int r = hardware_write_config(path, config, heading,
				      tierctl_get(tierctl, TIERCTL_KEY_FORCE) != NULL);
	if (r == 0)
		return TIERCTL_OK;
	fprintf(stderr, "tierctl: %s: %s%s\n", path, strerror(-r),
		r == -EEXIST ? "; --force replaces it" : "");
	return r == -EACCES || r == -EPERM ? TIERCTL_UNAVAILABLE : TIERCTL_NO;
}

static int run(const struct tierctl *tierctl)
{
	const char *path = tierctl_get(tierctl, TIERCTL_KEY_WRITE);
	struct hardware hardware = {0};
	int r = hardware_read("/proc", 0, &hardware);

	if (r < 0) {
		fprintf(stderr, "tierctl: /proc/meminfo: %s\n", strerror(-r));
		return TIERCTL_UNAVAILABLE;
	}
	hardware_read_gpus(&hardware);
	if (path)
		return write_config(tierctl, &hardware, path);
	if (tierctl_get(tierctl, TIERCTL_KEY_JSON))
		return print_json(&hardware);
	print_text(&hardware);
	return TIERCTL_OK;
}

static const struct argp_option OPTIONS[] = {
	{"json", TIERCTL_KEY_JSON, NULL, 0, "As JSON, on one line", 0},
	{"write", TIERCTL_KEY_WRITE, "FILE", 0, "Write a config for this machine to FILE", 0},
	{"preset", TIERCTL_KEY_PRESET, NULL, 0, "With --write: thresholds of the class", 0},
	{"force", TIERCTL_KEY_FORCE, NULL, 0, "With --write: replace FILE if there is one", 0},
	{0},
};

const struct tierctl_command TIERCTL_DETECT = {
	.name = "detect",
	.help = "The hardware class of this machine; with --write a config that fits it.",
	.options = OPTIONS,
	.run = run,
};
