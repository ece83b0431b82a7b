/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of fields. Not in it, because every value but one is impossible: kind and size of a
 * kernel record's header.
 */
#include "event_fields.h"

#include "units.h"

#define AT(field) offsetof(struct event, field)
#define U32(name, field)                            \
	{                                           \
		name, AT(field), FIELD_U32, 0, 0, 0 \
	}
#define U64(name, field)                            \
	{                                           \
		name, AT(field), FIELD_U64, 0, 0, 0 \
	}
#define BOOL(name, field)                            \
	{                                            \
		name, AT(field), FIELD_BOOL, 0, 0, 0 \
	}
#define TIME(name, field)                            \
	{                                            \
		name, AT(field), FIELD_TIME, 0, 0, 0 \
	}
#define TEXT(name, field)                                                                \
	{                                                                                \
		name, AT(field), FIELD_TEXT, 0, sizeof(((struct event *)NULL)->field), 0 \
	}
#define WORD(name, field, words, limit)                     \
	{                                                   \
		name, AT(field), FIELD_U32, words, 0, limit \
	}

static const struct event_field SOURCE_FIELDS[] = {
	WORD("source", source.source, WORDS_SOURCE, SOURCE_BPF + 1),
};

#define RECORD(field) process.record.field
static const struct event_field PROCESS_FIELDS[] = {
	WORD("party", process.party, WORDS_PARTY, PARTY_COUNT),
	U32("shared_depth", process.shared_depth),
	BOOL("is_limit_ours", process.is_limit_ours),
	U32("flags", RECORD(header.flags)),
	TIME("kernel_time_ns", RECORD(header.time_ns)),
	U32("pid", RECORD(pid)),
	U32("parent_pid", RECORD(parent_pid)),
	U64("start_ns", RECORD(start_ns)),
	U64("cgroup_id", RECORD(cgroup_id)),
	U64("limit_cgroup_id", RECORD(limit_cgroup_id)),
	U64("cpu_time_ns", RECORD(cpu_time_ns)),
	U64("cpu_wait_ns", RECORD(cpu_wait_ns)),
	U64("background_cpu_time_ns", RECORD(background_cpu_time_ns)),
	U64("background_cpu_wait_ns", RECORD(background_cpu_wait_ns)),
	U64("mem_stall_ns", RECORD(mem_stall_ns)),
	U64("io_stall_ns", RECORD(io_stall_ns)),
	U64("direct_reclaim_count", RECORD(direct_reclaim.count)),
	U64("direct_reclaim_ns", RECORD(direct_reclaim.time_ns)),
	U64("direct_reclaim_pages", RECORD(direct_reclaim.pages)),
	U64("memcg_reclaim_count", RECORD(memcg_reclaim.count)),
	U64("memcg_reclaim_ns", RECORD(memcg_reclaim.time_ns)),
	U64("memcg_reclaim_pages", RECORD(memcg_reclaim.pages)),
	U64("compaction_count", RECORD(compaction_count)),
	U64("compaction_ns", RECORD(compaction_ns)),
	U64("anon_bytes", RECORD(anon_bytes)),
	TEXT("comm", RECORD(comm)),
};

#define HOST(field) window.host.field
static const struct event_field WINDOW_FIELDS[] = {
	TIME("begin_ns", window.begin_ns),
	TIME("end_ns", window.end_ns),
	U64("forks", HOST(forks)),
	U64("execs", HOST(execs)),
	U64("exits", HOST(exits)),
	U64("kswapd_wakes", HOST(kswapd_wakes)),
	U64("kswapd_active_ns", HOST(kswapd_active_ns)),
	U64("oom_victims", HOST(oom_victims)),
	U64("process_records", HOST(process_records)),
	U64("urgent_records", HOST(urgent_records)),
	U64("threads_walked", HOST(threads_walked)),
};

#define OOM(field) oom.record.field
static const struct event_field OOM_FIELDS[] = {
	WORD("party", oom.party, WORDS_PARTY, PARTY_COUNT),
	U32("shared_depth", oom.shared_depth),
	BOOL("is_limit_ours", oom.is_limit_ours),
	U32("flags", OOM(header.flags)),
	TIME("kernel_time_ns", OOM(header.time_ns)),
	U32("pid", OOM(pid)),
	U32("parent_pid", OOM(parent_pid)),
	U64("start_ns", OOM(start_ns)),
	U64("cgroup_id", OOM(cgroup_id)),
	U64("limit_cgroup_id", OOM(limit_cgroup_id)),
	U64("anon_bytes", OOM(anon_bytes)),
	TEXT("comm", OOM(comm)),
};

static const struct event_field SAMPLE_FIELDS[] = {
	U32("flags", sample.flags),
	U32("model_processes", sample.model_processes),
	U32("cpu_count", sample.cpu_count),
	{"resources", AT(sample.resources), FIELD_RESOURCES, 0, EVENT_RESOURCES_MAX, 0},
	U64("swap_total_bytes", sample.swap_total_bytes),
	U64("swap_free_bytes", sample.swap_free_bytes),
	U64("cpu_busy_ns", sample.cpu_busy_ns),
	U64("psi_cpu_some_ns", sample.psi_cpu_some_ns),
	U64("psi_mem_some_ns", sample.psi_mem_some_ns),
	U64("psi_mem_full_ns", sample.psi_mem_full_ns),
	U64("psi_io_some_ns", sample.psi_io_some_ns),
	U64("psi_io_full_ns", sample.psi_io_full_ns),
	U64("host_scan_pages", sample.host_scan_pages),
	U64("own_cpu_ns", sample.own_cpu_ns),
	U64("own_rss_bytes", sample.own_rss_bytes),
	/* Since minor version 2. */
	U64("model_footprint_bytes", sample.model_footprint_bytes),
};

static const struct event_field RESOURCE_FIELDS[] = {
	{"kind", offsetof(struct event_resource, kind), FIELD_U32, WORDS_RESOURCE, 0,
	 RESOURCE_KIND_COUNT},
	{"index", offsetof(struct event_resource, index), FIELD_U32, 0, 0, 0},
	{"capacity_bytes", offsetof(struct event_resource, capacity_bytes), FIELD_U64, 0, 0, 0},
	{"used_bytes", offsetof(struct event_resource, used_bytes), FIELD_U64, 0, 0, 0},
	{"model_bytes", offsetof(struct event_resource, model_bytes), FIELD_U64, 0, 0, 0},
};

static const struct event_field LOSS_FIELDS[] = {
	{"count", AT(loss.count), FIELD_COUNTS, WORDS_LOSS, LOSS_CAUSE_COUNT, 0},
};

static const struct event_field COMMAND_FIELDS[] = {
	WORD("verb", command.verb, WORDS_VERB, COMMAND_VERB_COUNT),
	WORD("ack_state", command.ack_state, WORDS_ACK, ACK_FAILED + 1),
	U64("seq", command.seq),
	U32("pid", command.pid),
	TEXT("tier", command.tier),
	/* Since minor version 1. */
	TEXT("id", command.id),
	BOOL("is_ok", command.is_ok),
	U64("ms", command.ms),
	U64("tokens", command.tokens),
	U64("ttft_ms", command.ttft_ms),
	/* Since minor version 2. */
	U64("memory_bytes", command.memory_bytes),
	U64("vram_bytes", command.vram_bytes),
	U32("cpus_permille", command.cpus_permille),
	U32("shared_depth", command.shared_depth),
	BOOL("is_only_asked", command.is_only_asked),
	U64("for_ns", command.for_ns),
	BOOL("is_continued", command.is_continued),
};

#define LAYOUT(name, fields)                     \
	{                                        \
		name, fields, ARRAY_SIZE(fields) \
	}

static const struct event_layout LAYOUTS[] = {
	[EVENT_CONFIG] = {"config", NULL, 0},
	[EVENT_SOURCE] = LAYOUT("source", SOURCE_FIELDS),
	[EVENT_PROCESS] = LAYOUT("process", PROCESS_FIELDS),
	[EVENT_WINDOW] = LAYOUT("window", WINDOW_FIELDS),
	[EVENT_OOM] = LAYOUT("oom", OOM_FIELDS),
	[EVENT_SAMPLE] = LAYOUT("sample", SAMPLE_FIELDS),
	[EVENT_LOSS] = LAYOUT("loss", LOSS_FIELDS),
	[EVENT_COMMAND] = LAYOUT("command", COMMAND_FIELDS),
	[EVENT_TICK] = {"tick", NULL, 0},
	[EVENT_STATE] = {"state", NULL, 0},
};
_Static_assert(ARRAY_SIZE(LAYOUTS) == EVENT_KIND_COUNT, "a kind of event has no layout");

const struct event_layout EVENT_RESOURCE_LAYOUT = LAYOUT("resource", RESOURCE_FIELDS);

const struct event_layout *event_layout_of(uint32_t kind)
{
	if (kind >= ARRAY_SIZE(LAYOUTS) || !LAYOUTS[kind].name || event_is_text(kind))
		return NULL;
	return &LAYOUTS[kind];
}

bool event_is_text(uint32_t kind)
{
	return kind == EVENT_CONFIG || kind == EVENT_STATE;
}

const char *event_kind_name(uint32_t kind)
{
	return kind < ARRAY_SIZE(LAYOUTS) && LAYOUTS[kind].name ? LAYOUTS[kind].name : "?";
}
