/* SPDX-License-Identifier: BSD-2-Clause */
/* What machine this is: see detect.h. */
#include "detect.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "io/cgroup.h"
#include "io/proc.h"

enum {
	MEMINFO_LEN = 16 * 1024,
};

/* Highest first; the first whose every demand is met. */
static const struct class_rule {
	enum hardware_class class;
	uint64_t memory_bytes;
	uint32_t cores_permille;
	uint64_t vram_bytes; /* of one GPU; 0 = none needed */
} CLASS_RULES[] = {
	{HARDWARE_HIGH_END, 8 * GIB, 6000, 6 * GIB},
	{HARDWARE_MID_RANGE, 4 * GIB, 4000, 0},
	{HARDWARE_LOW_END, 0, 0, 0},
};

static const char *const CLASS_NAMES[HARDWARE_CLASS_COUNT] = {
	[HARDWARE_LOW_END] = "low_end",
	[HARDWARE_MID_RANGE] = "mid_range",
	[HARDWARE_HIGH_END] = "high_end",
};

const char *hardware_class_name(enum hardware_class class)
{
	return CLASS_NAMES[class];
}

static uint64_t largest_gpu(const struct hardware *hardware)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < hardware->gpu_count; i++)
		bytes = units_max(bytes, hardware->gpus[i].memory_bytes);
	return bytes;
}

enum hardware_class hardware_classify(const struct hardware *hardware)
{
	for (size_t i = 0; i < ARRAY_SIZE(CLASS_RULES); i++) {
		const struct class_rule *rule = &CLASS_RULES[i];

		if (hardware->memory_bytes >= rule->memory_bytes &&
		    hardware->cores_permille >= rule->cores_permille &&
		    largest_gpu(hardware) >= rule->vram_bytes)
			return rule->class;
	}
	return HARDWARE_LOW_END;
}

/* The lowest limit on the way from the process's group up. */
static uint64_t read_memory_limit(const char *proc_root, int proc_fd, pid_t pid)
{
	_cleanup_free_ struct cgroup_hierarchy *hierarchy = malloc(sizeof(*hierarchy));
	uint64_t lowest = CGROUP_UNLIMITED;
	struct cgroup_chain chain;
	char path[PATH_MAX];

	if (!hierarchy || cgroup_find_hierarchy(proc_root, hierarchy) < 0 ||
	    hierarchy->version == CGROUP_NONE)
		return CGROUP_UNLIMITED;
	if (cgroup_find_process(hierarchy, proc_fd, (uint32_t)pid, path) < 0 ||
	    cgroup_chain_open(hierarchy, path, &chain) < 0)
		return CGROUP_UNLIMITED;
	for (unsigned int i = 0; i < chain.count; i++) {
		uint64_t limit = CGROUP_UNLIMITED;

		if (cgroup_read_limit(&chain.levels[i], &limit) == 0)
			lowest = units_min(lowest, limit);
	}
	cgroup_chain_close(&chain);
	return lowest;
}

static void read_cores(const char *proc_root, pid_t pid, struct hardware *hardware)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t allowed;
	cpu_set_t set;

	hardware->host_cpus = online > 0 ? (uint32_t)online : 1;
	allowed = hardware->host_cpus * 1000;
	if (sched_getaffinity(pid, sizeof(set), &set) == 0)
		allowed = (uint32_t)units_min(allowed, (uint64_t)CPU_COUNT(&set) * 1000);
	hardware->cores_permille =
		(uint32_t)units_min(allowed, hardware_read_cpu_quota(proc_root, pid));
}

int hardware_read(const char *proc_root, pid_t pid, struct hardware *ret_hardware)
{
	_cleanup_close_ int proc_fd = open(proc_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char text[MEMINFO_LEN];
	uint64_t total = 0;

	if (proc_fd < 0)
		return -errno;
	int r = proc_read_file(proc_fd, "meminfo", text, sizeof(text));
	if (r < 0)
		return r;
	r = proc_find_number(text, "MemTotal", &total);
	if (r < 0)
		return r;
	ret_hardware->host_memory_bytes = total;
	ret_hardware->memory_bytes =
		units_min(total, read_memory_limit(proc_root, proc_fd, pid > 0 ? pid : getpid()));
	read_cores(proc_root, pid, ret_hardware);
	return 0;
}

void hardware_read_gpus(struct hardware *hardware)
{
	struct nvml *nvml = NULL;

	hardware->gpu_count = 0;
	if (nvml_create(&nvml) < 0)
		return;
	unsigned int count = nvml_get_device_count(nvml);
	for (unsigned int i = 0; i < count && i < NVML_DEVICES_MAX; i++) {
		struct hardware_gpu *gpu = &hardware->gpus[hardware->gpu_count++];

		snprintf(gpu->name, sizeof(gpu->name), "%s", nvml_get_name(nvml, i));
		gpu->memory_bytes = nvml_get_total_bytes(nvml, i);
	}
	nvml_destroy(nvml);
}

const char *hardware_describe(const struct hardware *hardware, char *buffer, size_t size)
{
	char memory[UNITS_TEXT_LEN];
	char cores[UNITS_TEXT_LEN];

	snprintf(buffer, size,
		 "Config of tierd, written by `tierctl detect` for this machine:\n"
		 "%s, %s of memory, %s cores, %" PRIu32 " GPU(s).\n"
		 "The tiers' sizes are a guess from that: put in what your models take.\n"
		 "Commented options show their defaults. Check changes with: tierctl check-config",
		 hardware_class_name(hardware_classify(hardware)),
		 units_format_bytes_rounded(hardware->memory_bytes, memory),
		 units_format_permille(hardware->cores_permille, cores), hardware->gpu_count);
	return buffer;
}
