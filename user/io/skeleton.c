// SPDX-License-Identifier: BSD-2-Clause
#include "io/skeleton.h"

#include <bpf/libbpf.h>
#include <errno.h>

#include "preallocated.skel.h"
#include "tierd.skel.h"

/* The generated structures are types of their own with members of the same names. */
#define SKELETON_BIND(skeleton, form)                                     \
	do {                                                              \
		(skeleton)->generated = (form);                           \
		(skeleton)->object = (form)->obj;                         \
		(skeleton)->bulk_ring = (form)->maps.bulk_ring;           \
		(skeleton)->urgent_ring = (form)->maps.urgent_ring;       \
		(skeleton)->settings = (void *)&(form)->rodata->settings; \
		(skeleton)->host = (void *)&(form)->bss->host;            \
		(skeleton)->losses = (void *)&(form)->bss->losses;        \
		(skeleton)->walk_number = &(form)->bss->walk_number;      \
	} while (0)

static int open_storage(struct skeleton *skeleton)
{
	struct tierd_bpf *form = tierd_bpf__open();

	if (!form)
		return -errno;
	SKELETON_BIND(skeleton, form);
	return 0;
}

static int open_preallocated(struct skeleton *skeleton)
{
	struct preallocated_bpf *form = preallocated_bpf__open();

	if (!form)
		return -errno;
	SKELETON_BIND(skeleton, form);
	return 0;
}

int skeleton_open(struct skeleton *ret_skeleton, bool has_task_storage)
{
	struct skeleton skeleton = {.has_task_storage = has_task_storage};
	int result = has_task_storage ? open_storage(&skeleton) : open_preallocated(&skeleton);

	if (result >= 0)
		*ret_skeleton = skeleton;
	return result;
}

int skeleton_load(struct skeleton *skeleton)
{
	return skeleton->has_task_storage ? tierd_bpf__load(skeleton->generated)
					  : preallocated_bpf__load(skeleton->generated);
}

void skeleton_close(struct skeleton *skeleton)
{
	if (skeleton->has_task_storage)
		tierd_bpf__destroy(skeleton->generated);
	else
		preallocated_bpf__destroy(skeleton->generated);
}
