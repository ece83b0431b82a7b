/* SPDX-License-Identifier: BSD-2-Clause */
/* What a sampler reads, as data: an invented host, and a model in two groups of it. */
#ifndef TIERD_TESTS_SAMPLER_FILES_H
#define TIERD_TESTS_SAMPLER_FILES_H

#include "file_tree.h"

#include "base/units.h"
#include "io/model.h"
#include "io/sampler.h"

#define MEMINFO                                                                            \
	"MemTotal:       1000000 kB\nMemFree:        100 kB\nMemAvailable:    400000 kB\n" \
	"SwapCached:      0 kB\nSwapTotal:      2000 kB\nSwapFree:       500 kB\n"
#define STAT                                                                       \
	"cpu  100 20 30 4000 500 6 7 8 90 10\ncpu0 50 10 15 2000 250 3 3 4 45 5\n" \
	"cpu1 50 10 15 2000 250 3 4 4 45 5\nintr 1 2 3\nctxt 5\n"
#define PSI(some, full)                                      \
	"some avg10=0.19 avg60=0.49 avg300=0.15 total=" some \
	"\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=" full "\n"
#define VMSTAT                                                                           \
	"nr_free_pages 5\npgscan_kswapd 700\npgscan_direct 30\npgscan_khugepaged 1000\n" \
	"pgscan_proactive 2000\npgscan_direct_throttle 4000\npgscan_anon 8000\n"
#define STATUS(anon, shmem, file, locked)                                   \
	"Name:\tx\nState:\tS (sleeping)\nVmLck:\t  " locked                 \
	" kB\nVmRSS:\t    9 kB\nRssAnon:\t  " anon " kB\nRssFile:\t  " file \
	" kB\nRssShmem:\t  " shmem " kB\nThreads:\t1\n"
#define ROLLUP(anon, shmem, file, locked)                                                      \
	"55d-7ff ---p 00000000 00:00 0    [rollup]\nRss:  9 kB\nPss:  9 kB\nPss_Dirty: 1 kB\n" \
	"Pss_Anon:  " anon " kB\nPss_File:  " file " kB\nPss_Shmem:  " shmem                   \
	" kB\nLocked:  " locked " kB\n"
#define PROC_STAT(pid) pid " (x) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 500 1000 10\n"

static const struct file_tree_entry HOST[] = {
	{"proc/meminfo", MEMINFO},
	{"proc/stat", STAT},
	{"proc/pressure/cpu", PSI("11", "0")},
	{"proc/pressure/memory", PSI("22", "33")},
	{"proc/pressure/io", PSI("44", "55")},
	{"proc/self/statm", "1000 50 20 1 0 30 0\n"},
	{"proc/vmstat", VMSTAT},
};

/* Two processes of the group /a/b, one of them moved up to /a. */
static const struct file_tree_entry MODEL[] = {
	{"cgroup/memory.limit_in_bytes", "9223372036854771712\n"},
	{"cgroup/a/memory.limit_in_bytes", "512000000\n"},
	{"cgroup/a/memory.usage_in_bytes", "300000000\n"},
	{"cgroup/a/memory.stat", "total_active_file 1000\ntotal_inactive_file 2000\n"},
	{"cgroup/a/b/memory.limit_in_bytes", "256000000\n"},
	{"cgroup/a/b/memory.usage_in_bytes", "100000000\n"},
	{"cgroup/a/b/memory.stat", "total_active_file 0\ntotal_inactive_file 0\n"},
	{"cgroup/a/b/cgroup.procs", "10\n11\n"},
	{"proc/10/stat", PROC_STAT("10")},
	{"proc/10/status", STATUS("1000", "100", "5000", "10")},
	{"proc/10/smaps_rollup", ROLLUP("800", "50", "3000", "5")},
	{"proc/10/cgroup", "4:memory:/a/b\n"},
	{"proc/10/task/10/children", ""},
	{"proc/11/stat", PROC_STAT("11")},
	{"proc/11/status", STATUS("2000", "100", "5", "6000")},
	{"proc/11/smaps_rollup", ROLLUP("1700", "50", "4", "9000")},
	{"proc/11/cgroup", "4:memory:/a\n"},
	{"proc/11/task/11/children", ""},
};

struct sampler_host {
	struct file_tree tree;
	char proc_root[128];
	struct cgroup_hierarchy hierarchy;
	struct model *model;
	struct sampler *sampler;
	uint64_t now_ns;
	struct event_sample sample;
};

/* The invented host; its model and sampler are the test's to make. */
static inline void sampler_host_open(struct sampler_host *host)
{
	file_tree_create(&host->tree);
	file_tree_fill(&host->tree, HOST, ARRAY_SIZE(HOST));
	(void)snprintf(host->proc_root, sizeof(host->proc_root), "%s/proc", host->tree.root);
	host->hierarchy.version = CGROUP_V1;
	(void)snprintf(host->hierarchy.mount, sizeof(host->hierarchy.mount), "%s/cgroup",
		       host->tree.root);
	(void)snprintf(host->hierarchy.root, sizeof(host->hierarchy.root), "/");
	host->now_ns = NS_PER_S;
}

static inline void sampler_host_close(struct sampler_host *host)
{
	sampler_destroy(host->sampler);
	model_destroy(host->model);
	file_tree_remove(&host->tree);
	free(host);
}

#endif
