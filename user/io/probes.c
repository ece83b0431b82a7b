// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which programs are loaded is decided by the kernel's BTF (program_table.h): a program whose
 * tracepoint is missing, or has other arguments than those that it reads, is left out.
 */
#include "probes.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "io/program_table.h"
#include "io/skeleton.h"

/* The iterator has no tracepoint; it is attached last. */
static const char walk_program[] = "walk_thread";

/* The kernel itself drops what is in task storage. */
static const char storage_unused_program[] = "lifecycle_free";

struct probes {
	struct probes_options options;
	struct skeleton skeleton;
	struct ring_buffer *bulk;
	struct ring_buffer *urgent;
	struct bpf_link **links; /* per entry of the program table, as are the next */
	struct bpf_link *walk_link;
	bool *is_loaded;
	uint32_t *verified_insns;
	uint64_t missed; /* by programs that the kernel skipped */
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

static struct bpf_program *program_find(const struct probes *probes, const char *name)
{
	return bpf_object__find_program_by_name(probes->skeleton.object, name);
}

/*
 * Sets autoload of every program; -EOPNOTSUPP if a required one is impossible. One that this
 * skeleton has no use for is not in it.
 */
static int probes_choose(struct probes *probes, const struct btf *btf, char *error,
			 size_t error_size)
{
	for (unsigned int i = 0; i < program_table_count(); i++) {
		const struct program_entry *entry = program_table_get(i);
		struct bpf_program *program = program_find(probes, entry->name);

		if (!program)
			continue;
		probes->is_loaded[i] = program_is_possible(btf, entry);
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
	for (unsigned int i = 0; i < program_table_count(); i++) {
		const struct program_entry *entry = program_table_get(i);

		if (!probes->is_loaded[i])
			continue;
		probes->links[i] = bpf_program__attach(program_find(probes, entry->name));
		if (!probes->links[i]) {
			int failure = -errno;

			snprintf(error, error_size, "cannot attach to %s: %s", entry->tracepoint,
				 strerror(-failure));
			return failure;
		}
	}
	probes->walk_link = bpf_program__attach_iter(program_find(probes, walk_program), NULL);
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
	const struct skeleton *skeleton = &probes->skeleton;

	probes->bulk =
		ring_buffer__new(bpf_map__fd(skeleton->bulk_ring), record_receive, probes, NULL);
	if (!probes->bulk)
		return -errno;
	probes->urgent =
		ring_buffer__new(bpf_map__fd(skeleton->urgent_ring), record_receive, probes, NULL);
	return probes->urgent ? 0 : -errno;
}

static void probes_cleanup(struct probes **probes)
{
	probes_close(*probes);
}

/* What the verifier says of a program where it is asked for numbers only. */
static uint32_t verifier_log_parse(const char *log)
{
	static const char key[] = "processed ";
	const char *number = strstr(log, key);

	return number ? (uint32_t)strtoul(number + sizeof(key) - 1, NULL, 10) : 0;
}

enum {
	VERIFIER_LOG_STATS = 4, /* BPF_LOG_STATS: numbers, no trace */
};

typedef char verifier_log[4096];

/*
 * Loads. The verifier's numbers are asked for in a log, because bpf_prog_info has them only since
 * 5.16 (aba64c7da983).
 */
static int programs_load(struct probes *probes)
{
	unsigned int count = program_table_count() + 1; /* and the walk */
	_cleanup_free_ verifier_log *logs = calloc(count, sizeof(*logs));

	if (!logs)
		return -ENOMEM;
	for (unsigned int i = 0; i < count; i++) {
		const struct program_entry *entry = program_table_get(i);
		struct bpf_program *program =
			program_find(probes, entry ? entry->name : walk_program);

		if (!program)
			continue;
		bpf_program__set_log_buf(program, logs[i], sizeof(logs[i]));
		bpf_program__set_log_level(program, VERIFIER_LOG_STATS);
	}
	int result = skeleton_load(&probes->skeleton);

	for (unsigned int i = 0; i < count; i++)
		probes->verified_insns[i] = verifier_log_parse(logs[i]);
	return result;
}

static int probes_load(struct probes *probes, const struct btf *btf, char *error, size_t error_size)
{
	const struct probes_options *options = &probes->options;
	int result = skeleton_open(&probes->skeleton, kernel_has_task_storage(btf));

	if (result < 0) {
		snprintf(error, error_size, "cannot open the BPF object: %s", last_complaint);
		return result;
	}
	*probes->skeleton.settings = options->settings;
	bpf_map__set_max_entries(probes->skeleton.bulk_ring, (__u32)options->bulk_ring_bytes);
	bpf_map__set_max_entries(probes->skeleton.urgent_ring, (__u32)options->urgent_ring_bytes);
	result = probes_choose(probes, btf, error, error_size);
	if (result < 0)
		return result;
	result = programs_load(probes);
	if (result < 0)
		snprintf(error, error_size, "cannot load the BPF programs: %s%s%s",
			 strerror(-result), last_complaint[0] ? ": " : "", last_complaint);
	return result;
}

static int probes_allocate(struct probes *probes)
{
	unsigned int count = program_table_count();

	probes->links = calloc(count, sizeof(struct bpf_link *));
	probes->is_loaded = calloc(count, sizeof(*probes->is_loaded));
	probes->verified_insns = calloc(count + 1, sizeof(*probes->verified_insns));
	return probes->links && probes->is_loaded && probes->verified_insns ? 0 : -ENOMEM;
}

int probes_open(const struct probes_options *options, struct probes **ret_probes, char *error,
		size_t error_size)
{
	_cleanup_(probes_cleanup) struct probes *probes = calloc(1, sizeof(*probes));

	if (!probes || probes_allocate(probes) < 0)
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
	int result = probes_load(probes, btf, error, error_size);

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
	for (unsigned int i = 0; probes->links && i < program_table_count(); i++)
		bpf_link__destroy(probes->links[i]);
	ring_buffer__free(probes->bulk);
	ring_buffer__free(probes->urgent);
	skeleton_close(&probes->skeleton);
	free(probes->links);
	free(probes->is_loaded);
	free(probes->verified_insns);
	free(probes);
}

int probes_walk(struct probes *probes)
{
	_cleanup_close_ int fd = -1;
	char pause;
	ssize_t length;

	++*probes->skeleton.walk_number;
	fd = bpf_iter_create(bpf_link__fd(probes->walk_link));
	if (fd < 0)
		return -errno;
	/* It writes records into the ring, and a byte here where the ring should be read first. */
	while ((length = read(fd, &pause, sizeof(pause))) != 0) {
		int result = length > 0                          ? probes_read_bulk(probes)
			     : errno == EINTR || errno == EAGAIN ? 0
								 : -errno;

		if (result < 0)
			return result;
	}
	return 0;
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
	*ret_host = *probes->skeleton.host;
}

static bool program_info(const struct probes *probes, const char *name,
			 struct bpf_prog_info *ret_info)
{
	const struct bpf_program *program = program_find(probes, name);
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	if (!program || bpf_program__fd(program) < 0 ||
	    bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) < 0)
		return false;
	*ret_info = info;
	return true;
}

void probes_read_missed(struct probes *probes)
{
	uint64_t missed = 0;

	for (unsigned int i = 0; i < program_table_count(); i++) {
		struct bpf_prog_info info;

		if (probes->is_loaded[i] && program_info(probes, program_table_get(i)->name, &info))
			missed += info.recursion_misses;
	}
	probes->missed = missed;
}

void probes_get_losses(const struct probes *probes, uint64_t ret_losses[LOSS_CAUSE_COUNT])
{
	for (unsigned int cause = 0; cause < LOSS_CAUSE_COUNT; cause++)
		ret_losses[cause] = probes->skeleton.losses[cause];
	ret_losses[LOSS_PROGRAM_MISSED] = probes->missed;
}

static void program_describe(const struct program_entry *entry, struct probes_program *ret_program)
{
	*ret_program = (struct probes_program){
		.name = entry->name,
		.tracepoint = entry->tracepoint,
		.gives = entry->gives,
		.is_required = entry->is_required,
		.fd = -1,
	};
}

static bool program_is_of_use(bool has_task_storage, const struct program_entry *entry)
{
	return !has_task_storage || strcmp(entry->name, storage_unused_program) != 0;
}

bool probes_get_program(const struct probes *probes, unsigned int index,
			struct probes_program *ret_program)
{
	const struct program_entry *entry = program_table_get(index);

	if (index > program_table_count())
		return false;
	if (entry) {
		program_describe(entry, ret_program);
		ret_program->is_loaded = probes->is_loaded[index];
		ret_program->is_unused = !program_is_of_use(probes_has_task_storage(probes), entry);
	} else {
		*ret_program = (struct probes_program){
			.name = walk_program,
			.tracepoint = "iter/task",
			.gives = "CPU time and run-queue wait",
			.is_required = true,
			.is_loaded = true,
		};
	}
	ret_program->verified_insns = probes->verified_insns[index];
	if (ret_program->is_loaded)
		ret_program->fd = bpf_program__fd(program_find(probes, ret_program->name));
	return true;
}

int probes_get_map_fd(const struct probes *probes, unsigned int index)
{
	const struct bpf_map *map = NULL;

	do
		map = bpf_object__next_map(probes->skeleton.object, map);
	while (map && index-- > 0);
	return map ? bpf_map__fd(map) : -1;
}

bool probes_get_candidate(const struct btf *btf, unsigned int index,
			  struct probes_program *ret_program)
{
	const struct program_entry *entry = program_table_get(index);

	if (!entry)
		return false;
	program_describe(entry, ret_program);
	ret_program->is_loaded = btf && program_is_possible(btf, entry);
	ret_program->is_unused = btf && !program_is_of_use(kernel_has_task_storage(btf), entry);
	return true;
}

bool probes_has_task_storage(const struct probes *probes)
{
	return probes->skeleton.has_task_storage;
}
