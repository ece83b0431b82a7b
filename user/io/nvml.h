/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GPU memory through NVIDIA's management library, loaded at run time: libnvidia-ml.so.1, or what
 * the environment variable TIERD_NVML_LIBRARY names (for tests). A host without it has no GPUs;
 * that is not an error.
 */
#ifndef TIERD_IO_NVML_H
#define TIERD_IO_NVML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tierd/event.h"

struct nvml;

enum {
	NVML_DEVICES_MAX = 16,
	NVML_NAME_LEN = 96, /* NVML_DEVICE_NAME_V2_BUFFER_SIZE */
};

/* Whether a process is the model's. */
typedef bool (*nvml_is_model)(void *context, uint32_t pid);

/* Returns 0, also where there is no library or no GPU; or -ENOMEM. */
int nvml_create(struct nvml **ret_nvml);
void nvml_destroy(struct nvml *nvml);

/* Why there are no GPUs, for people; NULL if the library works. */
const char *nvml_get_problem(const struct nvml *nvml);

unsigned int nvml_get_device_count(const struct nvml *nvml);

/* "" if the device does not say. index < nvml_get_device_count(). */
const char *nvml_get_name(const struct nvml *nvml, unsigned int index);

/* Total memory when the library was loaded; 0 if the device did not say. */
uint64_t nvml_get_total_bytes(const struct nvml *nvml, unsigned int index);

/*
 * Fills one resource per device (kind, index = the device's number, capacity, used, model), max at
 * most. Returns how many. A device that fails is counted and keeps its last good values: were it
 * left out, its memory would look like no constraint. One that never could be read is left out, and
 * counted once.
 */
unsigned int nvml_read(struct nvml *nvml, nvml_is_model is_model, void *context,
		       struct event_resource *ret_resources, unsigned int max);

/*
 * Whether any process's memory was listed by the last nvml_read(). If not, none may be there, or
 * the driver does not tell: below some hypervisors, or where the processes have no number here (a
 * container without the host's processes).
 */
bool nvml_has_told(const struct nvml *nvml);

/* Readings of devices that failed, since the start. */
uint64_t nvml_get_failures(const struct nvml *nvml);

#endif
