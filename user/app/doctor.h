/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this kernel and these privileges can and cannot do, and what to do about it. Loads nothing
 * and changes nothing; works without root, and says then what it cannot tell.
 */
#ifndef TIERD_APP_DOCTOR_H
#define TIERD_APP_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tierd/event.h"

struct btf; /* libbpf */

enum {
	DOCTOR_FINDINGS_MAX = 48,
	DOCTOR_NAME_LEN = 64,
	DOCTOR_TEXT_LEN = 192,
};

enum doctor_state {
	DOCTOR_OK,
	DOCTOR_LIMITED, /* the agent works, but sees or does less */
	DOCTOR_UNKNOWN, /* cannot be told with these privileges */
	DOCTOR_MISSING,
	DOCTOR_STATE_COUNT,
};

struct doctor_finding {
	char name[DOCTOR_NAME_LEN];
	uint32_t state;      /* enum doctor_state */
	uint32_t needed_for; /* bits 1 << enum pressure_source; 0 = only a signal depends on it */
	bool is_privilege;   /* what is missing is a privilege of this process */
	char detail[DOCTOR_TEXT_LEN];
	char remedy[DOCTOR_TEXT_LEN]; /* "" = nothing to be done */
};

struct doctor_report {
	uint32_t source; /* enum pressure_source: the best that would work; SOURCE_NONE = nothing */
	uint32_t count;
	struct doctor_finding findings[DOCTOR_FINDINGS_MAX];
};

/* Where to look; for tests. btf may be NULL: this kernel has none. */
struct doctor_place {
	const char *proc_root;
	const char *sys_root;
	const char *run_dir; /* NULL = leave that check out */
	const struct btf *btf;
};

/* Looks at everything that place names, and at PSI and the GPUs of this host. */
void doctor_examine(const struct doctor_place *place, struct doctor_report *ret_report);

/* The same for this host, with the BTF of its kernel. */
void doctor_examine_host(const char *run_dir, struct doctor_report *ret_report);

/*
 * Whether the agent can start with that source; SOURCE_NONE means auto, which takes BPF. Returns
 * 0; -EPERM where privilege is missing or -EOPNOTSUPP where the kernel lacks something, and one
 * line in error with what to do about it.
 */
int privilege_check(enum pressure_source wanted, char *error, size_t error_size);

const char *doctor_state_name(uint32_t state);

#endif
