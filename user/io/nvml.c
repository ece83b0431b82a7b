/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few calls of NVML that are needed, declared here as its nvml.h has them (the interface is
 * versioned by the functions' names), so that neither header nor library is needed to build.
 */
#include "io/nvml.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"

#define LIBRARY "libnvidia-ml.so.1"
#define LIBRARY_VARIABLE "TIERD_NVML_LIBRARY"

enum {
	NVML_SUCCESS = 0,
	PROCESSES_MAX = 256, /* on one device; with more, it fails */
};

/* usedGpuMemory, where the driver does not know it (NVML_VALUE_NOT_AVAILABLE). */
#define MEMORY_UNKNOWN UINT64_MAX

struct nvml_memory {
	unsigned long long total_bytes;
	unsigned long long free_bytes;
	unsigned long long used_bytes;
};

/* nvmlProcessInfo_v2_t; _v3 of the function takes the same. */
struct nvml_process {
	unsigned int pid;
	unsigned long long used_bytes;
	unsigned int gpu_instance;
	unsigned int compute_instance;
};

typedef struct nvml_device *nvml_device;

struct nvml_calls {
	int (*init)(void);
	int (*shutdown)(void);
	int (*get_count)(unsigned int *count);
	int (*get_handle)(unsigned int index, nvml_device *device);
	int (*get_memory)(nvml_device device, struct nvml_memory *memory);
	int (*get_name)(nvml_device device, char *name, unsigned int size);
	int (*get_processes)(nvml_device device, unsigned int *count,
			     struct nvml_process *processes);
};

static const struct {
	const char *name;
	const char *fallback;
	size_t offset;
} SYMBOLS[] = {
	{"nvmlInit_v2", NULL, offsetof(struct nvml_calls, init)},
	{"nvmlShutdown", NULL, offsetof(struct nvml_calls, shutdown)},
	{"nvmlDeviceGetCount_v2", NULL, offsetof(struct nvml_calls, get_count)},
	{"nvmlDeviceGetHandleByIndex_v2", NULL, offsetof(struct nvml_calls, get_handle)},
	{"nvmlDeviceGetMemoryInfo", NULL, offsetof(struct nvml_calls, get_memory)},
	{"nvmlDeviceGetName", NULL, offsetof(struct nvml_calls, get_name)},
	{"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2",
	 offsetof(struct nvml_calls, get_processes)},
};

struct device {
	nvml_device handle; /* NULL: it could not be had */
	uint64_t total_bytes;
	char name[NVML_NAME_LEN];
	bool has_failed;            /* at the last reading */
	struct event_resource last; /* as it was last read; capacity_bytes 0: never */
};

struct nvml {
	void *library;
	bool is_initialised;
	const char *problem;
	struct nvml_calls calls;
	unsigned int device_count;
	struct device devices[NVML_DEVICES_MAX];
	struct nvml_process processes[PROCESSES_MAX];
	bool has_told; /* of any process, at the last reading */
	uint64_t failures;
};

static const char *load_library(struct nvml *nvml)
{
	const char *name = secure_getenv(LIBRARY_VARIABLE);

	nvml->library = dlopen(name ? name : LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!nvml->library)
		return "no NVIDIA management library";
	for (size_t i = 0; i < ARRAY_SIZE(SYMBOLS); i++) {
		void *symbol = dlsym(nvml->library, SYMBOLS[i].name);

		if (!symbol && SYMBOLS[i].fallback)
			symbol = dlsym(nvml->library, SYMBOLS[i].fallback);
		if (!symbol)
			return "the NVIDIA management library is too old";
		/* POSIX lets a function's address be stored as an object pointer, ISO C does not.
		 */
		memcpy((char *)&nvml->calls + SYMBOLS[i].offset, &symbol, sizeof(symbol));
	}
	if (nvml->calls.init() != NVML_SUCCESS)
		return "the NVIDIA driver does not answer";
	nvml->is_initialised = true;
	return NULL;
}

static const char *find_devices(struct nvml *nvml)
{
	unsigned int count = 0;

	if (nvml->calls.get_count(&count) != NVML_SUCCESS)
		return "the NVIDIA driver does not list its GPUs";
	nvml->device_count = (unsigned int)units_min(count, NVML_DEVICES_MAX);
	for (unsigned int i = 0; i < nvml->device_count; i++) {
		struct device *device = &nvml->devices[i];
		struct nvml_memory memory;

		if (nvml->calls.get_handle(i, &device->handle) != NVML_SUCCESS) {
			device->handle = NULL;
			continue;
		}
		if (nvml->calls.get_name(device->handle, device->name, sizeof(device->name)) !=
		    NVML_SUCCESS)
			device->name[0] = '\0';
		device->name[sizeof(device->name) - 1] = '\0';
		if (nvml->calls.get_memory(device->handle, &memory) == NVML_SUCCESS)
			device->total_bytes = memory.total_bytes;
	}
	return NULL;
}

int nvml_create(struct nvml **ret_nvml)
{
	struct nvml *nvml = calloc(1, sizeof(*nvml));

	if (!nvml)
		return -ENOMEM;
	nvml->problem = load_library(nvml);
	if (!nvml->problem)
		nvml->problem = find_devices(nvml);
	*ret_nvml = nvml;
	return 0;
}

void nvml_destroy(struct nvml *nvml)
{
	if (!nvml)
		return;
	if (nvml->is_initialised)
		nvml->calls.shutdown();
	if (nvml->library)
		dlclose(nvml->library);
	free(nvml);
}

const char *nvml_get_problem(const struct nvml *nvml)
{
	return nvml->problem;
}

unsigned int nvml_get_device_count(const struct nvml *nvml)
{
	return nvml->device_count;
}

const char *nvml_get_name(const struct nvml *nvml, unsigned int index)
{
	return nvml->devices[index].name;
}

uint64_t nvml_get_total_bytes(const struct nvml *nvml, unsigned int index)
{
	return nvml->devices[index].total_bytes;
}

bool nvml_has_told(const struct nvml *nvml)
{
	return nvml->has_told;
}

uint64_t nvml_get_failures(const struct nvml *nvml)
{
	return nvml->failures;
}

static bool read_device(struct nvml *nvml, unsigned int index, nvml_is_model is_model,
			void *context, struct event_resource *ret_resource)
{
	nvml_device handle = nvml->devices[index].handle;
	unsigned int count = PROCESSES_MAX;
	struct nvml_memory memory;
	uint64_t model_bytes = 0;

	if (!handle || nvml->calls.get_memory(handle, &memory) != NVML_SUCCESS ||
	    memory.total_bytes == 0 || memory.used_bytes > memory.total_bytes ||
	    nvml->calls.get_processes(handle, &count, nvml->processes) != NVML_SUCCESS)
		return false;
	for (unsigned int i = 0; i < count && i < PROCESSES_MAX; i++) {
		const struct nvml_process *process = &nvml->processes[i];

		if (process->used_bytes == MEMORY_UNKNOWN)
			continue;
		nvml->has_told = true;
		if (is_model(context, process->pid))
			model_bytes = units_plus(model_bytes, process->used_bytes);
	}
	*ret_resource = (struct event_resource){
		.kind = RESOURCE_VRAM,
		.index = index,
		.capacity_bytes = memory.total_bytes,
		.used_bytes = memory.used_bytes,
		.model_bytes = units_min(model_bytes, memory.used_bytes),
	};
	return true;
}

unsigned int nvml_read(struct nvml *nvml, nvml_is_model is_model, void *context,
		       struct event_resource *ret_resources, unsigned int max)
{
	unsigned int count = 0;

	nvml->has_told = false;
	for (unsigned int i = 0; i < nvml->device_count && count < max; i++) {
		struct device *device = &nvml->devices[i];
		bool is_read = read_device(nvml, i, is_model, context, &device->last);

		/* One that never could be read is no news after the first time. */
		if (!is_read && (device->last.capacity_bytes > 0 || !device->has_failed))
			nvml->failures++;
		device->has_failed = !is_read;
		if (device->last.capacity_bytes > 0)
			ret_resources[count++] = device->last;
	}
	return count;
}
