/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The BPF programs, the tracepoints that they need, and whether a kernel has these as they are
 * read: decided by the kernel's BTF alone, because a program whose arguments moved still loads and
 * then reads nonsense.
 */
#ifndef TIERD_IO_PROGRAM_TABLE_H
#define TIERD_IO_PROGRAM_TABLE_H

#include <stdbool.h>

struct btf; /* libbpf */

struct program_entry {
	const char *name;
	const char *tracepoint; /* kernel name, without the group */
	const char *gives;      /* the signal that is lost without it */
	bool is_required;
	/* The arguments that it reads, from the first on: t a struct task_struct *, b a bool, i a
	 * number of 4 bytes, l one of 8, . one that is not read. */
	const char *arguments;
};

/* In the order in which they are attached; NULL past the last one. */
const struct program_entry *program_table_get(unsigned int index);
unsigned int program_table_count(void);

/* Whether the kernel has the tracepoint with the arguments that the program reads. */
bool program_is_possible(const struct btf *btf, const struct program_entry *entry);

/*
 * Whether state may live in task storage: tracing programs may use it, and it takes its memory from
 * pools of its own. Otherwise the programs with preallocated tables are needed (bpf/compat.bpf.h).
 */
bool kernel_has_task_storage(const struct btf *btf);

#endif
