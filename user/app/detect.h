/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What machine this is: memory, cores and GPUs that its processes may use (total hardware, cut by
 * limits of control groups and by CPU affinity), the class that follows, and a starting config
 * that fits.
 */
#ifndef TIERD_APP_DETECT_H
#define TIERD_APP_DETECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "io/nvml.h"
#include "options.h"

enum hardware_class {
	HARDWARE_LOW_END,
	HARDWARE_MID_RANGE,
	HARDWARE_HIGH_END,
	HARDWARE_CLASS_COUNT,
};

struct hardware_gpu {
	char name[NVML_NAME_LEN];
	uint64_t memory_bytes;
};

struct hardware {
	uint64_t memory_bytes;      /* that may be used */
	uint64_t host_memory_bytes; /* MemTotal */
	uint32_t cores_permille;    /* that may be used; a quota may leave parts of one */
	uint32_t host_cpus;         /* online */
	uint32_t gpu_count;
	struct hardware_gpu gpus[NVML_DEVICES_MAX];
};

/* The class; on the whole machine that may be used, never on what is free at the moment. */
enum hardware_class hardware_classify(const struct hardware *hardware);
const char *hardware_class_name(enum hardware_class class);

/*
 * Reads memory and cores. proc_root is /proc but in tests; pid names the process whose groups and
 * affinity count (0 = this one). GPUs are left as they are. Returns 0, or a negative errno if not
 * even MemTotal can be read; what else cannot be read limits nothing.
 */
int hardware_read(const char *proc_root, pid_t pid, struct hardware *ret_hardware);

/* Adds what NVML knows. A device that does not say its memory counts as none of it. */
void hardware_read_gpus(struct hardware *hardware);

/*
 * A config with a ladder for this machine; with thresholds of its class if is_preset. The ladder
 * is a guess in sizes only: people edit it.
 */
void hardware_make_config(const struct hardware *hardware, bool is_preset,
			  struct app_config *ret_config);

/* The comment at the top of a written config. */
const char *hardware_describe(const struct hardware *hardware, char *buffer, size_t size);

/*
 * Writes the config to path at once or not at all (a temporary file beside it, then rename).
 * Returns 0; -EEXIST if there is a file and is_forced is false; or another negative errno.
 */
int hardware_write_config(const char *path, const struct app_config *config, const char *heading,
			  bool is_forced);

/* ---- detect_cpu.c ---- */

/*
 * The lowest CPU quota of the process's control groups and their ancestors, v1 or v2, in
 * thousandths of a core; UINT32_MAX where there is none.
 */
uint32_t hardware_read_cpu_quota(const char *proc_root, pid_t pid);

#endif
