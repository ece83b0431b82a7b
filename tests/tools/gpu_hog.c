/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that holds memory of GPU 0:
 *
 *   gpu_hog -m MIB [-g GROW_SECONDS] [-s SECONDS] [-b]
 *
 * It takes MIB at once, or evenly over GROW_SECONDS, writes to all of it, prints `holds MIB
 * MONOTONIC_NS`, and waits for a signal, or for SECONDS [60] to be over. With -b it keeps the GPU
 * busy by writing again and again. CUDA's few functions are declared here as its cuda.h has them,
 * so that nothing of it is needed to build.
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/units.h"
#include "monotonic.h"

enum {
	CHUNK_MIB = 64,
	CHUNKS_MAX = 16384, /* of one GPU: a terabyte */
	SECONDS_DEFAULT = 60,
};

typedef struct cuda_context *cuda_context;

struct cuda {
	int (*init)(unsigned int flags);
	int (*retain_context)(cuda_context *context, int device);
	int (*set_context)(cuda_context context);
	int (*allocate)(unsigned long long *address, size_t size);
	int (*fill)(unsigned long long address, unsigned char value, size_t size);
	int (*synchronize)(void);
};

static const struct {
	const char *name;
	size_t offset;
} SYMBOLS[] = {
	{"cuInit", offsetof(struct cuda, init)},
	{"cuDevicePrimaryCtxRetain", offsetof(struct cuda, retain_context)},
	{"cuCtxSetCurrent", offsetof(struct cuda, set_context)},
	{"cuMemAlloc_v2", offsetof(struct cuda, allocate)},
	{"cuMemsetD8_v2", offsetof(struct cuda, fill)},
	{"cuCtxSynchronize", offsetof(struct cuda, synchronize)},
};

struct hog {
	unsigned long memory_mib;
	unsigned long grow_s;
	unsigned long seconds;
	bool is_busy;
	struct cuda cuda;
	unsigned long long chunks[CHUNKS_MAX];
	size_t count;
};

/* CUDA's functions return 0 if they have worked. */
static void must(int result, const char *what)
{
	if (result == 0)
		return;
	fprintf(stderr, "gpu_hog: %s: CUDA error %d\n", what, result);
	exit(EXIT_FAILURE);
}

static void open_gpu(struct cuda *cuda)
{
	void *library = dlopen("libcuda.so.1", RTLD_NOW);
	cuda_context context;

	for (size_t i = 0; i < ARRAY_SIZE(SYMBOLS); i++) {
		void *symbol = library ? dlsym(library, SYMBOLS[i].name) : NULL;

		if (!symbol) {
			fprintf(stderr, "gpu_hog: %s\n", dlerror());
			exit(EXIT_FAILURE);
		}
		memcpy((char *)cuda + SYMBOLS[i].offset, &symbol, sizeof(symbol));
	}
	must(cuda->init(0), "cuInit");
	must(cuda->retain_context(&context, 0), "cuDevicePrimaryCtxRetain");
	must(cuda->set_context(context), "cuCtxSetCurrent");
}

static void take_chunk(struct hog *hog)
{
	const struct cuda *cuda = &hog->cuda;
	unsigned long long *chunk = &hog->chunks[hog->count++];

	must(cuda->allocate(chunk, CHUNK_MIB * MIB), "cuMemAlloc");
	must(cuda->fill(*chunk, 1, CHUNK_MIB * MIB), "cuMemsetD8");
}

static void grow(struct hog *hog)
{
	size_t wanted = (hog->memory_mib + CHUNK_MIB - 1) / CHUNK_MIB;
	uint64_t begin_ns = now_ns();

	for (size_t i = 0; i < wanted && i < CHUNKS_MAX; i++) {
		uint64_t due_ns = begin_ns + hog->grow_s * NS_PER_S * i / wanted;

		while (now_ns() < due_ns)
			usleep(NS_PER_MS / NS_PER_US);
		take_chunk(hog);
	}
	must(hog->cuda.synchronize(), "cuCtxSynchronize");
}

int main(int argc, char **argv)
{
	static struct hog hog = {.seconds = SECONDS_DEFAULT};
	int option;

	while ((option = getopt(argc, argv, "m:g:s:b")) != -1) {
		switch (option) {
		case 'm':
			hog.memory_mib = strtoul(optarg, NULL, 10);
			break;
		case 'g':
			hog.grow_s = strtoul(optarg, NULL, 10);
			break;
		case 's':
			hog.seconds = strtoul(optarg, NULL, 10);
			break;
		case 'b':
			hog.is_busy = true;
			break;
		default:
			return EXIT_FAILURE;
		}
	}
	if (hog.memory_mib == 0)
		return EXIT_FAILURE;
	alarm((unsigned int)hog.seconds);
	open_gpu(&hog.cuda);
	grow(&hog);
	printf("holds %lu %" PRIu64 "\n", hog.memory_mib, now_ns());
	fflush(stdout);
	while (hog.is_busy) {
		for (size_t i = 0; i < hog.count; i++)
			must(hog.cuda.fill(hog.chunks[i], 2, CHUNK_MIB * MIB), "cuMemsetD8");
		must(hog.cuda.synchronize(), "cuCtxSynchronize");
	}
	pause();
	return EXIT_SUCCESS;
}
