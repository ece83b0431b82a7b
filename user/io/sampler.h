/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system as it stands, for the engine: struct event_sample from /proc, memory cgroups and GPUs.
 *
 * What the model holds is the sum over its processes of RssAnon + RssShmem + min(VmLck, RssFile);
 * with more than one process, pages that they share are counted once, through the proportional
 * sizes of smaps_rollup. Those are expensive, and the kernel may wait before it tells them; so a
 * thread reads them (pss_reader.h), and a sample waits for it for at most SAMPLER_PSS_WAIT_MS, and
 * after such a wait in vain not again for a second: 1 % of the time. They are re-read only when a
 * process has grown or shrunk by 1/16, or after SAMPLER_PSS_PERIOD_S; and after a reading the
 * thread rests for a hundred times the CPU time that it took, up to that period.
 */
#ifndef TIERD_IO_SAMPLER_H
#define TIERD_IO_SAMPLER_H

#include <stdint.h>

#include "io/model.h"
#include "io/nvml.h"
#include "io/pss_reader.h"
#include "tierd/event.h"

enum {
	SAMPLER_PSS_PERIOD_S = 30,
	SAMPLER_PSS_WAIT_MS = 10,
};

struct sampler;

struct sampler_config {
	const char *proc_root; /* NULL = /proc */
	struct model *model;   /* NULL = none; must outlive the sampler */
	struct nvml *nvml;     /* NULL = none; must outlive the sampler */
	/* For tests: what reads the proportional sizes, and how long it is waited for; 0 = as said.
	 */
	pss_reader_call read_pss;
	uint64_t pss_wait_ns;
};

/* Returns 0, or a negative errno if /proc/meminfo or /proc/stat cannot be opened. */
int sampler_create(const struct sampler_config *config, struct sampler **ret_sampler);
void sampler_destroy(struct sampler *sampler);

/*
 * Refreshes the model's processes and reads everything; now_ns is CLOCK_MONOTONIC. Allocates
 * nothing. Returns 0, or a negative errno with *ret_sample untouched, if anything is missing that
 * was there or must be there (-EBADMSG: garbled): a sample is whole or it is none, but for two
 * parts that must not hide the host. A GPU that fails keeps its last values (nvml_read()). A model
 * that cannot be read is counted, and the sample is as without a model: no model_processes, no
 * groups. While it is not known how much a process of it shares, neither is its footprint. Without
 * PSI its totals are 0, without /proc/vmstat host_scan_pages is.
 *
 * Resources: the host; each level of the model's group, nearest first (index = how far up), that
 * has a limit below the host's memory; each GPU.
 */
int sampler_take(struct sampler *sampler, uint64_t now_ns, struct event_sample *ret_sample);

/* Samples without the model because it could not be read, since the start. */
uint64_t sampler_get_model_failures(const struct sampler *sampler);

#endif
