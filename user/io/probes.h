/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel side: loads the BPF programs that this kernel can carry, walks the threads once per
 * window, and hands on records. Works on tracepoints with BTF alone (tp_btf), which lockdown
 * allows where kprobes and fentry are refused.
 */
#ifndef TIERD_IO_PROBES_H
#define TIERD_IO_PROBES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tierd/record.h"

struct btf; /* libbpf */
struct probes;

struct probes_options {
	struct bpf_settings settings;
	uint64_t bulk_ring_bytes;   /* a power of two and a multiple of the page size */
	uint64_t urgent_ring_bytes; /* likewise */
	void (*on_process)(void *context, const struct process_record *record);
	void (*on_oom)(void *context, const struct oom_record *record);
	void *context;
};

/* One program and what became of it. */
struct probes_program {
	const char *name;
	const char *tracepoint; /* kernel name, without the group */
	const char *gives;      /* the signal that is lost without it */
	bool is_required;
	bool is_loaded;
	bool is_unused;          /* nothing is lost: this kernel does not need it */
	uint32_t verified_insns; /* instructions that the verifier processed */
	int fd;                  /* stays with the probes; -1 if it is not loaded */
};

/*
 * Loads and attaches. Returns 0; -EPERM without the privilege; -EOPNOTSUPP where BTF or a required
 * tracepoint is missing; another negative errno from the kernel. error then holds one line.
 */
int probes_open(const struct probes_options *options, struct probes **ret_probes, char *error,
		size_t error_size);
void probes_close(struct probes *probes);

/*
 * Looks at every thread once: each process that has something to tell sends a record. Afterwards
 * the bulk ring holds those that were not handed to the callback already, because the ring was
 * filling up: call probes_read_bulk() then. Returns 0 or negative errno.
 */
int probes_walk(struct probes *probes);

/* Readable when there is something urgent, or when the bulk ring fills up. For epoll. */
int probes_urgent_fd(const struct probes *probes);
int probes_bulk_fd(const struct probes *probes);

/* Hand waiting records to the callbacks. Return how many, or negative errno. */
int probes_read_urgent(struct probes *probes);
int probes_read_bulk(struct probes *probes);

/* Cumulative since probes_open(). */
void probes_get_host_counters(const struct probes *probes, struct host_counters *ret_host);
/* LOSS_PROGRAM_MISSED is as of the last probes_read_missed(), which asks for every program. */
void probes_read_missed(struct probes *probes);
void probes_get_losses(const struct probes *probes, uint64_t ret_losses[LOSS_CAUSE_COUNT]);

/* Every program, index from 0; false past the last one. */
bool probes_get_program(const struct probes *probes, unsigned int index,
			struct probes_program *ret_program);

/* Descriptors of the maps, index from 0; they stay with the probes. -1 past the last one. */
int probes_get_map_fd(const struct probes *probes, unsigned int index);

/* Whether state lives in task storage, or else in preallocated tables. */
bool probes_has_task_storage(const struct probes *probes);

/*
 * What a kernel offers, from its BTF alone (NULL: nothing), without loading anything: is_loaded
 * says "would be". Index from 0; false past the last one.
 */
bool probes_get_candidate(const struct btf *btf, unsigned int index,
			  struct probes_program *ret_program);

#endif
