// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where events come from: the kernel's records, system samples, PSI triggers.
 *
 * The source ladder is bpf -> psi -> poll: when a source fails while the agent runs, the next lower
 * one takes over and the engine is told. What is missing is reported as a loss, never as zeros.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent.h"
#include "base/units.h"
#include "core/names.h"
#include "io/oom_detail.h"

/* A trigger may come with every window; samples asked for by it keep this distance. */
#define PSI_SAMPLE_GAP_NS (50 * NS_PER_MS)

enum {
	PROGRAMS_TEXT_LEN = 256,
};

/* ---- records ---- */

static uint32_t process_party(struct agent *agent, const struct process_record *record)
{
	if (record->pid == agent->own_pid)
		return PARTY_AGENT;
	if (record->header.flags & PROCESS_KERNEL_THREAD)
		return PARTY_OTHERS;
	return model_note_process(agent->model, record->pid, record->start_ns, record->parent_pid,
				  record->cgroup_id)
		       ? PARTY_MODEL
		       : PARTY_OTHERS;
}

static uint32_t shared_depth(struct agent *agent, uint32_t pid, uint64_t cgroup_id)
{
	return group_depth_find(&agent->depths, model_get_group(agent->model), pid, cgroup_id);
}

static void source_on_process(void *context, const struct process_record *record)
{
	struct agent *agent = context;
	struct event event = {
		.kind = EVENT_PROCESS,
		.process =
			{
				.party = process_party(agent, record),
				.shared_depth = shared_depth(agent, record->pid, record->cgroup_id),
				.is_limit_ours =
					record->limit_cgroup_id &&
					model_is_group_ours(agent->model, record->limit_cgroup_id),
				.record = *record,
			},
	};

	agent_feed(agent, &event);
}

static void source_on_oom(void *context, const struct oom_record *record)
{
	struct agent *agent = context;
	struct event event = {.kind = EVENT_OOM, .oom = {.record = *record}};
	struct oom_record *oom = &event.oom.record;

	/* Kernels before 6.8 tell only the pid. */
	if (!oom->start_ns)
		oom_detail_complete(&agent->hierarchy, oom);
	event.oom.party = model_note_process(agent->model, oom->pid, oom->start_ns, oom->parent_pid,
					     oom->cgroup_id)
				  ? PARTY_MODEL
				  : PARTY_OTHERS;
	event.oom.shared_depth = shared_depth(agent, oom->pid, oom->cgroup_id);
	event.oom.is_limit_ours =
		oom->limit_cgroup_id && model_is_group_ours(agent->model, oom->limit_cgroup_id);
	agent_feed(agent, &event);
}

/* ---- the source ladder ---- */

static int source_announce(struct agent *agent)
{
	struct event event = {.kind = EVENT_SOURCE, .source = {.source = agent->source}};

	return agent_feed(agent, &event);
}

static void probes_stop(struct agent *agent)
{
	if (!agent->probes)
		return;
	loop_remove_fd(agent->loop, probes_urgent_fd(agent->probes));
	loop_remove_fd(agent->loop, probes_bulk_fd(agent->probes));
	agent_timer_set(&agent->walk_timer, LOOP_NEVER);
	probes_close(agent->probes);
	agent->probes = NULL;
}

/* The next rung down, with what there is. */
int agent_source_fall(struct agent *agent, int failure)
{
	log_write(&agent->log, LOG_QUIET, "source %s failed: %s",
		  pressure_source_name(agent->source), strerror(-failure));
	probes_stop(agent);
	agent->source = agent->psi_fd >= 0 ? SOURCE_PSI : SOURCE_POLL;
	return source_announce(agent);
}

static int psi_readable(void *context, int fd, uint32_t events)
{
	struct agent *agent = context;
	uint64_t now_ns = loop_now_ns();

	if (events & EPOLLERR) { /* gone for good */
		loop_remove_fd(agent->loop, fd);
		close(fd);
		agent->psi_fd = -1;
		return agent->source == SOURCE_PSI ? agent_source_fall(agent, -ENODEV) : 0;
	}
	return agent_timer_set(&agent->sample_timer,
			       units_min(agent->sample_timer.at_ns, now_ns + PSI_SAMPLE_GAP_NS));
}

/*
 * PSI tells at once when memory stalls; without it samples come by the timer alone. The threshold
 * is stall_above as it was at the start, over the smallest window that is allowed here.
 */
static int psi_start(struct agent *agent)
{
	uint64_t window_ns;
	int result = psi_probe(&window_ns);

	if (result < 0)
		return result;
	result = psi_trigger_open(
		PSI_MEMORY_FILE,
		units_scale(window_ns, agent->config.engine.stall_above_permyriad, PERMYRIAD),
		window_ns);
	if (result < 0)
		return result;
	agent->psi_fd = result;
	return loop_add_fd(agent->loop, agent->psi_fd, EPOLLPRI, psi_readable, agent);
}

static int urgent_readable(void *context, int fd, uint32_t events)
{
	struct agent *agent = context;
	int result = probes_read_urgent(agent->probes);

	(void)fd;
	(void)events;
	return result < 0 ? agent_source_fall(agent, result) : 0;
}

static int bulk_readable(void *context, int fd, uint32_t events)
{
	struct agent *agent = context;
	int result = probes_read_bulk(agent->probes);

	(void)fd;
	(void)events;
	return result < 0 ? agent_source_fall(agent, result) : 0;
}

static void programs_report(struct agent *agent)
{
	struct probes_program program;
	unsigned int loaded = 0;

	for (unsigned int i = 0; probes_get_program(agent->probes, i, &program); i++) {
		loaded += program.is_loaded;
		if (!program.is_loaded && !program.is_unused &&
		    strcmp(program.tracepoint, "mark_victim") != 0)
			log_write(&agent->log, LOG_QUIET,
				  "no tracepoint %s on this kernel: %s will not be seen",
				  program.tracepoint, program.gives);
	}
	log_write(&agent->log, LOG_NORMAL, "source bpf: %u programs in the kernel", loaded);
}

static int probes_start(struct agent *agent, char *error, size_t error_size)
{
	const struct app_config *config = &agent->config;
	uint64_t psi_window_ns;
	const struct probes_options options = {
		.settings =
			{
				.report_floor_ns = config->report_floor_ns,
				.urgent_stall_ns = config->urgent_stall_ns,
				.bulk_wakeup_bytes = config->ring_bulk_bytes / 2,
				.page_bytes = (uint32_t)sysconf(_SC_PAGESIZE),
				.ignore_nice = (int32_t)config->ignore_nice,
				.is_memstall_kept = psi_probe(&psi_window_ns) != -EOPNOTSUPP,
			},
		.bulk_ring_bytes = config->ring_bulk_bytes,
		.urgent_ring_bytes = config->ring_urgent_bytes,
		.on_process = source_on_process,
		.on_oom = source_on_oom,
		.context = agent,
	};
	int result = probes_open(&options, &agent->probes, error, error_size);

	if (result < 0)
		return result;
	programs_report(agent);
	result = loop_add_fd(agent->loop, probes_urgent_fd(agent->probes), EPOLLIN, urgent_readable,
			     agent);
	if (result >= 0)
		result = loop_add_fd(agent->loop, probes_bulk_fd(agent->probes), EPOLLIN,
				     bulk_readable, agent);
	if (result < 0)
		snprintf(error, error_size, "cannot watch the ring buffers: %s", strerror(-result));
	return result;
}

/* The best source that is wanted and works. Returns 0 or the exit status. */
static int source_open(struct agent *agent)
{
	uint32_t wanted = agent->config.source;
	char error[CONFIG_ERROR_LEN] = "";
	int result;

	if (wanted != SOURCE_POLL) {
		result = psi_start(agent);
		if (result < 0 && wanted == SOURCE_PSI) {
			log_write(&agent->log, LOG_QUIET, "source psi: %s", strerror(-result));
			return AGENT_EXIT_PRIVILEGE;
		}
		if (result < 0)
			log_write(&agent->log, LOG_NORMAL, "no PSI trigger: %s", strerror(-result));
	}
	agent->source = wanted == SOURCE_POLL ? SOURCE_POLL
			: agent->psi_fd >= 0  ? SOURCE_PSI
					      : SOURCE_POLL;
	if (wanted != SOURCE_BPF && wanted != SOURCE_NONE)
		return 0;
	result = probes_start(agent, error, sizeof(error));
	if (result >= 0) {
		agent->source = SOURCE_BPF;
		return 0;
	}
	probes_stop(agent);
	log_write(&agent->log, LOG_QUIET, "source bpf: %s", error);
	if (wanted == SOURCE_BPF || result == -EPERM || result == -EOPNOTSUPP)
		return AGENT_EXIT_PRIVILEGE;
	log_write(&agent->log, LOG_QUIET, "going on with source %s",
		  pressure_source_name(agent->source));
	return 0;
}

/* ---- all ---- */

/* Whose the next records are, before there is a sample. */
static void find_model(struct agent *agent)
{
	if (model_refresh(agent->model, loop_now_ns()) < 0)
		log_write(&agent->log, LOG_NORMAL, "the model's processes cannot be read yet");
}

int agent_sources_set_model(struct agent *agent, const struct app_config *config)
{
	const struct model_config model = {
		.hierarchy = &agent->hierarchy,
		.group = config->model_cgroup,
		.program = config->model_exe,
		.pid_file = config->model_pid_file,
	};
	struct model *new_model;
	struct sampler *new_sampler;
	int result = model_create(&model, &new_model);

	if (result < 0)
		return result;
	result = sampler_create(&(struct sampler_config){.model = new_model, .nvml = agent->nvml},
				&new_sampler);
	if (result < 0) {
		model_destroy(new_model);
		return result;
	}
	uint64_t start_ticks = agent->model ? model_get_hello_start_ticks(agent->model) : 0;

	if (start_ticks == 0)
		model_set_hello_pid(new_model, agent->hello_pid);
	else if (model_restore_hello_pid(new_model, agent->hello_pid, start_ticks) < 0)
		agent->hello_pid = 0; /* it has ended: whoever has its pid next is another */
	sampler_destroy(agent->sampler);
	model_destroy(agent->model);
	agent->sampler = new_sampler;
	agent->model = new_model;
	find_model(agent);
	return 0;
}

/* Returns 0 or the exit status. */
int agent_sources_open(struct agent *agent)
{
	struct event event = {.kind = EVENT_CONFIG, .config = &agent->config.engine};
	int result = cgroup_find_hierarchy("/proc", &agent->hierarchy);

	if (result >= 0)
		result = group_depth_open(&agent->hierarchy, &agent->depths);
	if (result >= 0)
		result = nvml_create(&agent->nvml);
	if (result < 0) {
		log_write(&agent->log, LOG_QUIET, "cannot read the system's files: %s",
			  strerror(-result));
		return AGENT_EXIT_RUNTIME;
	}
	result = agent_sources_set_model(agent, &agent->config);
	if (result < 0) {
		log_write(&agent->log, LOG_QUIET, "%s: [model]: %s",
			  agent->config_path ? agent->config_path : "configuration",
			  result == -EINVAL ? "cgroup is not the path of a group"
					    : strerror(-result));
		return result == -EINVAL ? AGENT_EXIT_CONFIG : AGENT_EXIT_RUNTIME;
	}
	result = source_open(agent);
	if (result)
		return result;
	agent_state_restore_hello(agent);
	find_model(agent);
	result = agent_feed(agent, &event);
	if (result >= 0)
		result = agent_state_restore(agent);
	if (result >= 0)
		result = source_announce(agent);
	if (result >= 0 && agent->probes)
		result = agent_first_walk(agent);
	if (result >= 0)
		result = agent_sample(agent, loop_now_ns());
	if (result >= 0)
		result = manager_fifo_check(agent->manager);
	return result < 0 ? AGENT_EXIT_RUNTIME : 0;
}

void agent_sources_close(struct agent *agent)
{
	if (agent->probes)
		probes_stop(agent);
	if (agent->psi_fd >= 0) {
		loop_remove_fd(agent->loop, agent->psi_fd);
		close(agent->psi_fd);
	}
	sampler_destroy(agent->sampler);
	model_destroy(agent->model);
	nvml_destroy(agent->nvml);
	group_depth_close(&agent->depths);
}
