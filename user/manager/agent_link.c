/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent_link.h"

#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "log.h"

enum {
	MISSED_HEARTBEATS = 3,
	EVENTS_PER_TURN = 64, /* whoever writes without end does not keep the rest waiting */
};

/* The agent answers a hello with its state; a moment is left for that. */
#define HELLO_AGAIN_NS (2 * NS_PER_S)

static void say_hello(struct agent_link *link)
{
	uint32_t pid = link->is_pid_told ? (uint32_t)getpid() : 0;
	int r = tierd_client_hello(link->client, link->tier, pid);

	if (r < 0) {
		log_rare("hello was not sent: %s", tierd_explain(r));
		loop_arm_in(&link->hello_timer, HELLO_AGAIN_NS);
		return;
	}
	link->events.on_hello(link->events.context);
}

/*
 * Told what it does not know. At the start, when nothing is loaded yet, the tier is left out: an
 * agent that starts at the same time then picks its first tier by itself, not `off`.
 */
static void correct(struct agent_link *link)
{
	if (!link->client || !tierd_client_is_connected(link->client) || !link->tier ||
	    strcmp(link->tier, link->believed) == 0)
		return;
	say_hello(link);
	snprintf(link->believed, sizeof(link->believed), "%s", link->tier);
}

static void on_hello_time(void *context)
{
	struct agent_link *link = context;

	if (tierd_client_is_connected(link->client))
		say_hello(link);
}

static void on_silence(void *context)
{
	struct agent_link *link = context;

	link->is_silent = true;
	log_line("no heartbeat of the agent: %s stays as it is", link->tier ? link->tier : "all");
}

static void heard(struct agent_link *link)
{
	if (link->is_silent)
		log_line("the agent is heard again");
	link->is_silent = false;
	loop_arm_in(&link->silence_timer, link->silence_ns);
}

static void take_state(struct agent_link *link, const struct manager_line *line)
{
	snprintf(link->believed, sizeof(link->believed), "%s",
		 line->is_actual_known ? line->from : "");
	correct(link);
}

static void take_event(struct agent_link *link, const struct tierd_client_event *event)
{
	switch (event->kind) {
	case TIERD_CLIENT_CONNECTED: {
		const char *tier = link->tier;

		log_line("connected to the agent");
		link->last_error = 0;
		heard(link);
		/* `off`: see correct(). What the agent says next tells whether it has to be said.
		 */
		if (tier && strcmp(tier, "off") == 0)
			link->tier = NULL;
		say_hello(link);
		link->tier = tier;
		snprintf(link->believed, sizeof(link->believed), "%s", tier ? tier : "");
		break;
	}
	case TIERD_CLIENT_DISCONNECTED:
		log_line("the agent is gone: %s stays as it is", link->tier ? link->tier : "all");
		loop_disarm(&link->silence_timer);
		loop_disarm(&link->hello_timer);
		break;
	case TIERD_CLIENT_LINE:
		heard(link);
		link->events.on_line(link->events.context, &event->line);
		if (event->line.verb == MANAGER_STATE)
			take_state(link, &event->line);
		break;
	default:
		log_rare("a line of the agent was not understood: %s: %s", event->error,
			 event->text);
	}
}

static void on_ready(void *context, short events)
{
	struct agent_link *link = context;
	struct tierd_client_event event;
	int left = EVENTS_PER_TURN;
	int r;

	(void)events;
	while ((r = tierd_client_next(link->client, &event)) > 0) {
		take_event(link, &event);
		if (--left == 0)
			break;
	}
	if (r > 0)
		loop_arm_in(&link->turn_timer,
			    0); /* the descriptor does not tell of what is read */
	if (r < 0 && r != link->last_error)
		log_line("no connection to the agent: %s", tierd_explain(r));
	link->last_error = r < 0 ? r : 0;
}

static void on_turn(void *context)
{
	on_ready(context, 0);
}

int agent_link_open(struct agent_link *link, struct loop *loop, const struct manager_config *config,
		    bool is_pid_told, const struct agent_link_events *events)
{
	*link = (struct agent_link){
		.loop = loop,
		.tier = link->tier,
		.silence_ns = units_scale(config->heartbeat_ns, MISSED_HEARTBEATS, 1),
		.is_pid_told = is_pid_told,
		.events = *events,
	};
	int r = tierd_client_open(config->run_dir, &link->client);

	if (r < 0)
		return r;
	loop_add_timer(loop, &link->silence_timer, on_silence, link);
	loop_add_timer(loop, &link->hello_timer, on_hello_time, link);
	loop_add_timer(loop, &link->turn_timer, on_turn, link);
	link->source = (struct loop_source){tierd_client_get_fd(link->client), CURL_WAIT_POLLIN,
					    on_ready, link};
	return loop_add_source(loop, &link->source);
}

void agent_link_close(struct agent_link *link)
{
	if (!link->client)
		return;
	loop_remove_source(link->loop, &link->source);
	tierd_client_close(link->client);
	link->client = NULL;
}

void agent_link_set_tier(struct agent_link *link, const char *name)
{
	link->tier = name;
	correct(link);
}

void agent_link_note_belief(struct agent_link *link, const char *name)
{
	snprintf(link->believed, sizeof(link->believed), "%s", name);
}

void agent_link_ack(struct agent_link *link, uint64_t seq, uint32_t state)
{
	int r = tierd_client_ack(link->client, seq, state);

	if (r < 0)
		log_rare("an ack was not sent: %s", tierd_explain(r));
}

void agent_link_task_begin(struct agent_link *link, const char *id, const char *tier)
{
	tierd_client_task_begin(link->client, id, tier);
}

void agent_link_task_end(struct agent_link *link, const struct tierd_task *task)
{
	tierd_client_task_end(link->client, task);
}
