/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System samples. Files that stay (meminfo, stat, pressure, vmstat, statm) are opened once and read
 * with pread(); the model's are opened each time, because a process or a group may be another one
 * by then.
 */
#include "io/sampler.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "io/proc.h"
#include "io/sampler_model.h"

enum {
	/* The CPU lines of /proc/stat are some 60 bytes each and come first. */
	BUFFER_SIZE = 128 * 1024,
	GROUPS_MAX = 7, /* leaves room for the host and NVML_DEVICES_MAX */
	CPU_FIELDS_MIN = 8,
	CPU_FIELD_IDLE = 3,
	CPU_FIELD_IOWAIT = 4,
};

_Static_assert(1 + GROUPS_MAX + NVML_DEVICES_MAX <= EVENT_RESOURCES_MAX, "room for all");

enum psi_file {
	PSI_CPU,
	PSI_MEMORY,
	PSI_IO,
	PSI_FILES,
};

struct sampler {
	struct model *model;
	struct nvml *nvml;
	uint64_t tick_ns;
	uint64_t page_bytes;
	int meminfo_fd;
	int stat_fd;
	int statm_fd;
	int psi_fds[PSI_FILES]; /* -1: no PSI */
	int vmstat_fd;          /* -1: there is none */
	uint64_t model_failures;
	struct sampler_model model_state;
	char buffer[BUFFER_SIZE];
};

/* ---- set-up ---------------------------------------------------------------------------------- */

void sampler_destroy(struct sampler *sampler)
{
	if (!sampler)
		return;
	pss_reader_stop(sampler->model_state.reader);
	cleanup_close(&sampler->model_state.proc_fd);
	cleanup_close(&sampler->meminfo_fd);
	cleanup_close(&sampler->stat_fd);
	cleanup_close(&sampler->statm_fd);
	cleanup_close(&sampler->vmstat_fd);
	for (int i = 0; i < PSI_FILES; i++)
		cleanup_close(&sampler->psi_fds[i]);
	free(sampler);
}

static void cleanup_sampler(struct sampler **sampler)
{
	sampler_destroy(*sampler);
}

static int open_files(struct sampler *sampler, const char *proc_root)
{
	static const char *const PSI_NAMES[] = {
		[PSI_CPU] = "pressure/cpu",
		[PSI_MEMORY] = "pressure/memory",
		[PSI_IO] = "pressure/io",
	};
	int proc_fd = open(proc_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	sampler->model_state.proc_fd = proc_fd;
	if (proc_fd < 0)
		return -errno;
	sampler->meminfo_fd = openat(proc_fd, "meminfo", O_RDONLY | O_CLOEXEC);
	if (sampler->meminfo_fd < 0)
		return -errno;
	sampler->stat_fd = openat(proc_fd, "stat", O_RDONLY | O_CLOEXEC);
	if (sampler->stat_fd < 0)
		return -errno;
	sampler->statm_fd = openat(proc_fd, "self/statm", O_RDONLY | O_CLOEXEC);
	if (sampler->statm_fd < 0)
		return -errno;
	for (int i = 0; i < PSI_FILES; i++)
		sampler->psi_fds[i] = openat(proc_fd, PSI_NAMES[i], O_RDONLY | O_CLOEXEC);
	sampler->vmstat_fd = openat(proc_fd, "vmstat", O_RDONLY | O_CLOEXEC);
	return 0;
}

static int start_reader(struct sampler *sampler, const struct sampler_config *config)
{
	struct sampler_model *state = &sampler->model_state;

	state->wait_max_ns =
		config->pss_wait_ns ? config->pss_wait_ns : SAMPLER_PSS_WAIT_MS * NS_PER_MS;
	return pss_reader_start(state->proc_fd,
				config->read_pss ? config->read_pss : proc_read_file,
				&state->reader);
}

int sampler_create(const struct sampler_config *config, struct sampler **ret_sampler)
{
	_cleanup_(cleanup_sampler) struct sampler *sampler = calloc(1, sizeof(*sampler));
	int err;

	if (!sampler)
		return -ENOMEM;
	sampler->model = config->model;
	sampler->nvml = config->nvml;
	sampler->tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	sampler->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	sampler->meminfo_fd = sampler->stat_fd = sampler->statm_fd = sampler->vmstat_fd = -1;
	for (int i = 0; i < PSI_FILES; i++)
		sampler->psi_fds[i] = -1;
	err = open_files(sampler, config->proc_root ? config->proc_root : "/proc");
	if (!err && config->model)
		err = start_reader(sampler, config);
	if (err)
		return err;
	*ret_sampler = TAKE_PTR(sampler);
	return 0;
}

/* ---- the host -------------------------------------------------------------------------------- */

static int read_meminfo(struct sampler *sampler, struct event_sample *sample)
{
	struct event_resource *host = &sample->resources[0];
	const char *text = sampler->buffer;
	uint64_t available;
	int err = proc_read_fd(sampler->meminfo_fd, sampler->buffer, sizeof(sampler->buffer));

	if (err < 0)
		return err;
	if (proc_find_number(text, "MemTotal", &host->capacity_bytes) ||
	    proc_find_number(text, "MemAvailable", &available) ||
	    proc_find_number(text, "SwapTotal", &sample->swap_total_bytes) ||
	    proc_find_number(text, "SwapFree", &sample->swap_free_bytes))
		return -EBADMSG;
	if (host->capacity_bytes == 0 || available > host->capacity_bytes ||
	    sample->swap_free_bytes > sample->swap_total_bytes)
		return -EBADMSG;
	host->kind = RESOURCE_HOST_MEMORY;
	host->used_bytes = host->capacity_bytes - available;
	return 0;
}

/* "cpu  user nice system idle iowait irq softirq steal guest guest_nice"; guest time is part of
 * user and nice. */
static int parse_cpu_busy(const char *text, uint64_t tick_ns, uint64_t *ret_busy_ns)
{
	uint64_t busy_ticks = 0;
	uint64_t ticks;

	if (strncmp(text, "cpu ", 4) != 0)
		return -EBADMSG;
	text += 3;
	for (int i = 0; i < CPU_FIELDS_MIN; i++) {
		text = proc_parse_number(text, &ticks);
		if (!text)
			return -EBADMSG;
		if (i != CPU_FIELD_IDLE && i != CPU_FIELD_IOWAIT)
			busy_ticks = units_plus(busy_ticks, ticks);
	}
	return __builtin_mul_overflow(busy_ticks, tick_ns, ret_busy_ns) ? -EBADMSG : 0;
}

static int read_stat(struct sampler *sampler, struct event_sample *sample)
{
	int err = proc_read_fd(sampler->stat_fd, sampler->buffer, sizeof(sampler->buffer));

	if (err < 0)
		return err;
	err = parse_cpu_busy(sampler->buffer, sampler->tick_ns, &sample->cpu_busy_ns);
	if (err)
		return err;
	for (const char *line = strchr(sampler->buffer, '\n'); line; line = strchr(line, '\n')) {
		line++;
		if (strncmp(line, "cpu", 3) != 0 || !isdigit((unsigned char)line[3]))
			break;
		sample->cpu_count++;
	}
	return sample->cpu_count > 0 ? 0 : -EBADMSG;
}

/* The total= of the line that starts with kind; in microseconds there. */
static int parse_psi(const char *text, const char *kind, uint64_t *ret_total_ns)
{
	static const char TOTAL[] = " total=";
	size_t kind_len = strlen(kind);
	size_t line_len;
	uint64_t total_us;

	while (text && (strncmp(text, kind, kind_len) != 0 || text[kind_len] != ' ')) {
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	line_len = text ? strcspn(text, "\n") : 0;
	text = text ? memmem(text, line_len, TOTAL, strlen(TOTAL)) : NULL;
	if (!text || !proc_parse_number(text + strlen(TOTAL), &total_us))
		return -EBADMSG;
	return __builtin_mul_overflow(total_us, NS_PER_US, ret_total_ns) ? -EBADMSG : 0;
}

static int read_psi(struct sampler *sampler, struct event_sample *sample)
{
	const struct {
		int file;
		const char *kind;
		uint64_t *total_ns;
	} VALUES[] = {
		{PSI_CPU, "some", &sample->psi_cpu_some_ns},
		{PSI_MEMORY, "some", &sample->psi_mem_some_ns},
		{PSI_MEMORY, "full", &sample->psi_mem_full_ns},
		{PSI_IO, "some", &sample->psi_io_some_ns},
		{PSI_IO, "full", &sample->psi_io_full_ns},
	};

	for (size_t i = 0; i < ARRAY_SIZE(VALUES); i++) {
		int fd = sampler->psi_fds[VALUES[i].file];
		int err;

		if (fd < 0)
			continue;
		err = proc_read_fd(fd, sampler->buffer, sizeof(sampler->buffer));
		if (err == -EOPNOTSUPP)
			continue;
		if (err >= 0)
			err = parse_psi(sampler->buffer, VALUES[i].kind, VALUES[i].total_ns);
		if (err)
			return err;
	}
	return 0;
}

/* The kernel counts there what is scanned for the host, not for the limit of a memory cgroup. */
static int read_host_scans(struct sampler *sampler, struct event_sample *sample)
{
	static const char *const KEYS[] = {"pgscan_kswapd", "pgscan_direct"};
	int err;

	if (sampler->vmstat_fd < 0)
		return 0;
	err = proc_read_fd(sampler->vmstat_fd, sampler->buffer, sizeof(sampler->buffer));
	if (err < 0)
		return err;
	for (size_t i = 0; i < ARRAY_SIZE(KEYS); i++) {
		uint64_t pages = 0;

		err = proc_find_number(sampler->buffer, KEYS[i], &pages);
		if (err && err != -ENOENT)
			return err;
		sample->host_scan_pages = units_plus(sample->host_scan_pages, pages);
	}
	return 0;
}

static int read_own_cost(struct sampler *sampler, struct event_sample *sample)
{
	struct rusage usage;
	const char *rest;
	uint64_t pages;
	int err;

	if (getrusage(RUSAGE_SELF, &usage))
		return -errno;
	sample->own_cpu_ns =
		(uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
		(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * NS_PER_US;
	err = proc_read_fd(sampler->statm_fd, sampler->buffer, sizeof(sampler->buffer));
	if (err < 0)
		return err;
	/* "size resident ..." in pages */
	rest = proc_parse_number(sampler->buffer, &pages);
	if (!rest || !proc_parse_number(rest, &pages) ||
	    __builtin_mul_overflow(pages, sampler->page_bytes, &sample->own_rss_bytes))
		return -EBADMSG;
	return 0;
}

/* ---- groups and GPUs ------------------------------------------------------------------------- */

static int read_groups(struct sampler *sampler, const struct model_usage *usage,
		       struct event_sample *sample)
{
	const struct cgroup_chain *chain = model_get_chain(sampler->model);
	unsigned int groups = 0;

	for (unsigned int i = 0; i < chain->count && groups < GROUPS_MAX; i++) {
		struct event_resource *group = &sample->resources[sample->resource_count];
		int err = cgroup_read_limit(&chain->levels[i], &group->capacity_bytes);

		if (err)
			return err;
		if (group->capacity_bytes >= sample->resources[0].capacity_bytes)
			continue;
		err = cgroup_read_used(chain, &chain->levels[i], sampler->buffer,
				       sizeof(sampler->buffer), &group->used_bytes);
		if (err)
			return err;
		group->kind = RESOURCE_GROUP_MEMORY;
		group->index = i;
		group->model_bytes = units_min(usage->level_bytes[i], group->used_bytes);
		sample->resource_count++;
		groups++;
	}
	return 0;
}

/* What is charged to a group of the model's own counts where that is more: its processes may use
 * memory of the kernel's, too. */
static int read_footprint(struct sampler *sampler, const struct model_usage *usage,
			  struct event_sample *sample)
{
	const struct cgroup_chain *chain = model_get_chain(sampler->model);
	uint64_t charged = 0;
	int err = 0;

	/* It is learned from the largest there were: one that is too large does not pass. */
	if (usage->process_count == 0 || usage->is_share_unknown)
		return 0;
	if (chain->count > 0 && model_is_group_configured(sampler->model))
		err = cgroup_read_kept(chain, &chain->levels[0], sampler->buffer,
				       sizeof(sampler->buffer), &charged);
	/* The root of version 2 has no account. */
	if (err && err != -ENODEV)
		return err;
	sample->model_footprint_bytes = units_max(usage->kept_bytes, charged);
	return 0;
}

static int read_usage(struct sampler *sampler, uint64_t now_ns, struct event_sample *sample)
{
	struct model_usage usage;
	int err = model_refresh(sampler->model, now_ns);

	if (!err)
		err = sampler_model_read(&sampler->model_state, sampler->model, now_ns,
					 sampler->buffer, sizeof(sampler->buffer), &usage);
	if (err)
		return err;
	sample->model_processes = usage.process_count;
	sample->resources[0].model_bytes =
		units_min(usage.total_bytes, sample->resources[0].used_bytes);
	err = read_footprint(sampler, &usage, sample);
	return err ? err : read_groups(sampler, &usage, sample);
}

/* Whatever is wrong with the model, the host's part of the sample stands. */
static void read_model(struct sampler *sampler, uint64_t now_ns, struct event_sample *sample)
{
	struct event_sample host = *sample;
	int err = read_usage(sampler, now_ns, sample);

	/* A group was removed between finding and reading it. */
	if (err == -ENODEV) {
		*sample = host;
		err = read_usage(sampler, now_ns, sample);
	}
	if (err) {
		*sample = host;
		sampler->model_failures++;
	}
}

static bool is_model(void *context, uint32_t pid)
{
	return model_is_member(context, pid, 0);
}

static bool is_nobody(void *context, uint32_t pid)
{
	(void)context;
	(void)pid;
	return false;
}

static void read_gpus(struct sampler *sampler, struct event_sample *sample)
{
	unsigned int count = nvml_read(sampler->nvml, sampler->model ? is_model : is_nobody,
				       sampler->model, &sample->resources[sample->resource_count],
				       EVENT_RESOURCES_MAX - sample->resource_count);

	sample->resource_count += count;
	if (count > 0 && !nvml_has_told(sampler->nvml))
		sample->flags |= SAMPLE_VRAM_UNTOLD;
}

int sampler_take(struct sampler *sampler, uint64_t now_ns, struct event_sample *ret_sample)
{
	struct event_sample sample = {.resource_count = 1};
	int err = read_meminfo(sampler, &sample);

	if (!err)
		err = read_stat(sampler, &sample);
	if (!err)
		err = read_psi(sampler, &sample);
	if (!err)
		err = read_own_cost(sampler, &sample);
	if (!err)
		err = read_host_scans(sampler, &sample);
	if (err)
		return err;
	if (sampler->model)
		read_model(sampler, now_ns, &sample);
	if (sampler->nvml)
		read_gpus(sampler, &sample);
	*ret_sample = sample;
	return 0;
}

uint64_t sampler_get_model_failures(const struct sampler *sampler)
{
	return sampler->model_failures;
}
