// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which programs are loaded is decided by the kernel's BTF: a program whose tracepoint is missing
 * is left out, and of the two forms of mark_victim the one with this kernel's signature is taken.
 */
#include "probes.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "tierd.skel.h"

enum program_form {
	FORM_ANY,
	FORM_TASK, /* first argument is a struct task_struct * */
	FORM_INT,  /* first argument is an int */
};

struct program_entry {
	const char *name;
	const char *tracepoint;
	const char *gives;
	bool is_required;
	enum program_form form;
};

/* In the order in which they are attached: births first, so that the first walk misses nobody. */
static const struct program_entry program_table[] = {
	{"lifecycle_newtask", "task_newtask", "new threads", true, FORM_ANY},
	{"lifecycle_exec", "sched_process_exec", "exec", false, FORM_ANY},
	{"lifecycle_exit", "sched_process_exit", "exits", true, FORM_ANY},
	{"stall_sched_switch", "sched_switch", "memory and I/O stall", true, FORM_ANY},
	{"direct_reclaim_begin", "mm_vmscan_direct_reclaim_begin", "direct reclaim", false,
	 FORM_ANY},
	{"direct_reclaim_end", "mm_vmscan_direct_reclaim_end", "direct reclaim", false, FORM_ANY},
	{"memcg_reclaim_begin", "mm_vmscan_memcg_reclaim_begin", "memory cgroup reclaim", false,
	 FORM_ANY},
	{"memcg_reclaim_end", "mm_vmscan_memcg_reclaim_end", "memory cgroup reclaim", false,
	 FORM_ANY},
	{"node_reclaim_begin", "mm_vmscan_node_reclaim_begin", "node reclaim", false, FORM_ANY},
	{"node_reclaim_end", "mm_vmscan_node_reclaim_end", "node reclaim", false, FORM_ANY},
	{"compaction_begin", "mm_compaction_begin", "compaction", false, FORM_ANY},
	{"compaction_end", "mm_compaction_end", "compaction", false, FORM_ANY},
	{"kswapd_wake", "mm_vmscan_kswapd_wake", "kswapd activity", false, FORM_ANY},
	{"kswapd_sleep", "mm_vmscan_kswapd_sleep", "kswapd activity", false, FORM_ANY},
	{"oom_mark_victim_task", "mark_victim", "OOM victims", false, FORM_TASK},
	{"oom_mark_victim_pid", "mark_victim", "OOM victims", false, FORM_INT},
};

/* The iterator has no tracepoint; it is attached last. */
static const char walk_program[] = "walk_thread";

struct probes {
	struct probes_options options;
	struct tierd_bpf *skeleton;
	struct ring_buffer *bulk;
	struct ring_buffer *urgent;
	struct bpf_link *links[ARRAY_SIZE(program_table)];
	struct bpf_link *walk_link;
	bool is_loaded[ARRAY_SIZE(program_table)];
};

/* libbpf's last complaint, for the error line; libbpf's print hook carries no context. */
static char last_complaint[256];

static int complaint_keep(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char text[sizeof(last_complaint)];

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(text, sizeof(text), format, arguments);
	/* One line, and not the verifier's log. */
	text[strcspn(text, "\n")] = '\0';
	if (!last_complaint[0] && !strstr(text, "BEGIN PROG LOAD LOG"))
		memcpy(last_complaint, text, sizeof(last_complaint));
	return 0;
}

/* The tracepoint's first argument, or NULL if this kernel has no such tracepoint. */
static const struct btf_type *tracepoint_argument(const struct btf *btf, const char *tracepoint)
{
	char name[128];

	snprintf(name, sizeof(name), "btf_trace_%s", tracepoint);
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);

	if (id < 0)
		return NULL;
	/* typedef void (*btf_trace_X)(void *, first argument, ...) */
	const struct btf_type *type = btf__type_by_id(btf, btf__type_by_id(btf, (__u32)id)->type);

	if (!type || !btf_is_ptr(type))
		return NULL;
	type = btf__type_by_id(btf, type->type);
	if (!type || !btf_is_func_proto(type) || btf_vlen(type) < 2)
		return NULL;
	return btf__type_by_id(btf, btf_params(type)[1].type);
}

static bool entry_is_possible(const struct btf *btf, const struct program_entry *entry)
{
	const struct btf_type *argument = tracepoint_argument(btf, entry->tracepoint);

	if (!argument)
		return false;
	return entry->form == FORM_ANY || (entry->form == FORM_TASK) == btf_is_ptr(argument);
}

/* Sets autoload of every program; -EOPNOTSUPP if a required one is impossible. */
static int probes_choose(struct probes *probes, const struct btf *btf, char *error,
			 size_t error_size)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(program_table); i++) {
		const struct program_entry *entry = &program_table[i];
		struct bpf_program *program =
			bpf_object__find_program_by_name(probes->skeleton->obj, entry->name);

		probes->is_loaded[i] = entry_is_possible(btf, entry);
		if (!probes->is_loaded[i] && entry->is_required) {
			snprintf(error, error_size, "this kernel has no tracepoint %s (%s)",
				 entry->tracepoint, entry->gives);
			return -EOPNOTSUPP;
		}
		bpf_program__set_autoload(program, probes->is_loaded[i]);
	}
	return 0;
}

static int probes_attach(struct probes *probes, char *error, size_t error_size)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(program_table); i++) {
		const struct program_entry *entry = &program_table[i];

		if (!probes->is_loaded[i])
			continue;
		probes->links[i] = bpf_program__attach(
			bpf_object__find_program_by_name(probes->skeleton->obj, entry->name));
		if (!probes->links[i]) {
			int failure = -errno;

			snprintf(error, error_size, "cannot attach to %s: %s", entry->tracepoint,
				 strerror(-failure));
			return failure;
		}
	}
	probes->walk_link = bpf_program__attach_iter(
		bpf_object__find_program_by_name(probes->skeleton->obj, walk_program), NULL);
	if (!probes->walk_link) {
		int failure = -errno;

		snprintf(error, error_size, "cannot create the task iterator: %s",
			 strerror(-failure));
		return failure;
	}
	return 0;
}

/* A record as it came out of a ring buffer; sizes are checked because they are what we rely on. */
static int record_receive(void *context, void *data, size_t size)
{
	struct probes *probes = context;
	const struct record_header *header = data;

	if (size < sizeof(*header))
		return 0;
	if (header->kind == RECORD_PROCESS && size >= sizeof(struct process_record))
		probes->options.on_process(probes->options.context, data);
	else if (header->kind == RECORD_OOM && size >= sizeof(struct oom_record))
		probes->options.on_oom(probes->options.context, data);
	return 0;
}

static int rings_open(struct probes *probes)
{
	const struct tierd_bpf *skeleton = probes->skeleton;

	probes->bulk = ring_buffer__new(bpf_map__fd(skeleton->maps.bulk_ring), record_receive,
					probes, NULL);
	if (!probes->bulk)
		return -errno;
	probes->urgent = ring_buffer__new(bpf_map__fd(skeleton->maps.urgent_ring), record_receive,
					  probes, NULL);
	return probes->urgent ? 0 : -errno;
}

static void probes_cleanup(struct probes **probes)
{
	probes_close(*probes);
}

static int skeleton_load(struct probes *probes, const struct btf *btf, char *error,
			 size_t error_size)
{
	const struct probes_options *options = &probes->options;

	probes->skeleton = tierd_bpf__open();
	if (!probes->skeleton) {
		snprintf(error, error_size, "cannot open the BPF object: %s", last_complaint);
		return -errno;
	}
	probes->skeleton->rodata->settings = options->settings;
	bpf_map__set_max_entries(probes->skeleton->maps.bulk_ring, (__u32)options->bulk_ring_bytes);
	bpf_map__set_max_entries(probes->skeleton->maps.urgent_ring,
				 (__u32)options->urgent_ring_bytes);
	int result = probes_choose(probes, btf, error, error_size);

	if (result < 0)
		return result;
	result = tierd_bpf__load(probes->skeleton);
	if (result < 0)
		snprintf(error, error_size, "cannot load the BPF programs: %s%s%s",
			 strerror(-result), last_complaint[0] ? ": " : "", last_complaint);
	return result;
}

int probes_open(const struct probes_options *options, struct probes **ret_probes, char *error,
		size_t error_size)
{
	_cleanup_(probes_cleanup) struct probes *probes = calloc(1, sizeof(*probes));

	if (!probes)
		return -ENOMEM;
	probes->options = *options;
	last_complaint[0] = '\0';
	libbpf_set_print(complaint_keep);

	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf) {
		int failure = errno == EPERM || errno == EACCES ? -EPERM : -EOPNOTSUPP;

		snprintf(error, error_size,
			 "no BTF of the running kernel (/sys/kernel/btf/vmlinux): %s",
			 strerror(errno));
		return failure;
	}
	int result = skeleton_load(probes, btf, error, error_size);

	btf__free(btf);
	if (result < 0)
		return result;
	result = rings_open(probes);
	if (result < 0) {
		snprintf(error, error_size, "cannot map the ring buffers: %s", strerror(-result));
		return result;
	}
	result = probes_attach(probes, error, error_size);
	if (result < 0)
		return result;
	*ret_probes = TAKE_PTR(probes);
	return 0;
}

void probes_close(struct probes *probes)
{
	if (!probes)
		return;
	bpf_link__destroy(probes->walk_link);
	for (unsigned int i = 0; i < ARRAY_SIZE(program_table); i++)
		bpf_link__destroy(probes->links[i]);
	ring_buffer__free(probes->bulk);
	ring_buffer__free(probes->urgent);
	tierd_bpf__destroy(probes->skeleton);
	free(probes);
}

int probes_walk(struct probes *probes)
{
	_cleanup_close_ int fd = -1;
	char nothing[256]; /* the walk writes records, not text */
	ssize_t length;

	probes->skeleton->bss->walk_number++;
	fd = bpf_iter_create(bpf_link__fd(probes->walk_link));
	if (fd < 0)
		return -errno;
	do {
		length = read(fd, nothing, sizeof(nothing));
	} while (length > 0 || (length < 0 && (errno == EINTR || errno == EAGAIN)));
	return length < 0 ? -errno : 0;
}

int probes_urgent_fd(const struct probes *probes)
{
	return ring_buffer__epoll_fd(probes->urgent);
}

int probes_bulk_fd(const struct probes *probes)
{
	return ring_buffer__epoll_fd(probes->bulk);
}

int probes_read_urgent(struct probes *probes)
{
	return ring_buffer__consume(probes->urgent);
}

int probes_read_bulk(struct probes *probes)
{
	return ring_buffer__consume(probes->bulk);
}

void probes_get_host_counters(const struct probes *probes, struct host_counters *ret_host)
{
	*ret_host = probes->skeleton->bss->host;
}

static bool program_info(const struct probes *probes, const char *name,
			 struct bpf_prog_info *ret_info)
{
	const struct bpf_program *program =
		bpf_object__find_program_by_name(probes->skeleton->obj, name);
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	if (!program || bpf_program__fd(program) < 0 ||
	    bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) < 0)
		return false;
	*ret_info = info;
	return true;
}

void probes_get_losses(const struct probes *probes, uint64_t ret_losses[LOSS_CAUSE_COUNT])
{
	uint64_t missed = 0;

	for (unsigned int cause = 0; cause < LOSS_CAUSE_COUNT; cause++)
		ret_losses[cause] = probes->skeleton->bss->losses[cause];
	for (unsigned int i = 0; i < ARRAY_SIZE(program_table); i++) {
		struct bpf_prog_info info;

		if (probes->is_loaded[i] && program_info(probes, program_table[i].name, &info))
			missed += info.recursion_misses;
	}
	ret_losses[LOSS_PROGRAM_MISSED] = missed;
}

static void program_describe(const struct program_entry *entry, struct probes_program *ret_program)
{
	*ret_program = (struct probes_program){
		.name = entry->name,
		.tracepoint = entry->tracepoint,
		.gives = entry->gives,
		.is_required = entry->is_required,
	};
}

bool probes_get_program(const struct probes *probes, unsigned int index,
			struct probes_program *ret_program)
{
	struct bpf_prog_info info = {0};

	if (index < ARRAY_SIZE(program_table)) {
		program_describe(&program_table[index], ret_program);
		ret_program->is_loaded = probes->is_loaded[index];
	} else if (index == ARRAY_SIZE(program_table)) {
		*ret_program = (struct probes_program){
			.name = walk_program,
			.tracepoint = "iter/task",
			.gives = "CPU time and run-queue wait",
			.is_required = true,
			.is_loaded = true,
		};
	} else {
		return false;
	}
	if (ret_program->is_loaded && program_info(probes, ret_program->name, &info))
		ret_program->verified_insns = info.verified_insns;
	return true;
}

bool probes_get_candidate(const struct btf *btf, unsigned int index,
			  struct probes_program *ret_program)
{
	if (index >= ARRAY_SIZE(program_table))
		return false;
	program_describe(&program_table[index], ret_program);
	ret_program->is_loaded = btf && entry_is_possible(btf, &program_table[index]);
	return true;
}
