// SPDX-License-Identifier: BSD-2-Clause
#include "io/program_table.h"

#include <bpf/btf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"

/* Births first, so that the first walk misses nobody. */
static const struct program_entry PROGRAMS[] = {
	{"lifecycle_newtask", "task_newtask", "new threads", true, "tl"},
	{"lifecycle_exec", "sched_process_exec", "exec", false, "t"},
	{"lifecycle_exit", "sched_process_exit", "exits", true, "t"},
	{"lifecycle_free", "sched_process_free", "the end of tasks", true, "t"},
	{"stall_sched_switch", "sched_switch", "memory and I/O stall", true, "btt"},
	{"direct_reclaim_begin", "mm_vmscan_direct_reclaim_begin", "direct reclaim", false, ""},
	{"direct_reclaim_end", "mm_vmscan_direct_reclaim_end", "direct reclaim", false, "l"},
	{"memcg_reclaim_begin", "mm_vmscan_memcg_reclaim_begin", "memory cgroup reclaim", false,
	 ""},
	{"memcg_reclaim_end", "mm_vmscan_memcg_reclaim_end", "memory cgroup reclaim", false, "l"},
	{"node_reclaim_begin", "mm_vmscan_node_reclaim_begin", "node reclaim", false, ""},
	{"node_reclaim_end", "mm_vmscan_node_reclaim_end", "node reclaim", false, "l"},
	{"compaction_begin", "mm_compaction_begin", "compaction", false, ""},
	{"compaction_end", "mm_compaction_end", "compaction", false, ""},
	{"kswapd_wake", "mm_vmscan_kswapd_wake", "kswapd activity", false, "i"},
	{"kswapd_sleep", "mm_vmscan_kswapd_sleep", "kswapd activity", false, "i"},
	{"oom_mark_victim_task", "mark_victim", "OOM victims", false, "t"},
	{"oom_mark_victim_pid", "mark_victim", "OOM victims", false, "i"},
};

const struct program_entry *program_table_get(unsigned int index)
{
	return index < ARRAY_SIZE(PROGRAMS) ? &PROGRAMS[index] : NULL;
}

unsigned int program_table_count(void)
{
	return ARRAY_SIZE(PROGRAMS);
}

static const char *type_name(const struct btf *btf, const struct btf_type *type)
{
	const char *name = btf__name_by_offset(btf, type->name_off);

	return name ? name : "";
}

/* Without typedefs and qualifiers; NULL for void and for what is broken. */
static const struct btf_type *type_resolve(const struct btf *btf, uint32_t id)
{
	int resolved = btf__resolve_type(btf, id);

	return resolved > 0 ? btf__type_by_id(btf, (uint32_t)resolved) : NULL;
}

static bool type_is_task(const struct btf *btf, const struct btf_type *type)
{
	if (!btf_is_ptr(type))
		return false;
	type = type_resolve(btf, type->type);
	return type && btf_is_struct(type) && strcmp(type_name(btf, type), "task_struct") == 0;
}

static bool argument_fits(const struct btf *btf, uint32_t id, char wanted)
{
	const struct btf_type *type = type_resolve(btf, id);

	if (!type)
		return false;
	switch (wanted) {
	case 't':
		return type_is_task(btf, type);
	case 'b':
		return btf_is_int(type) && type->size == 1;
	case 'i':
		return btf_is_int(type) && type->size == 4;
	case 'l':
		return btf_is_int(type) && type->size == 8;
	default:
		return wanted == '.';
	}
}

/* typedef void (*btf_trace_X)(void *, first argument, ...); NULL if there is no such tracepoint. */
static const struct btf_type *tracepoint_find(const struct btf *btf, const char *tracepoint)
{
	char name[128];

	snprintf(name, sizeof(name), "btf_trace_%s", tracepoint);
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);

	if (id < 0)
		return NULL;
	const struct btf_type *type = type_resolve(btf, (uint32_t)id);

	if (!type || !btf_is_ptr(type))
		return NULL;
	type = type_resolve(btf, type->type);
	return type && btf_is_func_proto(type) ? type : NULL;
}

bool program_is_possible(const struct btf *btf, const struct program_entry *entry)
{
	const struct btf_type *prototype = tracepoint_find(btf, entry->tracepoint);
	size_t count = strlen(entry->arguments);

	if (!prototype || btf_vlen(prototype) < count + 1)
		return false;
	const struct btf_param *parameters = btf_params(prototype) + 1;

	for (size_t i = 0; i < count; i++)
		if (!argument_fits(btf, parameters[i].type, entry->arguments[i]))
			return false;
	return true;
}

/* The type of a structure's member, by name; 0 if there is no such member. */
static uint32_t member_type(const struct btf *btf, const char *structure, const char *member)
{
	int id = btf__find_by_name_kind(btf, structure, BTF_KIND_STRUCT);
	const struct btf_type *type = id < 0 ? NULL : btf__type_by_id(btf, (uint32_t)id);

	for (uint16_t i = 0; type && i < btf_vlen(type); i++) {
		const char *name = btf__name_by_offset(btf, btf_members(type)[i].name_off);

		if (name && strcmp(name, member) == 0)
			return btf_members(type)[i].type;
	}
	return 0;
}

/*
 * task_struct.bpf_storage came with a10787e6d58c (5.12), bpf_local_storage_map.selem_ma with
 * 08a7ce384e33 (6.4). By 7.3 the pools are gone again: the locks are rqspinlocks then, which never
 * wait for ever, and memory comes without locks.
 */
bool kernel_has_task_storage(const struct btf *btf)
{
	if (!member_type(btf, "task_struct", "bpf_storage"))
		return false;
	if (member_type(btf, "bpf_local_storage_map", "selem_ma"))
		return true;
	uint32_t lock = member_type(btf, "bpf_local_storage", "lock");

	return lock && strcmp(type_name(btf, btf__type_by_id(btf, lock)), "rqspinlock_t") == 0;
}
