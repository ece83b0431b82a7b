// SPDX-License-Identifier: BSD-2-Clause
#include "agent.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/units.h"
#include "doctor.h"

enum {
	AGENT_NICE = -10,
};

static int engine_open(struct agent *agent)
{
	void *memory = aligned_alloc(64, (engine_size() + 63) / 64 * 64);

	if (!memory)
		return -ENOMEM;
	agent->engine = engine_init(memory);
	return 0;
}

int agent_timer_set(struct agent_timer *timer, uint64_t at_ns)
{
	if (timer->at_ns == at_ns)
		return 0;
	timer->at_ns = at_ns;
	return loop_timer_set(timer->timer, at_ns);
}

static int agent_wake(void *context, uint64_t now_ns)
{
	struct agent *agent = context;
	struct event tick = {.kind = EVENT_TICK};
	int result;

	(void)now_ns;
	agent->wake_timer.at_ns = LOOP_NEVER;
	result = run_dir_check(&agent->dir);
	if (result == -EBUSY) {
		log_write(&agent->log, LOG_QUIET, "%s: another agent has taken over",
			  agent->dir.path);
		return result;
	}
	if (result < 0)
		log_rate_limited(&agent->log, LOG_QUIET, "%s: %s", agent->dir.path,
				 strerror(-result));
	manager_fifo_check(agent->manager);
	control_fifo_check(agent->control);
	agent_record_check(agent);
	agent_output_check(agent);
	return agent_feed(agent, &tick);
}

int agent_feed_for_actions(struct agent *agent, struct event *event, struct actions *ret_actions)
{
	int result;

	event->time_ns = loop_now_ns();
	agent_record_event(agent, event);
	engine_step(agent->engine, event, ret_actions);
	agent_output_actions(agent, ret_actions);
	agent_set_calm(agent, ret_actions->is_calm);
	agent_state_note(agent, event, ret_actions);
	result = agent_timer_set(&agent->wake_timer, ret_actions->wake_at_ns);
	if (result < 0)
		return result;
	return agent_timer_set(&agent->sample_timer, ret_actions->sample_at_ns);
}

int agent_feed(struct agent *agent, struct event *event)
{
	struct actions actions;

	return agent_feed_for_actions(agent, event, &actions);
}

/* SIGHUP reads the config again and opens the decisions file anew, for log rotation. */
static int agent_signal(void *context, int signal_number)
{
	struct agent *agent = context;
	char error[CONFIG_ERROR_LEN];

	if (signal_number != SIGHUP) {
		log_write(&agent->log, LOG_NORMAL, "%s: stopping", strsignal(signal_number));
		loop_stop(agent->loop, 0);
		return 0;
	}
	if (agent->decisions)
		ndjson_writer_reopen(agent->decisions);
	if (agent_reload(agent, error, sizeof(error)) < 0)
		log_write(&agent->log, LOG_QUIET, "reload: %s; the old configuration stays", error);
	return 0;
}

static int loop_open(struct agent *agent)
{
	int result = loop_create(&agent->loop);

	if (result < 0)
		return result;
	/* Before anything is made that a signal would have to remove. */
	result = loop_add_signals(agent->loop, agent_signal, agent);
	if (result < 0)
		return result;
	const struct {
		struct agent_timer *timer;
		loop_timer_callback callback;
	} timers[] = {
		{&agent->wake_timer, agent_wake},
		{&agent->sample_timer, agent_sample},
		{&agent->walk_timer, agent_walk},
		{&agent->cost.timer, agent_cost_end},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(timers); i++) {
		timers[i].timer->at_ns = LOOP_NEVER;
		result = loop_add_timer(agent->loop, timers[i].callback, agent,
					&timers[i].timer->timer);
		if (result < 0)
			return result;
	}
	return 0;
}

/* Returns 0 or the exit status. */
static int config_open(struct agent *agent)
{
	const struct config_overrides *overrides = &agent->arguments->overrides;
	char error[CONFIG_ERROR_LEN];
	int result;

	agent->config_path = agent->arguments->config_path;
	if (!agent->config_path && access(CONFIG_DEFAULT_PATH, F_OK) == 0)
		agent->config_path = CONFIG_DEFAULT_PATH;
	if (agent->config_path)
		result = config_load_file(agent->config_path, overrides, &agent->config, error,
					  sizeof(error));
	else
		result = config_load_text("", 0, "(no configuration file)", overrides,
					  &agent->config, error, sizeof(error));
	if (result < 0) {
		log_write(&agent->log, LOG_QUIET, "%s", error);
		return AGENT_EXIT_CONFIG;
	}
	agent->log.level = agent->config.log_level;
	return 0;
}

static int run_dir_prepare(struct agent *agent)
{
	char error[CONFIG_ERROR_LEN] = "";
	int result = run_dir_open(agent->config.run_dir, agent->config.control_group, &agent->dir,
				  error, sizeof(error));

	if (result >= 0)
		return 0;
	if (result == -ESRCH) {
		log_write(&agent->log, LOG_QUIET, "%s: agent.control_group: %s",
			  agent->config_path ? agent->config_path : "(command line)", error);
		return AGENT_EXIT_CONFIG;
	}
	log_write(&agent->log, LOG_QUIET, "run directory %s: %s", agent->config.run_dir, error);
	return result == -EACCES || result == -EPERM ? AGENT_EXIT_PRIVILEGE : AGENT_EXIT_RUNTIME;
}

int agent_open(struct agent *agent, const struct config_arguments *arguments)
{
	char error[CONFIG_ERROR_LEN];
	int result;

	*agent = (struct agent){
		.arguments = arguments,
		.started_ns = loop_now_ns(),
		.own_pid = (uint32_t)getpid(),
		.psi_fd = -1,
		.dir = RUN_DIR_CLOSED,
		.state = {.dir_fd = -1, .run_fd = -1, .lock_fd = -1},
		.cost = {.stats_fd = -1},
	};
	log_init(&agent->log, STDERR_FILENO, LOG_NORMAL, agent->started_ns);
	result = config_open(agent);
	if (result)
		return result;
	if (privilege_check(agent->config.source, error, sizeof(error)) < 0) {
		log_write(&agent->log, LOG_QUIET, "%s", error);
		return AGENT_EXIT_PRIVILEGE;
	}
	result = loop_open(agent);
	if (result >= 0)
		result = engine_open(agent);
	if (result < 0) {
		log_write(&agent->log, LOG_QUIET, "cannot start: %s", strerror(-result));
		return AGENT_EXIT_RUNTIME;
	}
	result = run_dir_prepare(agent);
	if (!result)
		result = agent_output_open(agent);
	if (!result)
		result = agent_record_open(agent);
	if (result)
		return result;
	agent_state_open(agent);
	return agent_sources_open(agent);
}

int agent_run(struct agent *agent)
{
	/* What loading took: the kernel's BTF alone is 10 MB. */
	malloc_trim(0);
	/* A page fault in the middle of memory pressure is what we must not wait for. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		log_write(&agent->log, LOG_NORMAL, "memory is not locked: %s", strerror(errno));
	/* It runs for a millisecond at a time, and is asked for an answer when everybody wants the
	 * CPU. */
	if (setpriority(PRIO_PROCESS, 0, AGENT_NICE) < 0)
		log_write(&agent->log, LOG_NORMAL, "the priority stays as it is: %s",
			  strerror(errno));
	int result = loop_run(agent->loop);

	if (result >= 0)
		return result;
	log_write(&agent->log, LOG_QUIET, "stopping: %s", strerror(-result));
	return AGENT_EXIT_RUNTIME;
}

void agent_close(struct agent *agent)
{
	agent_cost_close(agent);
	agent_sources_close(agent);
	agent_state_close(agent);
	agent_record_close(agent);
	agent_output_close(agent);
	run_dir_close(&agent->dir);
	loop_destroy(agent->loop);
	free(agent->engine);
	log_close(&agent->log);
}
