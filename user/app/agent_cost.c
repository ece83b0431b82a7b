// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the agent itself costs, for whoever asks: measured for a second from the first question on,
 * with the kernel's statistics of BPF programs on for that second only: they cost every program on
 * the host time in each run.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent.h"
#include "base/cleanup.h"
#include "base/units.h"

#define COST_SPAN_NS NS_PER_S

static uint64_t timeval_ns(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * NS_PER_S + (uint64_t)time->tv_usec * NS_PER_US;
}

/* Everything so far. */
static void cost_read(const struct agent *agent, struct status_cost *ret_cost)
{
	struct rusage usage = {0};

	*ret_cost = (struct status_cost){0};
	getrusage(RUSAGE_SELF, &usage);
	ret_cost->user_ns = timeval_ns(&usage.ru_utime);
	ret_cost->system_ns = timeval_ns(&usage.ru_stime);
	if (!agent->probes) {
		ret_cost->problem = "the source is not bpf";
		return;
	}
	int result = bpf_cost_read(agent->probes, &ret_cost->bpf);

	if (result < 0)
		ret_cost->problem = strerror(-result);
	else if (agent->cost.error == -EINVAL)
		ret_cost->problem = "this kernel counts it for nobody (5.8 and later do)";
	else if (agent->cost.error < 0)
		ret_cost->problem = strerror(-agent->cost.error);
}

/* What was spent between the two. */
static void cost_subtract(const struct status_cost *begin, struct status_cost *cost)
{
	if (begin->problem)
		cost->problem = begin->problem;
	cost->user_ns = units_minus(cost->user_ns, begin->user_ns);
	cost->system_ns = units_minus(cost->system_ns, begin->system_ns);
	for (uint32_t i = 0; i < cost->bpf.count; i++) {
		struct bpf_cost_program *program = &cost->bpf.programs[i];

		program->runs = units_minus(program->runs, begin->bpf.programs[i].runs);
		program->run_ns = units_minus(program->run_ns, begin->bpf.programs[i].run_ns);
	}
}

int agent_cost_ask(struct agent *agent, const struct control_line *line)
{
	struct agent_cost *cost = &agent->cost;

	if (cost->asker_count == AGENT_COST_ASKERS_MAX)
		return -EBUSY;
	cost->askers[cost->asker_count++] = *line;
	if (cost->asker_count > 1)
		return 0;
	cost->stats_fd = agent->probes ? bpf_cost_enable() : -1;
	cost->error = agent->probes && cost->stats_fd < 0 ? cost->stats_fd : 0;
	cost_read(agent, &cost->begin);
	cost->begin_ns = loop_now_ns();
	return agent_timer_set(&cost->timer, cost->begin_ns + COST_SPAN_NS);
}

static void stats_disable(struct agent_cost *cost)
{
	cleanup_close(&cost->stats_fd);
	cost->stats_fd = -1;
}

int agent_cost_end(void *context, uint64_t now_ns)
{
	struct agent *agent = context;
	struct status_cost now;

	(void)now_ns;
	agent->cost.timer.at_ns = LOOP_NEVER;
	cost_read(agent, &now);
	now.span_ns = units_minus(loop_now_ns(), agent->cost.begin_ns);
	stats_disable(&agent->cost);
	now.life_ns = units_minus(loop_now_ns(), agent->started_ns);
	now.life_cpu_ns = now.user_ns + now.system_ns;
	cost_subtract(&agent->cost.begin, &now);
	for (uint32_t i = 0; i < agent->cost.asker_count; i++)
		agent_reply_status(agent, &agent->cost.askers[i], &now);
	agent->cost.asker_count = 0;
	return 0;
}

void agent_cost_close(struct agent *agent)
{
	for (uint32_t i = 0; i < agent->cost.asker_count; i++)
		agent_reply_error(agent, &agent->cost.askers[i], "the agent ends");
	agent->cost.asker_count = 0;
	stats_disable(&agent->cost);
}
