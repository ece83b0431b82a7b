/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the engine is fed: the only input of every decision, live, replayed or in a test.
 *
 * Each event carries its arrival time on CLOCK_MONOTONIC, which never goes backwards from one
 * event to the next; the kernel's own timestamps inside records are data. Bytes, nanoseconds and
 * permyriad (1/10000) throughout.
 */
#ifndef TIERD_EVENT_H
#define TIERD_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "tierd/record.h"

enum {
	EVENT_RESOURCES_MAX = 24, /* host + tightest cgroup ancestors + GPUs */
	EVENT_TIER_NAME_LEN = 32,
	EVENT_TASK_ID_LEN = 64,
};

enum event_kind {
	EVENT_CONFIG = 1, /* at start and after a reload */
	EVENT_SOURCE,     /* where pressure comes from has changed */
	EVENT_PROCESS,    /* one process record */
	EVENT_WINDOW,     /* end of one walk: the process records of a window are complete */
	EVENT_OOM,
	EVENT_SAMPLE,
	EVENT_LOSS,
	EVENT_COMMAND,
	EVENT_TICK,  /* nothing but time */
	EVENT_STATE, /* at start: what was kept of the agent that ran before */
	EVENT_KIND_COUNT,
};

/* On whose account a process's pressure goes. */
enum party {
	PARTY_OTHERS,
	PARTY_MODEL,
	PARTY_AGENT, /* tierd itself: neither victim nor culprit */
	PARTY_COUNT,
};

enum pressure_source {
	SOURCE_NONE, /* every sensor is gone: hold */
	SOURCE_POLL, /* /proc only */
	SOURCE_PSI,  /* PSI totals and triggers */
	SOURCE_BPF,  /* per process, from the kernel */
};

struct event_source {
	uint32_t source; /* enum pressure_source */
};

#define EVENT_DEPTH_UNKNOWN UINT32_MAX

struct event_process {
	uint32_t party; /* enum party */
	/* How far up from the model's group the nearest group is that holds the process too, as in
	 * event_resource.index: it shares the group resources from that index on. */
	uint32_t shared_depth;
	/* The group named by limit_cgroup_id holds the model too: what happens there is ours. */
	bool is_limit_ours;
	struct process_record record;
};

struct event_window {
	uint64_t begin_ns; /* kernel time of the previous walk's end */
	uint64_t end_ns;
	struct host_counters host; /* cumulative */
};

struct event_oom {
	uint32_t party;
	uint32_t shared_depth; /* as in event_process */
	bool is_limit_ours;    /* the group that ran out holds the model */
	struct oom_record record;
};

enum resource_kind {
	RESOURCE_HOST_MEMORY,
	RESOURCE_GROUP_MEMORY, /* a limited memory cgroup that holds the model */
	RESOURCE_VRAM,         /* memory of one GPU */
	RESOURCE_KIND_COUNT,
};

struct event_resource {
	uint32_t kind;  /* enum resource_kind */
	uint32_t index; /* GPU number; depth of the group, 0 = the configured one */
	uint64_t capacity_bytes;
	uint64_t used_bytes;  /* without reclaimable page cache */
	uint64_t model_bytes; /* the part of used_bytes that our processes hold */
};

enum sample_flag {
	SAMPLE_CONFIRMED = 1U << 0, /* counts as two samples in a row (imported rows) */
	/* The driver told of no process on any GPU: what ours hold there is not known to be 0. */
	SAMPLE_VRAM_UNTOLD = 1U << 1,
};

struct event_sample {
	uint32_t flags;           /* enum sample_flag */
	uint32_t model_processes; /* of the model that were found, 0 if none */
	uint32_t resource_count;
	uint32_t cpu_count;
	struct event_resource resources[EVENT_RESOURCES_MAX];
	uint64_t swap_total_bytes;
	uint64_t swap_free_bytes;
	uint64_t cpu_busy_ns;     /* sum over CPUs since boot, without idle and iowait */
	uint64_t psi_cpu_some_ns; /* PSI totals, cumulative; 0 without PSI */
	uint64_t psi_mem_some_ns;
	uint64_t psi_mem_full_ns;
	uint64_t psi_io_some_ns;
	uint64_t psi_io_full_ns;
	/* Pages scanned by reclaim because the host was short, not a group: cumulative. */
	uint64_t host_scan_pages;
	uint64_t own_cpu_ns; /* what the agent itself costs */
	uint64_t own_rss_bytes;
	/* What the model keeps in memory, with the pages of files that it has mapped; what its
	 * control group is charged for, where that is more. 0 = not known. */
	uint64_t model_footprint_bytes;
};

struct event_loss {
	uint64_t count[LOSS_CAUSE_COUNT]; /* since the last loss event */
};

enum command_verb {
	COMMAND_HELLO = 1,
	COMMAND_ACK,
	COMMAND_PAUSE,
	COMMAND_RESUME,
	COMMAND_TASK_BEGIN,
	COMMAND_TASK_END,
	COMMAND_PREFLIGHT,
	COMMAND_PIN,
	COMMAND_UNPIN,
	COMMAND_VERB_COUNT,
};

enum ack_state {
	ACK_DRAINING,
	ACK_LOADING,
	ACK_DONE,
	ACK_FAILED,
};

struct event_command {
	uint32_t verb; /* enum command_verb */
	uint32_t ack_state;
	uint64_t seq;                   /* ack: of the switch line */
	uint32_t pid;                   /* hello: of the manager or the model, 0 if not said */
	char tier[EVENT_TIER_NAME_LEN]; /* hello: what is loaded; task: where it runs; preflight,
					 * pin: what is asked for; "" if not said */
	char id[EVENT_TASK_ID_LEN];     /* task: the manager's name for it */
	bool is_ok;                     /* task-end: it did not fail */
	uint64_t ms;                    /* task-end: how long it took */
	uint64_t tokens;                /* task-end: that it made, 0 if not said */
	uint64_t ttft_ms;               /* task-end: time to its first token, 0 if not said */
	/* preflight: of the tier named, else of these amounts beside what runs. */
	uint64_t memory_bytes;
	uint64_t vram_bytes; /* of one GPU */
	uint32_t cpus_permille;
	uint32_t shared_depth; /* of whoever is to take them, as in event_process */
	bool is_only_asked;    /* a yes reserves nothing */
	uint64_t for_ns;       /* pin: how long it holds, 0 = until unpin */
	bool is_continued;     /* pin: it held before; not refused, and up after calm only */
};

/* The parsed forms of texts that a trace stores: user/core/config.h, user/core/state.h. */
struct engine_config;
struct engine_state;

struct event {
	uint64_t time_ns;
	uint32_t kind; /* enum event_kind */
	union {
		const struct engine_config *config; /* copied by the engine */
		const struct engine_state *state;   /* the same */
		struct event_source source;
		struct event_process process;
		struct event_window window;
		struct event_oom oom;
		struct event_sample sample;
		struct event_loss loss;
		struct event_command command;
	};
};

#endif
