// SPDX-License-Identifier: BSD-2-Clause
#include "io/bpf_cost.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "io/proc.h"

enum {
	FDINFO_LEN = 1024,
	PATH_LEN = 64,
};

int bpf_cost_enable(void)
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);

	return fd < 0 ? -errno : fd;
}

static int program_read(const struct probes_program *program, struct bpf_cost *cost)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	if (cost->count == BPF_COST_PROGRAMS_MAX)
		return -ENOSPC;
	if (bpf_obj_get_info_by_fd(program->fd, &info, &size) < 0)
		return -errno;
	cost->programs[cost->count++] = (struct bpf_cost_program){
		.name = program->name,
		.tracepoint = program->tracepoint,
		.runs = info.run_cnt,
		.run_ns = info.run_time_ns,
	};
	return 0;
}

/* bpf_map_info does not say. */
static int map_read(int fd, uint64_t *ret_bytes)
{
	char path[PATH_LEN], text[FDINFO_LEN];

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	int result = proc_read_file(AT_FDCWD, path, text, sizeof(text));

	return result < 0 ? result : proc_find_number(text, "memlock", ret_bytes);
}

int bpf_cost_read(const struct probes *probes, struct bpf_cost *ret_cost)
{
	struct bpf_cost cost = {0};
	struct probes_program program;
	uint64_t bytes;
	int result, fd;

	for (unsigned int i = 0; probes_get_program(probes, i, &program); i++) {
		result = program.fd < 0 ? 0 : program_read(&program, &cost);
		if (result < 0)
			return result;
	}
	for (unsigned int i = 0; (fd = probes_get_map_fd(probes, i)) >= 0; i++) {
		result = map_read(fd, &bytes);
		if (result < 0)
			return result;
		cost.map_bytes += bytes;
	}
	*ret_cost = cost;
	return 0;
}
