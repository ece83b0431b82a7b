// SPDX-License-Identifier: BSD-2-Clause
/*
 * The walks over all threads: how often, and what is done with what they bring.
 *
 * A walk costs up to a microsecond per thread. On a host with thousands of them walks come less
 * often than `window` says, so that the agent stays a small guest there, too.
 */
#include <string.h>
#include <time.h>

#include "agent.h"
#include "base/units.h"

enum {
	FAILED_WALKS_MAX = 10,
	WALK_RESTS = 100, /* after a walk the agent rests this many times as long as it took */
};

#define WALK_REST_MAX_NS (2 * NS_PER_S)
/* What asks the kernel for every program once costs more than a short walk. */
#define MISSED_PERIOD_NS NS_PER_S

/* What was lost since the last time, if anything. */
static int losses_feed(struct agent *agent, uint64_t now_ns)
{
	struct event event = {.kind = EVENT_LOSS};
	uint64_t losses[LOSS_CAUSE_COUNT];
	bool is_any = false;

	if (now_ns - agent->missed_read_ns >= MISSED_PERIOD_NS) {
		probes_read_missed(agent->probes);
		agent->missed_read_ns = now_ns;
	}
	probes_get_losses(agent->probes, losses);
	for (unsigned int cause = 0; cause < LOSS_CAUSE_COUNT; cause++) {
		event.loss.count[cause] = units_minus(losses[cause], agent->losses_seen[cause]);
		is_any = is_any || event.loss.count[cause];
		agent->losses_seen[cause] = losses[cause];
	}
	return is_any ? agent_feed(agent, &event) : 0;
}

/*
 * A walk needs a little kernel memory, and pressure is when that may be missing: one that fails is
 * a loss and is tried again; only many in a row end this source.
 */
static int walk_failed(struct agent *agent, int failure)
{
	struct event event = {.kind = EVENT_LOSS, .loss.count[LOSS_WALK] = 1};

	if (++agent->failed_walks >= FAILED_WALKS_MAX)
		return agent_source_fall(agent, failure);
	log_rate_limited(&agent->log, LOG_NORMAL, "a walk over the threads failed: %s",
			 strerror(-failure));
	return agent_feed(agent, &event);
}

static uint64_t own_cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

/* A walk and what came out of it. */
static int window_end(struct agent *agent, uint64_t now_ns)
{
	struct event event = {
		.kind = EVENT_WINDOW,
		.window = {.begin_ns = agent->last_walk_ns, .end_ns = now_ns},
	};
	int result = probes_walk(agent->probes);

	if (result < 0)
		return walk_failed(agent, result);
	agent->failed_walks = 0;
	result = probes_read_urgent(agent->probes);
	if (result >= 0)
		result = probes_read_bulk(agent->probes);
	if (result < 0)
		return agent_source_fall(agent, result);
	agent->last_walk_ns = now_ns;
	result = losses_feed(agent, now_ns);
	if (result < 0)
		return result;
	probes_get_host_counters(agent->probes, &event.window.host);
	return agent_feed(agent, &event);
}

static uint64_t window_length_ns(const struct agent *agent)
{
	bool is_long = agent->is_calm || agent->failed_walks > 0;

	return units_max(agent->walk_rest_ns,
			 is_long ? agent->config.window_calm_ns : agent->config.window_ns);
}

/* In calm, together with a sample that is due a little later. */
static uint64_t next_walk_ns(const struct agent *agent, uint64_t now_ns)
{
	uint64_t at_ns = now_ns + window_length_ns(agent);
	uint64_t sample_ns = agent->sample_timer.at_ns;

	if (agent->is_calm && sample_ns >= at_ns &&
	    sample_ns - at_ns <= agent->config.window_calm_ns / 4)
		return sample_ns;
	return at_ns;
}

int agent_walk(void *context, uint64_t now_ns)
{
	struct agent *agent = context;
	uint64_t begin_ns = own_cpu_ns();
	int result;

	agent->walk_timer.at_ns = LOOP_NEVER;
	result = window_end(agent, now_ns);
	if (result < 0 || !agent->probes)
		return result;
	agent->walk_rest_ns =
		units_min(units_minus(own_cpu_ns(), begin_ns) * WALK_RESTS, WALK_REST_MAX_NS);
	return agent_timer_set(&agent->walk_timer, next_walk_ns(agent, now_ns));
}

/* Pressure that begins in the middle of a long window ends that window early. */
void agent_set_calm(struct agent *agent, bool is_calm)
{
	bool was_calm = agent->is_calm;

	agent->is_calm = is_calm;
	if (was_calm && !is_calm && agent->probes && agent->walk_timer.at_ns != LOOP_NEVER)
		agent_timer_set(&agent->walk_timer,
				units_min(agent->walk_timer.at_ns,
					  agent->last_walk_ns + window_length_ns(agent)));
}

/* Gives every thread its state; threads that were met without one before are no loss. */
int agent_first_walk(struct agent *agent)
{
	int result = probes_walk(agent->probes);

	if (result < 0)
		return result;
	probes_read_missed(agent->probes);
	probes_get_losses(agent->probes, agent->losses_seen);
	agent->last_walk_ns = loop_now_ns();
	return agent_walk(agent, agent->last_walk_ns);
}
